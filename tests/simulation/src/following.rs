//! What goes one way gets there, and what people do at the other end is theirs (E2.3, B04).

use syncline_core::{
    EntryState, FieldChange, FieldName, JournalEntry, Leave, Mapping, Pair, PairState, Reason, Rules, Scope, Settled,
    Side, TargetDrift, Value,
};

use crate::again::{is_undone, is_written, journal, undone_fields};
use crate::application::{Entry, loosely};
use crate::people::Edit;
use crate::stage::{Simulation, State};

/// What is written was read at most this long before, in milliseconds.
const READ_BEFORE_MS_MAX: i64 = 10 * 60_000;

/// Returns the side that a mapping writes, if it writes just one.
pub(crate) fn only_target(rules: &Rules, mapping: &Mapping) -> Option<Side> {
    let mut targets = Side::BOTH.into_iter().filter(|side| rules.flows_to(mapping, *side));
    targets.next().filter(|_| targets.next().is_none())
}

/// Returns what does not say what its source says although it should.
pub(crate) fn targets_follow(simulation: &Simulation) -> Vec<String> {
    let undone = undone_fields(simulation);
    let state = simulation.stage.lock();
    let rules = &simulation.setup.rules;
    // Where only drift is told, everything else went on.
    let drifts = |pair: &Pair| pair.trouble.as_ref().is_none_or(|trouble| trouble.reason == Reason::TargetDrift);
    let mut pairs: Vec<Pair> = simulation.pairs().into_iter().map(|(_, pair)| pair).filter(drifts).collect();
    let mut breaches: Vec<String> = pairs.iter().filter_map(|pair| drifts_as_told(&state, rules, pair)).collect();
    pairs.retain(|pair| pair.state == PairState::Linked);
    for mapping in &rules.mappings {
        let Some(target) = only_target(rules, mapping) else { continue };
        for pair in &pairs {
            let is_quarantined = pair.quarantined.iter().any(|agreed| agreed.left == mapping.left);
            if !is_quarantined && !is_undone(&undone, pair, mapping) {
                breaches.extend((End { state: &state, pair, mapping, target }).wrong());
            }
        }
    }
    breaches
}

/// Returns what is told of a drift that is none.
fn drifts_as_told(state: &State, rules: &Rules, pair: &Pair) -> Option<String> {
    let trouble = pair.trouble.as_ref()?;
    let (target, field) = (trouble.side?, trouble.field.as_ref()?);
    let is_so = |mapping: &Mapping| {
        let end = End { state, pair, mapping, target };
        let is_target = mapping.field(target) == field && only_target(rules, mapping) == Some(target);
        is_target && mapping.target_drift == TargetDrift::Error && end.base(target) != end.value(target).as_ref()
    };
    // What left the scope with a drift tells it from then on.
    let is_linked = pair.state == PairState::Linked;
    (is_linked && !rules.mappings.iter().any(is_so))
        .then(|| format!("E2.3: {field} of the {target} is said to drift: {pair:?}"))
}

/// A field of a record that one mapping writes and none reads.
struct End<'a> {
    state: &'a State,
    pair: &'a Pair,
    mapping: &'a Mapping,
    target: Side,
}

impl End<'_> {
    fn value(&self, side: Side) -> Option<Value> {
        self.state.value(side, self.pair.id(side)?, self.mapping.field(side).as_str())
    }

    fn base(&self, side: Side) -> Option<&Value> {
        self.pair.base.of(self.mapping).map(|cell| cell.value(side))
    }

    fn wrong(&self) -> Option<String> {
        let (side, target) = (self.target.other(), self.target);
        let (source, now) = (self.value(side)?, self.value(target)?);
        let field = &self.mapping.left;
        let what = format!("{field} is {now} on the {target} and {source} on the {side}: {:?}", self.pair);
        // A blank that was never agreed on overwrites nothing.
        if self.base(side).map_or(!source.is_blank(), |base| *base != source) {
            return Some(format!("E2.3: the target was not told: {what}"));
        }
        if loosely(&now) == loosely(&source) || self.base(side).is_none() {
            return None;
        }
        match self.mapping.target_drift {
            TargetDrift::Ignore if self.is_entered(&now) => None,
            TargetDrift::Ignore => Some(format!("E2.3: nobody entered it: {what}")),
            TargetDrift::Error if self.pair.trouble.is_some() => None,
            TargetDrift::Error => Some(format!("E2.3: the drift is not told: {what}")),
            TargetDrift::Revert => Some(format!("E2.3: the drift is not reverted: {what}")),
        }
    }

    /// True if somebody at the target entered the value, or another record came to be the target with it.
    fn is_entered(&self, value: &Value) -> bool {
        let field = self.mapping.field(self.target);
        let is_merged = self.pair.aliases.iter().any(|(side, _)| *side == self.target);
        let own = self
            .state
            .edits
            .iter()
            .filter(|edit| edit.side == self.target && Some(&edit.id) == self.pair.id(self.target));
        let mut own = own.filter(|edit| edit.field == *field);
        is_merged || self.state.automated.contains(field) || own.any(|edit| loosely(&edit.value) == loosely(value))
    }
}

