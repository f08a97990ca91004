//! Small histories about records whose counterpart was deleted, and what a person decides about them (E4.4).

use syncline_core::{
    ConflictPolicy, DeletePolicy, Direction, Pair, PairState, Reason, RecordId, Rules, Side, Standing,
};
use syncline_runner::report::Asked;
use syncline_runner::{Failure, Remedy, RemedyPlan, RunOutcome, RunRecord};
use syncline_simulation::steps::{edit, left_by_undo, rest, run, take_back, wait};
use syncline_simulation::{Manner, Simulation, Trick, default_rules};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;
const ALL: [Remedy; 3] = [Remedy::Recreate, Remedy::Unpair, Remedy::Delete];

fn pair(simulation: &Simulation, left: &RecordId) -> Pair {
    simulation.pair_of(LEFT, left).expect("it has a pair")
}

fn ids(simulation: &Simulation, side: Side) -> Vec<RecordId> {
    simulation.stage.lock().ids(side)
}

fn plan(simulation: &Simulation, left: &RecordId, remedy: Remedy) -> Result<RemedyPlan, Box<Failure>> {
    let asked = Asked::Record(left.clone());
    wait(syncline_runner::plan_remedy(&simulation.context, &simulation.setup, &asked, remedy)).map_err(Box::new)
}

fn decide(
    simulation: &Simulation,
    left: &RecordId,
    remedy: Remedy,
    shown: Option<&RemedyPlan>,
) -> Result<RunRecord, Box<Failure>> {
    simulation.stage.lock().now += 600_000;
    let asked = Asked::Record(left.clone());
    wait(syncline_runner::remedy(&simulation.context, &simulation.setup, &asked, remedy, shown)).map_err(Box::new)
}

fn done(simulation: &Simulation, left: &RecordId, remedy: Remedy) {
    let record = decide(simulation, left, remedy, None).expect("it can be done");
    assert_eq!(record.outcome, Some(RunOutcome::Ok));
    assert!(record.tally.adds_up(), "{:?}", record.tally);
}

/// A pair whose right record somebody deleted, and a run that found out.
fn bereft(rules: Rules, manner: Manner) -> (Simulation, RecordId, RecordId) {
    let simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
    let left = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada"), ("phone", "1")]);
    run(&simulation);
    let right = pair(&simulation, &left).right.expect("it was created");
    simulation.stage.lock().person_deletes(RIGHT, &right);
    run(&simulation);
    assert_eq!(pair(&simulation, &left).standing(), Standing::Excluded(Reason::CounterpartDeleted));
    (simulation, left, right)
}

#[test]
fn e4_4_a_record_is_created_again_where_a_person_says_so_and_its_pair_goes_on() {
    let (simulation, left, right) = bereft(default_rules(), Manner::PLAIN);
    let shown = plan(&simulation, &left, Remedy::Recreate).expect("it can be done");
    assert!(ids(&simulation, RIGHT).is_empty(), "a plan writes nothing");
    assert_eq!(pair(&simulation, &left).right, Some(right.clone()), "nor does it change the pair");
    let record = decide(&simulation, &left, Remedy::Recreate, Some(&shown)).expect("it can be done");
    assert_eq!((record.tally.right.created, record.tally.writes()), (1, 1));
    let anew = pair(&simulation, &left);
    assert_eq!((anew.state.clone(), anew.right.as_ref() == Some(&right)), (PairState::Linked, false));
    let made = anew.right.expect("it is linked");
    edit(&simulation, RIGHT, &made, "phone", "2");
    assert_eq!(run(&simulation).record.tally.left.updated, 1, "the two are a pair as any other");
    rest(&simulation);
    assert_eq!(ids(&simulation, RIGHT), [made]);
}

#[test]
fn e4_4_an_unpaired_record_stays_as_it_is_and_the_other_may_come_back_on_its_own() {
    let (simulation, left, right) = bereft(default_rules(), Manner::PLAIN);
    done(&simulation, &left, Remedy::Unpair);
    assert_eq!(pair(&simulation, &left).right, None);
    edit(&simulation, LEFT, &left, "name", "Eda");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "never created by itself");
    rest(&simulation);
    assert!(decide(&simulation, &left, Remedy::Unpair, None).is_err(), "there is nothing left to forget");
    // It comes back as another record: matched by its key, without the base that the two had.
    simulation.stage.lock().person_restores(RIGHT, &right);
    run(&simulation);
    let pair = pair(&simulation, &left);
    assert_eq!((pair.state, pair.right), (PairState::Linked, Some(right)));
    assert_eq!(simulation.conflicts().len(), 1, "both had a name, and nobody knows which was first");
    rest(&simulation);
}

