//! Takes in what became of a page of changes: replica, base, pair and journal change in one commit.

use std::collections::BTreeMap;

use syncline_core::{
    Base, Change, ChangeKind, Conflict, CreatePromise, Fate, FieldName, Instant, JournalEntry, Mapping, MappingRule,
    Pair, PairId, PairState, PlanItem, Reason, RecordId, Rules, RunId, Settled, Side, Tombstone, Value, Why,
};

use crate::codec;
use crate::conflicts::{self, OpenConflicts};
use crate::owners::Owners;
use crate::planning::{left_out, new_trouble};
use crate::push::Pending;
use crate::replica::{Known, Written};
use crate::running::{BudgetWait, RunKind, Running};
use crate::send::retry_at;
use crate::sent::{Done, Sent, Stored};
use crate::totals::Place;
use crate::{Batch, Failure, Row, Table, masking, origins, untold};
use agreeing::agree;

mod agreeing;

/// Failed attempts after which a record is not tried again: 8 in runs, 10 every 20 minutes, 30 daily (E8.1).
const ATTEMPTS_MAX: u32 = 8 + 10 + 30;

/// What the page teaches about one side.
#[derive(Default)]
struct Lessons {
    /// Records as they were looked up when a write to them, or one that they were in the way of, was not done.
    looked_up: Vec<Stored>,
    /// Records as writes left them.
    stored: Vec<Stored>,
    gone: Vec<Tombstone>,
    /// Where written values came from.
    written: Written,
}

/// Settles a page.
pub(crate) async fn settle(running: &mut Running<'_>, page: Vec<Pending>) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let mut lessons: [Lessons; 2] = Default::default();
    let ids: Vec<PairId> = page.iter().map(|pending| pending.item.pair).collect();
    let pairs = running.synced.pairs(&ids).await?;
    let known = Rows::read(running, &page).await?;
    let open = OpenConflicts::read(&running.synced, pairs.iter().flatten()).await?;
    let mut owners = Owners::read(running, &page).await?;
    for (pending, pair) in page.into_iter().zip(pairs) {
        let plan = codec::plan(running.synced.space, pending.number);
        match untold::rest(&pending.item, &pending.sent) {
            Some(rest) => codec::put(&mut batch, plan, &rest),
            None => batch.delete(plan),
        }
        // A pair in the plan is dropped by nobody; were it gone, there would be nothing left to settle.
        let Some(mut pair) = pair else { continue };
        let (id, before) = (pending.item.pair, Place::of(&pair));
        let belongs_to_others = owners.make_way(running, &pending, &mut batch);
        settle_item(running, &mut pair, pending, (&known, &open), &mut lessons, &mut batch);
        if let Some((side, into)) = belongs_to_others {
            pair.set_id(side, None);
            pair.state = PairState::PairCollision { side, into };
        }
        running.synced.put(&mut batch, &mut running.state.totals, id, (Some(before), &pair));
    }
    for (side, lessons) in Side::BOTH.into_iter().zip(lessons) {
        learn(running, side, lessons, &mut batch).await?;
    }
    codec::put(&mut batch, running.synced.state_key(), &running.state);
    codec::put(&mut batch, codec::run(running.run.id), &running.run);
    running.synced.store.commit(batch).await?;
    Ok(())
}

/// The records of a page as they were known before it was sent.
struct Rows([BTreeMap<RecordId, Known>; 2]);

impl Rows {
    async fn read(running: &Running<'_>, page: &[Pending]) -> Result<Self, Failure> {
        let mut rows: [BTreeMap<RecordId, Known>; 2] = Default::default();
        for (side, rows) in Side::BOTH.into_iter().zip(&mut rows) {
            let ids: Vec<RecordId> =
                page.iter().filter_map(|pending| side.pick(&pending.item.left, &pending.item.right).clone()).collect();
            let known = running.endpoint(side).replica().get(&ids).await?;
            *rows = ids.into_iter().zip(known).filter_map(|(id, known)| Some((id, known?))).collect();
        }
        Ok(Self(rows))
    }

    /// True if the record is there.
    fn has(&self, side: Side, id: Option<&RecordId>) -> bool {
        let known = id.and_then(|id| self.0[side.pick(0, 1)].get(id));
        matches!(known, Some(Known::Here(_)))
    }

    fn value(&self, side: Side, id: Option<&RecordId>, field: &FieldName) -> Option<Value> {
        match self.0[side.pick(0, 1)].get(id?)? {
            Known::Here(record) => record.get(field).cloned(),
            Known::Gone(_) => None,
        }
    }
}

