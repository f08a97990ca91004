//! What the last undo of a sync left alone, kept page by page until the next one.

use crate::codec::{self, PAGE_ROWS};
use crate::running::Running;
use crate::setup::{Context, SyncSetup};
use crate::{Batch, Failure, Key, Space, StoreTable, Write};

use super::NotUndone;

/// Reads a page of what the last undo, or plan of one, leaves alone, after number `after`.
pub async fn not_undone(context: &Context, setup: &SyncSetup, after: u64) -> Result<Vec<(u64, NotUndone)>, Failure> {
    let store = context.store.as_ref();
    let space = crate::sync_space(store, &setup.name).await?;
    let rows = store.scan(space, StoreTable::Left, after.to_be_bytes().to_vec(), PAGE_ROWS).await?;
    let things = rows.into_iter().map(|(id, bytes)| {
        let number = codec::number(&id);
        Ok((number, codec::decode(&key(space, number), &bytes)?))
    });
    things.collect::<Result<_, crate::StoreError>>().map_err(Failure::from)
}

/// Forgets what an earlier undo left.
pub(super) async fn forget(running: &Running<'_>) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let space = running.synced.space;
    batch.writes.push(Write::DeleteRange { space, table: StoreTable::Left, from: Vec::new(), to: None });
    running.synced.store.commit(batch).await?;
    Ok(())
}

/// Keeps `things` behind the `known` ones so far, and returns how many there are then.
pub(super) async fn keep(running: &Running<'_>, known: u64, things: &mut Vec<NotUndone>) -> Result<u64, Failure> {
    let mut number = known;
    for page in things.chunks(PAGE_ROWS) {
        let mut batch = Batch::default();
        for thing in page {
            number += 1;
            codec::put(&mut batch, key(running.synced.space, number), thing);
        }
        running.synced.store.commit(batch).await?;
    }
    things.clear();
    Ok(number)
}

fn key(space: Space, number: u64) -> Key {
    Key::new(space, StoreTable::Left, number.to_be_bytes())
}