#[test]
fn e4_4_a_record_is_deleted_too_and_an_undo_brings_it_back() {
    let (simulation, left, _) = bereft(default_rules(), Manner::PLAIN);
    let record = decide(&simulation, &left, Remedy::Delete, None).expect("it can be done");
    assert_eq!((record.tally.left.deleted, record.tally.writes()), (1, 1));
    assert!(ids(&simulation, LEFT).is_empty());
    assert_eq!(pair(&simulation, &left).standing(), Standing::Ended);
    rest(&simulation);
    take_back(&simulation, &syncline_runner::Undo::run(record.id));
    assert_eq!(ids(&simulation, LEFT).len(), 1);
}

#[test]
fn e4_4_nothing_is_decided_about_what_was_not_deleted_or_is_back_or_has_moved_on() {
    let (simulation, left, right) = bereft(default_rules(), Manner::PLAIN);
    let shown = plan(&simulation, &left, Remedy::Delete).expect("it can be done");
    edit(&simulation, LEFT, &left, "name", "Eda");
    let refused = decide(&simulation, &left, Remedy::Delete, Some(&shown)).expect_err("it was edited since");
    assert!(refused.to_string().contains("changed since it was shown"), "{refused}");
    // No read has told yet that it is back.
    simulation.stage.lock().person_restores(RIGHT, &right);
    for remedy in ALL {
        let refused = decide(&simulation, &left, remedy, None).expect_err("it is back");
        assert!(refused.to_string().contains("there again"), "{refused}");
    }
    run(&simulation);
    for remedy in ALL {
        assert!(decide(&simulation, &left, remedy, None).is_err(), "{remedy:?} of a pair that goes on");
    }
    assert_eq!((ids(&simulation, LEFT).len(), ids(&simulation, RIGHT).len()), (1, 1));
    rest(&simulation);
}

#[test]
fn e4_4_a_side_that_the_sync_does_not_write_is_not_written_by_a_decision_either() {
    let rules = Rules { direction: Direction::ToRight, ..default_rules() };
    let (simulation, left, _) = bereft(rules, Manner::PLAIN);
    assert!(decide(&simulation, &left, Remedy::Delete, None).is_err());
    done(&simulation, &left, Remedy::Recreate);
    assert_eq!(ids(&simulation, RIGHT).len(), 1);
    rest(&simulation);
}

#[test]
fn e4_4_a_held_edit_and_a_waiting_delete_can_be_decided_too_e4_5() {
    for remedy in ALL {
        let rules = Rules { deletes_to_left: DeletePolicy::Delete, ..default_rules() };
        let simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules);
        let left = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada")]);
        run(&simulation);
        let right = pair(&simulation, &left).right.expect("it was created");
        edit(&simulation, LEFT, &left, "name", "Eda");
        simulation.stage.lock().person_deletes(RIGHT, &right);
        run(&simulation);
        assert_eq!(pair(&simulation, &left).state, PairState::EditDelete { gone: RIGHT });
        done(&simulation, &left, remedy);
        match remedy {
            // The edit goes with its record: a person said so.
            Remedy::Delete => assert!(simulation.settle().is_some(), "it does not come to rest"),
            Remedy::Recreate | Remedy::Unpair => rest(&simulation),
        }
        let (lefts, rights) = (ids(&simulation, LEFT).len(), ids(&simulation, RIGHT).len());
        let expected = match remedy {
            Remedy::Recreate => (1, 1),
            Remedy::Unpair => (1, 0),
            Remedy::Delete => (0, 0),
        };
        assert_eq!((lefts, rights), expected, "{remedy:?}");
    }
}

