//! The store's format number and the migrations that raise it.
//!
//! Invariant: the rows of the store's own facts keep their keys and their encoding in every format, so that any version
//! can tell a newer store.

use syncline_runner::StoreError;

use super::database::Batch;
use super::disk::Disk;
use super::row::{self, Kind};

/// The format of a store made by this version's first ancestor.
const FORMAT_FIRST: u32 = 1;

/// Raises the format by one. It may be cut short at any moment and run again from its start.
pub(super) struct Migration {
    /// The format that it leads to.
    pub(super) to: u32,
    /// What it does.
    pub(super) run: fn(&Disk) -> Result<(), StoreError>,
}

/// The migrations, each leading one format further.
pub(super) const MIGRATIONS: &[Migration] = &[
    // Values may be packed; those that are there stay as they are.
    Migration { to: 2, run: |_| Ok(()) },
];

/// Returns the format that `migrations` lead to.
pub(super) fn newest(migrations: &[Migration]) -> u32 {
    migrations.last().map_or(FORMAT_FIRST, |migration| migration.to)
}

/// Returns the store's format; `None` when it has none.
pub(super) fn read(disk: &Disk) -> Result<Option<u32>, StoreError> {
    Ok(read_fact(disk, "format")?.map(u32::from_be_bytes))
}

/// Returns the number of the store's last commit.
pub(super) fn last_commit(disk: &Disk) -> Result<Option<u64>, StoreError> {
    Ok(read_fact(disk, "commit")?.map(u64::from_be_bytes))
}

/// Writes the number of the last commit with `batch`.
pub(super) fn put_last_commit(batch: &mut Batch, number: u64) {
    put_fact(batch, "commit", &number.to_be_bytes());
}

/// Writes the format with `batch`.
pub(super) fn put_format(batch: &mut Batch, format: u32) {
    put_fact(batch, "format", &format.to_be_bytes());
}

/// Refuses a store of a format that came after this version.
pub(super) fn check_known(found: u32, migrations: &[Migration]) -> Result<(), StoreError> {
    let known = newest(migrations);
    if found > known { Err(StoreError::TooNew { found, known }) } else { Ok(()) }
}

/// Brings a store of format `found` to the newest one.
pub(super) fn migrate(disk: &Disk, found: u32, migrations: &[Migration]) -> Result<(), StoreError> {
    for migration in migrations.iter().filter(|migration| migration.to > found) {
        tracing::info!(to = migration.to, "raising the store's format");
        (migration.run)(disk)?;
        // What the migration wrote must last before the format says that it is done.
        disk.persist()?;
        let mut batch = Batch::default();
        put_format(&mut batch, migration.to);
        disk.apply(&batch)?;
        disk.persist()?;
    }
    Ok(())
}

fn read_fact<const LENGTH: usize>(disk: &Disk, name: &str) -> Result<Option<[u8; LENGTH]>, StoreError> {
    let key = row::own_key(name);
    let Some(row::Value { body, .. }) = disk.read(&key)? else { return Ok(None) };
    let fact = (*body).try_into().map_err(|_| StoreError::Damaged(format!("the store's {name} number is garbled")))?;
    Ok(Some(fact))
}

