//! Small histories with one point each, named by the rule that they show.

use syncline_core::{
    CreatePromise, DeletePolicy, MappingRule, PairState, Reason, RecordId, Rules, Side, Standing, Value,
};
use syncline_runner::StoreTable;
use syncline_simulation::steps::{create, edit, plain, rest, run, value};
use syncline_simulation::{Manner, Simulation, Trick, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn count(simulation: &Simulation, side: Side) -> usize {
    simulation.stage.lock().ids(side).len()
}

fn state_of(simulation: &Simulation, side: Side, id: &RecordId) -> PairState {
    simulation.pair_of(side, id).expect("the record has a pair").state
}

fn deleting(policy: DeletePolicy) -> Rules {
    Rules { deletes_to_left: policy, deletes_to_right: policy, ..default_rules() }
}

#[test]
fn e6_7_a_second_run_writes_nothing() {
    let simulation = plain(default_rules());
    for number in 0..5 {
        create(&simulation, LEFT, &format!("l{number}@x"), "left");
        create(&simulation, RIGHT, &format!("r{number}@x"), "right");
    }
    let first = run(&simulation);
    assert_eq!(first.record.tally.writes(), 10);
    assert_eq!((first.record.tally.left.created, first.record.tally.right.created), (5, 5));
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert_eq!(run(&simulation).record.tally.seen, 0, "not even looked at");
    rest(&simulation);
}

#[test]
fn e1_5_more_than_one_candidate_is_ambiguous_until_one_is_left() {
    let simulation = plain(default_rules());
    let left = create(&simulation, LEFT, "ada@x", "Ada");
    let first = create(&simulation, RIGHT, "Ada@x", "Ada");
    let second = create(&simulation, RIGHT, "ada@x ", "Ada");
    let report = run(&simulation);
    assert_eq!((report.record.tally.writes(), report.record.tally.ambiguous), (0, 3));
    assert!(
        matches!(state_of(&simulation, LEFT, &left), PairState::Ambiguous { ref other_side, .. } if other_side.len() == 2)
    );
    simulation.stage.lock().person_deletes(RIGHT, &second);
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &left).expect("it has a pair");
    assert_eq!((pair.state, pair.right), (PairState::Linked, Some(first)));
    rest(&simulation);
}

#[test]
fn e1_5_an_ambiguity_that_ends_on_the_other_side_ends_within_a_day() {
    let simulation = plain(default_rules());
    let taken = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &taken).and_then(|pair| pair.right).expect("it was created");
    let second = create(&simulation, LEFT, "ada@x", "another Ada");
    run(&simulation);
    assert!(matches!(state_of(&simulation, LEFT, &second), PairState::Ambiguous { .. }));
    edit(&simulation, LEFT, &taken, "email", "eda@x");
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "email"), Some(text("eda@x")));
    rest(&simulation);
    assert_eq!(state_of(&simulation, LEFT, &second), PairState::Linked);
}

