//! Small rows that lie next to each other are stored together, as one row of the database: a block.
//!
//! The database pays some hundred bytes of memory for every page of at most sixteen rows, whether or not it is cached,
//! and some microseconds for every row, so a table of many small rows is stored in few large ones.
//!
//! A block lies at the key of the row that was its first when it was made. A row that is alone is no block: it lies at
//! its own key, as every row of the other tables does. The body of a block is, with numbers in two bytes, big-endian:
//! how many rows, the length of what their keys begin with, that beginning, where each row ends, and the rows: the
//! length of the rest of the key, the rest of the key, the kind, the body.
//!
//! What is stored is packed once the table has a dictionary (`dictionary`); lengths here are those of unpacked bodies.
//!
//! Invariant: every row lies in the block with the greatest key that is not after its own.

use bytes::Bytes;
use syncline_runner::{StoreError, StoreTable};

use super::database::Batch;
use super::dictionary::Learner;
use super::disk::Disk;
use super::row::{self, Kind, Prefix, Value};
use super::stage::Changes;

/// Bytes from which on a block is split. The tables that grow with the records have rows of 10 to 50 bytes, but for the
/// records themselves and their pairs, of which about four fit. In larger blocks (4 kB) rows that hardly pack cost memory (README.md).
const BLOCK_LENGTH_MAX: usize = 2_048;

/// Bytes that a row takes in a block beside its key and body.
const ROW_OVERHEAD: usize = 5;

/// Tells whether the rows of a table are stored in blocks: those of which there are many.
pub(super) fn is_packed(prefix: Prefix) -> bool {
    const PACKED: [StoreTable; 10] = [
        StoreTable::Replica,
        StoreTable::MatchKey,
        StoreTable::Change,
        StoreTable::Pair,
        StoreTable::PairBack,
        StoreTable::Plan,
        StoreTable::Conflict,
        StoreTable::Recheck,
        StoreTable::Journal,
        StoreTable::Seen,
    ];
    let [.., table] = prefix;
    PACKED.iter().any(|packed| *packed as u8 == table)
}

/// A stored row, or several in a block, as the database gave it.
pub(super) struct Block {
    key: Bytes,
    kind: Kind,
    body: Bytes,
    rows: usize,
    /// The length of what all keys begin with, and where that is.
    shared: usize,
}

/// Where the ends of the rows are, behind the two lengths and what all keys begin with.
const LENGTHS: usize = 4;

impl Block {
    /// Reads what is stored at `key`.
    pub(super) fn of(key: Bytes, Value { kind, body }: Value) -> Result<Self, StoreError> {
        let (mut rows, mut shared) = (1, 0);
        if kind == Kind::Block {
            rows = number_at(&body, 0).filter(|rows| *rows > 0).ok_or_else(|| row::garbled(&key))?;
            shared = number_at(&body, 2).ok_or_else(|| row::garbled(&key))?;
        }
        Ok(Self { body, key, kind, rows, shared })
    }

    /// The key at which it lies.
    pub(super) fn key(&self) -> &Bytes {
        &self.key
    }

    /// How many rows it has: one at least.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Tells whether `key` is one of its rows, or between two of them.
    pub(super) fn spans(&self, key: &[u8]) -> Result<bool, StoreError> {
        if *key < *self.key {
            return Ok(false);
        }
        let (last, ..) = self.row(self.rows - 1)?;
        Ok(self.order(last, key).is_ge())
    }

