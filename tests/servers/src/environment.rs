//! Virtual environments for servers from PyPI, below the target folder.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::ServerError;
use crate::process::run;

/// A virtual environment with one package, whose module has the environment's name.
pub(crate) struct Environment {
    pub(crate) name: &'static str,
    /// As pip reads it.
    pub(crate) release: &'static str,
}

impl Environment {
    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv").join(self.name)
    }

    /// Returns its Python.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder().join("bin/python")
    }

    /// Makes the virtual environment, once for all processes that ask at the same time.
    pub(crate) fn install(&self) -> Result<(), ServerError> {
        let folder = self.folder();
        let parent = folder.parent().expect("the path above has a parent");
        fs::create_dir_all(parent).map_err(ServerError::io("making the folder for virtual environments"))?;
        let lock = File::create(parent.join(format!("{}.lock", self.name)));
        let lock = lock.map_err(ServerError::io("locking the environment"))?;
        lock.lock().map_err(ServerError::io("locking the environment"))?;
        let python = self.python();
        let import = format!("import {}", self.name);
        if python.exists() && run(Command::new(&python).args(["-c", &import])).is_ok() {
            return Ok(());
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", self.release];
        run(Command::new(python).args(pip))?;
        Ok(())
    }
}