fn put_fact(batch: &mut Batch, name: &str, body: &[u8]) {
    let key = row::own_key(name);
    let stored = row::encode(&key, Kind::Plain, body);
    batch.insert(key, stored);
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use syncline_runner::{self as runner, Key, Space, Store, StoreTable};

    use super::*;
    use crate::{DiskOptions, DiskStore};

    static CUT_SHORT: AtomicBool = AtomicBool::new(true);

    /// Writes a table anew row by row, from the rows' numbers, so that it may be run again.
    const TWO: Migration = Migration {
        to: 2,
        run: |disk| {
            for number in 0..10_u8 {
                let key = row::row_key(&Key::new(Space(1), StoreTable::Meta, [number]));
                let mut batch = super::Batch::default();
                let stored = row::encode(&key, Kind::Plain, &[number * 2]);
                batch.insert(key, stored);
                disk.apply(&batch)?;
                if number == 5 && CUT_SHORT.swap(false, Ordering::Relaxed) {
                    return Err(StoreError::Unavailable("cut short".into()));
                }
            }
            Ok(())
        },
    };

    /// Needs what the one before did.
    const THREE: Migration = Migration {
        to: 3,
        run: |disk| {
            let key = row::row_key(&Key::new(Space(1), StoreTable::Meta, [9]));
            let row::Value { body, .. } = disk.read(&key)?.ok_or(StoreError::Full)?;
            let mut batch = super::Batch::default();
            let stored = row::encode(&key, Kind::Plain, &[&*body, &[3]].concat());
            batch.insert(key, stored);
            disk.apply(&batch)?;
            Ok(())
        },
    };

    fn open(dir: &Path, migrations: &[Migration]) -> Result<DiskStore, StoreError> {
        DiskStore::open_migrating(dir, DiskOptions::default(), migrations)
    }

    #[tokio::test]
    async fn migrations_run_in_order_once_and_again_when_cut_short() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = open(dir.path(), &[]).expect("made");
        let mut batch = runner::Batch::default();
        for number in 0..10_u8 {
            batch.put(Key::new(Space(1), StoreTable::Meta, [number]), vec![number]);
        }
        store.commit(batch).await.expect("committed");
        drop(store);

        assert_eq!(open(dir.path(), &[TWO, THREE]).err(), Some(StoreError::Unavailable("cut short".into())));
        for _ in 0..2 {
            let store = open(dir.path(), &[TWO, THREE]).expect("migrated");
            let page = store.scan(Space(1), StoreTable::Meta, vec![], 100).await.expect("read");
            let mut expected: Vec<_> = (0..10_u8).map(|number| (vec![number], vec![number * 2])).collect();
            expected[9].1.push(3);
            assert_eq!(page, expected);
            assert_eq!(store.stats().await.map(|stats| stats.last_commit), Ok(1));
        }
        assert_eq!(open(dir.path(), &[TWO]).err(), Some(StoreError::TooNew { found: 3, known: 2 }));
        assert_eq!(open(dir.path(), &[]).err(), Some(StoreError::TooNew { found: 3, known: 1 }));
    }

    /// The first format packs nothing; the next one may, and leaves what is there.
    #[tokio::test]
    async fn a_store_of_the_first_format_goes_on() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let key = |number: u16| Key::new(Space(1), StoreTable::Replica, number.to_be_bytes());
        let value = |number: u16| format!("{number} of those that have much in common: {}", number % 7).into_bytes();
        let all = |numbers: std::ops::Range<u16>| {
            let mut batch = runner::Batch::default();
            numbers.for_each(|number| batch.put(key(number), value(number)));
            batch
        };
        let first = DiskOptions { samples_bytes: 0, ..DiskOptions::default() };
        let store = DiskStore::open_migrating(dir.path(), first, &[]).expect("made");
        store.commit(all(0..200)).await.expect("committed");
        let plain_bytes = store.stats().await.expect("measured").live_bytes.expect("sled's are counted");
        drop(store);

        let options = DiskOptions { samples_bytes: 4_096, ..DiskOptions::default() };
        let store = DiskStore::open(dir.path(), options).expect("migrated");
        for from in (200..2_000).step_by(200) {
            store.commit(all(from..from + 200)).await.expect("committed");
        }
        let bytes = store.stats().await.expect("measured").live_bytes.expect("sled's are counted");
        assert!(bytes < 6 * plain_bytes, "{bytes} bytes of ten times as many rows as had {plain_bytes}");
        drop(store);
        let store = DiskStore::open(dir.path(), DiskOptions::default()).expect("opened");
        let expected: Vec<_> = (0..2_000).map(|number| Some(value(number))).collect();
        assert!(store.get((0..2_000).map(key).collect()).await.expect("read") == expected);
        drop(store);
        assert_eq!(open(dir.path(), &[]).err(), Some(StoreError::TooNew { found: 2, known: 1 }));
    }

    #[tokio::test]
    async fn a_new_store_has_the_newest_format() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        drop(open(dir.path(), &[TWO, THREE]).expect("made without running them"));
        assert_eq!(open(dir.path(), &[TWO]).err(), Some(StoreError::TooNew { found: 3, known: 2 }));
    }
}
