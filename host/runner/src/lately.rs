//! Reads what was written to pairs lately, and decides those anew that were written too often or back and forth (E6.4).
//!
//! The journal tells it: each write names the one before, so the look back ends at the first that is a day old. Most
//! pairs cost one look-up, and only those with something to write.

use syncline_core::{ChangeKind, Decision, EntryId, JournalEntry, LATELY_MS, LateWrite, Lately};

use crate::planning::Work;
use crate::running::Running;
use crate::{Failure, codec};

/// Entries of one pair that are looked at: more than a day of capped writes and of attempts that came to nothing.
const ENTRIES_MAX: usize = 256;

/// An intent is older than its outcome, which counts.
const OUTCOME_MS_MAX: i64 = 60 * 60 * 1000;

/// Decides about updates again, with what was written in the last day.
pub(crate) async fn hold_back(
    running: &Running<'_>,
    works: &mut [Work],
    decisions: &mut [Decision],
) -> Result<(), Failure> {
    let now = running.context.world.now();
    let since = now.saturating_sub(LATELY_MS + OUTCOME_MS_MAX);
    let updates = |decision: &Decision| decision.changes.iter().any(|change| matches!(change.kind, ChangeKind::Update));
    let mut next: Vec<(usize, EntryId)> = Vec::new();
    for index in (0..works.len()).filter(|&index| updates(&decisions[index])) {
        let pair = &works[index].pair;
        next.extend(pair.last_write.iter().chain(&pair.joined).map(|write| (index, *write)));
    }
    for _ in 0..ENTRIES_MAX {
        let keys = next.iter().map(|(_, entry)| codec::journal(entry.run, entry.number)).collect();
        let entries: Vec<Option<JournalEntry>> = codec::load_all(running.synced.store, keys).await?;
        let mut before = Vec::new();
        for ((index, id), entry) in next.into_iter().zip(entries) {
            let Some(entry) = entry.filter(|entry| entry.at > since) else { continue };
            let work = &mut works[index];
            let own = work.pair.id(entry.change.side);
            // A create of which nobody knows what it made may have made this one.
            if entry.pair == work.id || entry.record().is_none_or(|record| own == Some(record)) {
                work.lately.writes.extend(LateWrite::of(&entry));
            }
            // Older writes have smaller places: a damaged row does not send us in circles.
            before.extend(entry.previous.filter(|previous| *previous < id).map(|previous| (index, previous)));
        }
        next = before;
        if next.is_empty() {
            break;
        }
    }
    for (work, decision) in works.iter_mut().zip(decisions).filter(|(work, _)| !work.lately.writes.is_empty()) {
        let mut writes = std::mem::take(&mut work.lately.writes);
        // Those of another pair that it took the record of come in between.
        writes.sort_by_key(|write| std::cmp::Reverse(write.at));
        work.lately = Lately { now, writes };
        *decision = work.decide(&running.setup.rules, running.scope_before());
    }
    Ok(())
}
