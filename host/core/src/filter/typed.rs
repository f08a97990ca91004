//! Types a filter against a schema.

use std::ops::Range;

use super::parse::{Literal, Written, WrittenTest};
use super::{Filter, FilterError, FilterFault, Operator, ParsedFilter, Test};
use crate::fold::folded;
use crate::{Field, FieldType, Schema, Value};

impl ParsedFilter {
    /// Gives every value the type of its field, or says everything that does not fit.
    pub fn typed(&self, schema: &Schema) -> Result<Filter, Vec<FilterError>> {
        let mut errors = Vec::new();
        let filter = typed(&self.root, schema, &mut errors);
        match filter {
            Some(filter) if errors.is_empty() => Ok(filter),
            _ => Err(errors),
        }
    }
}

fn typed(written: &Written, schema: &Schema, errors: &mut Vec<FilterError>) -> Option<Filter> {
    let mut all = |parts: &[Written]| -> Option<Vec<Filter>> {
        // Every part is looked at, so that all that is wrong is said at once.
        let parts: Vec<Option<Filter>> = parts.iter().map(|part| typed(part, schema, errors)).collect();
        parts.into_iter().collect()
    };
    match written {
        Written::All(parts) => all(parts).map(Filter::All),
        Written::Any(parts) => all(parts).map(Filter::Any),
        Written::Not(part) => typed(part, schema, errors).map(|part| Filter::Not(Box::new(part))),
        Written::MemberOf(list, _) => Some(Filter::MemberOf(list.clone())),
        Written::Test(written) => match test(written, schema) {
            Ok(test) => Some(Filter::Test(test)),
            Err(error) => {
                errors.push(error);
                None
            }
        },
    }
}

fn test(written: &WrittenTest, schema: &Schema) -> Result<Test, FilterError> {
    let at = |place: &Range<usize>, fault| FilterError { place: place.clone(), fault };
    let Some(field) = schema.field(&written.field) else {
        return Err(at(&written.field_place, FilterFault::NoField(written.field.clone())));
    };
    let (name, kind, operator) = (field.name.clone(), field.kind, written.operator);
    if !operator.suits(kind) {
        return Err(at(&written.operator_place, FilterFault::Unsuited { field: name, kind, operator }));
    }
    if let Some(place) = &written.exact
        && !matches!(kind, FieldType::Text | FieldType::Texts | FieldType::Choice | FieldType::Choices)
    {
        return Err(at(place, FilterFault::NothingExact { field: name, kind }));
    }
    let operands = written.operands.iter();
    let operands = operands.map(|(literal, place)| operand(field, operator, written.exact.is_some(), literal, place));
    let operands = operands.collect::<Result<Vec<Value>, FilterError>>()?;
    Ok(Test { field: name, operator, operands, exact: written.exact.is_some() })
}

/// Makes the value of a literal that a field is compared with.
fn operand(
    field: &Field,
    operator: Operator,
    exact: bool,
    literal: &Literal,
    place: &Range<usize>,
) -> Result<Value, FilterError> {
    let value = match (field.kind, literal) {
        (FieldType::Boolean, Literal::Boolean(yes)) => Some(Value::Boolean(*yes)),
        (FieldType::Integer | FieldType::Decimal, Literal::Number(number)) => {
            Value::Decimal(number.clone()).canonical().ok()
        }
        (FieldType::Text | FieldType::Texts | FieldType::References, Literal::Text(text)) => {
            Value::Text(text.clone()).canonical().ok().filter(|value| !value.is_blank())
        }
        (FieldType::Date, Literal::Text(text)) => {
            Value::Date(text.clone()).canonical().ok().filter(|value| !value.is_blank())
        }
        (FieldType::Moment, Literal::Text(text)) => moment(text, operator),
        (FieldType::Zoned, Literal::Text(text)) => local(text, operator),
        (FieldType::Choice | FieldType::Choices, Literal::Text(text)) => return option(field, exact, text, place),
        _ => None,
    };
    value.ok_or_else(|| {
        let value = match literal {
            Literal::Text(text) => format!("'{text}'"),
            Literal::Number(number) => number.clone(),
            Literal::Boolean(yes) => yes.to_string(),
        };
        let fault = FilterFault::Operand { field: field.name.clone(), value, expected: expected(field.kind) };
        FilterError { place: place.clone(), fault }
    })
}

fn expected(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Boolean => "`true` or `false`",
        FieldType::Integer | FieldType::Decimal => "number",
        FieldType::Date => "date like '2026-01-31'",
        FieldType::Moment => "instant like '2026-01-31T08:00:00Z'",
        FieldType::Zoned => "local time like '2026-01-31T08:00:00'",
        FieldType::Text
        | FieldType::Texts
        | FieldType::References
        | FieldType::Choice
        | FieldType::Choices
        | FieldType::Json => "text in quotes that is not empty (`is blank` finds what is empty)",
    }
}

/// An instant; a day alone only where there is an order, and then its first moment in UTC.
fn moment(text: &str, operator: Operator) -> Option<Value> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(Value::Moment(timestamp.as_millisecond()));
    }
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| operator.orders() && !text.contains('T'))?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Value::Moment(midnight.timestamp().as_millisecond()))
}

fn local(text: &str, operator: Operator) -> Option<Value> {
    let is_whole = text.contains('T') || operator.orders();
    let local = text.parse::<jiff::civil::DateTime>().ok().filter(|_| is_whole)?;
    Some(Value::Text(local.to_string()))
}

/// Finds an option by code or label; where none are known, every text may be one.
fn option(field: &Field, exact: bool, text: &str, place: &Range<usize>) -> Result<Value, FilterError> {
    let same = |known: &str| known == text || (!exact && folded(known) == folded(text));
    let as_written = field.options.iter().find(|option| option.code == text);
    let by_code = as_written.or_else(|| field.options.iter().find(|option| same(&option.code)));
    let found = by_code.or_else(|| field.options.iter().find(|option| same(&option.label)));
    match found {
        Some(option) => Ok(Value::Choice(option.code.clone())),
        None if field.options.is_empty() && !text.is_empty() => Ok(Value::Choice(text.to_owned())),
        None => {
            let known = field.options.iter().map(|option| option.code.clone()).collect();
            let fault = FilterFault::NoOption { field: field.name.clone(), value: format!("'{text}'"), known };
            Err(FilterError { place: place.clone(), fault })
        }
    }
}
