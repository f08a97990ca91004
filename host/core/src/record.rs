//! One record as it was last observed, with its values under shared columns.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{FieldName, Instant, RecordId, Value, Version};

/// The names of a record's cells, sorted and without doubles; shared by all records of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Arc<[FieldName]>);

impl Columns {
    /// Sorts `names` and drops doubles.
    pub fn new(names: impl IntoIterator<Item = FieldName>) -> Self {
        let mut names: Vec<FieldName> = names.into_iter().collect();
        names.sort();
        names.dedup();
        Self(names.into())
    }

    /// Returns the names in order.
    pub fn names(&self) -> &[FieldName] {
        &self.0
    }

    /// Returns where `name` stands.
    pub fn position(&self, name: &FieldName) -> Option<usize> {
        self.0.binary_search(name).ok()
    }
}

/// One record of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Its version.
    pub version: Option<Version>,
    /// When it was created.
    pub created_at: Option<Instant>,
    /// When it was last changed.
    pub modified_at: Option<Instant>,
    /// The names of the cells.
    pub columns: Columns,
    /// One cell a column; `None` is unknown.
    pub cells: Vec<Option<Value>>,
}

impl Record {
    /// Returns the value of `field`, or `None` if it is unknown here.
    pub fn get(&self, field: &FieldName) -> Option<&Value> {
        self.cells.get(self.columns.position(field)?)?.as_ref()
    }
}

/// What became of a record that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Gone.
    Deleted,
    /// Put away, restorable.
    Archived,
    /// Merged into another record.
    MergedInto(RecordId),
}

/// A confirmed sign that a record is gone (E4.1): never a guess from absence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The record's id.
    pub id: RecordId,
    /// What became of it.
    pub fate: Fate,
    /// When, where the application says so.
    pub at: Option<Instant>,
}
