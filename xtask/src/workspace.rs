//! Where things are in the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the repository's folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it runs us; the value from the build serves a binary that was started by hand.
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let here = Path::new(&here);
    here.parent().unwrap_or(here).to_owned()
}

/// Returns a cargo that works in the repository.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}
