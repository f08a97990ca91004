//! Goes back through what was written to one pair, the last write first.
//!
//! Costs a look-up a write, whatever else the runs did. Not here: what happened before the pair was joined with another.

use syncline_core::{EntryId, EntryState, JournalEntry, Pair, Settled};

use crate::{Store, StoreError, codec};

/// The way back.
pub(crate) struct Trail<'a> {
    store: &'a dyn Store,
    next: Option<EntryId>,
}

impl<'a> Trail<'a> {
    /// Starts at the last write to `pair`.
    pub(crate) fn of(store: &'a dyn Store, pair: &Pair) -> Self {
        Self { store, next: pair.last_write }
    }

    /// Returns the next older write that was done.
    pub(crate) async fn older(&mut self) -> Result<Option<JournalEntry>, StoreError> {
        while let Some(EntryId { run, number }) = self.next.take() {
            let entry: Option<JournalEntry> = codec::load(self.store, codec::journal(run, number)).await?;
            let Some(entry) = entry else { return Ok(None) };
            // Older writes have smaller places: a damaged row does not send us in circles.
            self.next = entry.previous.filter(|previous| *previous < entry.id());
            if matches!(entry.state, EntryState::Settled { outcome: Settled::Written { .. }, .. }) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}
