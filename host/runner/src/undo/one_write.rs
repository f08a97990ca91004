//! What takes one write of a run back (E9.6), as its record is now: an update field by field, a create by a delete, a delete by
//! bringing the record back.
//!
//! Invariant: what is not as the run left it is left alone, and named.

use syncline_core::{
    Agreed, Change, ChangeKind, EntryState, FieldChange, FieldName, JournalEntry, Pair, PairState, PlanItem, Record,
    Settled, Side, Value, Why,
};

use super::entry_by_entry::without_write;
use super::{NotUndone, not_undone};
use crate::running::Running;

pub(super) fn plan_entry(
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
        (ChangeKind::Update, Some(record)) => undo_update(running, pair, entry, stored, &record, item, skipped),
        (ChangeKind::Create | ChangeKind::Restore { .. }, Some(record)) => {
            if let Some(field) = edited_field(running, pair, entry, stored, &record) {
                return skipped.push(not_undone(entry, Some(field), "it holds what it was not created with"));
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
/// A field that was not written, mapped or not, is as it was while it holds what the sides agreed on before, or nothing:
/// what they agreed on later in the same run is what somebody entered meanwhile.
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
    let is_edited = |field: &&FieldName| {
        let Some(now) = record.get(field) else { return false };
        let written = stored.iter().find(|(written, _)| written == *field).map(|(_, value)| value);
        let agreed = pair.base.with(side, field).find(|cell| cell.run < entry.run).map(|cell| cell.value(side));
        written.or(agreed).map_or(!now.is_blank(), |then| now != then)
    };
    let known = stored.iter().map(|(field, _)| field).chain(record.columns.names());
    known.filter(by_people).find(is_edited).cloned()
}

/// Restores each field that still is as the run left it, and of one that holds several values what the run did to it.
fn undo_update(
    running: &Running<'_>,
    pair: &Pair,
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
        let skip = |reason| not_undone(entry, Some(before.field.clone()), reason);
        let (value, remark) = match without_write(running, pair, side, before, left_behind, now) {
            Ok(found) => found,
            Err(reason) => {
                skipped.push(skip(reason));
                continue;
            }
        };
        skipped.extend(remark.map(skip));
        let agreed = running.setup.rules.mappings.iter().filter(|mapping| *mapping.field(side) == before.field);
        item.agreed.extend(agreed.map(Agreed::under));
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
