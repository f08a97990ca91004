//! Merges the two sides of one pair, field by field, against the base (E2) and decides conflicts (E3).
//!
//! Invariant: a field that only one side changed is never a conflict. Invariant: the value that loses a conflict is in
//! the conflict.

use std::collections::BTreeMap;

use crate::decide::{Decision, Situation};
use crate::{
    Agreed, Answer, Blocked, Change, ChangeKind, Conflict, ConflictField, ConflictPolicy, Decided, FieldChange,
    FieldName, Instant, Mapping, MappingRule, Pair, PairState, Question, Reason, Record, Rules, Side, Times, Value,
    Why, Writable, normal_form,
};

/// A value as it would be on the other side, or why it cannot be; `None` where nothing is known or nothing flows.
pub type Image = Option<Result<Value, String>>;

/// When fields changed on one side.
pub type SideTimes = BTreeMap<FieldName, Instant>;

/// The mapped values of a pair, one entry a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Left values as the right would have them.
    pub to_right: Vec<Image>,
    /// Right values as the left would have them.
    pub to_left: Vec<Image>,
}

impl Images {
    /// Returns the image of mapping number `index` for `side`.
    pub fn to(&self, side: Side, index: usize) -> Option<&Result<Value, String>> {
        side.pick(&self.to_left, &self.to_right).get(index)?.as_ref()
    }
}

/// What the base says about one mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Both values are known.
    pub known: bool,
    /// Both sides have a base.
    pub based: bool,
    /// The left value differs from its base (E2.1).
    pub left: bool,
    /// The right value differs from its base.
    pub right: bool,
}

impl Touched {
    /// True if there is something to decide.
    pub fn any(self) -> bool {
        self.known && (!self.based || self.left || self.right)
    }

    fn side(self, side: Side) -> bool {
        side.pick(self.left, self.right)
    }
}

/// Tells for each mapping which sides changed since they last agreed: raw values against raw base, before any
/// transform.
pub fn diff(rules: &Rules, pair: &Pair, left: &Record, right: &Record) -> Vec<Touched> {
    let touched = |mapping: &Mapping| {
        let (Some(left_value), Some(right_value)) = (left.get(&mapping.left), right.get(&mapping.right)) else {
            return Touched::default();
        };
        if mapping.rule == MappingRule::Off {
            return Touched::default();
        }
        match (pair.base.left.get(&mapping.left), pair.base.right.get(&mapping.right)) {
            (Some(left_base), Some(right_base)) => Touched {
                known: true,
                based: true,
                left: *left_value != left_base.value,
                right: *right_value != right_base.value,
            },
            _ => Touched { known: true, based: false, left: true, right: true },
        }
    };
    rules.mappings.iter().map(touched).collect()
}

/// Merges a pair of which both records are there.
pub(crate) fn merge(situation: &Situation<'_>, left: &Record, right: &Record) -> Decision {
    let touched = diff(situation.rules, situation.pair, left, right);
    let mut merging = Merging { situation, left, right, touched, fields: [Vec::new(), Vec::new()], decision: None };
    for unit in units(situation.rules) {
        merging.unit(&unit);
    }
    merging.finish()
}

/// Says that a value cannot be carried over.
pub(crate) fn untransformable(mapping: &Mapping, target: Side, detail: &str) -> Blocked {
    Blocked {
        reason: Reason::Validation,
        side: target,
        field: Some(mapping.field(target).clone()),
        detail: format!("{} of the {} side: {detail}", mapping.field(target.other()), target.other()),
    }
}

/// Returns the mappings that are merged as one: each group together, every other mapping alone, in order.
///
/// Only members that go both ways can disagree: where one side is the source, that side decides, alone, each time.
fn units(rules: &Rules) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, mapping) in rules.mappings.iter().enumerate() {
        let both_ways = mapping.rule == MappingRule::TwoWay
            && Side::BOTH
                .into_iter()
                .all(|side| rules.direction.writes(side) && mapping.writable(side) == Writable::Always);
        match mapping.group.as_ref().filter(|_| both_ways) {
            Some(group) => match groups.get(group.as_str()) {
                Some(&unit) => units[unit].push(index),
                None => {
                    groups.insert(group, units.len());
                    units.push(vec![index]);
                }
            },
            None => units.push(vec![index]),
        }
    }
    units
}

/// What becomes of one mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Nothing,
    Agree,
    Write(Side, Why),
    Conflict,
}

struct Merging<'a> {
    situation: &'a Situation<'a>,
    left: &'a Record,
    right: &'a Record,
    touched: Vec<Touched>,
    /// The fields to write, left then right.
    fields: [Vec<FieldChange>; 2],
    decision: Option<Decision>,
}

