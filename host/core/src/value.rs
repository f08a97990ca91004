//! Typed values and their one canonical form.
//!
//! Invariant: two values mean the same exactly if their canonical forms are equal; every value in a replica or a base
//! is canonical.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::carry::zone_name;
use crate::{FieldType, Instant};

/// A link to another record of the same application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The object that the id belongs to.
    pub target: String,
    /// The record's id there.
    pub id: String,
}

/// One known value. That a value is unknown is said by its absence, never by a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Known to be empty.
    Clear,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal number in base 10, without exponent.
    Decimal(String),
    /// Text.
    Text(String),
    /// A calendar day, `YYYY-MM-DD`.
    Date(String),
    /// A point in time.
    Moment(Instant),
    /// A wall-clock time (`YYYY-MM-DDTHH:MM:SS`) in a named zone.
    Zoned {
        /// The local time.
        local: String,
        /// The IANA zone.
        zone: String,
    },
    /// One option of an enumeration.
    Choice(String),
    /// Several options; order has no meaning.
    Choices(Vec<String>),
    /// Links; order has no meaning.
    References(Vec<Reference>),
    /// Several texts, in order.
    Texts(Vec<String>),
    /// Nested JSON.
    Json(String),
}

/// Why a value from outside is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}")]
pub struct InvalidValue {
    /// What it should have been.
    pub kind: &'static str,
    /// What came, shortened.
    pub text: String,
}

impl InvalidValue {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(60).collect() }
    }
}

impl Value {
    /// Returns the canonical form, or says why this is no value.
    ///
    /// Empty texts and lists become [`Value::Clear`]; text is NFC with line feeds; numbers lose what does not count;
    /// sets are sorted; JSON is written with sorted keys.
    pub fn canonical(self) -> Result<Value, InvalidValue> {
        Ok(match self {
            Value::Text(text) => some_text(normal_text(text), Value::Text),
            Value::Choice(code) => some_text(code, Value::Choice),
            Value::Decimal(text) => canonical_decimal(&text)?,
            Value::Date(text) => canonical_date(text)?,
            Value::Zoned { local, zone } => canonical_zoned(local, zone)?,
            Value::Choices(codes) => some_list(sorted(codes), Value::Choices),
            Value::References(references) => some_list(sorted(references), Value::References),
            Value::Texts(texts) => {
                let texts = texts.into_iter().map(normal_text).filter(|text| !text.is_empty()).collect();
                some_list(texts, Value::Texts)
            }
            Value::Json(text) => canonical_json(&text)?,
            other @ (Value::Clear | Value::Boolean(_) | Value::Integer(_) | Value::Moment(_)) => other,
        })
    }

    /// Returns a digest that tells whether it is the same value later; never 0, which stands for none.
    pub fn fingerprint(&self) -> u64 {
        let text = serde_json::to_vec(self).expect("values have no odd map keys");
        let digest = blake3::hash(&text);
        let first = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
        u64::from_le_bytes(*first).max(1)
    }

    /// Returns the type of the fields that it belongs into; an empty one belongs into any.
    pub fn kind(&self) -> Option<FieldType> {
        Some(match self {
            Value::Clear => return None,
            Value::Boolean(_) => FieldType::Boolean,
            Value::Integer(_) => FieldType::Integer,
            Value::Decimal(_) => FieldType::Decimal,
            Value::Text(_) => FieldType::Text,
            Value::Date(_) => FieldType::Date,
            Value::Moment(_) => FieldType::Moment,
            Value::Zoned { .. } => FieldType::Zoned,
            Value::Choice(_) => FieldType::Choice,
            Value::Choices(_) => FieldType::Choices,
            Value::References(_) => FieldType::References,
            Value::Texts(_) => FieldType::Texts,
            Value::Json(_) => FieldType::Json,
        })
    }

    /// True for a value that is known to be empty.
    pub fn is_blank(&self) -> bool {
        matches!(self, Value::Clear)
    }
}

/// For people: short, without type, blank as `(blank)`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Clear => f.write_str("(blank)"),
            Value::Boolean(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Decimal(text) | Value::Text(text) | Value::Date(text) | Value::Choice(text) | Value::Json(text) => {
                f.write_str(text)
            }
            Value::Moment(instant) => match jiff::Timestamp::from_millisecond(*instant) {
                Ok(timestamp) => write!(f, "{timestamp}"),
                Err(_) => write!(f, "{instant} ms"),
            },
            Value::Zoned { local, zone } => write!(f, "{local} [{zone}]"),
            Value::Choices(list) | Value::Texts(list) => f.write_str(&list.join(", ")),
            Value::References(list) => {
                let ids: Vec<&str> = list.iter().map(|reference| reference.id.as_str()).collect();
                f.write_str(&ids.join(", "))
            }
        }
    }
}

