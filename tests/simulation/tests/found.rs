//! Small histories cut out of seeded ones that broke a promise once, named by the rule.

use syncline_core::{
    CreatePromise, DeletePolicy, EditDelete, FieldName, MappingRule, PairState, Reason, RecordId, Rules, Scope, Side,
};
use syncline_simulation::steps::{create, edit, partner, plain, rest, run};
use syncline_simulation::{Manner, Simulation, Trick, default_rules, list, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

#[test]
fn e2_9_a_mapping_that_becomes_two_way_carries_what_never_agreed() {
    let mut simulation = plain(default_rules());
    let right = create(&simulation, RIGHT, "ada@x", "Ada");
    simulation.stage.lock().person_edits(RIGHT, &right, "note", "only here");
    // `note` goes to the right only: the new left record does not get it.
    run(&simulation);
    let left = simulation.pair_of(RIGHT, &right).and_then(|pair| pair.left).expect("it was created");
    for mapping in simulation.setup.rules.mappings.iter_mut().filter(|mapping| mapping.left == FieldName::from("note"))
    {
        mapping.rule = MappingRule::TwoWay;
    }
    run(&simulation);
    assert_eq!(simulation.stage.lock().value(LEFT, &left, "note"), Some(text("only here")));
    rest(&simulation);
}

#[test]
fn e1_10_a_collision_ends_when_what_is_in_its_way_leaves() {
    let simulation = plain(default_rules());
    let (ada, eve) = (create(&simulation, LEFT, "ada@x", "Ada"), create(&simulation, LEFT, "eve@x", "Eve"));
    run(&simulation);
    let (right_ada, right_eve) = (partner(&simulation, &ada), partner(&simulation, &eve));
    simulation.stage.lock().person_merges(LEFT, &ada, &eve);
    run(&simulation);
    let pair = simulation.pair_of(RIGHT, &right_ada).expect("it has a pair");
    assert!(matches!(pair.state, PairState::PairCollision { .. }), "{pair:?}");
    simulation.stage.lock().person_deletes(RIGHT, &right_eve);
    rest(&simulation);
    let pair = simulation.pair_of(RIGHT, &right_ada).expect("it has a pair");
    assert_eq!((pair.state, pair.left), (PairState::Linked, Some(eve)));
}

#[test]
fn e1_10_a_collision_ends_when_the_merged_record_is_deleted_with_what_it_was_merged_into() {
    let simulation = plain(default_rules());
    let (ada, eve) = (create(&simulation, LEFT, "ada@x", "Ada"), create(&simulation, LEFT, "eve@x", "Eve"));
    run(&simulation);
    let right_ada = partner(&simulation, &ada);
    simulation.stage.lock().person_merges(LEFT, &ada, &eve);
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &eve);
    // Whoever asks for the merged record by its id is told that it is gone, and no longer into what.
    simulation.hint(LEFT, &[ada], None);
    run(&simulation);
    rest(&simulation);
    let pair = simulation.pair_of(RIGHT, &right_ada).expect("it has a pair");
    assert_eq!(pair.state, PairState::Tombstone { gone: Some(LEFT), undone: false });
}

#[test]
fn e1_1_a_pair_that_takes_both_records_of_another_leaves_neither_behind() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    let double = create(&simulation, LEFT, "", "Countess");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    simulation.stage.lock().person_merges(LEFT, &double, &ada);
    simulation.stage.lock().person_restores(RIGHT, &right);
    run(&simulation);
    rest(&simulation);
}

