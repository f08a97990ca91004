//! Ranges of many rows, dropped after the commit that drops them and hidden from then on.
//!
//! Deleting a row costs the database some kilobytes of memory until its batch is applied, so one batch for a large table
//! would cost gigabytes. The commit leaves a mark instead; the writer deletes the rows in small batches before it
//! commits anything else, and takes the mark away with the last. A crash in between leaves the mark, and the writer
//! starts again.
//!
//! Invariant: no row in a marked range is written or read before the mark is gone.

use syncline_runner::StoreError;

use super::blocks;
use super::database::Batch;
use super::dictionary::Learner;
use super::disk::Disk;
use super::row::{self, Kind, LongHead};
use super::stage::Changes;

/// Rows deleted in one batch.
const ROWS_AT_ONCE: usize = 1_000;

/// The name of the marks among the store's own facts; a mark's number follows.
const MARK: &str = "dropping";

/// Stored keys from `start` on, up to but without `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
}

impl Range {
    /// Tells whether `key` is in the range.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }
}

/// Adds the mark of each range to the batch that drops them.
pub(super) fn put_marks(batch: &mut Batch, ranges: &[Range]) {
    for (number, range) in (0..).zip(ranges) {
        let key = mark_key(number);
        // Two keys at most as long as ids may be: one stored value holds them.
        let length = (range.start.len() as u32).to_be_bytes();
        let stored = row::encode(&key, Kind::Plain, &[&length, range.start.as_slice(), range.end.as_slice()].concat());
        batch.insert(key, stored);
    }
}

/// Returns the ranges whose marks are in the database.
pub(super) fn marked(disk: &Disk) -> Result<Vec<Range>, StoreError> {
    let mut ranges = Vec::new();
    disk.range(&row::own_key(MARK), &mark_key(u32::MAX), |_, _, body| {
        let range = body.split_first_chunk().and_then(|(length, keys)| {
            let (start, end) = keys.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            Some(Range { start: start.to_vec(), end: end.to_vec() })
        });
        ranges.push(range.ok_or_else(|| StoreError::Damaged("a mark of a dropped range is garbled".into()))?);
        Ok(true)
    })?;
    Ok(ranges)
}

/// Returns the next batch of deletions in `range`; `None` when no row is left.
///
/// `range` is then what the batch leaves of it: some databases pass over every deletion before they find a row.
pub(super) fn next_batch(disk: &Disk, range: &mut Range) -> Result<Option<Batch>, StoreError> {
    let mut changes = Changes::new();
    let mut rows = 0;
    let mut last = Vec::new();
    disk.stored_range(&range.start, &range.end, |key, kind, body| {
        rows += 1;
        if kind == Kind::Long {
            for number in 0..LongHead::from_body(key, body)?.pieces() {
                changes.insert(row::piece_key(key, number), None);
            }
        }
        changes.insert(key.to_vec(), None);
        last = key.to_vec();
        Ok(rows < ROWS_AT_ONCE)
    })?;
    if rows > 0 {
        range.start = last;
    }
    let mut batch = Batch::default();
    // What is left of divided blocks was noted when it was written.
    blocks::pack(disk, changes, &mut Learner::new(0), &mut batch)?;
    Ok((rows > 0).then_some(batch))
}

/// Returns the batch that takes all `marks` away.
pub(super) fn last_batch(marks: usize) -> Batch {
    let mut batch = Batch::default();
    for number in (0..).take(marks) {
        batch.remove(mark_key(number));
    }
    batch
}

fn mark_key(number: u32) -> Vec<u8> {
    [&row::own_key(MARK)[..], &number.to_be_bytes()].concat()
}
