//! Compiled components, kept so that a plugin is compiled once.
//!
//! Invariant: nothing is run from here that this host did not compile itself from the very same component, with the very
//! same engine. Whatever does not fit is compiled again without a word. A folder that another user could fill or put another
//! in the place of is not used at all.

use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::artifact_bytes_max;

/// Begins every file; a change of the layout gets another.
const MAGIC: &[u8; 8] = b"SYNCAOT1";
const HEADER_BYTES: usize = MAGIC.len() + blake3::OUT_LEN;

/// Tells which component, compiled by which engine.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactKey {
    component: blake3::Hash,
    engine: blake3::Hash,
    artifact_bytes_max: u64,
}

impl ArtifactKey {
    pub(crate) fn new(engine: &Engine, wasm: &[u8]) -> Self {
        let mut hasher = EngineHasher(blake3::Hasher::new());
        // Wasmtime's exact version, the processor's features and the configuration.
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let artifact_bytes_max = artifact_bytes_max(wasm);
        Self { component: blake3::hash(wasm), engine: hasher.0.finalize(), artifact_bytes_max }
    }

    pub(crate) fn component(&self) -> blake3::Hash {
        self.component
    }

    fn file_name(&self) -> String {
        format!("{}-{}.aot", self.component.to_hex(), &self.engine.to_hex()[..16])
    }

    /// Binds an artifact to its key, so that a file under another name is not taken either.
    fn seal(&self, artifact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.component.as_bytes()).update(self.engine.as_bytes()).update(artifact);
        hasher.finalize()
    }
}

/// The folder of compiled components.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Opens or makes `folder`; one that others may write to, or whose parent they may write to, is not used.
    pub(crate) fn open(folder: &Path) -> io::Result<Cache> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The way there may lead over links of the user's; the folder itself may be none.
        let whole = std::path::absolute(folder)?;
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(io::Error::other("it is no folder of its own"));
        };
        let parent = parent.canonicalize()?;
        let folder = parent.join(name);
        let user = rustix::process::geteuid().as_raw();
        let distrusted = match distrust(&Standing::of(&std::fs::symlink_metadata(&parent)?), user, true) {
            Some(reason) => Some((&parent, reason)),
            None => {
                distrust(&Standing::of(&std::fs::symlink_metadata(&folder)?), user, false).map(|why| (&folder, why))
            }
        };
        if let Some((place, reason)) = distrusted {
            tracing::warn!(
                "compiled plugins are not kept in {}: {} {reason}; it should be yours, and writable for you alone (chmod 700)",
                folder.display(),
                place.display()
            );
            return Ok(Cache { folder: None });
        }
        Ok(Cache { folder: Some(folder) })
    }

    /// Returns the component as it was compiled before, if that is beyond doubt.
    pub(crate) fn load(&self, engine: &Engine, key: &ArtifactKey) -> Option<Component> {
        let path = self.folder.as_ref()?.join(key.file_name());
        // A larger file does not fit its seal, so the rest of it is not even read.
        let mut file = std::fs::File::open(&path).ok()?.take(HEADER_BYTES as u64 + key.artifact_bytes_max);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (header, artifact) = bytes.split_at_checked(HEADER_BYTES)?;
        let (magic, seal) = header.split_at(MAGIC.len());
        if magic != MAGIC || seal != key.seal(artifact).as_bytes() {
            tracing::debug!(path = %path.display(), "a compiled plugin is damaged and is compiled again");
            return None;
        }
        deserialize(engine, artifact)
    }

    /// Makes a component of what was just compiled, and keeps that. A crash leaves the old file or the new one; that it
    /// cannot be kept harms nobody.
    pub(crate) fn keep(&self, engine: &Engine, key: &ArtifactKey, artifact: &[u8]) -> Result<Component, String> {
        let component = deserialize(engine, artifact)
            .ok_or_else(|| "the compiler that ran is of another version; start syncline again".to_owned())?;
        if let Some(folder) = &self.folder {
            match write(folder, key, artifact) {
                Ok(()) => remove_older(folder, key),
                Err(error) => tracing::debug!(%error, "a compiled plugin could not be kept"),
            }
        }
        Ok(component)
    }
}

/// Who may do what in a place.
struct Standing {
    is_folder: bool,
    owner: u32,
    mode: u32,
}

impl Standing {
    fn of(metadata: &Metadata) -> Standing {
        Standing { is_folder: metadata.is_dir(), owner: metadata.uid(), mode: metadata.mode() }
    }
}

/// Says why others than `user` and root could change what is in a place.
fn distrust(place: &Standing, user: u32, is_parent: bool) -> Option<&'static str> {
    // In a sticky folder, such as /tmp, others may add entries but not replace ours.
    let is_sticky = place.mode & 0o1000 != 0;
    if !place.is_folder {
        Some("is a link or a file")
    } else if place.owner != user && place.owner != 0 {
        Some("belongs to another user")
    } else if place.mode & 0o022 != 0 && !(is_parent && is_sticky) {
        Some("may be written to by others")
    } else {
        None
    }
}

#[expect(unsafe_code, reason = "wasmtime trusts what it deserializes")]
fn deserialize(engine: &Engine, artifact: &[u8]) -> Option<Component> {
    // SAFETY: the bytes are what our compiler gave for this component: they come from its process just now, as their
    // digest says, or the seal says so of a file in a folder that only this user may write to. They are owned by us, so
    // nobody changes them while they are read.
    unsafe { Component::deserialize(engine, artifact) }.ok()
}

fn write(folder: &Path, key: &ArtifactKey, artifact: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!("{}.{}-{number}.part", key.file_name(), std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(MAGIC)?;
        file.write_all(key.seal(artifact).as_bytes())?;
        file.write_all(artifact)?;
        std::fs::rename(&unfinished, folder.join(key.file_name()))
    })();
    if written.is_err() {
        _ = std::fs::remove_file(&unfinished);
    }
    written
}

/// Removes what older engines made of the same component.
fn remove_older(folder: &Path, key: &ArtifactKey) {
    let (component, current) = (key.component.to_hex(), key.file_name());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(component.as_str()) && name.ends_with(".aot") && name != current {
            _ = std::fs::remove_file(entry.path());
        }
    }
}

struct EngineHasher(blake3::Hasher);

impl Hasher for EngineHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, distrust};

    #[test]
    fn only_a_place_of_this_user_or_root_is_trusted() {
        for (is_folder, owner, mode, as_parent, as_folder) in [
            (true, 1000, 0o40700, true, true),
            (true, 1000, 0o40755, true, true),
            (true, 0, 0o40755, true, true),
            (true, 0, 0o41777, true, false),
            (true, 1001, 0o40700, false, false),
            (true, 1000, 0o40775, false, false),
            (true, 1000, 0o40707, false, false),
            (false, 1000, 0o120777, false, false),
        ] {
            let place = Standing { is_folder, owner, mode };
            assert_eq!(distrust(&place, 1000, true).is_none(), as_parent, "{owner} {mode:o} as the parent");
            assert_eq!(distrust(&place, 1000, false).is_none(), as_folder, "{owner} {mode:o} as the folder");
        }
    }
}
