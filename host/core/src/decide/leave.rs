//! Two records that are there: merged inside the scope, left alone outside of it (E5.5 to E5.7).

use super::{Decision, Situation};
use crate::{Change, ChangeKind, Exclusion, Leave, PairState, Record, Scoped, Side, merge};

/// Decides about a pair of which both records are there.
pub(super) fn both(situation: &Situation<'_>, left: &Record, right: &Record) -> Decision {
    let rules = situation.rules;
    let (left_seen, right_seen) = (situation.seen(Side::Left, left), situation.seen(Side::Right, right));
    match rules.scope.of_pair(rules.direction, left_seen, right_seen) {
        Scoped::In => merge::merge(situation, left, right),
        Scoped::Unknown => match situation.pair.state {
            // It has left already.
            PairState::OutOfScope { why: Exclusion::Filter | Exclusion::List } => {
                Decision::stay(situation.pair.state.clone())
            }
            _ => Decision::outside(Exclusion::Unknown),
        },
        Scoped::Out(why) if is_leaving(situation, left, right) => leave(situation, why, left, right),
        Scoped::Out(why) => Decision::outside(why),
    }
}

/// True if a change of the records takes the pair out now: not if it was out before, and not if the filter moved,
/// which freezes it whatever the policy (E5.7).
fn is_leaving(situation: &Situation<'_>, left: &Record, right: &Record) -> bool {
    let pair = situation.pair;
    let was_in = matches!(pair.state, PairState::Linked | PairState::OutOfScope { why: Exclusion::Unknown });
    let seen = |side: Side| situation.seen(side, side.pick(left, right));
    let direction = situation.rules.direction;
    let is_rescoped = situation.scope_before.is_some_and(|before| {
        !matches!(before.of_pair(direction, seen(Side::Left), seen(Side::Right)), Scoped::Out(_))
    });
    was_in && !is_rescoped && !pair.base.cells().is_empty()
}

fn leave(situation: &Situation<'_>, why: Exclusion, left: &Record, right: &Record) -> Decision {
    let outside = PairState::OutOfScope { why };
    match situation.rules.leave {
        Leave::Freeze => Decision::stay(outside),
        Leave::Unpair => Decision { forget: true, ..Decision::stay(outside) },
        Leave::FinalUpdate => {
            let merged = merge::merge(situation, left, right);
            // What could not be written is written before it leaves, or a person sees why not.
            let then = if merged.blocked.is_some() { situation.pair.state.clone() } else { outside };
            Decision { then, ..merged }
        }
        Leave::Tag => {
            let tag = |side: Side| {
                let record = side.pick(left, right);
                Change {
                    side,
                    kind: ChangeKind::Tag,
                    record: Some(record.id.clone()),
                    version: record.version.clone(),
                    fields: Vec::new(),
                }
            };
            let changes = followers(situation).into_iter().map(tag).collect();
            Decision { changes, ..Decision::stay(outside) }
        }
    }
}

/// The sides that a sync may write and that took no part in the decision; both if both did.
fn followers(situation: &Situation<'_>) -> Vec<Side> {
    let rules = situation.rules;
    let decides = |side: Side| {
        rules.scope.filter_in_force(side, rules.direction).is_some()
            || rules.scope.list.as_ref().is_some_and(|list| list.side == side)
    };
    let written: Vec<Side> = Side::BOTH.into_iter().filter(|side| rules.direction.writes(*side)).collect();
    let followers: Vec<Side> = written.iter().copied().filter(|side| !decides(*side)).collect();
    if followers.is_empty() { written } else { followers }
}
