//! What waits for a person, and what is never written unseen (E4.3, E4.5, E4.6), as small histories.

use std::sync::atomic::{AtomicUsize, Ordering};

use syncline_core::{
    DeletePolicy, EditDelete, FieldName, Guards, MappingRule, PairState, Reason, RecordId, Ruling, Side, Standing,
    TRASH_TAG, TargetDrift,
};
use syncline_runner::{Answer, Guarded, RunOutcome, RunReport};
use syncline_simulation::steps::rest;
use syncline_simulation::{Manner, Simulation, default_rules};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

/// A sync in step, with so many pairs.
fn with_pairs(pairs: usize, policy: DeletePolicy, guards: Guards) -> (Simulation, Vec<RecordId>) {
    with_manner(Manner::PLAIN, pairs, policy, guards)
}

fn with_manner(manner: Manner, pairs: usize, policy: DeletePolicy, guards: Guards) -> (Simulation, Vec<RecordId>) {
    let mut rules = default_rules();
    (rules.deletes_to_left, rules.deletes_to_right) = (policy, policy);
    let mut simulation = Simulation::new(1, manner, Manner::PLAIN, rules);
    simulation.setup.guards = guards;
    let make = |number| create(&simulation, LEFT, number);
    let left = (0..pairs).map(make).collect();
    assert_eq!(run(&simulation).record.tally.right.created, pairs as u64);
    (simulation, left)
}

fn create(simulation: &Simulation, side: Side, number: usize) -> RecordId {
    let (email, name) = (format!("{side}{number}@x"), format!("n{number}"));
    simulation.stage.lock().person_creates(side, &[("email", &email), ("name", &name), ("phone", "1")])
}

fn delete(simulation: &Simulation, side: Side, ids: &[RecordId]) {
    ids.iter().for_each(|id| simulation.stage.lock().person_deletes(side, id));
}

fn run(simulation: &Simulation) -> RunReport {
    say(simulation, None)
}

fn say(simulation: &Simulation, answer: Option<(&str, bool)>) -> RunReport {
    simulation.stage.lock().now += 600_000;
    let answer = answer.map(|(digest, is_yes)| Answer { digest: digest.to_owned(), is_yes });
    let report = simulation.run_with(answer).expect("nothing goes wrong in this run");
    assert!(report.record.tally.adds_up(), "E8.2: {:?}", report.record.tally);
    report
}

fn count(simulation: &Simulation, side: Side) -> usize {
    simulation.stage.lock().ids(side).len()
}

fn waits(guarded: &Guarded) -> (u64, String) {
    let waiting = guarded.waiting.clone().expect("deletes wait");
    (waiting.deletes, waiting.digest)
}

fn breaker(report: &RunReport) -> Option<&str> {
    match &report.record.outcome {
        Some(RunOutcome::Blocked { breaker, .. }) => Some(breaker),
        _ => None,
    }
}

#[test]
fn e4_3_each_policy_does_what_it_says_to_the_survivor() {
    let few = Guards { auto_approve: true, ..Guards::default() };
    let cases = [
        (DeletePolicy::Ignore, 0, 3, Standing::Excluded(Reason::CounterpartDeleted)),
        (DeletePolicy::Tag, 1, 3, Standing::Excluded(Reason::CounterpartDeleted)),
        (DeletePolicy::Archive, 1, 2, Standing::Ended),
        (DeletePolicy::Delete, 1, 2, Standing::Ended),
    ];
    for (policy, writes, left_over, standing) in cases {
        let (simulation, left) = with_pairs(3, policy, few);
        let right = simulation.pair_of(LEFT, &left[0]).and_then(|pair| pair.right).expect("it has a counterpart");
        delete(&simulation, LEFT, &left[..1]);
        let report = run(&simulation);
        assert_eq!((report.record.tally.writes(), count(&simulation, RIGHT)), (writes, left_over), "{policy:?}");
        assert_eq!(simulation.pair_of(LEFT, &left[0]).map(|pair| pair.standing()), Some(standing), "{policy:?}");
        let tagged = simulation.stage.lock().tags(RIGHT, &right);
        assert_eq!(tagged, if policy == DeletePolicy::Tag { vec![TRASH_TAG.to_owned()] } else { Vec::new() });
        assert_eq!(run(&simulation).record.tally.writes(), 0, "E6.7 {policy:?}");
        rest(&simulation);
    }
}

