//! The database on its disk: opening, reading, applying a batch, and making it last.
//!
//! Invariant: when [`Disk::persist`] returns, everything applied before survives a power cut.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use syncline_runner::StoreError;

use super::blocks::{self, Block};
use super::database::{self, Batch, Database};
use super::dictionary::{Dictionaries, Dictionary};
use super::dropping::Range;
use super::failure::{Failure, from_io, from_panic};
use super::live;
use super::reserve::Space;
use super::row::{self, Body, Kind, Prefix, Value};
use super::{DiskOptions, Engine};

/// How long closing may take before the process goes on without it.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(10);

/// How often closing looks whether the database has let go of its file.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(2);

/// Free space below which a failure is taken for that of a full disk.
const FULL_BELOW_BYTES: u64 = 256 * 1024;

/// An opened database in its folder.
pub(super) struct Disk {
    database: Box<dyn Database>,
    /// The file that the database locks, to see when it has let go of it.
    locked: File,
    dir: PathBuf,
    /// Where the database has its files.
    folder: PathBuf,
    /// Ranges that are dropped but still being deleted; reads pass over them.
    dropping: Vec<Range>,
    /// The bytes of all rows, where they are counted.
    live_bytes: Option<AtomicU64>,
    dictionaries: Dictionaries,
}

impl Disk {
    /// Opens the database in `dir`, in a thread of its own: it can panic or take without end on damaged files.
    ///
    /// Nothing is deleted when it fails.
    pub(super) fn open(engine: Engine, dir: &Path, options: &DiskOptions) -> Result<Self, StoreError> {
        let (of_thread, options_of_thread) = (dir.to_owned(), options.clone());
        let open = move || database::open(engine, &of_thread, &options_of_thread);
        let database = within(options.open_time_max, dir, open)?.map_err(|failure| explain_open(dir, failure.error))?;
        let locked = database.locked_file().map_err(|error| from_io("opening the store's file", &error).error)?;
        let mut disk = Self {
            folder: dir.join(database::folder_name(engine)),
            database,
            locked,
            dir: dir.to_owned(),
            dropping: Vec::new(),
            live_bytes: None,
            dictionaries: Dictionaries::default(),
        };
        match live::read(&disk).and_then(|live_bytes| Ok((live_bytes, Dictionaries::read(&disk)?))) {
            Ok((live_bytes, dictionaries)) => {
                disk.live_bytes = live_bytes.map(AtomicU64::new);
                disk.dictionaries = dictionaries;
            }
            Err(error) => {
                disk.close();
                return Err(explain_open(dir, error));
            }
        }
        Ok(disk)
    }

    /// Tells whether the database gives back by itself what its files do not need any more.
    pub(super) fn frees_its_space(&self) -> bool {
        self.database.frees_its_space()
    }

    /// Returns the bytes of all rows, where they are counted.
    pub(super) fn live_bytes(&self) -> Option<u64> {
        self.live_bytes.as_ref().map(|bytes| bytes.load(Ordering::Acquire))
    }

    /// Counts the bytes of the rows from now on, if that tells anything; there are none yet.
    pub(super) fn count_from_nothing(&mut self) {
        self.live_bytes = (!self.frees_its_space()).then(AtomicU64::default);
    }

    /// Returns what values are packed with.
    pub(super) fn dictionaries(&self) -> &Dictionaries {
        &self.dictionaries
    }

    /// Uses a dictionary from now on, which survives a power cut already.
    pub(super) fn add_dictionary(&mut self, number: u16, dictionary: Dictionary) {
        self.dictionaries.add(number, dictionary);
    }

    /// Tells whether the rows of a table are stored in blocks.
    pub(super) fn packs(&self, prefix: Prefix) -> bool {
        self.database.packs_rows() && blocks::is_packed(prefix)
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
        let Some(prefix) = row::prefix_of(key).filter(|prefix| self.packs(*prefix)) else {
            return self.database.get(key)?.map(|stored| self.unpacked(key, &stored)).transpose();
        };
        if !near.as_ref().map_or(Ok(false), |block| block.spans(key))? {
            *near = self.block_of(prefix, key)?;
        }
        near.as_ref().map_or(Ok(None), |block| block.find(key))
    }

    /// Returns the block in which the row at `key` lies, or would lie; none if it would be the first of its table.
    pub(super) fn block_of(&self, prefix: Prefix, key: &[u8]) -> Result<Option<Block>, StoreError> {
        let found = self.database.last(&prefix, key)?;
        found.map(|(key, stored)| self.block(key, &stored)).transpose()
    }

    fn block(&self, key: Bytes, stored: &Bytes) -> Result<Block, StoreError> {
        let value = self.unpacked(&key, stored)?;
        Block::of(key, value)
    }

    /// Checks that what is stored at `key` is what was written there, and unpacks it.
    fn unpacked(&self, key: &[u8], stored: &Bytes) -> Result<Value, StoreError> {
        let (kind, body) = row::decode(key, stored)?;
        let body = match body {
            Body::Plain(body) => stored.slice(stored.len() - body.len()..),
            Body::Packed(packed) => self.dictionaries.unpack(key, packed)?,
        };
        Ok(Value { kind, body })
    }

