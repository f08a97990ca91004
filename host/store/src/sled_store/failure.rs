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

/// Runs `act`, which calls into the database, and turns its errors and panics into a [`Failure`].
pub(super) fn guarded<T>(doing: &str, act: impl FnOnce() -> sled::Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|error| from_sled(doing, error)),
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

fn from_sled(doing: &str, error: sled::Error) -> Failure {
    match error {
        sled::Error::Io(error) => from_io(doing, &error),
        sled::Error::Corruption { .. } => Failure {
            error: StoreError::Damaged(format!(
                "{doing} found garbled data; restore the last copy of the store's folder"
            )),
            reopen: true,
        },
        other if names_full(&other.to_string()) => Failure { error: StoreError::Full, reopen: true },
        other => {
            Failure { error: StoreError::Unavailable(format!("{doing} failed: {other}; start again")), reopen: true }
        }
    }
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
            assert_eq!(from_sled("a commit", error).error, StoreError::Full);
        }
        let other = from_sled("a commit", sled::Error::Io(io::Error::from_raw_os_error(5)));
        assert!(!other.reopen, "what a failing disk lost would look kept after opening again");
        assert!(other.error.to_string().contains("check the disk"), "{}", other.error);
    }

    #[test]
    fn a_panic_becomes_damage_with_its_text() {
        let error = guarded::<()>("reading", || panic!("segment {} is odd", 3)).expect_err("it panicked").error;
        assert!(error.to_string().contains("segment 3 is odd"), "{error}");
    }
}
