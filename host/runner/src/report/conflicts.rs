//! The conflicts of a sync: those that wait for a person, and those that a rule or a person decided (E3.4).

use serde::Serialize;
use syncline_core::{Conflict, Decided, FieldName, Pair, PairId, RecordId, RunId, Side, SyncName};

use super::kept::KeptSync;
use super::naming::name_references;
use super::{Cell, Moment};
use crate::codec::{self, PAGE_ROWS};
use crate::masking::without;
use crate::synced::KeptConflict;
use crate::{Store, StoreError, StoreTable};

/// What became of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictStatus {
    /// It waits for a person.
    Open,
    /// It was open, and went away by itself: the sides were edited to agree, or a record is gone.
    Settled,
    /// A rule decided.
    Decided,
    /// A person decided.
    DecidedByPerson,
}

impl ConflictStatus {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            ConflictStatus::Open => "open",
            ConflictStatus::Settled => "settled",
            ConflictStatus::Decided => "decided",
            ConflictStatus::DecidedByPerson => "decided-by-person",
        }
    }
}

/// One field of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownConflictField {
    /// The left field.
    pub left_field: FieldName,
    /// The right field.
    pub right_field: FieldName,
    /// What the left had when the sides last agreed.
    pub left_base: Cell,
    /// What the right had then.
    pub right_base: Cell,
    /// The left value.
    pub left: Cell,
    /// The right value.
    pub right: Cell,
}

/// A conflict with everything that was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownConflict {
    /// Its number within the sync.
    pub number: u64,
    /// The pair.
    pub pair: PairId,
    /// The left record.
    pub left: Option<RecordId>,
    /// The right record.
    pub right: Option<RecordId>,
    /// What people call it.
    pub label: Option<String>,
    /// The run that found it.
    pub run: RunId,
    /// When.
    pub at: Moment,
    /// What became of it.
    pub status: ConflictStatus,
    /// By which rule: `newest`, `in-doubt`, `preferred`, `resolver`, `merged`, `manual`, `quarantined` or `person`.
    pub rule: &'static str,
    /// Why nobody decided, where more is known.
    pub detail: Option<String>,
    /// The side whose value is kept.
    pub winner: Option<Side>,
    /// When the left value was set.
    pub left_time: Option<Moment>,
    /// When the right value was set.
    pub right_time: Option<Moment>,
    /// The fields.
    pub fields: Vec<ShownConflictField>,
}

/// A page of conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConflictPage {
    /// The conflicts, the newest first.
    pub conflicts: Vec<ShownConflict>,
    /// The number below which the next page goes on, if there are more.
    pub next: Option<u64>,
}

/// Lists at most `limit` conflicts with a number below `before`, the newest first: the open ones, or with `all` the others
/// too.
pub async fn conflicts(
    store: &dyn Store,
    sync: &SyncName,
    all: bool,
    before: Option<u64>,
    limit: usize,
) -> Result<ConflictPage, StoreError> {
    let mut found = ConflictPage { conflicts: Vec::new(), next: None };
    let Some(kept) = KeptSync::open(store, sync).await? else { return Ok(found) };
    let mut before = before.unwrap_or(kept.state.next_conflict.saturating_add(1));
    while before > 0 {
        // Those of one window of numbers, of which there are no more than rows on a page.
        let from = before.saturating_sub(PAGE_ROWS as u64);
        let mut page = page(&kept, from.checked_sub(1)).await?;
        page.retain(|conflict| conflict.number < before);
        page.reverse();
        before = from;
        let ids: Vec<PairId> = page.iter().map(|conflict| conflict.pair).collect();
        let pairs = kept.synced.pairs(&ids).await?;
        let mut wanted: Vec<(KeptConflict, Option<Pair>)> =
            page.into_iter().zip(pairs).filter(|(conflict, pair)| all || is_open(conflict, pair.as_ref())).collect();
        let room = limit.saturating_sub(found.conflicts.len());
        let is_full = wanted.len() > room;
        wanted.truncate(room);
        let pairs: Vec<Pair> = wanted.iter().filter_map(|(_, pair)| pair.clone()).collect();
        let mut labels = kept.labels(&pairs).await?.into_iter();
        for (conflict, pair) in wanted {
            let label = pair.as_ref().and_then(|_| labels.next().flatten());
            found.conflicts.push(shown(&kept, &conflict, pair.as_ref(), label));
        }
        if is_full {
            found.next = found.conflicts.last().map(|conflict| conflict.number);
            break;
        }
    }
    name_references(store, &kept, found.conflicts.iter_mut().flat_map(cells)).await?;
    Ok(found)
}

