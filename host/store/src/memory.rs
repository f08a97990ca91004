//! A store in memory, for tests: the meaning of [`DiskStore`](crate::DiskStore) and nothing kept.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_runner::BoxFuture;
use syncline_runner::{Batch, Committed, Expect, Key, Space, Stats, Store, StoreError, StoreTable, Write};

use crate::limits;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

/// What a [`MemoryStore`] held at one moment.
#[derive(Clone, Debug)]
pub struct MemorySnapshot {
    rows: BTreeMap<Key, Vec<u8>>,
    last_commit: u64,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Key, Vec<u8>>,
    last_commit: u64,
    closed: bool,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what is committed now, as a crash at this moment would leave it.
    pub fn snapshot(&self) -> MemorySnapshot {
        let state = self.lock();
        MemorySnapshot { rows: state.rows.clone(), last_commit: state.last_commit }
    }

    /// Goes back to `snapshot`, opened: what was committed since is lost.
    pub fn restore(&self, snapshot: MemorySnapshot) {
        *self.lock() = State { rows: snapshot.rows, last_commit: snapshot.last_commit, closed: false };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave half a batch: `apply` checks before it writes, and writing does not fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        if state.closed { Err(StoreError::Unavailable("it has been closed".into())) } else { Ok(state) }
    }
}

impl State {
    fn apply(&mut self, batch: Batch) -> Result<Committed, StoreError> {
        limits::check(&batch)?;
        for (position, expect) in batch.expect.iter().enumerate() {
            let holds = match expect {
                Expect::Absent(key) => !self.rows.contains_key(key),
                Expect::Equals(key, value) => self.rows.get(key) == Some(value),
            };
            if !holds {
                return Err(StoreError::Conflict(position));
            }
        }
        for write in batch.writes {
            match write {
                Write::Put(key, value) => {
                    self.rows.insert(key, value);
                }
                Write::Delete(key) => {
                    self.rows.remove(&key);
                }
                Write::DeleteRange { space, table, from, to } => self.delete_range(space, table, &from, to.as_deref()),
            }
        }
        self.last_commit += 1;
        Ok(Committed { number: self.last_commit })
    }

    fn delete_range(&mut self, space: Space, table: StoreTable, from: &[u8], to: Option<&[u8]>) {
        let doomed: Vec<Key> = self
            .rows
            .range(Key::new(space, table, from)..)
            .map(|(key, _)| key)
            .take_while(|key| key.space == space && key.table == table && to.is_none_or(|to| key.id.as_slice() < to))
            .cloned()
            .collect();
        for key in doomed {
            self.rows.remove(&key);
        }
    }

    fn scan(&self, space: Space, table: StoreTable, after: Vec<u8>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let from_start = after.is_empty();
        let after = Key::new(space, table, after);
        let start = if from_start { Bound::Included(after) } else { Bound::Excluded(after) };
        self.rows
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.space == space && key.table == table)
            .take(limit)
            .map(|(key, value)| (key.id.clone(), value.clone()))
            .collect()
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move { self.opened()?.apply(batch) })
    }

    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            let state = self.opened()?;
            Ok(keys.iter().map(|key| state.rows.get(key).cloned()).collect())
        })
    }

    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        Box::pin(async move { Ok(self.opened()?.scan(space, table, after, limit)) })
    }

    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>> {
        Box::pin(async move {
            let tables = self.opened()?;
            let mut tables = tables.rows.keys().map(|key| (key.space, key.table));
            Ok(tables.find(|table| after.is_none_or(|after| *table > after)))
        })
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        Box::pin(async move {
            let state = self.opened()?;
            let bytes: usize = state.rows.iter().map(|(key, value)| key.id.len() + value.len()).sum();
            Ok(Stats { disk_bytes: bytes as u64, live_bytes: None, free_bytes: None, last_commit: state.last_commit })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.lock().closed = true;
            Ok(())
        })
    }
}
