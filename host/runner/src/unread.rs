//! The records that a run could not read, kept with it so that its error log names them later too (E8.6).
//!
//! Invariant: what could not be read of a page is kept together with the page. Its sentences stay within the host's
//! tables, beside the run; nothing of them is decided by.

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

impl Unread {
    /// Where a page of the log that ends with this record goes on.
    pub(crate) fn place(&self) -> (Side, RecordId) {
        (self.side, self.id.clone())
    }
}

/// Puts what `run` could not read of a page beside the page.
pub(crate) fn note(run: RunId, side: Side, at: Instant, skipped: &[Skipped], batch: &mut Batch) {
    for Skipped { id, reason } in skipped {
        let unread = Unread { side, id: id.clone(), reason: reason.clone(), at };
        codec::put(batch, codec::unread(run, side, id), &unread);
    }
}

/// Reads a page of what `run` could not read, after the record `after`.
pub(crate) async fn page(
    store: &dyn Store,
    run: RunId,
    after: Option<(Side, RecordId)>,
) -> Result<Vec<Unread>, StoreError> {
    let prefix = run.0.to_be_bytes();
    let from = after.map(|(side, id)| codec::unread(run, side, &id).id);
    let rows = codec::scan_prefix(store, Space::HOST, StoreTable::Unread, &prefix, from.as_deref(), PAGE_ROWS).await?;
    rows.into_iter().map(|(id, bytes)| codec::decode(&Key::new(Space::HOST, StoreTable::Unread, id), &bytes)).collect()
}
