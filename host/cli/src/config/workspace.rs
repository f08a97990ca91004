//! `[limits]`: what all syncs together may use up (E7).

use syncline_core::TaskBudget;

use super::mistake::Mistake;
use super::read::{Item, Reader};
use super::zone;

/// Tasks a month at the most: beyond it nobody counts.
const TASKS_MAX: u64 = 1_000_000_000_000;

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> TaskBudget {
    let mut budget = TaskBudget::default();
    let Some(mut section) = reader.section(item, "`limits`") else { return budget };
    if let Some(entry) = section.take("tasks_per_month")
        && let Some(tasks) = reader.whole(entry.value, "`tasks_per_month`")
    {
        if !(1..=TASKS_MAX).contains(&tasks) {
            let message = format!("`tasks_per_month`: {tasks} is not between 1 and {TASKS_MAX}");
            let mend = "to stop every sync, write active = false into each";
            reader.wrong(Mistake::new(&entry.value.span(), message).mend(mend));
        }
        budget.limit = tasks;
    }
    if let Some(zone) = section.take("zone").and_then(|entry| zone::read(reader, entry.value)) {
        budget.zone = zone;
    }
    section.finish(reader, &[]);
    budget
}
