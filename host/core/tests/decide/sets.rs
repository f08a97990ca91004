//! Several values as sets (E2.7), and plans as functions of their inputs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use syncline_core::{FieldName, MappingRule, Side, Value};

use crate::support::{Standing, World, mapping, rules};

const LETTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn texts(letters: &[&str]) -> Value {
    Value::Texts(letters.iter().map(|letter| (*letter).to_owned()).collect()).canonical().expect("a list")
}

fn entries(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Texts(list)) => list.clone(),
        _ => Vec::new(),
    }
}

fn any_list() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(LETTERS.to_vec(), 0..=LETTERS.len()).prop_shuffle()
}

fn world(base: Option<&[&str]>, left: &[&str], right: &[&str]) -> World {
    let field = FieldName::from("tags");
    let here = |list: &[&str]| Standing::Here(BTreeMap::from([(field.clone(), texts(list))]));
    let rules = rules(vec![mapping("tags", MappingRule::TwoWay)]);
    let mut world = World::new(rules, here(left), here(right));
    for side in Side::BOTH {
        if let Some(base) = base {
            world = world.base(side, "tags", texts(base));
        }
    }
    world
}

/// What both sides hold once the plan is carried out.
fn merged(mut world: World) -> [Vec<String>; 2] {
    let decision = world.decide();
    assert!(decision.conflicts.is_empty(), "{decision:#?}");
    world.carry_out(&decision);
    let again = world.decide();
    assert!(again.changes.is_empty(), "E6.7: {again:#?}");
    Side::BOTH.map(|side| entries(world.value(side, &FieldName::from("tags"))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Concurrent additions are all kept, a removal beats no change, and nothing else comes or goes.
    #[test]
    fn e2_7_additions_and_removals_of_both_sides(base in any_list(), left in any_list(), right in any_list()) {
        let sides = merged(world(Some(&base), &left, &right));
        let of = |list: &[&'static str]| list.iter().copied().collect::<BTreeSet<&str>>();
        let (base, left, right) = (of(&base), of(&left), of(&right));
        let expected: BTreeSet<&str> = LETTERS.into_iter().filter(|letter| match base.contains(letter) {
            true => left.contains(letter) && right.contains(letter),
            false => left.contains(letter) || right.contains(letter),
        }).collect();
        for side in sides {
            prop_assert_eq!(side.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected.clone());
        }
    }

    /// Without a base nothing was taken away.
    #[test]
    fn e2_7_at_first_pairing_everything_was_added(left in any_list(), right in any_list()) {
        let expected: BTreeSet<String> = left.iter().chain(&right).map(|letter| (*letter).to_owned()).collect();
        for side in merged(world(None, &left, &right)) {
            prop_assert_eq!(side.into_iter().collect::<BTreeSet<_>>(), expected.clone());
        }
    }

    /// What stays on a side stays in its order, and before what is new there.
    #[test]
    fn e2_7_the_order_of_each_side_stays(base in any_list(), left in any_list(), right in any_list()) {
        let sides = merged(world(Some(&base), &left, &right));
        for (before, after) in [left, right].into_iter().zip(sides) {
            let stayed: Vec<&str> = before.into_iter().filter(|letter| after.iter().any(|it| it == letter)).collect();
            prop_assert_eq!(&after.iter().take(stayed.len()).map(String::as_str).collect::<Vec<_>>(), &stayed);
        }
    }
}
