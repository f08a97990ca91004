//! Small histories with a side that is known by look-ups alone (E1.2).

use syncline_core::{
    DeletePolicy, Direction, Exclusion, FieldName, Index, KeyField, KeyForm, KeyTuple, PairState, RecordId, Rules,
    Scope, Side,
};
use syncline_runner::{StoreTable, index_costs};
use syncline_simulation::steps::{create, edit, rest, run, wait};
use syncline_simulation::{Manner, Simulation, default_rules, filter, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn scoped_rules() -> Rules {
    Rules { right_index: Index::Scoped, ..default_rules() }
}

fn scoped() -> Simulation {
    of(scoped_rules())
}

fn of(rules: Rules) -> Simulation {
    Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules)
}

fn name(simulation: &Simulation, side: Side, id: &RecordId) -> String {
    simulation.stage.lock().value(side, id, "name").map(|name| name.to_string()).unwrap_or_default()
}

fn known(simulation: &Simulation) -> usize {
    simulation.rows_of(RIGHT, StoreTable::Replica).len()
}

fn counterpart(simulation: &Simulation, id: &RecordId) -> Option<RecordId> {
    simulation.pair_of(LEFT, id).expect("it has a pair").id(RIGHT).cloned()
}

fn state_of(simulation: &Simulation, side: Side, id: &RecordId) -> PairState {
    simulation.pair_of(side, id).expect("it has a pair").state
}

#[test]
fn e1_2_a_scoped_side_is_looked_up_by_key_and_the_rest_of_it_never_read() {
    let simulation = scoped();
    for number in 0..500 {
        create(&simulation, RIGHT, &format!("r{number}@x"), "Somebody");
    }
    let [ada, bob] = ["r7@x", "bob@x"].map(|email| create(&simulation, LEFT, email, "Ada"));
    run(&simulation);
    assert_eq!(counterpart(&simulation, &ada), Some(RecordId::from("R8")), "found, and not created again");
    let created = counterpart(&simulation, &bob).expect("nobody has his address, so he is created");
    assert_eq!(known(&simulation), 2, "of 501 records two are known");
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 501);
    assert_eq!(simulation.stage.lock().ids(LEFT).len(), 2, "what only the right holds is created nowhere");
    edit(&simulation, RIGHT, &created, "name", "Bob");
    edit(&simulation, RIGHT, &RecordId::from("R100"), "name", "Nobody asks");
    run(&simulation);
    assert_eq!(name(&simulation, LEFT, &bob), "Bob", "edits of known records come by the feed");
    assert_eq!(known(&simulation), 2);
    let calls = simulation.stage.lock().calls;
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert!(simulation.stage.lock().calls - calls <= 4, "a quiet run looks nobody up");
    rest(&simulation);
}

#[test]
fn e1_2_e1_5_several_that_a_look_up_finds_are_ambiguous_until_one_goes() {
    let simulation = scoped();
    let [first, second] = ["Ada one", "Ada two"].map(|name| create(&simulation, RIGHT, "ada@x", name));
    let ada = create(&simulation, LEFT, "ADA@x", "Ada");
    run(&simulation);
    let PairState::Ambiguous { other_side, .. } = state_of(&simulation, LEFT, &ada) else { panic!("both are his") };
    assert_eq!(other_side, [first.clone(), second.clone()]);
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 2);
    simulation.stage.lock().person_deletes(RIGHT, &second);
    run(&simulation);
    assert_eq!(counterpart(&simulation, &ada), Some(first));
    rest(&simulation);
}

#[test]
fn e1_2_two_of_the_left_with_one_key_pair_with_nobody() {
    let simulation = scoped();
    let found = create(&simulation, RIGHT, "ada@x", "Ada");
    let both = ["Ada", "Eda"].map(|name| create(&simulation, LEFT, "ada@x", name));
    run(&simulation);
    for id in &both {
        assert!(matches!(state_of(&simulation, LEFT, id), PairState::Ambiguous { .. }));
    }
    simulation.stage.lock().person_deletes(LEFT, &both[0]);
    run(&simulation);
    assert_eq!(counterpart(&simulation, &both[1]), Some(found));
    rest(&simulation);
}

#[test]
fn e1_2_a_later_key_is_asked_only_where_the_first_finds_nobody() {
    let mut rules = scoped_rules();
    let tuple = |field: &str, form| {
        let key = vec![KeyField { field: FieldName::from(field), form }];
        KeyTuple { left: key.clone(), right: key }
    };
    // The application looks up nothing but addresses; the number of the serial is one here.
    rules.matching.tuples = vec![tuple("email", KeyForm::Email), tuple("left-serial", KeyForm::Text)];
    let simulation = of(rules);
    create(&simulation, RIGHT, "ada@x", "Ada");
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    assert!(counterpart(&simulation, &ada).is_some());
    rest(&simulation);
}

#[test]
fn e1_2_what_is_found_and_stays_alone_is_out_of_scope() {
    let simulation = scoped();
    let [one, two] = ["One", "Two"].map(|name| create(&simulation, RIGHT, "ada@x", name));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    run(&simulation);
    edit(&simulation, RIGHT, &two, "email", "eda@x");
    run(&simulation);
    for id in [one, two] {
        assert_eq!(state_of(&simulation, RIGHT, &id), PairState::OutOfScope { why: Exclusion::Index });
    }
    assert_eq!(simulation.stage.lock().ids(LEFT).len(), 0, "nobody is created from there");
    rest(&simulation);
}

