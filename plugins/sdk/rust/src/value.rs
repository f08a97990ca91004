//! Values, and what can go wrong with a whole call.

pub use crate::bindings::connector::syncline::values::data::{
    Delay, Fault, Instant, Reference, Value, Violation, ZonedTime,
};

impl Value {
    /// Returns a text, or `clear` for none and for the empty text.
    pub fn maybe_text(text: Option<impl Into<String>>) -> Self {
        match text.map(Into::into) {
            Some(text) if !text.is_empty() => Self::Text(text),
            _ => Self::Clear,
        }
    }

    /// Returns a list of texts, or `clear` for an empty one.
    pub fn maybe_texts(texts: Vec<String>) -> Self {
        if texts.is_empty() { Self::Clear } else { Self::Texts(texts) }
    }

    /// Tells whether this cell says nothing at all.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Tells whether this cell is known to be empty.
    pub fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// Returns what is written, for the kinds that are one text each: text, choice, decimal, date and json.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Choice(text) | Self::Decimal(text) | Self::Date(text) | Self::Json(text) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// Returns the texts, for lists of texts and of choices.
    pub fn as_texts(&self) -> Option<&[String]> {
        match self {
            Self::Texts(texts) | Self::Choices(texts) => Some(texts),
            _ => None,
        }
    }

    /// Returns the whole number, where it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the truth value, where it is one.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Returns the point in time in milliseconds since 1970, where it is one.
    pub fn as_moment(&self) -> Option<Instant> {
        match self {
            Self::Moment(at_ms) => Some(*at_ms),
            _ => None,
        }
    }

    /// Returns the links, where it is a list of them.
    pub fn as_references(&self) -> Option<&[Reference]> {
        match self {
            Self::References(references) => Some(references),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl Reference {
    /// Returns a link to the record `id` of the object `target`.
    pub fn new(target: impl Into<String>, id: impl Into<String>) -> Self {
        Self { target: target.into(), id: id.into() }
    }
}

impl Violation {
    /// Returns a violation of one field: a stable word, and a sentence for a person.
    pub fn of_field(field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), code: code.into(), message: message.into() }
    }

    /// Returns a violation that no single field is to blame for.
    pub fn of_record(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: None, code: code.into(), message: message.into() }
    }
}

impl Delay {
    /// Returns a request to wait for `after_ms` milliseconds.
    pub fn new(after_ms: u64, reason: impl Into<String>) -> Self {
        Self { after_ms, reason: reason.into() }
    }
}

impl Fault {
    /// Returns the fault of one setting that does not fit.
    pub fn misconfigured(setting: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Misconfigured(vec![Violation::of_field(setting, code, message)])
    }

    /// Returns a request to wait before the call is made again.
    pub fn wait(after_ms: u64, reason: impl Into<String>) -> Self {
        Self::RetryLater(Delay::new(after_ms, reason))
    }
}
