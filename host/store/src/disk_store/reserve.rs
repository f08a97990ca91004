//! Space kept for a full disk: a file that holds nothing, and is given up when nothing else is left.
//!
//! sled cannot even open on a full disk, and a run that meets one has to write down how it ends. When the store is closed, what is
//! left of the space is taken back, so that it can be opened on a full disk again and again.
//!
//! Invariant: no run begins while the file is not whole or less is free than it should be; one that is under way ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use syncline_runner::{Batch, StoreError, Write as Change};

use super::DiskOptions;
use super::disk::sync_path;

/// The name of the file.
const FILE: &str = "reserve";

/// Free space that is enough on a disk of any size, in bytes.
const FREE_ENOUGH_BYTES: u64 = 1024 * 1024 * 1024;

/// A commit that is taken even when the space that was given up is nearly used up: how a run ended fits into it.
const LAST_COMMIT_BYTES: usize = 64 * 1024;

const MIB: u64 = 1024 * 1024;

/// The space of a disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// What we may still write.
    pub(super) free: u64,
    total: u64,
}

impl Space {
    /// Returns the space of the disk with the folder `dir`, where the system tells.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(dir).ok()?;
        Some(Self { free: disk.f_bavail.checked_mul(disk.f_frsize)?, total: disk.f_blocks.checked_mul(disk.f_frsize)? })
    }
}

/// The space kept for the store in a folder.
#[derive(Debug)]
pub(super) struct Reserve {
    dir: PathBuf,
    path: PathBuf,
    bytes: u64,
    free_bytes_min: Option<u64>,
    /// What was given up and not taken back.
    given_up_bytes: Mutex<u64>,
}

impl Reserve {
    /// Names the space of the store in `dir`.
    pub(super) fn of(dir: &Path, options: &DiskOptions) -> Self {
        Self {
            dir: dir.to_owned(),
            path: dir.join(FILE),
            bytes: options.reserve_bytes,
            free_bytes_min: options.free_bytes_min,
            given_up_bytes: Mutex::default(),
        }
    }

    /// Makes the file as large as it should be, if enough stays free and nothing was given up.
    pub(super) fn settle(&self) {
        if *self.given_up() == 0
            && let Err(error) = self.make_whole()
        {
            tracing::warn!(%error, "no space could be kept for a full disk");
        }
    }

    /// Gives the space up, and tells whether there was any.
    pub(super) fn give_up(&self) -> bool {
        let mut given_up = self.given_up();
        let held = self.held_bytes();
        // A folder that is not synced may have its file back after a power cut: all the better.
        let is_gone = held > 0 && fs::remove_file(&self.path).and_then(|()| sync_path(&self.dir)).is_ok();
        if is_gone {
            *given_up += held;
            tracing::warn!(folder = %self.dir.display(), "the disk is full: the space kept for that is given up");
        }
        is_gone
    }

    /// Tells whether space was given up, so that whoever writes should end.
    pub(super) fn is_given_up(&self) -> bool {
        *self.given_up() > 0
    }

    /// Tells whether `batch` has to be refused, so that smaller ones, and opening once more, still find space.
    pub(super) fn refuses(&self, batch: &Batch) -> bool {
        let given_up = *self.given_up();
        given_up > 0
            && length_of(batch) > LAST_COMMIT_BYTES
            && Space::of(&self.dir).is_some_and(|space| space.free < given_up / 4)
    }

    /// Takes back what is left of what was given up, once the store is closed.
    pub(super) fn take_back(&self) {
        let mut given_up = self.given_up();
        if *given_up == 0 {
            return;
        }
        let free = Space::of(&self.dir).map_or(0, |space| space.free);
        // The last page of a disk is nothing to lean on.
        let bytes = (*given_up).min(free.saturating_sub(free / 16));
        if bytes >= MIB && allocate(&self.path, bytes).is_ok() {
            *given_up = 0;
        }
    }

    /// Makes sure that a run can begin: the file is whole and enough is free.
    pub(super) fn make_room(&self) -> Result<(), StoreError> {
        let mut given_up = self.given_up();
        let Some(space) = Space::of(&self.dir) else { return Ok(()) };
        let missing = self.bytes.saturating_sub(self.held_bytes());
        let needed = self.free_bytes_min(space) + missing;
        if space.free < needed || self.make_whole().is_err() {
            return Err(StoreError::Short {
                what: "a run",
                folder: self.dir.clone(),
                free_bytes: space.free,
                needed_bytes: needed,
            });
        }
        *given_up = 0;
        Ok(())
    }

