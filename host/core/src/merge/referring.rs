//! Merges fields that refer to other records, and tells which of them have no counterpart yet (E10.1).
//!
//! Not here: what references are called on the other side (`links`).

use super::{Merging, unfit_for};
use crate::{Reason, Side, Unfit, Value, links};

impl Merging<'_> {
    /// Merges the references of one field as sets; those without counterpart stay where they are (E10.1).
    pub(super) fn links(&mut self, index: usize) {
        let situation = self.situation;
        let mapping = &situation.rules.mappings[index];
        let touched = self.touched[index];
        let (Some(left), Some(right)) =
            (self.value(Side::Left, index).cloned(), self.value(Side::Right, index).cloned())
        else {
            return;
        };
        let base = |side: Side| {
            let cell = situation.pair.base.of(mapping).filter(|_| touched.based);
            cell.map_or(&Value::Clear, |cell| cell.value(side))
        };
        let links = situation.images.links.get(&index);
        let merged = links.and_then(|links| links.merged([&left, &right], [base(Side::Left), base(Side::Right)]));
        let Some(merged) = merged else { return self.waits(index) };
        let [left_after, right_after] = merged;
        let sides = [(Side::Left, left, left_after), (Side::Right, right, right_after)];
        let full = sides.iter().find_map(|(side, before, after)| {
            let unfit = links::too_many(mapping, *side, after).filter(|_| before != after)?;
            Some(unfit_for(mapping, *side, &unfit))
        });
        if let Some(blocked) = full {
            return self.decision().left_out.push(blocked);
        }
        let written: Vec<_> = sides.into_iter().filter(|(_, before, after)| before != after).collect();
        self.write_merged(index, written);
    }

    /// Tells which references of a field have no counterpart yet.
    pub(super) fn waits(&mut self, index: usize) {
        let situation = self.situation;
        let mapping = &situation.rules.mappings[index];
        let Some(links) = situation.images.links.get(&index) else { return };
        for target in Side::BOTH {
            if !self.may_write(target, index) {
                continue;
            }
            let Some(value) = self.value(target.other(), index) else { continue };
            let waiting = links.waiting(target.other(), value);
            if !waiting.is_empty() {
                let blocked = unfit_for(mapping, target, &links::waits(&waiting));
                self.decision().left_out.push(blocked);
            }
        }
    }

    /// True if both sides wait for counterparts, which may turn out to be each other's.
    pub(super) fn may_be_the_same(&self, index: usize) -> bool {
        let waits =
            |image: &Result<Value, Unfit>| matches!(image, Err(unfit) if unfit.reason == Reason::ReferenceWaiting);
        Side::BOTH.into_iter().all(|side| self.situation.images.to(side, index).is_some_and(waits))
    }
}
