//! Makes the rules that `decide` reads from a sync of the configuration and the schemas of its two sides.
//!
//! Default mappings join fields of equal meaning (E10.5), in the directions that both sides can write. A mapping of the
//! user's own on the same two fields takes the place of the default one; `defaults_off` switches one off by the name of
//! its field on either side.

use syncline_core::{
    Field, FieldName, KeyField, KeyForm, KeyTuple, Mapping, MappingRule, Matching, Object, Rules, Schema, Side,
    TransformUse, Writable,
};
use toml::Spanned;

use super::fields::validate_fields;
use super::mapping::{MappingConfig, flows_to};
use super::matching::{KeyChoice, MatchChoice};
use super::mistake::{Mistake, shown};
use super::transform::TransformChoice;
use super::{Sync, abilities, compatible};

/// What is known of one side.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its fields.
    pub schema: &'a Schema,
}

/// A mapping in force, before it becomes a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce<'a> {
    pub(super) left: &'a Field,
    pub(super) right: &'a Field,
    pub(super) rule: MappingRule,
    /// The user's own, or none for a default.
    pub(super) own: Option<&'a MappingConfig>,
}

impl<'a> InForce<'a> {
    pub(super) fn field(&self, side: Side) -> &'a Field {
        side.pick(self.left, self.right)
    }
}

/// Makes the rules of `sync`, or returns every mistake in it; `use_of` fills in a transform's options.
pub fn rules(
    sync: &Sync,
    left: Facts<'_>,
    right: Facts<'_>,
    use_of: &dyn Fn(&TransformChoice) -> TransformUse,
) -> Result<Rules, Vec<Mistake>> {
    let mut mistakes = abilities::validate(sync, left.object, right.object);
    mistakes.extend(validate_fields(sync, left.schema, right.schema));
    let matching = matching(sync, left, right).map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let in_force = mappings_in_force(sync, left.schema, right.schema);
    Ok(Rules {
        direction: sync.direction,
        matching,
        mappings: in_force.iter().map(|mapping| rule(mapping, use_of)).collect(),
        conflict: sync.conflict.choice.policy(use_of),
        deletes_to_left: *sync.deletes.to_left.get_ref(),
        deletes_to_right: *sync.deletes.to_right.get_ref(),
        edit_delete: sync.edit_delete,
        skew_tolerance_ms: sync.conflict.skew_tolerance_ms,
    })
}

fn rule(mapping: &InForce<'_>, use_of: &dyn Fn(&TransformChoice) -> TransformUse) -> Mapping {
    let transform = |side| mapping.own.and_then(|own| own.transform_to(side)).map(use_of);
    Mapping {
        left: mapping.left.name.clone(),
        right: mapping.right.name.clone(),
        rule: mapping.rule,
        left_writable: writable(mapping.left),
        right_writable: writable(mapping.right),
        to_right: transform(Side::Right),
        to_left: transform(Side::Left),
        group: mapping.left.group.clone().or_else(|| mapping.right.group.clone()),
        compare: compared_as(mapping.left, mapping.right),
        conflict: mapping.own.and_then(|own| own.conflict.as_ref()).map(|choice| choice.policy(use_of)),
        default: mapping.own.is_none(),
    }
}

/// E-mail addresses say the same in any capitals; servers change them as they like.
fn compared_as(left: &Field, right: &Field) -> Option<KeyForm> {
    let is_email = |field: &Field| field.meaning.as_deref() == Some("email");
    (is_email(left) || is_email(right)).then_some(KeyForm::Email)
}

fn writable(field: &Field) -> Writable {
    match field.traits {
        traits if traits.read_only => Writable::Never,
        traits if traits.create_only => Writable::AtCreate,
        _ => Writable::Always,
    }
}

/// Returns the mappings in force, defaults first; those with unknown fields are left out.
pub(super) fn mappings_in_force<'a>(sync: &'a Sync, left: &'a Schema, right: &'a Schema) -> Vec<InForce<'a>> {
    let mut in_force = default_mappings(sync, left, right);
    let own = sync.mappings.iter().filter(|own| own.rule != MappingRule::Off).filter_map(|own| {
        let (left, right) = (left.field(own.left.get_ref())?, right.field(own.right.get_ref())?);
        Some(InForce { left, right, rule: own.rule, own: Some(own) })
    });
    in_force.extend(own);
    in_force
}

fn default_mappings<'a>(sync: &'a Sync, left: &'a Schema, right: &'a Schema) -> Vec<InForce<'a>> {
    let is_off = |field: &Field| sync.defaults_off.iter().any(|off| off.get_ref() == field.name.as_str());
    let is_own = |left: &Field, right: &Field| {
        sync.mappings.iter().any(|own| *own.left.get_ref() == left.name && *own.right.get_ref() == right.name)
    };
    let mut defaults: Vec<InForce<'a>> = Vec::new();
    for field in left.fields.iter().filter(|field| field.meaning.is_some()) {
        let Some(counterpart) = right.fields.iter().find(|other| other.meaning == field.meaning) else { continue };
        if is_off(field) || is_off(counterpart) || is_own(field, counterpart) {
            continue;
        }
        if let Some(rule) = default_rule(sync, field, counterpart) {
            defaults.push(InForce { left: field, right: counterpart, rule, own: None });
        }
    }
    // A list carries all that its slots would; mapping both is an error (E10.2) that no default should make.
    let is_slot_of_default = |field: &Field, side| {
        field.slot_of.as_ref().is_some_and(|list| defaults.iter().any(|one| one.field(side).name == *list))
    };
    let doubled: Vec<bool> = defaults
        .iter()
        .map(|one| Side::BOTH.into_iter().any(|side| is_slot_of_default(one.field(side), side)))
        .collect();
    let mut doubled = doubled.into_iter();
    defaults.retain(|_| !doubled.next().unwrap_or(false));
    defaults
}

