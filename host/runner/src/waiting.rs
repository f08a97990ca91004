//! Which references wait until the record that they lead to has a counterpart, and the look for those that have one by
//! now (E10.1).
//!
//! Invariant: what waits is written down together with the decision that left it out, so a crash forgets nobody. A run
//! goes through what waits, page by page, and not through what there is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline_core::{PairId, Reference, Side};

use crate::codec::{self, PAGE_ROWS};
use crate::linked::{self, Wanted};
use crate::running::Running;
use crate::synced::Synced;
use crate::{Batch, Failure, StoreError, StoreTable, Write};

/// A reference that has no counterpart yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingReference {
    /// The number of its mapping; with other rules every pair is planned anew.
    pub(crate) mapping: u32,
    /// The side that has it.
    pub(crate) side: Side,
    /// It.
    pub(crate) reference: Reference,
}

/// Returns those of `pairs` for which something is written down.
pub(crate) async fn known(synced: &Synced<'_>, pairs: &[PairId]) -> Result<BTreeSet<PairId>, StoreError> {
    let keys = pairs.iter().map(|id| codec::waiting(synced.space, *id)).collect();
    let rows = synced.store.get(keys).await?;
    Ok(pairs.iter().zip(rows).filter(|(_, row)| row.is_some()).map(|(id, _)| *id).collect())
}

/// Writes down what a pair waits for.
pub(crate) fn keep(
    synced: &Synced<'_>,
    pair: PairId,
    waits: &[WaitingReference],
    was_waiting: bool,
    batch: &mut Batch,
) {
    let key = codec::waiting(synced.space, pair);
    if !waits.is_empty() {
        codec::put(batch, key, &waits);
    } else if was_waiting {
        batch.delete(key);
    }
}

/// Forgets everything, since the mappings have other numbers now.
pub(crate) fn forget_all(synced: &Synced<'_>, batch: &mut Batch) {
    let (space, table) = (synced.space, StoreTable::Waiting);
    batch.writes.push(Write::DeleteRange { space, table, from: Vec::new(), to: None });
}

/// Puts the pairs that need not wait any more on the list of those to look at.
pub(crate) async fn look_again(running: &Running<'_>) -> Result<(), Failure> {
    let Running { synced, setup, .. } = running;
    let mappings = &setup.rules.mappings;
    if !mappings.iter().any(|mapping| mapping.joins_references()) {
        return Ok(());
    }
    let mut after = Vec::new();
    loop {
        let rows = synced.store.scan(synced.space, StoreTable::Waiting, after, PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.clone();
        let mut page: Vec<(PairId, Vec<WaitingReference>)> = Vec::new();
        for (id, bytes) in rows {
            let pair = PairId(codec::number(&id));
            page.push((pair, codec::decode(&codec::waiting(synced.space, pair), &bytes)?));
        }
        let mut wanted: BTreeMap<u32, Wanted> = BTreeMap::new();
        for waits in page.iter().flat_map(|(_, waits)| waits) {
            wanted.entry(waits.mapping).or_default().insert((waits.side, waits.reference.clone()));
        }
        let mut found = BTreeMap::new();
        for (number, wanted) in wanted {
            if let Some(mapping) = mappings.get(number as usize) {
                found.insert(number, linked::find(synced.store, mapping, &wanted).await?);
            }
        }
        let has_one = |waits: &WaitingReference| {
            found.get(&waits.mapping).is_some_and(|links| links.has(waits.side, &waits.reference))
        };
        let mut batch = Batch::default();
        for (pair, _) in page.iter().filter(|(_, waits)| waits.iter().any(has_one)) {
            synced.queue(&mut batch, 0, *pair);
        }
        if !batch.writes.is_empty() {
            synced.store.commit(batch).await?;
        }
    }
}
