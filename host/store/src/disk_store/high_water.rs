//! The number of the last commit that was surely kept, in a file beside the database.
//!
//! The database opens without a word after losing its last batches to a damaged file. This file makes the store notice.
//!
//! Invariant: the number is never ahead of what was synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use syncline_runner::StoreError;

use super::failure::from_io;

/// The number's file, 16 bytes: the number and a checksum.
#[derive(Clone, Debug)]
pub(super) struct HighWater {
    path: PathBuf,
}

impl HighWater {
    /// Names the file of the store in `dir`.
    pub(super) fn of(dir: &Path) -> Self {
        Self { path: dir.join("high-water") }
    }

    /// Reads the number; `None` when there is no file.
    pub(super) fn read(&self) -> Result<Option<u64>, StoreError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(from_io("reading the high-water mark", &error).error),
        };
        let number = bytes.first_chunk().map(|number| u64::from_be_bytes(*number));
        match number {
            Some(number) if bytes == encode(number) => Ok(Some(number)),
            _ => Err(StoreError::Damaged(format!(
                "{} is garbled, so it cannot be told whether data is missing; restore the last copy of the folder, \
                 or remove this file to go on with what is there",
                self.path.display()
            ))),
        }
    }

    /// Keeps `number`. A crash leaves the number before or this one.
    pub(super) fn write(&self, number: u64) -> io::Result<()> {
        let draft = self.path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(&encode(number))?;
        file.sync_data()?;
        fs::rename(&draft, &self.path)
    }

    /// Compares the store's own number with the mark.
    pub(super) fn check(&self, number: u64) -> Result<(), StoreError> {
        match self.read()? {
            Some(mark) if mark > number => Err(self.missing(mark, number)),
            Some(_) => Ok(()),
            None => {
                tracing::warn!(file = %self.path.display(), "no high-water mark: whether data is missing cannot be told");
                Ok(())
            }
        }
    }

    /// Tells that commits after `number` are gone although `kept` was acknowledged.
    pub(super) fn missing(&self, kept: u64, number: u64) -> StoreError {
        StoreError::Damaged(format!(
            "acknowledged data is missing: commit {kept} was kept but the last one found is {number}; restore the last \
             copy of the folder, or remove {} to go on with what is there: a full read rebuilds what was observed, but \
             writes of the missing commits can neither be looked up nor undone",
            self.path.display()
        ))
    }
}

fn encode(number: u64) -> [u8; 16] {
    let number = number.to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&blake3::hash(&number).as_bytes()[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_read_back_and_a_garbled_one_is_told() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mark = HighWater::of(dir.path());
        assert_eq!(mark.read(), Ok(None));
        mark.write(7).expect("written");
        assert_eq!(mark.read(), Ok(Some(7)));
        assert_eq!(mark.check(7), Ok(()));
        let error = mark.check(6).expect_err("a commit is missing").to_string();
        assert!(error.contains("acknowledged data is missing"), "{error}");
        fs::write(&mark.path, [0; 16]).expect("written");
        assert!(matches!(mark.read(), Err(StoreError::Damaged(_))));
    }
}
