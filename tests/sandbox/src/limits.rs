//! How many calls an account may make: in ten seconds, in a day, and of search in a second.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{day_end_ms, zoned};

const TEN_SECONDS_MS: i64 = 10_000;
const SECOND_MS: i64 = 1_000;

/// The limits in force; a limit that is not there does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls in any ten seconds, search not counted.
    pub ten_secondly: Option<u32>,
    /// Calls from midnight to midnight in the account's zone.
    pub daily: Option<u32>,
    /// Searches in any second.
    pub search_secondly: Option<u32>,
    /// Whether a refusal says with `Retry-After` how long to wait; the vendor does not promise it.
    pub retry_after: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ten_secondly: Some(100), daily: Some(250_000), search_secondly: Some(5), retry_after: false }
    }
}

impl Limits {
    /// No limits at all.
    #[must_use]
    pub fn off() -> Self {
        Self { ten_secondly: None, daily: None, search_secondly: None, retry_after: false }
    }
}

/// Which limit a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Policy {
    /// Too many calls in ten seconds.
    TenSecondlyRolling,
    /// Too many calls today.
    Daily,
    /// Too many searches in a second.
    Secondly,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::TenSecondlyRolling => "TEN_SECONDLY_ROLLING",
            Self::Daily => "DAILY",
            Self::Secondly => "SECONDLY",
        }
    }

    /// The vendor's body of a refusal.
    pub(crate) fn body(self, correlation_id: &str) -> Value {
        let limit = match self {
            Self::TenSecondlyRolling => "ten_secondly_rolling",
            Self::Daily => "daily",
            Self::Secondly => "secondly",
        };
        json!({
            "status": "error",
            "message": format!("You have reached your {limit} limit."),
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": self.name(),
        })
    }
}

/// Counts calls against the limits.
#[derive(Default)]
pub(crate) struct Meter {
    window: VecDeque<i64>,
    searches: VecDeque<i64>,
    day_end_ms: i64,
    today: u32,
}

/// What the meter says of a call: the headers of its answer, and why it is refused if it is.
pub(crate) struct Reading {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) refused: Option<Policy>,
}

impl Meter {
    /// Counts a call of an account in `zone`, or refuses it uncounted.
    pub(crate) fn count(&mut self, limits: &Limits, zone: &str, search: bool, now_ms: i64) -> Reading {
        self.age(zone, now_ms);
        let refused = self.refusal(limits, search);
        if refused.is_none() {
            self.today = self.today.saturating_add(1);
            let calls = if search { &mut self.searches } else { &mut self.window };
            calls.push_back(now_ms);
        }
        let mut headers = if search { Vec::new() } else { self.headers(limits) };
        if let Some(policy) = refused.filter(|_| limits.retry_after) {
            headers.push(("Retry-After", self.wait_s(policy, now_ms).to_string()));
        }
        Reading { headers, refused }
    }

    fn age(&mut self, zone: &str, now_ms: i64) {
        let day_end_ms = day_end_ms(&zoned(now_ms, zone));
        if self.day_end_ms != day_end_ms {
            (self.day_end_ms, self.today) = (day_end_ms, 0);
        }
        while self.window.front().is_some_and(|at_ms| at_ms + TEN_SECONDS_MS <= now_ms) {
            self.window.pop_front();
        }
        while self.searches.front().is_some_and(|at_ms| at_ms + SECOND_MS <= now_ms) {
            self.searches.pop_front();
        }
    }

    fn refusal(&self, limits: &Limits, search: bool) -> Option<Policy> {
        let full = |calls: usize, limit: Option<u32>| limit.is_some_and(|limit| calls >= limit as usize);
        if full(self.today as usize, limits.daily) {
            return Some(Policy::Daily);
        }
        if search {
            return full(self.searches.len(), limits.search_secondly).then_some(Policy::Secondly);
        }
        full(self.window.len(), limits.ten_secondly).then_some(Policy::TenSecondlyRolling)
    }

    fn headers(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(limit) = limits.ten_secondly {
            let used = u32::try_from(self.window.len()).unwrap_or(u32::MAX);
            headers.push(("X-HubSpot-RateLimit-Max", limit.to_string()));
            headers.push(("X-HubSpot-RateLimit-Remaining", limit.saturating_sub(used).to_string()));
            headers.push(("X-HubSpot-RateLimit-Interval-Milliseconds", TEN_SECONDS_MS.to_string()));
        }
        if let Some(limit) = limits.daily {
            headers.push(("X-HubSpot-RateLimit-Daily", limit.to_string()));
            headers.push(("X-HubSpot-RateLimit-Daily-Remaining", limit.saturating_sub(self.today).to_string()));
        }
        headers
    }

    fn wait_s(&self, policy: Policy, now_ms: i64) -> i64 {
        let wait_ms = match policy {
            Policy::TenSecondlyRolling => self.window.front().map_or(0, |at_ms| at_ms + TEN_SECONDS_MS - now_ms),
            Policy::Secondly => self.searches.front().map_or(0, |at_ms| at_ms + SECOND_MS - now_ms),
            Policy::Daily => self.day_end_ms - now_ms,
        };
        (wait_ms + 999) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY_MS;

    #[test]
    fn the_day_of_the_limit_is_that_of_the_accounts_zone() {
        const HOUR_MS: i64 = 3_600_000;
        let limits = Limits { daily: Some(1), retry_after: true, ..Limits::off() };
        let mut meter = Meter::default();
        // 1970 begins an hour earlier in Paris.
        let mut call = |now_ms| meter.count(&limits, "Europe/Paris", false, now_ms);
        assert_eq!(call(0).refused, None);
        let refused = call(1);
        assert_eq!(refused.refused, Some(Policy::Daily));
        assert!(refused.headers.contains(&("Retry-After", "82800".to_owned())), "{:?}", refused.headers);
        assert_eq!(call(23 * HOUR_MS - 1).refused, Some(Policy::Daily));
        assert_eq!(call(23 * HOUR_MS).refused, None);
    }

    #[test]
    fn calls_are_refused_by_window_day_and_second() {
        let limits = Limits { ten_secondly: Some(2), daily: Some(5), search_secondly: Some(1), retry_after: true };
        let mut meter = Meter::default();
        let mut call = |search, now_ms| meter.count(&limits, "UTC", search, now_ms).refused;
        assert_eq!(
            [call(false, 0), call(false, 1), call(false, 9_999)],
            [None, None, Some(Policy::TenSecondlyRolling)]
        );
        assert_eq!([call(true, 0), call(true, 999), call(true, 1_000)], [None, Some(Policy::Secondly), None]);
        assert_eq!([call(false, 10_000), call(false, 10_001)], [None, Some(Policy::Daily)]);
        assert_eq!(call(false, DAY_MS), None);
        assert!(meter.count(&limits, "UTC", true, DAY_MS).headers.is_empty());
    }
}
