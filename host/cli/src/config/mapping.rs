//! `[[syncs.NAME.mappings]]`: joins one field of the left with one of the right (E2.4).

use std::ops::Range;

use syncline_core::{Direction, FieldName, MappingRule, Side};
use toml::Spanned;

use super::conflict::{self, ConflictChoice};
use super::mistake::Mistake;
use super::read::{Item, Reader, Section};
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
    /// Makes a right value of a left one.
    pub to_right: Option<TransformChoice>,
    /// Makes a left value of a right one.
    pub to_left: Option<TransformChoice>,
    /// Its own conflict policy.
    pub conflict: Option<ConflictChoice>,
}

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

    /// Returns the transform that makes values for `side`.
    pub fn transform_to(&self, side: Side) -> Option<&TransformChoice> {
        side.pick(self.to_left.as_ref(), self.to_right.as_ref())
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
    let conflict = section.take("conflict").and_then(|entry| conflict::read(reader, entry.value));
    let place = section.place.clone();
    section.finish(reader, &["filter", "merge", "options", "columns"]);
    let mapping = MappingConfig { place, left: left?, right: right?, rule: rule?, to_right, to_left, conflict };
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

type Transforms = (Option<TransformChoice>, Option<TransformChoice>);

fn transforms(reader: &mut Reader, mapping: &mut Section<'_>, rule: Option<MappingRule>) -> Transforms {
    let Some(entry) = mapping.take("transform") else { return (None, None) };
    if entry.value.get_ref().is_str() {
        let mistake = Mistake::new(&entry.value.span(), "`transform` should say for which direction");
        reader.wrong(mistake.mend("write { to_right = \"…\", to_left = \"…\" }"));
        return (None, None);
    }
    let Some(mut section) = reader.section(entry.value, "`transform`") else { return (None, None) };
    let right = section.take("to_right");
    let left = section.take("to_left");
    section.finish(reader, &[]);
    if let Some(rule) = rule {
        check_directions(reader, &entry.value.span(), rule, right.is_some(), left.is_some());
    }
    let to_right = right.and_then(|entry| transform::read(reader, entry.value));
    let to_left = left.and_then(|entry| transform::read(reader, entry.value));
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
