//! The budget of business tasks: how many writes a month may hold, and when somebody is to be told (E7).
//!
//! Invariant: no more tasks are let through in a period than its limit, and each notice is given once a period and limit.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::carry::known_zone;

/// How many tasks a month may hold, and where its months begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskBudget {
    /// Tasks a calendar month.
    pub limit: u64,
    /// The IANA name of the time zone; one that is not known counts as UTC.
    pub zone: String,
}

impl TaskBudget {
    /// The limit unless the user says otherwise.
    pub const LIMIT: u64 = 100_000;
}

impl Default for TaskBudget {
    fn default() -> Self {
        Self { limit: Self::LIMIT, zone: "UTC".to_owned() }
    }
}

/// A calendar month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Period {
    /// Months since the year 0.
    pub month: i32,
    /// When the next one begins.
    pub ends_at: Instant,
}

impl Period {
    /// Returns the month of `now` in `zone`.
    pub fn of(now: Instant, zone: &str) -> Self {
        let zone = known_zone(zone).unwrap_or(TimeZone::UTC);
        let timestamp = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
        let local = timestamp.to_zoned(zone);
        let next = local.first_of_month().and_then(|first| first.start_of_day()).and_then(|first| {
            // A month has a next one, but for the last one that there is.
            first.checked_add(jiff::Span::new().months(1))?.start_of_day()
        });
        Self {
            month: i32::from(local.year()) * 12 + i32::from(local.month()) - 1,
            ends_at: next.map_or(Instant::MAX, |next| next.timestamp().as_millisecond()),
        }
    }
}

/// What of its budget a period has used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCount {
    /// The month that is counted.
    pub period: Period,
    /// Tasks so far.
    pub used: u64,
    /// The limit that they were last held against; 0 before the first.
    pub limit: u64,
    /// The limit of which somebody was told that most of it is used.
    near_told: Option<u64>,
    /// The limit of which somebody was told that it is used up.
    reached_told: Option<u64>,
}

/// Somebody changed the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitChange {
    /// When it was first gone by.
    pub at: Instant,
    /// Who ran the command that went by it first.
    pub by: String,
    /// The limit before.
    pub before: u64,
    /// The limit since.
    pub after: u64,
}

/// What somebody is to be told about the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskNotice {
    /// At least four fifths are used.
    Near,
    /// All of it is used, and something waits.
    Reached,
}

impl TaskCount {
    /// Goes by the budget as it is now: a new month counts from nothing. Returns the limit before if it has changed.
    ///
    /// A clock that was set back does not bring a month back.
    pub fn renew(&mut self, budget: &TaskBudget, now: Instant) -> Option<u64> {
        let period = Period::of(now, &budget.zone);
        if period.month > self.period.month {
            *self = Self { period, limit: self.limit, ..Self::default() };
        } else if period.month == self.period.month {
            self.period = period;
        }
        let before = std::mem::replace(&mut self.limit, budget.limit);
        (before != 0 && before != budget.limit).then_some(before)
    }

    /// Returns how many tasks the period still holds.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Counts tasks that fit, and returns what is to be told about it.
    pub fn spend(&mut self, tasks: u64) -> Option<TaskNotice> {
        self.used += tasks;
        let is_near = u128::from(self.used) * 5 >= u128::from(self.limit) * 4;
        let is_news = tasks > 0 && is_near && self.near_told != Some(self.limit);
        is_news.then(|| {
            self.near_told = Some(self.limit);
            TaskNotice::Near
        })
    }

    /// Notes that a task did not fit, and returns what is to be told about it.
    pub fn refuse(&mut self) -> Option<TaskNotice> {
        (self.reached_told != Some(self.limit)).then(|| {
            self.reached_told = Some(self.limit);
            TaskNotice::Reached
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse::<jiff::Timestamp>().expect("a timestamp").as_millisecond()
    }

    fn count(limit: u64, now: &str) -> TaskCount {
        let mut count = TaskCount::default();
        assert_eq!(count.renew(&TaskBudget { limit, ..TaskBudget::default() }, at(now)), None);
        count
    }

    #[test]
    fn e7_a_period_is_a_month_in_the_zone_of_the_workspace() {
        for (now, zone, month, ends_at) in [
            ("2026-02-28T23:30:00Z", "UTC", 2, "2026-03-01T00:00:00Z"),
            ("2026-02-28T23:30:00Z", "Europe/Paris", 3, "2026-03-31T22:00:00Z"),
            ("2026-03-01T03:00:00Z", "America/New_York", 2, "2026-03-01T05:00:00Z"),
            ("2026-12-31T12:00:00Z", "UTC", 12, "2027-01-01T00:00:00Z"),
            ("2026-12-31T12:00:00Z", "Mars/Olympus", 12, "2027-01-01T00:00:00Z"),
        ] {
            let period = Period::of(at(now), zone);
            assert_eq!((period.month, period.ends_at), (2026 * 12 + month - 1, at(ends_at)), "{now} {zone}");
        }
    }

    #[test]
    fn f07_the_80th_of_100_is_told_once_and_the_100th_passes() {
        let mut count = count(100, "2026-03-05T00:00:00Z");
        let told: Vec<u64> = (1..=100).filter(|_| count.spend(1).is_some()).map(|task: u64| task).collect();
        assert_eq!((told, count.left()), (vec![80], 0));
        assert_eq!([count.refuse(), count.refuse()], [Some(TaskNotice::Reached), None]);
    }

    #[test]
    fn f08_a_raised_limit_goes_on_and_tells_again() {
        let mut count = count(10, "2026-03-05T00:00:00Z");
        assert_eq!(count.spend(10), Some(TaskNotice::Near));
        count.refuse();
        let raised = TaskBudget { limit: 20, ..TaskBudget::default() };
        assert_eq!(count.renew(&raised, at("2026-03-06T00:00:00Z")), Some(10));
        assert_eq!((count.left(), count.spend(5), count.spend(1)), (10, None, Some(TaskNotice::Near)));
        assert_eq!((count.spend(4), count.refuse()), (None, Some(TaskNotice::Reached)));
        assert_eq!(count.renew(&raised, at("2026-03-07T00:00:00Z")), None);
    }

    #[test]
    fn e7_a_new_month_counts_from_nothing_and_an_old_one_does_not_come_back() {
        let budget = TaskBudget { limit: 10, ..TaskBudget::default() };
        let mut count = count(10, "2026-03-05T00:00:00Z");
        count.spend(10);
        assert_eq!((count.renew(&budget, at("2026-04-01T00:00:00Z")), count.left()), (None, 10));
        count.spend(3);
        assert_eq!((count.renew(&budget, at("2026-03-31T00:00:00Z")), count.left()), (None, 7));
        assert_eq!(count.spend(5), Some(TaskNotice::Near));
    }

    #[test]
    fn e7_a_lowered_limit_lets_nothing_more_through() {
        let mut count = count(10, "2026-03-05T00:00:00Z");
        count.spend(6);
        count.renew(&TaskBudget { limit: 5, ..TaskBudget::default() }, at("2026-03-05T01:00:00Z"));
        assert_eq!((count.left(), count.spend(0), count.refuse()), (0, None, Some(TaskNotice::Reached)));
    }
}
