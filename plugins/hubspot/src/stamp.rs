//! HubSpot's three ways to write a time: ISO 8601, milliseconds since 1970 as text, and the HTTP `Date` header.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Milliseconds of one second.
pub(crate) const SECOND_MS: i64 = 1_000;

/// Milliseconds of one day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Reads a moment: ISO 8601 with an offset, a bare day (midnight UTC), or epoch milliseconds.
pub(crate) fn moment_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if is_epoch(text) {
        let at_ms = text.parse::<i64>().ok()?;
        return Timestamp::from_millisecond(at_ms).ok().map(|at| at.as_millisecond());
    }
    if text.len() == 10 {
        return day_ms(text);
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Reads a calendar day in any of the forms of a moment, and writes it as `2026-11-22`.
pub(crate) fn day(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() == 10 && day_ms(text).is_some() {
        return Some(text.to_owned());
    }
    let at_ms = moment_ms(text)?;
    let at = Timestamp::from_millisecond(at_ms).ok()?;
    Some(at.to_zoned(TimeZone::UTC).date().to_string())
}

/// Writes a moment as HubSpot does.
pub(crate) fn iso(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms).ok().map(|at| format!("{at:.3}"))
}

/// Reads the HTTP `Date` header.
pub(crate) fn http_date_ms(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_millisecond())
}

/// Milliseconds from `now_ms` to the next midnight UTC.
pub(crate) fn until_midnight_ms(now_ms: i64) -> u64 {
    u64::try_from(DAY_MS - now_ms.rem_euclid(DAY_MS)).unwrap_or_default()
}

/// Milliseconds from `now_ms` to the beginning of the next day in `zone`; none if it is not known here.
pub(crate) fn until_midnight_in_ms(zone: &str, now_ms: i64) -> Option<u64> {
    let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(TimeZoneDatabase::bundled().get(zone).ok()?);
    let next_day = now.date().tomorrow().ok()?.to_zoned(now.time_zone().clone()).ok()?;
    u64::try_from(next_day.timestamp().as_millisecond() - now_ms).ok()
}

fn day_ms(text: &str) -> Option<i64> {
    let day: Date = text.parse().ok()?;
    day.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp().as_millisecond())
}

fn is_epoch(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_days_read_in_every_form() {
        for (text, at_ms, shown) in [
            ("0", 0, "1970-01-01"),
            ("-86400000", -DAY_MS, "1969-12-31"),
            ("1767225600420", 1_767_225_600_420, "2026-01-01"),
            ("2026-01-01", 1_767_225_600_000, "2026-01-01"),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000, "2026-01-01"),
            ("2026-01-01T00:00:00.420Z", 1_767_225_600_420, "2026-01-01"),
            ("2026-01-01T01:30:00+02:00", 1_767_223_800_000, "2025-12-31"),
        ] {
            assert_eq!(moment_ms(text), Some(at_ms), "{text}");
            assert_eq!(day(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in ["", "-", "soon", "2026-13-01", "2026-02-30", "99999999999999999999", "99999999999999999"] {
            assert_eq!(moment_ms(text), None, "{text}");
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_the_vendor_does() {
        assert_eq!(iso(1_767_225_600_420).as_deref(), Some("2026-01-01T00:00:00.420Z"));
        assert_eq!(iso(i64::MAX), None);
        assert_eq!(http_date_ms("Thu, 01 Jan 2026 00:00:00 GMT"), Some(1_767_225_600_000));
        assert_eq!(http_date_ms("yesterday"), None);
        assert_eq!(until_midnight_ms(1_767_225_600_000 + 1000), (DAY_MS - 1000) as u64);
    }

    #[test]
    fn a_day_ends_at_midnight_of_its_zone() {
        const HOUR_MS: u64 = 3_600_000;
        for (zone, now, hours) in [
            ("UTC", "2026-11-22T18:00:00Z", Some(6)),
            ("Europe/Paris", "2026-11-22T18:00:00Z", Some(5)),
            ("America/Los_Angeles", "2026-11-22T18:00:00Z", Some(14)),
            // The clocks are put back, and forward where the day has no midnight.
            ("Europe/Paris", "2026-10-25T00:00:00+02:00", Some(25)),
            ("America/Havana", "2026-03-07T23:00:00-05:00", Some(1)),
            ("Mars/Olympus", "2026-11-22T18:00:00Z", None),
        ] {
            let now_ms = moment_ms(now).expect("a moment");
            assert_eq!(until_midnight_in_ms(zone, now_ms), hours.map(|hours| hours * HOUR_MS), "{zone}");
        }
        assert_eq!(until_midnight_in_ms("UTC", i64::MAX), None);
    }
}
