//! fjall: one keyspace, in a folder of its own beside the store's other files.

mod journal;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode};
use syncline_runner::StoreError;

use super::{Batch, Database, Take, made_whole};
use crate::disk_store::DiskOptions;
use crate::disk_store::disk::sync_tree;
use crate::disk_store::failure::{Failure, from_io, guarded};

/// The folder of the database in the store's.
pub(super) const FOLDER: &str = "fjall";

/// The one keyspace.
const KEYSPACE: &str = "rows";

/// What is collected in memory before it is written out in order.
const MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;

/// Journals on the disk at most; the least that the database takes.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// Threads in the background: with a second, the first only seals and writes out memtables, and what is being committed
/// does not pile up in one while files are merged.
const WORKERS: usize = 2;

/// Files held open.
const FILES_OPEN_MAX: usize = 64;

/// An opened fjall.
pub(super) struct FjallDatabase {
    rows: Keyspace,
    db: fjall::Database,
    folder: PathBuf,
}

impl FjallDatabase {
    pub(super) fn open(dir: &Path, options: &DiskOptions) -> Result<Self, Failure> {
        let folder = made_whole(dir, FOLDER, |draft| open_in(draft, options).map(drop))?;
        journal::cut_off_torn_end(&folder).map_err(|error| from_io("looking at the store's journal", &error))?;
        let (db, rows) = open_in(&folder, options)?;
        Ok(Self { rows, db, folder })
    }
}

fn open_in(folder: &Path, options: &DiskOptions) -> Result<(fjall::Database, Keyspace), Failure> {
    guarded(&format!("opening {}", folder.display()), || {
        let db = fjall::Database::builder(folder)
            .cache_size(options.cache_bytes)
            .max_cached_files(Some(FILES_OPEN_MAX))
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .worker_threads(WORKERS)
            .open()?;
        let made = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).manual_journal_persist(true);
        let rows = db.keyspace(KEYSPACE, made)?;
        Ok::<_, fjall::Error>((db, rows))
    })
}

impl Database for FjallDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(guarded("reading", || self.rows.get(key))?.map(Bytes::from))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Failure> {
        let last = || self.rows.range::<&[u8], _>(from..=to).next_back().map(fjall::Guard::into_inner).transpose();
        Ok(guarded("reading", last)?.map(|(key, stored)| (key.into(), stored.into())))
    }

    fn key_after(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        let after = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        let next = || self.rows.range::<&[u8], _>(after).next().map(fjall::Guard::key).transpose();
        Ok(guarded("reading", next)?.map(Bytes::from))
    }

    fn range(&self, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError> {
        let mut rows = guarded("reading", || Ok::<_, fjall::Error>(self.rows.range::<&[u8], _>(from..end)))?;
        while let Some((key, stored)) = guarded("reading", || rows.next().map(fjall::Guard::into_inner).transpose())? {
            if !take(key.into(), stored.into())? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, parts: &[&Batch]) -> Result<(), Failure> {
        guarded("writing", || {
            let mut applied =
                fjall::OwnedWriteBatch::with_capacity(self.db.clone(), parts.iter().map(|part| part.len()).sum());
            for (key, stored) in parts.iter().flat_map(|part| part.rows()) {
                match stored {
                    Some(stored) => applied.insert(&self.rows, key, stored),
                    None => applied.remove(&self.rows, key),
                }
            }
            applied.commit()
        })
    }

    fn check(&self) -> Result<(), Failure> {
        guarded("writing", || self.db.persist(PersistMode::Buffer))
    }

    fn persist(&self) -> Result<(), Failure> {
        guarded("writing", || self.db.persist(PersistMode::SyncData))
    }

    fn sync(&self) -> io::Result<()> {
        sync_tree(&self.folder)
    }

    fn packs_rows(&self) -> bool {
        false
    }

    fn frees_its_space(&self) -> bool {
        true
    }

    fn locked_file(&self) -> io::Result<File> {
        File::open(self.folder.join("lock"))
    }
}
