//! A copy of the sources, to be changed at will: the working tree is only read.
//!
//! A file is written only if it differs, so that only the crates that a bug touches are built again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::run::output;
use crate::workspace::root;

/// The copy.
pub(crate) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Brings the copy in `folder` up to the working tree: what is tracked, and what is new and not ignored.
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        let mut git = Command::new("git");
        git.current_dir(root()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let names = output(&mut git)?;
        let names: BTreeSet<&str> = names.split('\0').filter(|name| root().join(name).is_file()).collect();
        let copy = Self { folder: folder.to_owned() };
        copy.drop_others(&names)?;
        copy.restore(names)?;
        Ok(copy)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes files what the working tree says.
    pub(crate) fn restore(&self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), Error> {
        for name in names {
            let path = root().join(name.as_ref());
            let bytes = fs::read(&path).map_err(|source| Error::Read { path, source })?;
            self.write(name.as_ref(), &bytes)?;
        }
        Ok(())
    }

    /// Writes files of the copy.
    pub(crate) fn put(&self, files: &BTreeMap<String, String>) -> Result<(), Error> {
        files.iter().try_for_each(|(name, text)| self.write(name, text.as_bytes()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.folder);
        let failed = |source| Error::Write { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        fs::write(&path, bytes).map_err(failed)
    }

    /// Deletes what the working tree does not have any more.
    fn drop_others(&self, names: &BTreeSet<&str>) -> Result<(), Error> {
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.flatten().map(|entry| entry.path()) {
                let name = path.strip_prefix(&self.folder).unwrap_or(&path).to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if !names.contains(name.as_str()) {
                    fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
                }
            }
        }
        Ok(())
    }
}
