//! Where a call fails for good in the middle of an item: what was answered is settled, and the rest is the next run's.
//!
//! Invariant: what was read back from a write becomes base (E6.1), whatever becomes of the other side.

use syncline_core::{Conflict, FieldName, PlanItem, Side};

use crate::push::Pending;
use crate::running::RunKind;
use crate::sent::Sent;

/// True if an item is settled although its run fails: all of it, or of a merge the one side that is done.
///
/// What a person ordered is one step: it is looked up as a whole.
pub(crate) fn is_settled_now(pending: &Pending, kind: RunKind) -> bool {
    let mut told = pending.sent.iter().filter(|sent| **sent != Sent::Not).peekable();
    let is_done = |sent: &Sent| matches!(sent, Sent::Done(_));
    !pending.sent.contains(&Sent::Not) || (kind == RunKind::Sync && told.peek().is_some() && told.all(is_done))
}

/// Returns the part of an item of which nothing is known; none if everything was told.
pub(crate) fn rest(item: &PlanItem, sent: &[Sent]) -> Option<PlanItem> {
    let (open, told): (Vec<_>, Vec<_>) = item.changes.iter().zip(sent).partition(|(_, sent)| **sent == Sent::Not);
    if open.is_empty() {
        return None;
    }
    let is_told = |side: Side, field: &FieldName| {
        let mut changes = told.iter().filter(|(change, _)| change.side == side);
        changes.any(|(change, _)| change.fields.iter().any(|told| told.field == *field))
    };
    // A conflict is told with the write that covers the value that lost.
    let is_lost = |conflict: &Conflict| told.iter().any(|(change, _)| conflict.decided.covers(change.side));
    let mut rest = PlanItem {
        changes: open.into_iter().map(|(change, _)| change.clone()).collect(),
        conflicts: item.conflicts.iter().filter(|conflict| !is_lost(conflict)).cloned().collect(),
        ..item.clone()
    };
    // What the sides agree on in these fields is settled with what was told.
    rest.retain_agreed(|agreed, _| !is_told(Side::Left, &agreed.left) && !is_told(Side::Right, &agreed.right));
    Some(rest)
}
