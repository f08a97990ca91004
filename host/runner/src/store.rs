//! What the runner needs of a store: ordered keys, paged scans, and batches that are all or nothing.
//!
//! No iterators, no open transactions, no closures: what an embedded engine and a database over a network can share.

use std::path::PathBuf;

use crate::BoxFuture;

/// One endpoint's, one sync's or the host's share of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub u32);

impl Space {
    /// The host's own.
    pub const HOST: Space = Space(0);
}

/// The tables of a space. The number is part of the stored key and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StoreTable {
    /// Small facts: format, names of spaces, counters.
    Meta = 1,
    /// Endpoint: where reads go on.
    Cursor = 2,
    /// Endpoint: what was last observed, by record id.
    Replica = 3,
    /// Endpoint: record ids by match key.
    MatchKey = 4,
    /// Endpoint: record ids by change sequence.
    Change = 5,
    /// Sync: pairs by pair number.
    Pair = 6,
    /// Sync: pair numbers by side and record id.
    PairBack = 7,
    /// Sync: the current plan.
    Plan = 8,
    /// Sync: conflicts.
    Conflict = 9,
    /// Sync: pairs to look at again, by due time.
    Recheck = 10,
    /// Host: intents and outcomes, by run and number.
    Journal = 11,
    /// Host: runs.
    Run = 12,
    /// Host: what was spent.
    Budget = 13,
    /// Host: sealed secrets.
    Secret = 14,
    /// Endpoint: ids seen by a sweep under way.
    Seen = 15,
    /// Endpoint: members by list and record id.
    Member = 16,
    /// Sync: pairs whose deletes wait for a person.
    Held = 17,
    /// Sync: what its last undo left alone.
    Left = 18,
    /// Host: records that could not be read, by run and number.
    Unread = 19,
    /// Host: notices that are not delivered yet, by time.
    Notice = 20,
    /// Sync: references that wait for a counterpart, by pair number.
    Waiting = 21,
    /// Endpoint: hints that records have changed, and the events that told them.
    Hint = 22,
    /// Endpoint: when records were first missed by a complete list, where they cannot be asked about by id.
    Missed = 23,
}

impl StoreTable {
    /// Every table, in the order of their numbers.
    pub const ALL: [StoreTable; 23] = [
        StoreTable::Meta,
        StoreTable::Cursor,
        StoreTable::Replica,
        StoreTable::MatchKey,
        StoreTable::Change,
        StoreTable::Pair,
        StoreTable::PairBack,
        StoreTable::Plan,
        StoreTable::Conflict,
        StoreTable::Recheck,
        StoreTable::Journal,
        StoreTable::Run,
        StoreTable::Budget,
        StoreTable::Secret,
        StoreTable::Seen,
        StoreTable::Member,
        StoreTable::Held,
        StoreTable::Left,
        StoreTable::Unread,
        StoreTable::Notice,
        StoreTable::Waiting,
        StoreTable::Hint,
        StoreTable::Missed,
    ];

    /// Returns the table with a stored number.
    pub fn of(number: u8) -> Option<StoreTable> {
        StoreTable::ALL.into_iter().find(|table| *table as u8 == number)
    }
}

/// The full key of a row; rows are ordered by it, bytewise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose.
    pub space: Space,
    /// Which table.
    pub table: StoreTable,
    /// Which row.
    pub id: Vec<u8>,
}

impl Key {
    /// Makes a key.
    pub fn new(space: Space, table: StoreTable, id: impl Into<Vec<u8>>) -> Self {
        Self { space, table, id: id.into() }
    }
}

/// One change to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a row.
    Put(Key, Vec<u8>),
    /// Drops a row.
    Delete(Key),
    /// Drops the rows of one table from `from` on, up to but without `to`; `None` means to its end.
    DeleteRange {
        /// Whose.
        space: Space,
        /// Which table.
        table: StoreTable,
        /// The first row.
        from: Vec<u8>,
        /// The row after the last.
        to: Option<Vec<u8>>,
    },
}

