//! Which file a plugin's name stands for, and how plugins come in and go.
//!
//! A name is looked up in the lock, whose content lies in the data folder as `plugins/NAME/DIGEST.wasm`, then in the
//! folder of plugins beside the binary as `NAME.wasm`. Those beside the binary are trusted as the binary is, because
//! they are shipped with it: they need no agreement and get no lock entry. Whoever can change them can change the binary.
//!
//! A file in the data folder that this configuration's lock does not name was agreed to elsewhere, by another
//! configuration; it is not loaded, and the error says how to agree.
//!
//! Invariant: the bytes of a locked plugin are digested on each load, and those very bytes are handed on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::digest::Digest;
use crate::file::{read_bounded, sync_folder, write_atomically};
use crate::lock::{Lock, LockEntry, LockError};
use crate::manifest::{Manifest, ManifestError};
use crate::name::PluginName;
use crate::nearest::nearest;
use crate::wishes::Wishes;

/// Bytes of a component at the most.
pub const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where plugins and agreements are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The data folder.
    pub data: PathBuf,
    /// The lock file, beside the configuration.
    pub lock: PathBuf,
    /// The folder of plugins that are shipped with the binary.
    pub bundled: Option<PathBuf>,
}

/// The plugins of one configuration.
#[derive(Clone, Debug)]
pub struct PluginStore {
    places: Places,
}

/// A plugin, ready to be loaded.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Where it comes from.
    pub origin: Origin,
    /// The file.
    pub path: PathBuf,
    /// The component; what was digested.
    pub bytes: Vec<u8>,
}

/// Why a plugin is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person agreed to it.
    Agreed,
    /// It was shipped with the binary.
    Bundled,
}

/// A component that was read and is waiting for a person's word.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it asks for.
    pub wishes: Wishes,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Where it was read.
    pub source: PathBuf,
    /// What agreeing would change.
    pub change: Change,
    bytes: Vec<u8>,
}

/// What agreeing to a proposal would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No plugin of this name was agreed to.
    New,
    /// This content was agreed to.
    Same,
    /// Another content was agreed to.
    Replaces {
        /// The version that was agreed to.
        version: String,
        /// What it asks for beyond what was agreed to, in words.
        more: Vec<String>,
    },
}

/// What came of agreeing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is in the lock now.
    Added,
    /// It was there already.
    AlreadyThere,
}

/// One line of a list of plugins.
#[derive(Debug)]
pub struct Listed {
    /// The name.
    pub name: PluginName,
    /// Why it would be trusted.
    pub origin: Origin,
    /// The plugin, or why it cannot be loaded.
    pub plugin: Result<Plugin, PluginError>,
}

/// Why a plugin cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No such plugin anywhere.
    #[error("there is no plugin `{name}`{}; add one with `syncline plugin add FILE`", hint(.nearest))]
    NotFound {
        /// The name.
        name: PluginName,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// In the data folder, but not in the lock.
    #[error("the plugin `{name}` was never agreed to for this configuration; run `syncline plugin add {}`", .path.display())]
    NotAgreed {
        /// The name.
        name: PluginName,
        /// The file.
        path: PathBuf,
    },
    /// In the lock, but its file is gone.
    #[error(
        "the plugin `{name}` is in the lock, but its file is not in the data folder; run `syncline plugin add` with a file \
         of digest {digest} (it came from {from})"
    )]
    FileMissing {
        /// The name.
        name: PluginName,
        /// The content that was agreed to.
        digest: Digest,
        /// Where it came from.
        from: String,
    },
    /// The file is not what was agreed to.
    #[error(
        "the file of the plugin `{name}` has been changed: {} has digest {found}, and {agreed} was agreed to; \
         nothing of it was run; look at how it came there, then run `syncline plugin add` with a file that you trust", .path.display()
    )]
    Tampered {
        /// The name.
        name: PluginName,
        /// The file.
        path: PathBuf,
        /// What was agreed to.
        agreed: Digest,
        /// What is there.
        found: Digest,
    },
    /// The file's manifest has another name.
    #[error("{} calls itself `{found}`, and `{name}` was expected; rename the file", .path.display())]
    OtherName {
        /// The name that was looked up.
        name: PluginName,
        /// The name in the manifest.
        found: PluginName,
        /// The file.
        path: PathBuf,
    },
    /// Another content was agreed to under the name.
    #[error(
        "`{name}` {version} was agreed to before; run `syncline plugin add --replace` to put this one in its place"
    )]
    NeedsReplace {
        /// The name.
        name: PluginName,
        /// The version that was agreed to.
        version: String,
    },
    /// A connection uses it.
    #[error("the plugin `{name}` is used by {}; take it out of the configuration first", .users.join(", "))]
    InUse {
        /// The name.
        name: PluginName,
        /// Who uses it, in words.
        users: Vec<String>,
    },
    /// It was shipped with the binary.
    #[error("the plugin `{0}` is shipped with syncline and cannot be removed; leave it out of the configuration")]
    Shipped(PluginName),
    /// No usable manifest.
    #[error("{}: {source}", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ManifestError>,
    },
    /// Too large.
    #[error(
        "{} is larger than {} MiB; ask the plugin's author for a smaller component", .0.display(),
        COMPONENT_BYTES_MAX / 1024 / 1024
    )]
    TooLarge(PathBuf),
    /// Not readable.
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not writable.
    #[error("{} cannot be written: {source}; check its rights and the room on the disk", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
}

