//! Makes the rules that `decide` reads from a sync of the configuration and the schemas of its two sides.
//!
//! Default mappings join fields of equal meaning (E10.5), in the directions that both sides can write. They can only be
//! switched off (B07): `defaults_off` names their field on either side; a mapping of the user's own may then take the
//! place.

use syncline_core::{
    Field, FieldName, KeyField, KeyForm, KeyTuple, Mapping, MappingRule, Matching, MergeForm, Object, Route, Rules,
    Schema, Side, Step, TransformUse, Writable, goes_both_ways, standard_group, steps,
};
use toml::Spanned;

use super::fields::validate_fields;
use super::mapping::{MappingConfig, flows_to};
use super::matching::{KeyChoice, MatchChoice};
use super::mistake::{Mistake, shown};
use super::transform::TransformChoice;
use super::{Sync, abilities, index, refers};

/// What is known of one side.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its fields.
    pub schema: &'a Schema,
}

/// A default mapping that is off although nobody switched it off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrouted {
    /// The left field.
    pub left: FieldName,
    /// The right field.
    pub right: FieldName,
    /// Why it is off.
    pub why: String,
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

    /// True if `own` joins the same two fields.
    pub(super) fn is_at(&self, own: &MappingConfig) -> bool {
        *own.left.get_ref() == self.left.name && *own.right.get_ref() == self.right.name
    }

    /// Returns the steps by which the host makes values for `side`; `None` if it cannot.
    pub(super) fn converted_to(&self, sync: &Sync, side: Side) -> Option<Vec<Step>> {
        let pairs = self.own.and_then(|own| own.options.as_ref());
        let given = pairs.map(|pairs| pairs.towards(side, self.left, self.right)).unwrap_or_default();
        steps(self.field(side.other()), self.field(side), &sync.zone, &given)
    }

    /// Returns how its references are translated; none if it has none.
    pub(super) fn routes(&self, sync: &Sync) -> Result<Vec<Route>, Mistake> {
        refers::routes(sync, self.left, self.right, self.own)
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
    mistakes.extend(index::validate(sync, &matching, left, right));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let in_force = mappings_in_force(sync, left.schema, right.schema);
    Ok(Rules {
        direction: sync.direction,
        matching,
        left_index: sync.index.of(Side::Left),
        right_index: sync.index.of(Side::Right),
        mappings: in_force.iter().map(|mapping| rule(sync, mapping, use_of)).collect(),
        conflict: sync.conflict.choice.policy(use_of),
        record_atomic: sync.record_atomic,
        deletes_to_left: *sync.deletes.to_left.get_ref(),
        deletes_to_right: *sync.deletes.to_right.get_ref(),
        edit_delete: sync.edit_delete,
        scope: sync.scope.scope(left.schema, right.schema),
        leave: sync.scope.leave(),
        skew_tolerance_ms: sync.conflict.skew_tolerance_ms,
        caps: sync.caps,
    })
}

fn rule(sync: &Sync, mapping: &InForce<'_>, use_of: &dyn Fn(&TransformChoice) -> TransformUse) -> Mapping {
    let plain = Mapping::new(mapping.left.name.clone(), mapping.right.name.clone(), mapping.rule);
    let written = |side| match writes(sync, mapping, side) {
        true => steps_to(sync, mapping, side, use_of),
        false => Vec::new(),
    };
    let (own, own_group) = (mapping.own, mapping.own.and_then(|own| own.group.clone()));
    Mapping {
        left_writable: writable(mapping.left),
        right_writable: writable(mapping.right),
        to_right: written(Side::Right),
        to_left: written(Side::Left),
        group: own_group.or_else(|| group(mapping)),
        compare: compared_as(mapping.left, mapping.right),
        conflict: own.and_then(|own| own.conflict.as_ref()).map(|choice| choice.policy(use_of)),
        target_drift: own.and_then(|own| own.target_drift).unwrap_or(sync.target_drift),
        merge: own.and_then(|own| own.merge).unwrap_or_else(|| merge(mapping)),
        left_values_max: mapping.left.values_max,
        right_values_max: mapping.right.values_max,
        on_invalid: own.map_or(plain.on_invalid, |own| own.on_invalid),
        // That there are some was seen when the mapping was checked.
        routes: mapping.routes(sync).unwrap_or_default(),
        default: own.is_none(),
        ..plain
    }
}

