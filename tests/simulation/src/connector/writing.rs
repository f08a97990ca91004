//! What an application makes of a write: it refuses, rewrites, slips, or does it and loses the answer.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{CreatePromise, Fate, FieldName, Instant, RecordId, Side, Value};
use syncline_runner::{Action, Fault, Operation, Outcome, Table, Violation, WriteAnswer, WriteRequest};

use super::reading::{add, current};
use crate::application::{Application, By, loosely};
use crate::automation::SyncWrite;
use crate::doubles;
use crate::echo::echoes;
use crate::one_way::to_the_source;
use crate::stage::{State, Trick};

pub(super) fn write(state: &mut State, side: Side, request: &WriteRequest) -> Result<WriteAnswer, Fault> {
    let imposed = to_the_source(state, side, &request.operations);
    state.breaches.extend(imposed);
    let percent = state.fault_percent;
    let tricks = std::mem::take(&mut state.tricks);
    let (mine, rest): (Vec<_>, Vec<_>) = tricks.into_iter().partition(|(on, _)| *on == side);
    state.tricks = rest;
    let mut mine = mine.into_iter();
    let trick = mine.next().map(|(_, trick)| trick);
    state.tricks.extend(mine);
    state.spent = (trick == Some(Trick::LastCall)).then_some(side).or(state.spent);
    match trick {
        Some(Trick::Fail) => return Err(Fault::Transient("the connection was refused".to_owned())),
        Some(Trick::LoseRequest) => return Err(Fault::Interrupted("the request timed out".to_owned())),
        _ => {}
    }
    let lost = trick == Some(Trick::LoseAnswer) || state.happens(percent / 2);
    state.faults += u64::from(lost);
    let until = match lost && trick.is_none() {
        true => state.chance.below(request.operations.len() + 1),
        false => request.operations.len(),
    };
    let mut answer =
        WriteAnswer { records: Table { columns: request.returning.clone(), rows: Vec::new() }, outcomes: Vec::new() };
    for (index, operation) in request.operations.iter().enumerate().take(until) {
        state.tick();
        let wrong = state.happens(percent / 2);
        state.faults += u64::from(wrong);
        let outcome = match wrong {
            true if state.chance.percent(50) => Outcome::RetryLater { after_ms: 1_000, reason: "busy".to_owned() },
            true => {
                if state.chance.percent(50) {
                    apply(state, side, request, operation, &mut answer.records);
                }
                Outcome::Unknown("a timeout in the middle".to_owned())
            }
            false => apply(state, side, request, operation, &mut answer.records),
        };
        let unknown = trick == Some(Trick::UnknownOutcome) && index == 0;
        answer.outcomes.push(if unknown { Outcome::Unknown("a cut answer".to_owned()) } else { outcome });
    }
    let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
    state.in_doubt |= lost || answer.outcomes.iter().any(is_unknown);
    if lost {
        let line = format!("the answer of the {side} to {} writes is lost after {until}", request.operations.len());
        state.tell(line);
        return Err(Fault::Interrupted("the answer was lost".to_owned()));
    }
    for outcome in &answer.outcomes {
        if let Outcome::Written { id, stored: None, .. } = outcome
            && let Some(entry) = state.app_mut(side).entries.get_mut(id)
        {
            entry.unread = true;
        }
    }
    Ok(answer)
}

