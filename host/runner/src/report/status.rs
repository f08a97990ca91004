//! How a sync is doing, in numbers that are all derived from its pairs (E8.5).

use serde::Serialize;
use syncline_core::{Instant, Reason, RunId, SyncName};

use super::kept::KeptSync;
use super::runs::newest_first;
use super::{Class, Moment, RunSummary};
use crate::codec::{self, PAGE_ROWS};
use crate::{Store, StoreError, StoreTable, Totals, WaitingDeletes};

/// How many records stand somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Where.
    pub standing: Class,
    /// Why.
    pub reason: Option<Reason>,
    /// How many pairs.
    pub pairs: u64,
    /// What that means, and what to do.
    pub meaning: Option<&'static str>,
}

/// A run that has left something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRun {
    /// Its number.
    pub run: RunId,
    /// When it began.
    pub started_at: Option<Moment>,
    /// True: it ended early, and the next run takes up what it left. False: it is under way, or was interrupted.
    pub ended: bool,
}

/// How a sync is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// The sync.
    pub sync: SyncName,
    /// How many pairs it has.
    pub pairs: u64,
    /// Where they stand.
    pub counts: Vec<Count>,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
    /// Deletes that wait for a person (E4.5).
    pub waiting_deletes: Option<WaitingDeletes>,
    /// Pairs with writes in the current plan.
    pub planned: u64,
    /// Pairs that the next run looks at.
    pub queued: u64,
    /// Pairs that are tried again later.
    pub retries: u64,
    /// When the first of them is.
    pub next_retry: Option<Moment>,
    /// A run that has left something to do.
    pub open_run: Option<OpenRun>,
    /// The newest run.
    pub last_run: Option<RunSummary>,
}

/// Tells how a sync is doing; one that has never run has nothing but zeros.
pub async fn status(store: &dyn Store, sync: &SyncName) -> Result<SyncStatus, StoreError> {
    let mut status = SyncStatus {
        sync: sync.clone(),
        pairs: 0,
        counts: Vec::new(),
        open_conflicts: 0,
        waiting_deletes: None,
        planned: 0,
        queued: 0,
        retries: 0,
        next_retry: None,
        open_run: None,
        last_run: None,
    };
    let Some(kept) = KeptSync::open(store, sync).await? else { return Ok(status) };
    count_pairs(&kept.state.totals, &mut status);
    count_list(&kept, &mut status).await?;
    status.waiting_deletes = kept.state.waiting.clone();
    status.planned = count_plan(&kept).await?;
    status.last_run = newest_first(store, Some(sync), None, 1).await?.0.first().map(RunSummary::of);
    if let Some(run) = kept.state.open_run {
        let record: Option<crate::RunRecord> = codec::load(store, codec::run(run)).await?;
        let started_at = record.as_ref().map(|record| Moment(record.started_at));
        status.open_run = Some(OpenRun { run, started_at, ended: record.is_some_and(|run| run.ended_at.is_some()) });
    }
    Ok(status)
}

/// Returns the pairs of a sync in numbers.
pub async fn totals(store: &dyn Store, sync: &SyncName) -> Result<Totals, StoreError> {
    Ok(KeptSync::open(store, sync).await?.map(|kept| kept.state.totals).unwrap_or_default())
}

fn count_pairs(totals: &Totals, status: &mut SyncStatus) {
    status.pairs = totals.pairs();
    status.open_conflicts = totals.open_conflicts;
    let counts = totals.counts.iter().map(|(&(standing, reason), &pairs)| Count {
        standing: Class::of(standing),
        reason,
        pairs,
        meaning: reason.map(Reason::describe),
    });
    status.counts = counts.collect();
}

async fn count_list(kept: &KeptSync<'_>, status: &mut SyncStatus) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = kept.synced.queued(Instant::MAX, after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for (due, _) in page {
            if due == 0 {
                status.queued += 1;
            } else {
                status.retries += 1;
                status.next_retry.get_or_insert(Moment(due));
            }
        }
    }
}

async fn count_plan(kept: &KeptSync<'_>) -> Result<u64, StoreError> {
    let mut planned = 0;
    let mut after = Vec::new();
    loop {
        let mut rows = kept.synced.store.scan(kept.synced.space, StoreTable::Plan, after, PAGE_ROWS).await?;
        planned += rows.len() as u64;
        let Some((last, _)) = rows.pop() else { return Ok(planned) };
        after = last;
    }
}
