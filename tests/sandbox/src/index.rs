//! The orders a store keeps besides that of ids: keys, and the search index with its lag.
//!
//! Invariant: what the search index shows is the state at one moment, the horizon, which never moves back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use crate::data::{PropertyIndex, Record, RecordId};

/// Which record holds a key's value; letters' case does not count.
#[derive(Default)]
pub(crate) struct KeyIndex(HashMap<PropertyIndex, HashMap<Box<str>, RecordId>>);

impl KeyIndex {
    pub(crate) fn find(&self, property: PropertyIndex, value: &str) -> Option<RecordId> {
        self.0.get(&property)?.get(value.to_lowercase().as_str()).copied()
    }

    pub(crate) fn put(&mut self, property: PropertyIndex, value: &str, id: RecordId) {
        self.0.entry(property).or_default().insert(value.to_lowercase().into(), id);
    }

    pub(crate) fn remove(&mut self, property: PropertyIndex, value: &str, id: RecordId) {
        if let Some(values) = self.0.get_mut(&property) {
            let key = value.to_lowercase();
            if values.get(key.as_str()) == Some(&id) {
                values.remove(key.as_str());
            }
        }
    }
}

/// The records in the order of their stamps, as search sees them.
#[derive(Default)]
pub(crate) struct SearchIndex {
    by_modified: BTreeSet<(i64, RecordId)>,
    pending: BTreeSet<(i64, RecordId)>,
    horizon_ms: i64,
    generation: u64,
}

impl SearchIndex {
    /// The moment whose state search shows.
    pub(crate) fn horizon_ms(&self) -> i64 {
        self.horizon_ms
    }

    /// A number that changes whenever an answer could.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn touch(&mut self) {
        self.generation += 1;
    }

    /// Remembers that a record was written at `at_ms`, to be seen when the horizon gets there.
    pub(crate) fn note(&mut self, at_ms: i64, id: RecordId) {
        self.pending.insert((at_ms, id));
    }

    pub(crate) fn forget(&mut self, record: &mut Record) {
        if let Some(indexed_ms) = record.indexed_ms.take() {
            self.by_modified.remove(&(indexed_ms, record.id));
        }
        self.generation += 1;
    }

    /// Moves the horizon to `to_ms` and takes in what was written until then.
    pub(crate) fn advance(&mut self, to_ms: i64, records: &mut BTreeMap<RecordId, Record>) {
        self.horizon_ms = self.horizon_ms.max(to_ms);
        while let Some((at_ms, id)) = self.pending.first().copied() {
            if at_ms > self.horizon_ms {
                break;
            }
            self.pending.pop_first();
            self.generation += 1;
            if let Some(record) = records.get_mut(&id) {
                self.show(at_ms, record);
            }
        }
    }

    /// Shows a record at once in the state of the horizon, if it was there then.
    pub(crate) fn show_known(&mut self, record: &mut Record) {
        self.show(self.horizon_ms, record);
    }

    fn show(&mut self, at_ms: i64, record: &mut Record) {
        let Some(modified_ms) = record.modified_as_of(at_ms) else { return };
        if let Some(before_ms) = record.indexed_ms.replace(modified_ms) {
            self.by_modified.remove(&(before_ms, record.id));
        }
        self.by_modified.insert((modified_ms, record.id));
    }

    /// The records whose shown stamp lies in `range`.
    pub(crate) fn modified_in(&self, range: &RangeInclusive<i64>) -> impl Iterator<Item = RecordId> {
        let range = (*range.start(), RecordId(0))..=((*range.end()).max(*range.start()), RecordId(u64::MAX));
        self.by_modified.range(range).map(|(_, id)| *id)
    }

    /// The records written after the horizon: their present keys are not those search shows.
    pub(crate) fn pending(&self) -> impl Iterator<Item = RecordId> {
        self.pending.iter().map(|(_, id)| *id)
    }
}