#[test]
fn e1_8_a_record_that_a_lost_create_made_is_nobody_elses() {
    let manner = Manner { promise: CreatePromise::Lookup, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    {
        let mut state = simulation.stage.lock();
        state.tricks.push((RIGHT, Trick::LoseAnswer));
        state.blind = true;
    }
    run(&simulation);
    // The feed names the new record before any look-up does, and its key fits no more.
    simulation.stage.lock().person_edits(LEFT, &ada, "email", "countess@x");
    run(&simulation);
    simulation.stage.lock().blind = false;
    rest(&simulation);
    let state = simulation.stage.lock();
    let (left, right) = (state.ids(LEFT), state.ids(RIGHT));
    assert_eq!((left.len(), right.len()), (1, 1), "{left:?} {right:?}");
}

#[test]
fn e1_10_what_a_merge_leaves_behind_gets_a_pair_of_its_own() {
    let simulation = plain(default_rules());
    let (ada, eve) = (create(&simulation, LEFT, "ada@x", "Ada"), create(&simulation, LEFT, "eve@x", "Eve"));
    run(&simulation);
    let right_eve = partner(&simulation, &eve);
    simulation.stage.lock().person_deletes(RIGHT, &right_eve);
    run(&simulation);
    // Ada's record is merged into Eve's while Eve's former counterpart comes back.
    simulation.stage.lock().person_merges(LEFT, &ada, &eve);
    simulation.stage.lock().person_restores(RIGHT, &right_eve);
    run(&simulation);
    assert!(simulation.pair_of(RIGHT, &right_eve).is_some(), "a record that is there has a pair");
    rest(&simulation);
}

#[test]
fn e1_10_a_merge_into_what_came_and_went_between_two_reads_is_a_delete() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    create(&simulation, LEFT, "eve@x", "Eve");
    run(&simulation);
    let right = partner(&simulation, &ada);
    let double = create(&simulation, LEFT, "countess@x", "Ada");
    simulation.stage.lock().person_merges(LEFT, &ada, &double);
    simulation.stage.lock().person_deletes(LEFT, &double);
    rest(&simulation);
    let pair = simulation.pair_of(RIGHT, &right).expect("it has a pair");
    assert_eq!(pair.state, PairState::Tombstone { gone: Some(LEFT), undone: false });
}

#[test]
fn e1_10_what_was_merged_into_nothing_stays_so_although_it_cannot_be_made_anew() {
    let policies =
        Rules { deletes_to_right: DeletePolicy::Delete, edit_delete: EditDelete::EditWins, ..default_rules() };
    let simulation = plain(policies);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    // Somebody else has the address by now, so that nothing with it is made beside.
    create(&simulation, LEFT, "ada@x", "Ada King");
    run(&simulation);
    edit(&simulation, RIGHT, &right, "name", "Countess");
    let double = create(&simulation, LEFT, "countess@x", "Ada");
    simulation.stage.lock().person_merges(LEFT, &ada, &double);
    simulation.stage.lock().person_deletes(LEFT, &double);
    rest(&simulation);
    let trouble = simulation.pair_of(RIGHT, &right).and_then(|pair| pair.trouble);
    assert_eq!(trouble.map(|trouble| trouble.reason), Some(Reason::Duplicate));
}

#[test]
fn e1_7_two_records_that_are_made_anew_with_the_address_of_a_third_are_both_refused() {
    let policies =
        Rules { deletes_to_left: DeletePolicy::Delete, edit_delete: EditDelete::EditWins, ..default_rules() };
    let simulation = plain(policies);
    let king = create(&simulation, RIGHT, "king@x", "King");
    let two = [create(&simulation, LEFT, "ada@x", "Ada"), create(&simulation, LEFT, "eve@x", "Eve")];
    run(&simulation);
    for left in &two {
        let right = partner(&simulation, left);
        simulation.stage.lock().person_deletes(RIGHT, &right);
        edit(&simulation, LEFT, left, "email", "king@x");
    }
    rest(&simulation);
    assert_eq!(simulation.stage.lock().ids(RIGHT), [king]);
    for left in &two {
        let trouble = simulation.pair_of(LEFT, left).and_then(|pair| pair.trouble);
        assert_eq!(trouble.map(|trouble| trouble.reason), Some(Reason::Duplicate));
    }
}