/// What must hold for a batch to be applied, checked within the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such row.
    Absent(Key),
    /// The row has this value.
    Equals(Key, Vec<u8>),
}

/// Writes that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must hold.
    pub expect: Vec<Expect>,
    /// What changes, in order.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Adds a row.
    pub fn put(&mut self, key: Key, value: Vec<u8>) {
        self.writes.push(Write::Put(key, value));
    }

    /// Drops a row.
    pub fn delete(&mut self, key: Key) {
        self.writes.push(Write::Delete(key));
    }
}

/// A commit that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number; numbers grow by one a commit.
    pub number: u64,
}

/// How large the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes of the rows, for a database whose files do not shrink by themselves, where they were counted.
    pub live_bytes: Option<u64>,
    /// Bytes free on that disk.
    pub free_bytes: Option<u64>,
    /// The number of the last commit.
    pub last_commit: u64,
}

impl Stats {
    /// Bytes of files from which on it is worth to make them smaller.
    const COMPACT_FROM_BYTES: u64 = 1024 * 1024 * 1024;

    /// Tells whether the files hold so much more than the rows that a copy of these is worth its while.
    pub fn wants_compaction(&self) -> bool {
        let is_mostly_empty = |live: u64| self.disk_bytes > live.saturating_mul(3);
        self.disk_bytes >= Self::COMPACT_FROM_BYTES && self.live_bytes.is_some_and(is_mostly_empty)
    }
}

/// Why the store could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An expectation of the batch did not hold; nothing was written.
    #[error("row {0} of the batch's expectations has changed")]
    Conflict(usize),
    /// No space left; nothing was written.
    #[error("the disk is full")]
    Full,
    /// Less space is free than a run may begin with.
    #[error(
        "{} MiB are free on the disk of {}, and {what} needs {} MiB",
        free_bytes >> 20, folder.display(), needed_bytes.div_ceil(1 << 20)
    )]
    Short {
        /// For what.
        what: &'static str,
        /// Where the store is.
        folder: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What has to be.
        needed_bytes: u64,
    },
    /// Another process has the store.
    #[error("the store is in use by another process")]
    Busy,
    /// The store cannot be reached or read.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// The store has lost or garbled data.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The store was made by another engine than the one asked for.
    #[error("the store was made by {found}, and {asked} was asked for")]
    OtherEngine {
        /// What made it.
        found: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// The store was written by a newer version.
    #[error("the store has format {found}; this version knows formats up to {known}")]
    TooNew {
        /// The store's format.
        found: u32,
        /// The newest format known.
        known: u32,
    },
}

/// A durable, ordered store.
pub trait Store: Send + Sync {
    /// Applies a batch: all or nothing, and durable against power loss when it returns `Ok`.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>>;
    /// Reads rows by key, in the order asked.
    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>>;
    /// Reads the rows of a table after `after` (from the start if empty) in order, at most `limit`; a page is
    /// consistent in itself. Rows are `(id, value)`.
    #[expect(clippy::type_complexity, reason = "a page of rows, named nowhere else")]
    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>>;
    /// Names the first table with rows that comes after `after`, in the order of keys; from the start if `None`.
    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>>;
    /// Makes sure that there is space for a run, before it writes anything.
    fn make_room(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
    /// Fails with [`StoreError::Full`] once the space kept for the end of a run is given up: nothing new is to be begun.
    fn check_room(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Tells how large the store is.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>>;
    /// Writes everything down and stops. Later calls fail.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

#[cfg(test)]
mod tests {
    use super::StoreTable::{self, *};

    #[test]
    fn every_table_is_listed() {
        for table in StoreTable::ALL {
            // A new table is missing here, and then perhaps above, too.
            match table {
                Meta | Cursor | Replica | MatchKey | Change | Pair | PairBack | Plan | Conflict | Recheck | Journal
                | Run | Budget | Secret | Seen | Member | Held | Left | Unread | Notice | Waiting | Hint | Missed => {}
            }
            assert_eq!(StoreTable::of(table as u8), Some(table));
        }
    }
}