#[test]
fn e1_2_nobody_is_looked_up_for_a_record_that_its_own_filter_keeps_out() {
    let mut rules = scoped_rules();
    rules.direction = Direction::ToRight;
    rules.scope = Scope { left: Some(filter("name = 'Ada'")), ..Scope::default() };
    let simulation = of(rules);
    let out = create(&simulation, LEFT, "eda@x", "Eda");
    create(&simulation, RIGHT, "eda@x", "Eda");
    run(&simulation);
    assert_eq!(known(&simulation), 0);
    edit(&simulation, LEFT, &out, "name", "Ada");
    run(&simulation);
    assert!(counterpart(&simulation, &out).is_some(), "once it is in, it is looked up and found");
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 1);
}

#[test]
fn e1_2_e4_1_a_delete_is_told_by_a_look_at_the_known_where_the_feed_does_not() {
    let mut rules = scoped_rules();
    rules.deletes_to_left = DeletePolicy::Delete;
    let deaf = Manner { feed_deletes: false, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, deaf, rules);
    let [ada, bob] = ["ada@x", "bob@x"].map(|email| create(&simulation, LEFT, email, "Somebody"));
    run(&simulation);
    let gone = counterpart(&simulation, &ada).expect("it was created");
    simulation.stage.lock().person_deletes(RIGHT, &gone);
    run(&simulation);
    assert_eq!(simulation.stage.lock().ids(LEFT), [ada, bob.clone()], "absence from a feed is no sign");
    simulation.stage.lock().now += 25 * 60 * 60_000;
    run(&simulation);
    assert_eq!(simulation.stage.lock().ids(LEFT), [bob]);
    rest(&simulation);
}

#[test]
fn e1_2_e1_10_what_a_known_record_was_merged_into_becomes_known() {
    let simulation = scoped();
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let into = create(&simulation, RIGHT, "eda@x", "Eda");
    run(&simulation);
    let from = counterpart(&simulation, &ada).expect("it was created");
    simulation.stage.lock().person_merges(RIGHT, &from, &into);
    run(&simulation);
    assert_eq!(counterpart(&simulation, &ada), Some(into));
    rest(&simulation);
}

/// When the merge was told, what the record was merged into was gone; nobody tells of a record that nobody asked for that it
/// came back.
#[test]
fn e1_2_e1_10_what_a_known_record_was_merged_into_is_read_once_it_is_there() {
    let simulation = scoped();
    let into = create(&simulation, RIGHT, "other@x", "Other");
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let from = counterpart(&simulation, &ada).expect("it was created");
    {
        let mut state = simulation.stage.lock();
        state.person_merges(RIGHT, &from, &into);
        state.person_deletes(RIGHT, &into);
        state.now += 1_000;
    }
    simulation.run().expect("nothing goes wrong in this run");
    simulation.stage.lock().person_restores(RIGHT, &into);
    rest(&simulation);
    assert_eq!(counterpart(&simulation, &ada), Some(into));
}

#[test]
fn e1_2_without_a_feed_the_known_are_looked_at_in_every_run() {
    let silent = Manner { feed: false, feed_deletes: false, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, silent, scoped_rules());
    let [other, ada] = ["other@x", "ada@x"].map(|email| create(&simulation, RIGHT, email, "Ada"));
    let left = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    edit(&simulation, RIGHT, &ada, "phone", "1");
    edit(&simulation, RIGHT, &other, "phone", "2");
    run(&simulation);
    assert_eq!(simulation.stage.lock().value(LEFT, &left, "phone"), Some(text("1")));
    assert_eq!(known(&simulation), 1);
    rest(&simulation);
}

#[test]
fn e1_2_a_full_index_that_becomes_scoped_and_back_loses_nobody() {
    let mut simulation = of(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    for index in [Index::Scoped, Index::Full] {
        simulation.setup.rules.right_index = index;
        simulation.setup.right.index = index;
        create(&simulation, RIGHT, &format!("{index:?}@x"), "Bob");
        run(&simulation);
    }
    assert!(counterpart(&simulation, &ada).is_some());
    assert_eq!(simulation.stage.lock().ids(LEFT).len(), 3, "read as a whole again, both of the right come over");
    rest(&simulation);
}

#[test]
fn e1_2_what_each_index_costs_is_told() {
    let simulation = scoped();
    for number in 0..250 {
        create(&simulation, LEFT, &format!("l{number}@x"), "Somebody");
        create(&simulation, RIGHT, &format!("l{}@x", number * 2), "Somebody");
    }
    simulation.stage.lock().now += 60_000;
    simulation.plan();
    let costs = wait(index_costs(&simulation.context, &simulation.setup));
    let [left, right] = costs.expect("the store is up");
    assert_eq!((left.index, left.records, left.calls, left.looked_up), (Index::Full, 250, 3, 0));
    assert_eq!((right.index, right.records, right.calls), (Index::Scoped, 125, 2));
    assert_eq!((right.looked_up, right.look_up_calls), (250, 3));
}

#[test]
fn e4_4_what_came_back_on_a_scoped_side_without_a_feed_is_found_by_the_next_sweep() {
    let simulation = Simulation::new(1, Manner::PLAIN, Manner { feed: false, ..Manner::PLAIN }, scoped_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = counterpart(&simulation, &ada).expect("she is created");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    assert!(matches!(state_of(&simulation, LEFT, &ada), PairState::Tombstone { .. }));
    simulation.stage.lock().person_restores(RIGHT, &right);
    let calls = simulation.stage.lock().calls;
    run(&simulation);
    assert!(simulation.stage.lock().calls - calls <= 4, "who is gone is not asked about in every run");
    rest(&simulation);
    assert_eq!(state_of(&simulation, LEFT, &ada), PairState::Linked);
}
