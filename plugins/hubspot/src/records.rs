//! Property text to typed values and back, and vendor objects to rows.
//!
//! HubSpot writes every value as text and nothing as `null`. Which type the text has is the property's business
//! ([`Kind`]).
//! Invariant: a property that the answer does not hold is absent; only `null` or empty text, for a property that
//! exists, is clear.
//! Not here: which properties there are (`schema`), how they are asked for (`api`).

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use syncline_sdk::record::{Fate, Row, Tombstone};
use syncline_sdk::value::{Value, Violation};

use crate::stamp;

/// The property that lists the ids a record had before merges.
pub(crate) const MERGED_IDS: &str = "hs_merged_object_ids";

/// How the text of a property is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Date,
    Moment,
    Choice,
    Choices,
    Json,
    /// No such property (any more): its cells are absent.
    Unknown,
}

impl Kind {
    const LETTERS: [(Self, char); 9] = [
        (Self::Text, 't'),
        (Self::Number, 'n'),
        (Self::Boolean, 'b'),
        (Self::Date, 'd'),
        (Self::Moment, 'm'),
        (Self::Choice, 'c'),
        (Self::Choices, 's'),
        (Self::Json, 'j'),
        (Self::Unknown, '-'),
    ];

    /// One letter, for cursors.
    pub(crate) fn letter(self) -> char {
        Self::LETTERS.iter().find(|(kind, _)| *kind == self).map_or('-', |(_, letter)| *letter)
    }

    /// The kind behind a letter of a cursor.
    pub(crate) fn from_letter(letter: char) -> Option<Self> {
        Self::LETTERS.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind)
    }

    /// Reads the text of one property; none if the text does not have this kind's form.
    pub(crate) fn parse(self, text: &str) -> Option<Value> {
        if text.is_empty() {
            return Some(Value::Clear);
        }
        match self {
            Self::Text => Some(Value::Text(line_feeds(text))),
            Self::Number => decimal(text).map(Value::Decimal),
            Self::Boolean => boolean(text).map(Value::Boolean),
            Self::Date => stamp::day(text).map(Value::Date),
            Self::Moment => stamp::moment_ms(text).map(Value::Moment),
            Self::Choice => Some(Value::Choice(text.to_owned())),
            Self::Choices => Some(choices(text)),
            Self::Json => {
                serde_json::from_str::<serde::de::IgnoredAny>(text).ok().map(|_| Value::Json(text.to_owned()))
            }
            Self::Unknown => Some(Value::Absent),
        }
    }
}

/// The text that a value is sent as; none for absent.
pub(crate) fn print(field: &str, value: &Value) -> Result<Option<String>, Violation> {
    let wrong = |code: &str, message: &str| Violation {
        field: Some(field.to_owned()),
        code: code.to_owned(),
        message: message.to_owned(),
    };
    Ok(Some(match value {
        Value::Absent => return Ok(None),
        Value::Clear => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Decimal(text) => decimal(text).ok_or_else(|| wrong("invalid", "this is not a decimal number"))?,
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Date(text) => {
            if text.len() != 10 {
                return Err(wrong("invalid", "a date is written as 2026-11-22"));
            }
            stamp::day(text).ok_or_else(|| wrong("invalid", "there is no such day"))?
        }
        Value::Moment(at_ms) => stamp::iso(*at_ms).ok_or_else(|| wrong("invalid", "the time is out of range"))?,
        Value::Choice(code) => code.clone(),
        Value::Choices(codes) => {
            if codes.iter().any(|code| code.contains(';')) {
                return Err(wrong("invalid", "HubSpot separates options by semicolons: none may hold one"));
            }
            let codes: Vec<&str> = codes.iter().map(String::as_str).filter(|code| !code.is_empty()).collect();
            codes.join(";")
        }
        Value::Zoned(_) | Value::References(_) | Value::Texts(_) => {
            return Err(wrong("unsupported-type", "a HubSpot property cannot hold this type"));
        }
    }))
}

fn line_feeds(text: &str) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn choices(text: &str) -> Value {
    let codes: Vec<String> = text.split(';').filter(|code| !code.is_empty()).map(str::to_owned).collect();
    if codes.is_empty() { Value::Clear } else { Value::Choices(codes) }
}

/// Digits that one number may grow to when its exponent is written out.
const DIGITS_MAX: usize = 400;

/// Writes a number without exponent, exactly; the digits stay as they are.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], digits[at + 1..].parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let digits = [whole, fraction].concat();
    let (whole, fraction) = shift(&digits, point)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Splits `digits` at `point`, adding the zeros that an exponent stands for.
fn shift(digits: &str, point: i32) -> Option<(String, String)> {
    let distance = point.unsigned_abs() as usize;
    if distance > DIGITS_MAX || digits.len() > DIGITS_MAX {
        return None;
    }
    Some(if point <= 0 {
        (String::new(), "0".repeat(distance) + digits)
    } else if distance >= digits.len() {
        (digits.to_owned() + &"0".repeat(distance - digits.len()), String::new())
    } else {
        (digits[..distance].to_owned(), digits[distance..].to_owned())
    })
}

