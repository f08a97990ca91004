//! Values and times in the form that reports give them out.

use serde::ser::{Serialize, SerializeMap, Serializer};
use syncline_core::{Instant, Reference, Value};

/// One value of a report.
///
/// As JSON a known value is what it looks like (`"Ada"`, `7`, `true`, `["a", "b"]`), a blank one `null`, and the others
/// `{"unknown": true}` and `{"masked": true}`. Decimal numbers, days and times are strings. A reference is its `target` and
/// `id`, and the `name` of that record where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Not known here.
    Unknown,
    /// Known, and not shown: the field is sensitive.
    Masked,
    /// Known.
    Known(Value),
    /// Known references, of which one at least leads to a record whose name is known.
    Named(Vec<NamedReference>),
}

/// A reference, with what people call the record that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NamedReference {
    /// The reference.
    #[serde(flatten)]
    pub reference: Reference,
    /// The name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Cell {
    /// Wraps a value that may be unknown.
    pub(crate) fn of(value: Option<&Value>) -> Self {
        value.map_or(Cell::Unknown, |value| Cell::Known(value.clone()))
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Unknown => flag(serializer, "unknown"),
            Cell::Masked => flag(serializer, "masked"),
            Cell::Known(value) => known(value, serializer),
            Cell::Named(list) => serializer.collect_seq(list),
        }
    }
}

fn flag<S: Serializer>(serializer: S, name: &'static str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, &true)?;
    map.end()
}

fn known<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::Clear => serializer.serialize_unit(),
        Value::Boolean(yes) => serializer.serialize_bool(*yes),
        Value::Integer(number) => serializer.serialize_i64(*number),
        Value::Moment(_) => serializer.collect_str(value),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) | Value::Choice(text) | Value::Json(text) => {
            serializer.serialize_str(text)
        }
        Value::Zoned { local, zone } => {
            let mut map = serializer.serialize_map(Some(2))?;
            map.serialize_entry("local", local)?;
            map.serialize_entry("zone", zone)?;
            map.end()
        }
        Value::Choices(list) | Value::Texts(list) => serializer.collect_seq(list),
        Value::References(list) => serializer.collect_seq(list),
    }
}

/// A point in time; as JSON a string such as `2026-01-31T08:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Instant);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Value::Moment(self.0).fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn company() -> Reference {
        Reference { target: "companies".into(), id: "17".into() }
    }

    #[test]
    fn values_look_like_what_they_are() {
        let cases = [
            (Cell::Unknown, json!({ "unknown": true })),
            (Cell::Masked, json!({ "masked": true })),
            (Cell::Known(Value::Clear), json!(null)),
            (Cell::Known(Value::Boolean(false)), json!(false)),
            (Cell::Known(Value::Integer(7)), json!(7)),
            (Cell::Known(Value::Decimal("7.5".into())), json!("7.5")),
            (Cell::Known(Value::Moment(0)), json!("1970-01-01T00:00:00Z")),
            (Cell::Known(Value::Texts(vec!["a".into(), "b".into()])), json!(["a", "b"])),
            (Cell::Known(Value::References(vec![company()])), json!([{ "target": "companies", "id": "17" }])),
            (
                Cell::Named(vec![NamedReference { reference: company(), name: Some("Acme".into()) }]),
                json!([{ "target": "companies", "id": "17", "name": "Acme" }]),
            ),
            (
                Cell::Named(vec![NamedReference { reference: company(), name: None }]),
                json!([{ "target": "companies", "id": "17" }]),
            ),
            (
                Cell::Known(Value::Zoned { local: "2026-01-01T09:00:00".into(), zone: "Europe/Paris".into() }),
                json!({ "local": "2026-01-01T09:00:00", "zone": "Europe/Paris" }),
            ),
        ];
        for (cell, expected) in cases {
            assert_eq!(serde_json::to_value(&cell).expect("serializes"), expected, "{cell:?}");
        }
    }
}
