//! Small histories about which records are the same: ways to match, several with one key, and none (E1).

use syncline_core::{
    ConflictPolicy, Decided, Doubles, FieldName, KeyField, KeyForm, KeyTuple, PairState, Reason, RecordId, Rules, Side,
    Standing, Times, WithoutKey,
};
use syncline_simulation::steps::{create, edit, rest, run};
use syncline_simulation::{Manner, Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn counts(simulation: &Simulation) -> (usize, usize) {
    let state = simulation.stage.lock();
    (state.ids(LEFT).len(), state.ids(RIGHT).len())
}

fn counterpart(simulation: &Simulation, side: Side, id: &RecordId) -> Option<RecordId> {
    simulation.pair_of(side, id).expect("it has a pair").id(side.other()).cloned()
}

fn is_ambiguous(simulation: &Simulation, side: Side, id: &RecordId) -> bool {
    matches!(simulation.pair_of(side, id).expect("it has a pair").state, PairState::Ambiguous { .. })
}

fn tuple(fields: &[(&str, KeyForm)]) -> KeyTuple {
    let keys: Vec<KeyField> =
        fields.iter().map(|(field, form)| KeyField { field: FieldName::from(*field), form: *form }).collect();
    KeyTuple { left: keys.clone(), right: keys }
}

fn matched_by(tuples: Vec<KeyTuple>) -> Rules {
    let mut rules = default_rules();
    rules.matching.tuples = tuples;
    rules
}

fn choosing(doubles: Doubles) -> Rules {
    let mut rules = default_rules();
    rules.matching.doubles = doubles;
    rules
}

fn simulation(rules: Rules) -> Simulation {
    Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules)
}

#[test]
fn b05_by_address_two_contacts_are_one_and_without_matching_they_stay_two_e1_3() {
    let by_address = simulation(default_rules());
    let unmatched = simulation(matched_by(Vec::new()));
    for simulation in [&by_address, &unmatched] {
        create(simulation, LEFT, "ada@x", "Ada");
        create(simulation, RIGHT, "Ada@x", "Ada");
        run(simulation);
    }
    assert_eq!(counts(&by_address), (1, 1));
    assert_eq!(counts(&unmatched), (2, 2));
    assert_eq!(run(&unmatched).record.tally.writes(), 0);
    rest(&by_address);
}

#[test]
fn e1_3_a_later_key_is_only_for_records_that_the_first_left_unpaired() {
    let rules = matched_by(vec![tuple(&[("email", KeyForm::Email)]), tuple(&[("name", KeyForm::Text)])]);
    let simulation = simulation(rules);
    // The address says who is who, although the names say otherwise.
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let eda = create(&simulation, RIGHT, "ada@x", "Bob");
    let bob = create(&simulation, LEFT, "", "Bob");
    // Without an address in common the name tells.
    let cyd = create(&simulation, LEFT, "cyd@x", "Cyd  Doe");
    let cid = create(&simulation, RIGHT, "", "cyd doe");
    run(&simulation);
    assert_eq!(counterpart(&simulation, LEFT, &ada), Some(eda));
    assert_eq!(counterpart(&simulation, LEFT, &cyd), Some(cid));
    assert!(counterpart(&simulation, LEFT, &bob).is_some(), "nobody is left for him, so he is created");
    assert_eq!(counts(&simulation), (3, 3));
    rest(&simulation);
}

#[test]
fn e1_3_a_key_of_several_fields_needs_them_all() {
    let both = [("email", KeyForm::Email), ("name", KeyForm::Text)];
    let simulation = simulation(matched_by(vec![tuple(&both)]));
    let ada = create(&simulation, LEFT, "x@x", "Ada");
    let eda = create(&simulation, RIGHT, "x@x", "Eda");
    let other_ada = create(&simulation, RIGHT, "X@x", "ADA");
    run(&simulation);
    assert_eq!(counterpart(&simulation, LEFT, &ada), Some(other_ada));
    assert_ne!(counterpart(&simulation, RIGHT, &eda), Some(ada));
    assert_eq!(counts(&simulation), (2, 2));
}

#[test]
fn e1_5_the_oldest_or_the_newest_is_taken_and_the_others_are_listed() {
    for doubles in [Doubles::Oldest, Doubles::Newest] {
        let simulation = simulation(choosing(doubles));
        let left = create(&simulation, LEFT, "ada@x", "Ada");
        let first = create(&simulation, RIGHT, "ada@x", "Ada one");
        simulation.stage.lock().now += 1_000;
        let second = create(&simulation, RIGHT, "ada@x", "Ada two");
        edit(&simulation, RIGHT, &first, "phone", "1");
        edit(&simulation, RIGHT, &second, "phone", "2");
        let (taken, lost) = if doubles == Doubles::Oldest { (first, second) } else { (second, first) };
        let report = run(&simulation);
        assert_eq!(counterpart(&simulation, LEFT, &left), Some(taken), "{doubles:?}");
        assert!(is_ambiguous(&simulation, RIGHT, &lost));
        assert_eq!((report.record.tally.left.created, report.record.tally.right.created), (0, 0), "no double");
        let chosen = simulation.pair_of(LEFT, &left).and_then(|pair| pair.chosen).expect("somebody asks why");
        assert_eq!((chosen.by, chosen.left.len(), &chosen.right), (doubles, 0, &vec![lost.clone()]));
        // Whoever is paired stays so (E1.9), whatever the times say by now.
        edit(&simulation, RIGHT, &lost, "phone", "3");
        run(&simulation);
        assert!(is_ambiguous(&simulation, RIGHT, &lost));
        rest(&simulation);
        assert_eq!(counts(&simulation), (1, 2));
    }
}