fn settle_item(
    running: &mut Running<'_>,
    pair: &mut Pair,
    mut pending: Pending,
    (rows, open): (&Rows, &OpenConflicts),
    lessons: &mut [Lessons; 2],
    batch: &mut Batch,
) {
    let id = pending.item.pair;
    let sent = std::mem::take(&mut pending.sent);
    // A change without entry was never sent: its run stopped between finding that out and noting it.
    let all_done = sent.len() == pending.item.changes.len() && sent.iter().all(|sent| matches!(sent, Sent::Done(_)));
    for (entry, sent) in pending.entries.iter_mut().zip(&sent) {
        if journal(running, entry, sent, batch) {
            pair.last_write = pair.last_write.max(Some(entry.id()));
        }
        if let Sent::Done(done) = sent {
            let written = origins::written(&pending.item.passages, entry, done);
            if !written.is_empty() {
                lessons[entry.change.side.pick(0, 1)].written.insert(done.id.clone(), written);
            }
            take_over(running, pair, entry, done, lessons);
        }
    }
    agree(running, pair, &pending, &sent, rows);
    if sent.contains(&Sent::Not) {
        // What hangs on the whole is settled with the rest.
        tell_lost(running, &pending, &sent, batch);
    } else if all_done {
        if running.run.kind == RunKind::Sync && is_merged_next(&running.setup.rules, &pending.item) {
            running.synced.queue(batch, 0, id);
        }
        pair.state = pending.item.then.clone();
        pair.trouble = left_out(std::mem::take(&mut pending.item.left_out), running.context.world.now());
        if let Some(at) = pair.trouble.as_ref().and_then(|trouble| trouble.next_at) {
            running.synced.queue(batch, at, id);
        }
        let conflicts = pending.item.conflicts;
        match running.run.kind {
            RunKind::Sync => {
                let decided = conflicts.iter().filter(|conflict| !conflict.decided.waits());
                running.run.tally.conflicts += decided.count() as u64;
                conflicts::keep_all(running, pair, id, conflicts, open, batch);
            }
            RunKind::Resolve => {
                let numbers = std::mem::take(&mut pending.item.decides).into_iter();
                conflicts::close(running, pair, id, numbers.zip(conflicts), batch);
            }
            // Whether they are still there is found by the next plan.
            RunKind::Undo { .. } => {}
        }
        let is_whole = pair.open_conflicts.is_empty() && pair.trouble.is_none();
        running.count(id, (!is_whole).then(|| pair.standing()));
    } else {
        tell_lost(running, &pending, &sent, batch);
        let entries = pending.entries.iter().zip(sent).filter(|(_, sent)| !matches!(sent, Sent::Done(_)));
        let failed: Vec<(JournalEntry, Sent)> = entries.map(|(entry, sent)| (entry.clone(), sent)).collect();
        for (entry, sent) in failed {
            fail(running, pair, &entry, sent, lessons, batch);
        }
        running.count(id, Some(pair.standing()));
    }
}

/// True if something may differ from the base once an item is done: all of a record that was brought back, and what was
/// written under one mapping and not agreed on under another.
fn is_merged_next(rules: &Rules, item: &PlanItem) -> bool {
    let is_agreed = |mapping: &Mapping| item.agreed.iter().any(|agreed| agreed.is_under(mapping));
    let meets_another = |side: Side, field: &FieldName| {
        let mut mappings = rules.mappings.iter().filter(|mapping| mapping.rule != MappingRule::Off);
        mappings.any(|mapping| mapping.field(side) == field && !is_agreed(mapping))
    };
    item.changes.iter().any(|change| match change.kind {
        ChangeKind::Restore { .. } => true,
        ChangeKind::Create | ChangeKind::Update => {
            change.fields.iter().any(|written| meets_another(change.side, &written.field))
        }
        ChangeKind::Delete | ChangeKind::Archive | ChangeKind::Tag => false,
    })
}

/// Keeps the conflicts of an item that is not done as a whole whose losing value may be gone, whatever becomes of the rest.
fn tell_lost(running: &mut Running<'_>, pending: &Pending, sent: &[Sent], batch: &mut Batch) {
    // What a person was about to decide is kept as it was.
    if running.run.kind != RunKind::Sync {
        return;
    }
    let covered = |side: Side| {
        let covers = |(entry, sent): (&JournalEntry, &Sent)| entry.change.side == side && sent.may_be_done();
        pending.entries.iter().zip(sent).any(covers)
    };
    let is_lost = |conflict: &&Conflict| Side::BOTH.into_iter().any(|it| conflict.decided.covers(it) && covered(it));
    for conflict in pending.item.conflicts.iter().filter(is_lost) {
        running.run.tally.conflicts += 1;
        conflicts::keep(running, pending.item.pair, conflict.clone(), None, batch);
    }
}

