//! Keeps what the runner remembers: [`SledStore`] on disk, [`MemoryStore`] for tests, and secrets under a [`Seal`].
//!
//! The only crate that names a database.
//! Not here: what the rows mean (`runner`), when a run commits (`runner`).

mod limits;
mod memory;
mod seal;
mod secret;
mod sled_store;

pub use limits::{ID_LENGTH_MAX, VALUE_LENGTH_MAX};
pub use memory::{MemorySnapshot, MemoryStore};
pub use seal::{KEY_VARIABLE, Plaintext, Seal, SealError};
pub use secret::{SecretError, delete_secret, get_secret, put_secret, secret_names};
pub use sled_store::{SledOptions, SledStore};
