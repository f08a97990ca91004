//! Values that go back and forth, and fields that are written too often (E6.4): what was written to a pair lately, and
//! how much of that is too much.
//!
//! What was written is told by the journal, so nothing is kept beside it and nothing grows with time: writes older than a
//! day count for nothing, and the caps bound how many there are in a day.
//! Not here: what becomes of a field that is held back (`merge`).

use serde::{Deserialize, Serialize};

use crate::{EntryState, FieldName, Instant, JournalEntry, Reason, Settled, Side, Value, Why};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How far back writes count.
pub const LATELY_MS: i64 = 24 * HOUR_MS;

/// How much is too much; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Writes to one field of a record in an hour.
    pub field_per_hour: Option<u32>,
    /// Writes to one record in a day.
    pub record_per_day: Option<u32>,
    /// How often a field may go back and forth between the same two values in a day.
    pub alternations: Option<u32>,
}

impl Default for Caps {
    fn default() -> Self {
        Self { field_per_hour: Some(6), record_per_day: Some(24), alternations: Some(3) }
    }
}

/// What was written to a pair in the last day, the newest write first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// The time of the decision.
    pub now: Instant,
    /// The writes.
    pub writes: Vec<LateWrite>,
}

/// One write, unless it is certain that it was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateWrite {
    /// Its side.
    pub side: Side,
    /// When its outcome was known: not before it was done.
    pub at: Instant,
    /// What it wrote.
    pub fields: Vec<LateField>,
}

/// One field of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateField {
    /// The field.
    pub field: FieldName,
    /// What stood there before.
    pub before: Option<Value>,
    /// What was sent.
    pub sent: Value,
    /// What stood there then, as far as is known.
    pub stored: Value,
    /// Why.
    pub why: Why,
}

/// A value on its way to one field of a pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    /// The side that is written.
    pub(crate) side: Side,
    /// The field there, and on the other side.
    pub(crate) fields: (&'a FieldName, &'a FieldName),
    /// What stands there.
    pub(crate) before: Option<&'a Value>,
    /// What is to stand there.
    pub(crate) after: &'a Value,
    /// What the other side holds.
    pub(crate) source: Option<&'a Value>,
}

impl LateWrite {
    /// Makes it of a journal entry; nothing of one that was not done, or that a person asked for.
    pub fn of(entry: &JournalEntry) -> Option<Self> {
        let (at, stored) = match &entry.state {
            EntryState::Intent => (entry.at, None),
            EntryState::Settled { at, outcome: Settled::Written { stored, .. } } => (*at, Some(stored)),
            EntryState::Settled { at, outcome: Settled::NotDone { reason: Reason::Uncertain, .. } } => (*at, None),
            EntryState::Settled { outcome: Settled::NotDone { .. }, .. } => return None,
        };
        let now_holds = |field: &FieldName| stored?.iter().find(|(name, _)| name == field).map(|(_, value)| value);
        let fields = entry.change.fields.iter().map(|change| LateField {
            field: change.field.clone(),
            before: change.before.clone(),
            sent: change.after.clone(),
            stored: now_holds(&change.field).unwrap_or(&change.after).clone(),
            why: change.why,
        });
        Some(Self { side: entry.change.side, at, fields: fields.collect() })
    }

    fn field(&self, name: &FieldName) -> Option<&LateField> {
        self.fields.iter().find(|field| field.field == *name)
    }

    /// True if a person asked for it: that is no work of two automations.
    fn is_asked_for(&self) -> bool {
        self.fields.iter().any(LateField::is_asked_for)
    }
}

impl LateField {
    fn is_asked_for(&self) -> bool {
        matches!(self.why, Why::Resolved | Why::Undo)
    }

    fn left(&self, value: &Value) -> bool {
        self.before.as_ref() == Some(value)
    }

    fn brought(&self, value: &Value) -> bool {
        self.sent == *value || self.stored == *value
    }
}

impl Lately {
    /// True if `next` would take its field back and forth between the same two values once more than `caps` allow.
    pub(crate) fn swings(&self, caps: &Caps, next: &Move<'_>) -> bool {
        let (Some(max), Some(here)) = (caps.alternations, next.before) else { return false };
        let mut swings = 0;
        for write in self.writes.iter().filter(|write| write.at > self.now.saturating_sub(LATELY_MS)) {
            let name = if write.side == next.side { next.fields.0 } else { next.fields.1 };
            let Some(field) = write.field(name) else { continue };
            let between = match write.side == next.side {
                true => {
                    (field.left(here) && field.brought(next.after)) || (field.left(next.after) && field.brought(here))
                }
                false => next.source.is_some_and(|source| field.left(source) || field.brought(source)),
            };
            // A person's word, or a third value, begins the count anew.
            if field.is_asked_for() || !between {
                break;
            }
            swings += 1;
        }
        swings >= max
    }

