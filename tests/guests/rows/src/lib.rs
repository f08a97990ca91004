//! A transform that does what its options name.

use syncline_sdk::{Transform, Value};

struct Rows;

impl Transform for Rows {
    type Options = std::collections::HashMap<String, String>;

    fn apply_row(options: &Self::Options, _: &[String], row: Vec<Value>) -> Result<Vec<Value>, String> {
        match options.get("do").map(String::as_str) {
            Some("refuse") => Err("no\u{1b}[31m".to_owned()),
            Some("panic") => panic!("this row is too much"),
            Some("nonsense") => Ok(vec![Value::Date("soon".to_owned())]),
            _ => Ok(row.into_iter().map(upper).collect()),
        }
    }
}

fn upper(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.to_uppercase()),
        other => other,
    }
}

syncline_sdk::transform!(Rows);
