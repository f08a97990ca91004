//! Which database a store is kept in.
//!
//! Invariant: a store's folder remembers its engine and is never opened with another one.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// A database that keeps a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// sled: quick at small commits; its memory grows with every record.
    #[default]
    Sled,
    /// fjall: far less CPU for many records, and less memory; slower at small commits.
    Fjall,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 2] = [Engine::Sled, Engine::Fjall];

    /// Its name in configurations and folders.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sled => "sled",
            Engine::Fjall => "fjall",
        }
    }

    /// Returns the engine of the store in `dir`; `None` when there is no store.
    pub fn of_folder(dir: &Path) -> io::Result<Option<Engine>> {
        match fs::read_to_string(dir.join(FILE)) {
            Ok(text) => {
                let found = Engine::ALL.into_iter().find(|engine| engine.name() == text.trim_end());
                found.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it names no engine"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Locks the file that names the engine of the store in `dir`, for as long as it is open.
    pub(crate) fn lock(dir: &Path) -> Result<File, TryLockError> {
        let file = File::open(dir.join(FILE)).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(file)
    }

    /// Writes the name into `dir`. A crash leaves no file or a whole one.
    pub(crate) fn remember_in(self, dir: &Path) -> io::Result<()> {
        let draft = dir.join("engine.new");
        let mut file = File::create(&draft)?;
        writeln!(file, "{self}")?;
        file.sync_all()?;
        fs::rename(&draft, dir.join(FILE))
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The file that names the engine.
const FILE: &str = "engine";
