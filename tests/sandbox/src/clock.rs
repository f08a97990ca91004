//! The sandbox's time, which tests may hold still and move, and how the vendor writes it down.
//!
//! Lag, rate windows, days and stamps all read this clock, so no test has to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

/// Milliseconds of one day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A clock that follows the machine's or stands still, and can be moved forward.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fixed_ms: Option<i64>,
    moved_ms: AtomicI64,
}

impl Clock {
    /// The machine's time.
    #[must_use]
    pub fn real() -> Self {
        Self(Arc::new(Inner { fixed_ms: None, moved_ms: AtomicI64::new(0) }))
    }

    /// A clock that stands at `at_ms` (since 1970) until somebody moves it.
    #[must_use]
    pub fn manual(at_ms: i64) -> Self {
        Self(Arc::new(Inner { fixed_ms: Some(at_ms), moved_ms: AtomicI64::new(0) }))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let base_ms = self.0.fixed_ms.unwrap_or_else(|| Timestamp::now().as_millisecond());
        base_ms + self.0.moved_ms.load(Ordering::SeqCst)
    }

    /// Moves the clock forward; a real clock keeps the distance from then on.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.0.moved_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

/// The time in `zone`; in UTC where that is not known.
pub(crate) fn zoned(at_ms: i64, zone: &str) -> Zoned {
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone)
}

/// The moment at which the day of a time ends.
pub(crate) fn day_end_ms(at: &Zoned) -> i64 {
    let next = at.date().tomorrow().and_then(|date| date.to_zoned(at.time_zone().clone()));
    next.map_or(i64::MAX, |next| next.timestamp().as_millisecond())
}

/// Writes a moment as the vendor does: seconds, and three digits when there are milliseconds.
pub(crate) fn iso(at_ms: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return String::new() };
    if at_ms.rem_euclid(1000) == 0 { format!("{at:.0}") } else { format!("{at:.3}") }
}

/// Writes a moment as an HTTP header does.
pub(crate) fn http_date(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads a moment given as epoch milliseconds, a date, or an ISO moment.
pub(crate) fn parse_moment_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at_ms) = text.parse::<i64>() {
        return Timestamp::from_millisecond(at_ms).ok().map(|_| at_ms);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let date: Date = if text.len() == 10 { text.parse().ok()? } else { return None };
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// Writes the UTC day of a moment, as a `date` property shows it.
pub(crate) fn day(at_ms: i64) -> String {
    iso(at_ms - at_ms.rem_euclid(DAY_MS)).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_and_write_as_the_vendor_does() {
        for (text, at_ms) in [
            ("0", 0),
            ("1970-01-02", DAY_MS),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01T00:00:00.420Z", 1_767_225_600_420),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600_000),
        ] {
            assert_eq!(parse_moment_ms(text), Some(at_ms), "{text}");
        }
        for text in ["", "soon", "2026-13-01", "2026-1-1", "99999999999999999"] {
            assert_eq!(parse_moment_ms(text), None, "{text}");
        }
        assert_eq!(iso(1_767_225_600_420), "2026-01-01T00:00:00.420Z");
        assert_eq!(iso(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(day(1_767_225_600_420), "2026-01-01");
    }
}
