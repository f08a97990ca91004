//! An undo, or a person's decision, that stops at any of its commits, and is asked for again: nothing is doubled,
//! nothing is lost, and it ends as if nobody had stopped it (E3.4, E8.4, E9.6).

use syncline_core::{Decided, DeletePolicy, RecordId, Rules, RunId, Side};
use syncline_runner::{Failure, Undo, resolve};
use syncline_simulation::steps::{edit, partner, value, values, wait};
use syncline_simulation::{Manner, Simulation, check, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

/// Commits after which nothing that is done here is still under way.
const COMMITS_MAX: u64 = 200;

fn simulation(batch_max: u32) -> Simulation {
    let manner = Manner { batch_max, ..Manner::PLAIN };
    let rules =
        Rules { deletes_to_left: DeletePolicy::Delete, deletes_to_right: DeletePolicy::Delete, ..default_rules() };
    Simulation::new(1, manner.clone(), manner, rules)
}

fn run(simulation: &Simulation) -> RunId {
    simulation.stage.lock().now += 600_000;
    simulation.run().expect("nothing goes wrong in this run").record.id
}

fn create(simulation: &Simulation, name: &str) -> RecordId {
    let email = format!("{name}@x");
    simulation.stage.lock().person_creates(LEFT, &[("email", &email), ("name", name)])
}

/// What both applications hold, and where the pairs stand, without the ids that applications give.
fn end_of(simulation: &Simulation) -> Vec<String> {
    assert!(simulation.settle().is_some(), "it does not come to rest");
    // What was taken back does not agree: that is no breach, and there is as much of it in every end.
    let breaches = check(simulation).into_iter();
    let mut end: Vec<String> = breaches.map(|breach| breach.split(':').next().unwrap_or_default().to_owned()).collect();
    for side in Side::BOTH {
        let state = simulation.stage.lock();
        let cells = state.app(side).entries.values().filter_map(|entry| entry.cells());
        end.extend(cells.map(|cells| {
            let told = cells.iter().filter(|(field, _)| !field.as_str().ends_with("serial"));
            format!("{side} {:?}", told.collect::<Vec<_>>())
        }));
    }
    end.extend(
        simulation
            .pairs()
            .into_iter()
            .map(|(_, pair)| format!("pair {:?} {} {}", pair.standing(), pair.left.is_some(), pair.right.is_some())),
    );
    end.extend(simulation.conflicts().into_iter().map(|kept| format!("conflict {:?}", kept.conflict.decided)));
    end.sort();
    end
}

/// What comes between the crash and the next attempt.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    ARun,
}

/// Stops `act` at every commit in turn, before it and after it, and asks again; returns how often it was stopped.
fn stop_everywhere(
    stage: impl Fn() -> (Simulation, u64),
    act: impl Fn(&Simulation, u64) -> Result<(), Box<Failure>>,
    ask_again: impl Fn(&Simulation, u64) -> Result<(), Box<Failure>>,
) -> u64 {
    let (simulation, about) = stage();
    act(&simulation, about).expect("nothing goes wrong");
    let expected = end_of(&simulation);
    let mut stops = 0;
    for commit in 0..COMMITS_MAX {
        let mut stopped = false;
        for (between, applied) in
            [Between::Nothing, Between::ARun].into_iter().flat_map(|between| [(between, false), (between, true)])
        {
            let what = format!("stopped at commit {commit}, applied: {applied}, then {between:?}");
            let (simulation, about) = stage();
            simulation.store.stop_at(commit, applied);
            let first = act(&simulation, about);
            if !simulation.store.start_again() {
                continue;
            }
            assert!(first.is_err(), "{what}: it says that it is done");
            stopped = true;
            stops += 1;
            if matches!(between, Between::ARun) {
                run(&simulation);
            }
            simulation.stage.lock().now += 600_000;
            if let Err(failure) = ask_again(&simulation, about) {
                panic!("{what}: {failure}: {:?}", std::error::Error::source(&failure));
            }
            let found = end_of(&simulation);
            assert_eq!(found, expected, "{what}");
        }
        if !stopped {
            return stops;
        }
    }
    panic!("{COMMITS_MAX} commits were not enough");
}

/// A run that has created, updated and deleted on both sides, and its number.
fn about_everything(batch_max: u32) -> (Simulation, u64) {
    let simulation = simulation(batch_max);
    let ids: Vec<RecordId> = ["ada", "bea", "cyd", "dan", "eve"].map(|name| create(&simulation, name)).to_vec();
    run(&simulation);
    let rights: Vec<RecordId> = ids.iter().map(|id| partner(&simulation, id)).collect();
    edit(&simulation, LEFT, &ids[0], "name", "Ada");
    edit(&simulation, RIGHT, &rights[0], "phone", "1");
    edit(&simulation, RIGHT, &rights[1], "city", "Paris");
    simulation.stage.lock().person_deletes(LEFT, &ids[2]);
    simulation.stage.lock().person_deletes(RIGHT, &rights[3]);
    create(&simulation, "fay");
    simulation.stage.lock().person_creates(RIGHT, &[("email", "gil@x"), ("name", "gil")]);
    edit(&simulation, LEFT, &ids[4], "name", "Eve");
    edit(&simulation, RIGHT, &rights[4], "name", "Eva");
    let id = run(&simulation).0;
    (simulation, id)
}

fn take_back(simulation: &Simulation, run: u64) -> Result<(), Box<Failure>> {
    simulation.stage.lock().now += 5_000;
    simulation.undo(&Undo::run(RunId(run))).map(drop)
}