    /// Finds the row at `key`.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        let at = self.position(key)?;
        if at == self.rows {
            return Ok(None);
        }
        let (rest, kind, start, end) = self.row(at)?;
        if self.order(rest, key).is_ne() {
            return Ok(None);
        }
        Ok(Some(Value { kind, body: self.body.slice(start..end) }))
    }

    /// Returns the place of the first row at or after `key`.
    pub(super) fn position(&self, key: &[u8]) -> Result<usize, StoreError> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = usize::midpoint(low, high);
            let (rest, ..) = self.row(middle)?;
            if self.order(rest, key).is_lt() { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Writes the key of the row at `at` into `key`, and returns its kind and its body.
    pub(super) fn get(&self, at: usize, key: &mut Vec<u8>) -> Result<(Kind, &[u8]), StoreError> {
        let (rest, kind, start, end) = self.row(at)?;
        key.clear();
        if self.kind == Kind::Block {
            key.extend_from_slice(self.beginning());
        }
        key.extend_from_slice(rest);
        Ok((kind, &self.body[start..end]))
    }

    /// What all keys begin with.
    fn beginning(&self) -> &[u8] {
        if self.kind == Kind::Block { self.body.get(LENGTHS..LENGTHS + self.shared).unwrap_or_default() } else { &[] }
    }

    /// Compares a row's key, of which `rest` is the end, with `key`.
    fn order(&self, rest: &[u8], key: &[u8]) -> std::cmp::Ordering {
        let beginning = self.beginning();
        let (front, back) = key.split_at(key.len().min(beginning.len()));
        beginning.cmp(front).then_with(|| rest.cmp(back))
    }

    /// Returns the end of a row's key, its kind, and where in the body its own body begins and ends.
    fn row(&self, at: usize) -> Result<(&[u8], Kind, usize, usize), StoreError> {
        if self.kind != Kind::Block {
            return Ok((&self.key, self.kind, 0, self.body.len()));
        }
        self.row_in_block(at).ok_or_else(|| row::garbled(&self.key))
    }

    fn row_in_block(&self, at: usize) -> Option<(&[u8], Kind, usize, usize)> {
        let ends = LENGTHS + self.shared;
        let rows = ends + 2 * self.rows;
        let start = if at == 0 { 0 } else { number_at(&self.body, ends + 2 * (at - 1))? };
        let end = rows + number_at(&self.body, ends + 2 * at)?;
        let whole = self.body.get(rows + start..end)?;
        let length = number_at(whole, 0)?;
        let rest = whole.get(2..2 + length)?;
        let kind = Kind::of(*whole.get(2 + length)?)?;
        Some((rest, kind, rows + start + 2 + length + 1, end))
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*bytes)))
}

/// Adds `changes` to `batch`, as changes to what is stored. The learner takes note of what is written.
pub(super) fn pack(disk: &Disk, changes: Changes, learner: &mut Learner, batch: &mut Batch) -> Result<(), StoreError> {
    let mut changes = changes.into_iter().peekable();
    while let Some((key, value)) = changes.next() {
        let Some(prefix) = row::prefix_of(&key).filter(|prefix| disk.packs(*prefix)) else {
            write(batch, key, value);
            continue;
        };
        let block = disk.block_of(prefix, &key)?;
        let mut group = vec![(key, value)];
        let mut end = None;
        while let Some((key, _)) = changes.peek() {
            let is_here = key.starts_with(&prefix)
                && (block.as_ref().map_or(Ok(false), |block| block.spans(key))? || {
                    if end.is_none() {
                        let from = block.as_ref().map_or(group[0].0.as_slice(), |block| block.key());
                        end = Some(disk.key_after(from)?);
                    }
                    end.as_ref().and_then(Option::as_ref).is_none_or(|end| key.as_slice() < &**end)
                });
            if !is_here {
                break;
            }
            group.extend(changes.next());
        }
        let mut writing = Writing { disk, prefix, learner: &mut *learner, batch: &mut *batch };
        writing.merge(block.as_ref(), group)?;
    }
    Ok(())
}

fn write(batch: &mut Batch, key: Vec<u8>, value: Option<Value>) {
    match value {
        Some(Value { kind, body }) => {
            let stored = row::encode(&key, kind, &body);
            batch.insert(key, stored);
        }
        None => batch.remove(key),
    }
}

/// A row on its way into a block.
struct Row {
    key: Vec<u8>,
    value: Value,
}

impl Row {
    fn length(&self) -> usize {
        self.key.len() + self.value.body.len() + ROW_OVERHEAD
    }
}

/// Rows of one table on their way into a batch.
struct Writing<'a> {
    disk: &'a Disk,
    prefix: Prefix,
    learner: &'a mut Learner,
    batch: &'a mut Batch,
}