    /// Returns the bytes of the disk that the file holds.
    pub(super) fn held_bytes(&self) -> u64 {
        // A copied folder may have a file of this length that holds nothing.
        fs::metadata(&self.path).map_or(0, |file| file.len().min(file.blocks() * 512))
    }

    fn make_whole(&self) -> io::Result<()> {
        let held = self.held_bytes();
        if held >= self.bytes {
            return if held == self.bytes { Ok(()) } else { self.shrink() };
        }
        let enough = |space: Space| space.free >= self.free_bytes_min(space) + self.bytes - held;
        if Space::of(&self.dir).is_none_or(enough) { allocate(&self.path, self.bytes) } else { Ok(()) }
    }

    fn shrink(&self) -> io::Result<()> {
        match self.bytes {
            0 => fs::remove_file(&self.path),
            bytes => OpenOptions::new().write(true).open(&self.path)?.set_len(bytes),
        }
    }

    /// Returns what has to be free for a run to begin.
    fn free_bytes_min(&self, space: Space) -> u64 {
        self.free_bytes_min.unwrap_or_else(|| FREE_ENOUGH_BYTES.min(space.total / 10))
    }

    fn given_up(&self) -> MutexGuard<'_, u64> {
        self.given_up_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file at `path` hold `bytes` of the disk. What an attempt took is given back when it fails.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let allocated = match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        // Some file systems give space only to what is written.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => write_out(&file, bytes),
        other => other.map_err(io::Error::from),
    };
    if allocated.is_err() {
        // What matters is told already.
        drop(fs::remove_file(path));
    }
    allocated
}

fn write_out(mut file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; MIB as usize];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(MIB);
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_data()
}

fn length_of(batch: &Batch) -> usize {
    let length = |change: &Change| match change {
        Change::Put(key, value) => key.id.len() + value.len(),
        Change::Delete(key) => key.id.len(),
        Change::DeleteRange { from, to, .. } => from.len() + to.as_ref().map_or(0, Vec::len),
    };
    batch.writes.iter().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve(dir: &Path, reserve_bytes: u64, free_bytes_min: u64) -> Reserve {
        let free_bytes_min = Some(free_bytes_min);
        Reserve::of(dir, &DiskOptions { reserve_bytes, free_bytes_min, ..DiskOptions::default() })
    }

    #[test]
    fn the_file_follows_the_setting_and_really_holds_space() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for bytes in [MIB, 3 * MIB, 2 * MIB, 0, 0] {
            reserve(dir.path(), bytes, 0).settle();
            assert_eq!(reserve(dir.path(), bytes, 0).held_bytes(), bytes);
        }
        // As a copy of the folder may leave it.
        File::create(dir.path().join(FILE)).and_then(|file| file.set_len(MIB)).expect("made");
        let copied = reserve(dir.path(), MIB, 0);
        assert_eq!(copied.held_bytes(), 0);
        copied.settle();
        assert_eq!(copied.held_bytes(), MIB);
    }

    #[test]
    fn what_was_given_up_is_taken_back_when_the_store_is_closed_or_a_run_begins() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let reserve = reserve(dir.path(), MIB, 0);
        assert!(!reserve.give_up(), "there is nothing yet");
        for again in [Reserve::take_back, |reserve: &Reserve| reserve.make_room().expect("there is space")] {
            reserve.settle();
            assert!(reserve.give_up() && reserve.is_given_up());
            reserve.settle();
            assert_eq!(reserve.held_bytes(), 0, "it was just given up");
            again(&reserve);
            assert_eq!((reserve.held_bytes(), reserve.is_given_up()), (MIB, false));
        }
    }

    #[test]
    fn a_run_does_not_begin_without_space() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let free = Space::of(dir.path()).expect("the system tells").free;
        let told = reserve(dir.path(), 0, free * 2).make_room().expect_err("refused");
        assert!(matches!(&told, StoreError::Short { folder, .. } if folder == dir.path()), "{told}");
        let told = reserve(dir.path(), free * 2, 0).make_room().expect_err("refused").to_string();
        assert!(told.contains("MiB") && told.contains(dir.path().to_str().expect("a path")), "{told}");
        assert!(!dir.path().join(FILE).exists());
    }
}