#[test]
fn e4_4_what_came_back_is_back_although_one_of_its_values_is_refused() {
    let manner = Manner { validates: true, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    simulation.stage.lock().person_edits(LEFT, &ada, "phone", "bad");
    simulation.stage.lock().person_restores(RIGHT, &right);
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert_eq!((&pair.state, pair.trouble.is_some()), (&PairState::Linked, true), "{pair:?}");
    rest(&simulation);
}

#[test]
fn e1_10_a_merge_into_what_was_merged_on_between_two_reads_is_followed_to_its_end() {
    let simulation = plain(default_rules());
    let [ada, eve] = [("ada@x", "Ada"), ("eve@x", "Eve")].map(|(email, name)| create(&simulation, LEFT, email, name));
    run(&simulation);
    let (right_ada, right_eve) = (partner(&simulation, &ada), partner(&simulation, &eve));
    let double = create(&simulation, LEFT, "countess@x", "Ada");
    simulation.stage.lock().person_merges(LEFT, &ada, &double);
    simulation.stage.lock().person_merges(LEFT, &double, &eve);
    simulation.stage.lock().person_deletes(RIGHT, &right_eve);
    rest(&simulation);
    let pair = simulation.pair_of(RIGHT, &right_ada).expect("it has a pair");
    assert!(pair.trouble.is_none(), "{pair:?}");
}

#[test]
fn e6_2_an_index_that_lags_does_not_bring_back_what_is_gone() {
    for ordered in [true, false] {
        an_index_that_lags(&Manner { lag_ms: 60_000, ordered, ..Manner::PLAIN });
    }
}

fn an_index_that_lags(manner: &Manner) {
    let rules = Rules { edit_delete: EditDelete::EditWins, deletes_to_left: DeletePolicy::Archive, ..default_rules() };
    let simulation = Simulation::new(1, Manner::PLAIN, manner.clone(), rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    simulation.stage.lock().now += 600_000;
    simulation.stage.lock().person_edits(LEFT, &ada, "street", "Dorset Street");
    simulation.run().expect("nothing goes wrong in this run");
    // The street is written, and what is looked up by key still shows the record as it was before that.
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(RIGHT, &right);
    simulation.stage.lock().person_edits(LEFT, &ada, "note", "Countess");
    simulation.run().expect("nothing goes wrong in this run");
    rest(&simulation);
    let stage = simulation.stage.lock();
    assert_eq!(stage.value(LEFT, &ada, "street"), Some(text("Dorset Street")));
}

#[test]
fn design_5_3_what_was_read_after_the_plan_is_not_taken_for_agreed() {
    // One write a page, and a feed that shows edits a minute late.
    let (left, right) =
        (Manner { batch_max: 1, ..Manner::PLAIN }, Manner { batch_max: 1, lag_ms: 60_000, ..Manner::PLAIN });
    let simulation = Simulation::new(1, left, right, default_rules());
    let eve = create(&simulation, LEFT, "eve@x", "Eve");
    run(&simulation);
    let right_eve = partner(&simulation, &eve);
    let right_ada = create(&simulation, RIGHT, "ada@x", "Ada");
    simulation.stage.lock().now += 600_000;
    // Eve's write finds her record merged into Ada's, which is read anew on that way; Ada's create is planned by then.
    simulation.stage.lock().person_edits(LEFT, &eve, "note", "Countess");
    simulation.stage.lock().person_edits(RIGHT, &right_ada, "street", "Dorset Street");
    simulation.stage.lock().person_merges(RIGHT, &right_eve, &right_ada);
    simulation.run().expect("nothing goes wrong in this run");
    rest(&simulation);
    let left_ada = simulation.pair_of(RIGHT, &right_ada).and_then(|pair| pair.left).expect("it was created");
    let stage = simulation.stage.lock();
    assert_eq!(stage.value(LEFT, &left_ada, "street"), Some(text("Dorset Street")));
}

#[test]
fn e5_4_who_is_found_before_the_reading_of_a_list_breaks_off_is_in_scope_once_it_comes_to_its_end() {
    let rules = Rules { scope: Scope { list: Some(list(LEFT, "vip")), ..Scope::default() }, ..default_rules() };
    let simulation = Simulation::new(1, Manner { page_max: 1, ..Manner::PLAIN }, Manner::PLAIN, rules);
    let people: Vec<RecordId> =
        (0..4).map(|number| create(&simulation, LEFT, &format!("p{number}@x"), "vip")).collect();
    run(&simulation);
    let rename = |name: &str| people.iter().for_each(|id| simulation.stage.lock().person_edits(LEFT, id, "name", name));
    rename("Ada");
    run(&simulation);
    assert!(people.iter().all(|id| simulation.pair_of(LEFT, id).is_some_and(|pair| pair.state != PairState::Linked)));
    rename("vip Ada");
    simulation.stage.lock().breaking_off = true;
    run(&simulation);
    simulation.stage.lock().breaking_off = false;
    run(&simulation);
    for id in &people {
        let pair = simulation.pair_of(LEFT, id).expect("it has a pair");
        assert_eq!(pair.state, PairState::Linked, "{id}");
    }
    rest(&simulation);
}

#[test]
fn e1_1_two_new_records_do_not_take_a_forgotten_pair_apart_at_once() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    // It comes back as somebody else, and each of the two meets another one with its key.
    simulation.stage.lock().person_restores(RIGHT, &right);
    simulation.stage.lock().person_edits(RIGHT, &right, "email", "eve@x");
    create(&simulation, LEFT, "eve@x", "Eve");
    create(&simulation, RIGHT, "ada@x", "Ada");
    rest(&simulation);
}

#[test]
fn e4_4_a_record_without_counterpart_that_is_merged_into_a_survivor_leaves_its_pair_as_it_is() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let nobody = create(&simulation, RIGHT, "", "A. King");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    run(&simulation);
    simulation.stage.lock().person_merges(RIGHT, &nobody, &right);
    run(&simulation);
    assert_eq!(simulation.stage.lock().ids(LEFT), [], "it is not made again");
    simulation.stage.lock().person_restores(LEFT, &ada);
    run(&simulation);
    assert_eq!(partner(&simulation, &ada), right);
    assert_eq!(simulation.stage.lock().ids(RIGHT), [right]);
    rest(&simulation);
}