#[test]
fn e1_7_a_record_that_the_index_did_not_show_is_found_before_a_create() {
    let manner = Manner { lag_ms: 60_000, rewrites: true, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
    create(&simulation, LEFT, "Ada@x", "Ada");
    simulation.stage.lock().now += 600_000;
    create(&simulation, RIGHT, "ada@x", "Ada");
    // Right after it was made no read shows it; a look at the moment of the create does.
    simulation.stage.lock().now += 59_997;
    simulation.run().expect("nothing goes wrong");
    rest(&simulation);
    assert_eq!((count(&simulation, LEFT), count(&simulation, RIGHT)), (1, 1));
}

#[test]
fn e1_8_an_unknown_create_is_looked_up_and_never_sent_again_blindly() {
    for promise in [CreatePromise::Native, CreatePromise::Lookup] {
        for trick in [Trick::LoseAnswer, Trick::LoseRequest, Trick::UnknownOutcome] {
            for lag_ms in [0, 120_000] {
                let manner = Manner { promise, lag_ms, findable_email: false, rewrites: true, ..Manner::PLAIN };
                let mut rules = default_rules();
                // Without keys only the look-up can find the record again.
                rules.matching.tuples.clear();
                let simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
                let left = create(&simulation, LEFT, "Ada@x", "Ada");
                simulation.stage.lock().tricks.push((RIGHT, trick));
                simulation.run().expect("an unknown outcome is no failure");
                // An edit meanwhile makes nobody forget it.
                edit(&simulation, LEFT, &left, "name", "Eda");
                rest(&simulation);
                assert_eq!(count(&simulation, RIGHT), 1, "{promise:?} {trick:?} {lag_ms}");
                assert_eq!(count(&simulation, LEFT), 1, "{promise:?} {trick:?} {lag_ms}");
                let right = simulation.stage.lock().ids(RIGHT).remove(0);
                let name = value(&simulation, RIGHT, &right, "name");
                assert!(matches!(name, Some(Value::Text(name)) if name == "eda" || name == "Eda"));
            }
        }
    }
}

#[test]
fn e1_8_a_look_up_that_cannot_tell_leaves_the_create_uncertain() {
    for promise in [CreatePromise::Native, CreatePromise::Lookup] {
        // What was made is found by the read of the next run, so that the look-up must tell before it.
        for (trick, is_made, runs) in [(Trick::LoseAnswer, true, 1), (Trick::LoseRequest, false, 3)] {
            let manner = Manner { promise, findable_email: false, ..Manner::PLAIN };
            let mut rules = default_rules();
            // Without keys only the look-up can find the record again.
            rules.matching.tuples.clear();
            let simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
            let left = create(&simulation, LEFT, "ada@x", "Ada");
            simulation.stage.lock().tricks.push((RIGHT, trick));
            simulation.stage.lock().blind = true;
            for _ in 0..runs {
                run(&simulation);
                let state = state_of(&simulation, LEFT, &left);
                assert!(matches!(state, PairState::Creating { .. }), "{promise:?} {trick:?}: {state:?}");
                assert_eq!(count(&simulation, RIGHT), usize::from(is_made), "{promise:?} {trick:?}");
            }
            simulation.stage.lock().blind = false;
            rest(&simulation);
            assert_eq!((count(&simulation, LEFT), count(&simulation, RIGHT)), (1, 1), "{promise:?} {trick:?}");
        }
    }
}

#[test]
fn e1_8_without_a_promise_an_unknown_create_waits_and_its_record_is_recognised_by_key() {
    let manner = Manner { promise: CreatePromise::None, ..Manner::PLAIN };
    for (trick, made) in [(Trick::LoseAnswer, 1), (Trick::LoseRequest, 0)] {
        let simulation = Simulation::new(1, Manner::PLAIN, manner.clone(), default_rules());
        let left = create(&simulation, LEFT, "ada@x", "Ada");
        simulation.stage.lock().tricks.push((RIGHT, trick));
        run(&simulation);
        for _ in 0..5 {
            run(&simulation);
        }
        assert_eq!(count(&simulation, RIGHT), made, "it is never sent again blindly");
        let standing = simulation.pair_of(LEFT, &left).expect("it has a pair").standing();
        assert_eq!(standing, if made == 1 { Standing::InSync } else { Standing::Uncertain });
    }
}

#[test]
fn e1_9_a_key_edited_after_pairing_leaves_the_pair() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let eda = create(&simulation, LEFT, "eda@x", "Eda");
    run(&simulation);
    let before = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right);
    edit(&simulation, LEFT, &ada, "email", "eda@x");
    run(&simulation);
    assert_eq!(simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right), before);
    edit(&simulation, LEFT, &ada, "email", "");
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert_eq!((pair.right.clone(), pair.state), (before, PairState::Linked));
    assert_eq!(value(&simulation, RIGHT, &pair.right.expect("paired"), "email"), Some(Value::Clear));
    assert_eq!(state_of(&simulation, LEFT, &eda), PairState::Linked);
    rest(&simulation);
}

#[test]
fn e1_10_a_merge_moves_the_pair_if_its_target_is_free() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    let twin = create(&simulation, LEFT, "twin@x", "Ada");
    simulation.stage.lock().person_merges(LEFT, &ada, &twin);
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &twin).expect("it has a pair");
    assert_eq!((pair.right, pair.aliases), (Some(right.clone()), vec![(LEFT, ada)]));
    assert_eq!(value(&simulation, RIGHT, &right, "email"), Some(text("twin@x")));
    rest(&simulation);
}

