//! What an application answers to those who read: pages, lists, and records by id, as late as its manner has it.

use std::collections::BTreeSet;

use syncline_core::{CreatePromise, Fate, FieldName, Instant, RecordId, Side, Tombstone, Value, Version};
use syncline_runner::{Fault, Found, Page, Progress, ReadMode, ReadRequest, Row, Table};

use crate::application::{Application, By, Entry, Snapshot};
use crate::chance::mix;
use crate::stage::State;

/// A list that leaves a record out leaves it out for so long, in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;

pub(super) fn read(state: &mut State, side: Side, request: &ReadRequest) -> Result<Page, Fault> {
    let percent = state.fault_percent;
    let is_old = |state: &mut State| state.expiring.take_if(|expiring| *expiring == side).is_some();
    if request.cursor.is_some() && (is_old(state) || state.happens(percent / 3)) {
        state.faults += 1;
        return Err(Fault::CursorExpired("it is too old".to_owned()));
    }
    let now = state.now;
    let app = state.app(side);
    let visible = app.log.partition_point(|(at, _)| *at <= now - app.manner.lag_ms);
    let limit = (request.limit as usize).min(app.manner.page_max as usize).max(1);
    let mut page = Page {
        records: Table { columns: request.fields.clone(), rows: Vec::new() },
        tombstones: Vec::new(),
        skipped: Vec::new(),
        next: Progress::Done(String::new()),
        complete: false,
        total: None,
    };
    match request.mode {
        ReadMode::Changes => {
            let from: usize = cursor_number(request.cursor.as_deref(), 'c').unwrap_or(visible);
            let mut end = from.min(visible);
            let mut named = BTreeSet::new();
            while end < visible && named.len() < limit {
                named.insert(app.log[end].1.clone());
                end += 1;
            }
            for id in named {
                let entry = &app.entries[&id];
                let Some(seen) = entry.visible(now, app.manner.lag_ms) else { continue };
                match seen.cells {
                    Some(_) => page.records.rows.push(row(app, &id, entry.past[0].at, seen, &request.fields)),
                    None if app.manner.feed_deletes => page.tombstones.push(tombstone(&id, seen)),
                    None => {}
                }
            }
            page.next = match end < visible {
                true => Progress::More(format!("c{end}")),
                false => Progress::Done(format!("c{}", end.saturating_sub(app.manner.overlap))),
            };
        }
        ReadMode::Full | ReadMode::Ids => {
            let cursor = request.cursor.as_deref().and_then(|cursor| cursor.strip_prefix('f'));
            let (begun, after) = match cursor.and_then(|cursor| cursor.split_once(':')) {
                Some((begun, after)) => (begun.parse().unwrap_or(0), after.parse().ok()),
                None => (visible, None::<u64>),
            };
            let mut list = app.listed().into_iter().filter(|(rank, _)| after.is_none_or(|after| *rank > after));
            let (mut last, mut named) = (None, Vec::new());
            for (rank, entry) in list.by_ref() {
                let Some(seen) = entry.visible(now, app.manner.lag_ms).filter(|seen| seen.cells.is_some()) else {
                    continue;
                };
                // What a list that slips left out, a later one names: the feed alone would never tell of it.
                let may_slip = app.manner.slips && entry.named && (app.manner.ids || !app.manner.feed);
                if may_slip && mix(rank ^ (now.unsigned_abs() / HOUR_MS)).is_multiple_of(5) {
                    continue;
                }
                named.push(entry.id.clone());
                let mut row = row(app, &entry.id, entry.past[0].at, seen, &request.fields);
                if request.mode == ReadMode::Ids {
                    row.cells = vec![None; request.fields.len()];
                }
                page.records.rows.push(row);
                last = Some(rank);
                if page.records.rows.len() >= limit {
                    break;
                }
            }
            page.next = match last {
                Some(last) if page.records.rows.len() >= limit => Progress::More(format!("f{begun}:{last}")),
                _ => Progress::Done(format!("c{begun}")),
            };
            page.complete = app.manner.complete;
            for (id, entry) in &mut state.app_mut(side).entries {
                entry.named |= named.contains(id);
            }
        }
    }
    Ok(page)
}

