//! What runs did: their records, newest first, and the journal of one of them.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_core::{
    Change, EntryState, FieldName, JournalEntry, PairId, Reason, RecordId, RunId, Settled, Side, SyncName, Value, Why,
};

use super::kept::KeptSync;
use super::naming::name_references;
use super::{Cell, Moment};
use crate::codec::{self, PAGE_ROWS};
use crate::masking::without;
use crate::{Key, RunKind, RunOutcome, RunRecord, Space, Store, StoreError, StoreTable, Tally};

/// A run in a few words and numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Its number.
    pub run: RunId,
    /// The sync.
    pub sync: SyncName,
    /// What it was for: `sync`, `undo` or `resolve`.
    pub kind: &'static str,
    /// The run that it took back.
    pub undoes: Option<RunId>,
    /// When it began.
    pub started_at: Moment,
    /// When it ended; none while it is under way or if it was interrupted.
    pub ended_at: Option<Moment>,
    /// How it ended, in a word of E8.2.
    pub outcome: Option<&'static str>,
    /// Why it ended like that.
    pub why: Option<String>,
    /// The budget that it waits for.
    pub waits_for: Option<Reason>,
    /// Until when it waits.
    pub waits_until: Option<Moment>,
    /// What it did.
    pub tally: Tally,
    /// True if every pair that was seen is in exactly one class (E8.2).
    pub adds_up: bool,
    /// What stopped it (E4.6).
    pub breaker: Option<String>,
    /// What cannot be right about what it read (E8.2).
    pub anomalies: Vec<String>,
    /// How many writes it set out to do.
    pub entries: u32,
}

impl RunSummary {
    /// Sums a record up.
    pub fn of(record: &RunRecord) -> Self {
        let (kind, undoes) = match record.kind {
            RunKind::Sync => ("sync", None),
            RunKind::Undo { of } => ("undo", Some(of)),
            RunKind::Resolve => ("resolve", None),
        };
        let (why, waits_until) = match &record.outcome {
            None | Some(RunOutcome::Ok) => (None, None),
            Some(RunOutcome::OkWithRejects { rejects }) => (Some(format!("{rejects} rejected")), None),
            Some(RunOutcome::Partial { why } | RunOutcome::Blocked { why, .. } | RunOutcome::Failed { why }) => {
                (Some(why.clone()), None)
            }
            Some(RunOutcome::Waiting { until, why, .. }) => (Some(why.clone()), Some(Moment(*until))),
        };
        Self {
            run: record.id,
            sync: record.sync.clone(),
            kind,
            undoes,
            started_at: Moment(record.started_at),
            ended_at: record.ended_at.map(Moment),
            outcome: record.outcome.as_ref().map(RunOutcome::word),
            why,
            waits_for: match &record.outcome {
                Some(RunOutcome::Waiting { reason, .. }) => Some(*reason),
                _ => None,
            },
            waits_until,
            tally: record.tally,
            adds_up: record.tally.adds_up(),
            breaker: match &record.outcome {
                Some(RunOutcome::Blocked { breaker, .. }) => Some(breaker.clone()),
                _ => None,
            },
            anomalies: record.anomalies.clone(),
            entries: record.entries,
        }
    }
}

/// A page of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct History {
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// Where the next page goes on, if there may be more: the oldest run of this one.
    pub next: Option<RunId>,
}

/// Lists at most `limit` runs older than `before`, newest first.
pub async fn history(
    store: &dyn Store,
    sync: Option<&SyncName>,
    before: Option<RunId>,
    limit: usize,
) -> Result<History, StoreError> {
    let (records, next) = newest_first(store, sync, before, limit).await?;
    Ok(History { runs: records.iter().map(RunSummary::of).collect(), next })
}

