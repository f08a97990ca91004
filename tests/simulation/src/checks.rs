//! What must hold once everything has settled.

use std::collections::BTreeMap;

use syncline_core::{EditDelete, FieldName, Index, Instant, Pair, PairState, Reason, RecordId, Rules, Side, Value};
use syncline_runner::Totals;

use crate::again::{is_undone, undone_fields, was_taken_back};
use crate::application::{Entry, loosely};
use crate::automation::SyncWrite;
use crate::following::targets_follow;
use crate::people::Edit;
use crate::scopes::{is_unknown, scopes_hold};
use crate::stage::{Simulation, State};
use crate::tasks::tasks_are_those_of_the_journal;

/// Returns everything that does not hold.
pub fn check(simulation: &Simulation) -> Vec<String> {
    let pairs: Vec<Pair> = simulation.pairs().into_iter().map(|(_, pair)| pair).collect();
    let state = simulation.stage.lock();
    let mut breaches = state.breaches.clone();
    drop(state);
    totals_are_those_of_a_count(simulation, &pairs, &mut breaches);
    every_run_adds_up(simulation, &mut breaches);
    every_record_has_one_pair(simulation, &pairs, &mut breaches);
    nothing_is_left_hanging(simulation, &pairs, &mut breaches);
    collisions_last_no_longer_than_their_cause(&pairs, &mut breaches);
    pairs_agree(simulation, &pairs, &mut breaches);
    breaches.extend(targets_follow(simulation));
    no_edit_is_lost(simulation, &pairs, &mut breaches);
    deletes_have_a_cause(simulation, &pairs, &mut breaches);
    scopes_hold(simulation, &pairs, &mut breaches);
    caps_are_kept(simulation, &mut breaches);
    breaches.extend(tasks_are_those_of_the_journal(simulation));
    breaches
}

fn totals_are_those_of_a_count(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let (kept, counted) = (simulation.totals(), Totals::of(pairs.iter()));
    if kept != counted {
        breaches.push(format!("E8.5: the totals say {kept:?}, a count says {counted:?}"));
    }
}

fn every_run_adds_up(simulation: &Simulation, breaches: &mut Vec<String>) {
    for run in simulation.runs().into_iter().filter(|run| run.ended_at.is_some() && !run.adds_up) {
        breaches.push(format!("E8.2: run {} does not add up: {:?}", run.run.0, run.tally));
    }
}

fn every_record_has_one_pair(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let state = simulation.stage.lock();
    for side in Side::BOTH {
        for entry in state.app(side).live() {
            let count = pairs.iter().filter(|pair| pair.id(side) == Some(&entry.id)).count();
            // Of a side that is known by look-ups alone, most records are nobody's.
            let is_looked_up = simulation.setup.rules.index(side) == Index::Scoped;
            if count > 1 || count == 0 && !is_looked_up {
                breaches.push(format!("E1.1: {} is in {count} pairs", entry.id));
            }
        }
    }
}

fn nothing_is_left_hanging(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    // From a side that lists nothing at all nothing is concluded, and each run says so (E8.2).
    let state = simulation.stage.lock();
    let is_empty = Side::BOTH.into_iter().any(|side| state.app(side).live().next().is_none());
    for pair in pairs {
        let hangs = match (&pair.trouble, &pair.state) {
            (Some(trouble), _) => matches!(trouble.reason, Reason::Retrying | Reason::Uncertain | Reason::Dead),
            (None, PairState::Single | PairState::Creating { .. }) => true,
            (None, _) if is_unknown(pair) => !is_empty,
            (None, _) => false,
        };
        if hangs {
            breaches.push(format!("E8: a pair is left hanging: {pair:?}"));
        }
    }
}

/// A collision needs two pairs.
fn collisions_last_no_longer_than_their_cause(pairs: &[Pair], breaches: &mut Vec<String>) {
    for pair in pairs {
        let PairState::PairCollision { side, into } = &pair.state else { continue };
        if !pairs.iter().any(|other| other != pair && other.id(*side) == Some(into) && !other.is_free()) {
            breaches.push(format!("E1.10: {into} is free, and yet it is in the way of {pair:?}"));
        }
    }
}

