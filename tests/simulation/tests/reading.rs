//! Reads that an application does not let come to their end at once: cursors that grow too old, and looks by id that tell
//! nothing (E4.2, E8.1).

use std::sync::atomic::{AtomicUsize, Ordering};

use syncline_core::{Exclusion, PairState, RecordId, Rules, Scope, Side};
use syncline_runner::RunOutcome;
use syncline_simulation::steps::{create, edit, rest, run};
use syncline_simulation::{Manner, Simulation, default_rules, list};

const LEFT: Side = Side::Left;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn state_of(simulation: &Simulation, id: &RecordId) -> PairState {
    simulation.pair_of(LEFT, id).expect("it has a pair").state
}

#[test]
fn e4_2_what_a_look_cannot_tell_is_asked_again_where_there_is_no_list_of_ids() {
    let unlisted = Manner { ids: false, ..Manner::PLAIN };
    let simulation = Simulation::new(1, unlisted, Manner::PLAIN, default_rules());
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    create(&simulation, LEFT, "eve@x", "Eve");
    run(&simulation);
    // The feed that would have told of the delete is lost, and the read in its place asks in vain.
    simulation.stage.lock().person_deletes(LEFT, &ada);
    simulation.stage.lock().expiring = Some(LEFT);
    simulation.stage.lock().vague = Some(LEFT);
    let report = run(&simulation);
    assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
    assert_eq!(state_of(&simulation, &ada), PairState::Linked);
    simulation.stage.lock().vague = None;
    run(&simulation);
    assert_eq!(state_of(&simulation, &ada), PairState::Linked, "once a day");
    simulation.stage.lock().now += DAY_MS;
    run(&simulation);
    assert_eq!(state_of(&simulation, &ada), PairState::Tombstone { gone: Some(LEFT), undone: false });
    let calls = simulation.stage.lock().calls;
    simulation.stage.lock().now += DAY_MS;
    run(&simulation);
    assert!(simulation.stage.lock().calls - calls <= 4, "nothing is owed any more");
    rest(&simulation);
}

#[test]
fn e4_2_what_two_complete_lists_in_a_row_leave_out_is_gone_where_nobody_can_be_asked() {
    let mute = Manner { get: false, feed: false, feed_deletes: false, ids: false, ..Manner::PLAIN };
    let simulation = Simulation::new(1, mute, Manner::PLAIN, default_rules());
    let [ada, eve] = ["ada@x", "eve@x"].map(|email| create(&simulation, LEFT, email, "Ada"));
    create(&simulation, LEFT, "bob@x", "Bob");
    run(&simulation);
    [&ada, &eve].into_iter().for_each(|id| simulation.stage.lock().person_deletes(LEFT, id));
    run(&simulation);
    assert_eq!([&ada, &eve].map(|id| state_of(&simulation, id)), [PairState::Linked, PairState::Linked]);
    // One that comes back in between is missed once, and once more later: those are not two in a row.
    simulation.stage.lock().person_restores(LEFT, &eve);
    run(&simulation);
    let tombstone = PairState::Tombstone { gone: Some(LEFT), undone: false };
    assert_eq!([&ada, &eve].map(|id| state_of(&simulation, id)), [tombstone.clone(), PairState::Linked]);
    simulation.stage.lock().person_deletes(LEFT, &eve);
    run(&simulation);
    assert_eq!(state_of(&simulation, &eve), PairState::Linked);
    run(&simulation);
    assert_eq!(state_of(&simulation, &eve), tombstone);
    rest(&simulation);
}

#[test]
fn e4_2_e6_2_what_lists_do_not_name_yet_is_not_gone() {
    let mute = Manner { get: false, feed: false, feed_deletes: false, ids: false, lag_ms: 3_000_000, ..Manner::PLAIN };
    let simulation = Simulation::new(1, Manner::PLAIN, mute, default_rules());
    create(&simulation, LEFT, "ada@x", "Ada");
    simulation.stage.lock().now += 3_000_000;
    run(&simulation);
    let eve = create(&simulation, LEFT, "eve@x", "Eve");
    for _ in 0..8 {
        run(&simulation);
        assert_eq!(state_of(&simulation, &eve), PairState::Linked);
    }
    rest(&simulation);
}

#[test]
fn e8_1_a_list_of_ids_whose_cursor_grows_too_old_is_begun_again() {
    let one_by_one = Manner { feed_deletes: false, page_max: 1, ..Manner::PLAIN };
    let simulation = Simulation::new(1, one_by_one, Manner::PLAIN, default_rules());
    let people: Vec<RecordId> =
        (0..4).map(|number| create(&simulation, LEFT, &format!("p{number}@x"), "Ada")).collect();
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &people[3]);
    simulation.stage.lock().now += DAY_MS;
    // The feed has been read by then: only the list of ids goes on from page to page.
    simulation.stage.lock().meanwhile = Some(|state| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let is_time = CALLS.fetch_add(1, Ordering::Relaxed) == 2;
        state.expiring = is_time.then_some(LEFT);
        is_time
    });
    let report = run(&simulation);
    assert_eq!(report.record.outcome, Some(RunOutcome::Ok));
    assert_eq!(simulation.stage.lock().expiring, None, "its cursor was too old");
    assert_eq!(state_of(&simulation, &people[3]), PairState::Tombstone { gone: Some(LEFT), undone: false });
    rest(&simulation);
}

#[test]
fn e8_1_a_list_whose_cursor_grows_too_old_is_read_from_its_beginning() {
    let rules = Rules { scope: Scope { list: Some(list(LEFT, "vip")), ..Scope::default() }, ..default_rules() };
    let simulation = Simulation::new(1, Manner { page_max: 1, ..Manner::PLAIN }, Manner::PLAIN, rules);
    let people: Vec<RecordId> =
        (0..4).map(|number| create(&simulation, LEFT, &format!("p{number}@x"), "vip")).collect();
    run(&simulation);
    edit(&simulation, LEFT, &people[0], "name", "Ada");
    // A list is read after the feed, which gives up no cursor then.
    simulation.stage.lock().meanwhile = Some(|state| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let is_time = CALLS.fetch_add(1, Ordering::Relaxed) == 3;
        state.expiring = is_time.then_some(LEFT);
        is_time
    });
    let report = run(&simulation);
    assert_eq!(report.record.outcome, Some(RunOutcome::Ok));
    assert_eq!(simulation.stage.lock().expiring, None, "its cursor was too old");
    assert_eq!(state_of(&simulation, &people[0]), PairState::OutOfScope { why: Exclusion::List });
    assert_eq!(state_of(&simulation, &people[1]), PairState::Linked);
    rest(&simulation);
}
