//! What the sides agree on once an item is settled, field by field (DESIGN 5.3).
//!
//! Invariant: only acknowledged writes and values that were seen move the base; a field whose write failed stays as it was.

use syncline_core::{Agreed, BaseCell, ChangeKind, FieldChange, JournalEntry, Pair, Side, Value, Why};

use super::{Rows, written};
use crate::push::{self, Pending};
use crate::running::Running;
use crate::sent::{Done, Sent};
use crate::undo;

/// Moves the base of the mapped fields on which both sides agree now.
pub(super) fn agree(running: &Running<'_>, pair: &mut Pair, pending: &Pending, sent: &[Sent], rows: &Rows) {
    for (index, agreed) in pending.item.agreed.iter().enumerate() {
        let base = pair.base.get(&agreed.left, &agreed.right);
        let planned = pending.item.seen.get(index).copied();
        let agreeing = Agreeing { running, pair, base, pending, sent, rows, agreed, planned };
        if let (Some(left), Some(right)) = (agreeing.value(Side::Left), agreeing.value(Side::Right)) {
            let cell = agreed.cell([left, right], running.run.id);
            let alone = agreeing.is_alone(&cell);
            pair.base.agree(BaseCell { alone, ..cell });
        }
    }
}

/// Two mapped fields about which it is asked what each side holds.
struct Agreeing<'a> {
    running: &'a Running<'a>,
    pair: &'a Pair,
    /// What they agreed on before.
    base: Option<&'a BaseCell>,
    pending: &'a Pending,
    sent: &'a [Sent],
    rows: &'a Rows,
    agreed: &'a Agreed,
    /// Fingerprints of what the sides held when the item was planned, where that was noted.
    planned: Option<(u64, u64)>,
}

impl Agreeing<'_> {
    /// Returns what `side` is agreed to hold; none if nobody can tell.
    fn value(&self, side: Side) -> Option<Value> {
        let field = self.agreed.field(side);
        let changed = self.pending.entries.iter().zip(self.sent).find(|(entry, _)| entry.change.side == side);
        let Some((entry, sent)) = changed else {
            let planned = self.pending.item.changes.iter().filter(|change| change.side == side);
            let was_meant = planned.flat_map(|change| &change.fields).any(|change| change.field == *field);
            return if was_meant { None } else { self.untouched(side) };
        };
        match (entry.change.fields.iter().find(|change| change.field == *field), sent) {
            (Some(change), Sent::Done(done)) => self.left_by_write(side, change, done),
            (Some(_), _) => None,
            (None, Sent::Done(done))
                if matches!(entry.change.kind, ChangeKind::Create | ChangeKind::Restore { .. }) =>
            {
                let stored = done.stored.as_ref().and_then(|stored| stored.get(field)).cloned();
                stored.filter(|stored| !done.looked_up || stored.is_blank())
            }
            (None, _) => self.untouched(side),
        }
    }

    /// What a write left behind.
    fn left_by_write(&self, side: Side, change: &FieldChange, done: &Done) -> Option<Value> {
        let stored = written(done, &change.field, &change.after);
        let as_sent = stored == change.after;
        let before = self.base.map(|cell| cell.value(side));
        let still = || undo::still_agreed(&self.running.setup.rules, side, change, before);
        if let Some(still) = as_sent.then(still).flatten() {
            return Some(still);
        }
        // Between the write and the look-up somebody may have changed it. What waits is agreed on by nobody (E10.1).
        (as_sent || !done.looked_up).then(|| match &self.agreed.links {
            Some(links) => links.as_stored(side, &change.after, &stored),
            None => stored,
        })
    }

    /// What a side holds that nothing was written to.
    fn untouched(&self, side: Side) -> Option<Value> {
        if let Some(links) = &self.agreed.links {
            return Some(links.side(side).clone());
        }
        if self.came_back_alone(side.other()) {
            // What it held when it was there.
            return Some(self.base.map_or(Value::Clear, |cell| cell.value(side).clone()));
        }
        // What is taken back on the one side was agreed with what the other held then; an edit since is carried later.
        let is_taken_back = self.takes_back(side.other());
        let agreed_then = self.base.filter(|_| is_taken_back).map(|cell| cell.value(side).clone());
        let sent_on = || if is_taken_back { None } else { self.sent_from(side) };
        agreed_then.or_else(sent_on).or_else(|| self.as_planned(side))
    }

    /// What a side held when the item was planned; what was read since is an edit that the next plan answers to.
    fn as_planned(&self, side: Side) -> Option<Value> {
        let now = self.rows.value(side, self.pair.id(side), self.agreed.field(side))?;
        let planned = self.planned.map(|planned| side.pick(planned.0, planned.1));
        planned.is_none_or(|planned| planned == now.fingerprint()).then_some(now)
    }

    /// True if a side came back alone with something else than what was agreed on before.
    fn is_alone(&self, cell: &BaseCell) -> bool {
        let came_back = Side::BOTH.into_iter().find(|side| self.came_back_alone(*side));
        came_back.is_some_and(|side| self.base.is_none_or(|base| base.alone || base.value(side) != cell.value(side)))
    }

    /// True if an undo brings the record of `side` back, and the other one is not there.
    fn came_back_alone(&self, side: Side) -> bool {
        let other = side.other();
        let brings_back = |entry: &JournalEntry| {
            let is_back = matches!(entry.change.kind, ChangeKind::Create | ChangeKind::Restore { .. });
            is_back && entry.change.fields.iter().any(|change| change.why == Why::Undo)
        };
        self.entries_of(side).any(brings_back) && !self.rows.has(other, self.pair.id(other))
    }

    /// True if an undo writes the field of `side`.
    fn takes_back(&self, side: Side) -> bool {
        let mut written = self.entries_of(side).flat_map(|entry| &entry.change.fields);
        written.any(|change| change.field == *self.agreed.field(side) && change.why == Why::Undo)
    }

    /// Returns what `side` held when it was sent to the other one: another sync may have read something newer since.
    fn sent_from(&self, side: Side) -> Option<Value> {
        let target = side.other();
        let mapping = self.running.setup.rules.mappings.iter().find(|mapping| self.agreed.is_under(mapping))?;
        if !mapping.is_plain_to(target) {
            return None;
        }
        let mut sent = self.entries_of(target).flat_map(|entry| push::cells(&entry.change));
        sent.find(|(field, _)| *field == mapping.field(target)).map(|(_, after)| after.clone())
    }

    fn entries_of(&self, side: Side) -> impl Iterator<Item = &JournalEntry> {
        self.pending.entries.iter().filter(move |entry| entry.change.side == side)
    }
}