fn pairs_agree(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let undone = undone_fields(simulation);
    let state = simulation.stage.lock();
    for pair in pairs.iter().filter(|pair| pair.state == PairState::Linked && pair.trouble.is_none()) {
        let (Some(left), Some(right)) = (&pair.left, &pair.right) else {
            breaches.push(format!("a linked pair lacks a record: {pair:?}"));
            continue;
        };
        for mapping in &simulation.setup.rules.mappings {
            let values = [(Side::Left, left, &mapping.left), (Side::Right, right, &mapping.right)]
                .map(|(side, id, field)| state.value(side, id, field.as_str()));
            let [Some(left_value), Some(right_value)] = values else {
                // Where neither feed nor lists tell, nobody can know.
                let told = |side: Side| {
                    let manner = &state.app(side).manner;
                    // An empty listing is an anomaly, not a delete of everything.
                    let lists = manner.complete && state.app(side).live().next().is_some();
                    // A cursor that expires takes the deletes since it along; then only lists tell.
                    lists
                };
                if Side::BOTH.into_iter().all(told) {
                    breaches.push(format!("E4.2: a linked pair has a record that is gone: {left} {right}"));
                }
                break;
            };
            let open = simulation.conflicts().into_iter().any(|kept| {
                pair.open_conflicts.contains(&kept.number)
                    && kept.conflict.fields.iter().any(|field| field.left_field == mapping.left)
            });
            // References mean the same in other words.
            let both_ways = Side::BOTH.into_iter().all(|side| simulation.setup.rules.flows_to(mapping, side));
            if !both_ways || open || mapping.joins_references() {
                continue;
            }
            if loosely(&left_value) != loosely(&right_value) && !is_undone(&undone, pair, mapping) {
                breaches.push(format!(
                    "DESIGN 5.6: {} of {left} is {left_value:?} and of {right} is {right_value:?}",
                    mapping.left
                ));
            }
            let base = pair.base.of(mapping);
            for (side, value) in [(Side::Left, &left_value), (Side::Right, &right_value)] {
                if base.map(|cell| cell.value(side)) != Some(value) {
                    breaches.push(format!(
                        "E2.1: {} of {left}/{right} on {side}: base {base:?}, value {value:?}",
                        mapping.left
                    ));
                }
            }
        }
    }
}

/// What the applications saw in any hour and any day is no more than the caps allow (E6.4).
fn caps_are_kept(simulation: &Simulation, breaches: &mut Vec<String>) {
    let caps = simulation.setup.rules.caps;
    let state = simulation.stage.lock();
    let mut tell = |what: String, times: Vec<Instant>, window_ms: i64, max: Option<u32>| {
        let max = max.map_or(usize::MAX, |max| max as usize);
        let most = times.windows(max.saturating_add(1)).any(|some| some[max] - some[0] < window_ms);
        if most {
            breaches.push(format!("E6.4: {what} was written more than {max} times in {window_ms} ms: {times:?}"));
        }
    };
    let mut of_field: BTreeMap<(Side, &RecordId, &FieldName), Vec<Instant>> = BTreeMap::new();
    let mut of_record: BTreeMap<(Side, &RecordId), Vec<Instant>> = BTreeMap::new();
    for write in &state.writes {
        of_record.entry((write.side, &write.id)).or_default().push(write.at);
        for field in &write.fields {
            of_field.entry((write.side, &write.id, field)).or_default().push(write.at);
        }
    }
    for ((_, id, field), times) in of_field {
        tell(format!("{field} of {id}"), times, 60 * 60_000, caps.field_per_hour);
    }
    for ((_, id), times) in of_record {
        tell(id.to_string(), times, 24 * 60 * 60_000, caps.record_per_day);
    }
}

fn no_edit_is_lost(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let conflicts = simulation.conflicts();
    let state = simulation.stage.lock();
    // Who argues with an automation is told so by the conflicts and nothing else.
    let argued = |edit: &&Edit| state.automated.contains(&edit.field);
    for edit in state.edits.iter().filter(|edit| counts(simulation, edit) && !argued(edit)) {
        let own =
            |pair: &&Pair| pair.id(edit.side) == Some(&edit.id) || pair.aliases.contains(&(edit.side, edit.id.clone()));
        let pair = pairs.iter().find(own);
        let other = pair.and_then(|pair| pair.id(edit.side.other()).cloned());
        let entry = &state.app(edit.side).entries[&edit.id];
        if entry.taken_by_person {
            continue;
        }
        let later = state.edits.iter().any(|later| {
            later.at > edit.at
                && later.field == edit.field
                && (later.id == edit.id || Some(&later.id) == other.as_ref())
        });
        let told = conflicts.iter().flat_map(|kept| &kept.conflict.fields).any(|field| {
            let (name, value) = edit.side.pick((&field.left_field, &field.left), (&field.right_field, &field.right));
            *name == edit.field && loosely(value) == loosely(&edit.value)
        });
        let stands =
            has(&state, edit.side, Some(&edit.id), edit) || has(&state, edit.side.other(), other.as_ref(), edit);
        // Who merges decides what is kept; and a record that the sync took away may have been made anew.
        let merged = pair.is_some_and(|pair| {
            let had = |(on, id): &(Side, RecordId)| state.app(*on).entries[id].ever_had(&edit.field, &edit.value);
            pair.aliases.iter().any(had) || has_a_later_value(&state, edit)
        });
        let anew = pair.is_none()
            && entry.taken_by_sync
            && Side::BOTH
                .into_iter()
                .flat_map(|side| state.app(side).entries.values())
                .any(|other| other.id != entry.id && other.ever_had(&edit.field, &edit.value));
        // Both sides are gone: what the one held must have been on the other before that went.
        let went_together = entry.taken_by_sync
            && other
                .as_ref()
                .is_some_and(|id| state.app(edit.side.other()).entries[id].ever_had(&edit.field, &edit.value));
        // The other side had this very value, whoever edited it there put another in its place: the two agreed until then.
        let was_agreed = other.as_ref().is_some_and(|id| {
            let side = edit.side.other();
            let since = state.app(side).entries[id].last_had(&edit.field, &edit.value);
            let is_to_it = |it: &&SyncWrite| it.side == side && it.id == *id && it.fields.contains(&edit.field);
            since.is_some_and(|at| !state.writes.iter().filter(is_to_it).any(|write| write.at > at))
        });
        // Where deletes win against edits, the edit is in the journal.
        let gave_way = entry.taken_by_sync && simulation.setup.rules.edit_delete == EditDelete::DeleteWins;
        if !(later || told || stands || went_together || merged || anew || was_agreed || gave_way)
            && !was_taken_back(simulation, edit)
        {
            breaches.push(format!("DESIGN 5.7: lost {edit:?}, pair {pair:?}"));
        }
    }
}

