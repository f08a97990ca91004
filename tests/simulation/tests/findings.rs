//! Histories in which something was lost once: each shows one gap that is closed, named by the rule that it broke.

use std::future::Future;

use syncline_core::{CreatePromise, DeletePolicy, PairState, RecordId, Rules, RunId, Side, Value};
use syncline_runner::{RunReport, UndoReport};
use syncline_simulation::{Manner, Simulation, Trick, check, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn plain(rules: Rules) -> Simulation {
    Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules)
}

/// Runs a future that waits for nothing: time is simulated, and everything else is in memory.
fn wait<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing in a simulation waits")
}

fn run(simulation: &Simulation) -> RunReport {
    simulation.stage.lock().now += 600_000;
    simulation.run().expect("nothing goes wrong in this run")
}

fn undo(simulation: &Simulation, run: RunId) -> UndoReport {
    simulation.stage.lock().now += 5_000;
    wait(syncline_runner::undo(&simulation.context, &simulation.setup, run)).expect("nothing goes wrong in this undo")
}

fn create(simulation: &Simulation, side: Side, email: &str, name: &str) -> RecordId {
    simulation.stage.lock().person_creates(side, &[("email", email), ("name", name)])
}

fn edit(simulation: &Simulation, side: Side, id: &RecordId, field: &str, value: &str) {
    let mut state = simulation.stage.lock();
    state.now += 5_000;
    state.person_edits(side, id, field, value);
}

fn value(simulation: &Simulation, side: Side, id: &RecordId, field: &str) -> Option<Value> {
    simulation.stage.lock().value(side, id, field)
}

fn partner(simulation: &Simulation, left: &RecordId) -> RecordId {
    simulation.pair_of(LEFT, left).and_then(|pair| pair.right).expect("it has a counterpart")
}

/// Lets everything settle and holds it against every promise.
fn rest(simulation: &Simulation) {
    assert!(simulation.settle().is_some(), "it does not come to rest");
    assert_eq!(check(simulation), Vec::<String>::new());
}

#[test]
fn e9_6_a_created_record_that_people_filled_in_is_not_undone() {
    for synced in [false, true] {
        let simulation = plain(default_rules());
        let ada = create(&simulation, LEFT, "ada@x", "Ada");
        let eda = create(&simulation, LEFT, "eda@x", "Eda");
        let first = run(&simulation).record.id;
        let (right, other) = (partner(&simulation, &ada), partner(&simulation, &eda));
        edit(&simulation, RIGHT, &right, "phone", "123");
        if synced {
            run(&simulation);
        }
        let undone = undo(&simulation, first);
        let skipped: Vec<_> =
            undone.plan.skipped.iter().map(|skip| (skip.record.clone(), skip.field.clone())).collect();
        assert_eq!(skipped, [(Some(right.clone()), Some("phone".into()))], "synced {synced}");
        assert_eq!(value(&simulation, RIGHT, &right, "phone"), Some(text("123")), "synced {synced}");
        assert_eq!(simulation.stage.lock().ids(RIGHT), [right], "what nobody touched is taken back: {other}");
    }
}

#[test]
fn e1_8_an_unknown_create_is_looked_up_after_the_rules_changed() {
    let manner = Manner { promise: CreatePromise::Lookup, lag_ms: 1_200_000, findable_email: false, ..Manner::PLAIN };
    let mut rules = default_rules();
    // Without keys only the look-up can find the record again.
    rules.matching.tuples.clear();
    let mut simulation = Simulation::new(1, Manner::PLAIN, manner, rules);
    let ada = create(&simulation, LEFT, "ada@x", "Ada");
    simulation.stage.lock().tricks.push((RIGHT, Trick::LoseAnswer));
    simulation.run().expect("an unknown outcome is no failure");
    let state = simulation.pair_of(LEFT, &ada).expect("it has a pair").state;
    assert!(matches!(state, PairState::Creating { .. }), "{state:?}");
    simulation.setup.rules.deletes_to_right = DeletePolicy::Archive;
    simulation.run().expect("an unknown outcome is no failure");
    rest(&simulation);
    assert_eq!(simulation.stage.lock().ids(RIGHT), [partner(&simulation, &ada)]);
}
