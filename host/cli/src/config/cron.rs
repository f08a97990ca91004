//! `schedule = "cron 0 6 * * mon-fri"`: minute, hour, day of the month, month and day of the week, in the sync's zone.
//!
//! Invariant: when clocks change, a time that is named comes once: one that is left out comes as much later as the clock
//! jumped, one that is there twice comes the first time. With `*` as its hour an expression goes on by the clock.

use std::fmt;

use cronexpr::{Crontab, MakeTimestamp};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use syncline_core::Instant;

/// Fields of an expression.
const FIELDS: usize = 5;

/// How far a clock jumps at the most.
const JUMP: SignedDuration = SignedDuration::from_hours(3);

/// From where on an expression is tried out: it has to fit a day within four years.
const TRIED_FROM: Timestamp = Timestamp::UNIX_EPOCH;

/// An expression with its zone.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    zone: TimeZone,
    /// In the zone where every hour counts, else as if there were no zones.
    crontab: Crontab,
    every_hour: bool,
}

impl Cron {
    /// Reads an expression.
    pub(super) fn parse(text: &str, zone: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS {
            return Err(format!("it has {} fields and needs {FIELDS}; `zone` says the time zone", fields.len()));
        }
        let every_hour = fields[1].starts_with('*');
        let text = fields.join(" ");
        let name = if every_hour { zone } else { "UTC" };
        let zone = TimeZone::get(zone).map_err(|_| "its time zone is not known".to_owned())?;
        let crontab = cronexpr::parse_crontab(&format!("{} {name}", text.to_ascii_uppercase()));
        let crontab = crontab.map_err(|error| last_line(&error.to_string()))?;
        let cron = Self { text, zone, crontab, every_hour };
        match cron.next_after(TRIED_FROM.as_millisecond()) {
            Some(_) => Ok(cron),
            None => Err("no day ever fits it".to_owned()),
        }
    }

    /// Returns the first time after `at`.
    pub fn next_after(&self, at: Instant) -> Option<Instant> {
        let at = Timestamp::from_millisecond(at).ok()?;
        if self.every_hour {
            return self.crontab.find_next(MakeTimestamp(at)).ok().map(|next| next.timestamp().as_millisecond());
        }
        // On the clock of the zone, read as if it were UTC; what a jump has moved may still be to come.
        let clock = (at - JUMP).to_zoned(self.zone.clone()).datetime().to_zoned(TimeZone::UTC).ok()?;
        let times = self.crontab.iter_after(MakeTimestamp(clock.timestamp())).ok()?.map_while(Result::ok);
        let mut real = times.map_while(|time| Some(time.datetime().to_zoned(self.zone.clone()).ok()?.timestamp()));
        real.find(|next| *next > at).map(|next| next.as_millisecond())
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cron {}", self.text)
    }
}

/// The parser shows where, and says what on its last line.
fn last_line(text: &str) -> String {
    text.lines().next_back().unwrap_or(text).trim_start_matches(['^', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(text, zone).expect(text);
        let start: Timestamp = from.parse().expect("a time");
        let next = |at: &Instant| cron.next_after(*at);
        let times = std::iter::successors(cron.next_after(start.as_millisecond()), next).take(count);
        times.map(|at| Timestamp::from_millisecond(at).expect("a time").to_string()).collect()
    }

    #[test]
    fn an_expression_is_read_in_its_zone() {
        assert_eq!(
            times("0 6 * * mon-fri", "Europe/Paris", "2026-01-02T04:00:00Z", 3),
            ["2026-01-02T05:00:00Z", "2026-01-05T05:00:00Z", "2026-01-06T05:00:00Z"],
            "Friday, then over the weekend"
        );
        assert_eq!(
            times("*/20 6-7 1 jan *", "UTC", "2026-01-01T06:50:00Z", 2),
            ["2026-01-01T07:00:00Z", "2026-01-01T07:20:00Z"]
        );
        assert_eq!(Cron::parse(" 0  6 * * 1 ", "UTC").expect("it is read").to_string(), "cron 0 6 * * 1");
    }

    #[test]
    fn a_named_time_comes_once_when_clocks_change() {
        // 02:30 is left out on 29 March 2026, and is there twice on 25 October.
        assert_eq!(
            times("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(times("30 2 * * *", "Europe/Paris", "2026-03-29T01:10:00Z", 1), ["2026-03-29T01:30:00Z"]);
        assert_eq!(
            times("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(times("30 2 * * *", "Europe/Paris", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
        let hourly = times("30 * * * *", "Europe/Paris", "2026-10-24T23:50:00Z", 3);
        assert_eq!(hourly, ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"], "by the clock");
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * UTC",
            "60 * * * *",
            "0 6 * * funday",
            "0 0 31 2 *",
            "H * * * *",
            "5-1 * * * *",
            "é * * * *",
        ] {
            assert!(Cron::parse(text, "UTC").is_err(), "{text}");
        }
    }
}
