//! How rows and their keys are written: postcard for values, fixed-width big-endian numbers in keys, so that their
//! order is the order of the numbers.

use serde::{Serialize, de::DeserializeOwned};
use syncline_core::{KeyDigest, ListId, PairId, RecordId, RunId, Side};

use crate::{Batch, Key, Space, Store, StoreError, StoreTable};

/// Rows that a step reads at a time.
pub(crate) const PAGE_ROWS: usize = 256;

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our rows are plain data, which postcard can always write")
}

pub(crate) fn decode<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes)
        .map_err(|error| StoreError::Damaged(format!("row {:?} of {:?} cannot be read: {error}", key.table, key.space)))
}

/// Reads one row.
pub(crate) async fn load<T: DeserializeOwned>(store: &dyn Store, key: Key) -> Result<Option<T>, StoreError> {
    let rows = store.get(vec![key.clone()]).await?;
    rows.into_iter().next().flatten().map(|bytes| decode(&key, &bytes)).transpose()
}

/// Reads several rows, in the order asked.
pub(crate) async fn load_all<T: DeserializeOwned>(
    store: &dyn Store,
    keys: Vec<Key>,
) -> Result<Vec<Option<T>>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = store.get(keys.clone()).await?;
    rows.into_iter().zip(keys).map(|(row, key)| row.map(|bytes| decode(&key, &bytes)).transpose()).collect()
}

/// Adds a row to a batch.
pub(crate) fn put<T: Serialize>(batch: &mut Batch, key: Key, value: &T) {
    batch.put(key, encode(value));
}

/// A row of a scan: its id and its value.
pub(crate) type Scanned = (Vec<u8>, Vec<u8>);

/// Reads the rows whose ids begin with `prefix`, after `after`, at most `limit`.
pub(crate) async fn scan_prefix(
    store: &dyn Store,
    space: Space,
    table: StoreTable,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Scanned>, StoreError> {
    let from = after.map_or_else(|| before(prefix), <[u8]>::to_vec);
    let mut rows = store.scan(space, table, from, limit).await?;
    rows.retain(|(id, _)| id.starts_with(prefix));
    Ok(rows)
}

/// Returns a key that sorts right before everything that begins with `prefix`.
///
/// Ids go on in UTF-8, which has no byte 0xff, so nothing stands between this key and the prefix.
fn before(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last > 0 {
            key.push(last - 1);
            key.extend_from_slice(&[0xff; 24]);
            return key;
        }
    }
    key
}

pub(crate) fn meta(space: Space, name: &str) -> Key {
    Key::new(space, StoreTable::Meta, name.as_bytes())
}

pub(crate) fn replica(space: Space, id: &RecordId) -> Key {
    Key::new(space, StoreTable::Replica, id.as_str().as_bytes())
}

pub(crate) fn change(space: Space, sequence: u64) -> Key {
    Key::new(space, StoreTable::Change, sequence.to_be_bytes())
}

/// The first part of the rows of one list's members.
pub(crate) fn member_prefix(list: &ListId) -> Vec<u8> {
    blake3::hash(list.as_str().as_bytes()).as_bytes()[..16].to_vec()
}

pub(crate) fn member(space: Space, list: &ListId, id: &RecordId) -> Key {
    let mut key = member_prefix(list);
    key.extend_from_slice(id.as_str().as_bytes());
    Key::new(space, StoreTable::Member, key)
}

/// The first part of the match keys of one key tuple and digest.
pub(crate) fn match_prefix(tuple: u64, digest: &KeyDigest) -> Vec<u8> {
    let mut id = tuple.to_be_bytes().to_vec();
    id.extend_from_slice(digest);
    id
}

pub(crate) fn match_key(space: Space, tuple: u64, digest: &KeyDigest, id: &RecordId) -> Key {
    let mut key = match_prefix(tuple, digest);
    key.extend_from_slice(id.as_str().as_bytes());
    Key::new(space, StoreTable::MatchKey, key)
}

pub(crate) fn pair(space: Space, id: PairId) -> Key {
    Key::new(space, StoreTable::Pair, id.0.to_be_bytes())
}

pub(crate) fn pair_back(space: Space, side: Side, id: &RecordId) -> Key {
    let mut key = vec![side.pick(b'L', b'R')];
    key.extend_from_slice(id.as_str().as_bytes());
    Key::new(space, StoreTable::PairBack, key)
}

pub(crate) fn plan(space: Space, number: u64) -> Key {
    Key::new(space, StoreTable::Plan, number.to_be_bytes())
}

pub(crate) fn conflict(space: Space, number: u64) -> Key {
    Key::new(space, StoreTable::Conflict, number.to_be_bytes())
}

pub(crate) fn recheck(space: Space, due: i64, id: PairId) -> Key {
    let mut key = due.max(0).cast_unsigned().to_be_bytes().to_vec();
    key.extend_from_slice(&id.0.to_be_bytes());
    Key::new(space, StoreTable::Recheck, key)
}

pub(crate) fn held(space: Space, id: PairId) -> Key {
    Key::new(space, StoreTable::Held, id.0.to_be_bytes())
}

pub(crate) fn waiting(space: Space, id: PairId) -> Key {
    Key::new(space, StoreTable::Waiting, id.0.to_be_bytes())
}

pub(crate) fn journal(run: RunId, number: u32) -> Key {
    let mut key = run.0.to_be_bytes().to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    Key::new(Space::HOST, StoreTable::Journal, key)
}

pub(crate) fn unread(run: RunId, side: Side, record: &RecordId) -> Key {
    let mut key = run.0.to_be_bytes().to_vec();
    key.push(side.pick(0, 1));
    key.extend_from_slice(record.as_str().as_bytes());
    Key::new(Space::HOST, StoreTable::Unread, key)
}

pub(crate) fn run(run: RunId) -> Key {
    Key::new(Space::HOST, StoreTable::Run, run.0.to_be_bytes())
}

/// Reads a number from the start of a key.
pub(crate) fn number(id: &[u8]) -> u64 {
    id.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Reads the text of a key from `start` on.
pub(crate) fn text(id: &[u8], start: usize) -> String {
    String::from_utf8_lossy(id.get(start..).unwrap_or_default()).into_owned()
}
