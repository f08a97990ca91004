//! Other programs, and what they used.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::Outcome;

/// What a program used, from the kernel's own books.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Used {
    exit: i32,
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) peak_mib: f64,
}

impl Used {
    /// The least of each: what else runs on the machine only adds.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            exit: self.exit,
            cpu_s: self.cpu_s.min(other.cpu_s),
            wall_s: self.wall_s.min(other.wall_s),
            peak_mib: self.peak_mib.min(other.peak_mib),
        }
    }
}

/// What a program printed, and what it used.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) used: Used,
}

/// Runs a program to its end; any exit code but those of `ends` is a failure.
pub(crate) fn run(command: &Command, ends: &[i32]) -> Outcome<Ran> {
    let report = tempfile::NamedTempFile::new()?;
    let mut measured = Command::new("python3");
    measured.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("measure.py")).arg(report.path());
    measured.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        measured.env(name, value.unwrap_or_default());
    }
    if let Some(folder) = command.get_current_dir() {
        measured.current_dir(folder);
    }
    let output = measured.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?} could not be measured: {stderr}").into());
    }
    let used: Used = serde_json::from_slice(&std::fs::read(report.path())?)?;
    if !ends.contains(&used.exit) {
        let printed = String::from_utf8_lossy(&output.stdout);
        return Err(format!("{command:?} ended with {}: {stderr}{printed}", used.exit).into());
    }
    Ok(Ran { stdout: String::from_utf8_lossy(&output.stdout).into_owned(), stderr, used })
}
