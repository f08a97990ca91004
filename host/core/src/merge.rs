//! Merges the two sides of one pair, field by field, against the base (E2).
//!
//! Invariant: a field that only one side changed is never a conflict.
//! Not here: who wins a conflict (`conflicting`), what is not written although it could be (`held_back`).

use std::collections::BTreeMap;

use crate::decide::{Decision, Situation};
use crate::sets;
use crate::{
    Agreed, Blocked, Change, ChangeKind, FieldChange, FieldName, Instant, Links, Mapping, MappingRule, OnInvalid, Pair,
    PairState, Reason, Record, Round, Rules, RunId, Side, TargetDrift, Unfit, Value, Why, Writable, normal_form,
};

mod conflicting;
mod entries;
mod held_back;
mod referring;
mod rounds;
mod units;

use units::units;

/// A value as it would be on the other side, or why it cannot be; `None` where nothing is known or nothing flows.
pub type Image = Option<Result<Value, Unfit>>;

/// When fields changed on one side.
pub type SideTimes = BTreeMap<FieldName, Instant>;

/// The mapped values of a pair, one entry a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Left values as the right would have them.
    pub to_right: Vec<Image>,
    /// Right values as the left would have them.
    pub to_left: Vec<Image>,
    /// The counterparts of references, by mapping.
    pub links: BTreeMap<usize, Links>,
}

impl Images {
    /// Returns the image of mapping number `index` for `side`.
    pub fn to(&self, side: Side, index: usize) -> Option<&Result<Value, Unfit>> {
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
    /// The mapping is new or was changed since the pair was in step (E2.9).
    pub renewed: bool,
    /// One side has its value from the other (E6.5).
    pub round: Option<Round>,
}

impl Touched {
    /// True if there is something to decide.
    pub fn any(self) -> bool {
        self.known && (!self.based || self.left || self.right || self.renewed || self.round.is_some())
    }

    fn side(self, side: Side) -> bool {
        side.pick(self.left, self.right)
    }
}

/// Tells for each mapping which sides changed since they last agreed: raw values against raw base, before any
/// transform. `since` says since which run each mapping is what it is now.
pub fn diff(rules: &Rules, since: &[RunId], pair: &Pair, left: &Record, right: &Record) -> Vec<Touched> {
    let touched = |(index, mapping): (usize, &Mapping)| {
        let (Some(left_value), Some(right_value)) = (left.get(&mapping.left), right.get(&mapping.right)) else {
            return Touched::default();
        };
        if mapping.rule == MappingRule::Off {
            return Touched::default();
        }
        let since = since.get(index).copied().unwrap_or(RunId(0));
        match pair.base.of(mapping) {
            Some(base) => {
                let renewed = base.run < since;
                let (left, right) = (*left_value != base.left, *right_value != base.right);
                // Nobody edited it, so neither side is newer than the other: compared as at first pairing.
                let anew = (renewed && !left && !right) || base.alone;
                Touched { known: true, based: !anew, left: left || anew, right: right || anew, renewed, round: None }
            }
            None => {
                let renewed = pair.base.cells().iter().any(|cell| cell.run < since);
                Touched { known: true, based: false, left: true, right: true, renewed, round: None }
            }
        }
    };
    rules.mappings.iter().enumerate().map(touched).collect()
}

/// Merges a pair of which both records are there.
pub(crate) fn merge(situation: &Situation<'_>, left: &Record, right: &Record) -> Decision {
    let mut touched = diff(situation.rules, situation.since, situation.pair, left, right);
    for (index, round) in situation.rounds {
        if let Some(touched) = touched.get_mut(*index) {
            rounds::take_into_account(touched, *round);
        }
    }
    let mut merging = Merging { situation, left, right, touched, fields: [Vec::new(), Vec::new()], decision: None };
    for unit in units(situation.rules) {
        merging.unit(&unit);
    }
    merging.finish()
}

/// Says that a value cannot be carried over.
pub(crate) fn unfit_for(mapping: &Mapping, target: Side, unfit: &Unfit) -> Blocked {
    Blocked {
        reason: unfit.reason,
        side: target,
        field: Some(mapping.field(target).clone()),
        detail: format!("{} of the {} side: {}", mapping.field(target.other()), target.other(), unfit.detail),
        until: None,
    }
}

/// True if nothing of a record is written while this value cannot be carried over (F12).
///
/// An option without counterpart concerns its field alone (E2.6), and so do references (E10.1).
pub(crate) fn rejects_record(mapping: &Mapping, unfit: &Unfit) -> bool {
    mapping.on_invalid == OnInvalid::RejectRecord
        && !matches!(unfit.reason, Reason::UnmappedOption | Reason::ReferenceWaiting | Reason::TooManyValues)
}

/// True if `value` can be merged as a set.
fn is_set(mapping: &Mapping, value: &Value) -> bool {
    sets::is_set(value) || (mapping.joins_references() && matches!(value, Value::References(_)))
}

/// What becomes of one mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Nothing,
    Agree,
    Write(Side, Why),
    Drifted(Side),
    Conflict,
}

