//! Keeps what the runner remembers: [`SledStore`] on disk, [`MemoryStore`] for tests.
//!
//! The only crate that names a database.
//! Not here: what the rows mean (`runner`), when a run commits (`runner`).

mod limits;
mod memory;
mod sled_store;

pub use limits::{ID_LENGTH_MAX, VALUE_LENGTH_MAX};
pub use memory::{MemorySnapshot, MemoryStore};
pub use sled_store::{SledOptions, SledStore};