/// Walks back from `before`, or from the newest run, until `limit` runs of `sync` are found.
pub(super) async fn newest_first(
    store: &dyn Store,
    sync: Option<&SyncName>,
    before: Option<RunId>,
    limit: usize,
) -> Result<(Vec<RunRecord>, Option<RunId>), StoreError> {
    let next_run: u64 = codec::load(store, codec::meta(Space::HOST, "next-run")).await?.unwrap_or(1);
    let mut before = before.map_or(next_run, |run| run.0.min(next_run));
    let mut found: Vec<RunRecord> = Vec::new();
    while before > 1 {
        let low = before.saturating_sub(PAGE_ROWS as u64).max(1);
        for record in between(store, low, before).await?.into_iter().rev() {
            if sync.is_none_or(|sync| record.sync == *sync) {
                if found.len() >= limit {
                    let next = found.last().map(|record| record.id);
                    return Ok((found, next));
                }
                found.push(record);
            }
        }
        before = low;
    }
    Ok((found, None))
}

/// Reads the runs from `low` up to but without `high`. Runs are numbered without gaps, so that this is one page.
async fn between(store: &dyn Store, low: u64, high: u64) -> Result<Vec<RunRecord>, StoreError> {
    let after = codec::run(RunId(low - 1)).id;
    let limit = usize::try_from(high - low).unwrap_or(PAGE_ROWS);
    let rows = store.scan(Space::HOST, StoreTable::Run, after, limit).await?;
    let wanted = rows.into_iter().filter(|(id, _)| codec::number(id) < high);
    wanted.map(|(id, bytes)| codec::decode(&Key::new(Space::HOST, StoreTable::Run, id), &bytes)).collect()
}

/// Returns the summary of one run.
pub async fn run_summary(store: &dyn Store, run: RunId) -> Result<Option<RunSummary>, StoreError> {
    Ok(record(store, run).await?.as_ref().map(RunSummary::of))
}

pub(super) async fn record(store: &dyn Store, run: RunId) -> Result<Option<RunRecord>, StoreError> {
    codec::load(store, codec::run(run)).await
}

/// One field of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownField {
    /// The field.
    pub field: FieldName,
    /// What stood there before, as far as was known.
    pub before: Cell,
    /// What was to stand there.
    pub after: Cell,
    /// What the application made of it, where that differs.
    pub stored: Option<Cell>,
    /// Why.
    pub why: Why,
}

/// One write of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownChange {
    /// Its number within the run.
    pub number: u32,
    /// The pair.
    pub pair: PairId,
    /// The side that was written.
    pub side: Side,
    /// What was done: `create`, `update`, `delete`, `archive`, `tag` or `restore`.
    pub does: &'static str,
    /// The record.
    pub record: Option<RecordId>,
    /// What people call it.
    pub label: Option<String>,
    /// When the intent was written down.
    pub at: Moment,
    /// The fields.
    pub fields: Vec<ShownField>,
    /// What became of it: `written`, `not-done` or `open`.
    pub outcome: &'static str,
    /// When that was known.
    pub settled_at: Option<Moment>,
    /// Why it was not done.
    pub reason: Option<Reason>,
    /// What was said about that, with secrets removed.
    pub detail: Option<String>,
}

/// A page of what a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunPage {
    /// The run.
    #[serde(flatten)]
    pub run: RunSummary,
    /// Its writes, in the order in which they were sent.
    pub changes: Vec<ShownChange>,
    /// Where the next page goes on, if there may be more.
    pub next: Option<u32>,
}

/// Lists at most `limit` writes of a run after number `after`; none if there is no such run.
pub async fn show(
    store: &dyn Store,
    run: RunId,
    after: Option<u32>,
    limit: usize,
) -> Result<Option<RunPage>, StoreError> {
    let Some(record) = record(store, run).await? else { return Ok(None) };
    let kept = KeptSync::open(store, &record.sync).await?;
    let entries = journal(store, run, after, limit).await?;
    let next = (entries.len() == limit).then(|| entries.last().map(|entry| entry.number)).flatten();
    let pairs: Vec<PairId> = entries.iter().map(|entry| entry.pair).collect();
    let labels = match &kept {
        Some(kept) => kept.labels_of(&pairs).await?,
        None => BTreeMap::new(),
    };
    let changes = entries.iter().map(|entry| change(kept.as_ref(), entry, labels.get(&entry.pair).cloned()));
    let mut changes: Vec<ShownChange> = changes.collect();
    if let Some(kept) = &kept {
        let fields = changes.iter_mut().map(|change| (change.side, &mut change.fields));
        name_references(store, kept, fields.flat_map(|(side, fields)| cells(side, fields))).await?;
    }
    Ok(Some(RunPage { run: RunSummary::of(&record), changes, next }))
}

