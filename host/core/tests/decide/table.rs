//! One field in every combination of base, left, right, rule, direction and policy, held against what must be true of
//! each.

use std::collections::BTreeMap;

use syncline_core::{
    Agreed, Base, ConflictPolicy, Decided, Decision, Direction, FieldName, Mapping, MappingRule, Side, TargetDrift,
    Times, Value, Writable,
};

use crate::support::{Standing, World, mapping, rules, text};

const RULES: [MappingRule; 8] = [
    MappingRule::TwoWay,
    MappingRule::ToRight,
    MappingRule::ToLeft,
    MappingRule::FillBlankToRight,
    MappingRule::FillBlankToLeft,
    MappingRule::PreferLeftUnlessBlank,
    MappingRule::PreferRightUnlessBlank,
    MappingRule::Off,
];

const DRIFTS: [TargetDrift; 3] = [TargetDrift::Ignore, TargetDrift::Revert, TargetDrift::Error];

const POLICIES: [ConflictPolicy; 5] = [
    ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord },
    ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::Field },
    ConflictPolicy::Prefer(Side::Left),
    ConflictPolicy::Prefer(Side::Right),
    ConflictPolicy::Manual,
];

fn values() -> [Option<Value>; 4] {
    [None, Some(Value::Clear), Some(text("a")), Some(text("b"))]
}

pub(crate) fn worlds() -> Vec<World> {
    let field = FieldName::from("f");
    let here = |value: &Option<Value>| {
        Standing::Here(value.iter().map(|value| (field.clone(), value.clone())).collect::<BTreeMap<_, _>>())
    };
    let mut worlds = Vec::new();
    for (rule, drift) in RULES.into_iter().flat_map(|rule| DRIFTS.map(|drift| (rule, drift))) {
        for writable in [Writable::Always, Writable::AtCreate, Writable::Never] {
            for direction in [Direction::Both, Direction::ToLeft, Direction::ToRight] {
                for policy in POLICIES {
                    for base in values() {
                        for left in values() {
                            for right in values() {
                                let mapping =
                                    Mapping { right_writable: writable, target_drift: drift, ..mapping("f", rule) };
                                let mut rules = rules(vec![mapping]);
                                rules.direction = direction;
                                rules.conflict = policy.clone();
                                let mut world = World::new(rules, here(&left), here(&right));
                                world.modified_at = [Some(1_000), Some(9_000)];
                                for side in Side::BOTH {
                                    if let Some(base) = &base {
                                        world = world.base(side, "f", base.clone());
                                    }
                                }
                                worlds.push(world);
                            }
                        }
                    }
                }
            }
        }
    }
    worlds
}

#[test]
fn e2_every_combination_keeps_the_promises() {
    let worlds = worlds();
    assert_eq!(worlds.len(), 8 * 3 * 3 * 3 * 5 * 64);
    for world in worlds {
        let decision = world.decide();
        let say = || {
            let mapping = &world.rules.mappings[0];
            format!(
                "{:?}, {:?}, right {:?}, {:?}\n base {:?}\n sides {:?}\n {decision:#?}",
                mapping.rule,
                world.rules.direction,
                mapping.right_writable,
                world.rules.conflict,
                world.based(),
                world.sides
            )
        };
        if let Err(broken) = promises(&world, &decision) {
            panic!("{broken}: {}", say());
        }
    }
}

/// What holds for every decision about two records that are there.
pub(crate) fn promises(world: &World, decision: &Decision) -> Result<(), String> {
    only_writable_sides_are_written(world, decision)?;
    nothing_unknown_is_written(world, decision)?;
    one_sided_changes_are_no_conflicts(world, decision)?;
    no_value_is_lost(world, decision)?;
    the_base_is_what_both_sides_have(world, decision)?;
    nothing_is_left_to_do(world, decision)?;
    the_mirror_image_is_decided_alike(world, decision)
}

