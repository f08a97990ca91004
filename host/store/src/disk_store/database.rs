//! What the store needs of a database, and which ones there are.
//!
//! One file a database. Everything else of the store is the same over each of them.
//!
//! Invariant: a panic inside a database ends here, as a [`Failure`].

mod in_fjall;
mod in_sled;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use syncline_runner::StoreError;

use super::disk::{sync_path, sync_tree};
use super::failure::{Failure, from_io};
use super::{DiskOptions, Engine};

/// Stored rows to set, or to drop where `None`, in order: all of it or nothing.
#[derive(Debug, Default)]
pub(super) struct Batch {
    rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Sets a row.
    pub(super) fn insert(&mut self, key: Vec<u8>, stored: Vec<u8>) {
        self.rows.push((key, Some(stored)));
    }

    /// Drops a row.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.rows.push((key, None));
    }
}

impl Batch {
    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the changes, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.rows.iter().map(|(key, stored)| (key.as_slice(), stored.as_deref()))
    }
}

/// Takes a stored row, and tells whether it wants the next one.
pub(super) type Take<'take> = dyn FnMut(Bytes, Bytes) -> Result<bool, StoreError> + 'take;

/// An opened database: rows by key, in the order of the keys' bytes.
pub(super) trait Database: Send + Sync {
    /// Reads a row.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Failure>;
    /// Reads the last row from `from` on, up to and with `to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Failure>;
    /// Returns the first key after `key`.
    fn key_after(&self, key: &[u8]) -> Result<Option<Bytes>, Failure>;
    /// Gives the rows from `from` on, up to but without `end`, to `take`, until it answers false.
    fn range(&self, from: &[u8], end: &[u8], take: &mut Take<'_>) -> Result<(), StoreError>;
    /// Applies the parts as one batch. A crash right after it may leave it or not.
    fn apply(&self, parts: &[&Batch]) -> Result<(), Failure>;
    /// Tells if it has given up in the background, so that the next batch would be refused.
    fn check(&self) -> Result<(), Failure>;
    /// Makes everything applied so far survive a power cut.
    fn persist(&self) -> Result<(), Failure>;
    /// Makes what the system took survive a power cut, without asking the database.
    fn sync(&self) -> io::Result<()>;
    /// Tells whether small rows are better stored together (`blocks`).
    fn packs_rows(&self) -> bool;
    /// Tells whether it gives back by itself what its files do not need any more.
    fn frees_its_space(&self) -> bool;
    /// Returns the file that the database locks while it is open, opened once more.
    fn locked_file(&self) -> io::Result<File>;
}

/// Returns the name of the folder of a database in the store's.
pub(super) fn folder_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sled => in_sled::FOLDER,
        Engine::Fjall => in_fjall::FOLDER,
    }
}

/// Opens the database of `engine` in `dir`, or makes it. It can panic or take without end on damaged files.
pub(super) fn open(engine: Engine, dir: &Path, options: &DiskOptions) -> Result<Box<dyn Database>, Failure> {
    Ok(match engine {
        Engine::Sled => Box::new(in_sled::SledDatabase::open(dir, options)?),
        Engine::Fjall => Box::new(in_fjall::FjallDatabase::open(dir, options)?),
    })
}

/// Returns the folder `name` of a database in `dir`, made by `make` under another name where it is missing: a database that a
/// crash left half made would not open.
fn made_whole(dir: &Path, name: &str, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<PathBuf, Failure> {
    let folder = dir.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    let draft = dir.join(format!("{name}.new"));
    let failed = |error| from_io("making the store's database", &error);
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(failed)?;
    }
    make(&draft)?;
    let named = || {
        sync_tree(&draft)?;
        fs::rename(&draft, &folder)?;
        sync_path(dir)
    };
    named().map_err(failed)?;
    Ok(folder)
}

fn opened_file(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| from_io("opening the store's file", &error))
}