/// A side that stores texts in its own way and says so at once, and one that is to be asked.
fn rewrites_against_silent() -> [Manner; 2] {
    [Manner { rewrites: true, ..Manner::PLAIN }, Manner { answers_with_rows: false, ..Manner::PLAIN }]
}

#[test]
fn e6_1_what_one_side_stored_is_known_although_the_other_cannot_be_asked_any_more() {
    let [left, right] = rewrites_against_silent();
    let simulation = Simulation::new(1, left, right, default_rules());
    create(&simulation, LEFT, "eve@x", "eve");
    let ada = create(&simulation, RIGHT, "ada@x", "Ada King");
    simulation.stage.lock().tricks = vec![(RIGHT, Trick::LastCall)];
    run(&simulation);
    rest(&simulation);
    assert_eq!(simulation.stage.lock().value(RIGHT, &ada, "name"), Some(text("Ada King")));
}

#[test]
fn e6_1_what_one_side_of_a_merge_stored_is_known_although_the_other_cannot_be_asked_any_more() {
    let [left, right] = rewrites_against_silent();
    let simulation = Simulation::new(1, left, right, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_edits(LEFT, &ada, "phone", "1");
    simulation.stage.lock().person_edits(RIGHT, &right, "name", "Ada King");
    simulation.stage.lock().tricks = vec![(RIGHT, Trick::LastCall)];
    run(&simulation);
    rest(&simulation);
    let state = simulation.stage.lock();
    assert_eq!(state.value(RIGHT, &right, "name"), Some(text("Ada King")));
    assert_eq!(state.value(RIGHT, &right, "phone"), Some(text("1")));
}

#[test]
fn e6_1_a_group_wins_as_a_whole_also_over_another_form_of_one_of_its_values() {
    let right = Manner { rewrites: true, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, right, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "ada");
    simulation.stage.lock().person_edits(LEFT, &ada, "street", "st james");
    run(&simulation);
    let right = partner(&simulation, &ada);
    // The street is not what the right made of it: it is what it was before.
    simulation.stage.lock().person_edits(LEFT, &ada, "street", "ST JAMES");
    simulation.stage.lock().now += 5_000;
    simulation.stage.lock().person_edits(RIGHT, &right, "city", "london");
    rest(&simulation);
    assert_eq!(simulation.stage.lock().value(LEFT, &ada, "street"), Some(text("st james")));
}

#[test]
fn e1_8_what_comes_back_after_another_took_its_place_has_a_counterpart_of_its_own() {
    let deletes = DeletePolicy::Delete;
    let rules = Rules {
        deletes_to_left: deletes,
        deletes_to_right: deletes,
        edit_delete: EditDelete::EditWins,
        ..default_rules()
    };
    let simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = partner(&simulation, &ada);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    simulation.stage.lock().person_edits(RIGHT, &right, "email", "eve@x");
    run(&simulation);
    simulation.stage.lock().person_restores(LEFT, &ada);
    rest(&simulation);
    assert_ne!(partner(&simulation, &ada), right);
    assert_eq!(simulation.stage.lock().ids(RIGHT).len(), 2);
}

#[test]
fn e8_4_a_list_that_broke_off_vouches_for_nobody_in_the_next_one() {
    // Without a list of ids, a read of everything has to tell what is gone where the feed does not: once its cursor is old.
    let manner = Manner { ids: false, ..Manner::PLAIN };
    for commit in 0..20 {
        let simulation = Simulation::new(1, Manner::PLAIN, manner.clone(), default_rules());
        let people = ["ada@x", "eve@x"].map(|email| create(&simulation, LEFT, email, "Countess"));
        create(&simulation, LEFT, "bob@x", "Bob");
        run(&simulation);
        let [ada, eve] = people.each_ref().map(|id| partner(&simulation, id));
        simulation.stage.lock().person_deletes(RIGHT, &ada);
        simulation.stage.lock().now += 600_000;
        simulation.stage.lock().expiring = Some(RIGHT);
        simulation.store.stop_at(commit, false);
        let ran = simulation.run();
        assert_eq!(simulation.store.start_again(), ran.is_err(), "{ran:?}");
        simulation.stage.lock().person_deletes(RIGHT, &eve);
        rest(&simulation);
        for id in &people {
            let pair = simulation.pair_of(LEFT, id).expect("it has a pair");
            assert!(matches!(pair.state, PairState::Tombstone { .. }), "stopped at commit {commit}: {pair:?}");
        }
    }
}

/// A record is merged into another one while nobody knows what the create for it made; `becomes` tells the fate of what it made.
fn merged_before_its_create_is_known(becomes: impl Fn(&Simulation, &RecordId)) {
    let simulation = plain(default_rules());
    let ada = create(&simulation, RIGHT, "ada@x", "Ada");
    simulation.stage.lock().blind = true;
    simulation.stage.lock().tricks = vec![(LEFT, Trick::LoseAnswer)];
    run(&simulation);
    let made = simulation.stage.lock().ids(LEFT).pop().expect("it was made");
    let king = create(&simulation, RIGHT, "king@x", "A. King");
    simulation.stage.lock().person_merges(RIGHT, &ada, &king);
    run(&simulation);
    becomes(&simulation, &made);
    simulation.stage.lock().blind = false;
    rest(&simulation);
    let left = simulation.stage.lock().ids(LEFT);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(partner(&simulation, &left[0]), king);
}

#[test]
fn e1_10_what_a_create_may_have_made_goes_on_with_what_its_source_was_merged_into() {
    merged_before_its_create_is_known(|_, _| ());
}

#[test]
fn e1_10_what_a_record_was_merged_into_is_written_also_when_its_create_made_nothing() {
    // What was made is gone before anybody saw it: the create is one that made nothing.
    merged_before_its_create_is_known(|simulation, made| simulation.stage.lock().person_deletes(LEFT, made));
}

/// The index by e-mail address knows a record as it was before the write that stands beside the refused create, or came
/// just before it.
#[test]
fn e6_2_a_look_up_that_lags_does_not_take_back_what_was_written() {
    for (ordered, apart) in [(true, false), (true, true), (false, false), (false, true)] {
        let slow = Manner { lag_ms: 60_000, unique_email: true, ordered, ..Manner::PLAIN };
        let simulation = Simulation::new(1, slow, Manner::PLAIN, default_rules());
        let left = create(&simulation, LEFT, "ada@x", "Ada");
        run(&simulation);
        let right = partner(&simulation, &left);
        simulation.stage.lock().person_edits(RIGHT, &right, "email", "countess@x");
        run(&simulation);
        simulation.stage.lock().person_edits(RIGHT, &right, "street", "Dorset Street");
        let run_at_once = || {
            simulation.stage.lock().now += 1_000;
            simulation.run().expect("nothing goes wrong in this run");
        };
        if apart {
            run_at_once();
        }
        simulation.stage.lock().person_creates(RIGHT, &[("email", "ada@x"), ("name", "another Ada")]);
        run_at_once();
        let street = || simulation.stage.lock().value(RIGHT, &right, "street").filter(|street| !street.is_blank());
        assert_eq!(street(), Some(text("Dorset Street")), "ordered: {ordered}, apart: {apart}");
        // What stood there before is entered once more.
        simulation.stage.lock().person_edits(LEFT, &left, "street", "");
        rest(&simulation);
        assert_eq!(street(), None, "ordered: {ordered}, apart: {apart}: it follows");
    }
}
