//! What would be written, for people: a plan, or the taking back of a run.

use serde::Serialize;
use syncline_core::{Change, Chosen, Lasting, PairId, PlanItem, RecordId, Side, SyncName};

use super::ShownField;
use super::kept::KeptSync;
use super::naming::name_references;
use super::runs::{cells, shown_fields};
use crate::{Store, StoreError};

/// One write of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// The side that would be written.
    pub side: Side,
    /// What would be done: `create`, `update`, `delete`, `archive`, `tag` or `restore`.
    pub does: &'static str,
    /// The record; none for a create.
    pub record: Option<RecordId>,
    /// What of it outlasts an undo (E9.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Lasting>,
    /// The fields.
    pub fields: Vec<ShownField>,
}

/// What a plan holds for one pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedPair {
    /// The pair.
    pub pair: PairId,
    /// What people call it.
    pub label: Option<String>,
    /// The left record.
    pub left: Option<RecordId>,
    /// The right record.
    pub right: Option<RecordId>,
    /// Why just these records become a pair, where several had their key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// The writes.
    pub changes: Vec<PlannedChange>,
    /// Conflicts behind them.
    pub conflicts: u64,
}

/// Returns items of a plan as people may see them: with names, and without what sensitive fields hold; `lasting` says what
/// of a write outlasts an undo.
pub async fn planned(
    store: &dyn Store,
    sync: &SyncName,
    items: &[PlanItem],
    lasting: impl Fn(&Change) -> Option<Lasting>,
) -> Result<Vec<PlannedPair>, StoreError> {
    let kept = KeptSync::open(store, sync).await?;
    let ids: Vec<PairId> = items.iter().map(|item| item.pair).collect();
    let labels = match &kept {
        Some(kept) => kept.labels_of(&ids).await?,
        None => Default::default(),
    };
    let pairs = items.iter().map(|item| PlannedPair {
        pair: item.pair,
        label: labels.get(&item.pair).cloned(),
        left: item.left.clone(),
        right: item.right.clone(),
        chosen: item.chosen.clone(),
        changes: changes(kept.as_ref(), item, &lasting),
        conflicts: item.conflicts.len() as u64,
    });
    let mut pairs: Vec<PlannedPair> = pairs.collect();
    if let Some(kept) = &kept {
        let changes = pairs.iter_mut().flat_map(|pair| &mut pair.changes);
        name_references(store, kept, changes.flat_map(|change| cells(change.side, &mut change.fields))).await?;
    }
    Ok(pairs)
}

fn changes(
    kept: Option<&KeptSync<'_>>,
    item: &PlanItem,
    lasting: &impl Fn(&Change) -> Option<Lasting>,
) -> Vec<PlannedChange> {
    let changes = item.changes.iter().map(|change| PlannedChange {
        side: change.side,
        does: change.kind.verb(),
        record: change.record.clone(),
        lasting: lasting(change),
        fields: shown_fields(kept, change, |_| None),
    });
    changes.collect()
}