#[test]
fn e1_10_a_merge_into_a_paired_record_is_a_collision() {
    let simulation = plain(deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let eda = create(&simulation, LEFT, "eda@x", "Eda");
    run(&simulation);
    simulation.stage.lock().person_merges(LEFT, &ada, &eda);
    let report = run(&simulation);
    assert_eq!((report.record.tally.writes(), report.record.tally.held), (0, 1));
    assert_eq!(state_of(&simulation, LEFT, &ada), PairState::PairCollision { side: LEFT, into: eda });
    assert_eq!(count(&simulation, RIGHT), 2, "nothing is merged or deleted on the other side");
    rest(&simulation);
}

#[test]
fn e1_10_a_merge_of_a_record_without_counterpart_leaves_nothing_to_decide() {
    let simulation = plain(default_rules());
    let eda = create(&simulation, LEFT, "eda@x", "Eda");
    run(&simulation);
    let twin = create(&simulation, LEFT, "eda@x", "Eda");
    run(&simulation);
    simulation.stage.lock().person_merges(LEFT, &twin, &eda);
    run(&simulation);
    assert_eq!(simulation.pair_of(LEFT, &twin).map(|pair| pair.standing()), Some(Standing::Ended));
    rest(&simulation);
}

fn with_identity(rules: Rules) -> Simulation {
    let manner = Manner { identity: true, ..Manner::PLAIN };
    Simulation::new(1, manner.clone(), manner, rules)
}

#[test]
fn e1_10_a_renamed_record_keeps_its_pair_and_its_base() {
    let simulation = with_identity(deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    let mut before = ada.clone();
    for name in ["Eda", "Ida"] {
        let renamed = simulation.stage.lock().person_renames(LEFT, &before);
        edit(&simulation, LEFT, &renamed, "name", name);
        let report = run(&simulation);
        assert_eq!(report.record.tally.writes(), 1, "the edit and nothing else");
        let pair = simulation.pair_of(LEFT, &renamed).expect("it has a pair");
        assert_eq!((&pair.left, &pair.right), (&Some(renamed.clone()), &Some(right.clone())));
        assert!(pair.aliases.contains(&(LEFT, before)), "{:?}", pair.aliases);
        assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text(name)));
        before = renamed;
    }
    simulation.stage.lock().person_restores(LEFT, &ada);
    run(&simulation);
    let own = simulation.pair_of(LEFT, &ada).expect("what is back under an old id has a pair of its own");
    assert_eq!(own.left, Some(ada));
    rest(&simulation);
}

