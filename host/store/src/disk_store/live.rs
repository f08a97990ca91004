//! How many bytes the stored rows have, so that it can be told when a database's files hold much more.
//!
//! Invariant: the number is one of the store's own facts and changes in the batch that changes the rows, itself not counted.

use std::collections::HashMap;

use syncline_runner::StoreError;

use super::database::{Batch, Database};
use super::disk::Disk;
use super::failure::Failure;
use super::row::{self, Kind, Value};

/// The name of the number among the store's own facts.
const FACT: &str = "live";

/// Tells whether `key` is that of the number.
pub(super) fn is_own(key: &[u8]) -> bool {
    key == row::own_key(FACT)
}

/// Returns the number, if it was counted from the beginning.
pub(super) fn read(disk: &Disk) -> Result<Option<u64>, StoreError> {
    let Some(Value { body, .. }) = disk.read(&row::own_key(FACT))? else { return Ok(None) };
    let number = (*body).try_into().map_err(|_| StoreError::Damaged("the number of live bytes is garbled".into()))?;
    Ok(Some(u64::from_be_bytes(number)))
}

/// Counts every row.
pub(super) fn weigh(disk: &Disk) -> Result<u64, StoreError> {
    let mut bytes = 0;
    disk.every_row(|key, stored| {
        bytes += if is_own(key) { 0 } else { (key.len() + stored.len()) as u64 };
        Ok(())
    })?;
    Ok(bytes)
}

/// Returns the number after `batch`, and the batch that keeps it.
pub(super) fn after(database: &dyn Database, batch: &Batch, before: u64) -> Result<(u64, Batch), Failure> {
    // The last change of a row counts.
    let mut lengths: HashMap<&[u8], u64> = HashMap::with_capacity(batch.len());
    for (key, stored) in batch.rows() {
        lengths.insert(key, stored.map_or(0, |stored| (key.len() + stored.len()) as u64));
    }
    let mut bytes = before;
    for (key, length) in lengths {
        let old = database.get(key)?.map_or(0, |stored| (key.len() + stored.len()) as u64);
        bytes = (bytes + length).saturating_sub(old);
    }
    Ok((bytes, fact(bytes)))
}

fn fact(bytes: u64) -> Batch {
    let key = row::own_key(FACT);
    let stored = row::encode(&key, Kind::Plain, &bytes.to_be_bytes());
    let mut batch = Batch::default();
    batch.insert(key, stored);
    batch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use syncline_runner::{Batch, Key, Space, Store, StoreTable, Write};

    use super::*;
    use crate::{DiskOptions, DiskStore};

    fn change() -> impl Strategy<Value = Write> {
        // Rows in blocks and rows by themselves, some in pieces.
        let table = prop_oneof![Just(StoreTable::Replica), Just(StoreTable::Meta)];
        let key = (table, 0..40_u8).prop_map(|(table, id)| Key::new(Space(1), table, [id]));
        prop_oneof![
            6 => (key.clone(), prop_oneof![0..300_usize, 4_000..9_000_usize]).prop_map(|(key, length)| Write::Put(key, vec![7; length])),
            2 => key.clone().prop_map(Write::Delete),
            1 => key.prop_map(|Key { space, table, id }| Write::DeleteRange { space, table, from: id, to: None }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_is_counted_is_what_is_there(commits in prop::collection::vec(prop::collection::vec(change(), 1..20), 1..12)) {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let options = DiskOptions { range_rows_max: 3, ..DiskOptions::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let store = DiskStore::open(dir.path(), options.clone()).expect("opened");
            for writes in commits {
                runtime.block_on(store.commit(Batch { writes, ..Batch::default() })).expect("committed");
            }
            runtime.block_on(store.close()).expect("closed");
            let disk = Disk::open(options.engine, dir.path(), &options).expect("opened");
            prop_assert_eq!(disk.live_bytes(), Some(weigh(&disk).expect("counted")));
            disk.close();
        }
    }
}
