//! The budget of business tasks (E7, F07, F08), as small histories.

use syncline_core::{Reason, RunId, Side, Standing, TaskBudget};
use syncline_runner::outbox::{NoticeKind, undelivered};
use syncline_runner::{RunOutcome, RunReport, Undo, limit_changes, task_count};
use syncline_simulation::steps::{take_back, wait};
use syncline_simulation::{Manner, Simulation, Trick, check, default_rules};

const MONTH_MS: i64 = 31 * 24 * 60 * 60 * 1000;

fn with_limit(limit: u64) -> Simulation {
    let mut simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, default_rules());
    set(&mut simulation, limit);
    simulation
}

fn set(simulation: &mut Simulation, limit: u64) {
    simulation.context.tasks.budget = TaskBudget { limit, zone: "UTC".to_owned() };
    simulation.context.tasks.set_by = "ada".to_owned();
}

/// Makes records on the left whose counterparts cost one task each: a serial number goes back only with a second write.
fn create(simulation: &Simulation, count: usize) {
    for _ in 0..count {
        let mut state = simulation.stage.lock();
        let number = state.edits.len();
        let email = format!("e{number}@x");
        state.person_creates(Side::Left, &[("email", email.as_str()), ("name", "n")]);
    }
}

fn run(simulation: &Simulation) -> RunReport {
    simulation.stage.lock().now += 600_000;
    let report = simulation.run().expect("nothing goes wrong in this run");
    assert!(report.record.tally.adds_up(), "E8.2: {:?}", report.record.tally);
    report
}

fn used(simulation: &Simulation) -> u64 {
    let now = simulation.stage.lock().now;
    wait(task_count(simulation.store.as_ref(), &simulation.context.tasks.budget, now)).expect("the store is up").used
}

fn notices(simulation: &Simulation) -> Vec<NoticeKind> {
    let notices = wait(undelivered(simulation.store.as_ref())).expect("the store is up");
    notices.into_iter().map(|notice| notice.kind).collect()
}

fn waits_for(report: &RunReport) -> Option<Reason> {
    match report.record.outcome {
        Some(RunOutcome::Waiting { reason, .. }) => Some(reason),
        _ => None,
    }
}

fn right(simulation: &Simulation) -> usize {
    simulation.stage.lock().ids(Side::Right).len()
}

#[test]
fn f07_the_80th_of_100_notifies_the_100th_passes_and_the_101st_is_not_sent() {
    let simulation = with_limit(100);
    create(&simulation, 79);
    run(&simulation);
    assert_eq!((used(&simulation), notices(&simulation)), (79, vec![]));
    create(&simulation, 1);
    run(&simulation);
    assert_eq!((used(&simulation), notices(&simulation)), (80, vec![NoticeKind::QuotaNear]));
    create(&simulation, 20);
    let report = run(&simulation);
    assert_eq!((used(&simulation), right(&simulation), report.record.outcome), (100, 100, Some(RunOutcome::Ok)));
    create(&simulation, 3);
    for _ in 0..2 {
        let report = run(&simulation);
        assert_eq!((waits_for(&report), report.record.tally.held), (Some(Reason::Quota), 3));
        assert_eq!((used(&simulation), right(&simulation)), (100, 100));
    }
    assert_eq!(notices(&simulation), [NoticeKind::QuotaNear, NoticeKind::QuotaReached], "one of each");
}

#[test]
fn e7_what_waits_for_the_quota_goes_on_in_the_next_month() {
    let simulation = with_limit(5);
    create(&simulation, 8);
    let report = run(&simulation);
    assert_eq!((waits_for(&report), right(&simulation), report.record.tally.held), (Some(Reason::Quota), 5, 3));
    let status = wait(syncline_runner::report::status(simulation.store.as_ref(), &simulation.setup.name));
    assert_eq!(status.expect("the store is up").planned, 3, "the plan keeps");
    simulation.stage.lock().now += MONTH_MS;
    let report = run(&simulation);
    assert_eq!((report.record.outcome, right(&simulation), used(&simulation)), (Some(RunOutcome::Ok), 8, 3));
    assert!(simulation.settle().is_some());
    assert_eq!(check(&simulation), Vec::<String>::new());
}

#[test]
fn f08_a_raised_limit_goes_on_without_losing_work_and_is_kept_with_who_and_when() {
    let mut simulation = with_limit(5);
    create(&simulation, 8);
    assert_eq!(waits_for(&run(&simulation)), Some(Reason::Quota));
    set(&mut simulation, 9);
    let report = run(&simulation);
    assert_eq!((report.record.outcome, right(&simulation), used(&simulation)), (Some(RunOutcome::Ok), 8, 8));
    let changes = wait(limit_changes(simulation.store.as_ref())).expect("the store is up");
    let said: Vec<_> = changes.iter().map(|change| (change.by.as_str(), change.before, change.after)).collect();
    assert_eq!(said, [("ada", 5, 9)]);
    assert!(changes[0].at <= simulation.stage.lock().now);
    let near = NoticeKind::QuotaNear;
    assert_eq!(notices(&simulation), [near, NoticeKind::QuotaReached, near], "80 % of the new limit is told again");
}

#[test]
fn e7_retries_and_quiet_runs_cost_nothing_and_an_undo_costs_one_each() {
    let simulation = with_limit(100);
    create(&simulation, 2);
    simulation.stage.lock().tricks = vec![(Side::Right, Trick::Fail), (Side::Right, Trick::LoseRequest)];
    simulation.plan();
    assert_eq!(used(&simulation), 0, "a dry run");
    assert!(simulation.settle().is_some());
    assert_eq!((used_ever(&simulation), right(&simulation)), (2, 2));
    let made = simulation.runs().into_iter().rev().find(|run| run.tally.right.created > 0).expect("a run made them");
    let undone = take_back(&simulation, &Undo::run(RunId(made.run.0))).record.tally.right.deleted;
    assert_eq!(used_ever(&simulation), 2 + undone);
    assert!(undone > 0);
}

/// Tasks of all months, by the journal, which the count of each month is held against.
fn used_ever(simulation: &Simulation) -> u64 {
    let breaches = check(simulation);
    assert!(!breaches.iter().any(|breach| breach.starts_with("E7")), "{breaches:?}");
    simulation.tasks_in_journal() as u64
}

#[test]
fn e7_an_undo_waits_too() {
    let simulation = with_limit(3);
    create(&simulation, 3);
    let made = run(&simulation).record.id;
    let refused = simulation.undo(&Undo::run(made));
    let failure = refused.expect_err("there is no task left");
    assert!(failure.to_string().contains("the month's 3 tasks are used up"), "{failure}");
    assert_eq!(right(&simulation), 3);
    let pairs = simulation.pairs();
    assert!(pairs.iter().all(|(_, pair)| pair.standing() == Standing::InSync), "{pairs:?}");
    assert_eq!(simulation.runs()[0].waits_for, Some(Reason::Quota));
}
