//! What carrying a plan out will cost, told before anybody agrees to it (E7).

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use syncline_core::{Abilities, Index, Instant, Lane, Object, Side};
use syncline_runner::report::Moment;
use syncline_runner::{Context, Failure, IndexCost, SyncSetup, describe, index_costs, task_count};

use crate::render::text::count;
use crate::render::time;
use crate::session::{Pace, Session, SessionError};

/// A plan whose calls are through within this time needs no word about it.
const SOON: Duration = Duration::from_secs(60);

/// What a plan will cost.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Tasks, one for each write to one record.
    tasks: u64,
    /// Tasks that the month still holds.
    tasks_left: u64,
    /// When the next month begins.
    month_ends: Option<Moment>,
    /// Calls that the reading has taken, on the left and on the right.
    calls_made: [u64; 2],
    /// Calls that write, at the least; some connectors look before or after each.
    calls: [u64; 2],
    /// What it takes to know who is there, on the left and on the right (E1.2).
    indexes: [IndexCost; 2],
    /// Calls that look for doubles before creates.
    look_ups: [u64; 2],
    /// No run ends before: when the budgets of calls let the last one through.
    finishes_at: Option<Moment>,
    /// Whether the budgets make a run wait before all is written.
    waits: bool,
}

/// What the calls of both sides hold, and how fast they may follow each other.
pub struct Costs {
    objects: [Object; 2],
    matches: bool,
    pace: Pace,
}

impl Costs {
    /// Reads what is known of both sides since the sync was made ready.
    pub async fn of(session: &Session, setup: &SyncSetup, lane: Lane) -> Result<Self, SessionError> {
        let context = &session.context;
        let left = describe(context, Side::Left, &setup.left, context.sweep_every_ms).await?;
        let right = describe(context, Side::Right, &setup.right, context.sweep_every_ms).await?;
        let pace = session.pace([&setup.left.endpoint, &setup.right.endpoint].map(|end| &end.connection), lane);
        let matches = !setup.rules.matching.tuples.is_empty();
        Ok(Self { objects: [left.object, right.object], matches, pace })
    }

    /// What an application can do.
    pub fn abilities(&self, side: Side) -> &Abilities {
        &side.pick(&self.objects[0], &self.objects[1]).abilities
    }

    /// True if `changes` may be more than the month's tasks or the budgets of calls hold.
    pub(super) async fn may_not_hold(&self, context: &Context, changes: u64) -> Result<bool, Failure> {
        let used = task_count(context.store.as_ref(), &context.tasks.budget, context.world.now()).await?;
        let calls = [0, 1].map(|side| batches(changes, self.objects[side].write_batch_max));
        Ok(changes > used.left() || self.pace.last_call(calls) > SOON)
    }
}

impl Estimate {
    /// Reckons up writes by side and kind, creates first.
    pub(super) async fn of(
        context: &Context,
        setup: &SyncSetup,
        costs: &Costs,
        writes: [[u64; 6]; 2],
    ) -> Result<Self, Failure> {
        let now = context.world.now();
        let used = task_count(context.store.as_ref(), &context.tasks.budget, now).await?;
        let calls = [0, 1].map(|side| calls(&writes[side], costs.objects[side].write_batch_max));
        let look_ups = [0, 1].map(|side| match costs.matches {
            true => batches(writes[side][0], costs.objects[side].get_batch_max),
            false => 0,
        });
        let last = costs.pace.last_call([calls[0] + look_ups[0], calls[1] + look_ups[1]]);
        Ok(Self {
            tasks: writes.iter().flatten().sum(),
            tasks_left: used.left(),
            month_ends: Some(Moment(used.period.ends_at)),
            indexes: index_costs(context, setup).await?,
            calls_made: costs.pace.made(),
            calls,
            look_ups,
            finishes_at: Some(Moment(after(now, last))),
            waits: last > SOON,
        })
    }

