//! Which values a property takes, and what the server makes of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

use crate::clock::{DAY_MS, day, iso, parse_moment_ms};
use crate::data::{Change, Record};
use crate::errors::{ApiError, Detail};
use crate::properties::{Definition, Kind, Schema};

/// The longest text a property holds, in characters.
const TEXT_CHARS_MAX: usize = 65_536;

/// What the server changes in values it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rewriting {
    /// Whether e-mail addresses are kept in lower case.
    pub lowercase_email: bool,
    /// Whether blanks around a value are dropped.
    pub trim: bool,
    /// Whether phone numbers lose everything but digits and a leading plus.
    pub bare_phones: bool,
}

impl Default for Rewriting {
    fn default() -> Self {
        Self { lowercase_email: true, trim: true, bare_phones: false }
    }
}

/// Turns the `properties` of a request into changes of `record`, or says everything that is wrong with them.
pub(crate) fn accept(
    schema: &Schema,
    record: Option<&Record>,
    properties: &Map<String, Value>,
    rewriting: Rewriting,
) -> Result<Vec<Change>, ApiError> {
    let mut changes = Vec::with_capacity(properties.len());
    let mut details = Vec::new();
    for (name, value) in properties {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(ApiError::malformed(format!("the value of '{name}' is not a string")));
            }
        };
        let Some(index) = schema.find(name) else {
            let message = format!("Property \"{name}\" does not exist");
            details.push(Detail { code: "PROPERTY_DOESNT_EXIST", message, property: name.clone() });
            continue;
        };
        let current = record.and_then(|record| record.value(index));
        match one(schema.get(index), current.map(|value| &**value), &text, rewriting) {
            Ok(value) => changes.push((index, Arc::from(value))),
            Err((code, message)) => details.push(Detail { code, message, property: name.clone() }),
        }
    }
    if details.is_empty() { Ok(changes) } else { Err(ApiError::invalid_values(details)) }
}

type Refused = (&'static str, String);

fn one(definition: &Definition, current: Option<&str>, raw: &str, rewriting: Rewriting) -> Result<String, Refused> {
    let name = &definition.name;
    if definition.metadata.read_only_value {
        return Err(("READ_ONLY_VALUE", format!("\"{name}\" is a read only property; its value cannot be set.")));
    }
    if raw.chars().count() > TEXT_CHARS_MAX {
        return Err(("INVALID_LENGTH", format!("{name} is longer than {TEXT_CHARS_MAX} characters")));
    }
    let text = if rewriting.trim { raw.trim() } else { raw };
    if text.is_empty() {
        return Ok(String::new());
    }
    match definition.kind {
        Kind::Number => number(text),
        Kind::Date => date(text),
        Kind::DateTime => moment(text),
        Kind::Bool | Kind::Enumeration => choice(definition, current, text),
        Kind::Text | Kind::Phone if name == "email" => email(text, rewriting),
        Kind::Text | Kind::Phone if definition.field_type == "phonenumber" && rewriting.bare_phones => {
            Ok(bare_phone(text))
        }
        Kind::Text | Kind::Phone => Ok(text.to_owned()),
    }
}

fn number(text: &str) -> Result<String, Refused> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(text.to_owned()),
        _ => Err(("INVALID_NUMBER", format!("{text} was not a valid number."))),
    }
}

fn date(text: &str) -> Result<String, Refused> {
    let at_ms = parse_moment_ms(text).ok_or_else(|| ("INVALID_LONG", format!("{text} was not a valid long.")))?;
    if at_ms.rem_euclid(DAY_MS) != 0 {
        return Err(("INVALID_DATE", format!("{text} is at {}, not midnight!", iso(at_ms))));
    }
    Ok(day(at_ms))
}

fn moment(text: &str) -> Result<String, Refused> {
    parse_moment_ms(text).map(iso).ok_or_else(|| ("INVALID_LONG", format!("{text} was not a valid long.")))
}

fn email(text: &str, rewriting: Rewriting) -> Result<String, Refused> {
    let good = text.split_once('@').is_some_and(|(local, domain)| {
        let labels = || domain.split('.');
        !local.is_empty()
            && !text.contains(|character: char| character.is_whitespace() || ",;<>()".contains(character))
            && !domain.contains('@')
            && labels().count() > 1
            && labels().all(|label| !label.is_empty())
    });
    if !good {
        return Err(("INVALID_EMAIL", format!("Email address {text} is invalid")));
    }
    Ok(if rewriting.lowercase_email { text.to_lowercase() } else { text.to_owned() })
}

fn bare_phone(text: &str) -> String {
    let digits = text.chars().enumerate().filter(|(at, digit)| digit.is_ascii_digit() || (*at == 0 && *digit == '+'));
    digits.map(|(_, digit)| digit).collect()
}