/// Returns the values of a conflict.
pub(super) fn cells(conflict: &mut ShownConflict) -> impl Iterator<Item = (Side, &mut Cell)> {
    conflict.fields.iter_mut().flat_map(|field| {
        let left = [&mut field.left_base, &mut field.left].map(|cell| (Side::Left, cell));
        let right = [&mut field.right_base, &mut field.right].map(|cell| (Side::Right, cell));
        left.into_iter().chain(right)
    })
}

/// Reads a page of conflicts as they are kept.
pub(super) async fn page(kept: &KeptSync<'_>, after: Option<u64>) -> Result<Vec<KeptConflict>, StoreError> {
    let space = kept.synced.space;
    let from = after.map_or_else(Vec::new, |number| codec::conflict(space, number).id);
    let rows = kept.synced.store.scan(space, StoreTable::Conflict, from, PAGE_ROWS).await?;
    rows.into_iter().map(|(id, bytes)| codec::decode(&codec::conflict(space, codec::number(&id)), &bytes)).collect()
}

fn is_open(conflict: &KeptConflict, pair: Option<&Pair>) -> bool {
    pair.is_some_and(|pair| pair.open_conflicts.contains(&conflict.number))
}

pub(super) fn shown(
    kept: &KeptSync<'_>,
    conflict: &KeptConflict,
    pair: Option<&Pair>,
    label: Option<String>,
) -> ShownConflict {
    let decided = &conflict.conflict.decided;
    ShownConflict {
        number: conflict.number,
        pair: conflict.pair,
        left: pair.and_then(|pair| pair.left.clone()),
        right: pair.and_then(|pair| pair.right.clone()),
        label,
        run: conflict.run,
        at: Moment(conflict.at),
        status: match decided {
            _ if is_open(conflict, pair) => ConflictStatus::Open,
            Decided::Open | Decided::Quarantined => ConflictStatus::Settled,
            Decided::ByPerson(_) => ConflictStatus::DecidedByPerson,
            Decided::Newer(_)
            | Decided::InDoubt(_)
            | Decided::Preferred(_)
            | Decided::ByResolver(_)
            | Decided::Merged => ConflictStatus::Decided,
        },
        rule: match decided {
            Decided::Newer(_) => "newest",
            Decided::InDoubt(_) => "in-doubt",
            Decided::Preferred(_) => "preferred",
            Decided::ByResolver(_) => "resolver",
            Decided::Merged => "merged",
            Decided::Open => "manual",
            Decided::Quarantined => "quarantined",
            Decided::ByPerson(_) => "person",
        },
        detail: conflict.conflict.detail.as_ref().map(|detail| without(detail, &kept.secrets_in(&conflict.conflict))),
        winner: decided.winner(),
        left_time: conflict.conflict.left_time.map(Moment),
        right_time: conflict.conflict.right_time.map(Moment),
        fields: fields(kept, &conflict.conflict),
    }
}

fn fields(kept: &KeptSync<'_>, conflict: &Conflict) -> Vec<ShownConflictField> {
    let shown = conflict.fields.iter().map(|field| {
        let left = |value| kept.cell(Side::Left, &field.left_field, value);
        let right = |value| kept.cell(Side::Right, &field.right_field, value);
        ShownConflictField {
            left_field: field.left_field.clone(),
            right_field: field.right_field.clone(),
            left_base: left(field.left_base.as_ref()),
            right_base: right(field.right_base.as_ref()),
            left: left(Some(&field.left)),
            right: right(Some(&field.right)),
        }
    });
    shown.collect()
}
