//! One cell.

use syncline_core::{InvalidValue, Reference, Value};

use super::GuestCells;
use crate::bindings::connector::syncline::values::data;

/// A larger value belongs into a file store.
const VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The years -9999 to 9999.
const INSTANT_MS_MIN: i64 = -377_705_116_800_000;
const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

/// Why a cell of a plugin is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCell {
    #[error("{0}")]
    Value(#[from] InvalidValue),
    #[error("a value of {0} bytes, more than the limit of {VALUE_BYTES_MAX}")]
    TooLarge(usize),
    #[error("{0} ms is no point in time of the years -9999 to 9999")]
    Instant(i64),
}

/// A plugin's cell in its canonical form; `None` is unknown.
pub(crate) fn lift(value: data::Value) -> Result<Option<Value>, InvalidCell> {
    let bytes = text_bytes(&value);
    if bytes > VALUE_BYTES_MAX {
        return Err(InvalidCell::TooLarge(bytes));
    }
    let value = match value {
        data::Value::Absent => return Ok(None),
        data::Value::Clear => return Ok(Some(Value::Clear)),
        data::Value::Boolean(yes) => return Ok(Some(Value::Boolean(yes))),
        data::Value::Integer(number) => return Ok(Some(Value::Integer(number))),
        data::Value::Moment(instant) => match known_instant(instant) {
            true => return Ok(Some(Value::Moment(instant))),
            false => return Err(InvalidCell::Instant(instant)),
        },
        data::Value::Decimal(text) => Value::Decimal(text),
        data::Value::Text(text) => Value::Text(text),
        data::Value::Date(text) => Value::Date(text),
        data::Value::Zoned(time) => Value::Zoned { local: time.local, zone: time.zone },
        data::Value::Choice(code) => Value::Choice(code),
        data::Value::Choices(codes) => Value::Choices(codes),
        data::Value::References(links) => {
            let links = links.into_iter().map(|link| Reference { target: link.target, id: link.id });
            Value::References(links.collect())
        }
        data::Value::Texts(texts) => Value::Texts(texts),
        data::Value::Json(text) => Value::Json(text),
    };
    Ok(Some(value.canonical()?))
}

/// A cell for a plugin.
pub(crate) fn lower(value: Option<Value>) -> data::Value {
    match value {
        None => data::Value::Absent,
        Some(Value::Clear) => data::Value::Clear,
        Some(Value::Boolean(yes)) => data::Value::Boolean(yes),
        Some(Value::Integer(number)) => data::Value::Integer(number),
        Some(Value::Decimal(text)) => data::Value::Decimal(text),
        Some(Value::Text(text)) => data::Value::Text(text),
        Some(Value::Date(text)) => data::Value::Date(text),
        Some(Value::Moment(instant)) => data::Value::Moment(instant),
        Some(Value::Zoned { local, zone }) => data::Value::Zoned(data::ZonedTime { local, zone }),
        Some(Value::Choice(code)) => data::Value::Choice(code),
        Some(Value::Choices(codes)) => data::Value::Choices(codes),
        Some(Value::References(links)) => {
            let links = links.into_iter().map(|link| data::Reference { target: link.target, id: link.id });
            data::Value::References(links.collect())
        }
        Some(Value::Texts(texts)) => data::Value::Texts(texts),
        Some(Value::Json(text)) => data::Value::Json(text),
    }
}

/// A row of cells for a plugin.
pub(crate) fn lower_cells(cells: Vec<Option<Value>>) -> GuestCells {
    cells.into_iter().map(lower).collect()
}

/// Returns `instant` if it lies in the years -9999 to 9999; later sums with it then never overflow.
pub(crate) fn sensible_instant(instant: Option<i64>) -> Option<i64> {
    instant.filter(|&instant| known_instant(instant))
}

fn known_instant(instant: i64) -> bool {
    (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(&instant)
}

fn text_bytes(value: &data::Value) -> usize {
    match value {
        data::Value::Absent
        | data::Value::Clear
        | data::Value::Boolean(_)
        | data::Value::Integer(_)
        | data::Value::Moment(_) => 0,
        data::Value::Decimal(text)
        | data::Value::Text(text)
        | data::Value::Date(text)
        | data::Value::Choice(text)
        | data::Value::Json(text) => text.len(),
        data::Value::Zoned(time) => time.local.len() + time.zone.len(),
        data::Value::Choices(texts) | data::Value::Texts(texts) => texts.iter().map(String::len).sum(),
        data::Value::References(links) => links.iter().map(|link| link.target.len() + link.id.len()).sum(),
    }
}
