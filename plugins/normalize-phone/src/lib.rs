//! Telephone numbers as people write them, made E.164.

use syncline_sdk::{Transform, Value};

/// The transform.
pub struct NormalizePhone;

/// What the user may set.
#[derive(Debug, serde::Deserialize)]
pub struct Options {}

impl Transform for NormalizePhone {
    type Options = Options;

    fn apply_row(_: &Options, _: &[String], row: Vec<Value>) -> Result<Vec<Value>, String> {
        Ok(row)
    }
}

syncline_sdk::transform!(NormalizePhone);