/// Settles the journal entry of a change that was sent. Returns false if the journal has none, or was told before.
fn journal(running: &Running<'_>, entry: &mut JournalEntry, sent: &Sent, batch: &mut Batch) -> bool {
    let outcome = match sent {
        Sent::Not => return false,
        Sent::Done(done) => Settled::Written {
            record: done.id.clone(),
            stored: all_left_behind(&entry.change, done),
            raw: done.raw.clone(),
        },
        // It may have been done, and somebody changed the record after that: it counts as a write (E6.4).
        Sent::Anew { doubtful: true, detail, .. } => {
            Settled::NotDone { reason: Reason::Uncertain, detail: detail.clone() }
        }
        Sent::Anew { reason, detail, .. }
        | Sent::Later { reason, detail, .. }
        | Sent::Refused { reason, detail, .. } => Settled::NotDone { reason: *reason, detail: detail.clone() },
        Sent::Unknown(detail) => Settled::NotDone { reason: Reason::Uncertain, detail: detail.clone() },
    };
    let is_new = entry.settle(running.context.world.now(), outcome);
    if is_new {
        codec::put(batch, codec::journal(entry.run, entry.number), entry);
    }
    is_new
}

/// What a write left behind: in the fields that it wrote, and of a record that it made in every other one, since what the
/// application fills in by itself is nobody's edit (E9.6).
fn all_left_behind(change: &Change, done: &Done) -> Vec<(FieldName, Value)> {
    let sent = change.fields.iter().map(|field| (field.field.clone(), left_behind(done, &field.field, &field.after)));
    let makes = matches!(change.kind, ChangeKind::Create | ChangeKind::Restore { .. }) && !done.looked_up;
    let stored = done.stored.iter().filter(|_| makes).flat_map(Stored::cells);
    let others = stored.filter(|(field, _)| change.fields.iter().all(|sent| sent.field != **field));
    sent.chain(others.map(|(field, value)| (field.clone(), value.clone()))).collect()
}

/// What the write left in a field. Where it was looked up later, somebody may have edited it before: an undo then leaves
/// it alone rather than take that edit for ours (E9.6).
fn left_behind(done: &Done, field: &FieldName, sent: &Value) -> Value {
    if done.looked_up { sent.clone() } else { written(done, field, sent) }
}

/// What stands in a written field now: as stored where that is known, else as sent (E6.1).
pub(crate) fn written(done: &Done, field: &FieldName, sent: &Value) -> Value {
    done.stored.as_ref().and_then(|stored| stored.get(field)).unwrap_or(sent).clone()
}

/// Takes a done change over into pair and replica.
fn take_over(
    running: &mut Running<'_>,
    pair: &mut Pair,
    entry: &JournalEntry,
    done: &Done,
    lessons: &mut [Lessons; 2],
) {
    let side = entry.change.side;
    let lesson = &mut lessons[side.pick(0, 1)];
    running.run.tally.wrote(side, &entry.change.kind);
    match &entry.change.kind {
        ChangeKind::Create => {
            pair.set_id(side, Some(done.id.clone()));
            pair.generation += 1;
            // What was agreed on with an earlier record tells nothing of this one; an undo makes it as that was, also
            // where a later run finds that out, unless another one was made in its place since and agreed with.
            let is_later = |of: RunId| pair.base.cells().iter().any(|cell| cell.run > of);
            let is_undone = entry.change.fields.iter().any(|field| field.why == Why::Undo);
            if !is_undone || matches!(running.run.kind, RunKind::Undo { of } if is_later(of)) {
                pair.base = Base::default();
            }
        }
        ChangeKind::Restore { .. } => {
            if pair.id(side) != Some(&done.id) {
                // Another record was made in its place since, and that is the one that was agreed with.
                pair.base = Base::default();
            }
            pair.set_id(side, Some(done.id.clone()));
        }
        ChangeKind::Delete => lesson.gone.push(Tombstone { id: done.id.clone(), fate: Fate::Deleted, at: None }),
        ChangeKind::Archive => lesson.gone.push(Tombstone { id: done.id.clone(), fate: Fate::Archived, at: None }),
        ChangeKind::Update | ChangeKind::Tag => {}
    }
    let takes_away = matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive);
    match &done.stored {
        Some(stored) => lesson.stored.push(stored.clone()),
        None if takes_away => {}
        // Nothing tells what is stored now, so what was sent has to do until the next read.
        None => lesson.stored.push(Stored {
            columns: entry.change.fields.iter().map(|field| field.field.clone()).collect(),
            row: Row {
                id: done.id.clone(),
                version: None,
                created_at: None,
                modified_at: None,
                cells: entry.change.fields.iter().map(|field| Some(field.after.clone())).collect(),
            },
        }),
    }
}

