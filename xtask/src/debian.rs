//! Installs Debian's packages.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::run::{output, run, works};

/// Tells whether packages can be installed.
pub(crate) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Tells whether a package is installed.
pub(crate) fn is_installed(package: &str) -> bool {
    works(Command::new("dpkg").args(["--status", package]))
}

/// Installs packages.
pub(crate) fn install(packages: &[&str]) -> Result<(), Error> {
    // A fresh container has no package lists.
    if !works(Command::new("apt-cache").arg("show").args(packages)) {
        apt_get(&["update"])?;
    }
    apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn apt_get(arguments: &[&str]) -> Result<(), Error> {
    let is_root = output(Command::new("id").arg("-u"))? == "0";
    let program: &[&str] = if is_root { &["apt-get"] } else { &["sudo", "apt-get"] };
    let words = [program, arguments].concat();
    run(Command::new(words[0]).args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive"))
}
