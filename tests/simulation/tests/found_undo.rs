//! Small histories cut out of seeded ones in which taking a run back broke a promise once (E9.6).

use syncline_core::{DeletePolicy, MappingRule, PairState, RecordId, Rules, RunId, Side, Value};
use syncline_runner::Undo;
use syncline_simulation::steps::{create, edit, left_by_undo, partner, plain, rest, run, take_back, value, values};
use syncline_simulation::{Manner, Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn reasons(simulation: &Simulation) -> Vec<String> {
    left_by_undo(simulation).into_iter().map(|thing| thing.reason).collect()
}

/// A record that an undo took away, and whose counterpart was edited, made another one, and lost that to a person.
fn made_anew_and_lost() -> (Simulation, RecordId, RecordId, RunId) {
    let simulation = plain(default_rules());
    let ada = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada")]);
    let made = run(&simulation).record.id;
    let first = partner(&simulation, &ada);
    let undone = take_back(&simulation, &Undo::run(made)).record.id;
    simulation.stage.lock().person_edits(LEFT, &ada, "name", "Ada King");
    run(&simulation);
    let second = partner(&simulation, &ada);
    assert_ne!(first, second);
    simulation.stage.lock().person_deletes(RIGHT, &second);
    run(&simulation);
    (simulation, ada, first, undone)
}

#[test]
fn e9_6_what_came_back_by_itself_and_has_a_pair_of_its_own_is_not_brought_back_into_its_old_one() {
    let (simulation, ada, first, undone) = made_anew_and_lost();
    simulation.stage.lock().person_restores(RIGHT, &first);
    simulation.stage.lock().person_edits(RIGHT, &first, "email", "eve@x");
    run(&simulation);
    take_back(&simulation, &Undo::run(undone));
    assert_eq!(reasons(&simulation), ["it came back, and belongs to another pair since"]);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert_eq!(pair.state, PairState::Tombstone { gone: Some(RIGHT), undone: false });
    rest(&simulation);
}

#[test]
fn e9_6_what_came_back_by_itself_is_not_brought_back_although_its_pair_had_another_since() {
    let (simulation, _, first, undone) = made_anew_and_lost();
    simulation.stage.lock().person_restores(RIGHT, &first);
    take_back(&simulation, &Undo::run(undone));
    assert_eq!(reasons(&simulation), ["somebody brought it back already"]);
    rest(&simulation);
}

#[test]
fn design_5_7_a_record_that_is_made_anew_does_not_empty_what_it_was_not_given() {
    let mut simulation = plain(default_rules());
    let ada = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada"), ("phone", "1")]);
    let made = run(&simulation).record.id;
    let phone = |simulation: &mut Simulation, rule: MappingRule| {
        let mappings = &mut simulation.setup.rules.mappings;
        mappings.iter_mut().filter(|mapping| mapping.left.as_str() == "phone").for_each(|mapping| mapping.rule = rule);
    };
    phone(&mut simulation, MappingRule::Off);
    take_back(&simulation, &Undo::run(made));
    simulation.stage.lock().person_edits(LEFT, &ada, "name", "Ada King");
    run(&simulation);
    let right = partner(&simulation, &ada);
    assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(Value::Clear), "phones are not mapped");
    phone(&mut simulation, MappingRule::TwoWay);
    run(&simulation);
    assert_eq!(values(&simulation, &ada, &right, "phone"), [Some(text("1")), Some(text("1"))]);
    rest(&simulation);
}

/// The feed tells of the removal that an undo made only once another undo has brought the record back.
#[test]
fn e6_2_e4_1_a_removal_that_is_told_late_takes_nothing_with_it_that_is_back() {
    let slow = Manner { lag_ms: 60_000, ..Manner::PLAIN };
    let rules = Rules { deletes_to_left: DeletePolicy::Delete, ..default_rules() };
    let simulation = Simulation::new(1, Manner::PLAIN, slow, rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let made = run(&simulation).record.id;
    let right = partner(&simulation, &ada);
    simulation.stage.lock().now += 120_000;
    let undone = take_back(&simulation, &Undo::run(made)).record.id;
    simulation.stage.lock().now += 70_000;
    take_back(&simulation, &Undo::run(undone));
    simulation.stage.lock().now += 1_000;
    let late = simulation.run().expect("nothing goes wrong in this run");
    assert_eq!(late.record.tally.writes(), 0, "nothing goes with what is back");
    rest(&simulation);
    let state = simulation.stage.lock();
    assert_eq!((state.ids(LEFT), state.ids(RIGHT)), (vec![ada], vec![right]));
}

/// The record that an undo took away is made again although another one has been made since, agreed with, and lost.
#[test]
fn e9_6_e3_4_what_is_made_again_from_before_an_edit_does_not_pass_for_a_newer_one() {
    for restore in [true, false] {
        let manner = Manner { restore, ..Manner::PLAIN };
        let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
        let ada = create(&simulation, LEFT, "ada@x", "Ada");
        let made = run(&simulation).record.id;
        let undone = take_back(&simulation, &Undo::run(made)).record.id;
        edit(&simulation, LEFT, &ada, "name", "Countess");
        run(&simulation);
        let anew = partner(&simulation, &ada);
        simulation.stage.lock().person_deletes(RIGHT, &anew);
        run(&simulation);
        take_back(&simulation, &Undo::run(undone));
        rest(&simulation);
        let told = simulation.conflicts();
        let names =
            told.iter().flat_map(|kept| &kept.conflict.fields).filter(|field| field.left_field == "name".into());
        assert_eq!(names.count(), 1, "restore: {restore}: the two names are told");
    }
}