/// Reads at most `limit` journal entries of a run after number `after`.
pub(super) async fn journal(
    store: &dyn Store,
    run: RunId,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<JournalEntry>, StoreError> {
    let prefix = run.0.to_be_bytes();
    let after = after.map(|number| codec::journal(run, number).id);
    let rows = codec::scan_prefix(store, Space::HOST, StoreTable::Journal, &prefix, after.as_deref(), limit).await?;
    rows.into_iter().map(|(id, bytes)| codec::decode(&Key::new(Space::HOST, StoreTable::Journal, id), &bytes)).collect()
}

pub(super) fn change(kept: Option<&KeptSync<'_>>, entry: &JournalEntry, label: Option<String>) -> ShownChange {
    let mut shown = ShownChange {
        number: entry.number,
        pair: entry.pair,
        side: entry.change.side,
        does: entry.change.kind.verb(),
        record: entry.change.record.clone(),
        label,
        at: Moment(entry.at),
        fields: fields(kept, entry),
        outcome: "open",
        settled_at: None,
        reason: None,
        detail: None,
    };
    if let EntryState::Settled { at, outcome } = &entry.state {
        shown.settled_at = Some(Moment(*at));
        match outcome {
            Settled::Written { record, .. } => {
                shown.outcome = "written";
                shown.record = Some(record.clone());
            }
            Settled::NotDone { reason, detail } => {
                shown.outcome = "not-done";
                shown.reason = Some(*reason);
                shown.detail = Some(match kept {
                    Some(kept) => without(detail, &kept.secrets_of(&entry.change)),
                    None => detail.clone(),
                });
            }
        }
    }
    shown
}

fn fields(kept: Option<&KeptSync<'_>>, entry: &JournalEntry) -> Vec<ShownField> {
    shown_fields(kept, &entry.change, |field| stored(entry, field))
}

/// Returns the fields of a write, with what `stored` tells that became of them.
pub(super) fn shown_fields<'a>(
    kept: Option<&KeptSync<'_>>,
    change: &Change,
    stored: impl Fn(&FieldName) -> Option<&'a Value>,
) -> Vec<ShownField> {
    let side = change.side;
    let cell = |field: &FieldName, value: Option<&Value>| match kept {
        Some(kept) => kept.cell(side, field, value),
        // Without its schema nobody knows whether the field is sensitive.
        None => value.map_or(Cell::Unknown, |_| Cell::Masked),
    };
    let shown = change.fields.iter().map(|change| ShownField {
        field: change.field.clone(),
        before: cell(&change.field, change.before.as_ref()),
        after: cell(&change.field, Some(&change.after)),
        stored: stored(&change.field)
            .filter(|stored| **stored != change.after)
            .map(|stored| cell(&change.field, Some(stored))),
        why: change.why,
    });
    shown.collect()
}

/// Returns the values of a write to `side`.
pub(super) fn cells(side: Side, fields: &mut [ShownField]) -> impl Iterator<Item = (Side, &mut Cell)> {
    fields.iter_mut().flat_map(move |field| {
        let values = [&mut field.before, &mut field.after].into_iter().chain(&mut field.stored);
        values.map(move |cell| (side, cell))
    })
}

/// Returns what the application had in a field after the write.
pub(super) fn stored<'a>(entry: &'a JournalEntry, field: &FieldName) -> Option<&'a Value> {
    match &entry.state {
        EntryState::Settled { outcome: Settled::Written { stored, .. }, .. } => {
            stored.iter().find(|(name, _)| name == field).map(|(_, value)| value)
        }
        _ => None,
    }
}
