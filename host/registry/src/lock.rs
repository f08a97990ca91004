//! `syncline.lock`: which plugins were agreed to, with which content and which wishes.
//!
//! The file stands beside `syncline.toml` and is meant to be kept with it.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::file::{read_bounded, write_atomically};
use crate::manifest::PluginKind;
use crate::name::PluginName;
use crate::wishes::Wishes;

/// The format that this host reads and writes.
const FORMAT: u32 = 1;

/// A lock file is refused beyond this size.
const LOCK_BYTES_MAX: u64 = 16 * 1024 * 1024;

const HEAD: &str =
    "# Which plugins were agreed to. Written by `syncline plugin`; keep it with syncline.toml, do not edit it.\n\n";

/// The agreements of one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u32,
    #[serde(default)]
    plugins: Vec<LockEntry>,
}

/// One agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockEntry {
    /// The plugin.
    pub name: PluginName,
    /// Its own version.
    pub version: String,
    /// What it is.
    pub kind: PluginKind,
    /// Where it was taken from.
    pub source: String,
    /// The content that was agreed to.
    pub digest: Digest,
    /// The plugin API that it was built for.
    pub wit: String,
    /// When it was agreed to.
    pub agreed_at: Timestamp,
    /// What was agreed to.
    pub wishes: Wishes,
}

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not readable.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not writable.
    #[error("{path} cannot be written; check that the folder exists and that there is room")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not a lock file.
    #[error("{path} is damaged: {reason}; restore it, or remove it and add the plugins again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// From a newer host.
    #[error("{path} has format {format}, and this host knows {FORMAT}; use the newer syncline that wrote it")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl Default for Lock {
    fn default() -> Self {
        Self { format: FORMAT, plugins: Vec::new() }
    }
}

impl Lock {
    /// Reads the lock file; one that is not there is an empty one.
    pub fn read(path: &Path) -> Result<Lock, LockError> {
        let damaged = |reason: String| LockError::Damaged { path: path.to_owned(), reason };
        let bytes = match read_bounded(path, LOCK_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(damaged("it is too large".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(source) => return Err(LockError::Read { path: path.to_owned(), source }),
        };
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8".to_owned()))?;
        let format = text.parse::<toml::Table>().ok().and_then(|table| table.get("format")?.as_integer());
        if let Some(format) = format.and_then(|format| u32::try_from(format).ok()).filter(|format| *format > FORMAT) {
            return Err(LockError::Newer { path: path.to_owned(), format });
        }
        let lock: Lock = toml::from_str(&text).map_err(|error| damaged(error.message().to_owned()))?;
        for (position, entry) in lock.plugins.iter().enumerate() {
            if lock.plugins[..position].iter().any(|earlier| earlier.name == entry.name) {
                return Err(damaged(format!("`{}` is there twice", entry.name)));
            }
        }
        Ok(lock)
    }

    /// Writes the lock file; a crash leaves the old one or the new one.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let text = toml::to_string_pretty(self)
            .map_err(|error| LockError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
        write_atomically(path, format!("{HEAD}{}\n", text.trim_end()).as_bytes())
            .map_err(|source| LockError::Write { path: path.to_owned(), source })
    }

    /// Finds the agreement on `name`.
    pub fn entry(&self, name: &PluginName) -> Option<&LockEntry> {
        self.plugins.iter().find(|entry| entry.name == *name)
    }

    /// Returns every agreement, by name.
    pub fn entries(&self) -> &[LockEntry] {
        &self.plugins
    }

    /// Puts `entry` in the place of an earlier agreement on the same name.
    pub fn put(&mut self, entry: LockEntry) {
        self.plugins.retain(|earlier| earlier.name != entry.name);
        self.plugins.push(entry);
        self.plugins.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Takes the agreement on `name` away and returns it.
    pub fn take(&mut self, name: &PluginName) -> Option<LockEntry> {
        let position = self.plugins.iter().position(|entry| entry.name == *name)?;
        Some(self.plugins.remove(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuthScheme, AuthWish, Limits};
    use syncline_net::RateLimit;

    fn entry(name: &str) -> LockEntry {
        LockEntry {
            name: name.parse().expect("a name"),
            version: "1.0.0".into(),
            kind: PluginKind::Connector,
            source: "/plugins/a.wasm".into(),
            digest: Digest::of(name.as_bytes()),
            wit: "0.1.0".into(),
            agreed_at: Timestamp::UNIX_EPOCH,
            wishes: Wishes {
                hosts: vec!["https://a.org".into()],
                auth: vec![AuthWish {
                    scheme: AuthScheme::Bearer,
                    header: None,
                    digest: false,
                    scopes: vec!["read".into()],
                }],
                limits: Limits { memory_mib: Some(64), rate: vec![RateLimit::new(1, 2)], ..Limits::default() },
            },
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("syncline.lock");
        assert_eq!(Lock::read(&path).expect("an empty one"), Lock::default());
        let mut lock = Lock::default();
        lock.put(entry("b"));
        lock.put(entry("a"));
        lock.put(entry("b"));
        lock.write(&path).expect("writes");
        assert_eq!(Lock::read(&path).expect("reads"), lock);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1, "nothing is left beside it");
        assert!(lock.take(&"a".parse().expect("a name")).is_some());
        assert_eq!(lock.entries().len(), 1);
    }

    #[test]
    fn a_damaged_or_newer_lock_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("syncline.lock");
        let twice = "format = 1\n[[plugins]]\n".to_owned();
        for (text, expected) in [
            ("format = 2\nplugins = 7", "format 2"),
            ("plugins = 7", "damaged"),
            ("format = 1\nextra = 1", "extra"),
            (twice.as_str(), "damaged"),
            ("\u{0}", "damaged"),
        ] {
            std::fs::write(&path, text).expect("writes");
            let error = Lock::read(&path).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
