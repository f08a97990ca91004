//! What carrying a plan out will cost, told before anybody agrees to it (E7).

use std::fmt::Write as _;

use serde::Serialize;
use syncline_core::{Index, Side};
use syncline_runner::report::Moment;
use syncline_runner::{Context, Failure, IndexCost, SyncSetup, describe, index_costs, task_count};

use crate::render::text::count;
use crate::render::time;

/// What a plan will cost.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Tasks, one for each write to one record.
    tasks: u64,
    /// Tasks that the month still holds.
    tasks_left: u64,
    /// When the next month begins.
    month_ends: Option<Moment>,
    /// Calls that write, on the left and on the right; look-ups and the reading of the next run come on top.
    calls: [u64; 2],
    /// What it takes to know who is there, on the left and on the right (E1.2).
    indexes: [IndexCost; 2],
}

/// How many writes one call holds at the most, on the left and on the right.
#[derive(Clone, Copy, Debug)]
pub struct Batches([u32; 2]);

impl Batches {
    /// Reads what is known of both sides since the sync was made ready.
    pub async fn of(context: &Context, setup: &SyncSetup) -> Result<Self, Failure> {
        let left = describe(context, Side::Left, &setup.left, context.sweep_every_ms).await?;
        let right = describe(context, Side::Right, &setup.right, context.sweep_every_ms).await?;
        Ok(Self([left, right].map(|side| side.object.write_batch_max)))
    }
}

impl Estimate {
    /// Reckons up writes by side and kind.
    pub(super) async fn of(
        context: &Context,
        setup: &SyncSetup,
        batches: Batches,
        writes: [[u64; 6]; 2],
    ) -> Result<Self, Failure> {
        let used = task_count(context.store.as_ref(), &context.tasks.budget, context.world.now()).await?;
        let [left, right] = writes;
        Ok(Self {
            tasks: left.iter().chain(&right).sum(),
            tasks_left: used.left(),
            month_ends: Some(Moment(used.period.ends_at)),
            calls: [calls(&left, batches.0[0]), calls(&right, batches.0[1])],
            indexes: index_costs(context, setup).await?,
        })
    }

    /// Returns a line or two for people.
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
        let sides = Side::BOTH.into_iter().map(|side| (side, self.calls[side.pick(0, 1)]));
        let calls: Vec<String> = sides
            .filter(|(_, calls)| *calls > 0)
            .map(|(side, calls)| format!("{} to write on the {side}", count(calls, "call")))
            .collect();
        let (tasks, left) = (count(self.tasks, "task"), self.tasks_left);
        let _ = writeln!(text, "  {tasks} of the {left} that this month still holds; at least {}", calls.join(", "));
        if self.tasks > left {
            let ends = self.month_ends.as_ref().map(|ends| time::absolute(ends.0)).unwrap_or_default();
            let rest = self.tasks - left;
            let _ = writeln!(
                text,
                "  the month cannot hold them: {rest} would wait until {ends}, or until `tasks_per_month` is raised"
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

/// Each kind of write goes in calls of its own.
fn calls(writes: &[u64], batch_max: u32) -> u64 {
    writes.iter().map(|count| count.div_ceil(u64::from(batch_max.max(1)))).sum()
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
    fn e7_a_month_that_cannot_hold_a_plan_is_named() {
        let estimate = |tasks, tasks_left| Estimate {
            tasks,
            tasks_left,
            month_ends: Some(Moment(0)),
            calls: [0, 2],
            indexes: Default::default(),
        };
        assert_eq!(estimate(0, 5).text(), "");
        let fits = "  5 tasks of the 5 that this month still holds; at least 2 calls to write on the right\n";
        assert_eq!(estimate(5, 5).text(), fits);
        let text = estimate(7, 5).text();
        let scoped = IndexCost { index: Index::Scoped, records: 250, calls: 3, looked_up: 1, look_up_calls: 1 };
        let full = IndexCost { records: 900, calls: 9, ..IndexCost::default() };
        let indexes = Estimate { indexes: [full, scoped], ..estimate(0, 5) }.text();
        let expected = "  index of the left: all of it, 900 records; reading them anew takes 9 calls\n  index of the right: by \
                        look-ups, 1 key in 1 call this time; 250 records known, looked at anew in 3 calls\n";
        assert_eq!(indexes, expected);
        assert!(text.contains("cannot hold them: 2 would wait until 1970-01-01 00:00:00 UTC"), "{text}");
    }
}