impl Writing<'_> {
    /// Puts the changes to one block into the batch.
    fn merge(&mut self, block: Option<&Block>, changes: Vec<(Vec<u8>, Option<Value>)>) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut old = 0;
        let count = block.map_or(0, Block::rows);
        let mut key = Vec::new();
        let mut take_old = |rows: &mut Vec<Row>, up_to: Option<&[u8]>| -> Result<usize, StoreError> {
            let Some(block) = block else { return Ok(0) };
            while old < count {
                let (kind, body) = block.get(old, &mut key)?;
                match up_to.map(|up_to| key.as_slice().cmp(up_to)) {
                    Some(std::cmp::Ordering::Greater) => break,
                    // What was there is replaced.
                    Some(std::cmp::Ordering::Equal) => {}
                    _ => rows.push(Row { key: key.clone(), value: Value { kind, body: Bytes::copy_from_slice(body) } }),
                }
                old += 1;
            }
            Ok(old)
        };
        let mut are_all_behind = true;
        for (key, value) in changes {
            are_all_behind &= take_old(&mut rows, Some(&key))? == count;
            rows.extend(value.map(|value| Row { key, value }));
        }
        take_old(&mut rows, None)?;
        let old_key = block.map(Block::key);
        let mut first = true;
        for chunk in chunks(&rows, are_all_behind) {
            let key = match (old_key, chunk) {
                (Some(old_key), [_, _, ..]) if first => old_key.to_vec(),
                _ => chunk[0].key.clone(),
            };
            if let Some(old_key) = old_key.filter(|old_key| first && **old_key != key) {
                self.batch.remove(old_key.to_vec());
            }
            first = false;
            self.insert(key, chunk);
        }
        if let Some(old_key) = old_key.filter(|_| first) {
            self.batch.remove(old_key.to_vec());
        }
        Ok(())
    }

    fn insert(&mut self, key: Vec<u8>, rows: &[Row]) {
        let block;
        let (kind, body): (Kind, &[u8]) = match rows {
            [Row { value, .. }] => (value.kind, &value.body),
            rows => {
                block = body_of(rows);
                (Kind::Block, &block)
            }
        };
        let known = self.disk.dictionaries();
        self.learner.note(known, self.prefix, body);
        let stored = match known.pack(self.prefix, body) {
            Some(packed) => row::encode_packed(&key, kind, &packed),
            None => row::encode(&key, kind, body),
        };
        self.batch.insert(key, stored);
    }
}

/// Divides rows among blocks: full ones where rows are added at the end, since more will follow, else equal ones.
fn chunks(rows: &[Row], fill: bool) -> Vec<&[Row]> {
    let total: usize = rows.iter().map(Row::length).sum();
    let length_max = if fill { BLOCK_LENGTH_MAX } else { total.div_ceil(total.div_ceil(BLOCK_LENGTH_MAX).max(1)) };
    let mut chunks = Vec::new();
    let (mut start, mut length) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        if at > start && length + row.length() > length_max {
            chunks.push(&rows[start..at]);
            (start, length) = (at, 0);
        }
        length += row.length();
    }
    chunks.extend(rows.get(start..).filter(|rest| !rest.is_empty()));
    chunks
}

fn body_of(rows: &[Row]) -> Vec<u8> {
    let number = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let (first, last) = (&rows[0].key, &rows[rows.len() - 1].key);
    let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let mut body = Vec::with_capacity(BLOCK_LENGTH_MAX + 2 * rows.len());
    body.extend_from_slice(&number(rows.len()));
    body.extend_from_slice(&number(shared));
    body.extend_from_slice(&first[..shared]);
    let mut end = 0;
    for row in rows {
        end += 2 + (row.key.len() - shared) + 1 + row.value.body.len();
        body.extend_from_slice(&number(end));
    }
    for Row { key, value } in rows {
        body.extend_from_slice(&number(key.len() - shared));
        body.extend_from_slice(&key[shared..]);
        body.push(value.kind as u8);
        body.extend_from_slice(&value.body);
    }
    body
}
