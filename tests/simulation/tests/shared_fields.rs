//! Fields that several mappings have: each mapping carries for itself, and none decides for another (E2.1, DESIGN 5.3).

use syncline_core::{ConflictPolicy, Mapping, MappingRule, RecordId, Rules, Side, Standing, Value};
use syncline_runner::Undo;
use syncline_simulation::steps::{edit, partner, plain, rest, run, take_back, value};
use syncline_simulation::{Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

/// Name with name both ways, and one more mapping that shares one of the two.
fn with(left: &str, right: &str, rule: MappingRule, conflict: ConflictPolicy) -> Simulation {
    let mut rules = Rules { conflict, ..default_rules() };
    rules.mappings.retain(|mapping| !["note", "phone"].contains(&mapping.left.as_str()));
    rules.mappings.push(Mapping::new(left.into(), right.into(), rule));
    plain(rules)
}

fn newest() -> ConflictPolicy {
    default_rules().conflict
}

/// A pair whose names and phones and notes are in step.
fn pair(simulation: &Simulation) -> (RecordId, RecordId) {
    let left = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada")]);
    run(simulation);
    run(simulation);
    let right = partner(simulation, &left);
    (left, right)
}

fn cells(simulation: &Simulation, cells: [(Side, &RecordId, &str); 3]) -> [Option<Value>; 3] {
    cells.map(|(side, id, field)| value(simulation, side, id, field))
}

#[test]
fn e2_1_what_one_mapping_writes_another_carries_on() {
    let simulation = with("note", "name", MappingRule::ToLeft, newest());
    let (left, right) = pair(&simulation);
    let now = || cells(&simulation, [(LEFT, &left, "name"), (RIGHT, &right, "name"), (LEFT, &left, "note")]);
    assert_eq!(now(), [(); 3].map(|()| Some(text("Ada"))));
    edit(&simulation, LEFT, &left, "name", "Ada L.");
    run(&simulation);
    run(&simulation);
    assert_eq!(now(), [(); 3].map(|()| Some(text("Ada L."))), "the note follows the name of the other side");
    edit(&simulation, RIGHT, &right, "name", "Ada King");
    run(&simulation);
    assert_eq!(now(), [(); 3].map(|()| Some(text("Ada King"))), "both at once");
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    rest(&simulation);
}

#[test]
fn e3_1_a_mapping_that_goes_on_decides_no_conflict_of_another() {
    let shared = [("note", "name", MappingRule::ToLeft), ("name", "note", MappingRule::ToRight)];
    for (left_field, right_field, rule) in shared {
        let simulation = with(left_field, right_field, rule, ConflictPolicy::Manual);
        let (left, right) = pair(&simulation);
        edit(&simulation, LEFT, &left, "name", "two");
        edit(&simulation, RIGHT, &right, "name", "three");
        for _ in 0..3 {
            run(&simulation);
            let names = [value(&simulation, LEFT, &left, "name"), value(&simulation, RIGHT, &right, "name")];
            assert_eq!(names, [Some(text("two")), Some(text("three"))], "{left_field} {right_field}: a person decides");
            let open = simulation.pair_of(LEFT, &left).expect("a pair").open_conflicts.len();
            assert_eq!(open, 1, "{left_field} {right_field}");
        }
        let (side, id, field, followed) = match rule {
            MappingRule::ToLeft => (LEFT, &left, "note", "three"),
            _ => (RIGHT, &right, "note", "two"),
        };
        assert_eq!(value(&simulation, side, id, field), Some(text(followed)), "the other mapping goes on");
        rest(&simulation);
    }
}

#[test]
fn e2_1_a_field_with_two_targets_goes_to_both_also_where_one_of_them_waits() {
    let mut simulation = with("name", "note", MappingRule::ToRight, newest());
    let (left, right) = pair(&simulation);
    let caps = simulation.setup.rules.caps;
    simulation.setup.rules.caps = syncline_core::Caps { field_per_hour: Some(1), ..caps };
    edit(&simulation, RIGHT, &right, "note", "somebody's own");
    for name in ["Ada 1", "Ada 2"] {
        edit(&simulation, LEFT, &left, "name", name);
        run(&simulation);
    }
    simulation.setup.rules.caps = caps;
    for _ in 0..2 {
        simulation.stage.lock().now += 24 * 60 * 60 * 1000;
        run(&simulation);
    }
    let now = cells(&simulation, [(LEFT, &left, "name"), (RIGHT, &right, "name"), (RIGHT, &right, "note")]);
    assert_eq!(now, [(); 3].map(|()| Some(text("Ada 2"))));
    assert_eq!(simulation.pair_of(LEFT, &left).expect("a pair").standing(), Standing::InSync);
    rest(&simulation);
}

#[test]
fn e9_6_what_two_mappings_wrote_is_taken_back_under_both() {
    let simulation = with("note", "name", MappingRule::ToLeft, newest());
    let (left, right) = pair(&simulation);
    edit(&simulation, RIGHT, &right, "name", "Ada King");
    let carried = run(&simulation).record.id;
    take_back(&simulation, &Undo::run(carried));
    let now = || cells(&simulation, [(LEFT, &left, "name"), (RIGHT, &right, "name"), (LEFT, &left, "note")]);
    assert_eq!(now(), [Some(text("Ada")), Some(text("Ada King")), Some(text("Ada"))]);
    assert_eq!(run(&simulation).record.tally.writes(), 0, "and it stays so");
    edit(&simulation, RIGHT, &right, "name", "Countess");
    run(&simulation);
    assert_eq!(now(), [(); 3].map(|()| Some(text("Countess"))));
}
