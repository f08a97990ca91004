//! Small histories of syncs that go one way, or did for a while, named by their rule.

use syncline_core::{Direction, MappingRule, PairState, RecordId, Rules, Side, Value};
use syncline_simulation::steps::{create, edit, partner, plain, rest, run, values, wait};
use syncline_simulation::{Manner, Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn pair(simulation: &Simulation) -> (RecordId, RecordId) {
    let left = create(simulation, LEFT, "ada@x", "Ada");
    run(simulation);
    let right = partner(simulation, &left);
    (left, right)
}

fn names(left: &str, right: &str) -> [Option<Value>; 2] {
    [Some(text(left)), Some(text(right))]
}

#[test]
fn b04_a_decision_about_a_conflict_does_not_write_the_source_either() {
    let mut simulation = plain(default_rules());
    let (left, right) = pair(&simulation);
    edit(&simulation, LEFT, &left, "name", "Ada Byron");
    edit(&simulation, RIGHT, &right, "name", "Ada King");
    run(&simulation);
    assert_eq!(values(&simulation, &left, &right, "name"), names("Ada King", "Ada King"), "the later one");
    simulation.setup.rules.direction = Direction::ToRight;
    run(&simulation);
    let numbers = [simulation.conflicts()[0].number];
    // What lost would have to go back to the left first.
    let refused = wait(syncline_runner::resolve(&simulation.context, &simulation.setup, &numbers, LEFT));
    let refused = refused.expect_err("the left is the source").to_string();
    assert!(refused.contains("does not write name of the left side; edit it there"), "{refused}");
    assert_eq!(values(&simulation, &left, &right, "name"), names("Ada King", "Ada King"));
    rest(&simulation);
}

#[test]
fn b13_what_was_entered_while_a_sync_went_the_other_way_goes_over_once_it_may() {
    // Mapped both ways by the user, or by default, which goes the way of the sync.
    for one_way in [MappingRule::TwoWay, MappingRule::ToRight] {
        let mut simulation = plain(default_rules());
        let (left, right) = pair(&simulation);
        let turn = |simulation: &mut Simulation, direction, rule| {
            simulation.setup.rules.direction = direction;
            let mappings = simulation.setup.rules.mappings.iter_mut();
            mappings.filter(|mapping| mapping.left.as_str() == "name").for_each(|mapping| mapping.rule = rule);
        };
        turn(&mut simulation, Direction::ToRight, one_way);
        edit(&simulation, RIGHT, &right, "name", "Ada King");
        run(&simulation);
        run(&simulation);
        assert_eq!(values(&simulation, &left, &right, "name"), names("Ada", "Ada King"), "{one_way:?}");
        rest(&simulation);
        turn(&mut simulation, Direction::Both, MappingRule::TwoWay);
        run(&simulation);
        assert_eq!(values(&simulation, &left, &right, "name"), names("Ada King", "Ada King"), "{one_way:?}");
        rest(&simulation);
    }
}

#[test]
fn e2_3_the_next_change_of_the_source_overrules_what_was_entered_at_its_target() {
    let mut simulation = plain(default_rules());
    let (left, right) = pair(&simulation);
    simulation.setup.rules.direction = Direction::ToRight;
    edit(&simulation, RIGHT, &right, "name", "Ada King");
    run(&simulation);
    edit(&simulation, LEFT, &left, "street", "one");
    run(&simulation);
    assert_eq!(values(&simulation, &left, &right, "name"), names("Ada", "Ada King"), "another field changed");
    edit(&simulation, LEFT, &left, "name", "Ada Byron");
    run(&simulation);
    assert_eq!(values(&simulation, &left, &right, "name"), names("Ada Byron", "Ada Byron"));
    assert_eq!(simulation.conflicts(), [], "one side alone has a say");
    rest(&simulation);
}

/// Goes by other rules from now on, which may need other fields.
fn change(simulation: &mut Simulation, rules: Rules) {
    simulation.setup.left.fields = rules.fields(LEFT);
    simulation.setup.right.fields = rules.fields(RIGHT);
    simulation.setup.rules = rules;
}

fn without_note() -> Rules {
    let mut fewer = default_rules();
    fewer.mappings.retain(|mapping| mapping.left.as_str() != "note");
    fewer
}

#[test]
fn b13_e6_2_a_list_that_lags_reverts_nothing_although_more_fields_are_read() {
    let slow = Manner { lag_ms: 60_000, ..Manner::PLAIN };
    let mut simulation = Simulation::new(1, Manner::PLAIN, slow, default_rules());
    change(&mut simulation, without_note());
    let (left, right) = pair(&simulation);
    run(&simulation);
    simulation.stage.lock().person_edits(LEFT, &left, "name", "Countess");
    run(&simulation);
    change(&mut simulation, default_rules());
    simulation.stage.lock().now += 1_000;
    simulation.run().expect("nothing goes wrong in this run");
    assert_eq!(values(&simulation, &left, &right, "name"), names("Countess", "Countess"));
    rest(&simulation);
}

#[test]
fn b13_e8_4_a_record_that_no_list_names_is_looked_up_once_more_fields_are_read() {
    let mut stops = 0;
    let moments = || std::iter::once(None).chain((0..16).map(Some));
    for (ids, stop) in moments().flat_map(|stop| [(true, stop), (false, stop)]) {
        let left = Manner { complete: false, ids, ..Manner::PLAIN };
        let mut simulation = Simulation::new(1, left, Manner::PLAIN, default_rules());
        change(&mut simulation, without_note());
        let (left, _) = pair(&simulation);
        create(&simulation, LEFT, "eve@x", "Eve");
        run(&simulation);
        // The read of everything for the new field takes the place of the feed that would have told.
        simulation.stage.lock().person_deletes(LEFT, &left);
        change(&mut simulation, default_rules());
        if let Some(commit) = stop {
            simulation.store.stop_at(commit, true);
            let ended = simulation.run();
            match simulation.store.start_again() {
                true => stops += 1,
                false => assert!(ended.is_ok(), "nothing stopped it: {ended:?}"),
            }
        }
        run(&simulation);
        let state = simulation.pair_of(LEFT, &left).map(|pair| pair.state);
        assert_eq!(
            state,
            Some(PairState::Tombstone { gone: Some(LEFT), undone: false }),
            "ids: {ids}, stopped at {stop:?}"
        );
        rest(&simulation);
    }
    assert!((8..32).contains(&stops), "{stops} stops");
}