#[test]
fn e4_5_deletes_wait_for_approval_and_everything_else_goes_on() {
    let (simulation, left) = with_pairs(5, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left[..2]);
    create(&simulation, LEFT, 10);
    let report = run(&simulation);
    assert_eq!((report.record.tally.right.created, report.record.tally.right.deleted), (1, 0));
    assert_eq!((report.record.tally.held, report.record.outcome.clone()), (2, Some(RunOutcome::Ok)));
    let (deletes, digest) = waits(&report.guarded);
    assert_eq!(deletes, 2);
    let pair = simulation.pair_of(LEFT, &left[0]).expect("it has a pair");
    assert_eq!(pair.standing(), Standing::Held(Reason::AwaitingApproval));
    assert!(matches!(pair.state, PairState::DeleteWaits { gone: LEFT, ruling: Ruling::Waiting, .. }));
    // The same deletes have the same digest in the next run, and in a plan; nothing is written meanwhile.
    let again = run(&simulation);
    assert_eq!((waits(&again.guarded).1, again.record.tally.writes(), again.record.tally.held), (digest.clone(), 0, 2));
    assert_eq!(waits(&simulation.plan().guarded).1, digest);
    let report = say(&simulation, Some((&digest, true)));
    assert_eq!((report.record.tally.right.deleted, report.guarded.waiting), (2, None));
    assert_eq!(count(&simulation, RIGHT), 4);
    rest(&simulation);
}

#[test]
fn e4_5_an_answer_about_other_deletes_releases_nothing() {
    let (simulation, left) = with_pairs(5, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left[..1]);
    let digest = waits(&run(&simulation).guarded).1;
    delete(&simulation, LEFT, &left[1..2]);
    create(&simulation, LEFT, 10);
    for is_yes in [true, false] {
        let report = say(&simulation, Some((&digest, is_yes)));
        assert_eq!((breaker(&report), report.record.tally.writes()), (Some("approval"), 0));
    }
    assert_eq!(count(&simulation, RIGHT), 5);
}

#[test]
fn e4_5_few_deletes_may_pass_and_many_never_do() {
    let few = Guards { auto_approve: true, deletes: None, ..Guards::default() };
    let (simulation, left) = with_pairs(40, DeletePolicy::Delete, few);
    delete(&simulation, LEFT, &left[..10]);
    assert_eq!(run(&simulation).record.tally.right.deleted, 10);
    delete(&simulation, LEFT, &left[10..21]);
    let report = run(&simulation);
    assert_eq!((report.record.tally.right.deleted, waits(&report.guarded).0), (0, 11));
    let report = say(&simulation, Some((&report.guarded.digest, true)));
    assert_eq!(report.record.tally.right.deleted, 11);
    rest(&simulation);
}

#[test]
fn e4_5_a_record_that_reappears_leaves_the_queue_by_itself() {
    let (simulation, left) = with_pairs(3, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left[..1]);
    assert_eq!(waits(&run(&simulation).guarded).0, 1);
    simulation.stage.lock().person_restores(LEFT, &left[0]);
    let report = run(&simulation);
    assert_eq!((report.guarded.waiting, report.record.tally.writes()), (None, 0));
    let pair = simulation.pair_of(LEFT, &left[0]).expect("it has a pair");
    assert_eq!((pair.state.clone(), pair.standing()), (PairState::Linked, Standing::InSync));
    rest(&simulation);
}

