//! `[[syncs.NAME.mappings]]`: joins one field of the left with one of the right (E2.4).

use std::ops::Range;

use syncline_core::{Direction, FieldName, MappingRule, MergeForm, OnInvalid, Side, TargetDrift};
use toml::Spanned;

use super::conflict::{self, ConflictChoice};
use super::drift;
use super::mistake::Mistake;
use super::options::{self, OptionPairs};
use super::read::{Item, Reader, Section};
use super::refers::{self, ReferChoice};
use super::transform::{self, TransformChoice};

/// A mapping of the user's own.
#[derive(Clone, Debug)]
pub struct MappingConfig {
    /// Where it stands.
    pub place: Range<usize>,
    /// The left field.
    pub left: Spanned<FieldName>,
    /// The right field.
    pub right: Spanned<FieldName>,
    /// What it may do.
    pub rule: MappingRule,
    /// Make a right value of a left one, in this order.
    pub to_right: Vec<TransformChoice>,
    /// Make a left value of a right one.
    pub to_left: Vec<TransformChoice>,
    /// Options that belong together.
    pub options: Option<OptionPairs>,
    /// Mappings of one group are merged as one.
    pub group: Option<String>,
    /// How several values are merged, where it says so.
    pub merge: Option<MergeForm>,
    /// Its own conflict policy.
    pub conflict: Option<ConflictChoice>,
    /// Its own policy for drift.
    pub target_drift: Option<TargetDrift>,
    /// What a value that cannot be carried over leads to.
    pub on_invalid: OnInvalid,
    /// How its references are translated, where it says so.
    pub refers: Option<ReferChoice>,
}

const MERGES: [(&str, MergeForm); 2] = [("set", MergeForm::Set), ("replace", MergeForm::Replace)];

const ON_INVALID: [(&str, OnInvalid); 2] =
    [("reject-record", OnInvalid::RejectRecord), ("drop-field", OnInvalid::DropField)];

/// The words of the file.
pub const RULES: [(&str, MappingRule); 8] = [
    ("two-way", MappingRule::TwoWay),
    ("to-right", MappingRule::ToRight),
    ("to-left", MappingRule::ToLeft),
    ("fill-blank-to-right", MappingRule::FillBlankToRight),
    ("fill-blank-to-left", MappingRule::FillBlankToLeft),
    ("prefer-left-unless-blank", MappingRule::PreferLeftUnlessBlank),
    ("prefer-right-unless-blank", MappingRule::PreferRightUnlessBlank),
    ("off", MappingRule::Off),
];

impl MappingConfig {
    /// Returns the field on `side`.
    pub fn field(&self, side: Side) -> &Spanned<FieldName> {
        side.pick(&self.left, &self.right)
    }

    /// Returns the transforms that make values for `side`, in order.
    pub fn transforms_to(&self, side: Side) -> &[TransformChoice] {
        side.pick(&self.to_left, &self.to_right)
    }
}

/// Says whether values may flow to `side` under `rule`.
pub fn flows_to(rule: MappingRule, side: Side) -> bool {
    match rule {
        MappingRule::TwoWay | MappingRule::PreferLeftUnlessBlank | MappingRule::PreferRightUnlessBlank => true,
        MappingRule::ToRight | MappingRule::FillBlankToRight => side == Side::Right,
        MappingRule::ToLeft | MappingRule::FillBlankToLeft => side == Side::Left,
        MappingRule::Off => false,
    }
}

pub(super) fn read_all(reader: &mut Reader, item: &Item<'_>, direction: Direction) -> Vec<MappingConfig> {
    let items = reader.list(item, "`mappings`").unwrap_or_default();
    items.into_iter().filter_map(|item| read(reader, item, direction)).collect()
}

