//! What one filter of a search means.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::parse_moment_ms;
use crate::data::{PropertyIndex, Record};
use crate::errors::ApiError;
use crate::properties::{Computed, Kind, Schema};
use crate::store::ObjectStore;
use crate::wire::shown;

/// A filter as it is sent.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    property_name: String,
    operator: Operator,
    value: Option<Value>,
    high_value: Option<Value>,
    values: Option<Vec<Value>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    HasProperty,
    NotHasProperty,
    ContainsToken,
    NotContainsToken,
}

/// A filter that can be asked of a record.
pub(super) enum Test {
    /// The stamp lies in the range.
    Modified(RangeInclusive<i64>),
    /// The id lies in the range.
    Id(RangeInclusive<i64>),
    /// Any other property.
    Property { property: PropertyIndex, kind: Kind, check: Check },
}

/// A question to one value; text is compared in lower case, enumerations as they are.
pub(super) enum Check {
    Has,
    HasNot,
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Within(f64, f64),
    Outside(f64),
    TextWithin(String, String, RangeEnds),
    Token(String),
    NoToken(String),
}

/// Whether the ends of a range of text belong to it.
#[derive(Clone, Copy)]
pub(super) struct RangeEnds {
    low: bool,
    high: bool,
}

impl Filter {
    pub(super) fn compile(&self, store: &ObjectStore) -> Result<Test, ApiError> {
        let name = &self.property_name;
        let property = store.schema.find(name);
        let property =
            property.ok_or_else(|| ApiError::invalid(format!("There is no property '{name}' to filter by.")))?;
        let definition = store.schema.get(property);
        match definition.computed {
            Some(Computed::Modified) if self.range(definition.kind).is_some() => {
                Ok(Test::Modified(self.integers(definition.kind)?))
            }
            Some(Computed::ObjectId) if self.range(definition.kind).is_some() => {
                Ok(Test::Id(self.integers(definition.kind)?))
            }
            _ => Ok(Test::Property { property, kind: definition.kind, check: self.check(definition.kind)? }),
        }
    }

    fn check(&self, kind: Kind) -> Result<Check, ApiError> {
        let numeric = matches!(kind, Kind::Number | Kind::Date | Kind::DateTime);
        Ok(match self.operator {
            Operator::HasProperty => Check::Has,
            Operator::NotHasProperty => Check::HasNot,
            Operator::ContainsToken => Check::Token(self.text(self.value.as_ref())?.to_lowercase()),
            Operator::NotContainsToken => Check::NoToken(self.text(self.value.as_ref())?.to_lowercase()),
            Operator::In => Check::OneOf(self.list()?),
            Operator::NotIn => Check::NoneOf(self.list()?),
            Operator::Neq if numeric => Check::Outside(self.number(kind, self.value.as_ref())?),
            Operator::Neq => Check::NoneOf(vec![self.comparable(kind, self.value.as_ref())?]),
            Operator::Eq if !numeric => Check::OneOf(vec![self.comparable(kind, self.value.as_ref())?]),
            _ if numeric => {
                let (low, high) = self.numbers(kind)?;
                Check::Within(low, high)
            }
            _ => self.text_range(kind)?,
        })
    }

    fn text_range(&self, kind: Kind) -> Result<Check, ApiError> {
        let value = self.comparable(kind, self.value.as_ref())?;
        let top = char::MAX.to_string();
        let within =
            |low, high, ends: (bool, bool)| Check::TextWithin(low, high, RangeEnds { low: ends.0, high: ends.1 });
        Ok(match self.operator {
            Operator::Lt => within(String::new(), value, (true, false)),
            Operator::Lte => within(String::new(), value, (true, true)),
            Operator::Gt => within(value, top, (false, true)),
            Operator::Gte => within(value, top, (true, true)),
            _ => within(value, self.comparable(kind, self.high_value.as_ref())?, (true, true)),
        })
    }

    /// The bounds of an operator that names a range, both within it.
    fn range(&self, kind: Kind) -> Option<Result<(f64, f64), ApiError>> {
        use Operator::{Between, Eq, Gt, Gte, Lt, Lte};
        [Eq, Lt, Lte, Gt, Gte, Between].contains(&self.operator).then(|| self.numbers(kind))
    }

    fn numbers(&self, kind: Kind) -> Result<(f64, f64), ApiError> {
        let value = self.number(kind, self.value.as_ref())?;
        Ok(match self.operator {
            Operator::Lt => (f64::MIN, value.next_down()),
            Operator::Lte => (f64::MIN, value),
            Operator::Gt => (value.next_up(), f64::MAX),
            Operator::Gte => (value, f64::MAX),
            Operator::Between => (value, self.number(kind, self.high_value.as_ref())?),
            _ => (value, value),
        })
    }

    /// The whole numbers in the range; stamps and ids are below 2^53, where this is exact.
    fn integers(&self, kind: Kind) -> Result<RangeInclusive<i64>, ApiError> {
        let (low, high) = self.numbers(kind)?;
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, which is meant here")]
        Ok(low.ceil() as i64..=high.floor() as i64)
    }