#[test]
fn e4_5_a_rejection_is_remembered_until_the_record_changes() {
    let (simulation, left) = with_pairs(3, DeletePolicy::Delete, Guards::default());
    let right = simulation.pair_of(LEFT, &left[0]).and_then(|pair| pair.right).expect("it has a counterpart");
    delete(&simulation, LEFT, &left[..1]);
    let digest = waits(&run(&simulation).guarded).1;
    let report = say(&simulation, Some((&digest, false)));
    assert_eq!((report.guarded.waiting, report.record.tally.writes()), (None, 0));
    let standing = || simulation.pair_of(LEFT, &left[0]).map(|pair| pair.standing());
    assert_eq!(standing(), Some(Standing::Excluded(Reason::CounterpartDeleted)));
    let report = run(&simulation);
    assert_eq!((report.guarded.waiting, report.record.tally.seen), (None, 0), "it is not asked about again");
    // What it says now is not what was asked about; a field that only the right knows is no edit beside a delete.
    simulation.stage.lock().person_edits(RIGHT, &right, "note", "other");
    assert_eq!(waits(&run(&simulation).guarded).0, 1);
}

#[test]
fn e4_5_e8_a_rejected_delete_leaves_nothing_to_try_again() {
    let (mut simulation, left) = with_pairs(3, DeletePolicy::Delete, Guards::default());
    simulation.setup.rules.edit_delete = EditDelete::DeleteWins;
    let right = simulation.pair_of(LEFT, &left[0]).and_then(|pair| pair.right).expect("it has a counterpart");
    simulation.stage.lock().person_edits(RIGHT, &right, "phone", "2");
    delete(&simulation, LEFT, &left[..1]);
    let digest = waits(&run(&simulation).guarded).1;
    say(&simulation, Some((&digest, false)));
    // It comes back, and is gone again before the edit is carried to it: both sides were read by then.
    simulation.stage.lock().person_restores(LEFT, &left[0]);
    simulation.stage.lock().meanwhile = Some(|state| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let is_time = CALLS.fetch_add(1, Ordering::Relaxed) == 2;
        if let Some(id) = state.ids(LEFT).into_iter().min().filter(|_| is_time) {
            state.person_deletes(LEFT, &id);
        }
        is_time
    });
    let report = run(&simulation);
    assert_eq!((report.record.tally.excluded, report.record.tally.failed), (1, 0), "{:?}", report.record);
    let trouble = simulation.pair_of(LEFT, &left[0]).and_then(|pair| pair.trouble);
    assert_eq!(trouble, None);
    rest(&simulation);
}

#[test]
fn e4_5_an_approved_delete_that_fails_is_tried_again_without_asking() {
    let (simulation, left) = with_pairs(3, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left[..1]);
    let digest = waits(&run(&simulation).guarded).1;
    {
        let mut state = simulation.stage.lock();
        for _ in 0..40 {
            state.tricks.push((RIGHT, syncline_simulation::Trick::Fail));
        }
    }
    say(&simulation, Some((&digest, true)));
    assert_eq!(count(&simulation, RIGHT), 3, "it failed");
    simulation.stage.lock().tricks.clear();
    simulation.stage.lock().now += 90_000_000;
    let report = run(&simulation);
    assert_eq!((report.record.tally.right.deleted, report.guarded.waiting), (1, None));
    rest(&simulation);
}

#[test]
fn e4_6_many_deletes_stop_everything_until_exactly_that_plan_is_approved() {
    let (simulation, left) = with_pairs(100, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left[..11]);
    create(&simulation, LEFT, 200);
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("deletes"), 0));
    let Some(RunOutcome::Blocked { why, .. }) = &report.record.outcome else { panic!("it is blocked") };
    let digest = report.guarded.digest.clone();
    for part in ["11 deletes, with 100 pairs", "nothing was written", &format!("run contacts --approve {digest}")] {
        assert!(why.contains(part), "{part:?} is not in {why:?}");
    }
    assert_eq!(simulation.plan().guarded.digest, digest, "a plan shows the same digest");
    let report = run(&simulation);
    assert_eq!((breaker(&report), &report.guarded.digest), (Some("deletes"), &digest));
    delete(&simulation, LEFT, &left[11..12]);
    let report = say(&simulation, Some((&digest, true)));
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("deletes,approval"), 0), "it has changed since");
    let report = say(&simulation, Some((&report.guarded.digest, true)));
    assert_eq!((report.record.tally.right.deleted, report.record.tally.right.created), (12, 1));
    assert_eq!(run(&simulation).record.outcome, Some(RunOutcome::Ok));
    rest(&simulation);
}

