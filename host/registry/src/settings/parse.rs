//! Reads a settings schema, refusing what is not understood.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Kind, Pattern, Property, SettingsSchema, SettingsSchemaError};

/// Settings at the most.
const PROPERTIES_MAX: usize = 256;

/// Bytes that a compiled pattern may take; patterns are matched in linear time.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

type Read<T> = Result<T, SettingsSchemaError>;

pub(super) fn schema(value: &Value) -> Read<SettingsSchema> {
    let object = object(value, "")?;
    check_keys(
        object,
        "",
        &["$schema", "type", "title", "description", "properties", "required", "additionalProperties"],
    )?;
    if object.get("type") != Some(&Value::from("object")) {
        return wrong("type", "must be \"object\"");
    }
    let mut properties = BTreeMap::new();
    if let Some(listed) = object.get("properties") {
        let listed = self::object(listed, "properties")?;
        if listed.len() > PROPERTIES_MAX {
            return wrong("properties", format!("{} settings, and {PROPERTIES_MAX} are allowed", listed.len()));
        }
        for (name, value) in listed {
            let place = format!("properties/{name}");
            if name.is_empty()
                || name.len() > 60
                || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            {
                return wrong(&place, "a setting is named with letters, digits, `_` and `-`");
            }
            properties.insert(name.clone(), property(value, &place, true)?);
        }
    }
    let required = texts(object.get("required"), "required")?;
    if let Some(name) = required.iter().find(|name| !properties.contains_key(*name)) {
        return wrong("required", format!("`{name}` is not among the properties"));
    }
    let additional = match object.get("additionalProperties") {
        None => false,
        Some(Value::Bool(additional)) => *additional,
        Some(_) => return wrong("additionalProperties", "must be true or false"),
    };
    Ok(SettingsSchema { properties, required, additional, text: value.clone() })
}

fn property(value: &Value, place: &str, lists_allowed: bool) -> Read<Property> {
    let object = object(value, place)?;
    let common = ["type", "title", "description", "default", "enum"];
    let keys = |own: &[&'static str]| check_keys(object, place, &[&common, own].concat());
    let kind = match object.get("type").and_then(Value::as_str) {
        Some("string") => {
            keys(&["pattern", "format", "minLength", "maxLength"])?;
            text_kind(object, place)?
        }
        Some("integer") => {
            keys(&["minimum", "maximum"])?;
            let minimum = bound(object, place, "minimum", Value::as_i64)?.unwrap_or(i64::MIN);
            Kind::Integer { minimum, maximum: bound(object, place, "maximum", Value::as_i64)?.unwrap_or(i64::MAX) }
        }
        Some("number") => {
            keys(&["minimum", "maximum"])?;
            let minimum = bound(object, place, "minimum", Value::as_f64)?.unwrap_or(f64::NEG_INFINITY);
            Kind::Number { minimum, maximum: bound(object, place, "maximum", Value::as_f64)?.unwrap_or(f64::INFINITY) }
        }
        Some("boolean") => {
            keys(&[])?;
            Kind::Boolean
        }
        Some("array") if lists_allowed => {
            keys(&["items"])?;
            let items = object.get("items").ok_or_else(|| error(place, "a list needs `items`"))?;
            Kind::List(Box::new(property(items, &format!("{place}/items"), false)?))
        }
        _ => return wrong(place, "`type` must be string, integer, number or boolean, or array of these"),
    };
    let mut property = Property {
        kind,
        title: text(object, place, "title")?,
        description: text(object, place, "description")?,
        default: None,
        choices: choices(object, place)?,
    };
    if let Some(choice) = property.choices.iter().find_map(|choice| property.kind.fault(choice)) {
        return wrong(place, format!("an option of `enum` does not fit: {choice}"));
    }
    if let Some(default) = object.get("default") {
        if let Some(fault) = property.fault(default) {
            return wrong(place, format!("the default does not fit: {fault}"));
        }
        property.default = Some(default.clone());
    }
    Ok(property)
}

fn text_kind(object: &Map<String, Value>, place: &str) -> Read<Kind> {
    let pattern = match text(object, place, "pattern")? {
        None => None,
        Some(text) => {
            let compiled = regex_lite::RegexBuilder::new(&text).size_limit(PATTERN_BYTES_MAX).build();
            let regex = compiled.map_err(|fault| error(place, format!("the pattern cannot be used: {fault}")))?;
            Some(Pattern { text, regex })
        }
    };
    let uri = match text(object, place, "format")?.as_deref() {
        None => false,
        Some("uri") => true,
        Some(other) => return wrong(place, format!("the format `{other}` is not supported; only `uri` is")),
    };
    let length =
        |key| bound(object, place, key, |value| value.as_u64().and_then(|length| usize::try_from(length).ok()));
    Ok(Kind::Text {
        length_min: length("minLength")?.unwrap_or(0),
        length_max: length("maxLength")?.unwrap_or(usize::MAX),
        pattern,
        uri,
    })
}

fn choices(object: &Map<String, Value>, place: &str) -> Read<Vec<Value>> {
    match object.get("enum") {
        None => Ok(Vec::new()),
        Some(Value::Array(choices)) if !choices.is_empty() && choices.len() <= PROPERTIES_MAX => Ok(choices.clone()),
        Some(_) => wrong(place, format!("`enum` must be a list of 1 to {PROPERTIES_MAX} options")),
    }
}

fn bound<T>(
    object: &Map<String, Value>,
    place: &str,
    key: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Read<Option<T>> {
    match object.get(key) {
        None => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| error(place, format!("`{key}` is not a usable number"))),
    }
}

fn text(object: &Map<String, Value>, place: &str, key: &str) -> Read<Option<String>> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(Some(text.clone())),
        Some(_) => wrong(place, format!("`{key}` must be a text without control characters")),
    }
}

fn texts(value: Option<&Value>, place: &str) -> Read<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| error(place, "must be a list of texts"))?;
    list.iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| error(place, "must be a list of texts")))
        .collect()
}

fn object<'a>(value: &'a Value, place: &str) -> Read<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| error(place, "must be an object"))
}

fn check_keys(object: &Map<String, Value>, place: &str, known: &[&str]) -> Read<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => wrong(place, format!("`{key}` is not supported here; supported are {}", known.join(", "))),
    }
}

fn wrong<T>(place: &str, reason: impl Into<String>) -> Read<T> {
    Err(error(place, reason))
}

fn error(place: &str, reason: impl Into<String>) -> SettingsSchemaError {
    let place = if place.is_empty() { "settings".to_owned() } else { place.chars().take(120).collect() };
    SettingsSchemaError { place, reason: reason.into() }
}