#[test]
fn e1_5_of_several_on_both_sides_one_pair_is_made_and_of_several_on_one_side_one_is_created() {
    let simulation = simulation(choosing(Doubles::Oldest));
    let ada = create(&simulation, LEFT, "ada@x", "Ada one");
    let right = create(&simulation, RIGHT, "ada@x", "Ada three");
    create(&simulation, LEFT, "ada@x", "Ada two");
    create(&simulation, RIGHT, "ada@x", "Ada four");
    let bob = create(&simulation, LEFT, "bob@x", "Bob one");
    let other_bob = create(&simulation, LEFT, "bob@x", "Bob two");
    run(&simulation);
    assert_eq!(counterpart(&simulation, LEFT, &ada), Some(right));
    assert!(counterpart(&simulation, LEFT, &bob).is_some());
    assert!(is_ambiguous(&simulation, LEFT, &other_bob));
    assert_eq!(counts(&simulation), (4, 3));
    rest(&simulation);
    assert_eq!(counts(&simulation), (4, 3), "those that lost are created nowhere");
}

#[test]
fn e1_5_one_that_lost_under_a_later_key_is_no_double_either() {
    let mut rules = matched_by(vec![tuple(&[("email", KeyForm::Email)]), tuple(&[("name", KeyForm::Text)])]);
    rules.matching.doubles = Doubles::Oldest;
    let simulation = simulation(rules);
    let first = create(&simulation, LEFT, "", "Ada");
    let second = create(&simulation, LEFT, "", "Ada");
    let right = create(&simulation, RIGHT, "", "Ada");
    run(&simulation);
    assert_eq!(counterpart(&simulation, LEFT, &first), Some(right));
    assert!(is_ambiguous(&simulation, LEFT, &second));
    rest(&simulation);
    assert_eq!(counts(&simulation), (2, 1));
}

#[test]
fn e1_5_without_times_or_without_the_wish_it_stays_ambiguous() {
    let timeless = Manner { timed: false, ordered: false, ..Manner::PLAIN };
    for (manner, doubles) in [(timeless, Doubles::Newest), (Manner::PLAIN, Doubles::Hold)] {
        let simulation = Simulation::new(1, Manner::PLAIN, manner, choosing(doubles));
        let left = create(&simulation, LEFT, "ada@x", "Ada");
        create(&simulation, RIGHT, "ada@x", "Ada one");
        create(&simulation, RIGHT, "ada@x", "Ada two");
        assert_eq!(run(&simulation).record.tally.ambiguous, 3);
        assert!(is_ambiguous(&simulation, LEFT, &left));
        rest(&simulation);
    }
}

#[test]
fn e1_5_the_wish_may_come_later() {
    let mut simulation = simulation(default_rules());
    let first = create(&simulation, LEFT, "ada@x", "Ada one");
    create(&simulation, LEFT, "ada@x", "Ada two");
    let right = create(&simulation, RIGHT, "ada@x", "Ada");
    assert_eq!(run(&simulation).record.tally.ambiguous, 3);
    simulation.setup.rules.matching.doubles = Doubles::Oldest;
    run(&simulation);
    assert_eq!(counterpart(&simulation, RIGHT, &right), Some(first));
    rest(&simulation);
}

#[test]
fn e1_6_a_record_without_key_is_created_only_if_that_is_wished() {
    for (without_key, right) in [(WithoutKey::Exclude, 1), (WithoutKey::Create, 2)] {
        let mut rules = default_rules();
        rules.matching.without_key = without_key;
        let simulation = simulation(rules);
        let keyless = create(&simulation, LEFT, "", "Ada");
        create(&simulation, LEFT, "bob@x", "Bob");
        run(&simulation);
        assert_eq!(counts(&simulation), (2, right), "{without_key:?}");
        let standing = simulation.pair_of(LEFT, &keyless).expect("it has a pair").standing();
        let excluded = Standing::Excluded(Reason::NoKey);
        assert_eq!(standing == excluded, without_key == WithoutKey::Exclude, "{standing:?}");
        rest(&simulation);
        assert_eq!(counts(&simulation), (2, right), "and not again");
    }
}

#[test]
fn b06_the_newest_wins_where_it_is_known_and_the_chosen_side_in_doubt() {
    let cases = [
        // Who edits last, and by how much: within two seconds nobody can tell.
        (LEFT, 60_000, RIGHT, LEFT, Decided::Newer(LEFT)),
        (RIGHT, 60_000, LEFT, RIGHT, Decided::Newer(RIGHT)),
        (LEFT, 500, RIGHT, RIGHT, Decided::InDoubt(RIGHT)),
        (RIGHT, 500, LEFT, LEFT, Decided::InDoubt(LEFT)),
    ];
    for (last, later_ms, in_doubt, winner, decided) in cases {
        let mut rules = default_rules();
        rules.conflict = ConflictPolicy::Newest { in_doubt, times: Times::FieldElseRecord };
        let simulation = simulation(rules);
        let left = create(&simulation, LEFT, "ada@x", "Ada");
        run(&simulation);
        let right = counterpart(&simulation, LEFT, &left).expect("it was created");
        let ids = |side: Side| side.pick(&left, &right);
        edit(&simulation, last.other(), ids(last.other()), "name", "first");
        simulation.stage.lock().now += later_ms - 5_000;
        edit(&simulation, last, ids(last), "name", "last");
        run(&simulation);
        let expected = if winner == last { "last" } else { "first" };
        for side in Side::BOTH {
            let name = simulation.stage.lock().value(side, ids(side), "name");
            assert_eq!(name, Some(text(expected)), "{last} edits last, {later_ms} ms later");
        }
        assert_eq!(simulation.conflicts()[0].conflict.decided, decided);
        rest(&simulation);
    }
}
