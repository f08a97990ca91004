//! The steps that small histories are told in.

use syncline_core::{RecordId, Rules, Side, Value};
use syncline_runner::{NotUndone, RunReport, Undo, UndoReport, left_alone};

use crate::application::Manner;
use crate::checks::check;
use crate::stage::Simulation;

/// A sync between two applications without peculiarities.
pub fn plain(rules: Rules) -> Simulation {
    Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules)
}

/// A person makes a record.
pub fn create(simulation: &Simulation, side: Side, email: &str, name: &str) -> RecordId {
    simulation.stage.lock().person_creates(side, &[("email", email), ("name", name)])
}

/// A person writes one field, some seconds later.
pub fn edit(simulation: &Simulation, side: Side, id: &RecordId, field: &str, value: &str) {
    let mut state = simulation.stage.lock();
    state.now += 5_000;
    state.person_edits(side, id, field, value);
}

/// Runs the sync, ten minutes later.
pub fn run(simulation: &Simulation) -> RunReport {
    simulation.stage.lock().now += 600_000;
    simulation.run().expect("nothing goes wrong in this run")
}

/// Takes back what is asked for, some seconds later.
pub fn take_back(simulation: &Simulation, asked: &Undo) -> UndoReport {
    simulation.stage.lock().now += 5_000;
    simulation.undo(asked).expect("nothing goes wrong in this undo")
}

/// Returns what the last undo left alone.
pub fn left_by_undo(simulation: &Simulation) -> Vec<NotUndone> {
    let page = wait(left_alone(&simulation.context, &simulation.setup, 0)).expect("the store is up");
    page.into_iter().map(|(_, thing)| thing).collect()
}

/// Lets everything settle and holds it against every promise.
pub fn rest(simulation: &Simulation) {
    assert!(simulation.settle().is_some(), "it does not come to rest");
    assert_eq!(check(simulation), Vec::<String>::new());
}

/// Returns the right record of a left one.
pub fn partner(simulation: &Simulation, left: &RecordId) -> RecordId {
    simulation.pair_of(Side::Left, left).and_then(|pair| pair.right).expect("it has a counterpart")
}

/// Returns what a record holds in a field.
pub fn value(simulation: &Simulation, side: Side, id: &RecordId, field: &str) -> Option<Value> {
    simulation.stage.lock().value(side, id, field)
}

/// Returns what the two records of a pair hold in a field.
pub fn values(simulation: &Simulation, left: &RecordId, right: &RecordId, field: &str) -> [Option<Value>; 2] {
    [(Side::Left, left), (Side::Right, right)].map(|(side, id)| value(simulation, side, id, field))
}

/// Runs a future that waits for nothing: time is simulated, and everything else is in memory.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing in a simulation waits")
}