impl PluginStore {
    /// Returns the plugins in `places`; nothing is read or made yet.
    pub fn new(places: Places) -> PluginStore {
        PluginStore { places }
    }

    /// Returns where plugins and agreements are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Finds and reads the plugin called `name`, checking it against what was agreed to.
    pub fn find(&self, name: &PluginName) -> Result<Plugin, PluginError> {
        let lock = Lock::read(&self.places.lock)?;
        match lock.entry(name) {
            Some(entry) => self.agreed(entry),
            None => self.bundled(name)?.ok_or_else(|| self.absent(name, &lock)),
        }
    }

    /// Reads the component at `source` and says what agreeing to it would mean; nothing is kept yet.
    pub fn propose(&self, source: &Path) -> Result<Proposal, PluginError> {
        let bytes = read_component(source)?;
        let manifest = manifest_of(&bytes, source)?;
        let (digest, wishes) = (Digest::of(&bytes), Wishes::of(&manifest));
        let change = match Lock::read(&self.places.lock)?.entry(&manifest.name) {
            None => Change::New,
            Some(entry) if entry.digest == digest => Change::Same,
            Some(entry) => Change::Replaces { version: entry.version.clone(), more: entry.wishes.widened_by(&wishes) },
        };
        let source = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
        Ok(Proposal { manifest, wishes, digest, source, change, bytes })
    }

    /// Keeps what was agreed to: the file first, then the lock.
    ///
    /// A crash between the two leaves a file that no lock names, and that is not loaded.
    pub fn admit(&self, proposal: &Proposal, replace: bool, now: Timestamp) -> Result<Admission, PluginError> {
        let _guard = self.guard()?;
        let mut lock = Lock::read(&self.places.lock)?;
        let name = &proposal.manifest.name;
        let earlier = lock.entry(name).cloned();
        if let Some(earlier) = earlier.as_ref().filter(|earlier| earlier.digest != proposal.digest && !replace) {
            return Err(PluginError::NeedsReplace { name: name.clone(), version: earlier.version.clone() });
        }
        let path = self.file_of(name, &proposal.digest);
        self.keep(&path, &proposal.bytes)?;
        if earlier.is_some_and(|earlier| earlier.digest == proposal.digest) {
            return Ok(Admission::AlreadyThere);
        }
        lock.put(LockEntry {
            name: name.clone(),
            version: proposal.manifest.version.clone(),
            kind: proposal.manifest.kind,
            source: proposal.source.display().to_string(),
            digest: proposal.digest,
            wit: proposal.manifest.wit.clone(),
            agreed_at: now,
            wishes: proposal.wishes.clone(),
        });
        lock.write(&self.places.lock)?;
        Ok(Admission::Added)
    }

    /// Takes the agreement on `name` away, unless `users` need it; the content stays if another configuration may use it.
    pub fn remove(&self, name: &PluginName, users: &[String]) -> Result<(), PluginError> {
        if !users.is_empty() {
            return Err(PluginError::InUse { name: name.clone(), users: users.to_vec() });
        }
        let _guard = self.guard()?;
        let mut lock = Lock::read(&self.places.lock)?;
        if lock.take(name).is_none() {
            return Err(match self.bundled(name) {
                Ok(Some(_)) | Err(_) => PluginError::Shipped(name.clone()),
                Ok(None) => self.absent(name, &lock),
            });
        }
        Ok(lock.write(&self.places.lock)?)
    }

    /// Lists every plugin that can be named, agreed ones first.
    pub fn list(&self) -> Result<Vec<Listed>, PluginError> {
        let lock = Lock::read(&self.places.lock)?;
        let agreed = lock.entries().iter().map(|entry| Listed {
            name: entry.name.clone(),
            origin: Origin::Agreed,
            plugin: self.agreed(entry),
        });
        let shipped = self.bundled_names().into_iter().filter(|name| lock.entry(name).is_none()).filter_map(|name| {
            let plugin = self.bundled(&name).transpose()?;
            Some(Listed { name, origin: Origin::Bundled, plugin })
        });
        Ok(agreed.chain(shipped).collect())
    }