/// Blanks may give way at first pairing, and what a one-way field's target says is nobody's business.
fn counts(simulation: &Simulation, edit: &Edit) -> bool {
    !edit.in_gap && !edit.unheard && !edit.value.is_blank() && flows(&simulation.setup.rules, edit)
}

/// True if these rules carry what the edit changed to the other side.
fn flows(rules: &Rules, edit: &Edit) -> bool {
    let mapping = rules.mappings.iter().find(|mapping| *mapping.field(edit.side) == edit.field);
    mapping.is_some_and(|mapping| rules.flows_to(mapping, edit.side.other()))
}

/// Notes what was lost under the rules of now, before they change: later ones do not reach back to it.
pub(crate) fn before_other_rules(simulation: &Simulation) {
    let mut state = simulation.stage.lock();
    let lost = |edit: &Edit| !flows(&simulation.setup.rules, edit) && !has(&state, edit.side, Some(&edit.id), edit);
    let lost: Vec<bool> = state.edits.iter().map(lost).collect();
    for (edit, lost) in state.edits.iter_mut().zip(lost) {
        edit.unheard |= lost;
    }
}

/// The counterpart through which a later value came may have made way for another: merged, or deleted and made anew.
fn has_a_later_value(state: &State, edit: &Edit) -> bool {
    let entry = &state.app(edit.side).entries[&edit.id];
    let later = |other: &&Edit| other.at > edit.at && other.field == edit.field;
    state.edits.iter().filter(later).any(|other| entry.had_since(edit.at, &edit.field, &other.value))
}

fn has(state: &State, side: Side, id: Option<&RecordId>, edit: &Edit) -> bool {
    let value = id.and_then(|id| state.value(side, id, edit.field.as_str()));
    value.is_some_and(|value: Value| loosely(&value) == loosely(&edit.value))
}

fn deletes_have_a_cause(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let state = simulation.stage.lock();
    for side in Side::BOTH {
        // One that a person brought back may have found another counterpart since, which tells nothing of the first.
        let stays_away = |entry: &&Entry| entry.taken_by_sync && !entry.taken_back && entry.cells().is_none();
        for entry in state.app(side).entries.values().filter(stays_away) {
            let own = |pair: &&Pair| pair.id(side) == Some(&entry.id);
            // A restored counterpart has a new one since.
            let Some(pair) = pairs.iter().find(own) else { continue };
            let other = pair.id(side.other());
            // What it was merged from may have been the one that went, before it came back for that.
            let before = pair.aliases.iter().filter(|(at, _)| *at == side.other()).map(|(_, id)| id);
            let caused = other.into_iter().chain(before).any(|id| {
                let other = &state.app(side.other()).entries[id];
                other.taken_by_person || other.taken_by_sync
            });
            if !caused {
                breaches.push(format!("E4.1: {} was taken away although its counterpart {other:?} was not", entry.id));
            }
        }
    }
    for pair in pairs {
        let lies = |side: Side| pair.id(side).is_some_and(|id| state.app(side).entries[id].cells().is_some());
        if let PairState::Tombstone { gone: Some(gone), undone: false } = pair.state
            && lies(gone)
        {
            breaches.push(format!("E4.1: {gone} is not gone in {pair:?}"));
        }
    }
}
