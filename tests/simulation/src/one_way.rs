//! One-way syncs (B04): which histories are, and what the configuration makes of rules that somebody turns one way.

use syncline_core::{DeletePolicy, Direction, Index, MappingRule, Rules, Side, TargetDrift};
use syncline_runner::Operation;

use crate::chance::Chance;
use crate::script::{RuleChange, Script, Visit};
use crate::stage::State;

/// Sets the row of chance that tells which histories are one-way apart from all others of a seed.
const OWN_ROW: u64 = 0x006f_6e65_2d77_6179;

/// Makes one history in eight one-way, some only from or until a change of the rules (B13).
///
/// Its chance is its own, so that all other histories stay what their seeds always were.
pub(crate) fn draw(seed: u64, script: &mut Script) {
    let mut chance = Chance::new(seed ^ OWN_ROW);
    if chance.below(8) > 0 {
        return;
    }
    let target = chance.pick(&Side::BOTH);
    let direction = target.pick(Direction::ToLeft, Direction::ToRight);
    let rules = &mut script.rules;
    // What is not known as a whole cannot be the source.
    *target.pick(&mut rules.right_index, &mut rules.left_index) = Index::Full;
    let (ignore, others) = (TargetDrift::Ignore, [TargetDrift::Revert, TargetDrift::Error]);
    let drift = if chance.percent(60) { ignore } else { chance.pick(&others) };
    for mapping in &mut rules.mappings {
        mapping.target_drift = drift;
        mapping.default = chance.percent(50);
    }
    rules.direction = if chance.percent(70) { direction } else { Direction::Both };
    let mut now = rules.direction;
    let first = (now == Direction::Both).then(|| 1 + chance.below(2));
    for (number, visit) in script.visits.iter_mut().enumerate().skip(1) {
        if first == Some(number) || chance.percent(10) {
            now = if now == Direction::Both { direction } else { Direction::Both };
            visit.change = Some(RuleChange::Direction(now));
        }
    }
}

/// Makes a history go both ways. Returns false, and changes nothing, if it does.
pub(crate) fn cut(script: &mut Script) -> bool {
    let turns = |visit: &Visit| matches!(visit.change, Some(RuleChange::Direction(_)));
    let is_one_way = script.rules.direction != Direction::Both || script.visits.iter().any(turns);
    script.rules.direction = Direction::Both;
    script.visits.iter_mut().filter(|visit| turns(visit)).for_each(|visit| visit.change = None);
    is_one_way
}

/// Returns the rules as the configuration makes them for their direction: it takes nothing that could never happen, and
/// default mappings go the way of their sync.
pub(crate) fn in_force(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    let Some(source) = source(rules.direction) else { return rules };
    let to_target = source.pick(MappingRule::ToRight, MappingRule::ToLeft);
    for mapping in &mut rules.mappings {
        mapping.rule = match mapping.rule {
            MappingRule::TwoWay if mapping.default => to_target,
            rule if mapping.flows_to(source.other()) => rule,
            _ => MappingRule::Off,
        };
        source.pick(&mut mapping.to_left, &mut mapping.to_right).clear();
    }
    rules.mappings.retain(|mapping| mapping.rule != MappingRule::Off);
    *source.pick(&mut rules.deletes_to_left, &mut rules.deletes_to_right) = DeletePolicy::Ignore;
    *source.pick(&mut rules.scope.right, &mut rules.scope.left) = None;
    rules
}

/// Returns the side that is never written, if there is one.
pub(crate) fn source(direction: Direction) -> Option<Side> {
    Side::BOTH.into_iter().find(|side| !direction.writes(*side))
}

/// Returns what is wrong with a write to `side`: the source of a one-way sync gets none (B04, F09).
///
/// Who takes back what was written while the sync went both ways asks for a write to what is the source by now.
pub(crate) fn to_the_source(state: &State, side: Side, operations: &[Operation]) -> Vec<String> {
    let is_taken_back = state.agreed.takes_back && state.rules_changed;
    if source(state.direction) != Some(side) || is_taken_back {
        return Vec::new();
    }
    let told = operations.iter().map(|operation| &operation.action);
    told.map(|action| format!("B04: {action:?} on the {side}, which is the source of a one-way sync")).collect()
}

/// Says for people to read which way the sync goes, unless it is both ways.
pub(crate) fn told(rules: &Rules) -> Option<String> {
    let drift = rules.mappings.first()?.target_drift;
    source(rules.direction).map(|source| format!("the {source} is the source; drift at the other end: {drift:?}"))
}