    /// Returns a few lines for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.indexes.iter().any(|cost| cost.index == Index::Scoped) {
            for (side, cost) in Side::BOTH.into_iter().zip(&self.indexes) {
                let _ = writeln!(text, "  index of the {side}: {}", index(cost));
            }
        }
        if self.tasks == 0 {
            return text;
        }
        let calls: Vec<String> = Side::BOTH.into_iter().filter_map(|side| self.calls_text(side)).collect();
        let (tasks, left) = (count(self.tasks, "task"), self.tasks_left);
        let _ = writeln!(text, "  {tasks} of the {left} that this month still holds; at least {}", calls.join(", "));
        let [left_made, right_made] = self.calls_made;
        if left_made + right_made > 0 {
            let _ = writeln!(
                text,
                "  the reading took {} on the left and {right_made} on the right",
                count(left_made, "call")
            );
        }
        text + &self.shortage()
    }

    fn calls_text(&self, side: Side) -> Option<String> {
        let of = |both: [u64; 2]| both[side.pick(0, 1)];
        let (calls, look_ups) = (of(self.calls), of(self.look_ups));
        let first = if look_ups > 0 { format!(" and {look_ups} to look first") } else { String::new() };
        (calls > 0).then(|| format!("{} to write{first} on the {side}", count(calls, "call")))
    }

    /// Says what the budgets do not hold; nothing if they hold everything.
    pub(super) fn shortage(&self) -> String {
        let mut text = String::new();
        let left = self.tasks_left;
        if self.tasks > left {
            let ends = self.month_ends.as_ref().map(|ends| time::absolute(ends.0)).unwrap_or_default();
            let rest = self.tasks - left;
            let _ = writeln!(
                text,
                "  the month cannot hold them: {rest} would wait until {ends}, or until `tasks_per_month` is raised"
            );
        }
        if let Some(at) = self.finishes_at.as_ref().filter(|_| self.waits) {
            let _ = writeln!(
                text,
                "  the budget of calls cannot hold them now: a run would stop at it and go on by itself, and be through \
                 {} at the earliest",
                time::absolute(at.0)
            );
        }
        text
    }
}

/// Says what one side's index costs.
fn index(cost: &IndexCost) -> String {
    let (records, calls) = (count(cost.records, "record"), count(cost.calls, "call"));
    match cost.index {
        Index::Full => format!("all of it, {records}; reading them anew takes {calls}"),
        Index::Scoped => format!(
            "by look-ups, {} in {} this time; {records} known, looked at anew in {calls}",
            count(cost.looked_up, "key"),
            count(cost.look_up_calls, "call")
        ),
    }
}

fn after(now: Instant, wait: Duration) -> Instant {
    now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// Each kind of write goes in calls of its own.
fn calls(writes: &[u64], batch_max: u32) -> u64 {
    writes.iter().map(|count| batches(*count, batch_max)).sum()
}

fn batches(count: u64, batch_max: u32) -> u64 {
    count.div_ceil(u64::from(batch_max.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_calls_go_by_kind_and_batch() {
        assert_eq!(calls(&[250, 1, 0], 100), 4);
        assert_eq!(calls(&[3, 2], 1), 5);
        assert_eq!(calls(&[3], 0), 3);
    }

    #[test]
    fn e7_a_month_or_a_day_that_cannot_hold_a_plan_is_named() {
        let estimate = |tasks, tasks_left, waits| Estimate {
            tasks,
            tasks_left,
            month_ends: Some(Moment(0)),
            calls_made: [3, 0],
            calls: [0, 2],
            look_ups: [0, 1],
            finishes_at: Some(Moment(86_400_000)),
            waits,
            indexes: Default::default(),
        };
        assert_eq!(estimate(0, 5, true).text(), "");
        let fits = "  5 tasks of the 5 that this month still holds; at least 2 calls to write and 1 to look first on the \
                    right\n  the reading took 3 calls on the left and 0 on the right\n";
        assert_eq!(estimate(5, 5, false).text(), fits);
        assert_eq!(estimate(5, 5, false).shortage(), "");
        let scoped = IndexCost { index: Index::Scoped, records: 250, calls: 3, looked_up: 1, look_up_calls: 1 };
        let full = IndexCost { records: 900, calls: 9, ..IndexCost::default() };
        let indexes = Estimate { indexes: [full, scoped], ..estimate(0, 5, false) }.text();
        let expected = "  index of the left: all of it, 900 records; reading them anew takes 9 calls\n  index of the right: by \
                        look-ups, 1 key in 1 call this time; 250 records known, looked at anew in 3 calls\n";
        assert_eq!(indexes, expected);
        let text = estimate(7, 5, false).text();
        assert!(text.contains("cannot hold them: 2 would wait until 1970-01-01 00:00:00 UTC"), "{text}");
        let text = estimate(5, 5, true).shortage();
        assert!(text.contains("be through 1970-01-02 00:00:00 UTC at the earliest"), "{text}");
    }
}
