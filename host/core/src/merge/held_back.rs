//! Holds back what goes back and forth, and what was written too often (E6.4); the other fields go on.
//!
//! Invariant: what is held back is told: as a conflict that a person decides, or as left out with the time of its turn.

use super::{Merging, Writing};
use crate::oscillation::Move;
use crate::{Agreed, Blocked, Conflict, Decided, Reason, Side, Value};

impl Merging<'_> {
    /// True if a person has yet to say which value of a member is to stand.
    pub(super) fn is_quarantined(&self, unit: &[usize]) -> bool {
        unit.iter().any(|&index| {
            let mapping = self.mapping(index);
            let fields = Agreed::under(mapping);
            self.situation.pair.quarantined.contains(&fields)
        })
    }

    /// Returns true if nothing of `writings` has to wait; else holds the whole unit back.
    pub(super) fn calm(&mut self, unit: &[usize], members: &[usize], writings: &[Writing]) -> bool {
        let situation = self.situation;
        let images = writings.iter().filter_map(|&(side, index, _)| {
            let image = situation.images.to(side, index)?.as_ref().ok()?;
            Some((side, index, image.clone()))
        });
        self.calm_values(unit, members, &images.collect::<Vec<_>>())
    }

    /// The same for values that are no images.
    pub(super) fn calm_values(&mut self, unit: &[usize], members: &[usize], values: &[(Side, usize, Value)]) -> bool {
        let (caps, lately) = (&self.situation.rules.caps, self.situation.lately);
        let swings = values.iter().any(|(side, index, after)| {
            let mapping = self.mapping(*index);
            let next = Move {
                side: *side,
                fields: (mapping.field(*side), mapping.field(side.other())),
                before: self.value(*side, *index),
                after,
                source: self.value(side.other(), *index),
            };
            lately.swings(caps, &next)
        });
        if swings {
            self.quarantine(unit, members);
            return false;
        }
        let full = values.iter().filter_map(|(side, index, _)| {
            let field = self.mapping(*index).field(*side);
            Some((lately.full_until(caps, *side, field)?, *side, field.clone()))
        });
        let Some((until, side, field)) = full.max_by_key(|(until, ..)| *until) else { return true };
        let detail = format!(
            "{field} of the {side} side was written as often as its caps allow; it is written again when its turn comes"
        );
        let blocked = Blocked { reason: Reason::Quarantined, side, field: Some(field), detail, until: Some(until) };
        self.decision().left_out.push(blocked);
        false
    }

    /// Leaves a unit as it is on both sides until a person decides.
    pub(super) fn quarantine(&mut self, unit: &[usize], members: &[usize]) {
        let differing: Vec<usize> = members.iter().copied().filter(|&index| !self.equal(index)).collect();
        for &index in members.iter().filter(|index| !differing.contains(index)) {
            self.agree(index);
        }
        if differing.is_empty() {
            return;
        }
        let [left_time, right_time] = Side::BOTH.map(|side| self.time(side, &differing).map(|(at, _)| at));
        let beside = unit.iter().filter(|index| !differing.contains(index));
        let conflict = Conflict {
            fields: differing.iter().filter_map(|&index| self.conflict_field(index)).collect(),
            beside: beside.filter_map(|&index| self.conflict_field(index)).collect(),
            left_time,
            right_time,
            decided: Decided::Quarantined,
            detail: Some("the two values went back and forth; find what sets each, then pick a side".to_owned()),
        };
        self.decision().conflicts.push(conflict);
    }
}
