//! What connections have used up of their budgets, kept over a restart.

use crate::{Batch, Key, Space, Store, StoreError, StoreTable, codec};

/// Keeps what each connection has used up, in the form that the network gives it.
pub async fn keep_budgets(store: &dyn Store, spent: Vec<(String, String)>) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for (connection, text) in spent {
        codec::put(&mut batch, key(&connection), &text);
    }
    if !batch.writes.is_empty() {
        store.commit(batch).await?;
    }
    Ok(())
}

/// Returns what a connection had used up.
pub async fn kept_budget(store: &dyn Store, connection: &str) -> Result<Option<String>, StoreError> {
    codec::load(store, key(connection)).await
}

fn key(connection: &str) -> Key {
    Key::new(Space::HOST, StoreTable::Budget, connection.as_bytes())
}
