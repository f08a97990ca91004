//! `schedule`: when `serve` runs a sync; `sweep` and `lists`: how often a run lists all ids, and who is in a list.

use std::fmt;
use std::ops::Range;

use syncline_core::Instant;

use super::cron::Cron;
use super::mistake::{Mistake, shown};
use super::read::{Item, Reader};

/// When a sync runs.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Every so often.
    Every(Every),
    /// At these minutes, hours and days.
    Cron(Cron),
}

impl Schedule {
    /// Returns when it is due after a run that began at `last`, or from `now` on without one.
    pub fn due(&self, last: Option<Instant>, now: Instant) -> Option<Instant> {
        match self {
            Schedule::Every(every) => Some(last.map_or(now, |last| last.saturating_add_unsigned(every.every_ms))),
            Schedule::Cron(cron) => cron.next_after(now),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Every(every) => every.fmt(formatter),
            Schedule::Cron(cron) => cron.fmt(formatter),
        }
    }
}

/// Every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// From the start of one run to the start of the next.
    pub every_ms: u64,
}

/// Letter and length of each unit, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

/// The longest time between two runs: beyond it vendors forget what was deleted.
const EVERY_MS_MAX: u64 = 31 * 86_400_000;

/// Reads `schedule`; its days and hours are those of `zone`.
pub(super) fn read(reader: &mut Reader, item: &Item<'_>, zone: &str) -> Option<Schedule> {
    let text = reader.text(item, "`schedule`")?;
    let fields = text.get_ref().strip_prefix("cron ").unwrap_or(text.get_ref());
    let is_bare = fields.starts_with(|first: char| "*0123456789".contains(first)) && fields.split(' ').count() > 2;
    let is_cron = is_bare || fields.len() < text.get_ref().len();
    let read = match is_cron {
        true => Cron::parse(fields, zone).map(Schedule::Cron),
        false => parse(text.get_ref()).map(Schedule::Every).map_err(str::to_owned),
    };
    let mend = match is_cron {
        true => "write minute, hour, day, month and weekday, such as \"cron 0 6 * * mon-fri\", or \"every 5m\"",
        false => "write \"every\", a number and s, m, h or d, such as \"every 5m\", or \"cron 0 6 * * mon-fri\"",
    };
    read.map_err(|reason| wrong(reader, (&text.span(), text.get_ref()), "schedule", &reason, mend)).ok()
}

/// Reads how often something is done; `key` says what.
pub(super) fn read_every(reader: &mut Reader, item: &Item<'_>, key: &str) -> Option<Every> {
    let text = reader.text(item, &format!("`{key}`"))?;
    let mend = "write \"every\", a number and s, m, h or d, such as \"every 5m\"";
    let what = match key {
        "lists" => "time for `lists`",
        key => key,
    };
    parse(text.get_ref()).map_err(|reason| wrong(reader, (&text.span(), text.get_ref()), what, reason, mend)).ok()
}

fn wrong(reader: &mut Reader, (place, text): (&Range<usize>, &str), what: &str, reason: &str, mend: &str) {
    reader.wrong(Mistake::new(place, format!("{} is no {what}: {reason}", shown(text))).mend(mend));
}

fn parse(text: &str) -> Result<Every, &'static str> {
    let length = text.strip_prefix("every ").ok_or("it does not begin with `every`")?.trim();
    let unit = length.chars().last().ok_or("the time is missing")?;
    let (_, unit_ms) = UNITS.into_iter().find(|(letter, _)| *letter == unit).ok_or("the unit is not s, m, h or d")?;
    let number = length.strip_suffix(unit).unwrap_or_default().trim();
    let number: u64 = number.parse().map_err(|_| "the number is not a whole one")?;
    match number.checked_mul(unit_ms) {
        Some(0) => Err("it would never stop running"),
        Some(every_ms) if every_ms <= EVERY_MS_MAX => Ok(Every { every_ms }),
        _ => Err("it is longer than 31 days"),
    }
}

impl fmt::Display for Every {
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
    use super::{Every, parse};

    #[test]
    fn a_schedule_is_read_and_shown() {
        for (text, every_ms, shown) in [
            ("every 5m", 300_000, "every 5m"),
            ("every 90s", 90_000, "every 90s"),
            ("every 24h", 86_400_000, "every 1d"),
        ] {
            let schedule = parse(text).expect(text);
            assert_eq!(schedule, Every { every_ms });
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
