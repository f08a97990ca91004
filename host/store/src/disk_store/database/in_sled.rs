//! sled: one tree, in a folder of its own beside the store's other files. It never syncs its file on Linux, so this does, on a handle of its own.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sled::IVec;
use syncline_runner::StoreError;

use super::{Batch, Database, Take, made_whole, opened_file};
use crate::disk_store::DiskOptions;
use crate::disk_store::disk::{is_let_go, sync_path};
use crate::disk_store::failure::{Failure, from_io, guarded};

/// The folder of the database in the store's.
pub(super) const FOLDER: &str = "sled";

/// How often the database collects its garbage; it does so nowhere else.
const FLUSH_EVERY_MS: u64 = 500;

/// An opened sled.
pub(super) struct SledDatabase {
    db: sled::Db,
    /// Its data file, opened by us to sync it.
    data: File,
    folder: PathBuf,
    /// The names of the blob files that are known to be synced.
    synced_blobs: Mutex<HashSet<OsString>>,
}

impl SledDatabase {
    pub(super) fn open(dir: &Path, options: &DiskOptions) -> Result<Self, Failure> {
        let folder = made_whole(dir, FOLDER, |draft| {
            let made = open_in(draft, options, None)?;
            guarded("making the store's database", || made.flush())?;
            drop(made);
            // Its threads may hold it for a moment longer; when they do for long, opening it tells.
            is_let_go(&opened_file(&draft.join("db"))?);
            Ok(())
        })?;
        remove_half_snapshots(&folder).map_err(|error| from_io("looking at the store's snapshots", &error))?;
        let db = open_in(&folder, options, Some(FLUSH_EVERY_MS))?;
        // It has replaced its snapshot and cleared segments that only the one before needed: the name must last before they do.
        sync_path(&folder).map_err(|error| from_io("keeping the store's snapshot", &error))?;
        let data = opened_file(&folder.join("db"))?;
        Ok(Self { db, data, folder, synced_blobs: Mutex::default() })
    }

    /// Syncs blob files that appeared since: pages of many long ids go there, and the database never syncs them.
    fn sync_blobs(&self) -> io::Result<()> {
        let folder = self.folder.join("blobs");
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = HashSet::new();
        let mut appeared = false;
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if !synced.contains(&name) {
                match sync_path(&folder.join(&name)) {
                    // Its page was written anew meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                }
                appeared = true;
            }
            present.insert(name);
        }
        if appeared {
            sync_path(&folder)?;
        }
        *synced = present;
        Ok(())
    }
}

/// Removes snapshots that were being written when the process ended. The database would take one for whole, and refuse to open;
/// the log and the snapshot before have everything.
fn remove_half_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn open_in(folder: &Path, options: &DiskOptions, flush_every_ms: Option<u64>) -> Result<sled::Db, Failure> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(options.cache_bytes)
        .flush_every_ms(flush_every_ms)
        .use_compression(false);
    guarded(&format!("opening {}", folder.display()), || config.open())
}

fn row((key, stored): (IVec, IVec)) -> (Bytes, Bytes) {
    (Bytes::copy_from_slice(&key), Bytes::from_owner(stored))
}

impl Database for SledDatabase {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(guarded("reading", || self.db.get(key))?.map(Bytes::from_owner))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Failure> {
        let found = guarded("reading", || self.db.range::<&[u8], _>(from..=to).next_back().transpose())?;
        Ok(found.map(row))
    }

    fn key_after(&self, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(guarded("reading", || self.db.get_gt(key))?.map(|(key, _)| Bytes::from_owner(key)))
    }

    fn range(&self, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError> {
        let mut rows = self.db.range::<&[u8], _>(from..end);
        while let Some(found) = guarded("reading", || rows.next().transpose())? {
            let (key, stored) = row(found);
            if !take(key, stored)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, parts: &[&Batch]) -> Result<(), Failure> {
        let mut applied = sled::Batch::default();
        for (key, stored) in parts.iter().flat_map(|part| part.rows()) {
            match stored {
                Some(stored) => applied.insert(key, stored),
                None => applied.remove(key),
            }
        }
        guarded("writing", || self.db.apply_batch(applied))
    }

    fn check(&self) -> Result<(), Failure> {
        // It tells with the batch, and is opened again then.
        Ok(())
    }

    fn persist(&self) -> Result<(), Failure> {
        guarded("writing", || self.db.flush())?;
        self.sync().map_err(|error| Failure::of_sync(&error))
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_blobs().and_then(|()| self.data.sync_data())
    }

    fn packs_rows(&self) -> bool {
        true
    }

    fn frees_its_space(&self) -> bool {
        false
    }

    fn locked_file(&self) -> io::Result<File> {
        File::open(self.folder.join("db"))
    }
}