fn read(reader: &mut Reader, item: &Item<'_>, direction: Direction) -> Option<MappingConfig> {
    let mut section = reader.section(item, "a mapping")?;
    let left = section.need(reader, "left", "left = \"phone\"").and_then(|entry| field(reader, entry.value));
    let right = section.need(reader, "right", "right = \"tel.work\"").and_then(|entry| field(reader, entry.value));
    let rule_entry = section.take("rule");
    let rule = match &rule_entry {
        Some(entry) => reader.word(entry.value, "mapping rule", &RULES),
        None => Some(MappingRule::TwoWay),
    };
    let (to_right, to_left) = transforms(reader, &mut section, rule);
    let options = section.take("options").and_then(|entry| options::read(reader, entry.value));
    let group = section.take("group").and_then(|entry| reader.text(entry.value, "`group`"));
    let merge = section.take("merge").and_then(|entry| reader.word(entry.value, "way of merging", &MERGES));
    let conflict = section.take("conflict").and_then(|entry| conflict::read(reader, entry.value));
    let target_drift = section.take("target_drift").and_then(|entry| drift::read(reader, entry.value));
    let on_invalid = section.take("on_invalid").and_then(|entry| reader.word(entry.value, "answer", &ON_INVALID));
    let refers = refers::read(reader, &mut section);
    let place = section.place.clone();
    section.finish(reader, &["filter", "columns"]);
    let mapping = MappingConfig {
        place,
        left: left?,
        right: right?,
        rule: rule?,
        to_right,
        to_left,
        options,
        group: group.map(Spanned::into_inner),
        merge,
        conflict,
        target_drift,
        on_invalid: on_invalid.unwrap_or(OnInvalid::RejectRecord),
        refers,
    };
    let flows = Side::BOTH.into_iter().any(|side| direction.writes(side) && flows_to(mapping.rule, side));
    if !flows && mapping.rule != MappingRule::Off {
        let place = rule_entry.map_or(mapping.place.clone(), |entry| entry.value.span());
        let mistake = Mistake::new(&place, "this mapping can never write: the sync's direction is the other way");
        reader.wrong(mistake.mend("turn the rule or the direction round, or set `rule = \"off\"`"));
    }
    Some(mapping)
}

fn field(reader: &mut Reader, item: &Item<'_>) -> Option<Spanned<FieldName>> {
    let text = reader.text(item, "a field")?;
    Some(Spanned::new(text.span(), FieldName::new(text.into_inner())))
}

/// To the right, then to the left.
type Transforms = (Vec<TransformChoice>, Vec<TransformChoice>);

fn transforms(reader: &mut Reader, mapping: &mut Section<'_>, rule: Option<MappingRule>) -> Transforms {
    let Some(entry) = mapping.take("transform") else { return Transforms::default() };
    if entry.value.get_ref().is_str() {
        let mistake = Mistake::new(&entry.value.span(), "`transform` should say for which direction");
        reader.wrong(mistake.mend("write { to_right = \"…\", to_left = \"…\" }"));
        return Transforms::default();
    }
    let Some(mut section) = reader.section(entry.value, "`transform`") else { return Transforms::default() };
    let right = section.take("to_right");
    let left = section.take("to_left");
    section.finish(reader, &[]);
    if let Some(rule) = rule {
        check_directions(reader, &entry.value.span(), rule, right.is_some(), left.is_some());
    }
    let to_right = right.map(|entry| transform::read_chain(reader, entry.value)).unwrap_or_default();
    let to_left = left.map(|entry| transform::read_chain(reader, entry.value)).unwrap_or_default();
    (to_right, to_left)
}

/// A mapping both ways names a transform for each, or none (DESIGN 4); one way, it names only that one.
fn check_directions(reader: &mut Reader, place: &Range<usize>, rule: MappingRule, right: bool, left: bool) {
    for (key, side, said, other) in [("to_right", Side::Right, right, left), ("to_left", Side::Left, left, right)] {
        if said && !flows_to(rule, side) {
            let mistake = Mistake::new(place, format!("`{key}` is never used: this mapping does not write the {side}"));
            reader.wrong(mistake.mend(format!("take `{key}` out, or set `rule = \"two-way\"`")));
        }
        if !said && other && flows_to(rule, side) {
            let mistake = Mistake::new(place, format!("this mapping goes both ways, and `{key}` is missing"));
            reader.wrong(mistake.mend(format!("name a transform for `{key}` too, or make the mapping one-way")));
        }
    }
}
