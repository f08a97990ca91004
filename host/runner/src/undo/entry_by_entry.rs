//! What a field held without the write of a run: all that stood there before, or where people changed a field of several
//! values since, without what the run put in and with what it took out (E9.6).
//!
//! Invariant: what people put in or took out since stays, and is on the other side already.

use syncline_core::{FieldChange, Pair, Side, Value, taken_back, too_many};

use crate::running::Running;

const EDITED: &str = "it was edited since";
const KEPT: &str = "it was edited since; what was added to it and taken away since stays";
const NOT_CARRIED: &str =
    "it was edited since, and the other side lacks some of that; undo it again after the next run";
const NO_ROOM: &str = "it was edited since, and has no room for what it held before";

/// Returns the field without a write, and what is to be said of it, or why it is left alone: `after` is what the write
/// left, and `now` what stands there.
pub(super) fn without_write(
    running: &Running<'_>,
    pair: &Pair,
    side: Side,
    write: &FieldChange,
    after: Option<&Value>,
    now: Option<&Value>,
) -> Result<(Value, Option<&'static str>), &'static str> {
    if now == after {
        let before = write.before.clone().ok_or("what stood there before is not known")?;
        return Ok((before, None));
    }
    let rules = &running.setup.rules;
    let mut mappings = rules.mappings.iter().filter(|mapping| *mapping.field(side) == write.field);
    let (Some(mapping), None) = (mappings.next(), mappings.next()) else { return Err(EDITED) };
    let (Some(before), Some(after), Some(now)) = (&write.before, after, now) else { return Err(EDITED) };
    let then = Some(mapping).filter(|mapping| rules.merges_sets(mapping));
    let then = then.and_then(|mapping| taken_back(mapping, before, after, now)).filter(|then| then != now);
    let then = then.ok_or(EDITED)?;
    // The base becomes what the undo leaves there: an edit that no run has carried yet would never be.
    if pair.base.side(side).get(&write.field).is_none_or(|agreed| agreed.value != *now) {
        return Err(NOT_CARRIED);
    }
    match too_many(mapping, side, &then) {
        Some(_) => Err(NO_ROOM),
        None => Ok((then, Some(KEPT))),
    }
}