fn default_rule(sync: &Sync, left: &Field, right: &Field) -> Option<MappingRule> {
    let can = |from: &Field, to: &Field, side| {
        sync.direction.writes(side) && !to.traits.read_only && compatible::fits(from.kind, to.kind)
    };
    match (can(left, right, Side::Right), can(right, left, Side::Left)) {
        (true, true) => Some(MappingRule::TwoWay),
        (true, false) => Some(MappingRule::ToRight),
        (false, true) => Some(MappingRule::ToLeft),
        (false, false) => None,
    }
}

fn matching(sync: &Sync, left: Facts<'_>, right: Facts<'_>) -> Result<Matching, Mistake> {
    let tuples = match &sync.matching {
        MatchChoice::None => Vec::new(),
        MatchChoice::By(keys) => keys.iter().map(|key| chosen_tuple(key, left.schema, right.schema)).collect(),
        MatchChoice::Default => {
            let tuples = default_tuples(left, right);
            if tuples.is_empty() {
                let message = format!(
                    "the keys of {} and {} do not fit together, so it is not known which records are the same",
                    shown(left.object.name.as_str()),
                    shown(right.object.name.as_str())
                );
                let mend = "add match = { by = [\"email\"] } with fields that tell, or match = \"none\"";
                return Err(Mistake::new(&sync.place(), message).mend(mend));
            }
            tuples
        }
    };
    Ok(Matching { tuples })
}

fn chosen_tuple(key: &KeyChoice, left: &Schema, right: &Schema) -> KeyTuple {
    let fields = |names: &[Spanned<FieldName>]| names.iter().map(|name| name.get_ref().clone()).collect::<Vec<_>>();
    tuple(&fields(&key.left), &fields(&key.right), left, right)
}

/// Both sides of a key are brought into one form: that of the side whose field says what it means.
fn tuple(left_names: &[FieldName], right_names: &[FieldName], left: &Schema, right: &Schema) -> KeyTuple {
    let forms: Vec<KeyForm> = left_names
        .iter()
        .zip(right_names)
        .map(|(left_name, right_name)| match form(left, left_name) {
            KeyForm::Text => form(right, right_name),
            form => form,
        })
        .collect();
    let keys = |names: &[FieldName]| {
        names.iter().zip(&forms).map(|(field, form)| KeyField { field: field.clone(), form: *form }).collect()
    };
    KeyTuple { left: keys(left_names), right: keys(right_names) }
}

/// Returns the ordered keys of either connector for which the other side has fields of the same meaning.
fn default_tuples(left: Facts<'_>, right: Facts<'_>) -> Vec<KeyTuple> {
    let from_left = left.object.default_keys.iter().filter_map(|names| {
        Some(tuple(names, &counterparts(names, left.schema, right.schema)?, left.schema, right.schema))
    });
    let from_right = right.object.default_keys.iter().filter_map(|names| {
        Some(tuple(&counterparts(names, right.schema, left.schema)?, names, left.schema, right.schema))
    });
    let mut tuples: Vec<KeyTuple> = Vec::new();
    for tuple in from_left.chain(from_right).filter(|tuple| !tuple.left.is_empty()) {
        if !tuples.contains(&tuple) {
            tuples.push(tuple);
        }
    }
    tuples
}

fn counterparts(names: &[FieldName], from: &Schema, to: &Schema) -> Option<Vec<FieldName>> {
    let counterpart = |name: &FieldName| {
        let meaning = from.field(name)?.meaning.as_ref()?;
        Some(to.fields.iter().find(|field| field.meaning.as_ref() == Some(meaning))?.name.clone())
    };
    names.iter().map(counterpart).collect()
}

fn form(schema: &Schema, name: &FieldName) -> KeyForm {
    let meaning = schema.field(name).and_then(|field| field.meaning.as_deref()).unwrap_or_default();
    match meaning.split('.').next().unwrap_or_default() {
        "email" | "emails" => KeyForm::Email,
        "domain" | "website" => KeyForm::Domain,
        "phone" | "phones" => KeyForm::Phone,
        _ => KeyForm::Text,
    }
}

/// Says whether `mapping` writes `side` in this sync.
pub(super) fn writes(sync: &Sync, mapping: &InForce<'_>, side: Side) -> bool {
    sync.direction.writes(side) && flows_to(mapping.rule, side)
}

#[cfg(test)]
mod tests;