    /// Returns from when on `field` of `side` may be written again; none if it may be now.
    pub(crate) fn full_until(&self, caps: &Caps, side: Side, field: &FieldName) -> Option<Instant> {
        let own = || self.writes.iter().filter(|write| write.side == side && !write.is_asked_for());
        let of_field = own().filter(|write| write.field(field).is_some()).map(|write| write.at);
        let of_record = own().map(|write| write.at);
        self.free_at(of_field, caps.field_per_hour, HOUR_MS).max(self.free_at(
            of_record,
            caps.record_per_day,
            LATELY_MS,
        ))
    }

    /// Returns when one of `times`, the newest first, leaves the window, if `max` of them are in it.
    fn free_at(&self, times: impl Iterator<Item = Instant>, max: Option<u32>, window_ms: i64) -> Option<Instant> {
        let mut times: Vec<Instant> = times.filter(|at| *at > self.now.saturating_sub(window_ms)).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        let last = usize::try_from(max?).unwrap_or(usize::MAX).checked_sub(1)?;
        times.get(last).map(|at| at.saturating_add(window_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    fn write(side: Side, at: Instant, before: &str, after: &str, why: Why) -> LateWrite {
        let (sent, stored) = (text(after), text(after));
        let field = LateField { field: "name".into(), before: Some(text(before)), sent, stored, why };
        LateWrite { side, at, fields: vec![field] }
    }

    fn swings(writes: &[LateWrite], now: Instant, caps: &Caps) -> bool {
        let lately = Lately { now, writes: writes.iter().rev().cloned().collect() };
        let (field, a, b) = (FieldName::from("name"), text("a"), text("b"));
        let next = Move { side: Side::Right, fields: (&field, &field), before: Some(&b), after: &a, source: Some(&a) };
        lately.swings(caps, &next)
    }

    #[test]
    fn e6_4_the_same_two_values_three_times_in_a_day_are_a_swing() {
        let (left, right) = (Side::Left, Side::Right);
        let tug = [
            write(left, 1, "a", "b", Why::Changed),
            write(right, 2, "b", "a", Why::Changed),
            write(left, 3, "a", "b", Why::Changed),
        ];
        let caps = Caps::default();
        assert!(swings(&tug, 4, &caps));
        assert!(!swings(&tug[1..], 4, &caps), "twice is not yet three times");
        assert!(!swings(&tug, LATELY_MS + 1, &caps), "the first is a day old");
        assert!(!swings(&tug, 4, &Caps { alternations: None, ..caps }));
        let resolved = [tug[0].clone(), write(right, 2, "b", "a", Why::Resolved), tug[2].clone()];
        assert!(!swings(&resolved, 4, &caps), "a person's word begins the count anew");
        let third = [tug[0].clone(), write(right, 2, "b", "c", Why::Changed), tug[2].clone()];
        assert!(!swings(&third, 4, &caps), "a third value is an edit");
        let reverted = [1, 2, 3].map(|at| write(right, at, "b", "a", Why::Drift));
        assert!(swings(&reverted, 4, &caps), "also where one side is put back again and again");
    }

    #[test]
    fn e6_4_caps_free_a_field_after_an_hour_and_a_record_after_a_day() {
        let caps = Caps { field_per_hour: Some(2), record_per_day: Some(3), alternations: None };
        let until = |times: &[Instant], now: Instant, field: &str| {
            let mut writes: Vec<LateWrite> =
                times.iter().rev().map(|at| write(Side::Left, *at, "a", "b", Why::Changed)).collect();
            writes.push(write(Side::Right, now, "a", "b", Why::Changed));
            writes.push(write(Side::Left, now, "a", "b", Why::Undo));
            Lately { now, writes }.full_until(&caps, Side::Left, &field.into())
        };
        assert_eq!(until(&[5], 10, "name"), None, "the other side and what a person asked for do not count");
        assert_eq!(until(&[5, 6], 10, "name"), Some(5 + HOUR_MS));
        assert_eq!(until(&[5, 6], 5 + HOUR_MS, "name"), None);
        assert_eq!(until(&[5, 6], 10, "city"), None, "another field of the record goes on");
        assert_eq!(until(&[5, 6, 7], 10, "city"), Some(5 + LATELY_MS), "until the record has had its day");
    }
}