fn only_writable_sides_are_written(world: &World, decision: &Decision) -> Result<(), String> {
    let mut written = Vec::new();
    for change in &decision.changes {
        if !world.rules.direction.writes(change.side) {
            return Err(format!("B04: {} is written against the direction", change.side));
        }
        for field in &change.fields {
            let of = |mapping: &&Mapping| *mapping.field(change.side) == field.field;
            let mapping = world.rules.mappings.iter().find(of).ok_or("an unmapped field is written")?;
            if mapping.writable(change.side) != Writable::Always || !mapping.flows_to(change.side) {
                return Err(format!("E2.4: {} of {} may not be written", field.field, change.side));
            }
            if field.before.as_ref() == Some(&field.after) {
                return Err(format!("{} of {} is written although it has that value", field.field, change.side));
            }
            written.push((change.side, &field.field));
        }
    }
    let count = written.len();
    written.sort();
    written.dedup();
    if written.len() == count { Ok(()) } else { Err("a field is written twice".to_owned()) }
}

fn nothing_unknown_is_written(world: &World, decision: &Decision) -> Result<(), String> {
    let fields = decision.changes.iter().flat_map(|change| change.fields.iter().map(|field| &field.field));
    for field in fields.chain(decision.agreed.iter().map(|agreed| &agreed.left)) {
        if Side::BOTH.into_iter().any(|side| world.value(side, field).is_none()) {
            return Err(format!("absent is not empty: {field} is unknown on a side and yet used"));
        }
    }
    Ok(())
}

fn base_of<'a>(base: &'a Base, side: Side, field: &FieldName) -> Option<&'a Value> {
    base.get(field, field).map(|cell| cell.value(side))
}

fn changed(world: &World, side: Side, mapping: &Mapping) -> bool {
    let base = base_of(world.based(), side, mapping.field(side));
    base != world.value(side, mapping.field(side)) || base.is_none()
}

fn one_sided_changes_are_no_conflicts(world: &World, decision: &Decision) -> Result<(), String> {
    for conflict in &decision.conflicts {
        let unit: Vec<&Mapping> = conflict
            .fields
            .iter()
            .filter_map(|field| world.rules.mappings.iter().find(|mapping| mapping.left == field.left_field))
            .collect();
        // The members of a group that the conflict does not name agree; one of them may be what the other side changed.
        let group = unit.first().and_then(|mapping| mapping.group.clone());
        let all = world.rules.mappings.iter().filter(|mapping| match &group {
            Some(_) => mapping.group == group,
            None => unit.contains(mapping),
        });
        let all: Vec<&Mapping> = all.collect();
        if let Some(side) =
            Side::BOTH.into_iter().find(|side| !all.iter().any(|mapping| changed(world, *side, mapping)))
        {
            return Err(format!("a field that {side} did not change is in conflict"));
        }
    }
    Ok(())
}

fn no_value_is_lost(world: &World, decision: &Decision) -> Result<(), String> {
    for change in &decision.changes {
        for field in &change.fields {
            let mapping = world.rules.mappings.iter().find(|mapping| *mapping.field(change.side) == field.field);
            let mapping = mapping.ok_or("an unmapped field is written")?;
            let lost = field.before.as_ref().filter(|before| !before.is_blank());
            let Some(lost) = lost else { continue };
            let superseded = base_of(world.based(), change.side, &field.field) == Some(lost);
            let in_conflict = decision.conflicts.iter().flat_map(|conflict| &conflict.fields).any(|known| {
                *change.side.pick(&known.left, &known.right) == *lost
                    && *change.side.pick(&known.left_field, &known.right_field) == field.field
            });
            let source = change.side.other();
            let one_way = !world.rules.flows_to(mapping, source) || mapping.writable(source) != Writable::Always;
            let prefers =
                matches!(mapping.rule, MappingRule::PreferLeftUnlessBlank | MappingRule::PreferRightUnlessBlank);
            if !superseded && !in_conflict && !one_way && !prefers {
                return Err(format!("E3.4: {lost} of {} is lost", change.side));
            }
            let based = base_of(world.based(), change.side, &field.field).is_some();
            if field.after.is_blank() && !based && mapping.is_plain_to(change.side) {
                return Err("E2.2: a blank erases a value without a base".to_owned());
            }
        }
    }
    Ok(())
}

fn the_base_is_what_both_sides_have(world: &World, decision: &Decision) -> Result<(), String> {
    let mut after = world.clone();
    after.carry_out(decision);
    for mapping in &world.rules.mappings {
        for side in Side::BOTH {
            let field = mapping.field(side);
            let (old, new) = (base_of(world.based(), side, field), base_of(after.based(), side, field));
            if old != new && new != after.value(side, field) {
                return Err(format!("E2.1: the base of {field} on {side} is not what is there"));
            }
        }
    }
    Ok(())
}

