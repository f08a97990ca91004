//! What people took away, and what they took back, is not done again.

use std::collections::BTreeSet;

use syncline_core::{
    DeletePolicy, EntryState, Fate, FieldChange, FieldName, JournalEntry, Leave, Mapping, Pair, RecordId, Scope,
    Settled, Side, Value, Why,
};
use syncline_runner::{Space, Store, StoreTable};

use crate::application::{By, Entry, loosely};
use crate::people::Edit;
use crate::stage::{Simulation, State, identity};
use crate::steps::wait;

/// Returns what was done again.
pub(crate) fn nothing_is_done_again(simulation: &Simulation) -> Vec<String> {
    let mut breaches = forgotten_stay_forgotten(simulation);
    breaches.extend(undone_stays_undone(simulation));
    breaches
}

/// The counterpart of a record that a person deleted is not made again, where deletes are not carried over (E4.4).
fn forgotten_stay_forgotten(simulation: &Simulation) -> Vec<String> {
    let state = simulation.stage.lock();
    let rules = &simulation.setup.rules;
    // Other rules mean other pairs; what an undo brought back is its own matter.
    if state.rules_changed || state.agreed.undid || rules.leave == Leave::Unpair {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for side in Side::BOTH.into_iter().filter(|side| rules.deletes_to(side.other()) == DeletePolicy::Ignore) {
        let made = state.app(side).entries.values().filter(|entry| entry.by != By::Person);
        for entry in made {
            let source = serial(entry, side);
            let before = state.app(side).entries.values().find(|other| {
                // Another attempt at a create of which nobody knew has the key of the first.
                other.id != entry.id
                    && other.by != entry.by
                    && serial(other, side).is_some_and(|serial| Some(serial) == source)
                    && was_deleted(other, entry.past[0].at)
            });
            if let Some(before) = before {
                breaches.push(format!("E4.4: {} was made although a person had deleted {}", entry.id, before.id));
            }
        }
    }
    breaches
}

/// The serial of the record on the other side that a record was made for.
fn serial(entry: &Entry, side: Side) -> Option<String> {
    let cells = entry.past.iter().find_map(|snapshot| snapshot.cells.as_ref())?;
    let value = cells.get(&FieldName::from(identity(side.other())))?;
    (!value.is_blank()).then(|| loosely(value).to_string())
}

/// True if a person deleted the record by `at`, and it was gone then.
fn was_deleted(entry: &Entry, at: i64) -> bool {
    let then = entry.past.iter().rev().find(|snapshot| snapshot.at <= at);
    entry.taken_by_person
        && !entry.taken_by_sync
        && then.is_some_and(|then| then.cells.is_none() && then.fate == Fate::Deleted)
}

/// A value that an undo took away does not come back, unless somebody enters it again (E9.6).
fn undone_stays_undone(simulation: &Simulation) -> Vec<String> {
    let state = simulation.stage.lock();
    if state.rules_changed || !state.agreed.undid {
        return Vec::new();
    }
    // Who left the scope was unpaired: where the two come back, they meet as if for the first time (E5.5).
    let rules = &simulation.setup.rules;
    let is_unpaired = rules.leave == Leave::Unpair && rules.scope != Scope::default();
    let meets_anew = |why: Why| is_unpaired && matches!(why, Why::FillBlank | Why::ConflictWon | Why::Rule);
    let written: Vec<JournalEntry> = journal(simulation).into_iter().filter(is_written).collect();
    let mut breaches = Vec::new();
    for (at, entry) in written.iter().enumerate() {
        for taken in entry.change.fields.iter().filter(|field| field.why == Why::Undo) {
            let Some(value) = taken.before.as_ref().filter(|value| !value.is_blank()) else { continue };
            let later = written[at + 1..].iter().filter(|later| {
                (later.pair, later.change.side, &later.change.record)
                    == (entry.pair, entry.change.side, &entry.change.record)
            });
            let again = later.flat_map(|later| later.change.fields.iter().map(move |field| (later, field))).find(
                |(_, field)| {
                    let by_rule = !matches!(field.why, Why::Undo | Why::Resolved) && !meets_anew(field.why);
                    by_rule && field.field == taken.field && field.after == *value
                },
            );
            if let Some((later, field)) = again
                && !was_touched(&state, &taken.field, value, entry.at)
            {
                breaches.push(format!(
                    "E9.6: {value} of {:?} was taken back at {} and written again at {}: {:?}",
                    entry.change.record, entry.at, later.at, field.why
                ));
            }
        }
    }
    breaches
}

pub(crate) fn is_written(entry: &JournalEntry) -> bool {
    matches!(entry.state, EntryState::Settled { outcome: Settled::Written { .. }, .. })
}

/// True if anybody entered something into the field since, or this very value, perhaps in other letters, before.
fn was_touched(state: &State, field: &FieldName, value: &Value, since: i64) -> bool {
    let counts = |edit: &Edit| edit.at > since || loosely(&edit.value) == loosely(value);
    state.automated.contains(field) || state.edits.iter().any(|edit| edit.field == *field && counts(edit))
}

/// True if an undo brought an edit back and a person took that undo back: the journal has it.
pub(crate) fn was_taken_back(simulation: &Simulation, edit: &Edit) -> bool {
    let undone = |field: &FieldChange| field.why == Why::Undo && field.field == edit.field;
    let entries = journal(simulation).into_iter().filter(is_written);
    let mut own = entries.filter(|entry| (entry.change.side, entry.record()) == (edit.side, Some(&edit.id)));
    let came_back = own.any(|entry| entry.change.fields.iter().any(|it| undone(it) && it.after == edit.value));
    let is_gone = |it: &FieldChange| undone(it) && it.before.as_ref() == Some(&edit.value);
    came_back && own.any(|entry| entry.change.fields.iter().any(is_gone))
}

/// Returns the fields that an undo ever wrote.
pub(crate) fn undone_fields(simulation: &Simulation) -> BTreeSet<(Side, RecordId, FieldName)> {
    if !simulation.stage.lock().agreed.undid {
        return BTreeSet::new();
    }
    let entries = journal(simulation);
    let fields = entries.iter().flat_map(|entry| entry.change.fields.iter().map(move |field| (entry, field)));
    let undone = fields.filter(|(_, field)| field.why == Why::Undo);
    undone
        .filter_map(|(entry, field)| Some((entry.change.side, entry.change.record.clone()?, field.field.clone())))
        .collect()
}

/// True if a field of a pair was taken back on one side: it differs from then on (E9.6), also in the record that this one
/// was merged into.
pub(crate) fn is_undone(undone: &BTreeSet<(Side, RecordId, FieldName)>, pair: &Pair, mapping: &Mapping) -> bool {
    Side::BOTH.into_iter().any(|side| {
        let merged = pair.aliases.iter().filter(|(on, _)| *on == side).map(|(_, alias)| alias);
        merged.chain(pair.id(side)).any(|id| undone.contains(&(side, id.clone(), mapping.field(side).clone())))
    })
}

pub(crate) fn journal(simulation: &Simulation) -> Vec<JournalEntry> {
    let rows = wait(simulation.store.scan(Space::HOST, StoreTable::Journal, Vec::new(), usize::MAX));
    let rows = rows.expect("the store is up");
    rows.iter().map(|(_, row)| postcard::from_bytes(row).expect("an entry reads back")).collect()
}