/// Somebody edited the survivor while it was left alone, and then ordered its delete.
#[test]
fn e4_4_e9_6_what_an_undo_brings_back_is_no_edit() {
    for (restore, lost, returns) in [
        (true, false, false),
        (false, false, false),
        (false, true, false),
        (true, false, true),
        (false, false, true),
        (false, true, true),
    ] {
        let manner = Manner { restore, ..Manner::PLAIN };
        let rules = Rules { conflict: ConflictPolicy::Manual, ..default_rules() };
        let simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
        let fields = [("email", "ada@x"), ("name", "Ada"), ("phone", "1"), ("street", "one")];
        let left = simulation.stage.lock().person_creates(LEFT, &fields);
        run(&simulation);
        let right = pair(&simulation, &left).right.expect("it was created");
        simulation.stage.lock().person_deletes(LEFT, &left);
        edit(&simulation, RIGHT, &right, "phone", "2");
        edit(&simulation, RIGHT, &right, "street", "");
        run(&simulation);
        simulation.stage.lock().now += 600_000;
        let asked = Asked::Record(right);
        let ordered =
            wait(syncline_runner::remedy(&simulation.context, &simulation.setup, &asked, Remedy::Delete, None));
        let ordered = ordered.expect("it can be done").id;
        assert!(ids(&simulation, RIGHT).is_empty());
        if lost {
            let mut state = simulation.stage.lock();
            state.tricks.push((RIGHT, Trick::LoseAnswer));
            state.blind = true;
        }
        take_back(&simulation, &syncline_runner::Undo::run(ordered));
        simulation.stage.lock().blind = false;
        for _ in 0..3 {
            run(&simulation);
            assert_eq!(ids(&simulation, LEFT), [], "restore: {restore}, lost: {lost}: nobody edited it since");
        }
        let [back] = &ids(&simulation, RIGHT)[..] else { panic!("it is back") };
        let value = simulation.stage.lock().value(RIGHT, back, "phone");
        assert_eq!(value, Some(syncline_simulation::text("2")));
        if returns {
            // Both are there again, each with a phone of its own: nobody's edit goes over the other one silently.
            simulation.stage.lock().person_restores(LEFT, &left);
            run(&simulation);
            edit(&simulation, LEFT, &left, "city", "Paris");
            rest(&simulation);
            let open = pair(&simulation, &left).open_conflicts.len();
            assert_eq!(open, 1, "restore: {restore}, lost: {lost}: a person decides, also later");
            continue;
        }
        edit(&simulation, RIGHT, back, "phone", "3");
        run(&simulation);
        assert_eq!(ids(&simulation, LEFT).len(), 1, "restore: {restore}, lost: {lost}: that was an edit");
        rest(&simulation);
    }
}

/// The run that made the first record wrote nothing to the second.
#[test]
fn e9_6_an_undo_leaves_a_record_alone_that_was_made_in_the_place_of_the_written_one() {
    for edited in [false, true] {
        let (simulation, left, _) = bereft(default_rules(), Manner::PLAIN);
        let first = simulation.runs().last().expect("there are runs").run;
        done(&simulation, &left, Remedy::Recreate);
        let again = ids(&simulation, RIGHT)[0].clone();
        if edited {
            edit(&simulation, RIGHT, &again, "phone", "2");
        }
        let undone = take_back(&simulation, &syncline_runner::Undo::run(first));
        assert_eq!((undone.plan.changes, ids(&simulation, RIGHT)), (0, vec![again.clone()]), "edited: {edited}");
        assert_eq!(left_by_undo(&simulation)[0].reason, "it is not there any more");
        rest(&simulation);
    }
}

#[test]
fn e4_4_a_recreate_with_an_unknown_outcome_makes_no_double() {
    for trick in [Trick::LoseAnswer, Trick::LoseRequest, Trick::UnknownOutcome, Trick::Fail] {
        for lag_ms in [0, 120_000] {
            let (simulation, left, _) = bereft(default_rules(), Manner { lag_ms, ..Manner::PLAIN });
            simulation.stage.lock().tricks.push((RIGHT, trick));
            decide(&simulation, &left, Remedy::Recreate, None).expect("an unknown outcome is no failure");
            rest(&simulation);
            assert_eq!(ids(&simulation, RIGHT).len(), 1, "{trick:?}, {lag_ms}");
        }
    }
}
