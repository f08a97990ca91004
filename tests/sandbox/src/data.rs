//! One record: its current values, what they were before, and when each was written.
//!
//! Invariant: `value_as_of` answers what a reader would have seen at that time, which is what a lagging search shows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The number the vendor gives a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub u64);

impl std::fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which property, counted in the object's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PropertyIndex(pub(crate) u16);

/// A property and the text to put there; empty text clears it.
pub(crate) type Change = (PropertyIndex, Arc<str>);

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Integration,
    Person,
    Import,
    Merge,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integration => "INTEGRATION",
            Self::Person => "CRM_UI",
            Self::Import => "IMPORT",
            Self::Merge => "MERGE_OBJECTS",
        }
    }
}

/// When somebody wrote, and who.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) at_ms: i64,
    pub(crate) source: Source,
}

#[derive(Clone, Debug)]
struct Slot {
    property: PropertyIndex,
    write: u32,
    value: Arc<str>,
}

/// A record with its history.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    pub(crate) created_ms: i64,
    pub(crate) archived_ms: Option<i64>,
    pub(crate) merged_ids: Vec<RecordId>,
    /// The stamp under which the search index knows the record, once it does.
    pub(crate) indexed_ms: Option<i64>,
    writes: Vec<Write>,
    current: Vec<Slot>,
    past: Vec<Slot>,
}

impl Record {
    pub(crate) fn new(id: RecordId, created_ms: i64) -> Self {
        Self {
            id,
            created_ms,
            archived_ms: None,
            merged_ids: Vec::new(),
            indexed_ms: None,
            writes: Vec::with_capacity(1),
            current: Vec::new(),
            past: Vec::new(),
        }
    }

    /// Writes `changes`; the stamp moves even when nothing differs.
    pub(crate) fn apply(&mut self, write: Write, changes: Vec<Change>) {
        let number = u32::try_from(self.writes.len()).expect("a record is not written four billion times");
        self.writes.push(write);
        if self.current.is_empty() {
            self.current.reserve_exact(changes.len());
        }
        for (property, value) in changes {
            let slot = Slot { property, write: number, value };
            match self.current.binary_search_by_key(&property, |slot| slot.property) {
                Ok(at) if self.current[at].value == slot.value => {}
                Ok(at) => self.past.push(std::mem::replace(&mut self.current[at], slot)),
                Err(at) if !slot.value.is_empty() => self.current.insert(at, slot),
                Err(_) => {}
            }
        }
    }

    pub(crate) fn modified_ms(&self) -> i64 {
        self.writes.last().map_or(self.created_ms, |write| write.at_ms)
    }

    /// The stamp as it was at `at_ms`, or nothing when the record was not there yet.
    pub(crate) fn modified_as_of(&self, at_ms: i64) -> Option<i64> {
        self.writes.iter().rev().find(|write| write.at_ms <= at_ms).map(|write| write.at_ms)
    }

    pub(crate) fn value(&self, property: PropertyIndex) -> Option<&Arc<str>> {
        let at = self.current.binary_search_by_key(&property, |slot| slot.property).ok()?;
        Some(&self.current[at].value).filter(|value| !value.is_empty())
    }

    pub(crate) fn value_as_of(&self, property: PropertyIndex, at_ms: Option<i64>) -> Option<&str> {
        let Some(at_ms) = at_ms else { return self.value(property).map(|value| &**value) };
        self.versions(property)
            .find(|slot| self.writes[slot.write as usize].at_ms <= at_ms)
            .map(|slot| &*slot.value)
            .filter(|value| !value.is_empty())
    }

    /// Every value of `property`, the newest first, with its write.
    pub(crate) fn history(&self, property: PropertyIndex) -> impl Iterator<Item = (&str, Write)> {
        self.versions(property).map(|slot| (&*slot.value, self.writes[slot.write as usize]))
    }

    /// The current values that are not empty.
    pub(crate) fn values(&self) -> impl Iterator<Item = (PropertyIndex, &Arc<str>)> {
        self.current.iter().filter(|slot| !slot.value.is_empty()).map(|slot| (slot.property, &slot.value))
    }

    pub(crate) fn write_count(&self) -> usize {
        self.writes.len()
    }

    fn versions(&self, property: PropertyIndex) -> impl Iterator<Item = &Slot> {
        let current = self.current.binary_search_by_key(&property, |slot| slot.property).ok();
        let past = self.past.iter().rev().filter(move |slot| slot.property == property);
        current.map(|at| &self.current[at]).into_iter().chain(past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_remembers_what_it_was() {
        let name = PropertyIndex(3);
        let mut record = Record::new(RecordId(1), 10);
        for (at_ms, value) in [(10, "Ada"), (20, "Ada L."), (30, "")] {
            record.apply(Write { at_ms, source: Source::Person }, vec![(name, value.into())]);
        }
        let seen = |at_ms| record.value_as_of(name, at_ms);
        assert_eq!(
            [seen(Some(9)), seen(Some(10)), seen(Some(25)), seen(Some(30)), seen(None)],
            [None, Some("Ada"), Some("Ada L."), None, None]
        );
        assert_eq!([record.modified_as_of(9), record.modified_as_of(29)], [None, Some(20)]);
        assert_eq!(record.history(name).count(), 3);
    }
}
