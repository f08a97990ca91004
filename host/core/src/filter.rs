//! Filters: which records a sync is about (E5.1).
//!
//! A filter is written as text (`city = 'Paris' and (vip or owner = 'me')`), read by [`ParsedFilter::parse`] and typed
//! against a schema by [`ParsedFilter::typed`]. Printing a filter gives text that reads as the same filter.
//!
//! Invariant: no text, however long or deep, panics or takes more than its length in work.
//! Not here: which filters decide about a pair (`scope`).

mod evaluate;
mod parse;
mod print;
mod token;
mod typed;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use evaluate::{Members, Truth};
pub use parse::ParsedFilter;

use crate::{FieldName, FieldType, ListId, Value};

/// Bytes of a filter at the most.
pub const FILTER_BYTES_MAX: usize = 8_000;

/// Levels of parentheses and `not` at the most.
pub const FILTER_DEPTH_MAX: usize = 32;

/// A filter, typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Every one of them, two or more.
    All(Vec<Filter>),
    /// At least one of them, of two or more.
    Any(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// What one field says.
    Test(Test),
    /// The record is in a list of its application.
    MemberOf(ListId),
}

/// What one field is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// The field.
    pub field: FieldName,
    /// How it is compared.
    pub operator: Operator,
    /// With what: none for the blank tests, several for `in`, else one.
    pub operands: Vec<Value>,
    /// Capitals count.
    pub exact: bool,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// `=`
    Equals,
    /// `!=`; like every comparison false for a blank.
    Differs,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `contains`: part of a text, or one of several values.
    Contains,
    /// `starts with`
    StartsWith,
    /// `ends with`
    EndsWith,
    /// `in (…)`: one of these; for several values, any of them.
    In,
    /// `is blank`
    IsBlank,
    /// `is not blank`
    IsNotBlank,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Operator; 12] = [
        Operator::Equals,
        Operator::Differs,
        Operator::Below,
        Operator::AtMost,
        Operator::Above,
        Operator::AtLeast,
        Operator::Contains,
        Operator::StartsWith,
        Operator::EndsWith,
        Operator::In,
        Operator::IsBlank,
        Operator::IsNotBlank,
    ];

    /// Returns how it is written.
    pub fn word(self) -> &'static str {
        match self {
            Operator::Equals => "=",
            Operator::Differs => "!=",
            Operator::Below => "<",
            Operator::AtMost => "<=",
            Operator::Above => ">",
            Operator::AtLeast => ">=",
            Operator::Contains => "contains",
            Operator::StartsWith => "starts with",
            Operator::EndsWith => "ends with",
            Operator::In => "in",
            Operator::IsBlank => "is blank",
            Operator::IsNotBlank => "is not blank",
        }
    }

    /// True for `<`, `<=`, `>` and `>=`.
    pub fn orders(self) -> bool {
        matches!(self, Operator::Below | Operator::AtMost | Operator::Above | Operator::AtLeast)
    }

    /// True if fields of this type can be compared so.
    pub fn suits(self, kind: FieldType) -> bool {
        match self {
            Operator::IsBlank | Operator::IsNotBlank => true,
            Operator::Equals | Operator::Differs => {
                !matches!(kind, FieldType::Choices | FieldType::References | FieldType::Texts | FieldType::Json)
            }
            Operator::Below | Operator::AtMost | Operator::Above | Operator::AtLeast => matches!(
                kind,
                FieldType::Integer | FieldType::Decimal | FieldType::Date | FieldType::Moment | FieldType::Zoned
            ),
            Operator::Contains => {
                matches!(kind, FieldType::Text | FieldType::Choices | FieldType::References | FieldType::Texts)
            }
            Operator::StartsWith | Operator::EndsWith => matches!(kind, FieldType::Text | FieldType::Texts),
            Operator::In => !matches!(kind, FieldType::Boolean | FieldType::Json),
        }
    }
}

/// What is wrong with a filter, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct FilterError {
    /// Where, in bytes of the text.
    pub place: Range<usize>,
    /// What.
    pub fault: FilterFault,
}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterFault {
    /// It is too long.
    #[error("a filter has {FILTER_BYTES_MAX} bytes at the most")]
    TooLong,
    /// It is nested too deep.
    #[error("it is nested deeper than {FILTER_DEPTH_MAX} levels")]
    TooDeep,
    /// Something else should stand here.
    #[error("there should be {expected} here, and there is {found}")]
    Syntax {
        /// What should be here.
        expected: &'static str,
        /// What is.
        found: String,
    },
    /// A quote has no end.
    #[error("the quote that begins here has no end")]
    OpenQuote,
    /// The schema has no such field.
    #[error("there is no field `{0}`")]
    NoField(FieldName),
    /// The operator does not suit the field.
    #[error("`{field}` is of type {}, which `{}` does not suit", kind.word(), operator.word())]
    Unsuited {
        /// The field.
        field: FieldName,
        /// Its type.
        kind: FieldType,
        /// The operator.
        operator: Operator,
    },
    /// Only texts and choices have capitals.
    #[error("`exact` is about capitals, and `{field}` is of type {}", kind.word())]
    NothingExact {
        /// The field.
        field: FieldName,
        /// Its type.
        kind: FieldType,
    },
    /// A value that the field cannot have.
    #[error("{value} is no {expected}, which `{field}` is compared with")]
    Operand {
        /// The field.
        field: FieldName,
        /// What is written.
        value: String,
        /// What should be.
        expected: &'static str,
    },
    /// The enumeration has no such option.
    #[error("`{field}` has no option {value}")]
    NoOption {
        /// The field.
        field: FieldName,
        /// What is written.
        value: String,
        /// The options that there are.
        known: Vec<String>,
    },
}

impl Filter {
    /// Returns the fields that it reads, sorted.
    pub fn fields(&self) -> Vec<FieldName> {
        let mut fields = Vec::new();
        self.walk(&mut |filter| {
            if let Filter::Test(test) = filter {
                fields.push(test.field.clone());
            }
        });
        fields.sort();
        fields.dedup();
        fields
    }

    /// Returns the lists whose members it asks for, sorted.
    pub fn lists(&self) -> Vec<ListId> {
        let mut lists = Vec::new();
        self.walk(&mut |filter| {
            if let Filter::MemberOf(list) = filter {
                lists.push(list.clone());
            }
        });
        lists.sort();
        lists.dedup();
        lists
    }

    fn walk(&self, visit: &mut dyn FnMut(&Filter)) {
        visit(self);
        match self {
            Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|part| part.walk(visit)),
            Filter::Not(part) => part.walk(visit),
            Filter::Test(_) | Filter::MemberOf(_) => {}
        }
    }
}
