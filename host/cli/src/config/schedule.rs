//! `schedule`: when `serve` runs a sync; `sweep`: how often a run lists all ids.

use std::fmt;

use super::mistake::{Mistake, shown};
use super::read::{Item, Reader};

/// Every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the start of one run to the start of the next.
    pub every_ms: u64,
}

/// Letter and length of each unit, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

/// The longest time between two runs: beyond it vendors forget what was deleted.
const EVERY_MS_MAX: u64 = 31 * 86_400_000;

pub(super) fn read(reader: &mut Reader, item: &Item<'_>, key: &str) -> Option<Schedule> {
    let text = reader.text(item, &format!("`{key}`"))?;
    match parse(text.get_ref()) {
        Ok(schedule) => Some(schedule),
        Err(reason) => {
            let mistake = Mistake::new(&text.span(), format!("{} is no {key}: {reason}", shown(text.get_ref())));
            reader.wrong(mistake.mend("write \"every\", a number and s, m, h or d, such as \"every 5m\""));
            None
        }
    }
}

fn parse(text: &str) -> Result<Schedule, &'static str> {
    let length = text.strip_prefix("every ").ok_or("it does not begin with `every`")?.trim();
    let unit = length.chars().last().ok_or("the time is missing")?;
    let (_, unit_ms) = UNITS.into_iter().find(|(letter, _)| *letter == unit).ok_or("the unit is not s, m, h or d")?;
    let number = length.strip_suffix(unit).unwrap_or_default().trim();
    let number: u64 = number.parse().map_err(|_| "the number is not a whole one")?;
    match number.checked_mul(unit_ms) {
        Some(0) => Err("it would never stop running"),
        Some(every_ms) if every_ms <= EVERY_MS_MAX => Ok(Schedule { every_ms }),
        _ => Err("it is longer than 31 days"),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.into_iter().find(|(_, unit_ms)| self.every_ms.is_multiple_of(*unit_ms));
        match whole {
            Some((letter, unit_ms)) => write!(formatter, "every {}{letter}", self.every_ms / unit_ms),
            None => write!(formatter, "every {} ms", self.every_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Schedule, parse};

    #[test]
    fn a_schedule_is_read_and_shown() {
        for (text, every_ms, shown) in [
            ("every 5m", 300_000, "every 5m"),
            ("every 90s", 90_000, "every 90s"),
            ("every 24h", 86_400_000, "every 1d"),
        ] {
            let schedule = parse(text).expect(text);
            assert_eq!(schedule, Schedule { every_ms });
            assert_eq!(schedule.to_string(), shown);
        }
        for text in [
            "",
            "5m",
            "every",
            "every ",
            "every m",
            "every 0s",
            "every -1m",
            "every 1.5h",
            "every 99999999999999999999d",
            "every 32d",
            "every 5é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
