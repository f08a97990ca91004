//! Finds the conflicts that a person means.

use syncline_core::{FieldName, RecordId, Side, SyncName};

use crate::codec::{self, PAGE_ROWS};
use crate::synced::{KeptConflict, Synced};
use crate::{Failure, Store, StoreTable};

/// Which conflict of a record is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispute {
    /// All that wait for a person.
    Open,
    /// The last one that was decided.
    Decided,
}

/// Finds the conflicts of the pair to which `record` belongs, on `field` if one is named; there is at least one.
pub async fn find_conflicts(
    store: &dyn Store,
    sync: &SyncName,
    record: &RecordId,
    field: Option<&FieldName>,
    which: Dispute,
) -> Result<Vec<KeptConflict>, Failure> {
    let synced = Synced::open(store, sync).await?;
    let mut pairs = Vec::new();
    for side in Side::BOTH {
        pairs.extend(synced.pairs_of(side, std::slice::from_ref(record)).await?.into_iter().flatten());
    }
    if pairs.is_empty() {
        return Err(Failure::Request(format!("the sync {sync} knows no record {record}")));
    }
    let mut open = Vec::new();
    for pair in synced.pairs(&pairs).await?.into_iter().flatten() {
        open.extend(pair.open_conflicts);
    }
    let is_meant = |kept: &KeptConflict| {
        let named = |name: &FieldName| {
            kept.conflict.fields.iter().any(|one| one.left_field == *name || one.right_field == *name)
        };
        let state = match which {
            Dispute::Open => open.contains(&kept.number),
            Dispute::Decided => !kept.conflict.decided.waits(),
        };
        state && pairs.contains(&kept.pair) && field.is_none_or(named)
    };
    let mut found = Vec::new();
    let mut after = Vec::new();
    loop {
        let rows = store.scan(synced.space, StoreTable::Conflict, after, PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { break };
        after = last.clone();
        for (id, bytes) in rows {
            let kept: KeptConflict = codec::decode(&codec::conflict(synced.space, codec::number(&id)), &bytes)?;
            if is_meant(&kept) {
                if which == Dispute::Decided {
                    found.clear();
                }
                found.push(kept);
            }
        }
    }
    if found.is_empty() {
        let word = if which == Dispute::Open { "open" } else { "decided" };
        return Err(Failure::Request(format!("{record} has no {word} conflict; see `syncline conflicts {sync}`")));
    }
    Ok(found)
}
