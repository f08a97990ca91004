//! Takes a run back (E9.6): in reverse order, and only what still is as the run left it.
//!
//! Invariant: an undone run leaves what was there before, except what people changed since, which it names. The base of
//! each side becomes what the undo left behind, so that the next run does not do it again.

use serde::{Deserialize, Serialize};
use syncline_core::{
    Agreed, Base, Change, ChangeKind, EntryState, FieldName, JournalEntry, MappingRule, Pair, PairId, PairState,
    PlanItem, Record, RecordId, Rules, RunId, Settled, Side,
};

use crate::codec;
use crate::conflicts::OpenConflicts;
use crate::replica::Known;
use crate::running::{RunKind, RunRecord, Running};
use crate::setup::{Context, SyncSetup};
use crate::trail::Trail;
use crate::{Failure, directed, planning, pull, recover};
pub(crate) use entry_by_entry::still_agreed;
use one_write::plan_entry;

mod entry_by_entry;
mod left;
mod one_write;
mod rounds;
mod verify;

pub use left::not_undone as left_alone;
pub use verify::Verified;

/// What is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Of this run.
    pub run: RunId,
    /// Only what it did to this record and its counterpart, by its id on either side.
    pub record: Option<RecordId>,
    /// Only what it wrote to this field, by its name on either side.
    pub field: Option<FieldName>,
}

impl Undo {
    /// Everything that a run did.
    pub fn run(run: RunId) -> Self {
        Self { run, record: None, field: None }
    }
}

/// One thing that an undo does not take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUndone {
    /// The pair.
    pub pair: PairId,
    /// The side.
    pub side: Side,
    /// The record.
    pub record: Option<RecordId>,
    /// The field, if it is about one.
    pub field: Option<FieldName>,
    /// Why.
    pub reason: String,
}

/// What an undo would do. Its changes are the current plan of the sync; what it leaves is read with [`left_alone`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndoPlan {
    /// Pairs with changes.
    pub items: u64,
    /// Changes.
    pub changes: u64,
    /// Things that stay.
    pub skipped: u64,
}

/// What an undo did. What it left alone, and what did not turn out as it should, is read with [`left_alone`].
#[derive(Clone, Debug, PartialEq)]
pub struct UndoReport {
    /// The undo as a run of its own, which can be undone in turn.
    pub record: RunRecord,
    /// What it set out to do.
    pub plan: UndoPlan,
    /// What a look afterwards found.
    pub verified: Verified,
}

/// Reads the records that a run wrote, as they are now, and says what taking it back would do.
pub async fn plan_undo(context: &Context, setup: &SyncSetup, undo: &Undo) -> Result<UndoPlan, Failure> {
    let mut running = open(context, setup, undo.run).await?;
    Planner::plan(&mut running, undo).await
}

/// Takes a run back, and looks at every record that was written whether it is as it should be.
pub async fn undo(context: &Context, setup: &SyncSetup, undo: &Undo) -> Result<UndoReport, Failure> {
    let mut running = open(context, setup, undo.run).await?;
    let plan = Planner::plan(&mut running, undo).await?;
    directed::carry_out(&mut running, plan.changes).await?;
    let verified = verify::verify(&mut running, plan.skipped).await?;
    Ok(UndoReport { record: running.run.clone(), plan, verified })
}

async fn open<'a>(context: &'a Context, setup: &'a SyncSetup, run: RunId) -> Result<Running<'a>, Failure> {
    let mut running = Running::open(context, setup, RunKind::Undo { of: run }).await?;
    let record: Option<RunRecord> = codec::load(running.synced.store, codec::run(run)).await?;
    match record {
        None => return Err(Failure::Request(format!("there is no run {}", run.0))),
        Some(record) if record.sync != setup.name => {
            return Err(Failure::Request(format!("run {} belongs to the sync {}", run.0, record.sync)));
        }
        Some(_) => {}
    }
    recover::recover(&mut running).await?;
    Ok(running)
}

/// Plans a page of the journal at a time, the last one first: memory does not grow with the run.
struct Planner<'a> {
    undo: &'a Undo,
    plan: UndoPlan,
    skipped: Vec<NotUndone>,
}