/// Does one operation.
fn apply(state: &mut State, side: Side, request: &WriteRequest, operation: &Operation, table: &mut Table) -> Outcome {
    let sent = request.columns.iter().zip(&operation.cells);
    let sent: BTreeMap<FieldName, Value> =
        sent.filter_map(|(field, value)| Some((field.clone(), value.clone()?))).collect();
    let manner = state.app(side).manner.clone();
    if manner.validates
        && let Some((field, value)) = sent.iter().find(|(_, value)| value.to_string().contains("bad"))
    {
        let message = format!("{value} is not acceptable");
        let field = Some(field.to_string());
        return Outcome::Invalid(vec![Violation { field, code: "bad".to_owned(), message }]);
    }
    let own = match &operation.action {
        Action::Create(_) => None,
        Action::Update(id) | Action::Delete(id) | Action::Archive(id) | Action::Restore(id) | Action::Tag(id, _) => {
            Some(id.clone())
        }
    };
    if let Some(refused) = own.as_ref().and_then(|id| refuse(state, side, id, request, operation, table)) {
        return refused;
    }
    let native = |entry: &&crate::Entry| match &operation.action {
        Action::Create(key) => entry.by == By::Sync(key.clone()) && entry.cells().is_some(),
        _ => false,
    };
    let existing = match manner.promise {
        CreatePromise::Native => state.app(side).entries.values().find(native).map(|entry| entry.id.clone()),
        CreatePromise::Lookup | CreatePromise::None => None,
    };
    if let Some(id) = existing {
        return written(state.app(side), id, request, table);
    }
    if manner.unique_email
        && let Some(email) = sent.get("email").filter(|value| !value.is_blank())
    {
        let same = |entry: &&crate::Entry| {
            Some(&entry.id) != own.as_ref()
                && entry.cells().and_then(|cells| cells.get("email")).is_some_and(|it| loosely(it) == loosely(email))
        };
        if let Some(entry) = state.app(side).entries.values().find(same) {
            return Outcome::DuplicateOf(Some(entry.id.clone()));
        }
    }
    let line = format!("the sync writes {:?} {sent:?} to the {side}", operation.action);
    state.tell(line);
    let now = state.tick();
    let fields: Vec<FieldName> = sent.keys().cloned().collect();
    match &operation.action {
        Action::Create(key) => {
            doubles::notice(state, side, key, &sent);
            let id = state.app_mut(side).create(now, By::Sync(key.clone()), sent.clone());
            state.note_given(side, &id, sent);
            state.writes.push(SyncWrite { at: now, side, id: id.clone(), fields });
            written(state.app(side), id, request, table)
        }
        Action::Update(id) => {
            let echoes = if state.agreed.ordered { Vec::new() } else { echoes(state, side, id, &sent) };
            state.breaches.extend(echoes);
            let mut cells = state.app(side).entries[id].cells().cloned().unwrap_or_default();
            let app = state.app(side);
            cells.extend(sent.iter().map(|(field, value)| (field.clone(), app.stored(value.clone()))));
            state.app_mut(side).put(now, id, Some(cells), Fate::Deleted);
            state.note_given(side, id, sent);
            // What a person orders is no matter of caps (E6.4).
            if !state.agreed.ordered {
                state.writes.push(SyncWrite { at: now, side, id: id.clone(), fields });
            }
            written(state.app(side), id.clone(), request, table)
        }
        Action::Delete(id) | Action::Archive(id) => {
            let fate = match operation.action {
                Action::Archive(_) => Fate::Archived,
                _ => Fate::Deleted,
            };
            if !state.agreed.allows(side, id) {
                state.breaches.push(format!("E4.5: {id} of the {side} was taken away, and nobody had agreed"));
            }
            let is_ordered = state.agreed.ordered;
            let app = state.app_mut(side);
            app.put(now, id, None, fate);
            let entry = app.entries.get_mut(id).expect("it was looked up above");
            (entry.taken_by_sync, entry.taken_back) = (true, is_ordered);
            Outcome::Written { id: id.clone(), stored: None, raw: Some("raw".to_owned()) }
        }
        Action::Restore(id) => {
            let app = state.app_mut(side);
            let cells = app.entries[id].past.iter().rev().find_map(|snapshot| snapshot.cells.clone());
            app.put(now, id, cells, Fate::Deleted);
            app.entries.get_mut(id).expect("it was looked up above").taken_by_sync = false;
            written(state.app(side), id.clone(), request, table)
        }
        Action::Tag(id, tag) => {
            state.tags.push((side, id.clone(), tag.clone()));
            Outcome::Written { id: id.clone(), stored: None, raw: None }
        }
    }
}

/// Says why a write to an existing record is not done, and notes what an unguarded one covers.
fn refuse(
    state: &mut State,
    side: Side,
    id: &RecordId,
    request: &WriteRequest,
    operation: &Operation,
    table: &mut Table,
) -> Option<Outcome> {
    let app = state.app(side);
    let entry = app.entries.get(id)?;
    if entry.cells().is_none() {
        return Some(match (&entry.now().fate, &operation.action) {
            (_, Action::Restore(_)) => return None,
            (Fate::MergedInto(into), _) => Outcome::MergedInto(into.clone()),
            _ => Outcome::NotFound,
        });
    }
    let expected = operation.expected_version.as_ref()?;
    if expected.as_str() == entry.now().number.to_string() {
        return None;
    }
    if app.manner.guard {
        let row = current(app, id, &request.returning);
        let stored = row.filter(|_| app.manner.answers_with_rows).map(|row| add(table, row));
        return Some(Outcome::VersionConflict(stored));
    }
    let taken = matches!(operation.action, Action::Delete(_) | Action::Archive(_));
    let since: u64 = expected.as_str().parse().unwrap_or(0);
    let times: BTreeSet<Instant> =
        entry.past.iter().filter(|snapshot| snapshot.number > since).map(|snapshot| snapshot.at).collect();
    let covered = |field: &FieldName| {
        let position = request.columns.iter().position(|column| column == field);
        taken || position.is_some_and(|position| operation.cells[position].is_some())
    };
    for edit in &mut state.edits {
        if edit.side == side && edit.id == *id && times.contains(&edit.at) && covered(&edit.field) {
            edit.in_gap = true;
        }
    }
    None
}

fn written(app: &Application, id: RecordId, request: &WriteRequest, table: &mut Table) -> Outcome {
    let stored = current(app, &id, &request.returning).filter(|_| app.manner.answers_with_rows);
    let stored = stored.map(|row| add(table, row));
    Outcome::Written { id, stored, raw: None }
}