fn nothing_is_left_to_do(world: &World, decision: &Decision) -> Result<(), String> {
    if decision.blocked.is_some() {
        return Ok(());
    }
    let mut after = world.clone();
    after.carry_out(decision);
    let again = after.decide();
    let open = again.conflicts.iter().all(|conflict| conflict.decided == Decided::Open);
    if !again.changes.is_empty() || !open || again.blocked.is_some() {
        return Err(format!("E6.7: deciding again yields {again:#?}"));
    }
    Ok(())
}

fn the_mirror_image_is_decided_alike(world: &World, decision: &Decision) -> Result<(), String> {
    let mirrored = mirror_world(world).decide();
    let mut changes: Vec<_> = mirrored.changes.iter().map(|it| (it.side.other(), &it.kind, &it.fields)).collect();
    changes.reverse();
    let expected: Vec<_> = decision.changes.iter().map(|it| (it.side, &it.kind, &it.fields)).collect();
    let winners =
        |decision: &Decision| decision.conflicts.iter().map(|conflict| conflict.decided.winner()).collect::<Vec<_>>();
    let turned: Vec<_> = winners(&mirrored).into_iter().map(|winner| winner.map(Side::other)).collect();
    if changes == expected && turned == winners(decision) {
        Ok(())
    } else {
        Err(format!("left and right are not treated alike: {mirrored:#?}"))
    }
}

fn mirror_policy(policy: ConflictPolicy) -> ConflictPolicy {
    match policy {
        ConflictPolicy::Newest { in_doubt, times } => ConflictPolicy::Newest { in_doubt: in_doubt.other(), times },
        ConflictPolicy::Prefer(side) => ConflictPolicy::Prefer(side.other()),
        ConflictPolicy::Manual => ConflictPolicy::Manual,
        resolver @ ConflictPolicy::Resolver(_) => resolver,
    }
}

fn mirror_mapping(mapping: &Mapping) -> Mapping {
    Mapping {
        left: mapping.right.clone(),
        right: mapping.left.clone(),
        rule: match mapping.rule {
            MappingRule::TwoWay => MappingRule::TwoWay,
            MappingRule::ToRight => MappingRule::ToLeft,
            MappingRule::ToLeft => MappingRule::ToRight,
            MappingRule::FillBlankToRight => MappingRule::FillBlankToLeft,
            MappingRule::FillBlankToLeft => MappingRule::FillBlankToRight,
            MappingRule::PreferLeftUnlessBlank => MappingRule::PreferRightUnlessBlank,
            MappingRule::PreferRightUnlessBlank => MappingRule::PreferLeftUnlessBlank,
            MappingRule::Off => MappingRule::Off,
        },
        left_writable: mapping.right_writable,
        right_writable: mapping.left_writable,
        to_right: mapping.to_left.clone(),
        to_left: mapping.to_right.clone(),
        group: mapping.group.clone(),
        compare: None,
        conflict: mapping.conflict.clone().map(mirror_policy),
        default: mapping.default,
        ..mapping.clone()
    }
}

fn mirror_world(world: &World) -> World {
    let mut mirrored = world.clone();
    mirrored.sides.reverse();
    mirrored.modified_at.reverse();
    mirrored.times.reverse();
    mirrored.members.reverse();
    let scope = &mut mirrored.rules.scope;
    std::mem::swap(&mut scope.left, &mut scope.right);
    if let Some(list) = &mut scope.list {
        list.side = list.side.other();
    }
    mirrored.pair.base = Base::default();
    for cell in world.pair.base.cells() {
        let agreed = Agreed::on(cell.right_field.clone(), cell.left_field.clone());
        mirrored.pair.base.agree(agreed.cell([cell.right.clone(), cell.left.clone()], cell.run));
    }
    mirrored.rules.direction = match world.rules.direction {
        Direction::Both => Direction::Both,
        Direction::ToLeft => Direction::ToRight,
        Direction::ToRight => Direction::ToLeft,
    };
    mirrored.rules.conflict = mirror_policy(world.rules.conflict.clone());
    mirrored.rules.mappings = world.rules.mappings.iter().map(mirror_mapping).collect();
    mirrored
}