/// Text of an answer, borrowed from the body where it holds no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The properties of one object, in the order of the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties<'a>(Vec<(Text<'a>, Option<Text<'a>>)>);

impl Properties<'_> {
    /// The text of a property, where the answer holds one that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.0 == name)?;
        value.as_ref().map(|text| &*text.0).filter(|text| !text.is_empty())
    }

    /// Whether the answer speaks of this property at all.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.0 == name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Properties<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Properties<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of property values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(32));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Properties(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// One version of a property's value.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PastValue<'a> {
    #[serde(borrow, default)]
    pub(crate) timestamp: Text<'a>,
}

/// A vendor object, as every call of the objects API answers it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) properties: Properties<'a>,
    #[serde(borrow, default)]
    pub(crate) created_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) updated_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) archived_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) object_write_trace_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) properties_with_history: Option<HashMap<Text<'a>, Vec<PastValue<'a>>>>,
}

impl std::hash::Hash for Text<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Object<'_> {
    /// The record's version: its modification stamp, with milliseconds even where the vendor leaves out zeros.
    pub(crate) fn version(&self) -> Option<String> {
        let stamp = &*self.updated_at.as_ref()?.0;
        Some(match stamp.strip_suffix('Z') {
            Some(seconds) if seconds.len() == "2026-11-22T18:00:00".len() => format!("{seconds}.000Z"),
            _ => stamp.to_owned(),
        })
    }

    /// The ids that the record had before merges, without its own.
    pub(crate) fn merged_ids(&self) -> impl Iterator<Item = &str> {
        let listed = self.properties.text(MERGED_IDS).unwrap_or_default();
        listed.split(';').map(str::trim).filter(|id| !id.is_empty() && *id != self.id.0)
    }

    /// One tombstone for each id that was merged into this record.
    pub(crate) fn merges(&self) -> impl Iterator<Item = Tombstone> {
        self.merged_ids().map(|id| Tombstone {
            id: id.to_owned(),
            fate: Fate::MergedInto(self.id.0.clone().into_owned()),
            at: None,
        })
    }

    /// The tombstone of an archived record.
    pub(crate) fn tombstone(&self) -> Tombstone {
        let at = self.archived_at.as_ref().and_then(|text| stamp::moment_ms(&text.0));
        Tombstone { id: self.id.0.clone().into_owned(), fate: Fate::Archived, at }
    }
}