impl Planner<'_> {
    async fn plan(running: &mut Running<'_>, undo: &Undo) -> Result<UndoPlan, Failure> {
        let mut planner = Planner { undo, plan: UndoPlan::default(), skipped: Vec::new() };
        left::forget(running).await?;
        match &undo.record {
            Some(record) => {
                let mut ids = Vec::new();
                for side in Side::BOTH {
                    ids.extend(
                        running.synced.pairs_of(side, std::slice::from_ref(record)).await?.into_iter().flatten(),
                    );
                }
                ids.dedup();
                planner.pairs(running, ids).await?;
            }
            None => planner.run(running).await?,
        }
        if planner.plan == UndoPlan::default() && (undo.record.is_some() || undo.field.is_some()) {
            let what = undo.record.as_ref().map_or_else(|| "such a field".to_owned(), ToString::to_string);
            return Err(Failure::Request(format!("run {} wrote nothing to {what}", undo.run.0)));
        }
        Ok(planner.plan)
    }

    /// Goes through the journal of the run backwards.
    async fn run(&mut self, running: &mut Running<'_>) -> Result<(), Failure> {
        let run = self.undo.run;
        let record: Option<RunRecord> = codec::load(running.synced.store, codec::run(run)).await?;
        let mut before = record.map_or(0, |record| record.entries);
        while before > 0 {
            let from = before.saturating_sub(ENTRIES_MAX);
            let keys = (from..before).rev().map(|number| codec::journal(run, number)).collect();
            before = from;
            let entries: Vec<Option<JournalEntry>> = codec::load_all(running.synced.store, keys).await?;
            let entries: Vec<JournalEntry> = entries.into_iter().flatten().filter(is_done).collect();
            let ids: Vec<PairId> = entries.iter().map(|entry| entry.pair).collect();
            let mut pages = Vec::new();
            for (entry, pair) in entries.iter().zip(running.synced.pairs(&ids).await?) {
                let Some(pair) = pair else {
                    let gone = "its pair is gone: it was joined with another";
                    self.skipped.push(not_undone(entry, None, gone));
                    continue;
                };
                let all = entries_of(running, &pair, run).await?;
                // What the run did to a pair is taken back as one, where the run came to it last.
                if all.first().is_some_and(|last| last.number == entry.number) {
                    pages.push((entry.pair, pair, all));
                }
            }
            self.page(running, pages).await?;
        }
        Ok(())
    }

    /// Goes through given pairs.
    async fn pairs(&mut self, running: &mut Running<'_>, ids: Vec<PairId>) -> Result<(), Failure> {
        let mut page = Vec::new();
        for (id, pair) in ids.iter().zip(running.synced.pairs(&ids).await?) {
            if let Some(pair) = pair {
                let all = entries_of(running, &pair, self.undo.run).await?;
                page.push((*id, pair, all));
            }
        }
        self.page(running, page).await
    }

    /// Looks at the records of a page of pairs as they are now, and writes down what to do and what not.
    async fn page(
        &mut self,
        running: &mut Running<'_>,
        page: Vec<(PairId, Pair, Vec<JournalEntry>)>,
    ) -> Result<(), Failure> {
        refresh(
            running,
            page.iter().flat_map(|(_, pair, entries)| entries.iter().map(move |entry| (entry, Some(pair)))),
        )
        .await?;
        let mut items = Vec::new();
        for (id, pair, mut entries) in page {
            if let Some(field) = &self.undo.field {
                only_field(&mut entries, field, &mut self.skipped);
            }
            items.extend(plan_pair(running, id, &pair, entries, &mut self.skipped).await?);
        }
        self.plan.items += items.len() as u64;
        self.plan.changes += items.iter().map(|item| item.changes.len() as u64).sum::<u64>();
        directed::plan(running, &items).await?;
        self.plan.skipped = left::keep(running, self.plan.skipped, &mut self.skipped).await?;
        Ok(())
    }
}

/// Journal entries that are planned together.
const ENTRIES_MAX: u32 = 256;

fn is_done(entry: &JournalEntry) -> bool {
    matches!(entry.state, EntryState::Settled { outcome: Settled::Written { .. }, .. })
}

/// Returns what a run did to a pair, the last write first.
async fn entries_of(running: &Running<'_>, pair: &Pair, run: RunId) -> Result<Vec<JournalEntry>, Failure> {
    let mut trail = Trail::of(running.synced.store, pair);
    let mut entries = Vec::new();
    while let Some(entry) = trail.older().await? {
        if entry.run < run {
            break;
        }
        entries.extend(Some(entry).filter(|entry| entry.run == run));
    }
    Ok(entries)
}

/// Keeps of each write what it did to one field.
fn only_field(entries: &mut Vec<JournalEntry>, field: &FieldName, skipped: &mut Vec<NotUndone>) {
    entries.retain_mut(|entry| {
        if entry.change.fields.iter().all(|change| change.field != *field) {
            return false;
        }
        if entry.change.kind != ChangeKind::Update {
            let why = "the run wrote the record as a whole; undo it without a field";
            skipped.push(not_undone(entry, Some(field.clone()), why));
            return false;
        }
        entry.change.fields.retain(|change| change.field == *field);
        true
    });
}

/// Reads the records that were written as they are now, and those that are in their place in a pair.
async fn refresh(
    running: &mut Running<'_>,
    entries: impl Iterator<Item = (&JournalEntry, Option<&Pair>)>,
) -> Result<(), Failure> {
    let mut ids: [Vec<RecordId>; 2] = Default::default();
    for (entry, pair) in entries {
        let side = entry.change.side;
        let written = written(entry);
        let own = pair.and_then(|pair| pair.id(side)).filter(|own| Some(*own) != written);
        ids[side.pick(0, 1)].extend(written.into_iter().chain(own).cloned());
    }
    for (side, ids) in Side::BOTH.into_iter().zip(ids) {
        let batch = running.endpoint(side).described.object.get_batch_max.max(1) as usize;
        for chunk in ids.chunks(batch) {
            pull::look(running.endpoint_mut(side), chunk, &mut pull::Pulled::default()).await?;
        }
    }
    Ok(())
}