impl Merging<'_> {
    fn decision(&mut self) -> &mut Decision {
        self.decision.get_or_insert_with(|| Decision {
            changes: Vec::new(),
            agreed: Vec::new(),
            conflicts: Vec::new(),
            then: PairState::Linked,
            blocked: None,
            questions: Vec::new(),
        })
    }

    fn mapping(&self, index: usize) -> &Mapping {
        &self.situation.rules.mappings[index]
    }

    fn record(&self, side: Side) -> &Record {
        side.pick(self.left, self.right)
    }

    fn value(&self, side: Side, index: usize) -> Option<&Value> {
        self.record(side).get(self.mapping(index).field(side))
    }

    fn may_write(&self, side: Side, index: usize) -> bool {
        let mapping = self.mapping(index);
        self.situation.rules.flows_to(mapping, side) && mapping.writable(side) == Writable::Always
    }

    /// True if the two values say the same under the mapping.
    fn equal(&self, index: usize) -> bool {
        let mapping = self.mapping(index);
        let same = |one: &Value, other: &Value| {
            let alike =
                |form| matches!((normal_form(one, form), normal_form(other, form)), (Some(a), Some(b)) if a == b);
            one == other || mapping.compare.is_some_and(alike)
        };
        let image = |target| self.situation.images.to(target, index).and_then(|image| image.as_ref().ok());
        let is_there = |target| matches!((image(target), self.value(target, index)), (Some(a), Some(b)) if same(a, b));
        // Where both ways go through one transform, both sides may hold a form that it would still change.
        let one_transform = mapping.to_left.is_some() && mapping.to_left == mapping.to_right;
        let meet = || matches!((image(Side::Left), image(Side::Right)), (Some(a), Some(b)) if same(a, b));
        Side::BOTH.into_iter().any(is_there) || (one_transform && meet())
    }

    /// Merges the mappings of one unit.
    fn unit(&mut self, unit: &[usize]) {
        let members: Vec<usize> = unit.iter().copied().filter(|&index| self.touched[index].any()).collect();
        let takes: Vec<Take> = members.iter().map(|&index| self.take(index)).collect();
        // Half of each side's edits would make a row that nobody entered (E2.5).
        let writes = |side| takes.iter().any(|take| matches!(take, Take::Write(to, Why::Changed) if *to == side));
        if takes.contains(&Take::Conflict) || (writes(Side::Left) && writes(Side::Right)) {
            return self.conflict(unit, &members);
        }
        for (index, take) in members.into_iter().zip(takes) {
            match take {
                Take::Nothing => {}
                Take::Agree => self.agree(index),
                Take::Write(side, why) => self.write(side, index, why),
                Take::Conflict => unreachable!("a unit with a conflict is decided as a whole above"),
            }
        }
    }

    /// Decides one mapping by itself, by the table of E2.2 and the rules of E2.4.
    fn take(&self, index: usize) -> Take {
        let touched = self.touched[index];
        let (Some(left), Some(right)) = (self.value(Side::Left, index), self.value(Side::Right, index)) else {
            return Take::Nothing;
        };
        if self.equal(index) {
            return Take::Agree;
        }
        let write =
            |side: Side, why: Why| if self.may_write(side, index) { Take::Write(side, why) } else { Take::Nothing };
        let fill = |side: Side| {
            let (target, source) = side.pick((left, right), (right, left));
            if target.is_blank() && !source.is_blank() { write(side, Why::FillBlank) } else { Take::Nothing }
        };
        let prefer = |side: Side| match side.pick(left, right).is_blank() {
            true => fill(side),
            false => write(side.other(), Why::Rule),
        };
        match self.mapping(index).rule {
            MappingRule::Off => Take::Nothing,
            MappingRule::FillBlankToLeft => fill(Side::Left),
            MappingRule::FillBlankToRight => fill(Side::Right),
            MappingRule::PreferLeftUnlessBlank => prefer(Side::Left),
            MappingRule::PreferRightUnlessBlank => prefer(Side::Right),
            MappingRule::TwoWay | MappingRule::ToLeft | MappingRule::ToRight => {
                // Without a base a blank never overwrites a value.
                if !touched.based && left.is_blank() {
                    return write(Side::Left, Why::FillBlank);
                }
                if !touched.based && right.is_blank() {
                    return write(Side::Right, Why::FillBlank);
                }
                match (touched.left, touched.right) {
                    (false, false) => Take::Nothing,
                    (true, false) => write(Side::Right, Why::Changed),
                    (false, true) => write(Side::Left, Why::Changed),
                    (true, true) => match (self.may_write(Side::Left, index), self.may_write(Side::Right, index)) {
                        (true, true) => Take::Conflict,
                        (true, false) => Take::Write(Side::Left, Why::Rule),
                        (false, true) => Take::Write(Side::Right, Why::Rule),
                        (false, false) => Take::Nothing,
                    },
                }
            }
        }
    }

    fn agree(&mut self, index: usize) {
        let mapping = self.mapping(index);
        let agreed = Agreed { left: mapping.left.clone(), right: mapping.right.clone() };
        self.decision().agreed.push(agreed);
    }

    /// Plans the image of the other side's value for `side`.
    fn write(&mut self, side: Side, index: usize, why: Why) {
        let mapping = self.mapping(index);
        match self.situation.images.to(side, index) {
            Some(Ok(image)) => {
                let change = FieldChange {
                    field: mapping.field(side).clone(),
                    before: self.value(side, index).cloned(),
                    after: image.clone(),
                    why,
                };
                self.fields[side.pick(0, 1)].push(change);
                self.agree(index);
            }
            Some(Err(detail)) => {
                let blocked = untransformable(mapping, side, detail);
                self.decision().blocked = Some(blocked);
            }
            None => {}
        }
    }

    /// Decides a unit on which both sides disagree.
    fn conflict(&mut self, unit: &[usize], members: &[usize]) {
        let differing: Vec<usize> = members.iter().copied().filter(|&index| !self.equal(index)).collect();
        let [left_time, right_time] = Side::BOTH.map(|side| self.time(side, &differing));
        let (decided, detail) = self.referee(unit, &differing, left_time, right_time);
        for &index in members.iter().filter(|index| !differing.contains(index)) {
            self.agree(index);
        }
        for &index in &differing {
            match decided.winner() {
                Some(winner) => self.take_side(index, winner),
                None if decided == Decided::Merged => self.take_value(index),
                None => {}
            }
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

    /// Writes the value of the side that won.
    fn take_side(&mut self, index: usize, winner: Side) {
        // At first pairing a blank erases nothing, also if its side wins (E3.3).
        let blank = self.value(winner, index).is_some_and(Value::is_blank);
        match blank && !self.touched[index].based {
            true if self.may_write(winner, index) => self.write(winner, index, Why::FillBlank),
            true => {}
            false if self.may_write(winner.other(), index) => self.write(winner.other(), index, Why::ConflictWon),
            false => {}
        }
    }

    /// Writes the value that the resolver made to each side that does not hold it.
    fn take_value(&mut self, index: usize) {
        let Some(Answer::Value { left, right }) = self.situation.answers.get(&index) else { return };
        for (side, value) in [(Side::Left, left), (Side::Right, right)] {
            let before = self.value(side, index).cloned();
            if before.as_ref() != Some(value) {
                let field = self.mapping(index).field(side).clone();
                let change = FieldChange { field, before, after: value.clone(), why: Why::Merged };
                self.fields[side.pick(0, 1)].push(change);
            }
        }
        self.agree(index);
    }

    fn conflict_field(&self, index: usize) -> Option<ConflictField> {
        let mapping = self.mapping(index);
        let base = &self.situation.pair.base;
        Some(ConflictField {
            left_field: mapping.left.clone(),
            right_field: mapping.right.clone(),
            left_base: base.left.get(&mapping.left).map(|cell| cell.value.clone()),
            right_base: base.right.get(&mapping.right).map(|cell| cell.value.clone()),
            left: self.value(Side::Left, index)?.clone(),
            right: self.value(Side::Right, index)?.clone(),
        })
    }

    /// Returns the newest time at which `side` set one of its changed members, and whether it is the field's own.
    fn time(&self, side: Side, members: &[usize]) -> Option<(Instant, bool)> {
        let times = side.pick(self.situation.left_times, self.situation.right_times);
        let changed = members.iter().filter(|&&index| self.touched[index].side(side));
        let own = changed.filter_map(|&index| times.get(self.mapping(index).field(side))).max();
        match own {
            Some(at) => Some((*at, true)),
            None => self.record(side).modified_at.map(|at| (at, false)),
        }
    }

    /// Applies the conflict policy (E3.1 to E3.3), and says why nobody decided.
    fn referee(
        &mut self,
        unit: &[usize],
        differing: &[usize],
        left: Option<(Instant, bool)>,
        right: Option<(Instant, bool)>,
    ) -> (Decided, Option<String>) {
        let rules = self.situation.rules;
        let own = unit.iter().find_map(|&index| rules.mappings[index].conflict.as_ref());
        let decided = match own.unwrap_or(&rules.conflict) {
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

    fn finish(mut self) -> Decision {
        let [left, right] = std::mem::take(&mut self.fields);
        let records = [self.left, self.right];
        let decision = self.decision();
        if decision.blocked.is_some() {
            decision.agreed.clear();
            decision.conflicts.clear();
            decision.questions.clear();
        } else {
            for ((side, record), fields) in Side::BOTH.into_iter().zip(records).zip([left, right]) {
                if !fields.is_empty() {
                    decision.changes.push(Change {
                        side,
                        kind: ChangeKind::Update,
                        record: Some(record.id.clone()),
                        version: record.version.clone(),
                        fields,
                    });
                }
            }
        }
        self.decision.take().expect("the line above made one")
    }
}
