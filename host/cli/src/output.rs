//! What a command says: text for people, JSON for programs, and how it went.

use serde_json::Value;

use crate::commands::Exit;

/// What a command says.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// How it went.
    pub exit: Exit,
}

impl Output {
    /// A command that did what it was asked.
    pub fn ok(text: impl Into<String>, json: Value) -> Output {
        Output { text: text.into(), json, exit: Exit::Ok }
    }
}