pub(super) fn row(
    app: &Application,
    id: &RecordId,
    created_at: Instant,
    snapshot: &Snapshot,
    fields: &[FieldName],
) -> Row {
    let cells = snapshot.cells.as_ref();
    let given = |field: &FieldName, value: Value| match value {
        Value::Text(digits) if app.manner.numeric_phones && field.as_str() == "phone" => {
            Value::Integer(digits.parse().expect("digits"))
        }
        value => value,
    };
    let cell = |field: &FieldName| Some(given(field, cells?.get(field).cloned().unwrap_or(Value::Clear)));
    Row {
        id: id.clone(),
        version: Some(Version::new(snapshot.number.to_string())),
        created_at: app.manner.timed.then_some(created_at),
        modified_at: app.manner.timed.then_some(snapshot.at),
        cells: fields.iter().map(cell).collect(),
    }
}

/// The row of a record as it is now.
pub(super) fn current(app: &Application, id: &RecordId, fields: &[FieldName]) -> Option<Row> {
    let entry = app.entries.get(id)?;
    entry.cells()?;
    Some(row(app, id, entry.past[0].at, entry.now(), fields))
}

/// Adds a row to a table and returns its number.
pub(super) fn add(table: &mut Table, row: Row) -> usize {
    table.rows.push(row);
    table.rows.len() - 1
}

/// The record that a create key made, as far as a look-up shows it.
pub(super) fn made(state: &State, side: Side, key: &str, fields: &[FieldName]) -> Option<Row> {
    let app = state.app(side);
    let lag_ms = if app.manner.promise == CreatePromise::Native { 0 } else { app.manner.lag_ms };
    let is_made = |entry: &&crate::Entry| {
        entry.by == By::Sync(key.to_owned()) && entry.cells().is_some() && entry.visible(state.now, lag_ms).is_some()
    };
    current(app, &app.entries.values().find(is_made)?.id, fields)
}

/// Lists of an application are named by what the name of their members holds.
pub(super) fn members(
    state: &mut State,
    side: Side,
    list: &str,
    cursor: Option<&str>,
) -> Result<(Vec<RecordId>, Progress), Fault> {
    if cursor.is_some() && state.expiring.take_if(|expiring| *expiring == side).is_some() {
        return Err(Fault::CursorExpired("it is too old".to_owned()));
    }
    if state.computing || (state.breaking_off && cursor.is_some()) {
        return Err(Fault::RetryLater { after_ms: 60_000, reason: "the list is being computed".to_owned() });
    }
    let app = state.app(side);
    let after = cursor.map_or(0, |cursor| cursor.parse().unwrap_or(0));
    let rest = app.listed().into_iter().filter(|(rank, _)| *rank > after);
    let page: Vec<(u64, &Entry)> = rest.take(app.manner.page_max as usize).collect();
    let is_in = |entry: &Entry| {
        let seen = entry.visible(state.now, app.manner.lag_ms).and_then(|snapshot| snapshot.cells.as_ref());
        seen.is_some_and(|cells| listed(cells.get("name"), list))
    };
    let ids = page.iter().filter(|(_, entry)| is_in(entry)).map(|(_, entry)| entry.id.clone()).collect();
    Ok(match page.last() {
        Some((last, _)) if page.len() == app.manner.page_max as usize => (ids, Progress::More(last.to_string())),
        _ => (ids, Progress::Done("end".to_owned())),
    })
}

/// True if a record with this name is in a list.
pub(crate) fn listed(name: Option<&Value>, list: &str) -> bool {
    name.is_some_and(|name| !name.is_blank() && name.to_string().contains(list))
}

fn cursor_number(cursor: Option<&str>, letter: char) -> Option<usize> {
    cursor?.strip_prefix(letter)?.parse().ok()
}

fn tombstone(id: &RecordId, seen: &Snapshot) -> Tombstone {
    Tombstone { id: id.clone(), fate: seen.fate.clone(), at: Some(seen.at) }
}

pub(super) fn get(app: &mut Application, id: &RecordId, fields: &[FieldName], records: &mut Table) -> Found {
    if let Some(entry) = app.entries.get_mut(id) {
        entry.unread = false;
    }
    if let Some(row) = current(app, id, fields) {
        return Found::At(add(records, row));
    }
    let Some(entry) = app.entries.get(id) else {
        return Found::Gone(Tombstone { id: id.clone(), fate: Fate::Deleted, at: None });
    };
    let mut into = entry.now().fate.clone();
    while let Fate::MergedInto(next) = &into {
        if let Some(row) = current(app, next, fields) {
            return Found::Moved { id: next.clone(), row: add(records, row) };
        }
        into = app.entries.get(next).map_or(Fate::Deleted, |entry| entry.now().fate.clone());
    }
    Found::Gone(Tombstone { id: id.clone(), fate: into, at: Some(entry.now().at) })
}
