//! Runs other programs.

use std::fmt::Write;
use std::process::{Command, Stdio};

use crate::error::Error;

/// Runs a program to its end, with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::NotStarted { command: shown(command), source })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: shown(command), status }) }
}

/// Runs a program to its end and returns what it printed; its errors are passed through.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Error::NotStarted { command: shown(command), source })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(Error::Failed { command: shown(command), status: output.status })
    }
}

/// Tells whether a program can be started and ends well; what it prints is dropped.
pub(crate) fn works(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        write!(line, " {}", argument.to_string_lossy()).expect("writing to a string cannot fail");
    }
    line
}
