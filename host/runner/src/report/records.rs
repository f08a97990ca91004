//! The records behind the counts.

use serde::Serialize;
use syncline_core::{FieldName, Pair, PairId, PairState, Reason, RecordId, Side, SyncName};

use super::kept::KeptSync;
use super::{Class, Moment};
use crate::codec::PAGE_ROWS;
use crate::{Store, StoreError};

/// Which records are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub standing: Option<Class>,
    /// Only those with this reason.
    pub reason: Option<Reason>,
}

impl Filter {
    fn wants(&self, pair: &Pair) -> bool {
        let standing = pair.standing();
        self.standing.is_none_or(|class| class == Class::of(standing))
            && self.reason.is_none_or(|reason| pair.reason() == Some(reason))
    }
}

/// One pair and why it is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordLine {
    /// The pair.
    pub pair: PairId,
    /// The left record.
    pub left: Option<RecordId>,
    /// The right record.
    pub right: Option<RecordId>,
    /// What people call it.
    pub label: Option<String>,
    /// Where it stands.
    pub standing: Class,
    /// Why.
    pub reason: Option<Reason>,
    /// What was said about it, with secrets removed.
    pub detail: Option<String>,
    /// The side that it is about.
    pub side: Option<Side>,
    /// The field that it is about.
    pub field: Option<FieldName>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it is tried again by itself.
    pub next_at: Option<Moment>,
    /// Since when.
    pub since: Option<Moment>,
    /// The conflicts that wait for a person.
    pub open_conflicts: Vec<u64>,
    /// Of an ambiguous record: the ids with the same key on the left.
    pub left_candidates: Vec<RecordId>,
    /// And on the right.
    pub right_candidates: Vec<RecordId>,
}

/// A page of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<RecordLine>,
    /// Where the next page goes on, if there may be more.
    pub next: Option<PairId>,
}

/// Lists at most `limit` records after the pair `after`, in the order in which the sync came to know them.
pub async fn records(
    store: &dyn Store,
    sync: &SyncName,
    filter: Filter,
    after: Option<PairId>,
    limit: usize,
) -> Result<RecordPage, StoreError> {
    let mut found = RecordPage { records: Vec::new(), next: None };
    let Some(kept) = KeptSync::open(store, sync).await? else { return Ok(found) };
    let mut after = after;
    loop {
        let page = kept.synced.scan(after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        let mut wanted: Vec<(PairId, Pair)> = page.into_iter().filter(|(_, pair)| filter.wants(pair)).collect();
        let room = limit.saturating_sub(found.records.len());
        if wanted.len() > room {
            wanted.truncate(room);
            found.next = wanted.last().map(|(id, _)| *id).or(found.records.last().map(|line| line.pair));
        }
        found.records.extend(lines(&kept, wanted).await?);
        if found.next.is_some() || room == 0 {
            return Ok(found);
        }
    }
}

async fn lines(kept: &KeptSync<'_>, page: Vec<(PairId, Pair)>) -> Result<Vec<RecordLine>, StoreError> {
    let (ids, pairs): (Vec<PairId>, Vec<Pair>) = page.into_iter().unzip();
    let labels = kept.labels(&pairs).await?;
    let mut lines = Vec::new();
    for ((id, pair), label) in ids.into_iter().zip(pairs).zip(labels) {
        lines.push(line(kept, id, &pair, label).await?);
    }
    Ok(lines)
}

pub(super) async fn line(
    kept: &KeptSync<'_>,
    id: PairId,
    pair: &Pair,
    label: Option<String>,
) -> Result<RecordLine, StoreError> {
    let standing = pair.standing();
    let trouble = pair.trouble.as_ref();
    let [left_candidates, right_candidates] = candidates(pair);
    Ok(RecordLine {
        pair: id,
        left: pair.left.clone(),
        right: pair.right.clone(),
        label,
        standing: Class::of(standing),
        reason: pair.reason(),
        detail: kept.trouble_detail(pair).await?,
        side: trouble.and_then(|trouble| trouble.side),
        field: trouble.and_then(|trouble| trouble.field.clone()),
        attempts: trouble.map_or(0, |trouble| trouble.attempts),
        next_at: trouble.and_then(|trouble| trouble.next_at).map(Moment),
        since: trouble.map(|trouble| Moment(trouble.since)),
        open_conflicts: pair.open_conflicts.clone(),
        left_candidates,
        right_candidates,
    })
}

/// The ids among which an ambiguous record's counterpart may be, by side.
fn candidates(pair: &Pair) -> [Vec<RecordId>; 2] {
    let (PairState::Ambiguous { same_side, other_side }, Some(own)) = (&pair.state, pair.only_side()) else {
        return Default::default();
    };
    own.pick([same_side.clone(), other_side.clone()], [other_side.clone(), same_side.clone()])
}
