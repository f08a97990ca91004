//! The budget of tasks (E7), held against the journal: it counts every intent once, and no other attempt at what was not
//! done.

use syncline_core::{JournalEntry, Period};
use syncline_runner::{Space, Store, StoreTable, task_count};

use crate::stage::Simulation;
use crate::steps::wait;

impl Simulation {
    /// Returns how many tasks the journal holds, of every month.
    pub fn tasks_in_journal(&self) -> usize {
        tasks(self).len()
    }
}

/// Returns what the count of the month under way has wrong.
pub(crate) fn tasks_are_those_of_the_journal(simulation: &Simulation) -> Option<String> {
    let budget = &simulation.context.tasks.budget;
    let now = simulation.stage.lock().now;
    let kept = wait(task_count(simulation.store.as_ref(), budget, now)).expect("the store is up");
    let is_now = |entry: &&JournalEntry| Period::of(entry.at, &budget.zone).month == kept.period.month;
    let counted = tasks(simulation).iter().filter(is_now).count() as u64;
    (kept.used != counted || kept.used > kept.limit)
        .then(|| format!("E7: {} of {} tasks are counted, the journal holds {counted}", kept.used, kept.limit))
}

/// Returns the intents that are tasks.
fn tasks(simulation: &Simulation) -> Vec<JournalEntry> {
    let store = simulation.store.as_ref();
    let rows = wait(store.scan(Space::HOST, StoreTable::Journal, Vec::new(), usize::MAX)).expect("the store is up");
    let entries: Vec<JournalEntry> =
        rows.iter().map(|(_, row)| postcard::from_bytes(row).expect("an entry reads back")).collect();
    let is_task = |entry: &&JournalEntry| entry.announced && !is_another_attempt(&entries, entry);
    entries.iter().filter(is_task).cloned().collect()
}

/// True if the write before this one to the same side of the pair was the same and was not done.
fn is_another_attempt(entries: &[JournalEntry], entry: &JournalEntry) -> bool {
    let before = |other: &&JournalEntry| {
        let place = |entry: &JournalEntry| (entry.sync.clone(), entry.pair, entry.change.side);
        place(other) == place(entry) && other.id() < entry.id()
    };
    entries.iter().rfind(before).is_some_and(|earlier| entry.retries(earlier))
}
