//! Compaction by copying: some databases never give back what their files once took.
//!
//! The rows go into a new database beside the old one, which takes its place once it is whole and synced; the old one is removed when the
//! new one has been opened. Names change in this order, each change synced before the next: `sled` in `compacting` becomes
//! `sled.copy`, `sled` becomes `sled.old`, `sled.copy` becomes `sled`. Opening the store takes up what a crash left of it.
//!
//! Invariant: at every moment the whole store is in `sled`, or else in `sled.old`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use syncline_runner::StoreError;

use super::database::{self, Batch};
use super::disk::{Disk, sync_path};
use super::failure::from_io;
use super::reserve::Space;
use super::{DiskOptions, Engine, format, hold, live, open_or_create, row};

/// What a batch takes in at most, but for a single row with more.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 1024 * 1024;

/// Free space that the copy of a small store needs.
const COPY_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The database.
    pub engine: Engine,
    /// Bytes of its files before.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
    /// Bytes of the stored rows; `None` for a database that frees its space by itself, for which nothing was done.
    pub live_bytes: Option<u64>,
}

/// Makes the files of the store in `dir` as small as they can be. Nobody else may have it open. A crash at any moment leaves
/// a whole store.
pub fn compact(dir: &Path, options: &DiskOptions) -> Result<Compacted, StoreError> {
    let dir = std::path::absolute(dir).map_err(|error| failed("finding the store", &error))?;
    let engine = Engine::of_folder(&dir).map_err(|error| failed("finding the store", &error))?;
    let Some(engine) = engine else {
        return Err(StoreError::Unavailable(format!("there is none in {}", dir.display())));
    };
    let options = DiskOptions { engine, ..options.clone() };
    // Nobody else gets in before this ends.
    let held = hold(&dir, engine)?;
    let open = || open_or_create(&held, &options, format::MIGRATIONS);
    let disk = open()?;
    let before_bytes = disk.database_bytes()?;
    if disk.frees_its_space() {
        disk.close();
        return Ok(Compacted { engine, before_bytes, after_bytes: before_bytes, live_bytes: None });
    }
    let place = Place::of(&dir, engine);
    let copied = copy(&disk, &place, &options);
    let last_commit = format::last_commit(&disk)?;
    // It may write by the names of its files until it has let go of them.
    let is_closed = disk.close();
    let live_bytes = copied.inspect_err(|_| place.clear())?;
    if !is_closed {
        place.clear();
        return Err(StoreError::Unavailable("the old database could not be closed; nothing was changed".into()));
    }
    place.swap().map_err(|error| failed("putting the copy in its place", &error))?;
    let disk = open()?;
    let is_whole = format::last_commit(&disk)? == last_commit;
    let after_bytes = disk.database_bytes()?;
    disk.close();
    if !is_whole {
        return Err(StoreError::Damaged("its copy is not what was copied".into()));
    }
    Ok(Compacted { engine, before_bytes, after_bytes, live_bytes: Some(live_bytes) })
}

/// Takes up what a compaction left in `dir` that was cut short. The database is not open.
pub(super) fn settle(dir: &Path, engine: Engine) -> io::Result<()> {
    let place = Place::of(dir, engine);
    if !place.current.exists() && place.old.exists() {
        fs::rename(&place.old, &place.current)?;
        sync_path(dir)?;
    }
    for left in [&place.draft, &place.copy] {
        remove(left)?;
    }
    Ok(())
}

/// Removes the database that a compaction replaced, now that the other has been opened.
pub(super) fn forget_old(dir: &Path, engine: Engine) -> io::Result<()> {
    remove(&Place::of(dir, engine).old)
}

/// Where the databases lie.
struct Place {
    dir: PathBuf,
    current: PathBuf,
    old: PathBuf,
    copy: PathBuf,
    /// Here the copy is made, under its own name.
    draft: PathBuf,
    made: PathBuf,
}

impl Place {
    fn of(dir: &Path, engine: Engine) -> Self {
        let name = database::folder_name(engine);
        let draft = dir.join("compacting");
        Self {
            dir: dir.to_owned(),
            current: dir.join(name),
            old: dir.join(format!("{name}.old")),
            copy: dir.join(format!("{name}.copy")),
            made: draft.join(name),
            draft,
        }
    }

    fn swap(&self) -> io::Result<()> {
        for (from, to) in [(&self.made, &self.copy), (&self.current, &self.old), (&self.copy, &self.current)] {
            fs::rename(from, to)?;
            sync_path(&self.dir)?;
        }
        remove(&self.draft)
    }

    /// Removes what was made before the swap. Opening the store does so, too.
    fn clear(&self) {
        if let Err(error) = remove(&self.draft) {
            tracing::warn!(%error, "what was copied of the store could not be removed yet");
        }
    }
}

/// Copies every row into a new database, complete and synced, and returns their bytes.
fn copy(disk: &Disk, place: &Place, options: &DiskOptions) -> Result<u64, StoreError> {
    check_space(disk, place)?;
    fs::create_dir_all(&place.draft).map_err(|error| failed("making room for the copy", &error))?;
    let mut copy = Disk::open(options.engine, &place.draft, options)?;
    copy.count_from_nothing();
    let written = fill(disk, &copy);
    let live_bytes = copy.live_bytes();
    let is_closed = copy.close();
    written?;
    let synced = super::disk::sync_tree(&place.draft).and_then(|()| sync_path(&place.dir));
    synced.map_err(|error| failed("keeping the copy", &error))?;
    match live_bytes {
        Some(bytes) if is_closed => Ok(bytes),
        _ => Err(StoreError::Unavailable("the copy could not be closed; nothing was changed".into())),
    }
}

fn fill(disk: &Disk, copy: &Disk) -> Result<(), StoreError> {
    let (mut batch, mut rows, mut bytes) = (Batch::default(), 0, 0);
    disk.every_row(|key, stored| {
        // A garbled row is told here rather than carried over.
        row::decode(key, stored)?;
        if live::is_own(key) {
            return Ok(());
        }
        rows += 1;
        bytes += key.len() + stored.len();
        batch.insert(key.to_vec(), stored.to_vec());
        if rows == BATCH_ROWS || bytes >= BATCH_BYTES {
            (rows, bytes) = (0, 0);
            copy.apply(&std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    copy.apply(&batch)?;
    Ok(copy.persist()?)
}

/// Refuses to begin what would fill up the disk.
fn check_space(disk: &Disk, place: &Place) -> Result<(), StoreError> {
    let live_bytes = disk.live_bytes().map_or_else(|| live::weigh(disk), Ok)?;
    // The files of a new database have about twice the bytes of its rows: it cleans up what is half empty.
    let needed_bytes = (live_bytes / 2).saturating_mul(5).max(COPY_BYTES_MIN);
    match Space::of(&place.dir) {
        Some(Space { free, .. }) if free < needed_bytes => Err(StoreError::Short {
            what: "a copy of the store",
            folder: place.dir.clone(),
            free_bytes: free,
            needed_bytes,
        }),
        _ => Ok(()),
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(doing: &str, error: &io::Error) -> StoreError {
    from_io(doing, error).error
}
