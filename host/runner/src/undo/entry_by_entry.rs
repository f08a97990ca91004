//! What a field held without the write of a run: all that stood there before, or where people changed a field of several
//! values since, without what the run put in and with what it took out (E9.6).
//!
//! Invariant: what people put in or took out since stays, and is carried by the next run where no run has carried it yet:
//! an undo takes out of what was agreed on what it takes out of the record, and nothing else. References are agreed on by
//! both sides as one, so of them nothing is taken back that waits to be carried.

use syncline_core::{FieldChange, FieldName, Mapping, Pair, Rules, Side, Value, Why, taken_back, too_many};

use crate::running::Running;

const EDITED: &str = "it was edited since";
const KEPT: &str = "it was edited since; what was added to it and taken away since stays";
const NOT_CARRIED: &str =
    "it was edited since, and the other side lacks some of that; undo it again once a run has carried it";
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
    let mapping = set_of(&running.setup.rules, side, &write.field);
    let agreed = mapping.and_then(|mapping| pair.base.of(mapping)).map(|cell| cell.value(side));
    if mapping.is_some_and(Mapping::joins_references) && agreed != now {
        return Err(NOT_CARRIED);
    }
    if now == after {
        let before = write.before.clone().ok_or("what stood there before is not known")?;
        return Ok((before, None));
    }
    let mapping = mapping.ok_or(EDITED)?;
    let (Some(before), Some(after), Some(now)) = (&write.before, after, now) else { return Err(EDITED) };
    let then = taken_back(mapping, before, after, now).filter(|then| then != now).ok_or(EDITED)?;
    match too_many(mapping, side, &then) {
        Some(_) => Err(NO_ROOM),
        None => Ok((then, Some(KEPT))),
    }
}

/// Returns what is agreed on after this write of an undo to a field of several values, of which `agreed` was before; none of
/// other writes and fields, where what stands there is.
pub(crate) fn still_agreed(rules: &Rules, side: Side, write: &FieldChange, agreed: Option<&Value>) -> Option<Value> {
    let mapping = set_of(rules, side, &write.field).filter(|mapping| !mapping.joins_references())?;
    agreed_after(mapping, write, agreed?)
}

fn agreed_after(mapping: &Mapping, write: &FieldChange, agreed: &Value) -> Option<Value> {
    let before = write.before.as_ref().filter(|_| write.why == Why::Undo)?;
    taken_back(mapping, &write.after, before, agreed)
}

/// Returns the mapping of a field that merges as a set, if there is one that is alone with it.
fn set_of<'a>(rules: &'a Rules, side: Side, field: &FieldName) -> Option<&'a Mapping> {
    let mut mappings = rules.mappings.iter().filter(|mapping| mapping.field(side) == field);
    let mapping = mappings.next().filter(|mapping| rules.merges_sets(mapping));
    mapping.filter(|_| mappings.next().is_none())
}

#[cfg(test)]
mod tests {
    use syncline_core::MappingRule;

    use super::*;

    fn choices(codes: &str) -> Value {
        Value::Choices(codes.chars().map(String::from).collect()).canonical().expect("codes")
    }

    #[test]
    fn e9_6_what_waits_to_be_carried_is_not_agreed_on_by_an_undo() {
        let tags = Mapping::new("tags".into(), "tags".into(), MappingRule::TwoWay);
        let still = |before: &str, after: &str, agreed: &str, why: Why| {
            let write = FieldChange { field: "tags".into(), before: Some(choices(before)), after: choices(after), why };
            agreed_after(&tags, &write, &choices(agreed))
        };
        assert_eq!(still("ab", "a", "ab", Why::Undo), Some(choices("a")), "nothing waits");
        assert_eq!(still("ab", "a", "abc", Why::Undo), Some(choices("ac")), "that `c` went is carried later");
        assert_eq!(still("abc", "ac", "ab", Why::Undo), Some(choices("a")), "and so is that it came");
        assert_eq!(still("a", "ab", "a", Why::Undo), Some(choices("ab")), "what was taken out is there again");
        assert_eq!(still("ab", "a", "abc", Why::Changed), None, "another write");
    }
}