/// Plans the way back for one pair.
async fn plan_pair(
    running: &Running<'_>,
    id: PairId,
    pair: &Pair,
    entries: Vec<JournalEntry>,
    skipped: &mut Vec<NotUndone>,
) -> Result<Option<PlanItem>, Failure> {
    if matches!(pair.state, PairState::Creating { .. }) {
        // Settling anything else of it would take the create off the list of those to look up.
        let why = "what became of a create is not known yet; undo it again after the next run";
        skipped.extend(entries.iter().map(|entry| not_undone(entry, None, why)));
        return Ok(None);
    }
    let mut item = PlanItem::of(id, pair, pair.state.clone());
    let mut is_alone = false;
    for entry in &rounds::join(entries, skipped) {
        if is_others(running, id, entry).await? {
            skipped.push(not_undone(entry, None, "it came back, and belongs to another pair since"));
            continue;
        }
        let now = now(running, pair, entry).await?;
        plan_entry(running, pair, entry, now, &mut item, skipped);
        let brings_back = |change: &&Change| matches!(change.kind, ChangeKind::Create | ChangeKind::Restore { .. });
        if let Some(change) = item.changes.last().filter(brings_back) {
            match running.record_of(pair, change.side.other()).await? {
                Some(_) => item.then = PairState::Linked,
                // Alone as it is, it holds what the undo left behind, and nobody's edit.
                None => {
                    is_alone = true;
                    item.agreed.extend(brought_back(&running.setup.rules));
                }
            }
        }
    }
    let (left, right) = (running.record_of(pair, Side::Left).await?, running.record_of(pair, Side::Right).await?);
    // What people are to decide stays so (E3.1): nobody agrees on what the undo leaves behind there.
    let open = OpenConflicts::read(&running.synced, std::iter::once(pair)).await?;
    item.agreed.retain(|agreed| !is_unpaired(pair) && (is_alone || !open.is_about(agreed)));
    item.seen = planning::seen([left.as_ref(), right.as_ref()], &item.agreed);
    Ok(Some(item).filter(|item| !item.changes.is_empty()))
}

/// The fields of a record that an undo brings back without its counterpart: all it holds is nobody's edit.
pub(crate) fn brought_back(rules: &Rules) -> impl Iterator<Item = Agreed> {
    let mapped = rules.mappings.iter().filter(|mapping| mapping.rule != MappingRule::Off);
    mapped.map(Agreed::under)
}

/// True of a pair that left the scope and agrees on nothing any more: where its records come back they meet as if for the
/// first time (E5.5), and an edit that was never carried is a conflict then.
fn is_unpaired(pair: &Pair) -> bool {
    matches!(pair.state, PairState::OutOfScope { .. }) && pair.base == Base::default()
}

/// Returns the written record as it is now, or the one into which it was merged. In the place of one that was taken away,
/// whatever has it now.
async fn now(running: &Running<'_>, pair: &Pair, entry: &JournalEntry) -> Result<Option<Record>, Failure> {
    let side = entry.change.side;
    let Some(written) = written(entry) else { return Ok(None) };
    let ids: Vec<RecordId> = match pair.id(side) {
        Some(own) if takes_away(entry) => vec![own.clone(), written.clone()],
        Some(own) if own == written || pair.aliases.contains(&(side, written.clone())) => vec![own.clone()],
        // Another record was made in its place since.
        Some(_) => return Ok(None),
        None => vec![written.clone()],
    };
    let known = running.endpoint(side).replica().get(&ids).await?;
    Ok(known.into_iter().find_map(|known| match known {
        Some(Known::Here(record)) => Some(record),
        Some(Known::Gone(_)) | None => None,
    }))
}

/// True if a record that was taken away came back meanwhile and has belonged to another pair since.
async fn is_others(running: &Running<'_>, id: PairId, entry: &JournalEntry) -> Result<bool, Failure> {
    let Some(record) = written(entry).filter(|_| takes_away(entry)) else { return Ok(false) };
    let owner = running.synced.pairs_of(entry.change.side, std::slice::from_ref(record)).await?.pop().flatten();
    Ok(owner.is_some_and(|owner| owner != id))
}

fn written(entry: &JournalEntry) -> Option<&RecordId> {
    match &entry.state {
        EntryState::Settled { outcome: Settled::Written { record, .. }, .. } => Some(record),
        _ => None,
    }
}

fn takes_away(entry: &JournalEntry) -> bool {
    matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive)
}

fn not_undone(entry: &JournalEntry, field: Option<FieldName>, reason: &str) -> NotUndone {
    let record = match &entry.state {
        EntryState::Settled { outcome: Settled::Written { record, .. }, .. } => Some(record.clone()),
        _ => entry.change.record.clone(),
    };
    NotUndone { pair: entry.pair, side: entry.change.side, record, field, reason: reason.to_owned() }
}
