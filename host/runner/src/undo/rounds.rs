//! Makes what a run did to one side of a pair one entry: a run may write a record in several rounds.

use syncline_core::{ChangeKind, EntryState, FieldName, JournalEntry, Settled, Side, Value};

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

/// Joins two writes to one record: what stood there before the first, and what the second left. Where somebody edited a
/// field in between, that edit is what stood there.
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
    let left_behind = if updates_last { &*stored } else { &also };
    let is_edited = |field: &FieldName, before: Option<&Value>| {
        let left = left_behind.iter().find(|(known, _)| known == field).map(|(_, value)| value);
        before.is_some_and(|before| left.is_some_and(|left| left != before))
    };
    for field in other.change.fields {
        match joined.change.fields.iter_mut().find(|known| known.field == field.field) {
            Some(known) if updates_last => {
                if is_edited(&field.field, field.before.as_ref()) {
                    known.before = field.before;
                }
                known.after = field.after;
            }
            Some(known) if is_edited(&field.field, known.before.as_ref()) => {}
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

#[cfg(test)]
mod tests {
    use syncline_core::{Change, FieldChange, PairId, PairState, RecordId, RunId, SyncName, Why};

    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    /// Makes the entry of a write: each field with what stood there before and what was written.
    fn wrote(number: u32, kind: ChangeKind, fields: &[(&str, &str, &str)]) -> JournalEntry {
        let record = RecordId::new("r1");
        let change = |(field, before, after): &(&str, &str, &str)| FieldChange {
            field: FieldName::from(*field),
            before: Some(text(before)),
            after: text(after),
            why: Why::Changed,
        };
        let stored = fields.iter().map(|(field, _, after)| (FieldName::from(*field), text(after))).collect();
        JournalEntry {
            run: RunId(1),
            number,
            sync: SyncName::from("contacts"),
            pair: PairId(1),
            change: Change {
                side: Side::Right,
                kind,
                record: Some(record.clone()),
                version: None,
                fields: fields.iter().map(change).collect(),
            },
            previous: None,
            create_key: None,
            then: PairState::Linked,
            at: 0,
            announced: true,
            state: EntryState::Settled { at: 1, outcome: Settled::Written { record, stored, raw: None } },
        }
    }

    #[test]
    fn e9_6_rounds_of_one_run_are_taken_back_as_one() {
        let update = |number, fields: &[_]| wrote(number, ChangeKind::Update, fields);
        let twice = [update(1, &[("name", "a", "b")]), update(2, &[("name", "b", "c"), ("city", "x", "y")])];
        let cases = [
            (twice.to_vec(), update(1, &[("name", "a", "c"), ("city", "x", "y")])),
            (
                vec![wrote(1, ChangeKind::Create, &[("name", "", "b")]), update(2, &[("name", "b", "c")])],
                wrote(1, ChangeKind::Create, &[("name", "", "c")]),
            ),
            (
                vec![update(1, &[("name", "a", "b")]), wrote(2, ChangeKind::Delete, &[("name", "b", "")])],
                wrote(2, ChangeKind::Delete, &[("name", "a", "")]),
            ),
            // Somebody entered `p` in between: that stood there before the second write.
            (
                vec![update(1, &[("name", "a", "b")]), update(2, &[("name", "p", "c")])],
                update(1, &[("name", "p", "c")]),
            ),
            (
                vec![update(1, &[("name", "a", "b")]), wrote(2, ChangeKind::Delete, &[("name", "p", "")])],
                wrote(2, ChangeKind::Delete, &[("name", "p", "")]),
            ),
        ];
        for (mut entries, expected) in cases {
            entries.reverse();
            let mut skipped = Vec::new();
            assert_eq!((join(entries, &mut skipped), skipped), (vec![expected], Vec::new()));
        }
        let undoing = vec![wrote(2, ChangeKind::Delete, &[]), wrote(1, ChangeKind::Create, &[])];
        let mut skipped = Vec::new();
        assert_eq!((join(undoing, &mut skipped), skipped.len()), (Vec::new(), 2));
    }
}
