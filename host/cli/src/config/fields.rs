//! What the applications' schemas say of a sync: are there such fields, can they be written, do they fit together.

use std::ops::Range;

use syncline_core::{Carry, FieldName, MappingRule, Schema, Side, Step, carry};
use toml::Spanned;

use super::Sync;
use super::mapping::MappingConfig;
use super::matching::MatchChoice;
use super::mistake::{Mistake, neighbour, shown};
use super::rules::{InForce, default_mappings, mappings_in_force, writes};
use super::scope::validate_filters;

/// Returns every mistake of `sync` that only the schemas of its two sides show.
pub fn validate_fields(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Mistake> {
    let mut mistakes = unknown_fields(sync, left, right);
    mistakes.extend(edited_defaults(sync, left, right));
    mistakes.extend(validate_filters(sync, left, right));
    let in_force = mappings_in_force(sync, left, right);
    for mapping in &in_force {
        mistakes.extend(target_mistakes(sync, mapping));
    }
    for side in Side::BOTH {
        mistakes.extend(doubled_targets(sync, &in_force, side));
        mistakes.extend(lists_with_slots(sync, &in_force, side));
    }
    mistakes
}

fn unknown_fields(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Mistake> {
    let mut named: Vec<(Side, &Spanned<FieldName>)> = Vec::new();
    for mapping in &sync.mappings {
        named.extend([(Side::Left, &mapping.left), (Side::Right, &mapping.right)]);
    }
    if let MatchChoice::By(keys) = &sync.matching.by {
        for key in keys {
            named.extend(key.left.iter().map(|name| (Side::Left, name)));
            named.extend(key.right.iter().map(|name| (Side::Right, name)));
        }
    }
    let mut mistakes: Vec<Mistake> = named
        .into_iter()
        .filter(|(side, name)| side.pick(left, right).field(name.get_ref()).is_none())
        .map(|(side, name)| {
            let message = format!(
                "there is no field {} on the {side}, in {}",
                shown(name.get_ref().as_str()),
                sync.endpoint(side)
            );
            Mistake::new(&name.span(), message).mend(neighbour(
                name.get_ref().as_str(),
                names(side.pick(left, right)),
                "there are",
            ))
        })
        .collect();
    for off in &sync.defaults_off {
        let is_there = [left, right].iter().any(|schema| names(schema).any(|name| name == off.get_ref()));
        if !is_there {
            let message = format!("there is no field {} on either side", shown(off.get_ref()));
            let known = names(left).chain(names(right));
            mistakes.push(Mistake::new(&off.span(), message).mend(neighbour(off.get_ref(), known, "there are")));
        }
    }
    mistakes
}

fn names(schema: &Schema) -> impl Iterator<Item = &str> + Clone {
    schema.fields.iter().map(|field| field.name.as_str())
}

fn target_mistakes(sync: &Sync, mapping: &InForce<'_>) -> Vec<Mistake> {
    // Defaults are made so that they fit.
    let Some(own) = mapping.own else { return Vec::new() };
    let written: Vec<Side> = Side::BOTH.into_iter().filter(|side| writes(sync, mapping, *side)).collect();
    if let Some(side) = written.iter().find(|side| mapping.field(**side).traits.read_only) {
        return vec![read_only_mistake(mapping, own, *side)];
    }
    let mut mistakes = option_mistakes(sync, mapping, own);
    mistakes.extend(mapping.routes(sync).err());
    let plain: Vec<Side> = written.into_iter().filter(|side| own.transforms_to(*side).is_empty()).collect();
    let carried = |side: Side| carry(mapping.field(side.other()).kind, mapping.field(side).kind);
    let (fit, unfit): (Vec<Side>, Vec<Side>) = plain.iter().partition(|side| carried(**side) != Carry::Not);
    // Both directions are one mistake.
    if let Some(&side) = unfit.first() {
        mistakes.push(type_mistake(mapping, own, side, fit.first().copied()));
    }
    mistakes
}

/// Says why values cannot be carried to `side`, and which way they can (E2.6, F14).
fn type_mistake(mapping: &InForce<'_>, own: &MappingConfig, side: Side, fit: Option<Side>) -> Mistake {
    let (name, place) = (|side: Side| shown(mapping.field(side).name.as_str()), own.field(side).span());
    if let Some(fit) = fit {
        let (from, to) = (name(fit.other()), name(fit));
        let message = format!("{}: values go from {from} to {to} only", kinds(mapping, side));
        let mend = format!("set `rule = \"to-{fit}\"`, or name transforms `to_left` and `to_right`");
        return Mistake::new(&place, message).mend(mend);
    }
    let message = format!("{}: the one cannot become the other", kinds(mapping, side.other()));
    let turned = carry(mapping.field(side).kind, mapping.field(side.other()).kind) != Carry::Not;
    let mend = match (turned, own.rule) {
        (true, _) => format!("values go the other way only: set `rule = \"to-{}\"`", side.other()),
        (false, MappingRule::TwoWay) => "map another field, or name transforms `to_left` and `to_right`".to_owned(),
        (false, _) => format!("map another field, or name a transform `to_{side}`"),
    };
    Mistake::new(&place, message).mend(mend)
}

/// Returns what is wrong with the options of an enumeration: there are none, or none that belong together (E2.6).
fn option_mistakes(sync: &Sync, mapping: &InForce<'_>, own: &MappingConfig) -> Vec<Mistake> {
    let by_options = carry(mapping.left.kind, mapping.right.kind) == Carry::ByOptions;
    let mut mistakes = Vec::new();
    if let Some(pairs) = &own.options {
        let needless = Side::BOTH.into_iter().any(|side| !own.transforms_to(side).is_empty());
        if !by_options || needless {
            let why = if needless { "its transforms make the values" } else { "they are no enumerations of one sort" };
            let message = format!("`options` mean nothing for this mapping: {why}");
            return vec![Mistake::new(&pairs.place, message).mend("take `options` out")];
        }
        mistakes = pairs.unknown(mapping.left, mapping.right);
    }
    let empty = |side: &Side| {
        let steps = mapping.converted_to(sync, *side).unwrap_or_default();
        matches!(steps.first(), Some(Step::Options(map)) if map.is_empty()) && own.transforms_to(*side).is_empty()
    };
    if by_options
        && mistakes.is_empty()
        && Side::BOTH.into_iter().filter(|side| writes(sync, mapping, *side)).any(|side| empty(&side))
    {
        let (left, right) = (shown(mapping.left.name.as_str()), shown(mapping.right.name.as_str()));
        let message = format!("{left} and {right} have no option in common");
        let mistake = Mistake::new(&own.left.span(), message);
        mistakes.push(mistake.mend("say which belong together: options = { left-option = \"right-option\" }"));
    }
    mistakes
}

/// A default mapping is neither edited nor deleted; it is switched off, and another may take its place (B07).
fn edited_defaults(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Mistake> {
    let defaults = default_mappings(sync, left, right);
    let mut mistakes = Vec::new();
    for own in &sync.mappings {
        let Some(default) = defaults.iter().find(|default| default.is_at(own)) else { continue };
        let (one, other) = (default.left.name.as_str(), default.right.name.as_str());
        let message = format!(
            "{} and {} are joined by a default mapping, which can only be switched off",
            shown(one),
            shown(other)
        );
        let mend = match own.rule {
            MappingRule::Off => format!("add defaults_off = [\"{one}\"] to the sync instead of this mapping"),
            _ => format!("add defaults_off = [\"{one}\"] to the sync, and this mapping takes its place"),
        };
        mistakes.push(Mistake::new(&own.left.span(), message).mend(mend));
    }
    mistakes
}

fn read_only_mistake(mapping: &InForce<'_>, own: &MappingConfig, side: Side) -> Mistake {
    let target = mapping.field(side);
    let message = format!("{} can only be read on the {side}", shown(target.name.as_str()));
    let mistake = Mistake::new(&own.field(side).span(), message);
    if mapping.field(side.other()).traits.read_only {
        let other = shown(mapping.field(side.other()).name.as_str());
        return mistake.mend(format!("{other} can only be read too, so the mapping can do nothing; take it out"));
    }
    mistake.mend(format!("set `rule = \"to-{}\"`, which never writes it", side.other()))
}

fn kinds(mapping: &InForce<'_>, first: Side) -> String {
    let words = [first, first.other()].map(|side| {
        let field = mapping.field(side);
        format!("{} is of type {}", shown(field.name.as_str()), field.kind.word())
    });
    words.join(" and ")
}

/// Two active mappings onto one target field are an error (E10.5).
fn doubled_targets(sync: &Sync, in_force: &[InForce<'_>], side: Side) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let is_written = |mapping: &InForce<'_>| writes(sync, mapping, side) && !mapping.field(side).traits.read_only;
    for (position, mapping) in in_force.iter().enumerate().filter(|(_, mapping)| is_written(mapping)) {
        let target = &mapping.field(side).name;
        let earlier = in_force[..position].iter().find(|other| is_written(other) && other.field(side).name == *target);
        let Some(earlier) = earlier else { continue };
        let message = format!("two mappings write {} on the {side}", shown(target.as_str()));
        let mistake = Mistake::new(&place(sync, mapping), message);
        mistakes.push(beside(sync, mistake, earlier, "the other mapping is here"));
    }
    mistakes
}

/// A list and one of its slots are two views of one thing; mapping both is an error (E10.2).
fn lists_with_slots(sync: &Sync, in_force: &[InForce<'_>], side: Side) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for slot in in_force {
        let Some(list) = &slot.field(side).slot_of else { continue };
        let Some(whole) = in_force.iter().find(|other| other.field(side).name == *list) else { continue };
        // The later of the two in the file is where the mistake was made; a default stands nowhere.
        let (later, earlier) = if place_order(slot) > place_order(whole) { (slot, whole) } else { (whole, slot) };
        let message = format!(
            "{} is one of the values of {}, and both are mapped on the {side}",
            shown(slot.field(side).name.as_str()),
            shown(list.as_str())
        );
        let mistake = Mistake::new(&place(sync, later), message);
        mistakes.push(beside(sync, mistake, earlier, "the other mapping is here"));
    }
    mistakes
}

/// Points at the other mapping, or says how a default one is switched off.
fn beside(sync: &Sync, mistake: Mistake, other: &InForce<'_>, note: &str) -> Mistake {
    match other.own {
        Some(_) => mistake.mend("keep one of them").also(&place(sync, other), note),
        None => mistake.mend(format!(
            "the other is the default mapping of {} and {}; switch it off with defaults_off = [\"{}\"]",
            shown(other.left.name.as_str()),
            shown(other.right.name.as_str()),
            other.left.name
        )),
    }
}

fn place(sync: &Sync, mapping: &InForce<'_>) -> Range<usize> {
    match mapping.own {
        Some(own) => own.left.span(),
        None => sync.place(),
    }
}

fn place_order(mapping: &InForce<'_>) -> usize {
    mapping.own.map_or(0, |own| own.left.span().start)
}