/// A write of the other side's value.
type Writing = (Side, usize, Why);

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
        self.decision.get_or_insert_with(|| Decision::stay(PairState::Linked))
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
        let one_transform = !mapping.to_left.is_empty() && mapping.to_left == mapping.to_right;
        let meet = || matches!((image(Side::Left), image(Side::Right)), (Some(a), Some(b)) if same(a, b));
        Side::BOTH.into_iter().any(is_there) || (one_transform && meet())
    }

    /// Merges the mappings of one unit.
    fn unit(&mut self, unit: &[usize]) {
        let members: Vec<usize> = unit.iter().copied().filter(|&index| self.touched[index].any()).collect();
        if self.is_quarantined(unit) {
            return self.quarantine(unit, &members);
        }
        if let [index] = members[..]
            && self.is_set(index)
            && self.touched[index].round.is_none()
        {
            return if self.mapping(index).joins_references() { self.links(index) } else { self.set(index) };
        }
        let takes: Vec<Take> = members.iter().map(|&index| self.take(index)).collect();
        // Half of each side's edits would make a row that nobody entered (E2.5).
        let writes = |side| takes.iter().any(|take| matches!(take, Take::Write(to, Why::Changed) if *to == side));
        if takes.contains(&Take::Conflict) || (writes(Side::Left) && writes(Side::Right)) {
            return self.conflict(unit, &members);
        }
        let chosen = || members.iter().copied().zip(takes.iter().copied());
        let writings: Vec<Writing> = chosen()
            .filter_map(|(index, take)| if let Take::Write(side, why) = take { Some((side, index, why)) } else { None })
            .collect();
        if !self.fits(&writings) || !self.calm(unit, &members, &writings) {
            return;
        }
        for (index, take) in chosen() {
            match take {
                Take::Nothing => {}
                Take::Agree => self.agree(index),
                Take::Write(side, why) => self.write(side, index, why),
                Take::Drifted(side) => self.drifted(side, index),
                Take::Conflict => unreachable!("a unit with a conflict is decided as a whole above"),
            }
        }
    }

    /// Returns true if every value can be carried over; else leaves the whole unit out, or the record.
    fn fits(&mut self, writings: &[Writing]) -> bool {
        let situation = self.situation;
        let unfit = writings.iter().find_map(|&(side, index, _)| {
            let unfit = situation.images.to(side, index)?.as_ref().err()?;
            Some((&situation.rules.mappings[index], side, unfit))
        });
        let Some((mapping, side, unfit)) = unfit else { return true };
        let blocked = unfit_for(mapping, side, unfit);
        match rejects_record(mapping, unfit) {
            true => self.decision().blocked = Some(blocked),
            false => self.decision().left_out.push(blocked),
        }
        false
    }

    /// Tells that the target of a one-way field was edited (E2.3).
    fn drifted(&mut self, side: Side, index: usize) {
        let field = self.mapping(index).field(side).clone();
        let detail = format!(
            "{field} of the {side} side was edited, and its mapping only writes it; edit the {} side, or put it back",
            side.other()
        );
        let blocked = Blocked { reason: Reason::TargetDrift, side, field: Some(field), detail, until: None };
        self.decision().left_out.push(blocked);
    }

    /// True if what each side added and took away goes to the other (E2.7): order alone is no change then.
    fn is_set(&self, index: usize) -> bool {
        let mapping = self.mapping(index);
        let values = Side::BOTH.map(|side| self.value(side, index));
        self.situation.rules.merges_sets(mapping)
            && values.iter().all(|value| value.is_some_and(|value| is_set(mapping, value)))
            && values.iter().any(|value| value.is_some_and(|value| !value.is_blank()))
    }

    /// Decides one mapping by itself.
    fn take(&self, index: usize) -> Take {
        let take = self.by_rule(index);
        self.touched[index].round.map_or(take, |round| rounds::without_return(take, round))
    }

    /// Decides it by the table of E2.2 and the rules of E2.4.
    fn by_rule(&self, index: usize) -> Take {
        let touched = self.touched[index];
        let (Some(left), Some(right)) = (self.value(Side::Left, index), self.value(Side::Right, index)) else {
            return Take::Nothing;
        };
        if self.equal(index) {
            return Take::Agree;
        }
        let write = |side: Side, why: Why| match self.may_write(side, index) {
            true => Take::Write(side, if touched.renewed { Why::Mapping } else { why }),
            false => Take::Nothing,
        };
        let fill = |side: Side| {
            let (target, source) = side.pick((left, right), (right, left));
            if target.is_blank() && !source.is_blank() { write(side, Why::FillBlank) } else { Take::Nothing }
        };
        let prefer = |side: Side| match self.says_nothing(side, index) {
            true => fill(side),
            false => write(side.other(), Why::Rule),
        };
        let erases = |from: Side| self.erases(from, index);
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
                    (true, false) => self.follow(Side::Left, index),
                    (false, true) => self.follow(Side::Right, index),
                    (true, true) => match (self.may_write(Side::Left, index), self.may_write(Side::Right, index)) {
                        (true, true) if !(erases(Side::Left) && erases(Side::Right)) => Take::Conflict,
                        (true, false) if !erases(Side::Right) => write(Side::Left, Why::Rule),
                        (false, true) if !erases(Side::Left) => write(Side::Right, Why::Rule),
                        _ => Take::Nothing,
                    },
                }
            }
        }
    }

    /// True if what `side` holds would be a blank on the other side.
    fn says_nothing(&self, side: Side, index: usize) -> bool {
        let image = self.situation.images.to(side.other(), index).and_then(|image| image.as_ref().ok());
        self.value(side, index).is_some_and(Value::is_blank) || image.is_some_and(Value::is_blank)
    }

    /// True if what `from` holds would overwrite a value with a blank, and the sides never agreed (E2.2).
    fn erases(&self, from: Side, index: usize) -> bool {
        !self.touched[index].based && self.says_nothing(from, index)
    }

    /// Only `side` changed: the other follows, or `side` was not to be edited (E2.3).
    fn follow(&self, side: Side, index: usize) -> Take {
        let (source, target) = (self.may_write(side.other(), index), self.may_write(side, index));
        let why = if self.touched[index].renewed { Why::Mapping } else { Why::Changed };
        match (source, target, self.mapping(index).target_drift) {
            (true, _, _) => Take::Write(side.other(), why),
            (false, false, _) | (false, true, TargetDrift::Ignore) => Take::Nothing,
            (false, true, TargetDrift::Revert) => Take::Write(side, Why::Drift),
            (false, true, TargetDrift::Error) => Take::Drifted(side),
        }
    }

    /// Writes the fields of a merge of sets, unless they are held back.
    fn write_merged(&mut self, index: usize, written: Vec<(Side, Value, Value)>) {
        let values: Vec<(Side, usize, Value)> =
            written.iter().map(|(side, _, after)| (*side, index, after.clone())).collect();
        if !self.calm_values(&[index], &[index], &values) {
            return;
        }
        for (side, before, after) in written {
            let field = self.mapping(index).field(side).clone();
            let why = self.why(&before, index);
            self.fields[side.pick(0, 1)].push(FieldChange { field, why, before: Some(before), after });
        }
        self.agree(index);
    }

    /// Says why an entry is added to a field, or taken out of it.
    fn why(&self, before: &Value, index: usize) -> Why {
        let touched = self.touched[index];
        match before.is_blank() && !touched.based {
            _ if touched.renewed => Why::Mapping,
            true => Why::FillBlank,
            false => Why::Changed,
        }
    }

    fn agree(&mut self, index: usize) {
        let mapping = &self.situation.rules.mappings[index];
        let links = self.situation.images.links.get(&index).map(|links| {
            let [left, right] = Side::BOTH.map(|side| self.planned(side, index));
            links.agreed(left, right)
        });
        self.decision().agreed.push(Agreed { links, ..Agreed::under(mapping) });
        self.waits(index);
    }

    /// Returns what stands in a field once the changes so far are done.
    fn planned(&self, side: Side, index: usize) -> &Value {
        let field = self.mapping(index).field(side);
        let change = self.fields[side.pick(0, 1)].iter().rev().find(|change| change.field == *field);
        change.map(|change| &change.after).or_else(|| self.value(side, index)).unwrap_or(&Value::Clear)
    }

    /// Plans the image of the other side's value for `side`.
    fn write(&mut self, side: Side, index: usize, why: Why) {
        let mapping = self.mapping(index);
        // A unit with a value that cannot be carried over is left out as a whole.
        if let Some(Ok(image)) = self.situation.images.to(side, index) {
            let change = FieldChange {
                field: mapping.field(side).clone(),
                before: self.value(side, index).cloned(),
                after: image.clone(),
                why,
            };
            self.fields[side.pick(0, 1)].push(change);
            self.agree(index);
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
            decision.left_out.clear();
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
