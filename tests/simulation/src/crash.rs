//! A store that stops at a commit, as a power failure does: right before it, or right after.

use std::sync::Mutex;

use syncline_runner::{Batch, BoxFuture, Committed, Key, Space, Stats, Store, StoreError, StoreTable};
use syncline_store::{Engine, MemoryStore};

use crate::disk::Disk;

/// A store that can be told to stop; in memory unless it is made on disk.
pub struct CrashStore {
    inner: Box<dyn Store>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Commits until the one that stops, and whether that one is still applied.
    stop: Option<(u64, bool)>,
    stopped: bool,
}

impl Default for CrashStore {
    fn default() -> Self {
        Self { inner: Box::new(MemoryStore::new()), plan: Mutex::default() }
    }
}

impl CrashStore {
    /// Makes a store on disk, in a temporary folder. It is not to be stopped: what is on disk stays there.
    pub fn on_disk(engine: Engine) -> Result<Self, StoreError> {
        Ok(Self { inner: Box::new(Disk::new(engine)?), plan: Mutex::default() })
    }

    /// Stops at the commit number `commits` from now; with `applied` that one is kept and only its answer lost.
    pub fn stop_at(&self, commits: u64, applied: bool) {
        *self.lock() = Plan { stop: Some((commits, applied)), stopped: false };
    }

    /// Starts again with what was kept. Returns whether it had stopped.
    pub fn start_again(&self) -> bool {
        std::mem::take(&mut *self.lock()).stopped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().expect("nothing panics while it holds this lock")
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.lock().stopped { Err(StoreError::Unavailable("the power failed".to_owned())) } else { Ok(()) }
    }
}

impl Store for CrashStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move {
            self.up()?;
            let stop = {
                let mut plan = self.lock();
                match &mut plan.stop {
                    Some((0, applied)) => Some(*applied),
                    Some((left, _)) => {
                        *left -= 1;
                        None
                    }
                    None => None,
                }
            };
            let Some(applied) = stop else { return self.inner.commit(batch).await };
            self.lock().stopped = true;
            if applied {
                self.inner.commit(batch).await?;
            }
            self.up().map(|()| Committed { number: 0 })
        })
    }

    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            self.up()?;
            self.inner.get(keys).await
        })
    }

    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        Box::pin(async move {
            self.up()?;
            self.inner.scan(space, table, after, limit).await
        })
    }

    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>> {
        self.inner.table_after(after)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.inner.stats()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}
