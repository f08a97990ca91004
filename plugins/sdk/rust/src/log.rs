//! Lines for the log of the run.

use crate::host;

pub use crate::bindings::connector::syncline::host::log::Level;

/// Writes a line that only helps to follow single steps.
pub fn trace(message: impl AsRef<str>) {
    host::emit(Level::Trace, message.as_ref());
}

/// Writes a line for whoever looks for a mistake.
pub fn debug(message: impl AsRef<str>) {
    host::emit(Level::Debug, message.as_ref());
}

/// Writes a line about what happens.
pub fn info(message: impl AsRef<str>) {
    host::emit(Level::Info, message.as_ref());
}

/// Writes a line about something odd that does no harm yet.
pub fn warn(message: impl AsRef<str>) {
    host::emit(Level::Warn, message.as_ref());
}

/// Writes a line about something that went wrong.
pub fn error(message: impl AsRef<str>) {
    host::emit(Level::Error, message.as_ref());
}