#[test]
fn e1_10_a_record_renamed_there_and_back_keeps_its_pair() {
    let simulation = with_identity(deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let renamed = simulation.stage.lock().person_renames(LEFT, &ada);
    run(&simulation);
    simulation.stage.lock().person_restores(LEFT, &ada);
    simulation.stage.lock().person_deletes(LEFT, &renamed);
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    let pair = simulation.pair_of(LEFT, &ada).expect("it has a pair");
    assert_eq!((pair.left, pair.aliases), (Some(ada), vec![(LEFT, renamed)]));
    assert_eq!(pair.state, PairState::Linked);
    rest(&simulation);
}

#[test]
fn e1_10_a_rename_that_the_feed_does_not_tell_is_found_by_the_sweep() {
    let manner = Manner { identity: true, feed_deletes: false, ..Manner::PLAIN };
    let simulation = Simulation::new(1, manner, Manner::PLAIN, deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let renamed = simulation.stage.lock().person_renames(LEFT, &ada);
    run(&simulation);
    assert!(
        matches!(state_of(&simulation, LEFT, &renamed), PairState::Ambiguous { .. }),
        "both are there, as it seems"
    );
    rest(&simulation);
    assert_eq!(state_of(&simulation, LEFT, &renamed), PairState::Linked);
    assert_eq!(count(&simulation, RIGHT), 1);
}

#[test]
fn e1_10_two_records_with_one_identity_are_no_rename() {
    let simulation = with_identity(deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let copy = simulation.stage.lock().person_renames(LEFT, &ada);
    simulation.stage.lock().person_restores(LEFT, &ada);
    edit(&simulation, LEFT, &copy, "email", "copy@x");
    run(&simulation);
    let (pair, other) = (simulation.pair_of(LEFT, &ada), simulation.pair_of(LEFT, &copy));
    let right = |pair: Option<syncline_core::Pair>| pair.and_then(|pair| pair.right).expect("it has a counterpart");
    assert_ne!(right(pair), right(other.clone()));
    simulation.stage.lock().person_deletes(LEFT, &ada);
    run(&simulation);
    assert_eq!(simulation.pair_of(LEFT, &copy), other, "the other one is as it was");
    // Not at rest for the stage, which takes a serial for that of one record.
    assert_eq!(count(&simulation, RIGHT), 1, "what was deleted was deleted");
}

#[test]
fn e4_2_not_seen_is_confirmed_by_id_before_anything_is_deleted() {
    // A list that leaves records out and says that it did not: only what a look-up confirms is gone.
    let manner = Manner { feed: false, lag_ms: 90_000, ..Manner::PLAIN };
    let simulation = Simulation::new(1, manner, Manner::PLAIN, deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    let eda = create(&simulation, LEFT, "eda@x", "Eda");
    run(&simulation);
    // Made on the right, so the sync creates it on the left, where the next list does not show it yet.
    create(&simulation, RIGHT, "ida@x", "Ida");
    simulation.stage.lock().now += 600_000;
    simulation.run().expect("nothing goes wrong");
    assert_eq!(simulation.run().expect("nothing goes wrong").record.tally.writes(), 0);
    assert_eq!((count(&simulation, LEFT), count(&simulation, RIGHT)), (3, 3));
    simulation.stage.lock().person_deletes(LEFT, &eda);
    run(&simulation);
    assert_eq!(count(&simulation, RIGHT), 2);
    assert_eq!(state_of(&simulation, LEFT, &ada), PairState::Linked);
    rest(&simulation);
}

#[test]
fn e4_4_a_tombstone_is_not_made_again_and_a_restored_record_revives_its_pair() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    edit(&simulation, LEFT, &ada, "name", "Eda");
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    let standing = simulation.pair_of(LEFT, &ada).expect("it has a pair").standing();
    assert_eq!(standing, Standing::Excluded(Reason::CounterpartDeleted));
    simulation.stage.lock().person_restores(RIGHT, &right);
    run(&simulation);
    assert_eq!(state_of(&simulation, LEFT, &ada), PairState::Linked);
    assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Eda")), "merged from the kept base");
    rest(&simulation);
}

#[test]
fn e3_6_an_edit_beside_a_delete_is_held() {
    let simulation = plain(deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    edit(&simulation, LEFT, &ada, "name", "Eda");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    assert_eq!(run(&simulation).record.tally.held, 1);
    assert_eq!(state_of(&simulation, LEFT, &ada), PairState::EditDelete { gone: RIGHT });
    rest(&simulation);
    assert_eq!(value(&simulation, LEFT, &ada, "name"), Some(text("Eda")));
}

#[test]
fn e6_2_a_read_that_lags_reverts_nothing() {
    for ordered in [true, false] {
        // The feed names records again and again, as they were before the last write.
        let manner = Manner { lag_ms: 60_000, overlap: 3, ordered, timed: ordered, ..Manner::PLAIN };
        let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
        let ada = create(&simulation, LEFT, "ada@x", "Ada");
        run(&simulation);
        let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
        run(&simulation);
        edit(&simulation, LEFT, &ada, "name", "Eda");
        simulation.run().expect("nothing goes wrong");
        assert_eq!(value(&simulation, RIGHT, &right, "name"), Some(text("Eda")));
        let again = simulation.run().expect("nothing goes wrong");
        assert_eq!(again.record.tally.writes(), 0, "ordered {ordered}");
        assert_eq!(value(&simulation, LEFT, &ada, "name"), Some(text("Eda")));
        rest(&simulation);
    }
}

#[test]
fn e6_2_a_read_that_lags_brings_nothing_back() {
    let manner = Manner { lag_ms: 60_000, overlap: 3, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, manner, deleting(DeletePolicy::Delete));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    simulation.run().expect("nothing goes wrong");
    assert_eq!(count(&simulation, RIGHT), 0);
    simulation.run().expect("nothing goes wrong");
    rest(&simulation);
    assert_eq!((count(&simulation, LEFT), count(&simulation, RIGHT)), (0, 0), "nobody restored it");
}

#[test]
fn e8_1_a_refused_record_waits_for_a_change_and_the_others_go_on() {
    let manner = Manner { validates: true, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, manner, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "bad");
    create(&simulation, LEFT, "eda@x", "Eda");
    let report = run(&simulation);
    assert_eq!((report.record.tally.rejected, report.record.tally.changed), (1, 1));
    assert_eq!(report.record.outcome.map(|outcome| outcome.word()), Some("ok-with-rejects"));
    let calls = simulation.stage.lock().story.len();
    run(&simulation);
    assert!(!simulation.stage.lock().story[calls..].iter().any(|line| line.contains("the sync writes")));
    let standing = simulation.pair_of(LEFT, &ada).expect("it has a pair").standing();
    assert_eq!(standing, Standing::Rejected(Reason::Validation));
    edit(&simulation, LEFT, &ada, "name", "good");
    assert_eq!(run(&simulation).record.tally.right.created, 1);
    rest(&simulation);
}

#[test]
fn e8_2_a_wait_after_a_write_leaves_nothing_unknown_behind() {
    // The store stops between the write and its outcome; the next run looks before it sends.
    for commits in 0..40 {
        for applied in [true, false] {
            let manner = Manner { promise: CreatePromise::Lookup, findable_email: false, ..Manner::PLAIN };
            let mut rules = default_rules();
            rules.matching.tuples.clear();
            let simulation = Simulation::new(1, manner.clone(), manner, rules);
            create(&simulation, LEFT, "ada@x", "Ada");
            create(&simulation, RIGHT, "eda@x", "Eda");
            simulation.store.stop_at(commits, applied);
            let _ = simulation.run();
            simulation.store.start_again();
            rest(&simulation);
            assert_eq!((count(&simulation, LEFT), count(&simulation, RIGHT)), (2, 2), "commit {commits}, {applied}");
        }
    }
}

#[test]
fn e8_4_a_resumed_read_of_everything_infers_no_delete() {
    let manner = Manner { feed: false, ids: false, page_max: 1, ..Manner::PLAIN };
    let mut resumed = 0;
    for commits in 0..12 {
        let simulation = Simulation::new(1, manner.clone(), Manner::PLAIN, deleting(DeletePolicy::Delete));
        let ids: Vec<RecordId> =
            (0..12).map(|number| create(&simulation, LEFT, &format!("{number}@x"), "Ada")).collect();
        run(&simulation);
        simulation.stage.lock().person_deletes(LEFT, &ids[2]);
        // The power fails before, in the middle of, or after the read.
        simulation.store.stop_at(commits, true);
        simulation.stage.lock().now += 600_000;
        let _ = simulation.run();
        simulation.store.start_again();
        if run(&simulation).record.tally.right.deleted == 0 && count(&simulation, RIGHT) == 12 {
            resumed += 1;
            assert_eq!(run(&simulation).record.tally.right.deleted, 1, "an unbroken read tells, commit {commits}");
        }
        rest(&simulation);
        assert_eq!(count(&simulation, RIGHT), 11, "commit {commits}");
    }
    assert!(resumed >= 2, "a read was resumed in the middle only {resumed} times");
}

#[test]
fn e3_4_the_value_that_loses_is_kept_although_the_other_side_fails() {
    let simulation = plain(default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    edit(&simulation, LEFT, &ada, "name", "Left");
    edit(&simulation, RIGHT, &right, "phone", "1");
    edit(&simulation, RIGHT, &right, "name", "Right");
    simulation.stage.lock().tricks.push((RIGHT, Trick::Fail));
    edit(&simulation, LEFT, &ada, "street", "1");
    run(&simulation);
    rest(&simulation);
    let kept = simulation.conflicts();
    let lost =
        |kept: &syncline_runner::KeptConflict| kept.conflict.fields.iter().any(|field| field.left == text("Left"));
    assert!(kept.iter().any(lost), "{kept:?}");
}

#[test]
fn design_5_1_the_same_rows_give_the_same_plan_whatever_the_pages() {
    let plan = |page_max: u32, seed: u64| {
        let manner = Manner { page_max, ..Manner::PLAIN };
        let simulation = Simulation::new(seed, manner.clone(), manner, default_rules());
        for number in 0..9 {
            create(&simulation, LEFT, &format!("{number}@x"), &format!("left {number}"));
            if number % 2 == 0 {
                create(&simulation, RIGHT, &format!("{number}@x"), &format!("right {number}"));
            }
        }
        simulation.plan();
        simulation.rows(StoreTable::Plan)
    };
    let one = plan(100, 1);
    assert_eq!(one.len(), 9);
    assert_eq!(plan(100, 2), one, "chance has no say in it");
    let contents = |rows: Vec<(Vec<u8>, Vec<u8>)>| rows.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert_eq!(contents(plan(1, 3)), contents(one));
}

#[test]
fn e2_3_a_one_way_field_keeps_what_its_target_says() {
    let simulation = plain(default_rules());
    assert!(simulation.setup.rules.mappings.iter().any(|mapping| mapping.rule == MappingRule::ToRight));
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    edit(&simulation, LEFT, &ada, "note", "left");
    run(&simulation);
    let right = simulation.pair_of(LEFT, &ada).and_then(|pair| pair.right).expect("it was created");
    edit(&simulation, RIGHT, &right, "note", "right");
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    edit(&simulation, LEFT, &ada, "note", "left again");
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &right, "note"), Some(text("left again")));
    rest(&simulation);
}
