//! The database on its disk: opening, reading, applying a batch, and making it last.
//!
//! Invariant: when [`Disk::persist`] returns, everything applied before survives a power cut. The database itself never
//! syncs its file on Linux, so this does, on a handle of its own.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sled::IVec;
use syncline_runner::StoreError;

use super::SledOptions;
use super::blocks::{self, Block};
use super::dropping::Range;
use super::failure::{Failure, from_io, from_panic, guarded};
use super::row::{self, Kind, Prefix, Value};

/// How often the database collects its garbage; it does so nowhere else.
const FLUSH_EVERY_MS: u64 = 500;

/// How long closing may take before the process goes on without it.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(10);

/// How often closing looks whether the database has let go of its file.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(2);

/// An opened database.
pub(super) struct Disk {
    db: sled::Db,
    /// The database's data file, opened by us to sync it.
    data: File,
    dir: PathBuf,
    /// The names of the blob files that are known to be synced.
    synced_blobs: Mutex<HashSet<OsString>>,
    /// Ranges that are dropped but still being deleted; reads pass over them.
    dropping: Vec<Range>,
}

impl Disk {
    /// Opens the database in `dir`, in a thread of its own: it can panic or take without end on damaged files.
    ///
    /// Nothing is deleted when it fails.
    pub(super) fn open(dir: &Path, options: &SledOptions) -> Result<Self, StoreError> {
        let (reply, answer) = mpsc::sync_channel(1);
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .use_compression(false);
        let doing = format!("opening {}", dir.display());
        let opening = thread::Builder::new().name("store-open".into()).spawn(move || {
            let result = guarded(&doing, || config.open());
            // Nobody waits any more when it took too long; the database is then closed right here.
            drop(reply.send(result));
        });
        opening.map_err(|error| from_io("starting a thread", &error).error)?;
        let db = match answer.recv_timeout(options.open_time_max) {
            Ok(Ok(db)) => db,
            Ok(Err(failure)) => return Err(explain_open(dir, failure.error)),
            Err(RecvTimeoutError::Timeout) => {
                return Err(StoreError::Unavailable(format!(
                    "opening {} took longer than {} seconds; start again with more time, or restore the last copy of \
                     this folder",
                    dir.display(),
                    options.open_time_max.as_secs()
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(from_panic("opening the store", &"its thread ended").error);
            }
        };
        let data = File::open(dir.join("db")).map_err(|error| from_io("opening the store's file", &error).error)?;
        Ok(Self { db, data, dir: dir.to_owned(), synced_blobs: Mutex::default(), dropping: Vec::new() })
    }

    /// Returns the ranges that reads pass over.
    pub(super) fn dropping(&self) -> &[Range] {
        &self.dropping
    }

    /// Makes reads pass over `ranges` and no others.
    pub(super) fn set_dropping(&mut self, ranges: Vec<Range>) {
        self.dropping = ranges;
    }

    /// Reads what is stored of the row at `key`.
    pub(super) fn read(&self, key: &[u8]) -> Result<Option<Value>, StoreError> {
        self.read_near(key, &mut None)
    }

    /// The same, which first looks into the block of the row before, and leaves that of this one.
    pub(super) fn read_near(&self, key: &[u8], near: &mut Option<Block>) -> Result<Option<Value>, StoreError> {
        if self.dropping.iter().any(|range| range.contains(key)) {
            return Ok(None);
        }
        let Some(prefix) = row::prefix_of(key).filter(|prefix| blocks::is_packed(*prefix)) else {
            let Some(stored) = guarded("reading", || self.db.get(key))? else { return Ok(None) };
            let (kind, body) = row::decode(key, &stored)?;
            return Ok(Some(Value { kind, body: stored.subslice(stored.len() - body.len(), body.len()) }));
        };
        if !near.as_ref().map_or(Ok(false), |block| block.spans(key))? {
            *near = self.block_of(prefix, key)?;
        }
        near.as_ref().map_or(Ok(None), |block| block.find(key))
    }

    /// Returns the block in which the row at `key` lies, or would lie; none if it would be the first of its table.
    pub(super) fn block_of(&self, prefix: Prefix, key: &[u8]) -> Result<Option<Block>, StoreError> {
        let found = guarded("reading", || self.db.range::<&[u8], _>(&prefix[..]..=key).next_back().transpose())?;
        found.map(|(key, stored)| Block::read(key, &stored)).transpose()
    }

    /// Returns the first stored key after `key`.
    pub(super) fn key_after(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        Ok(guarded("reading", || self.db.get_gt(key))?.map(|(key, _)| key))
    }

    /// Gives the rows from `start` on, up to but without `end`, all of one table, to `take`, until it answers false.
    pub(super) fn range(
        &self,
        start: &[u8],
        end: &[u8],
        mut take: impl FnMut(&[u8], Kind, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut start = start.to_vec();
        loop {
            let mut passed_over = None;
            self.stored_range(&start, end, |key, kind, body| {
                passed_over = self.dropping.iter().find(|range| range.contains(key));
                if passed_over.is_some() { Ok(false) } else { take(key, kind, body) }
            })?;
            match passed_over {
                Some(range) => start.clone_from(&range.end),
                None => return Ok(()),
            }
        }
    }

    /// As [`Disk::range`], with the rows that are being dropped.
    pub(super) fn stored_range(
        &self,
        start: &[u8],
        end: &[u8],
        mut take: impl FnMut(&[u8], Kind, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        let packed = row::prefix_of(start).filter(|prefix| blocks::is_packed(*prefix));
        let first = packed.map_or(Ok(None), |prefix| self.block_of(prefix, start))?;
        let from = first.as_ref().map_or(start, |block| block.key());
        let mut stored_rows = self.db.range(from..end);
        let mut key = Vec::new();
        while let Some((stored_at, stored)) = guarded("reading", || stored_rows.next().transpose())? {
            let block = Block::read(stored_at, &stored)?;
            for at in block.position(start)?..block.rows() {
                let (kind, body) = block.get(at, &mut key)?;
                if key.as_slice() >= end || !take(&key, kind, body)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tells whether nothing is stored.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(guarded("reading", || self.db.first())?.is_none())
    }

    /// Applies a batch, all or nothing. A crash right after it may leave it or not, until [`Disk::persist`] returned.
    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), Failure> {
        guarded("writing", || self.db.apply_batch(batch))
    }

    /// Makes everything applied so far survive a power cut.
    pub(super) fn persist(&self) -> Result<(), Failure> {
        guarded("writing", || self.db.flush())?;
        self.sync()
    }

    /// Makes what the system took of this store survive a power cut, without asking the database.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.sync_blobs().and_then(|()| self.data.sync_data()).map_err(|error| Failure {
            // Pages that could not be written may be dropped from memory and look kept: never try on.
            reopen: false,
            ..from_io("keeping what was written", &error)
        })
    }

    /// Syncs every file of the store, its folder and the folders above it up to `above`.
    pub(super) fn sync_creation(&self, above: &Path) -> Result<(), StoreError> {
        let sync = || -> io::Result<()> {
            sync_tree(&self.dir)?;
            for folder in self.dir.ancestors().skip(1) {
                sync_path(folder)?;
                if folder == above {
                    break;
                }
            }
            Ok(())
        };
        sync().map_err(|error| from_io("keeping the new store", &error).error)
    }

    /// Returns the bytes of the store's files.
    pub(super) fn disk_bytes(&self) -> Result<u64, StoreError> {
        bytes_of(&self.dir).map_err(|error| from_io("measuring the store", &error).error)
    }

    /// Returns the bytes free for us on the store's disk, where the system tells.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.dir).ok()?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    }

    /// Closes the database and waits until another can be opened in its place.
    pub(super) fn close(self) {
        let Self { db, data, dir, .. } = self;
        // Its threads may have ended without telling; dropping would then wait for them without end.
        let dropping = thread::Builder::new().name("store-close".into()).spawn(move || drop(db));
        if dropping.is_err() {
            tracing::warn!(folder = %dir.display(), "no thread could be started to close the store");
        }
        let deadline = Instant::now() + CLOSE_TIME_MAX;
        while data.try_lock().is_err() {
            if Instant::now() >= deadline {
                tracing::warn!(folder = %dir.display(), "the store's file is still held after closing it");
                return;
            }
            thread::sleep(CLOSE_LOOK_EVERY);
        }
    }

    /// Syncs blob files that appeared since: pages of many long ids go there, and the database never syncs them.
    fn sync_blobs(&self) -> io::Result<()> {
        let folder = self.dir.join("blobs");
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

/// Warns when the disk's file system is not one on which this way of keeping data was tried.
pub(super) fn warn_of_file_system(dir: &Path) {
    const TRIED: [(&str, u32); 6] = [
        ("ext4", 0xEF53),
        ("xfs", 0x5846_5342),
        ("tmpfs", 0x0102_1994),
        ("overlayfs", 0x794C_7630),
        ("f2fs", 0xF2F5_2010),
        ("zfs", 0x2FC1_2FC1),
    ];
    let Ok(found) = rustix::fs::statfs(dir) else { return };
    // The kernel's numbers have 32 bits, whatever the width and sign of the field is here.
    let kind = found.f_type as u32;
    if !TRIED.iter().any(|(_, number)| *number == kind) {
        let tried = TRIED.map(|(name, _)| name).join(", ");
        tracing::warn!(folder = %dir.display(), "the store is on a file system other than {tried}; keep copies of it");
    }
}

/// Syncs a file or a folder.
pub(super) fn sync_path(path: &Path) -> io::Result<()> {
    // An empty parent is the folder that the process works in.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let synced = if entry.file_type()?.is_dir() { sync_tree(&entry.path()) } else { sync_path(&entry.path()) };
        match synced {
            // The database replaces its snapshots at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    sync_path(folder)
}

fn bytes_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += bytes_of(&entry.path())?,
            Ok(found) => bytes += found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn explain_open(dir: &Path, error: StoreError) -> StoreError {
    match error {
        // The database tells this in words only; its version is pinned and a test opens twice.
        StoreError::Unavailable(text) if text.contains("could not acquire lock") => StoreError::Busy,
        StoreError::Damaged(text) => StoreError::Damaged(format!(
            "{text}; nothing was deleted: rename {} aside and restore its last copy in its place, or start without \
             one and let the next run read everything again",
            dir.display()
        )),
        other => other,
    }
}
