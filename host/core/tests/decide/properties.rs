//! Several fields at once, with groups, transforms and bases that differ on the two sides.

use std::collections::BTreeMap;

use proptest::prelude::*;
use syncline_core::{
    ConflictPolicy, Direction, FieldName, Mapping, MappingRule, Side, Step, Times, TransformUse, Writable,
};

use crate::support::{Standing, World, mapping, rules, text};
use crate::table::promises;

/// One field: left, right, and its base on each side.
type Cell = (Option<&'static str>, Option<&'static str>, Option<&'static str>, Option<&'static str>);

const FIELDS: [&str; 4] = ["f0", "f1", "f2", "f3"];
const WORDS: [Option<&str>; 6] = [None, Some(""), Some("a"), Some("A"), Some("b"), Some("c")];

fn any_word() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(WORDS.to_vec())
}

fn any_rule() -> impl Strategy<Value = MappingRule> {
    prop_oneof![
        6 => Just(MappingRule::TwoWay),
        1 => Just(MappingRule::ToRight),
        1 => Just(MappingRule::ToLeft),
        1 => Just(MappingRule::FillBlankToRight),
        1 => Just(MappingRule::PreferRightUnlessBlank),
        1 => Just(MappingRule::Off),
    ]
}

fn any_policy() -> impl Strategy<Value = ConflictPolicy> {
    prop_oneof![
        3 => Just(ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord }),
        1 => Just(ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::Field }),
        1 => Just(ConflictPolicy::Prefer(Side::Left)),
        1 => Just(ConflictPolicy::Prefer(Side::Right)),
        1 => Just(ConflictPolicy::Manual),
    ]
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![4 => Just(Direction::Both), 1 => Just(Direction::ToLeft), 1 => Just(Direction::ToRight)]
}

fn any_mapping() -> impl Strategy<Value = (MappingRule, Option<&'static str>, bool, Writable)> {
    let writable = prop_oneof![6 => Just(Writable::Always), 1 => Just(Writable::Never), 1 => Just(Writable::AtCreate)];
    let group = prop_oneof![3 => Just(None), 2 => Just(Some("g")), 1 => Just(Some("h"))];
    (any_rule(), group, any::<bool>(), writable)
}

prop_compose! {
    fn any_world()(
        mappings in prop::collection::vec(any_mapping(), 4),
        cells in prop::collection::vec((any_word(), any_word(), any_word(), any_word()), 4),
        policy in any_policy(),
        direction in any_direction(),
        times in (prop::option::of(0_i64..9_000), prop::option::of(0_i64..9_000)),
        own in prop::collection::vec((any::<bool>(), 0_usize..4, 0_i64..9_000), 0..4),
    ) -> World {
        let mappings = mappings.into_iter().zip(FIELDS).map(|((rule, group, lower, right_writable), field)| Mapping {
            group: group.map(str::to_owned),
            to_right: lower.then(|| Step::Transform(TransformUse { name: "lower".to_owned(), options: String::new() })).into_iter().collect(),
            right_writable,
            ..mapping(field, rule)
        });
        let mut rules = rules(mappings.collect());
        rules.conflict = policy;
        rules.direction = direction;
        let side = |pick: fn(&Cell) -> Option<&'static str>| {
            let known = cells.iter().zip(FIELDS).filter_map(|(cell, field)| Some((FieldName::from(field), text(pick(cell)?))));
            Standing::Here(known.collect::<BTreeMap<_, _>>())
        };
        let mut world = World::new(rules, side(|cell| cell.0), side(|cell| cell.1));
        for (cell, field) in cells.iter().zip(FIELDS) {
            if let (Some(left), Some(right)) = (cell.2, cell.3) {
                world = world.base(Side::Left, field, text(left)).base(Side::Right, field, text(right));
            }
        }
        world.modified_at = [times.0, times.1];
        for (left, field, at) in own {
            world.times[usize::from(!left)].insert(FieldName::from(FIELDS[field]), at);
        }
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A plan that worked leaves nothing to do, writes only what may be written and loses nothing (E2, E3, E6.7).
    #[test]
    fn a_plan_that_worked_leaves_nothing_to_do(world in any_world()) {
        let decision = world.decide();
        prop_assert_eq!(&decision, &world.decide(), "the same situation is decided twice");
        if let Err(broken) = promises(&world, &decision) {
            return Err(TestCaseError::fail(format!("{broken}\n{decision:#?}")));
        }
    }

    /// A plan depends on what is mapped and not on the order in which it is, but for the order of what it writes.
    #[test]
    fn the_order_of_mappings_does_not_matter(world in any_world(), turns in 0_usize..4) {
        let mut turned = world.clone();
        turned.rules.mappings.rotate_left(turns);
        let sorted = |world: &World| {
            let mut decision = world.decide();
            // Which of several fields blocks a record is the first or the last that is found.
            let blocked = decision.blocked.is_some();
            decision.changes.iter_mut().for_each(|change| change.fields.sort_by(|a, b| a.field.cmp(&b.field)));
            decision.agreed.sort_by(|a, b| a.left.cmp(&b.left));
            (blocked, decision.changes, decision.agreed)
        };
        prop_assert_eq!(sorted(&turned), sorted(&world));
    }

    /// Half of each side's edits never make up a group, as far as its members go both ways (E2.5).
    #[test]
    fn e2_5_a_group_is_written_to_one_side(world in any_world()) {
        let decision = world.decide();
        for group in ["g", "h"] {
            let written = |side: Side| {
                let member = |field: &FieldName| world.rules.mappings.iter().any(|mapping| {
                    mapping.group.as_deref() == Some(group)
                        && mapping.field(side) == field
                        && mapping.rule == MappingRule::TwoWay
                        && mapping.right_writable == Writable::Always
                });
                let changes = decision.changes.iter().filter(|change| change.side == side);
                changes.flat_map(|change| &change.fields)
                    .any(|field| member(&field.field) && field.why == syncline_core::Why::Changed)
            };
            prop_assert!(!(written(Side::Left) && written(Side::Right)), "{:#?}", decision);
        }
    }
}
