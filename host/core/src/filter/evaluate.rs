//! Says whether a filter holds for a record: yes, no, or not known (E5.2).
//!
//! Invariant: a blank makes every comparison false but `is blank`; an absent value makes it unknown.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Filter, Operator, Test};
use crate::fold::folded;
use crate::{FieldName, ListId, Value};

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody can tell.
    Unknown,
}

impl Truth {
    /// Both.
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No, _) | (_, Truth::No) => Truth::No,
            (Truth::Yes, Truth::Yes) => Truth::Yes,
            _ => Truth::Unknown,
        }
    }

    /// At least one.
    pub fn or(self, other: Truth) -> Truth {
        self.opposite().and(other.opposite()).opposite()
    }

    /// The opposite; what is not known stays so.
    pub fn opposite(self) -> Truth {
        match self {
            Truth::Yes => Truth::No,
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Truth::Yes } else { Truth::No }
    }
}

/// In which lists of its application a record is; of a list that is not named it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(pub BTreeMap<ListId, bool>);

impl Members {
    /// Says whether the record is in `list`.
    pub fn of(&self, list: &ListId) -> Truth {
        self.0.get(list).map_or(Truth::Unknown, |is_in| Truth::from(*is_in))
    }
}

impl Filter {
    /// Says whether the filter holds for the record whose fields `value` gives, `None` for an absent one.
    pub fn holds<'a>(&self, value: &dyn Fn(&FieldName) -> Option<&'a Value>, members: &Members) -> Truth {
        match self {
            Filter::All(parts) => parts.iter().fold(Truth::Yes, |so_far, part| so_far.and(part.holds(value, members))),
            Filter::Any(parts) => parts.iter().fold(Truth::No, |so_far, part| so_far.or(part.holds(value, members))),
            Filter::Not(part) => part.holds(value, members).opposite(),
            Filter::Test(test) => value(&test.field).map_or(Truth::Unknown, |value| test.holds(value)),
            Filter::MemberOf(list) => members.of(list),
        }
    }
}

impl Test {
    /// Says whether a value that is known passes.
    fn holds(&self, value: &Value) -> Truth {
        match self.operator {
            Operator::IsBlank => Truth::from(value.is_blank()),
            Operator::IsNotBlank => Truth::from(!value.is_blank()),
            _ if value.is_blank() => Truth::No,
            Operator::In => {
                let one = |operand| self.compare(value, operand, Operator::Contains, Operator::Equals);
                self.operands.iter().fold(Truth::No, |so_far, operand| so_far.or(one(operand)))
            }
            operator => {
                self.operands.first().map_or(Truth::Unknown, |operand| self.compare(value, operand, operator, operator))
            }
        }
    }

    /// Compares with one operand: several values each by `each`, one value by `single`.
    fn compare(&self, value: &Value, operand: &Value, each: Operator, single: Operator) -> Truth {
        let wanted = operand.to_string();
        let several = |values: &[String]| {
            Truth::from(values.iter().any(|value| match each {
                Operator::Contains => self.same(value, &wanted),
                other => self.text_passes(value, &wanted, other),
            }))
        };
        match value {
            Value::Choices(values) | Value::Texts(values) => several(values),
            Value::References(links) => Truth::from(links.iter().any(|link| link.id == wanted)),
            Value::Text(text) | Value::Choice(text) => match operand {
                Value::Text(_) | Value::Choice(_) => Truth::from(self.text_passes(text, &wanted, single)),
                // The field was of another type when the filter was typed.
                _ => Truth::Unknown,
            },
            one => order(one, operand).map_or(Truth::Unknown, |order| Truth::from(passes(order, single))),
        }
    }

    fn same(&self, one: &str, other: &str) -> bool {
        one == other || (!self.exact && folded(one) == folded(other))
    }

    fn text_passes(&self, text: &str, wanted: &str, operator: Operator) -> bool {
        let compared = |text: &str| if self.exact { text.to_owned() } else { folded(text) };
        let (text, wanted) = (compared(text), compared(wanted));
        match operator {
            Operator::Contains => text.contains(&wanted),
            Operator::StartsWith => text.starts_with(&wanted),
            Operator::EndsWith => text.ends_with(&wanted),
            other => passes(text.cmp(&wanted), other),
        }
    }
}

fn passes(order: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Equals | Operator::In => order == Ordering::Equal,
        Operator::Differs => order != Ordering::Equal,
        Operator::Below => order == Ordering::Less,
        Operator::AtMost => order != Ordering::Greater,
        Operator::Above => order == Ordering::Greater,
        Operator::AtLeast => order != Ordering::Less,
        Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::IsBlank | Operator::IsNotBlank => {
            false
        }
    }
}

/// Orders two values that are not texts; `None` where they are of different types.
fn order(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::Boolean(one), Value::Boolean(other)) => Some(one.cmp(other)),
        (Value::Integer(one), Value::Decimal(other)) => Some(decimal_order(&one.to_string(), other)),
        (Value::Decimal(one), Value::Decimal(other)) => Some(decimal_order(one, other)),
        (Value::Moment(one), Value::Moment(other)) => Some(one.cmp(other)),
        (Value::Date(one), Value::Date(other)) => {
            let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
            Some(day(one)?.cmp(&day(other)?))
        }
        (Value::Zoned { local, .. }, Value::Text(other)) => {
            let time = |text: &str| text.parse::<jiff::civil::DateTime>().ok();
            Some(time(local)?.cmp(&time(other)?))
        }
        _ => None,
    }
}

/// Orders two decimals in canonical form, of any length.
fn decimal_order(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        (negative, whole.to_owned(), fraction.to_owned())
    };
    let (one_negative, one_whole, one_fraction) = parts(one);
    let (other_negative, other_whole, other_fraction) = parts(other);
    // Without leading zeros the longer whole part is the larger; fractions have no trailing zeros.
    let size = (one_whole.len(), &one_whole, &one_fraction).cmp(&(other_whole.len(), &other_whole, &other_fraction));
    match (one_negative, other_negative) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}
