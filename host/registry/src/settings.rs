//! The settings that a plugin takes: a small part of JSON Schema, read strictly, and checked all mistakes at once.
//!
//! Why not a JSON Schema crate: the complete standard brings references, remote documents, backtracking patterns and a
//! large tree, and it ignores what it does not know. Settings are a flat list of scalars; what is not understood here
//! is refused when the plugin is admitted.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use syncline_net::Url;

use crate::nearest::nearest;

mod parse;

/// The settings that a plugin takes. No properties: it takes none.
#[derive(Clone, Debug, Default)]
pub struct SettingsSchema {
    properties: BTreeMap<String, Property>,
    required: Vec<String>,
    additional: bool,
    text: Value,
}

/// One setting.
#[derive(Clone, Debug)]
struct Property {
    kind: Kind,
    title: Option<String>,
    description: Option<String>,
    default: Option<Value>,
    choices: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Kind {
    Text { length_min: usize, length_max: usize, pattern: Option<Pattern>, uri: bool },
    Integer { minimum: i64, maximum: i64 },
    Number { minimum: f64, maximum: f64 },
    Boolean,
    List(Box<Property>),
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    regex: regex_lite::Regex,
}

/// Why a settings schema is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{place}`: {reason}")]
pub struct SettingsSchemaError {
    /// Where: a path through the schema.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// One setting that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingMistake {
    /// The setting.
    pub setting: String,
    /// What is wrong with it.
    pub wrong: WrongSetting,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongSetting {
    /// The plugin has no such setting.
    Unknown {
        /// What may have been meant.
        nearest: Option<String>,
        /// All there are.
        known: Vec<String>,
    },
    /// It must be there and is not.
    Missing {
        /// What it is for.
        description: Option<String>,
    },
    /// It is there and does not fit; a sentence.
    Value(String),
}

impl PartialEq for SettingsSchema {
    /// Two schemas are the same if they were written the same.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl SettingsSchema {
    /// Reads a schema strictly: what is not understood is refused.
    pub fn parse(schema: &Value) -> Result<SettingsSchema, SettingsSchemaError> {
        parse::schema(schema)
    }

    /// Returns the schema as it was written.
    pub fn as_json(&self) -> &Value {
        &self.text
    }

    /// Returns name, description and whether it is required, of each setting.
    pub fn describe(&self) -> impl Iterator<Item = (&str, Option<&str>, bool)> {
        self.properties.iter().map(|(name, property)| {
            let words = property.description.as_deref().or(property.title.as_deref());
            (name.as_str(), words, self.required.contains(name))
        })
    }

    /// Says whether `setting` is there and takes a text.
    pub fn is_text(&self, setting: &str) -> bool {
        self.properties.get(setting).is_some_and(|property| matches!(property.kind, Kind::Text { .. }))
    }

    /// Returns `values` with the defaults filled in, or every mistake in them.
    pub fn complete(&self, values: &Map<String, Value>) -> Result<Map<String, Value>, Vec<SettingMistake>> {
        let mut mistakes = Vec::new();
        for (name, value) in values {
            let wrong = match self.properties.get(name) {
                Some(property) => property.fault(value).map(WrongSetting::Value),
                None if self.additional => None,
                None => Some(self.unknown(name)),
            };
            mistakes.extend(wrong.map(|wrong| SettingMistake { setting: name.clone(), wrong }));
        }
        let mut complete = values.clone();
        for (name, property) in &self.properties {
            match &property.default {
                _ if values.contains_key(name) => {}
                Some(default) => {
                    complete.insert(name.clone(), default.clone());
                }
                None if self.required.contains(name) => {
                    let wrong = WrongSetting::Missing { description: property.description.clone() };
                    mistakes.push(SettingMistake { setting: name.clone(), wrong });
                }
                None => {}
            }
        }
        if mistakes.is_empty() { Ok(complete) } else { Err(mistakes) }
    }

    fn unknown(&self, name: &str) -> WrongSetting {
        let known: Vec<String> = self.properties.keys().cloned().collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        WrongSetting::Unknown { nearest, known }
    }
}

impl Property {
    fn fault(&self, value: &Value) -> Option<String> {
        if let Some(fault) = self.kind.fault(value) {
            return Some(fault);
        }
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let choices: Vec<String> = self.choices.iter().map(Value::to_string).collect();
            return Some(format!("expected one of {}", choices.join(", ")));
        }
        None
    }
}

impl Kind {
    fn fault(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Kind::Text { length_min, length_max, pattern, uri }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *length_min || length > *length_max {
                    return Some(length_fault(*length_min, *length_max));
                }
                if *uri {
                    return uri_fault(text);
                }
                let pattern = pattern.as_ref().filter(|pattern| !pattern.regex.is_match(text))?;
                Some(format!("expected a text of the form `{}`", pattern.text))
            }
            (Kind::Integer { minimum, maximum }, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                match number.as_i64() {
                    Some(integer) if (*minimum..=*maximum).contains(&integer) => None,
                    _ => Some(range_fault(minimum, maximum, *minimum == i64::MIN, *maximum == i64::MAX)),
                }
            }
            (Kind::Number { minimum, maximum }, Value::Number(number)) => match number.as_f64() {
                Some(float) if (*minimum..=*maximum).contains(&float) => None,
                _ => Some(range_fault(minimum, maximum, minimum.is_infinite(), maximum.is_infinite())),
            },
            (Kind::Boolean, Value::Bool(_)) => None,
            (Kind::List(items), Value::Array(values)) => values.iter().find_map(|value| items.fault(value)),
            (kind, value) => Some(format!("expected {kind}, found {}", type_word(value))),
        }
    }
}

fn length_fault(least: usize, most: usize) -> String {
    match (least, most) {
        (1, usize::MAX) => "expected a text, found an empty one".to_owned(),
        (_, usize::MAX) => format!("expected a text of at least {least} characters"),
        _ => format!("expected a text of {least} to {most} characters"),
    }
}

fn range_fault(least: impl fmt::Display, most: impl fmt::Display, open_below: bool, open_above: bool) -> String {
    match (open_below, open_above) {
        (false, true) => format!("expected a number of at least {least}"),
        (true, false) => format!("expected a number of at most {most}"),
        _ => format!("expected a number from {least} to {most}"),
    }
}

fn uri_fault(text: &str) -> Option<String> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("an address must not hold a user name or a password; they belong into `auth`".to_owned())
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => None,
        Ok(_) | Err(_) => Some("expected an address such as https://dav.example.org/ada/".to_owned()),
    }
}

fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Text { .. } => "a text",
            Kind::Integer { .. } => "a whole number",
            Kind::Number { .. } => "a number",
            Kind::Boolean => "true or false",
            Kind::List(_) => "a list",
        })
    }
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongSetting::Unknown { nearest: Some(nearest), .. } => {
                write!(formatter, "there is no such setting; did you mean `{nearest}`?")
            }
            WrongSetting::Unknown { known, .. } if known.is_empty() => {
                formatter.write_str("there is no such setting; this plugin takes none")
            }
            WrongSetting::Unknown { known, .. } => {
                write!(formatter, "there is no such setting; there are {}", known.join(", "))
            }
            WrongSetting::Missing { description: Some(description) } => write!(formatter, "missing: {description}"),
            WrongSetting::Missing { description: None } => formatter.write_str("missing"),
            WrongSetting::Value(sentence) => formatter.write_str(sentence),
        }
    }
}

#[cfg(test)]
mod tests;