fn some_text(text: String, wrap: impl Fn(String) -> Value) -> Value {
    if text.is_empty() { Value::Clear } else { wrap(text) }
}

fn some_list<T>(list: Vec<T>, wrap: impl Fn(Vec<T>) -> Value) -> Value {
    if list.is_empty() { Value::Clear } else { wrap(list) }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}

fn normal_text(text: String) -> String {
    let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    if text.is_ascii() || is_nfc(&text) { text } else { text.nfc().collect() }
}

fn canonical_decimal(text: &str) -> Result<Value, InvalidValue> {
    let invalid = || InvalidValue::new("decimal number", text);
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return Err(invalid());
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    Ok(Value::Decimal(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }))
}

fn canonical_date(text: String) -> Result<Value, InvalidValue> {
    if text.is_empty() {
        return Ok(Value::Clear);
    }
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => Ok(Value::Date(date.to_string())),
        Err(_) => Err(InvalidValue::new("date", &text)),
    }
}

fn canonical_zoned(local: String, zone: String) -> Result<Value, InvalidValue> {
    let time = local.parse::<jiff::civil::DateTime>().map_err(|_| InvalidValue::new("local time", &local))?;
    match zone_name(&zone) {
        Some(zone) => Ok(Value::Zoned { local: time.to_string(), zone }),
        None => Err(InvalidValue::new("time zone that is known here", &zone)),
    }
}

fn canonical_json(text: &str) -> Result<Value, InvalidValue> {
    let mut value: serde_json::Value = serde_json::from_str(text).map_err(|_| InvalidValue::new("JSON text", text))?;
    value.sort_all_objects();
    Ok(if value.is_null() { Value::Clear } else { Value::Json(value.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zoned(local: &str, zone: &str) -> Value {
        Value::Zoned { local: local.into(), zone: zone.into() }
    }

    #[test]
    fn canonical_forms() {
        let cases: &[(Value, Value)] = &[
            (Value::Text("".into()), Value::Clear),
            (Value::Text("a\r\nb\rc".into()), Value::Text("a\nb\nc".into())),
            (Value::Text("e\u{301}".into()), Value::Text("\u{e9}".into())),
            (Value::Decimal("+007.500".into()), Value::Decimal("7.5".into())),
            (Value::Decimal("-0.00".into()), Value::Decimal("0".into())),
            (Value::Decimal(".5".into()), Value::Decimal("0.5".into())),
            (Value::Choices(vec!["b".into(), "a".into(), "b".into()]), Value::Choices(vec!["a".into(), "b".into()])),
            (Value::Texts(vec!["".into()]), Value::Clear),
            (
                Value::Json("{\"b\":1,\"a\":{\"d\":2,\"c\":3}}".into()),
                Value::Json("{\"a\":{\"c\":3,\"d\":2},\"b\":1}".into()),
            ),
            (Value::Json("null".into()), Value::Clear),
            (zoned("2026-01-01T09:00", "europe/paris"), zoned("2026-01-01T09:00:00", "Europe/Paris")),
            (zoned("2026-01-01T09:00:00", "utc"), zoned("2026-01-01T09:00:00", "UTC")),
        ];
        for (input, expected) in cases {
            let canonical = input.clone().canonical();
            assert_eq!(canonical.as_ref(), Ok(expected), "{input:?}");
            assert_eq!(expected.clone().canonical().as_ref(), Ok(expected), "canonical twice: {input:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in [
            Value::Decimal("1e5".into()),
            Value::Decimal("-".into()),
            Value::Decimal("".into()),
            Value::Date("2026-02-30".into()),
            Value::Date("0000".into()),
            zoned("2026-01-01T00:00:00", ""),
            zoned("2026-01-01T00:00:00", "Mars/Olympus"),
            zoned("2026-01-01T25:00:00", "Europe/Paris"),
            Value::Json("{".into()),
        ] {
            assert!(value.clone().canonical().is_err(), "{value:?}");
        }
    }
}
