//! The store's format number and the migrations that raise it.
//!
//! Invariant: the rows of the store's own facts keep their keys and their encoding in every format, so that any version
//! can tell a newer store.

use sled::Batch;
use syncline_runner::StoreError;

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
pub(super) const MIGRATIONS: &[Migration] = &[];

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
        disk.apply(batch)?;
        disk.persist()?;
    }
    Ok(())
}

fn read_fact<const LENGTH: usize>(disk: &Disk, name: &str) -> Result<Option<[u8; LENGTH]>, StoreError> {
    let key = row::own_key(name);
    let Some(stored) = disk.read(&key)? else { return Ok(None) };
    let (_, body) = row::decode(&key, &stored)?;
    let fact = body.try_into().map_err(|_| StoreError::Damaged(format!("the store's {name} number is garbled")))?;
    Ok(Some(fact))
}

fn put_fact(batch: &mut Batch, name: &str, body: &[u8]) {
    let key = row::own_key(name);
    let stored = row::encode(&key, Kind::Plain, body);
    batch.insert(key, stored);
}