#[test]
fn e9_6_an_undo_that_is_stopped_at_any_commit_ends_as_if_it_had_not_been() {
    for batch_max in [1, 100] {
        let stops = stop_everywhere(|| about_everything(batch_max), take_back, take_back);
        assert!(stops >= 16, "{stops} stops");
    }
}

/// What is taken back was carried to the right, and since then somebody has edited it on the left.
#[test]
fn e9_6_an_edit_that_waits_to_be_carried_goes_over_after_an_undo_that_is_stopped() {
    let edited = || {
        let simulation = simulation(1);
        let ids = ["ada", "bea"].map(|name| create(&simulation, name));
        run(&simulation);
        ids.iter().for_each(|id| edit(&simulation, LEFT, id, "name", "carried"));
        let carried = run(&simulation).0;
        edit(&simulation, LEFT, &ids[0], "name", "entered since");
        edit(&simulation, LEFT, &ids[1], "phone", "1");
        // Both are known by now.
        simulation.plan();
        (simulation, carried)
    };
    let (simulation, carried) = edited();
    take_back(&simulation, carried).expect("nothing goes wrong in this undo");
    assert!(end_of(&simulation).iter().any(|line| line.starts_with("right") && line.contains("entered since")));
    assert!(stop_everywhere(edited, take_back, take_back) >= 8);
}

/// An undo of two fields that stops at any commit, and a person who edits one of them before anybody looks what became
/// of it.
#[test]
fn e9_6_an_edit_of_one_field_makes_no_edit_of_what_was_taken_back_beside_it() {
    let mut undone = 0;
    for commit in 0..24 {
        for applied in [false, true] {
            let simulation = simulation(1);
            let left = create(&simulation, "ada");
            run(&simulation);
            let right = partner(&simulation, &left);
            edit(&simulation, LEFT, &left, "name", "two");
            edit(&simulation, LEFT, &left, "phone", "2");
            let carried = run(&simulation).0;
            simulation.store.stop_at(commit, applied);
            let ended = take_back(&simulation, carried);
            if !simulation.store.start_again() {
                ended.expect("nothing stopped it");
            }
            edit(&simulation, RIGHT, &right, "phone", "9");
            run(&simulation);
            run(&simulation);
            let what = format!("stopped at {commit}, applied: {applied}");
            assert_eq!(value(&simulation, LEFT, &left, "name"), Some(text("two")), "{what}: nobody edited it");
            assert_eq!(values(&simulation, &left, &right, "phone"), [Some(text("9")), Some(text("9"))], "{what}");
            undone += u32::from(value(&simulation, RIGHT, &right, "name") == Some(text("ada")));
        }
    }
    assert!((8..48).contains(&undone), "{undone} were taken back");
}

#[test]
fn e9_6_an_undo_of_an_undo_that_is_stopped_at_any_commit_ends_as_if_it_had_not_been() {
    let undone = || {
        let (simulation, run) = about_everything(2);
        take_back(&simulation, run).expect("nothing goes wrong in this undo");
        let newest = simulation.runs().first().expect("there are runs").run;
        (simulation, newest.0)
    };
    assert!(stop_everywhere(undone, take_back, take_back) >= 16);
}

/// A conflict that the newer value won on the right, and its number.
fn decided() -> (Simulation, u64) {
    let simulation = simulation(1);
    let (ada, eda) = (create(&simulation, "ada"), create(&simulation, "eda"));
    run(&simulation);
    edit(&simulation, LEFT, &ada, "name", "Ada");
    edit(&simulation, RIGHT, &partner(&simulation, &ada), "name", "Adah");
    edit(&simulation, LEFT, &eda, "name", "Eda");
    run(&simulation);
    let number = simulation.conflicts().first().expect("there is a conflict").number;
    (simulation, number)
}

/// The same, where a person is to decide.
fn open() -> (Simulation, u64) {
    let mut simulation = simulation(1);
    simulation.setup.rules.conflict = syncline_core::ConflictPolicy::Manual;
    let ada = create(&simulation, "ada");
    run(&simulation);
    edit(&simulation, LEFT, &ada, "name", "Ada");
    edit(&simulation, RIGHT, &partner(&simulation, &ada), "name", "Adah");
    run(&simulation);
    let number = simulation.conflicts().first().expect("there is a conflict").number;
    (simulation, number)
}

fn take_left(simulation: &Simulation, number: u64) -> Result<(), Box<Failure>> {
    simulation.stage.lock().now += 5_000;
    wait(resolve(&simulation.context, &simulation.setup, &[number], LEFT)).map(drop).map_err(Box::new)
}

/// Asks again. What was carried out meanwhile is noted as what a person decided, and there is nothing left to write.
fn take_left_again(simulation: &Simulation, number: u64) -> Result<(), Box<Failure>> {
    let again = take_left(simulation, number);
    let kept = simulation.conflicts().into_iter().find(|kept| kept.number == number).expect("it is kept");
    assert_eq!(kept.conflict.decided, Decided::ByPerson(LEFT));
    let is_done = |why: &str| why.starts_with("both sides already hold that value");
    again.or_else(|failure| match failure.as_ref() {
        Failure::Request(why) if is_done(why) => Ok(()),
        _ => Err(failure),
    })
}

#[test]
fn e3_4_a_decision_that_is_stopped_at_any_commit_ends_as_if_it_had_not_been() {
    for stage in [decided, open] {
        let stops = stop_everywhere(stage, take_left, take_left_again);
        assert!(stops >= 8, "{stops} stops");
    }
}