    fn list(&self) -> Result<Vec<String>, ApiError> {
        let values = self.values.as_ref().filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| self.refusal("needs values"))?;
        values.iter().map(|value| self.text(Some(value))).collect()
    }

    fn comparable(&self, kind: Kind, value: Option<&Value>) -> Result<String, ApiError> {
        let text = self.text(value)?;
        Ok(if kind == Kind::Enumeration { text } else { text.to_lowercase() })
    }

    fn number(&self, kind: Kind, value: Option<&Value>) -> Result<f64, ApiError> {
        let text = self.text(value)?;
        number(kind, &text).ok_or_else(|| self.refusal(&format!("cannot take '{text}'")))
    }

    fn text(&self, value: Option<&Value>) -> Result<String, ApiError> {
        match value {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            _ => Err(self.refusal("needs a value")),
        }
    }

    fn refusal(&self, why: &str) -> ApiError {
        ApiError::invalid(format!("The filter on '{}' {why}.", self.property_name))
    }
}

impl Test {
    pub(super) fn holds(&self, schema: &Schema, record: &Record, as_of_ms: i64) -> bool {
        match self {
            Self::Modified(range) => record.modified_as_of(as_of_ms).is_some_and(|at_ms| range.contains(&at_ms)),
            Self::Id(range) => i64::try_from(record.id.0).is_ok_and(|id| range.contains(&id)),
            Self::Property { property, kind, check } => {
                let value = shown(schema, record, *property, Some(as_of_ms));
                check.holds(*kind, value.as_deref())
            }
        }
    }

    /// The values a record's key must have to pass, when this is a question to a key.
    pub(super) fn key_values(&self, schema: &Schema) -> Option<(PropertyIndex, &[String])> {
        match self {
            Self::Property { property, check: Check::OneOf(values), .. } if schema.is_key(*property) => {
                Some((*property, values))
            }
            _ => None,
        }
    }
}

impl Check {
    /// Only `HasNot` holds for a property without a value.
    fn holds(&self, kind: Kind, value: Option<&str>) -> bool {
        let Some(value) = value else { return matches!(self, Self::HasNot) };
        let text = if kind == Kind::Enumeration { value.to_owned() } else { value.to_lowercase() };
        match self {
            Self::Has => true,
            Self::HasNot => false,
            Self::OneOf(values) => is_one_of(kind, &text, values),
            Self::NoneOf(values) => !is_one_of(kind, &text, values),
            Self::Within(low, high) => number(kind, value).is_some_and(|value| (*low..=*high).contains(&value)),
            #[expect(clippy::float_cmp, reason = "both numbers are read from text the same way")]
            Self::Outside(other) => number(kind, value).is_some_and(|value| value != *other),
            Self::TextWithin(low, high, ends) => {
                (text > *low || (ends.low && text == *low)) && (text < *high || (ends.high && text == *high))
            }
            Self::Token(token) => contains_token(&value.to_lowercase(), token),
            Self::NoToken(token) => !contains_token(&value.to_lowercase(), token),
        }
    }
}

fn is_one_of(kind: Kind, text: &str, values: &[String]) -> bool {
    if kind == Kind::Enumeration {
        return text.split(';').any(|chosen| values.iter().any(|value| value == chosen))
            || values.iter().any(|value| value == text);
    }
    let same =
        |value: &String| value == text || number(kind, value).is_some_and(|left| Some(left) == number(kind, text));
    values.iter().any(same)
}

/// Whether the words of `token` stand in `text` side by side; `*` stands for anything.
fn contains_token(text: &str, token: &str) -> bool {
    if token.contains('*') {
        return matches_pattern(text, token) || words(text).any(|word| matches_pattern(word, token));
    }
    let (text, token): (Vec<&str>, Vec<&str>) = (words(text).collect(), words(token).collect());
    !token.is_empty() && text.windows(token.len()).any(|window| window == token)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn matches_pattern(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    let pieces: Vec<&str> = pattern.split('*').collect();
    for (at, piece) in pieces.iter().enumerate() {
        let last = at + 1 == pieces.len();
        let next = match () {
            () if at == 0 => rest.strip_prefix(piece),
            () if last => return rest.ends_with(piece),
            () => rest.split_once(piece).map(|(_, after)| after),
        };
        let Some(next) = next else { return false };
        rest = next;
    }
    rest.is_empty()
}

/// A value as a number: moments in milliseconds.
pub(super) fn number(kind: Kind, text: &str) -> Option<f64> {
    match kind {
        #[expect(clippy::cast_precision_loss, reason = "moments are far below 2^53 milliseconds")]
        Kind::Date | Kind::DateTime => parse_moment_ms(&text.to_uppercase()).map(|at_ms| at_ms as f64),
        Kind::Number => text.trim().parse().ok(),
        Kind::Text | Kind::Phone | Kind::Bool | Kind::Enumeration => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_match_whole_words_and_patterns() {
        for (text, token, expected) in [
            ("ada lovelace", "ada", true),
            ("ada lovelace", "ad", false),
            ("ada lovelace", "ad*", true),
            ("ada lovelace", "lovelace ada", false),
            ("ada@example.com", "*@example.com", true),
            ("ada@example.org", "*@example.com", false),
            ("ada@example.com", "example.com", true),
            ("ada", "", false),
        ] {
            assert_eq!(contains_token(text, token), expected, "{text} {token}");
        }
    }
}
