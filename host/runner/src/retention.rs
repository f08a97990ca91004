//! After the writes: forgets decided conflicts that are older than the sync keeps them (E3.4).
//!
//! Invariant: a conflict that waits for a person is never forgotten.

use syncline_core::PairId;

use crate::codec::{self, PAGE_ROWS};
use crate::running::Running;
use crate::synced::KeptConflict;
use crate::{Batch, Failure, StoreTable};

/// Forgets page by page, the oldest first, up to the first page on which nothing is old.
pub(crate) async fn prune(running: &Running<'_>) -> Result<(), Failure> {
    let synced = &running.synced;
    let oldest = running.context.world.now().saturating_sub(running.setup.keep_conflicts_ms);
    let mut after = Vec::new();
    loop {
        let rows = synced.store.scan(synced.space, StoreTable::Conflict, after, PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.clone();
        let mut old: Vec<KeptConflict> = Vec::new();
        for (id, bytes) in rows {
            let kept: KeptConflict = codec::decode(&codec::conflict(synced.space, codec::number(&id)), &bytes)?;
            old.extend(Some(kept).filter(|kept| kept.at < oldest));
        }
        if old.is_empty() {
            return Ok(());
        }
        let ids: Vec<PairId> = old.iter().map(|kept| kept.pair).collect();
        let mut batch = Batch::default();
        for (kept, pair) in old.iter().zip(synced.pairs(&ids).await?) {
            if !pair.is_some_and(|pair| pair.open_conflicts.contains(&kept.number)) {
                batch.delete(codec::conflict(synced.space, kept.number));
            }
        }
        if !batch.writes.is_empty() {
            synced.store.commit(batch).await?;
        }
    }
}
