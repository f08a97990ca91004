//! `match`: how records find each other (E1.3), which of several with one key is taken (E1.5), and what becomes of one
//! without a key (E1.6).

use syncline_core::{Doubles, FieldName, WithoutKey};
use toml::Spanned;

use super::mistake::Mistake;
use super::read::{Item, Reader};

/// The setting as a whole.
#[derive(Clone, Debug, Default)]
pub struct MatchConfig {
    /// By what records find each other.
    pub by: MatchChoice,
    /// What is done about several records with one key.
    pub ambiguous: Doubles,
    /// What is done about a record that has no key.
    pub without_key: WithoutKey,
}

/// By what records find each other.
#[derive(Clone, Debug, Default)]
pub enum MatchChoice {
    /// By the connectors' own keys.
    #[default]
    Default,
    /// Not at all.
    None,
    /// By these, in order.
    By(Vec<KeyChoice>),
}

/// Fields that together tell that two records are the same; as many left as right.
#[derive(Clone, Debug, Default)]
pub struct KeyChoice {
    /// The fields on the left.
    pub left: Vec<Spanned<FieldName>>,
    /// The fields on the right, in the same order.
    pub right: Vec<Spanned<FieldName>>,
}

const HOW: &str = "write \"default\", \"none\" or { by = [\"email\", [\"first\", \"last\"], { left = \"mail\", right = \"email\" }] }";

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<MatchConfig> {
    if item.get_ref().is_str() {
        let none: bool = reader.word(item, "way to match", &[("default", false), ("none", true)])?;
        let by = if none { MatchChoice::None } else { MatchChoice::Default };
        return Some(MatchConfig { by, ..MatchConfig::default() });
    }
    if !item.get_ref().is_table() {
        reader.wrong_type(item, "`match`", "a table or a word");
        return None;
    }
    let mut section = reader.section(item, "`match`")?;
    let ambiguous = section.take("ambiguous").map(|entry| {
        let words = [("hold", Doubles::Hold), ("oldest", Doubles::Oldest), ("newest", Doubles::Newest)];
        reader.word(entry.value, "way to choose", &words)
    });
    let without_key = section.take("without_key").map(|entry| {
        let words = [("exclude", WithoutKey::Exclude), ("create", WithoutKey::Create)];
        reader.word(entry.value, "way to treat a record without key", &words)
    });
    // Without fields of its own it matches by the connectors' keys.
    let by = match ambiguous.is_some() || without_key.is_some() {
        true => section.take("by"),
        false => section.need(reader, "by", "{ by = [\"email\"] }"),
    };
    let has_by = by.is_some() || (ambiguous.is_none() && without_key.is_none());
    let keys = by.and_then(|by| keys(reader, by.value));
    section.finish(reader, &[]);
    Some(MatchConfig {
        by: if has_by { MatchChoice::By(keys?) } else { MatchChoice::Default },
        ambiguous: ambiguous.unwrap_or(Some(Doubles::default()))?,
        without_key: without_key.unwrap_or(Some(WithoutKey::default()))?,
    })
}

fn keys(reader: &mut Reader, by: &Item<'_>) -> Option<Vec<KeyChoice>> {
    let items = reader.list(by, "`by`")?;
    if items.is_empty() {
        reader.wrong(Mistake::new(&by.span(), "`by` names no field").mend(HOW));
        return None;
    }
    let keys: Vec<Option<KeyChoice>> = items.into_iter().map(|item| key(reader, item)).collect();
    keys.into_iter().collect()
}

fn key(reader: &mut Reader, item: &Item<'_>) -> Option<KeyChoice> {
    let mut key = KeyChoice::default();
    let parts = match item.get_ref().as_array() {
        Some(parts) => parts.iter().collect(),
        None => vec![item],
    };
    if parts.is_empty() {
        reader.wrong(Mistake::new(&item.span(), "a key of `by` names no field").mend(HOW));
        return None;
    }
    for part in parts {
        let (left, right) = part_fields(reader, part)?;
        key.left.extend(left);
        key.right.extend(right);
    }
    Some(key)
}

type Fields = Vec<Spanned<FieldName>>;

fn part_fields(reader: &mut Reader, item: &Item<'_>) -> Option<(Fields, Fields)> {
    if item.get_ref().is_str() {
        let field = field(reader, item)?;
        return Some((vec![field.clone()], vec![field]));
    }
    if !item.get_ref().is_table() {
        reader.wrong_type(item, "a key of `by`", "a field, a list of fields or { left, right }");
        return None;
    }
    let mut section = reader.section(item, "a key of `by`")?;
    let left = section.need(reader, "left", "{ left = \"mail\", right = \"email\" }");
    let right = section.need(reader, "right", "{ left = \"mail\", right = \"email\" }");
    section.finish(reader, &[]);
    let (left, right) = (fields(reader, left?.value)?, fields(reader, right?.value)?);
    if left.len() != right.len() {
        let message = format!("a key has {} fields on the left and {} on the right", left.len(), right.len());
        reader.wrong(Mistake::new(&item.span(), message).mend("name as many on each side, in the same order"));
        return None;
    }
    Some((left, right))
}

fn fields(reader: &mut Reader, item: &Item<'_>) -> Option<Fields> {
    match item.get_ref().as_array() {
        Some(items) => items.iter().map(|item| field(reader, item)).collect(),
        None => Some(vec![field(reader, item)?]),
    }
}

fn field(reader: &mut Reader, item: &Item<'_>) -> Option<Spanned<FieldName>> {
    let text = reader.text(item, "a field to match by")?;
    Some(Spanned::new(text.span(), FieldName::new(text.into_inner())))
}