    /// Returns the agreement on `name`, if there is one.
    pub fn agreement(&self, name: &PluginName) -> Result<Option<LockEntry>, PluginError> {
        Ok(Lock::read(&self.places.lock)?.take(name))
    }

    fn agreed(&self, entry: &LockEntry) -> Result<Plugin, PluginError> {
        let path = self.file_of(&entry.name, &entry.digest);
        let bytes = match read_component(&path) {
            Ok(bytes) => bytes,
            Err(PluginError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return self.same_content_beside_the_binary(entry);
            }
            Err(error) => return Err(error),
        };
        let found = Digest::of(&bytes);
        if found != entry.digest {
            return Err(PluginError::Tampered { name: entry.name.clone(), path, agreed: entry.digest, found });
        }
        let manifest = manifest_of(&bytes, &path)?;
        check_name(&entry.name, &manifest, &path)?;
        Ok(Plugin { manifest, digest: found, origin: Origin::Agreed, path, bytes })
    }

    fn same_content_beside_the_binary(&self, entry: &LockEntry) -> Result<Plugin, PluginError> {
        match self.bundled(&entry.name) {
            Ok(Some(plugin)) if plugin.digest == entry.digest => Ok(Plugin { origin: Origin::Agreed, ..plugin }),
            Ok(_) | Err(_) => Err(PluginError::FileMissing {
                name: entry.name.clone(),
                digest: entry.digest,
                from: entry.source.clone(),
            }),
        }
    }

    fn bundled(&self, name: &PluginName) -> Result<Option<Plugin>, PluginError> {
        let Some(folder) = &self.places.bundled else { return Ok(None) };
        let path = folder.join(format!("{name}.wasm"));
        let bytes = match read_component(&path) {
            Ok(bytes) => bytes,
            Err(PluginError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let manifest = manifest_of(&bytes, &path)?;
        check_name(name, &manifest, &path)?;
        Ok(Some(Plugin { manifest, digest: Digest::of(&bytes), origin: Origin::Bundled, path, bytes }))
    }

    fn bundled_names(&self) -> Vec<PluginName> {
        let entries = self.places.bundled.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let files = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        let mut names: Vec<PluginName> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .filter_map(|path| path.file_stem()?.to_str()?.parse().ok())
            .collect();
        names.sort();
        names
    }

    fn absent(&self, name: &PluginName, lock: &Lock) -> PluginError {
        let folder = self.folder().join(name.as_str());
        let kept = fs::read_dir(&folder).ok().into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(path) = kept.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).min() {
            return PluginError::NotAgreed { name: name.clone(), path };
        }
        let shipped = self.bundled_names();
        let known = lock.entries().iter().map(|entry| &entry.name).chain(&shipped).map(PluginName::as_str);
        PluginError::NotFound { name: name.clone(), nearest: nearest(name.as_str(), known).map(str::to_owned) }
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), PluginError> {
        let write_error = |source| PluginError::Write { path: path.to_owned(), source };
        // A file that is there and was changed is put right; one that fits is left alone.
        if read_component(path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(write_error)?;
            folder.parent().map_or(Ok(()), sync_folder).map_err(write_error)?;
        }
        write_atomically(path, bytes).map_err(write_error)
    }

    fn folder(&self) -> PathBuf {
        self.places.data.join("plugins")
    }

    fn file_of(&self, name: &PluginName, digest: &Digest) -> PathBuf {
        self.folder().join(name.as_str()).join(format!("{}.wasm", digest.hex()))
    }

    /// Keeps a second `plugin` command from writing the same lock at the same time; let go when dropped.
    fn guard(&self) -> Result<File, PluginError> {
        let path = self.folder().join(".guard");
        let write_error = |source| PluginError::Write { path: path.clone(), source };
        fs::create_dir_all(self.folder()).map_err(write_error)?;
        let file = File::create(&path).map_err(write_error)?;
        file.lock().map_err(write_error)?;
        Ok(file)
    }
}

fn read_component(path: &Path) -> Result<Vec<u8>, PluginError> {
    match read_bounded(path, COMPONENT_BYTES_MAX) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(PluginError::TooLarge(path.to_owned())),
        Err(source) => Err(PluginError::Read { path: path.to_owned(), source }),
    }
}

fn manifest_of(bytes: &[u8], path: &Path) -> Result<Manifest, PluginError> {
    Manifest::of_component(bytes)
        .map_err(|source| PluginError::Manifest { path: path.to_owned(), source: Box::new(source) })
}

fn check_name(name: &PluginName, manifest: &Manifest, path: &Path) -> Result<(), PluginError> {
    if manifest.name == *name {
        Ok(())
    } else {
        Err(PluginError::OtherName { name: name.clone(), found: manifest.name.clone(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests;
