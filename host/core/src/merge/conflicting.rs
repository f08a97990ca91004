//! Decides units on which both sides disagree (E3): who wins, by which rule, and what becomes of what lost.
//!
//! Invariant: the value that loses a conflict is in the conflict.
//! Not here: what a conflict policy says (`rules`), what resolvers answer (the runner asks them).

use super::units::policy;
use super::{Merging, Writing};
use crate::{
    Answer, Conflict, ConflictField, ConflictPolicy, Decided, FieldChange, Instant, Question, Side, Times, Value, Why,
};

impl Merging<'_> {
    /// Decides a unit on which both sides disagree.
    pub(super) fn conflict(&mut self, unit: &[usize], members: &[usize]) {
        let differing: Vec<usize> = members.iter().copied().filter(|&index| !self.equal(index)).collect();
        let doubtful = || differing.iter().filter(|index| self.may_be_the_same(**index));
        let writings: Vec<Writing> =
            doubtful().flat_map(|&index| Side::BOTH.map(|side| (side, index, Why::ConflictWon))).collect();
        if !self.fits(&writings) {
            return;
        }
        let [left_time, right_time] = Side::BOTH.map(|side| self.time(side, &differing));
        let (decided, detail) = self.referee(unit, &differing, left_time, right_time);
        let says_nothing = |winner| differing.iter().all(|&index| self.comes_as_blank(winner, index));
        if decided.winner().is_some_and(says_nothing) {
            // As by a rule that prefers it: its own value stays, and nothing goes over (E2.4).
            return;
        }
        let writings: Vec<Writing> = match decided.winner() {
            Some(winner) => differing.iter().filter_map(|&index| self.won(winner, index)).collect(),
            None => Vec::new(),
        };
        let is_calm = match decided == Decided::Merged {
            true => self.calm_values(unit, members, &self.answered(&differing)),
            false => self.fits(&writings) && self.calm(unit, members, &writings),
        };
        if !is_calm {
            return;
        }
        for &index in members.iter().filter(|index| !differing.contains(index)) {
            self.agree(index);
        }
        for (side, index, why) in writings {
            self.write(side, index, why);
        }
        if decided == Decided::Merged {
            self.take_values(&differing);
        }
        let beside = unit.iter().filter(|index| !differing.contains(index));
        let conflict = Conflict {
            fields: differing.iter().filter_map(|&index| self.conflict_field(index)).collect(),
            beside: beside.filter_map(|&index| self.conflict_field(index)).collect(),
            left_time: left_time.map(|(at, _)| at),
            right_time: right_time.map(|(at, _)| at),
            decided,
            detail,
        };
        self.decision().conflicts.push(conflict);
    }

    /// Returns the values that the resolver made for sides that do not hold them.
    fn answered(&self, members: &[usize]) -> Vec<(Side, usize, Value)> {
        let mut values = Vec::new();
        for &index in members {
            let Some(Answer::Value { left, right }) = self.situation.answers.get(&index) else { continue };
            let own = [(Side::Left, index, left.clone()), (Side::Right, index, right.clone())];
            values.extend(own.into_iter().filter(|(side, _, value)| self.value(*side, index) != Some(value)));
        }
        values
    }

    /// Writes the values that the resolver made.
    fn take_values(&mut self, members: &[usize]) {
        for (side, index, after) in self.answered(members) {
            let (field, before) = (self.mapping(index).field(side).clone(), self.value(side, index).cloned());
            self.fields[side.pick(0, 1)].push(FieldChange { field, before, after, why: Why::Merged });
        }
        members.iter().for_each(|&index| self.agree(index));
    }

    /// Returns what is written for one member of a conflict that `winner` won.
    fn won(&self, winner: Side, index: usize) -> Option<Writing> {
        let touched = self.touched[index];
        // At first pairing a blank erases nothing, also if its side wins (E3.3).
        let (side, why) =
            if self.erases(winner, index) { (winner, Why::FillBlank) } else { (winner.other(), Why::ConflictWon) };
        let stays = self.comes_as_blank(winner, index) || self.erases(side.other(), index);
        (self.may_write(side, index) && !stays).then_some((
            side,
            index,
            if touched.renewed { Why::Mapping } else { why },
        ))
    }

    /// True if a side holds a value that would overwrite another one with a blank: there is nothing to fill, either.
    fn comes_as_blank(&self, side: Side, index: usize) -> bool {
        self.erases(side, index) && self.value(side, index).is_some_and(|value| !value.is_blank())
    }

    pub(super) fn conflict_field(&self, index: usize) -> Option<ConflictField> {
        let mapping = self.mapping(index);
        let base = self.situation.pair.base.of(mapping);
        Some(ConflictField {
            left_field: mapping.left.clone(),
            right_field: mapping.right.clone(),
            left_base: base.map(|cell| cell.left.clone()),
            right_base: base.map(|cell| cell.right.clone()),
            left: self.value(Side::Left, index)?.clone(),
            right: self.value(Side::Right, index)?.clone(),
        })
    }

    /// Returns the newest time at which `side` set one of its changed members, and whether it is the field's own.
    pub(super) fn time(&self, side: Side, members: &[usize]) -> Option<(Instant, bool)> {
        let times = side.pick(self.situation.left_times, self.situation.right_times);
        let changed = members.iter().filter(|&&index| self.touched[index].side(side));
        let own: Option<Vec<Instant>> =
            changed.map(|&index| times.get(self.mapping(index).field(side)).copied()).collect();
        // One that has no time of its own may have been set as late as the record.
        let newest = own.and_then(|own| own.into_iter().max()).map(|at| (at, true));
        newest.or_else(|| self.record(side).modified_at.map(|at| (at, false)))
    }

    /// Applies the conflict policy (E3.1 to E3.3), and says why nobody decided.
    fn referee(
        &mut self,
        unit: &[usize],
        differing: &[usize],
        left: Option<(Instant, bool)>,
        right: Option<(Instant, bool)>,
    ) -> (Decided, Option<String>) {
        let decided = match policy(self.situation.rules, unit) {
            ConflictPolicy::Manual => Decided::Open,
            ConflictPolicy::Prefer(side) => Decided::Preferred(*side),
            ConflictPolicy::Resolver(resolver) => {
                let question = Question {
                    resolver: resolver.clone(),
                    conflict: self.decision().conflicts.len(),
                    mappings: differing.to_vec(),
                };
                self.decision().questions.push(question);
                return self.answer(differing);
            }
            ConflictPolicy::Newest { in_doubt, times } => match (left, right) {
                (Some((_, left_own)), Some((_, right_own))) if *times == Times::Field && !(left_own && right_own) => {
                    Decided::InDoubt(*in_doubt)
                }
                (Some((left, _)), Some((right, _))) if left.abs_diff(right) > self.tolerance_ms() => {
                    Decided::Newer(if left > right { Side::Left } else { Side::Right })
                }
                _ => Decided::InDoubt(*in_doubt),
            },
        };
        (decided, None)
    }

    /// Times closer than this do not tell which one is the newer (E3.2).
    fn tolerance_ms(&self) -> u64 {
        self.situation.rules.skew_tolerance_ms.unsigned_abs().saturating_add(self.situation.clock_offset_ms)
    }

    /// Takes what the resolver said about the fields of one conflict: all of it, or nothing (E2.5).
    fn answer(&self, differing: &[usize]) -> (Decided, Option<String>) {
        let answers: Vec<&Answer> = differing.iter().filter_map(|index| self.situation.answers.get(index)).collect();
        let all = |side| answers.iter().all(|answer| **answer == Answer::Take(side));
        let held = answers.iter().find_map(|answer| match answer {
            Answer::Hold(reason) => Some(reason.clone()),
            Answer::Take(_) | Answer::Value { .. } => None,
        });
        match held {
            _ if answers.len() < differing.len() => (Decided::Open, None),
            Some(reason) => (Decided::Open, reason),
            None if all(Side::Left) => (Decided::ByResolver(Side::Left), None),
            None if all(Side::Right) => (Decided::ByResolver(Side::Right), None),
            None if answers.iter().all(|answer| matches!(answer, Answer::Value { .. })) => (Decided::Merged, None),
            None => {
                let detail = "the resolver would make a group of fields of parts that nobody entered together";
                (Decided::Open, Some(detail.to_owned()))
            }
        }
    }
}
