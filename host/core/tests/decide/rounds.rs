//! One field whose value one side has from the other (E6.5), in every combination of the table.

use syncline_core::{ConflictPolicy, MappingRule, Round, Side, Writable};

use crate::support::World;
use crate::table::worlds;

/// The world with that value on `side`; the other one holds what it held then, or something else since.
fn rounded(mut world: World, side: Side, holds: bool) -> World {
    world.rounds.insert(0, Round { side, holds, is_detour: true });
    world
}

#[test]
fn e6_5_a_value_that_came_round_is_never_returned_and_no_conflict() {
    let (mut kept, mut followed) = (0, 0);
    // Since nothing of it is a conflict, one policy stands for all.
    let is_one = |world: &World| world.rules.conflict == ConflictPolicy::Prefer(Side::Left);
    for world in worlds().into_iter().filter(is_one) {
        for (side, holds) in [(Side::Left, true), (Side::Left, false), (Side::Right, true), (Side::Right, false)] {
            let world = rounded(world.clone(), side, holds);
            let decision = world.decide();
            let say = || format!("{side} {holds} {:?} {:?}\n{decision:#?}", world.rules, world.sides);
            let returned = decision.changes.iter().any(|change| change.side == side.other());
            assert!(!returned, "it goes back to where it came from: {}", say());
            assert!(decision.conflicts.is_empty(), "it is held against an edit: {}", say());
            let mut after = world.clone();
            after.carry_out(&decision);
            // What was written now came from there.
            after.rounds.insert(0, Round { side, holds: holds || !decision.changes.is_empty(), is_detour: true });
            let again = after.decide();
            assert!(again.changes.is_empty(), "E6.7: deciding again yields {again:#?}\n{}", say());
            followed += usize::from(!decision.changes.is_empty());
            kept += usize::from(decision.changes.is_empty());
        }
    }
    assert!(kept > 1_000 && followed > 1_000, "{kept} {followed}");
}

#[test]
fn e6_5_what_replaced_a_value_that_came_round_goes_to_its_other_side() {
    for world in worlds() {
        let mapping = &world.rules.mappings[0];
        for side in Side::BOTH {
            let [left, right] = Side::BOTH.map(|side| world.value(side, mapping.field(side)));
            let differ = left.is_some() && right.is_some() && left != right;
            let may_write = world.rules.flows_to(mapping, side) && mapping.writable(side) == Writable::Always;
            if mapping.rule != MappingRule::TwoWay || !differ || !may_write {
                continue;
            }
            let world = rounded(world.clone(), side, false);
            let decision = world.decide();
            let written = decision.changes.iter().any(|change| change.side == side);
            assert!(written, "{side} {:?}\n{decision:#?}", world.sides);
        }
    }
}