#[test]
fn e4_6_many_creates_stop_after_the_first_run_only() {
    let (simulation, _) = with_pairs(150, DeletePolicy::Ignore, Guards::default());
    (0..101).for_each(|number| drop(create(&simulation, RIGHT, number)));
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("creates"), 0));
    let report = say(&simulation, Some((&report.guarded.digest, true)));
    assert_eq!(report.record.tally.left.created, 101);
    assert_eq!(run(&simulation).record.outcome, Some(RunOutcome::Ok));
    rest(&simulation);
}

#[test]
fn e4_6_one_field_emptied_in_many_records_stops() {
    let (simulation, left) = with_pairs(60, DeletePolicy::Ignore, Guards::default());
    left[..21].iter().for_each(|id| simulation.stage.lock().person_edits(LEFT, id, "phone", ""));
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("blanks"), 0));
    assert_eq!(say(&simulation, Some((&report.guarded.digest, true))).record.tally.right.updated, 21);
    rest(&simulation);
}

#[test]
fn e4_6_a_field_that_is_left_out_hides_nothing_from_the_guards() {
    let (mut simulation, left) = with_pairs(60, DeletePolicy::Ignore, Guards::default());
    let name = simulation.setup.rules.mappings.iter_mut().find(|mapping| mapping.left == FieldName::from("name"));
    let name = name.expect("the rules map it");
    (name.rule, name.target_drift) = (MappingRule::ToRight, TargetDrift::Error);
    run(&simulation);
    let right = simulation.stage.lock().ids(RIGHT);
    right.iter().for_each(|id| simulation.stage.lock().person_edits(RIGHT, id, "name", "other"));
    assert_eq!(run(&simulation).record.tally.rejected, 60);
    left[..21].iter().for_each(|id| simulation.stage.lock().person_edits(LEFT, id, "phone", ""));
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("blanks"), 0));
}

#[test]
fn e4_6_what_was_let_through_and_refused_is_new_once_it_changes() {
    let (simulation, left) = with_pairs(60, DeletePolicy::Ignore, Guards::default());
    simulation.stage.lock().app_mut(RIGHT).manner.validates = true;
    left.iter().for_each(|id| simulation.stage.lock().person_edits(LEFT, id, "name", "bad"));
    assert_eq!(run(&simulation).record.tally.rejected, 60);
    left[..21].iter().for_each(|id| simulation.stage.lock().person_edits(LEFT, id, "phone", ""));
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("blanks"), 0));
}

#[test]
fn e4_6_a_side_that_is_empty_stops_and_is_believed_once_a_person_says_so() {
    // Its feed tells of every delete; under `ignore` nothing would be written anyway, and still a person should know.
    let (simulation, left) = with_pairs(4, DeletePolicy::Ignore, Guards::default());
    delete(&simulation, LEFT, &left);
    let report = run(&simulation);
    assert_eq!(breaker(&report), Some("empty_side"));
    assert_eq!(breaker(&run(&simulation)), Some("empty_side"), "it waits");
    let report = say(&simulation, Some((&report.guarded.digest, true)));
    assert_eq!((report.record.outcome, count(&simulation, RIGHT)), (Some(RunOutcome::Ok), 4));
    assert_eq!(run(&simulation).record.outcome, Some(RunOutcome::Ok));
    rest(&simulation);
}

#[test]
fn e4_6_a_list_that_names_nothing_is_believed_once_a_person_says_so() {
    let manner = Manner { feed: false, feed_deletes: false, ..Manner::PLAIN };
    let (simulation, left) = with_manner(manner, 4, DeletePolicy::Delete, Guards::default());
    delete(&simulation, LEFT, &left);
    let report = run(&simulation);
    assert_eq!(breaker(&report), Some("empty_side"));
    let told = report.record.anomalies.iter().any(|told| told.contains("listed no record at all"));
    assert!(told, "E8.2: {:?}", report.record.anomalies);
    assert_eq!(count(&simulation, RIGHT), 4);
    say(&simulation, Some((&report.guarded.digest, true)));
    // Now each is asked about by its id, and what is gone waits like any other delete.
    let (deletes, digest) = waits(&run(&simulation).guarded);
    assert_eq!(deletes, 4);
    say(&simulation, Some((&digest, true)));
    assert_eq!(count(&simulation, RIGHT), 0);
    rest(&simulation);
}

