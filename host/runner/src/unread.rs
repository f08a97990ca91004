//! The records that a run could not read, kept with it so that its error log names them later too (E8.6).
//!
//! Invariant: their sentences stay within the host's tables, beside the run; nothing of them is decided by.

use serde::{Deserialize, Serialize};
use syncline_core::{Instant, RecordId, RunId, Side};

use crate::codec::{self, PAGE_ROWS};
use crate::{Batch, Key, Skipped, Space, Store, StoreError, StoreTable};

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unread {
    pub(crate) side: Side,
    pub(crate) id: RecordId,
    pub(crate) reason: String,
    pub(crate) at: Instant,
}

/// Keeps what `run` could not read.
pub(crate) async fn keep(
    store: &dyn Store,
    run: RunId,
    at: Instant,
    skipped: &[(Side, Skipped)],
) -> Result<(), StoreError> {
    if skipped.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (number, (side, Skipped { id, reason })) in (0..).zip(skipped) {
        let unread = Unread { side: *side, id: id.clone(), reason: reason.clone(), at };
        codec::put(&mut batch, codec::unread(run, number), &unread);
    }
    store.commit(batch).await?;
    Ok(())
}

/// Reads a page of what `run` could not read, after `after`, with the number of each.
pub(crate) async fn page(store: &dyn Store, run: RunId, after: Option<u32>) -> Result<Vec<(u32, Unread)>, StoreError> {
    let prefix = run.0.to_be_bytes();
    let from = after.map(|number| codec::unread(run, number).id);
    let rows = codec::scan_prefix(store, Space::HOST, StoreTable::Unread, &prefix, from.as_deref(), PAGE_ROWS).await?;
    let first = after.map_or(0, |after| after.saturating_add(1));
    (first..)
        .zip(rows)
        .map(|(number, (id, bytes))| {
            Ok((number, codec::decode(&Key::new(Space::HOST, StoreTable::Unread, id), &bytes)?))
        })
        .collect()
}
