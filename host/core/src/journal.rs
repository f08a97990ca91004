//! The durable log of intended and finished writes, and its transition rules.
//!
//! Invariant: nothing is sent before its intent is durable, and an intent is settled exactly once.

use serde::{Deserialize, Serialize};

use crate::{Change, FieldName, Instant, PairId, PairState, Reason, RecordId, RunId, SyncName, Value};

/// The place of a write in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId {
    /// The run.
    pub run: RunId,
    /// Its number within the run.
    pub number: u32,
}

/// What became of a write, as history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// Done. `stored` holds the written fields as the application then had them.
    Written {
        /// The record.
        record: RecordId,
        /// The written fields, as stored.
        stored: Vec<(FieldName, Value)>,
        /// The raw record before a delete.
        raw: Option<String>,
    },
    /// Not done.
    NotDone {
        /// Why.
        reason: Reason,
        /// A sentence, with secrets removed.
        detail: String,
    },
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// It may have been sent.
    Intent,
    /// Its outcome is known.
    Settled {
        /// When.
        at: Instant,
        /// What became of it.
        outcome: Settled,
    },
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The run.
    pub run: RunId,
    /// Its number within the run.
    pub number: u32,
    /// The sync.
    pub sync: SyncName,
    /// The pair.
    pub pair: PairId,
    /// What is written.
    pub change: Change,
    /// The write to the pair before this one: from the last one on, all that was done to it can be told.
    pub previous: Option<EntryId>,
    /// The create key, for a create.
    pub create_key: Option<String>,
    /// The state of the pair once it is done.
    pub then: PairState,
    /// When the intent was written down.
    pub at: Instant,
    /// True if it was written down before it was sent; false if a look just before kept it from being sent.
    pub announced: bool,
    /// Where it stands.
    pub state: EntryState,
}

impl JournalEntry {
    /// Returns its place.
    pub fn id(&self) -> EntryId {
        EntryId { run: self.run, number: self.number }
    }

    /// Settles an intent. Returns false, and changes nothing, if it was settled before.
    #[must_use]
    pub fn settle(&mut self, at: Instant, outcome: Settled) -> bool {
        match self.state {
            EntryState::Intent => {
                self.state = EntryState::Settled { at, outcome };
                true
            }
            EntryState::Settled { .. } => false,
        }
    }

    /// True if this is another attempt at what `earlier` did not get done: it costs no task of its own (E7).
    ///
    /// A create is one attempt at one record, whatever was edited in between; it has the same key each time.
    pub fn retries(&self, earlier: &JournalEntry) -> bool {
        let values = |entry: &'_ JournalEntry| -> Vec<(FieldName, Value)> {
            entry.change.fields.iter().map(|change| (change.field.clone(), change.after.clone())).collect()
        };
        let is_same = match &self.create_key {
            Some(key) => earlier.create_key.as_ref() == Some(key),
            None => {
                let (now, before) = (&self.change, &earlier.change);
                (now.side, &now.kind, &now.record) == (before.side, &before.kind, &before.record)
                    && values(self) == values(earlier)
            }
        };
        let was_not_done = matches!(earlier.state, EntryState::Settled { outcome: Settled::NotDone { .. }, .. });
        earlier.announced
            && is_same
            && was_not_done
            && self.pair == earlier.pair
            && self.change.side == earlier.change.side
    }

    /// True while the outcome is not known.
    pub fn is_open(&self) -> bool {
        self.state == EntryState::Intent
    }
}
