//! Carries a value from one side to the other: the steps that a mapping takes in one direction.
//!
//! Invariant: a blank stays a blank, whatever the steps; a value that cannot be carried is told with its reason, and
//! never replaced by a guess.
//! Not here: which types go together (`compatible`), components (the runner calls them).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::{FieldType, Reason, TransformUse, Value};

/// The zones of the world, as they were when this was built: the same everywhere, and read from no disk.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// One step of a value on its way to the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The host makes a value of another type (E2.6, E2.8).
    Convert(Conversion),
    /// The host looks each option up (E2.6).
    Options(BTreeMap<String, String>),
    /// A component changes it.
    Transform(TransformUse),
}

/// What the host makes of a value by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conversion {
    /// Whatever it is, as people read it.
    ToText,
    /// A decimal number without fraction.
    ToInteger,
    /// A whole number.
    ToDecimal,
    /// The day in this zone (E2.8).
    ToDate {
        /// The IANA zone.
        zone: String,
    },
    /// The point in time; of a day its 00:00 in this zone (E2.8).
    ToMoment {
        /// The IANA zone.
        zone: String,
    },
    /// The wall-clock time in this zone.
    ToZoned {
        /// The IANA zone.
        zone: String,
    },
}

/// Why a value cannot be carried over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unfit {
    /// The reason code.
    pub reason: Reason,
    /// A sentence.
    pub detail: String,
}

impl Unfit {
    /// Makes one of a value that breaks a rule.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { reason: Reason::Validation, detail: detail.into() }
    }
}

/// True if `name` is an IANA zone that the host knows.
pub fn is_zone(name: &str) -> bool {
    ZONES.get(name).is_ok()
}

/// Returns the one spelling of a zone's name; `None` if there is no such zone.
pub(crate) fn zone_name(name: &str) -> Option<String> {
    ZONES.get(name).ok()?.iana_name().map(str::to_owned)
}

impl Step {
    /// Returns what the host makes of `value`; `None` where a component has to.
    pub fn apply(&self, value: Value) -> Option<Result<Value, Unfit>> {
        match self {
            Step::Transform(_) => None,
            _ if value.is_blank() => Some(Ok(value)),
            Step::Convert(conversion) => Some(conversion.apply(value)),
            Step::Options(options) => Some(exchange(options, value)),
        }
    }
}

/// Returns what the host makes of `value`; `None` if one of the steps is a component's.
pub fn carried(steps: &[Step], value: &Value) -> Option<Result<Value, Unfit>> {
    let mut value = value.clone();
    for step in steps {
        match step.apply(value)? {
            Ok(made) => value = made,
            Err(unfit) => return Some(Err(unfit)),
        }
    }
    Some(Ok(value))
}

fn exchange(options: &BTreeMap<String, String>, value: Value) -> Result<Value, Unfit> {
    let one = |code: String| match options.get(&code) {
        Some(other) => Ok(other.clone()),
        None => Err(Unfit {
            reason: Reason::UnmappedOption,
            detail: format!("the option {code:?} has no counterpart on the other side; give it one under `options`"),
        }),
    };
    let made = match value {
        Value::Choice(code) => Value::Choice(one(code)?),
        Value::Choices(codes) => Value::Choices(codes.into_iter().map(one).collect::<Result<_, _>>()?),
        other => return Err(mistyped(&other, "an option")),
    };
    made.canonical().map_err(|error| Unfit::invalid(error.to_string()))
}

fn mistyped(value: &Value, wanted: &str) -> Unfit {
    Unfit { reason: Reason::UnsupportedType, detail: format!("{value} cannot become {wanted}") }
}

impl Conversion {
    /// Returns the conversion that makes values of type `to`; `None` if there is none.
    pub fn into_type(to: FieldType, zone: &str) -> Option<Self> {
        let zone = zone.to_owned();
        Some(match to {
            FieldType::Text => Conversion::ToText,
            FieldType::Integer => Conversion::ToInteger,
            FieldType::Decimal => Conversion::ToDecimal,
            FieldType::Date => Conversion::ToDate { zone },
            FieldType::Moment => Conversion::ToMoment { zone },
            FieldType::Zoned => Conversion::ToZoned { zone },
            FieldType::Boolean
            | FieldType::Choice
            | FieldType::Choices
            | FieldType::References
            | FieldType::Texts
            | FieldType::Json => return None,
        })
    }

    fn apply(&self, value: Value) -> Result<Value, Unfit> {
        let made = match (self, value) {
            (Conversion::ToText, value) => Value::Text(value.to_string()),
            (Conversion::ToDecimal, Value::Integer(number)) => Value::Decimal(number.to_string()),
            (Conversion::ToInteger, Value::Decimal(text)) => match text.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(Unfit::invalid(format!("{text} is no whole number of up to 18 digits"))),
            },
            (Conversion::ToDate { zone }, value) => Value::Date(local(&value, zone)?.date().to_string()),
            (Conversion::ToMoment { zone }, value) => Value::Moment(moment(&value, zone)?.as_millisecond()),
            (Conversion::ToZoned { zone }, value) => {
                Value::Zoned { local: local(&value, zone)?.to_string(), zone: zone.clone() }
            }
            (Conversion::ToDecimal | Conversion::ToInteger, value) => return Err(mistyped(&value, "a number")),
        };
        made.canonical().map_err(|error| Unfit::invalid(error.to_string()))
    }
}

/// Returns the wall-clock time of `value` in `zone`; a day begins there (E2.8).
fn local(value: &Value, zone: &str) -> Result<DateTime, Unfit> {
    match value {
        Value::Date(day) => Ok(date(day)?.at(0, 0, 0, 0)),
        value => Ok(moment(value, zone)?.to_zoned(known_zone(zone)?).datetime()),
    }
}

fn moment(value: &Value, zone: &str) -> Result<jiff::Timestamp, Unfit> {
    let beyond = |error: jiff::Error| Unfit::invalid(error.to_string());
    match value {
        Value::Moment(instant) => jiff::Timestamp::from_millisecond(*instant).map_err(beyond),
        // Where the clocks skip midnight, the day begins when they go on.
        Value::Date(day) => {
            let begin = known_zone(zone)?.to_ambiguous_zoned(date(day)?.at(0, 0, 0, 0)).compatible();
            Ok(begin.map_err(beyond)?.timestamp())
        }
        Value::Zoned { local, zone } => {
            let local: DateTime = local.parse().map_err(beyond)?;
            Ok(local.to_zoned(known_zone(zone)?).map_err(beyond)?.timestamp())
        }
        other => Err(mistyped(other, "a date or a time")),
    }
}

fn date(day: &str) -> Result<Date, Unfit> {
    day.parse().map_err(|error: jiff::Error| Unfit::invalid(error.to_string()))
}

pub(crate) fn known_zone(name: &str) -> Result<TimeZone, Unfit> {
    ZONES.get(name).map_err(|_| Unfit::invalid(format!("{name} is no time zone that is known here")))
}

#[cfg(test)]
mod tests;