/// The columns of a table with the kinds of their properties.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
    kinds: Vec<Kind>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// Columns for `names`, each with its kind.
    pub(crate) fn new(names: Vec<String>, kinds: Vec<Kind>) -> Self {
        let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self { names, kinds, places }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The names of the properties that exist, which are those to ask for.
    pub(crate) fn known(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.kinds).filter(|(_, kind)| **kind != Kind::Unknown).map(|(name, _)| name.as_str())
    }

    /// Whether there is a column of this name whose property exists.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.places.get(name).is_some_and(|place| self.kinds[*place] != Kind::Unknown)
    }

    /// The row of one object, and the names of the properties whose text did not have its kind; those are absent.
    pub(crate) fn row(&self, object: &Object<'_>) -> (Row, Vec<&str>) {
        let mut cells = vec![Value::Absent; self.names.len()];
        let mut odd = Vec::new();
        // Answers tend to keep one order, so the next place is tried before the map.
        let mut next = 0;
        for (name, value) in &object.properties.0 {
            let place = match self.names.get(next) {
                Some(expected) if *expected == name.0 => next,
                _ => match self.places.get(&*name.0) {
                    Some(place) => *place,
                    None => continue,
                },
            };
            next = place + 1;
            match self.kinds[place].parse(value.as_ref().map_or("", |text| &text.0)) {
                Some(_) if self.kinds[place] == Kind::Unknown => {}
                Some(value) => cells[place] = value,
                None => odd.push(self.names[place].as_str()),
            }
        }
        let at = |text: &Option<Text<'_>>| text.as_ref().and_then(|text| stamp::moment_ms(&text.0));
        let row = Row {
            id: object.id.0.clone().into_owned(),
            version: object.version(),
            created_at: at(&object.created_at),
            modified_at: at(&object.updated_at),
            cells,
        };
        (row, odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_typed_values() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let number = |text: &str| Some(Value::Decimal(text.to_owned()));
        let choices = |codes: &[&str]| Some(Value::Choices(codes.iter().map(|&code| code.to_owned()).collect()));
        for (kind, given, expected) in [
            (Kind::Text, "", Some(Value::Clear)),
            (Kind::Text, "one\r\ntwo\rthree", text("one\ntwo\nthree")),
            (Kind::Number, "12.50", number("12.50")),
            (Kind::Number, "-0012", number("-12")),
            (Kind::Number, ".5", number("0.5")),
            (Kind::Number, "1.25E3", number("1250")),
            (Kind::Number, "1.25e-3", number("0.00125")),
            (Kind::Number, "12345678901234567890.123", number("12345678901234567890.123")),
            (Kind::Number, "1e999999999", None),
            (Kind::Number, "1e-2147483648", None),
            (Kind::Number, "twelve", None),
            (Kind::Number, "-", None),
            (Kind::Number, "1.2.3", None),
            (Kind::Boolean, "true", Some(Value::Boolean(true))),
            (Kind::Boolean, "False", Some(Value::Boolean(false))),
            (Kind::Boolean, "maybe", None),
            (Kind::Date, "1984-02-29", Some(Value::Date("1984-02-29".into()))),
            (Kind::Date, "446860800000", Some(Value::Date("1984-02-29".into()))),
            (Kind::Date, "1983-02-29", None),
            (Kind::Moment, "2026-01-01T00:00:00.420Z", Some(Value::Moment(1_767_225_600_420))),
            (Kind::Moment, "1767225600420", Some(Value::Moment(1_767_225_600_420))),
            (Kind::Choice, "lead", Some(Value::Choice("lead".into()))),
            (Kind::Choices, "a;b", choices(&["a", "b"])),
            (Kind::Choices, ";a;", choices(&["a"])),
            (Kind::Choices, ";", Some(Value::Clear)),
            (Kind::Json, "{\"a\":1}", Some(Value::Json("{\"a\":1}".into()))),
            (Kind::Json, "{", None),
            (Kind::Unknown, "anything", Some(Value::Absent)),
        ] {
            assert_eq!(kind.parse(given), expected, "{kind:?} {given}");
        }
    }

    #[test]
    fn typed_values_become_texts() {
        for (value, expected) in [
            (Value::Absent, None),
            (Value::Clear, Some("")),
            (Value::Boolean(false), Some("false")),
            (Value::Integer(-7), Some("-7")),
            (Value::Decimal("12.50".into()), Some("12.50")),
            (Value::Date("2026-11-22".into()), Some("2026-11-22")),
            (Value::Moment(1_767_225_600_420), Some("2026-01-01T00:00:00.420Z")),
            (Value::Choices(vec!["a".into(), "b".into()]), Some("a;b")),
            (Value::Choices(vec![String::new(), "b".into()]), Some("b")),
            (Value::Choices(vec![]), Some("")),
        ] {
            assert_eq!(print("p", &value), Ok(expected.map(str::to_owned)), "{value:?}");
        }
        for value in [
            Value::Decimal("1,5".into()),
            Value::Date("2026-02-30".into()),
            Value::Date("1767225600000".into()),
            Value::Moment(i64::MIN),
            Value::Choices(vec!["a;b".into()]),
            Value::Texts(vec!["a".into()]),
            Value::References(vec![]),
        ] {
            assert_eq!(print("p", &value).map_err(|violation| violation.field), Err(Some("p".into())), "{value:?}");
        }
    }

    fn columns() -> Columns {
        let names = ["email", "firstname", "age", "gone"].map(str::to_owned).to_vec();
        Columns::new(names, vec![Kind::Text, Kind::Text, Kind::Number, Kind::Unknown])
    }

    #[test]
    fn an_object_becomes_a_row_and_absent_is_not_empty() {
        let body = r#"{"id":"512","archived":false,"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-02T00:00:00.420Z",
            "properties":{"age":"many","email":"a\u00e9@example.com","gone":null,"hs_object_id":"512"}}"#;
        let object: Object<'_> = serde_json::from_str(body).expect("the answer parses");
        let columns = columns();
        let (row, odd) = columns.row(&object);
        assert_eq!(
            row.cells,
            [Value::Text("aé@example.com".into()), Value::Absent, Value::Absent, Value::Absent],
            "E10.4: what the answer does not hold, or cannot be read, is absent"
        );
        assert_eq!(odd, ["age"]);
        assert_eq!(row.version.as_deref(), Some("2026-01-02T00:00:00.420Z"));
        assert_eq!(row.modified_at, Some(1_767_312_000_420));
        assert!(object.properties.holds("age") && !object.properties.holds("firstname"));
        let cleared = body.replace("\"gone\":null", "\"firstname\":null");
        let object: Object<'_> = serde_json::from_str(&cleared).expect("the answer parses");
        assert_eq!(columns.row(&object).0.cells[1], Value::Clear);
        assert!(object.properties.holds("firstname"));
    }

    #[test]
    fn merged_ids_become_tombstones_but_never_the_records_own() {
        let body = r#"{"id":"9","properties":{"hs_merged_object_ids":"7;8;9; "}}"#;
        let object: Object<'_> = serde_json::from_str(body).expect("the answer parses");
        let merges: Vec<Tombstone> = object.merges().collect();
        let ids: Vec<&str> = merges.iter().map(|tombstone| tombstone.id.as_str()).collect();
        assert_eq!(ids, ["7", "8"], "E1.10");
        assert!(merges.iter().all(|tombstone| tombstone.fate == Fate::MergedInto("9".into())));
    }

    #[test]
    fn unescaped_text_is_borrowed() {
        let object: Object<'_> = serde_json::from_str(r#"{"id":"1","properties":{"a":"plain"}}"#).expect("parses");
        assert!(matches!(object.id.0, Cow::Borrowed(_)));
        assert!(matches!(object.properties.0[0].1, Some(Text(Cow::Borrowed("plain")))));
    }
}