/// Notes why a change was not done, and when it is tried again.
fn fail(
    running: &mut Running<'_>,
    pair: &mut Pair,
    entry: &JournalEntry,
    sent: Sent,
    lessons: &mut [Lessons; 2],
    batch: &mut Batch,
) {
    let side = entry.change.side;
    let mut attempts = pair.trouble.as_ref().map_or(0, |trouble| trouble.attempts) + 1;
    let Some(setback) = treat(running, entry, sent, lessons, &mut attempts) else { return };
    if setback.reason != Reason::Uncertain {
        if matches!(pair.state, PairState::Creating { .. }) {
            pair.state = PairState::Single;
        }
    } else if entry.change.kind == ChangeKind::Create {
        pair.state = PairState::Creating { run: entry.run, number: entry.number };
    }
    let since = pair.trouble.as_ref().map_or_else(|| running.context.world.now(), |trouble| trouble.since);
    // What was to be written is not told by the records as they are; the journal has it all the same.
    let schema = &running.endpoint(side).described.schema;
    let secrets = masking::secrets_of(&entry.change, |field| masking::is_sensitive(schema, field));
    let detail = masking::without(&setback.detail, &secrets);
    let mut trouble = new_trouble(setback.reason, Some(side), setback.field, detail, since);
    trouble.attempts = attempts;
    match setback.next_at.filter(|_| attempts <= ATTEMPTS_MAX) {
        Some(at) => {
            trouble.next_at = Some(at);
            running.synced.queue(batch, at, entry.pair);
        }
        None if setback.next_at.is_some() => trouble.reason = Reason::Dead,
        None => {}
    }
    pair.trouble = Some(trouble);
}

/// Why a change was not done, and when it is tried again; at no time by itself, if none is given.
struct Setback {
    reason: Reason,
    field: Option<FieldName>,
    detail: String,
    next_at: Option<Instant>,
}

/// Says what an answer means for the record (E8.1); nothing if it was not sent, or is done.
fn treat(
    running: &mut Running<'_>,
    entry: &JournalEntry,
    sent: Sent,
    lessons: &mut [Lessons; 2],
    attempts: &mut u32,
) -> Option<Setback> {
    let side = entry.change.side;
    let now = running.context.world.now();
    let again = |attempts: u32| retry_at(now, attempts, running.context.world.random());
    let (reason, field, detail, next_at) = match sent {
        Sent::Not | Sent::Done(_) => return None,
        Sent::Anew { reason, detail, learned, gone, .. } => {
            let lesson = &mut lessons[side.pick(0, 1)];
            let taught = !learned.is_empty() || !gone.is_empty();
            lesson.looked_up.extend(learned);
            lesson.gone.extend(gone);
            // With something learned the next plan differs; without, it would go round in circles.
            let at = if taught && *attempts <= 3 { 0 } else { again(*attempts) };
            // A unique value that another record keeps is refused, until something changes.
            let refused = reason == Reason::Duplicate && (*attempts > 3 || entry.change.kind != ChangeKind::Create);
            (reason, None, detail, (!refused).then_some(at))
        }
        Sent::Later { reason, detail, at } => {
            if let (Reason::Quota | Reason::ProviderBudget, Some(until)) = (reason, at) {
                running.budget = Some(BudgetWait { side, until, reason, why: detail.clone() });
                // Waiting for a budget is no failed attempt, however often it happens (E8.1).
                *attempts -= 1;
            }
            (reason, None, detail, Some(at.unwrap_or_else(|| again(*attempts))))
        }
        Sent::Refused { reason, field, detail } => (reason, field, detail, None),
        Sent::Unknown(detail) => {
            let object = &running.endpoint(side).described.object;
            let at = now + i64::try_from(object.visibility_window_ms).unwrap_or(0).max(1_000);
            let is_looked_up = object.promise != CreatePromise::None || entry.change.kind != ChangeKind::Create;
            (Reason::Uncertain, None, detail, is_looked_up.then_some(at))
        }
    };
    Some(Setback { reason, field, detail, next_at })
}

/// Keeps what the page taught about one side.
async fn learn(running: &mut Running<'_>, side: Side, lessons: Lessons, batch: &mut Batch) -> Result<(), Failure> {
    let endpoint = running.endpoint_mut(side);
    let mut sequence = endpoint.state.sequence;
    let columns = endpoint.state.layout.columns.clone();
    let rows = lessons.looked_up.into_iter().chain(lessons.stored).map(|stored| {
        let cells = columns.iter().map(|column| stored.get(column).cloned()).collect();
        Row { cells, ..stored.row }
    });
    // Several lessons about one record: the last one counts, and a write before a look-up, which may lag behind it (E6.2).
    let rows: BTreeMap<RecordId, Row> = rows.map(|row| (row.id.clone(), row)).collect();
    let table = Table { columns: columns.clone(), rows: rows.into_values().collect() };
    let applied = endpoint.replica().teach(table, &lessons.written, &lessons.gone, &mut sequence, batch).await?;
    endpoint.state.sequence = sequence;
    endpoint.count(&applied);
    endpoint.add_state(batch);
    Ok(())
}
