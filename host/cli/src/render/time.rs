//! Times for people: how long ago, and when exactly.

use jiff::Timestamp;
use syncline_core::Instant;

/// Unit, its length, and from what length on it is used.
const UNITS: [(&str, u64); 4] = [("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("days", 86_400_000)];

/// Returns `3 min ago`, `in 2 h` or `now`.
pub fn relative(now: Instant, at: Instant) -> String {
    let apart_ms = at.saturating_sub(now).unsigned_abs();
    let unit = UNITS.into_iter().rev().find(|(_, unit_ms)| apart_ms >= *unit_ms);
    let Some((unit, unit_ms)) = unit else { return "now".to_owned() };
    let unit = if unit == "days" && apart_ms / unit_ms == 1 { "day" } else { unit };
    let length = format!("{} {unit}", apart_ms / unit_ms);
    if at > now { format!("in {length}") } else { format!("{length} ago") }
}

/// Returns `2026-01-31 08:00:05 UTC`.
pub fn absolute(at: Instant) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{at} ms"),
    }
}

/// Returns both.
pub fn both(now: Instant, at: Instant) -> String {
    format!("{} ({})", relative(now, at), absolute(at))
}

/// Returns how long something took: `850 ms`, `12 s`, `3 min`.
pub fn length(from: Instant, to: Instant) -> String {
    let length_ms = to.saturating_sub(from).max(0).unsigned_abs();
    match UNITS.into_iter().rev().find(|(_, unit_ms)| length_ms >= *unit_ms) {
        Some((unit, unit_ms)) => format!("{} {unit}", length_ms / unit_ms),
        None => format!("{length_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let now = 1_769_846_400_000;
        let cases = [
            (0, "now"),
            (-999, "now"),
            (-5_000, "5 s ago"),
            (-180_000, "3 min ago"),
            (7_300_000, "in 2 h"),
            (-86_400_000, "1 day ago"),
            (-3 * 86_400_000, "3 days ago"),
        ];
        for (apart_ms, expected) in cases {
            assert_eq!(relative(now, now + apart_ms), expected);
        }
        assert_eq!(absolute(now), "2026-01-31 08:00:00 UTC");
        assert_eq!(length(now, now + 61_000), "1 min");
        assert_eq!(absolute(Instant::MAX), format!("{} ms", Instant::MAX));
    }
}
