//! Hints that records have changed (E6.6), in small histories.

use syncline_core::{DeletePolicy, RecordId, Rules, Side, Value};
use syncline_runner::{Hinted, RunReport, StoreTable};
use syncline_simulation::steps::rest;
use syncline_simulation::{Manner, Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

/// An hour passes before its feed tells of a change; a look by id sees it at once.
const LATE: Manner = Manner { lag_ms: 3_600_000, ..Manner::PLAIN };

/// Ada on the left with a copy on the right, both seen by everybody.
fn with_ada(left: Manner) -> (Simulation, RecordId, RecordId) {
    let simulation = Simulation::new(1, left, Manner::PLAIN, default_rules());
    let ada = simulation.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada")]);
    simulation.stage.lock().now += 4_000_000;
    run(&simulation);
    let pair = simulation.pair_of(LEFT, &ada).expect("Ada has a pair");
    let copy = pair.right.expect("and a counterpart");
    simulation.stage.lock().now += 4_000_000;
    run(&simulation);
    (simulation, ada, copy)
}

fn run(simulation: &Simulation) -> RunReport {
    simulation.stage.lock().now += 1_000;
    simulation.run().expect("nothing goes wrong in this run")
}

fn edit(simulation: &Simulation, side: Side, id: &RecordId, value: &str) {
    let mut state = simulation.stage.lock();
    state.now += 5_000;
    state.person_edits(side, id, "name", value);
}

fn name(simulation: &Simulation, side: Side, id: &RecordId) -> Option<Value> {
    simulation.stage.lock().value(side, id, "name")
}

#[test]
fn e6_6_a_hint_brings_an_edit_before_the_feed_would() {
    let (simulation, ada, copy) = with_ada(LATE);
    edit(&simulation, LEFT, &ada, "Ada L.");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "the feed does not tell it yet");
    let hinted = simulation.hint(LEFT, std::slice::from_ref(&ada), None);
    assert_eq!(hinted, Hinted { taken: 1, ..Hinted::default() });
    assert_eq!(run(&simulation).record.tally.right.updated, 1);
    assert_eq!(name(&simulation, RIGHT, &copy), Some(text("Ada L.")));
    assert_eq!(run(&simulation).record.tally.writes(), 0, "the hint was used up");
    rest(&simulation);
}

#[test]
fn e6_6_the_payload_of_a_hint_is_no_value() {
    let (simulation, ada, _) = with_ada(Manner::PLAIN);
    // A hint names records; a look tells what they say, which here is what is known.
    simulation.hint(LEFT, std::slice::from_ref(&ada), Some("name is now Eve"));
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert_eq!(name(&simulation, LEFT, &ada), Some(text("Ada")));
}

#[test]
fn e6_6_doubled_late_and_unordered_hints_change_nothing() {
    let (simulation, ada, copy) = with_ada(LATE);
    let eda = simulation.stage.lock().person_creates(LEFT, &[("email", "eda@x"), ("name", "Eda")]);
    edit(&simulation, LEFT, &ada, "Ada 2");
    edit(&simulation, LEFT, &ada, "Ada 3");
    let both = [eda.clone(), ada.clone()];
    assert_eq!(simulation.hint(LEFT, &both[1..], Some("2")).taken, 1);
    assert_eq!(simulation.hint(LEFT, &both, Some("1")), Hinted { taken: 1, doubled: 1, dropped: 0 });
    assert_eq!(simulation.hint(LEFT, &both, Some("1")), Hinted { taken: 0, doubled: 2, dropped: 0 });
    let tally = run(&simulation).record.tally;
    assert_eq!((tally.right.updated, tally.right.created), (1, 1));
    assert_eq!(name(&simulation, RIGHT, &copy), Some(text("Ada 3")));
    let looks = simulation.stage.lock().calls;
    assert_eq!(simulation.hint(LEFT, &both, Some("1")).doubled, 2, "the event is remembered when it was used, too");
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    let quiet = simulation.stage.lock().calls - looks;
    let looks = simulation.stage.lock().calls;
    assert_eq!(simulation.hint(LEFT, &both, Some("3")).taken, 2, "another event about the same records is another");
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert!(simulation.stage.lock().calls - looks > quiet, "it costs a look");
    rest(&simulation);
}

#[test]
fn e6_6_a_hint_for_a_record_that_is_gone_or_unknown_is_harmless() {
    let (mut simulation, ada, copy) = with_ada(Manner { feed_deletes: false, ..LATE });
    simulation.setup.rules = Rules { deletes_to_right: DeletePolicy::Delete, ..default_rules() };
    simulation.hint(LEFT, &[RecordId::new("nobody"), RecordId::new("L99")], Some("x"));
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    simulation.hint(LEFT, std::slice::from_ref(&ada), None);
    run(&simulation);
    assert_eq!(name(&simulation, RIGHT, &copy), None, "E4.1: gone on a look by id is confirmed");
    assert_eq!(simulation.pairs().len(), 1, "and nobody was made of what is unknown");
    simulation.hint(LEFT, &[ada, copy], None);
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    rest(&simulation);
}

#[test]
fn e6_6_hints_wait_through_a_failed_run_and_are_bounded() {
    let (simulation, ada, copy) = with_ada(LATE);
    edit(&simulation, LEFT, &ada, "Ada L.");
    simulation.hint(LEFT, std::slice::from_ref(&ada), None);
    simulation.context.stop.ask();
    assert!(simulation.run().expect("it ends early").record.tally.writes() == 0);
    let simulation = Simulation {
        context: syncline_runner::Context { stop: syncline_runner::Stop::default(), ..simulation.context },
        ..simulation
    };
    assert_eq!(run(&simulation).record.tally.right.updated, 1, "the hint was kept");
    assert_eq!(name(&simulation, RIGHT, &copy), Some(text("Ada L.")));

    let many: Vec<RecordId> = (0..10_050).map(|number| RecordId::new(format!("x{number}"))).collect();
    assert_eq!(simulation.hint(LEFT, &many, None), Hinted { taken: 10_000, doubled: 0, dropped: 50 });
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert_eq!(simulation.hint(LEFT, &many[..9], None).taken, 9, "there is room again");
}

#[test]
fn e6_6_only_the_latest_events_are_remembered() {
    let (simulation, ada, _) = with_ada(Manner::PLAIN);
    for number in 0..5_000 {
        simulation.hint(LEFT, std::slice::from_ref(&ada), Some(&number.to_string()));
    }
    let rows = simulation.rows_of(LEFT, StoreTable::Hint).len();
    assert_eq!(rows, 1 + 2 * 4_096, "one record, and each event with its place");
    assert_eq!(simulation.hint(LEFT, std::slice::from_ref(&ada), Some("4999")).doubled, 1);
    run(&simulation);
    assert_eq!(simulation.hint(LEFT, std::slice::from_ref(&ada), Some("4999")).taken, 0);
    assert_eq!(simulation.hint(LEFT, std::slice::from_ref(&ada), Some("1")).taken, 1, "a look more, and no harm");
}
