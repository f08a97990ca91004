//! `match`: how records find each other (E1.3).

use syncline_core::FieldName;
use toml::Spanned;

use super::mistake::Mistake;
use super::read::{Item, Reader};

/// How records find each other.
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

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<MatchChoice> {
    if item.get_ref().is_str() {
        let none: bool = reader.word(item, "way to match", &[("default", false), ("none", true)])?;
        return Some(if none { MatchChoice::None } else { MatchChoice::Default });
    }
    if !item.get_ref().is_table() {
        reader.wrong_type(item, "`match`", "a table or a word");
        return None;
    }
    let mut section = reader.section(item, "`match`")?;
    let by = section.need(reader, "by", "{ by = [\"email\"] }");
    section.finish(reader, &["ambiguous", "create_without_key"]);
    let by = by?;
    let items = reader.list(by.value, "`by`")?;
    if items.is_empty() {
        reader.wrong(Mistake::new(&by.value.span(), "`by` names no field").mend(HOW));
        return None;
    }
    let keys: Vec<Option<KeyChoice>> = items.into_iter().map(|item| key(reader, item)).collect();
    keys.into_iter().collect::<Option<Vec<KeyChoice>>>().map(MatchChoice::By)
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
