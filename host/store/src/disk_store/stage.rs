//! Commits that wait to be written together, as changes to stored rows.
//!
//! Each commit is checked and built against the database and the commits before it in the same joined batch.
//!
//! Invariant: a commit that is refused leaves nothing in the joined batch.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use syncline_runner::{Batch, Expect, StoreError, Write};

use super::blocks;
use super::database;
use super::dictionary::Learner;
use super::disk::Disk;
use super::dropping::{self, Range};
use super::row::{self, Kind, LongHead, PIECE_LENGTH_MAX, Prefix, Value};

/// Stored rows to set, or to drop where `None`.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Value>>;

/// Which tables may have values in pieces. Others are spared a read per write.
#[derive(Debug, Default)]
pub(super) struct PieceTables(HashMap<Prefix, bool>);

/// The joined batch under way.
pub(super) struct Stage<'store> {
    disk: &'store Disk,
    tables: &'store mut PieceTables,
    joined: Changes,
    /// The commit being built, not yet part of the joined batch.
    current: Changes,
    /// Ranges of the last commit that are too large for its batch.
    drops: Vec<Range>,
    /// How many rows of a range are deleted within the batch.
    range_rows_max: usize,
}

impl<'store> Stage<'store> {
    /// Starts an empty joined batch.
    pub(super) fn new(disk: &'store Disk, tables: &'store mut PieceTables, range_rows_max: usize) -> Self {
        Self { disk, tables, joined: Changes::new(), current: Changes::new(), drops: Vec::new(), range_rows_max }
    }

    /// Tells whether nothing can be joined any more: the last commit dropped rows that are still to be deleted.
    pub(super) fn is_complete(&self) -> bool {
        !self.drops.is_empty()
    }

    /// Adds a commit, or tells why it is refused.
    pub(super) fn add(&mut self, batch: Batch) -> Result<(), StoreError> {
        let added = self.build(batch);
        match added {
            Ok(()) => self.joined.append(&mut self.current),
            Err(_) => {
                self.current.clear();
                self.drops.clear();
            }
        }
        added
    }

    fn build(&mut self, batch: Batch) -> Result<(), StoreError> {
        for (position, expect) in batch.expect.iter().enumerate() {
            if !self.holds(expect)? {
                return Err(StoreError::Conflict(position));
            }
        }
        for write in batch.writes {
            match write {
                Write::Put(key, value) => self.put(row::row_key(&key), &value)?,
                Write::Delete(key) => self.delete(row::row_key(&key))?,
                Write::DeleteRange { space, table, from, to } => {
                    let prefix = row::prefix(space, table);
                    let start = row::in_table(prefix, &from);
                    let end = to.map_or_else(|| row::prefix_end(prefix).to_vec(), |to| row::in_table(prefix, &to));
                    self.delete_range(start, end)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the joined batch for the database, and the ranges to delete once it is applied.
    pub(super) fn into_batch(self, learner: &mut Learner) -> Result<(database::Batch, Vec<Range>), StoreError> {
        let mut batch = database::Batch::default();
        dropping::put_marks(&mut batch, &self.drops);
        blocks::pack(self.disk, self.joined, learner, &mut batch)?;
        Ok((batch, self.drops))
    }

    fn holds(&self, expect: &Expect) -> Result<bool, StoreError> {
        match expect {
            Expect::Absent(key) => Ok(self.read(&row::row_key(key))?.is_none()),
            Expect::Equals(key, value) => {
                let key = row::row_key(key);
                let Some(Value { kind, body }) = self.read(&key)? else { return Ok(false) };
                Ok(row::whole_value(&key, kind, &body, |piece| self.read(piece))? == *value)
            }
        }
    }

    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        while let Some(at) = self.drops.iter().position(|range| range.contains(&key)) {
            // What is written after the drop stays, so the drop must be done before it, within the batch.
            let range = self.drops.remove(at);
            self.delete_range_up_to(&range, usize::MAX)?;
        }
        self.drop_pieces(&key)?;
        if value.len() <= PIECE_LENGTH_MAX {
            self.current.insert(key, Some(Value { kind: Kind::Plain, body: Bytes::copy_from_slice(value) }));
            return Ok(());
        }
        if let Some(prefix) = row::prefix_of(&key) {
            self.tables.0.insert(prefix, true);
        }
        for (number, body) in (0..).zip(value.chunks(PIECE_LENGTH_MAX)) {
            let piece_key = row::piece_key(&key, number);
            self.current.insert(piece_key, Some(Value { kind: Kind::Piece, body: Bytes::copy_from_slice(body) }));
        }
        let body = Bytes::copy_from_slice(&LongHead::of(value).to_body());
        self.current.insert(key, Some(Value { kind: Kind::Long, body }));
        Ok(())
    }

    fn delete(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        self.drop_pieces(&key)?;
        self.current.insert(key, None);
        Ok(())
    }

    fn delete_range(&mut self, start: Vec<u8>, end: Vec<u8>) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        let range = Range { start, end };
        if !self.delete_range_up_to(&range, self.range_rows_max)? {
            self.drops.push(range);
        }
        Ok(())
    }

    /// Deletes the rows of `range`, those in the database only if they are not more than `rows_max`; tells whether so.
    fn delete_range_up_to(&mut self, range: &Range, rows_max: usize) -> Result<bool, StoreError> {
        let mut keys = Vec::new();
        self.disk.range(&range.start, &range.end, |key, _, _| {
            keys.push(key.to_vec());
            Ok(keys.len() <= rows_max)
        })?;
        let all = keys.len() <= rows_max;
        if !all {
            keys.clear();
        }
        for layer in [&self.joined, &self.current] {
            let staged = layer.range(range.start.clone()..range.end.clone());
            keys.extend(staged.filter(|(_, stored)| stored.is_some()).map(|(key, _)| key.clone()));
        }
        for key in keys {
            self.delete(key)?;
        }
        Ok(all)
    }

    /// Drops the pieces of what is now stored at `key`.
    fn drop_pieces(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if !self.may_have_pieces(key)? {
            return Ok(());
        }
        if let Some(Value { kind: Kind::Long, body }) = self.read(key)? {
            for number in 0..LongHead::from_body(key, &body)?.pieces() {
                self.current.insert(row::piece_key(key, number), None);
            }
        }
        Ok(())
    }

    fn may_have_pieces(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        let Some(prefix) = row::prefix_of(key) else { return Ok(false) };
        if let Some(known) = self.tables.0.get(&prefix) {
            return Ok(*known);
        }
        let pieces = row::pieces_prefix(prefix);
        let mut found = false;
        self.disk.range(&pieces, &row::prefix_end(pieces), |_, _, _| {
            found = true;
            Ok(false)
        })?;
        self.tables.0.insert(prefix, found);
        Ok(found)
    }

    fn read(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        match self.current.get(key).or_else(|| self.joined.get(key)) {
            Some(staged) => Ok(staged.clone()),
            None => self.disk.read(key),
        }
    }
}
