use serde_json::{Map, Value, json};

use super::SettingsSchema;

fn schema() -> SettingsSchema {
    let schema = json!({
        "type": "object",
        "properties": {
            "url": { "type": "string", "format": "uri", "description": "the address book" },
            "region": { "type": "string", "enum": ["eu", "us"], "default": "eu" },
            "code": { "type": "string", "pattern": "^[a-z]{2}$" },
            "depth": { "type": "integer", "minimum": 1, "maximum": 9 },
            "share": { "type": "number", "minimum": 0.5 },
            "fast": { "type": "boolean" },
            "lists": { "type": "array", "items": { "type": "string", "minLength": 1 } },
        },
        "required": ["url"],
    });
    SettingsSchema::parse(&schema).expect("reads")
}

fn mistakes(values: Value) -> Vec<String> {
    let Value::Object(values) = values else { panic!("an object") };
    match schema().complete(&values) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(|mistake| format!("{}: {}", mistake.setting, mistake.wrong)).collect(),
    }
}

#[test]
fn every_mistake_is_named_at_once() {
    let found = mistakes(json!({
        "regoin": "eu", "region": "mars", "code": "DE", "depth": 0, "share": "half", "fast": 1, "lists": ["a", ""],
    }));
    assert_eq!(
        found,
        [
            "regoin: there is no such setting; did you mean `region`?",
            "region: expected one of \"eu\", \"us\"",
            "code: expected a text of the form `^[a-z]{2}$`",
            "depth: expected a number from 1 to 9",
            "share: expected a number, found a text",
            "fast: expected true or false, found a whole number",
            "lists: expected a text, found an empty one",
            "url: missing: the address book",
        ]
    );
    assert_eq!(mistakes(json!({ "url": "gopher://x" })).len(), 1);
    assert_eq!(mistakes(json!({ "url": "https://me:pw@x.org/" })).len(), 1);
    assert_eq!(mistakes(json!({ "url": "https://x.org/", "depth": 18_446_744_073_709_551_615u64 })).len(), 1);
}

#[test]
fn defaults_are_filled_in() {
    let values = json!({ "url": "https://x.org/" });
    let complete = schema().complete(values.as_object().expect("an object")).expect("fits");
    assert_eq!(complete.get("region"), Some(&json!("eu")));
    assert!(SettingsSchema::default().complete(&Map::new()).expect("fits").is_empty());
}

#[test]
fn a_schema_that_is_not_understood_is_refused() {
    for bad in [
        json!([]),
        json!({ "type": "object", "$ref": "#/x" }),
        json!({ "type": "object", "properties": { "a": { "type": "object" } } }),
        json!({ "type": "object", "properties": { "a": { "type": ["string", "null"] } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "format": "date" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "(" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "((a{999}){999}){999}" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "default": 1 } } }),
        json!({ "type": "object", "properties": { "a": { "type": "integer", "minimum": 0.5 } } }),
        json!({ "type": "object", "properties": { "a/b": { "type": "string" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "array" } } }),
        json!({ "type": "object", "required": ["a"] }),
        json!({ "type": "object", "additionalProperties": {} }),
    ] {
        assert!(SettingsSchema::parse(&bad).is_err(), "{bad}");
    }
}