/// Returns the values that were written twice although their source had said nothing else in between: what somebody enters
/// at the target stands until the source changes.
pub(crate) fn drift_is_left_alone(simulation: &Simulation) -> Vec<String> {
    let rules = &simulation.setup.rules;
    let state = simulation.stage.lock();
    // Who was unpaired meets as if for the first time (E5.5).
    let meets_anew = rules.leave == Leave::Unpair && rules.scope != Scope::default();
    if state.rules_changed || state.agreed.undid || meets_anew {
        return Vec::new();
    }
    let written: Vec<JournalEntry> = journal(simulation).into_iter().filter(is_written).collect();
    let mut breaches = Vec::new();
    for (id, pair) in simulation.pairs().into_iter().filter(|(_, pair)| pair.aliases.is_empty()) {
        for mapping in rules.mappings.iter().filter(|mapping| mapping.target_drift != TargetDrift::Revert) {
            let Some(target) = only_target(rules, mapping).filter(|target| mapping.is_plain_to(*target)) else {
                continue;
            };
            let Some(source) = pair.id(target.other()) else { continue };
            let source = &state.app(target.other()).entries[source];
            let own = written.iter().filter(|entry| entry.pair == id && entry.change.side == target);
            let sent: Vec<Sent<'_>> = own.filter_map(|entry| Sent::of(entry, mapping.field(target))).collect();
            let again = sent.windows(2).filter(|two| two[1].is_again(&two[0], source, mapping.field(target.other())));
            let again = again.filter(|two| !two[0].is_in_doubt(&state));
            breaches.extend(again.map(|two| {
                let at = two.iter().map(|sent| sent.entry.at).collect::<Vec<_>>();
                let Sent { entry, change } = &two[1];
                format!("E2.3: {} is written to {:?} again, {:?}: {at:?}", change.after, entry.record(), change.why)
            }));
        }
    }
    breaches
}

/// A value that was written to a target.
struct Sent<'a> {
    entry: &'a JournalEntry,
    change: &'a FieldChange,
}

impl<'a> Sent<'a> {
    fn of(entry: &'a JournalEntry, field: &FieldName) -> Option<Self> {
        let change = entry.change.fields.iter().find(|change| change.field == *field)?;
        Some(Self { entry, change })
    }

    /// True if its outcome was looked up, and what was found may be the application's doing or somebody's: nobody agreed on
    /// that, so the two meet as if for the first time.
    fn is_in_doubt(&self, state: &State) -> bool {
        let EntryState::Settled { at, outcome: Settled::Written { record, stored, .. } } = &self.entry.state else {
            return false;
        };
        let side = self.entry.change.side;
        let told = stored.iter().find(|(field, _)| *field == self.change.field).map(|(_, value)| value);
        let is_rewritten = told != Some(&state.app(side).stored(self.change.after.clone()));
        let is_meanwhile = |edit: &Edit| (self.entry.at..=*at).contains(&edit.at);
        let mut own = state.edits.iter().filter(|edit| (edit.side, &edit.id) == (side, record));
        is_rewritten || own.any(|edit| edit.field == self.change.field && is_meanwhile(edit))
    }

    /// True if the same was written to the same record before, and its source said nothing else since.
    fn is_again(&self, before: &Sent<'_>, source: &Entry, field: &FieldName) -> bool {
        let past = &source.past;
        let from = before.entry.at - READ_BEFORE_MS_MAX;
        let counts =
            |number: usize| past[number].at <= self.entry.at && past.get(number + 1).is_none_or(|next| next.at >= from);
        let says_it =
            |number: usize| past[number].cells.as_ref().and_then(|cells| cells.get(field)) == Some(&self.change.after);
        let same = before.entry.record() == self.entry.record() && before.change.after == self.change.after;
        same && (0..past.len()).filter(|number| counts(*number)).all(says_it)
    }
}
