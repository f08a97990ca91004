//! Keeps what the runner remembers: [`DiskStore`] on disk, [`MemoryStore`] for tests, secrets under a [`Seal`],
//! and the whole state in a file.
//!
//! The only crate that names the databases.
//! Not here: what the rows mean (`runner`), when a run commits (`runner`).

mod disk_store;
mod engine;
mod limits;
mod memory;
mod seal;
mod secret;
mod transfer;

pub use disk_store::{Compacted, DiskOptions, DiskStore, compact};
pub use engine::Engine;
pub use limits::{ID_LENGTH_MAX, VALUE_LENGTH_MAX};
pub use memory::{MemorySnapshot, MemoryStore};
pub use seal::{KEY_VARIABLE, Plaintext, Seal, SealError};
pub use secret::{SecretError, delete_secret, get_secret, put_secret, secret_names};
pub use transfer::{TransferError, export, import};
