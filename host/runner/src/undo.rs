//! Takes a run back (E9.6): in reverse order, and only what still is as the run left it.
//!
//! Invariant: an undone run leaves what was there before, except what people changed since, which it names. The base of
//! each side becomes what the undo left behind, so that the next run does not do it again.

use std::collections::BTreeMap;

use syncline_core::{
    Agreed, Change, ChangeKind, EntryState, FieldChange, FieldName, JournalEntry, Pair, PairId, PairState, PlanItem,
    Record, RecordId, RunId, Settled, Side, Value, Why,
};

use crate::codec::{self, PAGE_ROWS};
use crate::replica::Known;
use crate::running::{RunKind, RunRecord, Running};
use crate::setup::{Context, SyncSetup};
use crate::{Failure, Key, Space, StoreTable, directed, pull, recover};

mod rounds;

/// One thing that an undo does not take back.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What an undo would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoPlan {
    /// The changes, the last of the run first.
    pub items: Vec<PlanItem>,
    /// What stays.
    pub skipped: Vec<NotUndone>,
}

/// What an undo did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoReport {
    /// The undo as a run of its own, which can be undone in turn.
    pub record: RunRecord,
    /// What it set out to do.
    pub plan: UndoPlan,
}

/// Reads the records that a run wrote, as they are now, and says what taking it back would do.
pub async fn plan_undo(context: &Context, setup: &SyncSetup, run: RunId) -> Result<UndoPlan, Failure> {
    let mut running = open(context, setup, run).await?;
    plan(&mut running, run).await
}

/// Takes a run back.
pub async fn undo(context: &Context, setup: &SyncSetup, run: RunId) -> Result<UndoReport, Failure> {
    let mut running = open(context, setup, run).await?;
    let undo = plan(&mut running, run).await?;
    directed::carry_out(&mut running, undo.items.clone()).await?;
    Ok(UndoReport { record: running.run.clone(), plan: undo })
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

async fn plan(running: &mut Running<'_>, run: RunId) -> Result<UndoPlan, Failure> {
    let entries = written_entries(running, run).await?;
    let mut undo = UndoPlan::default();
    let mut by_pair: BTreeMap<PairId, Vec<JournalEntry>> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in entries.into_iter().rev() {
        if !by_pair.contains_key(&entry.pair) {
            order.push(entry.pair);
        }
        by_pair.entry(entry.pair).or_default().push(entry);
    }
    refresh(running, by_pair.values().flatten()).await?;
    for id in order {
        let entries = by_pair.remove(&id).unwrap_or_default();
        plan_pair(running, id, entries, &mut undo).await?;
    }
    Ok(undo)
}

/// Reads the writes of a run that were done.
async fn written_entries(running: &Running<'_>, run: RunId) -> Result<Vec<JournalEntry>, Failure> {
    let prefix = run.0.to_be_bytes();
    let mut entries = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let store = running.synced.store;
        let rows =
            codec::scan_prefix(store, Space::HOST, StoreTable::Journal, &prefix, after.as_deref(), PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(entries) };
        after = Some(last.clone());
        for (id, bytes) in rows {
            let entry: JournalEntry = codec::decode(&Key::new(Space::HOST, StoreTable::Journal, id), &bytes)?;
            if matches!(entry.state, EntryState::Settled { outcome: Settled::Written { .. }, .. }) {
                entries.push(entry);
            }
        }
    }
}

