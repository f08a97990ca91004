//! Makes reports readable: aligned columns, short ids, times, and colours where they are wanted.
//!
//! Invariant: text that comes from an application cannot steer the terminal: what is no printable character is escaped.

pub mod paint;
pub mod table;
pub mod text;
pub mod time;

use serde_json::Value;
use syncline_core::Instant;

use crate::commands::Exit;
use crate::output::Output;
use paint::Paint;

/// For whom a report is made, and when.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// For people, in colour.
    pub colour: bool,
    /// For a program.
    pub json: bool,
    /// Now, for "3 min ago".
    pub now: Instant,
    /// True within `syncline serve`: then a run without end is under way, and else it was interrupted.
    pub serving: bool,
}

impl View {
    pub(crate) fn paint(&self) -> Paint {
        Paint { colour: self.colour }
    }

    /// Gives out the form that was asked for; the other one is not made.
    pub(crate) fn output(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Output {
        match self.json {
            true => Output { text: String::new(), json: json(), exit: Exit::Ok },
            false => Output { text: text(), json: Value::Null, exit: Exit::Ok },
        }
    }
}

/// Names the schema of a report for programs, first in it.
///
/// A field of a schema keeps its name and its meaning; with a new number they may change.
pub(crate) fn document(schema: &str, body: &impl serde::Serialize) -> Value {
    let mut document = serde_json::Map::new();
    document.insert("schema".to_owned(), Value::from(format!("syncline.{schema}/1")));
    match serde_json::to_value(body).expect("reports are plain data with texts as keys") {
        Value::Object(fields) => document.extend(fields),
        other => drop(document.insert("value".to_owned(), other)),
    }
    Value::Object(document)
}
