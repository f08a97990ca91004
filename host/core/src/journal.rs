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

    /// Returns the record that was written, or was to be written; none of a create that is not known to be done.
    pub fn record(&self) -> Option<&RecordId> {
        match &self.state {
            EntryState::Settled { outcome: Settled::Written { record, .. }, .. } => Some(record),
            EntryState::Intent | EntryState::Settled { .. } => self.change.record.as_ref(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChangeKind, FieldChange, Side, Why};

    fn entry(create_key: Option<&str>) -> JournalEntry {
        let written =
            FieldChange { field: "name".into(), before: None, after: Value::Text("Ada".to_owned()), why: Why::Changed };
        JournalEntry {
            run: RunId(1),
            number: 0,
            sync: "contacts".into(),
            pair: PairId(1),
            change: Change {
                side: Side::Right,
                kind: if create_key.is_some() { ChangeKind::Create } else { ChangeKind::Update },
                record: create_key.is_none().then(|| RecordId::new("r1")),
                version: None,
                fields: vec![written],
            },
            previous: None,
            create_key: create_key.map(str::to_owned),
            then: PairState::Linked,
            at: 0,
            announced: true,
            state: EntryState::Intent,
        }
    }

    fn refused(mut entry: JournalEntry) -> JournalEntry {
        assert!(entry.settle(1, Settled::NotDone { reason: Reason::Retrying, detail: "it timed out".to_owned() }));
        entry
    }

    /// What differs in an earlier entry, and whether the one after it still is another attempt at it.
    type Case = (&'static str, fn(&mut JournalEntry), bool);

    #[test]
    fn e7_another_attempt_at_what_was_not_done_costs_no_task_of_its_own() {
        let text = |entry: &mut JournalEntry| entry.change.fields[0].after = Value::Text("Eve".to_owned());
        let done: fn(&mut JournalEntry) = |entry| {
            let outcome = Settled::Written { record: RecordId::new("r1"), stored: Vec::new(), raw: None };
            entry.state = EntryState::Settled { at: 1, outcome };
        };
        let cases: [Case; 7] = [
            ("the same", |_| {}, true),
            ("never sent", |entry| entry.announced = false, false),
            ("done", done, false),
            ("open", |entry| entry.state = EntryState::Intent, false),
            ("of another pair", |entry| entry.pair = PairId(2), false),
            ("on the other side", |entry| entry.change.side = Side::Left, false),
            ("with other values", text, false),
        ];
        for (what, differ, expected) in cases {
            for key in [None, Some("sl-1")] {
                let mut earlier = refused(entry(key));
                differ(&mut earlier);
                // A create is one attempt, whatever was edited in between.
                let expected = expected || (what == "with other values" && key.is_some());
                assert_eq!(entry(key).retries(&earlier), expected, "{what}, create key {key:?}");
            }
        }
        assert!(!entry(Some("sl-1")).retries(&refused(entry(Some("sl-2")))));
        assert!(!entry(Some("sl-1")).retries(&refused(entry(None))));
        let mut other = refused(entry(None));
        other.change.record = Some(RecordId::new("r2"));
        assert!(!entry(None).retries(&other));
    }
}