/// The user's transforms make the whole value; without them the host converts.
fn steps_to(
    sync: &Sync,
    mapping: &InForce<'_>,
    side: Side,
    use_of: &dyn Fn(&TransformChoice) -> TransformUse,
) -> Vec<Step> {
    let transforms = mapping.own.map(|own| own.transforms_to(side)).unwrap_or_default();
    if !transforms.is_empty() {
        return transforms.iter().map(|choice| Step::Transform(use_of(choice))).collect();
    }
    mapping.converted_to(sync, side).unwrap_or_default()
}

/// Where one side holds a single value, a new one takes the place of the old one.
fn merge(mapping: &InForce<'_>) -> MergeForm {
    let is_single = [mapping.left, mapping.right].iter().any(|field| field.values_max == Some(1));
    if is_single { MergeForm::Replace } else { MergeForm::Set }
}

/// Returns the merge group: as a connector says, else by what the fields mean (E2.5).
fn group(mapping: &InForce<'_>) -> Option<String> {
    let by_meaning = |field: &Field| standard_group(field.meaning.as_deref()?);
    let fields = [mapping.left, mapping.right];
    fields.iter().find_map(|field| field.group.clone()).or_else(|| fields.into_iter().find_map(by_meaning))
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
    // Both on the same two fields is one mistake, which is told as such.
    in_force.retain(|default| !sync.mappings.iter().any(|own| default.is_at(own)));
    let own = sync.mappings.iter().filter(|own| own.rule != MappingRule::Off).filter_map(|own| {
        let (left, right) = (left.field(own.left.get_ref())?, right.field(own.right.get_ref())?);
        Some(InForce { left, right, rule: own.rule, own: Some(own) })
    });
    in_force.extend(own);
    in_force
}

/// Returns the default mappings that are not switched off (B07) and know how to carry their values over.
pub(super) fn default_mappings<'a>(sync: &'a Sync, left: &'a Schema, right: &'a Schema) -> Vec<InForce<'a>> {
    let mut defaults = wanted_defaults(sync, left, right);
    defaults.retain(|default| default.routes(sync).is_ok());
    defaults
}

/// Returns the default mappings that are off since nobody knows whom their references mean on the other side (E10.1).
pub fn unrouted_defaults(sync: &Sync, left: &Schema, right: &Schema) -> Vec<Unrouted> {
    let own = |default: &InForce<'_>| sync.mappings.iter().any(|own| default.is_at(own));
    let defaults = wanted_defaults(sync, left, right).into_iter().filter(|default| !own(default));
    let unrouted = |default: InForce<'_>| {
        let mistake = default.routes(sync).err()?;
        let (left, right) = (default.left.name.clone(), default.right.name.clone());
        Some(Unrouted { left, right, why: mistake.message })
    };
    defaults.filter_map(unrouted).collect()
}

fn wanted_defaults<'a>(sync: &'a Sync, left: &'a Schema, right: &'a Schema) -> Vec<InForce<'a>> {
    let is_off = |field: &Field| sync.defaults_off.iter().any(|off| off.get_ref() == field.name.as_str());
    let mut defaults: Vec<InForce<'a>> = Vec::new();
    for field in left.fields.iter().filter(|field| field.meaning.is_some()) {
        let Some(counterpart) = right.fields.iter().find(|other| other.meaning == field.meaning) else { continue };
        if is_off(field) || is_off(counterpart) {
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
    // Text that nobody reads back is for the user to ask for.
    let can = |to: &Field, side| sync.direction.writes(side) && !to.traits.read_only;
    match (can(right, Side::Right), can(left, Side::Left)) {
        _ if !goes_both_ways(left.kind, right.kind) => None,
        (true, true) => Some(MappingRule::TwoWay),
        (true, false) => Some(MappingRule::ToRight),
        (false, true) => Some(MappingRule::ToLeft),
        (false, false) => None,
    }
}

fn matching(sync: &Sync, left: Facts<'_>, right: Facts<'_>) -> Result<Matching, Mistake> {
    let tuples = match &sync.matching.by {
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
    Ok(Matching { tuples, doubles: sync.matching.ambiguous, without_key: sync.matching.without_key })
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
        .map(|(left_name, right_name)| match key_form(left, left_name) {
            KeyForm::Text => key_form(right, right_name),
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

/// Returns the form in which values of a field are compared as keys.
pub(super) fn key_form(schema: &Schema, name: &FieldName) -> KeyForm {
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
