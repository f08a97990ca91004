//! Makes what a run did to one side of a pair one entry: a run may write a record in several rounds.

use syncline_core::{ChangeKind, EntryState, JournalEntry, Settled, Side};

use super::{NotUndone, not_undone};

/// Joins the entries of a pair, the last of the run first, into one a side, apart from tags; names those that cannot be.
pub(super) fn join(entries: Vec<JournalEntry>, skipped: &mut Vec<NotUndone>) -> Vec<JournalEntry> {
    let (mut joined, rounds): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.change.kind == ChangeKind::Tag);
    for side in Side::BOTH {
        let rounds: Vec<&JournalEntry> = rounds.iter().filter(|entry| entry.change.side == side).collect();
        let mut oldest_first = rounds.iter().rev().map(|entry| (*entry).clone());
        let Some(first) = oldest_first.next() else { continue };
        match oldest_first.try_fold(first, join_two) {
            Some(entry) => joined.push(entry),
            None => {
                let why = "the run changed it in ways that are not taken back as one";
                skipped.extend(rounds.into_iter().map(|entry| not_undone(entry, None, why)));
            }
        }
    }
    joined
}

/// Joins two writes to one record: what stood there before the first, and what the second left.
fn join_two(earlier: JournalEntry, later: JournalEntry) -> Option<JournalEntry> {
    let (mut joined, other) = match (&earlier.change.kind, &later.change.kind) {
        (ChangeKind::Create | ChangeKind::Update | ChangeKind::Restore { .. }, ChangeKind::Update) => (earlier, later),
        (ChangeKind::Update, ChangeKind::Delete | ChangeKind::Archive) => (later, earlier),
        _ => return None,
    };
    let updates_last = other.number > joined.number;
    let EntryState::Settled { outcome: Settled::Written { record, stored, .. }, .. } = &mut joined.state else {
        return None;
    };
    let EntryState::Settled { outcome: Settled::Written { record: same, stored: also, .. }, .. } = other.state else {
        return None;
    };
    if *record != same {
        return None;
    }
    for field in other.change.fields {
        match joined.change.fields.iter_mut().find(|known| known.field == field.field) {
            Some(known) if updates_last => known.after = field.after,
            Some(known) => known.before = field.before,
            None => joined.change.fields.push(field),
        }
    }
    for (field, value) in also.into_iter().filter(|_| updates_last) {
        match stored.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known)) => *known = value,
            None => stored.push((field, value)),
        }
    }
    Some(joined)
}
