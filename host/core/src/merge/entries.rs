//! Merges the entries of one field (E2.7), also where several options of one side are one of the other (E2.6).
//!
//! Invariant: what one side still holds, under whatever name, is not taken away from the other.
//! Not here: what is done with two lists of the same words (`sets`).

use super::{Merging, rejects_record, unfit_for};
use crate::sets::{self, Edits, Entries};
use crate::{Mapping, Side, Unfit, Value, carried, too_many};

impl Merging<'_> {
    /// Merges the entries of one field: what each side added and took away goes to the other (E2.7).
    pub(super) fn set(&mut self, index: usize) {
        if self.equal(index) {
            return self.agree(index);
        }
        let mapping = &self.situation.rules.mappings[index];
        let own = Side::BOTH.map(|side| self.edits(side, index));
        let mut written = Vec::new();
        for side in Side::BOTH {
            let (Some(now), Some(there)) = (self.value(side, index), self.value(side.other(), index)) else { return };
            let [left, right] = &own;
            let (own, other) = side.pick((left, right), (right, left));
            let other = carried_over(mapping, side, [now, there], other);
            match other.map(|other| sets::applied(now, own, &other, mapping.compare)) {
                Ok(merged) => match too_many(mapping, side, &merged).filter(|_| *now != merged) {
                    Some(unfit) => {
                        let blocked = unfit_for(mapping, side, &unfit);
                        return self.decision().left_out.push(blocked);
                    }
                    None => written.push((side, now.clone(), merged)),
                },
                Err(unfit) => {
                    let blocked = unfit_for(mapping, side, &unfit);
                    return match rejects_record(mapping, &unfit) {
                        true => self.decision().blocked = Some(blocked),
                        false => self.decision().left_out.push(blocked),
                    };
                }
            }
        }
        written.retain(|(_, before, after)| before != after);
        self.write_merged(index, written);
    }

    fn edits(&self, side: Side, index: usize) -> Edits {
        let mapping = self.mapping(index);
        let based = self.touched[index].based;
        let base = self.situation.pair.base.of(mapping).filter(|_| based);
        let now = self.value(side, index).unwrap_or(&Value::Clear);
        sets::edits(&Entries { now, base: base.map(|cell| cell.value(side)) }, mapping.compare)
    }
}

/// Returns what the other side of `side` did, in the words of `side`, which holds `now` while the other holds `there`.
fn carried_over(mapping: &Mapping, side: Side, [now, there]: [&Value; 2], other: &Edits) -> Result<Edits, Unfit> {
    let carry = |to: Side, value: &Value| carried(mapping.steps_to(to), value).unwrap_or_else(|| Ok(value.clone()));
    if mapping.steps_to(side).is_empty() {
        return Ok(Edits { added: other.added.clone(), removed: other.removed.clone() });
    }
    let becomes = |to: Side, one: &Value, other: &Value| carry(to, one).is_ok_and(|made| made == *other);
    let same = |own: &Value, others: &Value| becomes(side.other(), own, others) || becomes(side, others, own);
    let is_in = |list: &Value, own: &Value| sets::entries(list).iter().any(|others| same(own, others));
    let is_new = |others: &Value| !sets::entries(now).iter().any(|own| same(own, others));
    let added = sets::those(&other.added, is_new);
    let removed = sets::those(now, |own| is_in(&other.removed, own) && !is_in(there, own));
    Ok(Edits { added: carry(side, &added)?, removed })
}
