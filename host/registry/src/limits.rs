//! What a plugin may use up: asked for by its manifest, lowered or raised by the configuration.

use serde::{Deserialize, Serialize};
use syncline_net::{RateLimit, UsageHeaders};

/// Limits, each of them optional: where nothing is said, the host's default counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Linear memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// CPU time of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// Time that one call may take, waiting included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u32>,
    /// HTTP requests of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u32>,
    /// Size of one HTTP answer, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_mib: Option<u32>,
    /// HTTP requests at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// HTTP requests in any 24 hours, by everybody who uses the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<u32>,
    /// How much of what a day holds is used, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_percent: Option<u32>,
    /// HTTP requests in a span of time; all of them count, or those of a scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate: Vec<RateLimit>,
}

/// Name, smallest and largest value of each limit that is one number.
const RANGES: [(&str, u32, u32); 8] = [
    ("memory_mib", 1, 4_096),
    ("cpu_ms", 1, 600_000),
    ("wall_ms", 1, 3_600_000),
    ("http_calls", 1, 100_000),
    ("response_mib", 1, 1_024),
    ("concurrent", 1, 256),
    ("calls_per_day", 1, 1_000_000_000),
    ("share_percent", 1, 100),
];

/// Windows of a rate budget at the most.
const RATES_MAX: usize = 8;

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3_600_000;

/// The longest window of a rate budget: a month.
const RATE_WINDOW_MS_MAX: u64 = 31 * 24 * 3_600_000;

impl Limits {
    /// The names of the limits, as they are written.
    pub const NAMES: [&str; 9] = [
        "memory_mib",
        "cpu_ms",
        "wall_ms",
        "http_calls",
        "response_mib",
        "concurrent",
        "calls_per_day",
        "share_percent",
        "rate",
    ];

    /// Returns the place of the limit called `name`, if it is one that is a single number.
    pub fn number_mut(&mut self, name: &str) -> Option<&mut Option<u32>> {
        match name {
            "memory_mib" => Some(&mut self.memory_mib),
            "cpu_ms" => Some(&mut self.cpu_ms),
            "wall_ms" => Some(&mut self.wall_ms),
            "http_calls" => Some(&mut self.http_calls),
            "response_mib" => Some(&mut self.response_mib),
            "concurrent" => Some(&mut self.concurrent),
            "calls_per_day" => Some(&mut self.calls_per_day),
            "share_percent" => Some(&mut self.share_percent),
            _ => None,
        }
    }

    /// Names every limit that makes no sense, and why.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut limits = self.clone();
        let mut faults = Vec::new();
        for (name, least, most) in RANGES {
            if let Some(value) = limits.number_mut(name).and_then(|value| *value)
                && !(least..=most).contains(&value)
            {
                faults.push((name, format!("{value} is not between {least} and {most}")));
            }
        }
        if self.rate.len() > RATES_MAX {
            faults.push(("rate", format!("{} windows, and at most {RATES_MAX} are allowed", self.rate.len())));
        }
        if self.rate.iter().any(|rate| rate.calls == 0 || rate.per_ms == 0 || rate.per_ms > RATE_WINDOW_MS_MAX) {
            faults.push(("rate", "a window needs at least one call, and between a millisecond and 31 days".to_owned()));
        }
        if let Some(fault) = self.rate.iter().find_map(|rate| rate.scope.fault()) {
            faults.push(("rate", fault));
        }
        faults
    }

    /// Returns these limits with what `over` says put over them: a window takes the place of those of its scope.
    pub fn overridden_by(&self, over: &Limits) -> Limits {
        Limits {
            memory_mib: over.memory_mib.or(self.memory_mib),
            cpu_ms: over.cpu_ms.or(self.cpu_ms),
            wall_ms: over.wall_ms.or(self.wall_ms),
            http_calls: over.http_calls.or(self.http_calls),
            response_mib: over.response_mib.or(self.response_mib),
            concurrent: over.concurrent.or(self.concurrent),
            calls_per_day: over.calls_per_day.or(self.calls_per_day),
            share_percent: over.share_percent.or(self.share_percent),
            rate: {
                let is_kept = |rate: &&RateLimit| over.rate.iter().all(|other| other.scope != rate.scope);
                self.rate.iter().filter(is_kept).chain(&over.rate).cloned().collect()
            },
        }
    }

    /// Returns every window in which requests are counted.
    pub fn windows(&self) -> Vec<RateLimit> {
        let day = self.calls_per_day.map(|calls| RateLimit::new(calls, DAY_MS));
        self.rate.iter().cloned().chain(day).collect()
    }

    /// Returns where a server says how its limits stand; those that `set` says, the user's own, it does not raise.
    pub fn usage(headers: &[UsageHeaders], set: &Limits) -> Vec<UsageHeaders> {
        let is_set = |per_ms| set.windows().iter().any(|window| window.per_ms == per_ms && window.scope.is_all());
        headers.iter().map(|usage| UsageHeaders { is_capped: is_set(usage.per_ms), ..usage.clone() }).collect()
    }

    /// Says in words each limit that is set.
    pub fn words(&self) -> Vec<String> {
        let units = [
            (self.memory_mib, "MiB of memory"),
            (self.cpu_ms, "ms of computing in one call"),
            (self.wall_ms, "ms for one call"),
            (self.http_calls, "requests in one call"),
            (self.response_mib, "MiB in one answer"),
            (self.concurrent, "requests at one time"),
            (self.calls_per_day, "requests a day"),
            (self.share_percent, "percent of what a day holds"),
        ];
        let numbers = units.iter().filter_map(|(value, unit)| value.map(|value| format!("{value} {unit}")));
        let rates = self.rate.iter().map(|rate| {
            let scope = if rate.scope.is_all() { String::new() } else { format!(" ({})", rate.scope) };
            format!("{} requests{scope} every {} ms", rate.calls, rate.per_ms)
        });
        numbers.chain(rates).collect()
    }
}

#[cfg(test)]
mod tests {
    use syncline_net::RateScope;

    use super::{Limits, RateLimit};

    #[test]
    fn limits_that_make_no_sense_are_named() {
        let limits = Limits {
            memory_mib: Some(0),
            concurrent: Some(9_999),
            rate: vec![RateLimit::new(0, 1)],
            ..Limits::default()
        };
        let names: Vec<&str> = limits.faults().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["memory_mib", "concurrent", "rate"]);
        assert_eq!(Limits::default().faults(), []);
    }

    #[test]
    fn the_configuration_is_put_over_the_manifest() {
        let scope = RateScope::new(Some("POST"), Some("/search"));
        let searches = RateLimit { scope, ..RateLimit::new(5, 1_000) };
        let rate = vec![RateLimit::new(100, 10_000), searches.clone()];
        let manifest = Limits { memory_mib: Some(64), cpu_ms: Some(5), rate, ..Limits::default() };
        let rate = vec![RateLimit::new(190, 10_000), RateLimit::new(625_000, 86_400_000)];
        let merged = manifest.overridden_by(&Limits { memory_mib: Some(128), rate: rate.clone(), ..Limits::default() });
        assert_eq!((merged.memory_mib, merged.cpu_ms), (Some(128), Some(5)));
        assert_eq!(merged.rate, [&[searches], &rate[..]].concat(), "the limit on searches stays");
        assert_eq!(manifest.overridden_by(&Limits::default()), manifest);
    }
}