    /// Returns the first stored key after `key`.
    pub(super) fn key_after(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.database.key_after(key)?)
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
        let packed = row::prefix_of(start).filter(|prefix| self.packs(*prefix));
        let first = packed.map_or(Ok(None), |prefix| self.block_of(prefix, start))?;
        let from = first.as_ref().map_or(start, |block| block.key());
        let mut key = Vec::new();
        self.database.range(from, end, &mut |stored_at, stored| {
            let block = self.block(stored_at, &stored)?;
            for at in block.position(start)?..block.rows() {
                let (kind, body) = block.get(at, &mut key)?;
                if key.as_slice() >= end || !take(&key, kind, body)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Gives every row as it is stored to `take`.
    pub(super) fn every_row(
        &self,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.database.range(&[], &row::END, &mut |key, stored| take(&key, &stored).map(|()| true))
    }

    /// Tells whether nothing is stored.
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.database.key_after(&[])?.is_none())
    }

    /// Applies a batch, all or nothing. A crash right after it may leave it or not, until [`Disk::persist`] returned.
    pub(super) fn apply(&self, batch: &Batch) -> Result<(), Failure> {
        let applied = match &self.live_bytes {
            None => self.database.apply(&[batch]),
            Some(live_bytes) => live::after(self.database.as_ref(), batch, live_bytes.load(Ordering::Acquire))
                .and_then(|(bytes, count)| {
                    self.database.apply(&[batch, &count])?;
                    live_bytes.store(bytes, Ordering::Release);
                    Ok(())
                }),
        };
        applied.map_err(|failure| self.told_if_full(failure))
    }

    /// Tells if the database has given up in the background, so that the next batch would be refused.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.database.check().map_err(|failure| self.told_if_full(failure))
    }

    /// Makes everything applied so far survive a power cut.
    pub(super) fn persist(&self) -> Result<(), Failure> {
        self.database.persist().map_err(|failure| self.told_if_full(failure))
    }

    /// Makes what the system took of this store survive a power cut, without asking the database.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.database.sync()
    }

    /// A database may give up in the background without telling why; a disk without space is then the reason.
    fn told_if_full(&self, failure: Failure) -> Failure {
        let is_full = failure.reopen && self.free_bytes().is_some_and(|free| free < FULL_BELOW_BYTES);
        if is_full { Failure { error: StoreError::Full, reopen: true } } else { failure }
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

    /// Returns the bytes of the database's files.
    pub(super) fn database_bytes(&self) -> Result<u64, StoreError> {
        bytes_of(&self.folder).map_err(|error| from_io("measuring the store", &error).error)
    }

    /// Returns the bytes of the store's files.
    pub(super) fn disk_bytes(&self) -> Result<u64, StoreError> {
        bytes_of(&self.dir).map_err(|error| from_io("measuring the store", &error).error)
    }

    /// Returns the bytes free for us on the store's disk, where the system tells.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        Space::of(&self.dir).map(|space| space.free)
    }

    /// Closes the database and waits until another can be opened in its place; tells whether it let go of its files.
    pub(super) fn close(self) -> bool {
        let Self { database, locked, dir, .. } = self;
        // Its threads may have ended without telling; dropping would then wait for them without end.
        let dropping = thread::Builder::new().name("store-close".into()).spawn(move || drop(database));
        if dropping.is_err() {
            tracing::warn!(folder = %dir.display(), "no thread could be started to close the store");
        }
        let is_closed = is_let_go(&locked);
        if !is_closed {
            tracing::warn!(folder = %dir.display(), "the store's file is still held after closing it");
        }
        is_closed
    }
}

/// Waits until a closed database has let go of the file that it locks, and tells whether it did.
pub(super) fn is_let_go(locked: &File) -> bool {
    let deadline = Instant::now() + CLOSE_TIME_MAX;
    while locked.try_lock().is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(CLOSE_LOOK_EVERY);
    }
    true
}

/// Runs `act` in a thread of its own and waits for it as long as opening `dir` may take.
fn within<T: Send + 'static>(
    time_max: Duration,
    dir: &Path,
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (reply, answer) = mpsc::sync_channel(1);
    // Nobody waits any more when it took too long; what it opened is then closed right there.
    let acting = thread::Builder::new().name("store-open".into()).spawn(move || drop(reply.send(act())));
    acting.map_err(|error| from_io("starting a thread", &error).error)?;
    answer.recv_timeout(time_max).map_err(|error| match error {
        RecvTimeoutError::Timeout => StoreError::Unavailable(format!(
            "opening {} took longer than {} seconds; start again once the disk is less busy, or restore the last \
             copy of this folder",
            dir.display(),
            time_max.as_secs()
        )),
        RecvTimeoutError::Disconnected => from_panic("opening the store", &"its thread ended").error,
    })
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

/// Syncs everything in a folder, and it.
pub(super) fn sync_tree(folder: &Path) -> io::Result<()> {
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
            Ok(found) => bytes += found.blocks() * 512,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn explain_open(dir: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(text) => StoreError::Damaged(format!(
            "{text}; nothing was deleted: rename {} aside and restore its last copy in its place, or start without \
             one and let the next run read everything again",
            dir.display()
        )),
        other => other,
    }
}