/// A choice, or several with `;` between them; a leading `;` adds to what is there.
fn choice(definition: &Definition, current: Option<&str>, text: &str) -> Result<String, Refused> {
    if definition.external_options {
        let known = text.bytes().all(|byte| byte.is_ascii_digit());
        return if known {
            Ok(text.to_owned())
        } else {
            Err(("INVALID_OWNER_ID", format!("Owner \"{text}\" does not exist")))
        };
    }
    if definition.field_type != "checkbox" {
        check_option(definition, text)?;
        return Ok(if falls_back(definition, current, text) {
            current.unwrap_or(text).to_owned()
        } else {
            text.to_owned()
        });
    }
    let kept = current.filter(|_| text.starts_with(';')).unwrap_or_default();
    let mut chosen: Vec<&str> = Vec::new();
    for value in kept.split(';').chain(text.split(';')).map(str::trim).filter(|value| !value.is_empty()) {
        check_option(definition, value)?;
        if !chosen.contains(&value) {
            chosen.push(value);
        }
    }
    Ok(chosen.join(";"))
}

fn check_option(definition: &Definition, value: &str) -> Result<(), Refused> {
    if definition.options.iter().any(|option| option.value == value) {
        return Ok(());
    }
    let known: Vec<&str> = definition.options.iter().map(|option| option.value.as_str()).collect();
    Err(("INVALID_OPTION", format!("{value} was not one of the allowed options: [{}]", known.join(", "))))
}

/// A stage that would lie before the present one is not taken, and nothing is said about it.
fn falls_back(definition: &Definition, current: Option<&str>, text: &str) -> bool {
    let place = |value: &str| definition.options.iter().position(|option| option.value == value);
    definition.forward_only && current.is_some_and(|current| place(text) < place(current))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::contacts;
    use serde_json::json;

    /// Writes `value` over `current` and shows what the server keeps, or the vendor's code.
    fn check(name: &str, current: Option<&str>, value: &str) -> String {
        let mut schema = contacts::schema(0);
        let born = json!({"name": "born", "label": "Born", "type": "date", "fieldType": "date", "groupName": "contactinformation"});
        schema.create(&born, 0).expect("a date property");
        let index = schema.find(name).expect("a known property");
        one(schema.get(index), current, value, Rewriting::default()).unwrap_or_else(|(code, _)| code.to_owned())
    }

    #[test]
    fn values_are_checked_and_rewritten() {
        for (name, current, value, expected) in [
            ("email", None, "  Ada@Example.COM ", "ada@example.com"),
            ("email", None, "ada@example", "INVALID_EMAIL"),
            ("email", None, "ada example.com", "INVALID_EMAIL"),
            ("email", Some("a@b.c"), "", ""),
            ("firstname", None, "  Ada  ", "Ada"),
            ("numemployees", None, "12.5", "12.5"),
            ("numemployees", None, "many", "INVALID_NUMBER"),
            ("born", None, "1815-12-10", "1815-12-10"),
            ("born", None, "86400000", "1970-01-02"),
            ("born", None, "86400001", "INVALID_DATE"),
            ("born", None, "long ago", "INVALID_LONG"),
            ("closedate", None, "0", "1970-01-01T00:00:00Z"),
            ("hs_lead_status", None, "NEW", "NEW"),
            ("hs_lead_status", None, "new", "INVALID_OPTION"),
            ("hs_buying_role", Some("BLOCKER"), "CHAMPION;END_USER", "CHAMPION;END_USER"),
            ("hs_buying_role", Some("BLOCKER"), ";CHAMPION;BLOCKER", "BLOCKER;CHAMPION"),
            ("hs_buying_role", None, "CHAMPION;NOBODY", "INVALID_OPTION"),
            ("lifecyclestage", Some("lead"), "customer", "customer"),
            ("lifecyclestage", Some("customer"), "lead", "customer"),
            ("lifecyclestage", Some("customer"), "", ""),
            ("hs_object_id", None, "1", "READ_ONLY_VALUE"),
            ("hubspot_owner_id", None, "77", "77"),
            ("hubspot_owner_id", None, "Ada", "INVALID_OWNER_ID"),
        ] {
            assert_eq!(check(name, current, value), expected, "{name} {current:?} {value:?}");
        }
    }

    #[test]
    fn every_wrong_property_is_named() {
        let schema = contacts::schema(0);
        let body = json!({"nope": "1", "email": "bad", "firstname": "Ada"});
        let error = accept(&schema, None, body.as_object().expect("an object"), Rewriting::default()).unwrap_err();
        let codes: Vec<_> = error.details.iter().map(|detail| detail.code).collect();
        assert_eq!(codes, ["PROPERTY_DOESNT_EXIST", "INVALID_EMAIL"]);
    }
}