/// Reads the records that were written as they are now.
async fn refresh(running: &mut Running<'_>, entries: impl Iterator<Item = &JournalEntry>) -> Result<(), Failure> {
    let mut ids: [Vec<RecordId>; 2] = Default::default();
    for entry in entries {
        if let EntryState::Settled { outcome: Settled::Written { record, .. }, .. } = &entry.state {
            ids[entry.change.side.pick(0, 1)].push(record.clone());
        }
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
    entries: Vec<JournalEntry>,
    undo: &mut UndoPlan,
) -> Result<(), Failure> {
    let Some(pair) = running.synced.pair(id).await? else {
        let skip = |entry: &JournalEntry| not_undone(entry, None, "its pair is gone: it was joined with another");
        undo.skipped.extend(entries.iter().map(skip));
        return Ok(());
    };
    let mut item = PlanItem {
        pair: id,
        left: pair.left.clone(),
        right: pair.right.clone(),
        changes: Vec::new(),
        agreed: Vec::new(),
        conflicts: Vec::new(),
        left_out: Vec::new(),
        then: pair.state.clone(),
    };
    for entry in &rounds::join(entries, &mut undo.skipped) {
        let now = now(running, &pair, entry).await?;
        plan_entry(running, &pair, entry, now, &mut item, &mut undo.skipped);
    }
    if !item.changes.is_empty() {
        undo.items.push(item);
    }
    Ok(())
}

/// Returns the written record as it is now.
async fn now(running: &Running<'_>, pair: &Pair, entry: &JournalEntry) -> Result<Option<Record>, Failure> {
    let side = entry.change.side;
    let written = match &entry.state {
        EntryState::Settled { outcome: Settled::Written { record, .. }, .. } => Some(record),
        _ => None,
    };
    let Some(id) = pair.id(side).or(written) else { return Ok(None) };
    let known = running.endpoint(side).replica().get(std::slice::from_ref(id)).await?.pop().flatten();
    Ok(match known {
        Some(Known::Here(record)) => Some(record),
        Some(Known::Gone(_)) | None => None,
    })
}

fn plan_entry(
    running: &Running<'_>,
    pair: &Pair,
    entry: &JournalEntry,
    now: Option<Record>,
    item: &mut PlanItem,
    skipped: &mut Vec<NotUndone>,
) {
    let EntryState::Settled { outcome: Settled::Written { stored, raw, .. }, .. } = &entry.state else { return };
    let side = entry.change.side;
    match (&entry.change.kind, now) {
        (ChangeKind::Update, Some(record)) => undo_update(running, entry, stored, &record, item, skipped),
        (ChangeKind::Create | ChangeKind::Restore { .. }, Some(record)) => {
            if let Some(field) = edited_field(running, pair, entry, stored, &record) {
                return skipped.push(not_undone(entry, Some(field), "it was edited since it was created"));
            }
            let abilities = running.endpoint(side).described.object.abilities;
            let kind = match (abilities.delete, abilities.archive) {
                (true, _) => ChangeKind::Delete,
                (false, true) => ChangeKind::Archive,
                (false, false) => return skipped.push(not_undone(entry, None, "the application cannot delete")),
            };
            item.changes.push(change(side, kind, Some(&record), farewell(&record)));
            item.then = PairState::Tombstone { gone: Some(side), undone: true };
        }
        (ChangeKind::Delete | ChangeKind::Archive, None) => undo_delete(running, entry, raw, item),
        (ChangeKind::Tag, _) => skipped.push(not_undone(entry, None, "a tag is not taken off again")),
        (ChangeKind::Create | ChangeKind::Update | ChangeKind::Restore { .. }, None) => {
            skipped.push(not_undone(entry, None, "it is not there any more"));
        }
        (ChangeKind::Delete | ChangeKind::Archive, Some(_)) => {
            skipped.push(not_undone(entry, None, "somebody brought it back already"));
        }
    }
}

/// Returns a field that is not as it was when the run had made the record, or brought it back.
///
/// A field that was not written is as it was while it holds what the sides agreed on by then, or nothing.
fn edited_field(
    running: &Running<'_>,
    pair: &Pair,
    entry: &JournalEntry,
    stored: &[(FieldName, Value)],
    record: &Record,
) -> Option<FieldName> {
    let side = entry.change.side;
    let schema = &running.endpoint(side).described.schema;
    let by_people = |field: &&FieldName| schema.field(field).is_none_or(|field| !field.traits.read_only);
    let mapped = running.setup.rules.mappings.iter().map(|mapping| mapping.field(side)).filter(by_people);
    let is_edited = |field: &&FieldName| {
        let Some(now) = record.get(field) else { return false };
        let written = stored.iter().find(|(written, _)| written == *field).map(|(_, value)| value);
        let agreed = pair.base.side(side).get(*field).filter(|cell| cell.run <= entry.run).map(|cell| &cell.value);
        written.or(agreed).map_or(!now.is_blank(), |then| now != then)
    };
    stored.iter().map(|(field, _)| field).chain(mapped).find(is_edited).cloned()
}

/// Restores each field that still is as the run left it.
fn undo_update(
    running: &Running<'_>,
    entry: &JournalEntry,
    stored: &[(FieldName, Value)],
    record: &Record,
    item: &mut PlanItem,
    skipped: &mut Vec<NotUndone>,
) {
    let side = entry.change.side;
    let mut fields = Vec::new();
    for before in &entry.change.fields {
        let left_behind = stored.iter().find(|(field, _)| *field == before.field).map(|(_, value)| value);
        let now = record.get(&before.field);
        if now != left_behind {
            skipped.push(not_undone(entry, Some(before.field.clone()), "it was edited since"));
            continue;
        }
        let Some(value) = before.before.clone() else {
            skipped.push(not_undone(entry, Some(before.field.clone()), "what stood there before is not known"));
            continue;
        };
        let agreed = running.setup.rules.mappings.iter().filter(|mapping| *mapping.field(side) == before.field);
        item.agreed.extend(agreed.map(|mapping| Agreed { left: mapping.left.clone(), right: mapping.right.clone() }));
        fields.push(FieldChange { field: before.field.clone(), before: now.cloned(), after: value, why: Why::Undo });
    }
    if !fields.is_empty() {
        item.changes.push(change(side, ChangeKind::Update, Some(record), fields));
    }
}

/// Brings back a record that the run took away: from its raw form where the application can, else from its fields.
fn undo_delete(running: &Running<'_>, entry: &JournalEntry, raw: &Option<String>, item: &mut PlanItem) {
    let side = entry.change.side;
    let endpoint = running.endpoint(side);
    let (kind, record) = match endpoint.described.object.abilities.restore {
        true => (ChangeKind::Restore { raw: raw.clone() }, entry.change.record.clone()),
        false => (ChangeKind::Create, None),
    };
    let writable =
        |field: &FieldName| endpoint.described.schema.field(field).is_some_and(|field| !field.traits.read_only);
    let known = entry.change.fields.iter().filter(|field| writable(&field.field));
    let values = known.filter_map(|field| Some((field.field.clone(), field.before.clone()?)));
    let fields = values
        .filter(|(_, value)| !value.is_blank())
        .map(|(field, value)| FieldChange { field, before: None, after: value, why: Why::Undo })
        .collect();
    item.changes.push(Change { side, kind, record, version: None, fields });
    // The other side is still gone: the record that is back is left alone.
    item.then = PairState::Tombstone { gone: Some(side.other()), undone: true };
}

fn change(side: Side, kind: ChangeKind, record: Option<&Record>, fields: Vec<FieldChange>) -> Change {
    Change {
        side,
        kind,
        record: record.map(|record| record.id.clone()),
        version: record.and_then(|record| record.version.clone()),
        fields,
    }
}

/// Everything that is known of a record that is about to go, so that undoing the undo can make it again.
fn farewell(record: &Record) -> Vec<FieldChange> {
    let cells = record.columns.names().iter().cloned().zip(&record.cells);
    let known = cells.filter_map(|(field, cell)| Some((field, cell.clone()?)));
    known
        .map(|(field, value)| FieldChange { field, before: Some(value), after: Value::Clear, why: Why::Undo })
        .collect()
}

fn not_undone(entry: &JournalEntry, field: Option<FieldName>, reason: &str) -> NotUndone {
    let record = match &entry.state {
        EntryState::Settled { outcome: Settled::Written { record, .. }, .. } => Some(record.clone()),
        _ => entry.change.record.clone(),
    };
    NotUndone { pair: entry.pair, side: entry.change.side, record, field, reason: reason.to_owned() }
}