#[test]
fn e4_6_a_list_that_has_shrunk_stops_and_is_an_anomaly() {
    let manner = Manner { feed: false, feed_deletes: false, ..Manner::PLAIN };
    let (simulation, left) = with_manner(manner, 40, DeletePolicy::Ignore, Guards::default());
    delete(&simulation, LEFT, &left[..11]);
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.tally.writes()), (Some("shrink"), 0));
    assert!(report.record.anomalies[0].contains("lists 29 records, and listed 40 before"), "E8.2");
    let report = run(&simulation);
    assert_eq!((breaker(&report), report.record.anomalies.len()), (Some("shrink"), 0), "it waits");
    say(&simulation, Some((&report.guarded.digest, true)));
    assert_eq!(run(&simulation).record.outcome, Some(RunOutcome::Ok));
    rest(&simulation);
}

#[test]
fn e4_5_a_digest_does_not_depend_on_the_order_or_the_pages() {
    let digest = |manner: Manner, backwards: bool| {
        let mut rules = default_rules();
        rules.deletes_to_right = DeletePolicy::Delete;
        let mut simulation = Simulation::new(1, manner, Manner::PLAIN, rules);
        simulation.setup.guards = Guards::default();
        let left: Vec<RecordId> = (0..9).map(|number| create(&simulation, LEFT, number)).collect();
        run(&simulation);
        let order: Vec<usize> = if backwards { (0..9).rev().collect() } else { (0..9).collect() };
        order.into_iter().for_each(|at| delete(&simulation, LEFT, &left[at..=at]));
        simulation.plan().guarded.digest
    };
    let one_by_one = Manner { page_max: 1, batch_max: 1, ..Manner::PLAIN };
    let all = [digest(Manner::PLAIN, false), digest(Manner::PLAIN, true), digest(one_by_one, true)];
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
}

#[test]
fn e4_6_what_comes_up_while_a_run_writes_is_held_by_itself_and_said_to_be() {
    let one_by_one = Manner { batch_max: 1, ..Manner::PLAIN };
    let (mut simulation, _) = with_manner(one_by_one, 100, DeletePolicy::Delete, Guards::default());
    simulation.setup.rules.edit_delete = EditDelete::DeleteWins;
    let right = simulation.stage.lock().ids(RIGHT);
    for id in &right[..13] {
        simulation.stage.lock().person_edits(RIGHT, id, "street", "Dorset Street");
    }
    // Once the first of them is written, somebody deletes the records that the next ones are for.
    simulation.stage.lock().meanwhile = Some(|state| {
        let has_street = |id: &RecordId| state.value(LEFT, id, "street").is_some_and(|street| !street.is_blank());
        let (written, rest): (Vec<_>, Vec<_>) = state.ids(LEFT).into_iter().partition(has_street);
        let begins = !written.is_empty();
        rest.iter().filter(|_| begins).for_each(|id| state.person_deletes(LEFT, id));
        begins
    });
    let report = run(&simulation);
    let Some(RunOutcome::Blocked { breaker, why }) = &report.record.outcome else { panic!("{:?}", report.record) };
    assert_eq!((breaker.as_str(), report.record.tally.writes()), ("deletes", 1), "{why}");
    assert!(why.contains("12 deletes, with 100 pairs; nothing more was written"), "{why}");
    assert_eq!(count(&simulation, RIGHT), 100, "none of them is carried out");
    let answer = (simulation.plan().guarded.digest, true);
    say(&simulation, Some((&answer.0, answer.1)));
    assert_eq!(count(&simulation, RIGHT), 1);
    rest(&simulation);
}
