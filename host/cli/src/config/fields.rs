//! What the applications' schemas say of a sync: are there such fields, can they be written, do they fit together.

use std::ops::Range;

use syncline_core::{FieldName, Schema, Side};
use toml::Spanned;

use super::mapping::MappingConfig;
use super::matching::MatchChoice;
use super::mistake::{Mistake, neighbour, shown};
use super::rules::{InForce, mappings_in_force, writes};
use super::{Sync, compatible};

/// Returns every mistake of `sync` that only the schemas of its two sides show.
pub fn validate_fields(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Mistake> {
    let mut mistakes = unknown_fields(sync, left, right);
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
    if let MatchChoice::By(keys) = &sync.matching {
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
    let plain: Vec<Side> = written.into_iter().filter(|side| own.transform_to(*side).is_none()).collect();
    if compatible::fits(mapping.left.kind, mapping.right.kind) {
        return Vec::new();
    }
    // Both directions are one mistake.
    let Some(side) = plain.first() else { return Vec::new() };
    let message = format!("{}: the one cannot become the other", kinds(mapping, side.other()));
    let mend = match plain.len() {
        1 => format!("map another field, or name a transform `to_{side}`"),
        _ => "map another field, or name transforms `to_left` and `to_right`".to_owned(),
    };
    vec![Mistake::new(&own.field(*side).span(), message).mend(mend)]
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
