//! What the database and the disk report, told as a [`StoreError`] with the next step.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use syncline_runner::StoreError;

/// Why an operation failed, and whether opening the database again can help.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the callers are told.
    pub(super) error: StoreError,
    /// False when the disk itself failed: what it took and lost would look kept after opening again.
    pub(super) reopen: bool,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Failure {
    /// Tells that the disk did not keep what was written.
    pub(super) fn of_sync(error: &io::Error) -> Self {
        // Pages that could not be written may be dropped from memory and look kept: never try on.
        Self { reopen: false, ..from_io("keeping what was written", error) }
    }
}

/// An error of a database.
pub(super) trait DatabaseError {
    /// Tells what was reported while `doing`.
    fn told(self, doing: &str) -> Failure;
}

/// Runs `act`, which calls into the database, and turns its errors and panics into a [`Failure`].
pub(super) fn guarded<T, E: DatabaseError>(doing: &str, act: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|error| error.told(doing)),
        Err(panic) => Err(from_panic(doing, panic.as_ref())),
    }
}

/// Tells what the disk reported while `doing`.
pub(super) fn from_io(doing: &str, error: &io::Error) -> Failure {
    if is_full(error) {
        return Failure { error: StoreError::Full, reopen: true };
    }
    let error = StoreError::Unavailable(format!(
        "{doing} failed: {error}; check the disk and the folder's permissions, then start again"
    ));
    Failure { error, reopen: false }
}

/// Tells what a panic inside the database said while `doing`.
pub(super) fn from_panic(doing: &str, panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    if names_full(text) {
        return Failure { error: StoreError::Full, reopen: true };
    }
    let error = StoreError::Damaged(format!(
        "{doing} failed inside the database: {text}; start again, and if it happens again restore the last copy of \
         the store's folder"
    ));
    Failure { error, reopen: true }
}

impl DatabaseError for sled::Error {
    fn told(self, doing: &str) -> Failure {
        match self {
            // It tells this in words only; its version is pinned and a test opens twice.
            sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => busy(),
            sled::Error::Io(error) => from_io(doing, &error),
            sled::Error::Corruption { .. } => garbled(doing),
            other => from_text(doing, &other.to_string()),
        }
    }
}

impl DatabaseError for fjall::Error {
    fn told(self, doing: &str) -> Failure {
        match self {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => from_io(doing, &error),
            fjall::Error::Locked => busy(),
            fjall::Error::Poisoned => Failure {
                error: StoreError::Unavailable(format!(
                    "{doing} failed: the database gave up after an earlier failure"
                )),
                reopen: true,
            },
            fjall::Error::Storage(
                fjall::LsmError::ChecksumMismatch { .. }
                | fjall::LsmError::Unrecoverable
                | fjall::LsmError::Decompress(_)
                | fjall::LsmError::InvalidTag(_)
                | fjall::LsmError::InvalidTrailer
                | fjall::LsmError::InvalidHeader(_)
                | fjall::LsmError::InvalidVersion(_),
            )
            | fjall::Error::JournalRecovery(_)
            | fjall::Error::InvalidVersion(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_)
            | fjall::Error::Decompress(_)
            | fjall::Error::Unrecoverable => garbled(doing),
            other => from_text(doing, &other.to_string()),
        }
    }
}

fn busy() -> Failure {
    Failure { error: StoreError::Busy, reopen: true }
}

fn garbled(doing: &str) -> Failure {
    let error = StoreError::Damaged(format!("{doing} found garbled data; restore the last copy of the store's folder"));
    Failure { error, reopen: true }
}

fn from_text(doing: &str, text: &str) -> Failure {
    if names_full(text) {
        return Failure { error: StoreError::Full, reopen: true };
    }
    Failure { error: StoreError::Unavailable(format!("{doing} failed: {text}; start again")), reopen: true }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) || names_full(&error.to_string())
}

/// Tells whether a text of the database hides a full disk: it wraps errors as their debug text.
fn names_full(text: &str) -> bool {
    ["StorageFull", "No space left", "code: 28", "QuotaExceeded"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_however_it_is_wrapped() {
        let plain = || io::Error::from_raw_os_error(28);
        let wrapped = sled::Error::Io(plain()).clone();
        let twice = io::Error::other(format!("{:?}", plain()));
        for error in
            [sled::Error::Io(plain()), wrapped, twice.into(), sled::Error::ReportableBug(format!("{:?}", plain()))]
        {
            assert_eq!(error.told("a commit").error, StoreError::Full);
        }
        let other = sled::Error::Io(io::Error::from_raw_os_error(5)).told("a commit");
        assert!(!other.reopen, "what a failing disk lost would look kept after opening again");
        assert!(other.error.to_string().contains("check the disk"), "{}", other.error);
    }

    #[test]
    fn a_panic_becomes_damage_with_its_text() {
        let error =
            guarded::<(), sled::Error>("reading", || panic!("segment {} is odd", 3)).expect_err("it panicked").error;
        assert!(error.to_string().contains("segment 3 is odd"), "{error}");
    }
}
