//! A store on disk for a history: the real one, in a folder that goes with it.
//!
//! Histories are played without waiting for anything, so each call blocks until the store has done it. Without power
//! failures: a store that is dropped keeps what it was told. Those that lose it belong to the store's own suite.

use std::sync::LazyLock;

use syncline_runner::{Batch, BoxFuture, Committed, Key, Space, Stats, Store, StoreError, StoreTable};
use syncline_store::{DiskOptions, DiskStore, Engine};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Where the stores of all histories do their work.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a machine that plays histories can start a thread")
});

pub(crate) struct Disk {
    store: DiskStore,
    /// Dropped after the store.
    _folder: TempDir,
}

impl Disk {
    /// Makes a store in a new folder among the temporary files.
    pub(crate) fn new(engine: Engine) -> Result<Self, StoreError> {
        let folder = TempDir::new().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let _guard = RUNTIME.enter();
        let store = DiskStore::open(folder.path(), DiskOptions { engine, ..DiskOptions::default() })?;
        Ok(Self { store, _folder: folder })
    }
}

fn now<'a, T: Send + 'a>(call: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    Box::pin(async move { RUNTIME.block_on(call) })
}

impl Store for Disk {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        now(self.store.commit(batch))
    }

    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        now(self.store.get(keys))
    }

    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        now(self.store.scan(space, table, after, limit))
    }

    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>> {
        now(self.store.table_after(after))
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        now(self.store.stats())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        now(self.store.close())
    }
}
