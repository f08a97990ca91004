//! A history: people at work, faults and power failures, several runs, then quiet.

use syncline_core::{PlanItem, Side, TaskBudget};
use syncline_runner::StoreTable;

use crate::again::nothing_is_done_again;
use crate::automation::Automation;
use crate::checks::{before_other_rules, check};
use crate::crash::CrashStore;
use crate::following::drift_is_left_alone;
use crate::one_way::{self, in_force};
use crate::operator;
use crate::script::{Script, Visit};
use crate::stage::Simulation;
use crate::tasks::tasks_are_those_of_the_journal;

/// Calls to both sides of a run that finds nothing: a page or, where feeds overlap and pages are small, some.
const QUIET_CALLS_MAX: u64 = 12;

/// What became of a history.
#[derive(Debug, Default)]
pub struct History {
    /// What must hold and does not.
    pub breaches: Vec<String>,
    /// Edits that an unguarded write covered.
    pub gaps: usize,
    /// Edits that people made.
    pub edits: usize,
    /// Runs of the sync.
    pub runs: u64,
    /// Calls that went wrong.
    pub faults: u64,
    /// Power failures.
    pub crashes: u64,
    /// Things that people did and that went wrong; the script can leave each out by its number.
    pub happenings: u64,
    /// What happened.
    pub story: Vec<String>,
}

/// Plays the history of `seed`.
pub fn history(seed: u64) -> History {
    play(&Script::draw(seed))
}

/// Plays a script.
pub fn play(script: &Script) -> History {
    play_on(script, CrashStore::default())
}

/// Plays a script on this store, which is new.
pub fn play_on(script: &Script, store: CrashStore) -> History {
    let manners = [script.left.clone(), script.right.clone()];
    let mut written = script.rules.clone();
    let mut simulation = Simulation::on(store, script.chance, manners, in_force(&written));
    set_up(&mut simulation, script);
    simulation.context.tasks.budget.limit = script.tasks.unwrap_or(TaskBudget::LIMIT);
    let mut crashes = 0;
    for visit in &script.visits {
        if let Some(change) = &visit.change {
            simulation.stage.lock().tell(format!("somebody changes the rules: {change:?}"));
            before_other_rules(&simulation);
            simulation.stage.lock().rules_changed = true;
            change.apply(&mut written);
            simulation.setup.rules = in_force(&written);
            simulation.read_for_rules();
        }
        crashes += u64::from(visited(&simulation, visit));
    }
    // What did not come to pass in its run comes now.
    let wants_crash = script.visits.iter().any(|visit| visit.crash.is_some());
    for _ in 0..3 {
        let crash = (wants_crash && crashes == 0).then_some((0, true));
        if crash.is_none() && simulation.stage.lock().failing.is_none() {
            break;
        }
        let late = Visit { crash, ..Visit::quiet(60_000) };
        crashes += u64::from(visited(&simulation, &late));
    }
    {
        let mut state = simulation.stage.lock();
        state.fault_percent = 0;
        state.people_percent = 0;
        state.automations.clear();
        state.failing = None;
        state.agreed.asks = false;
        state.tell("people and faults rest".to_owned());
    }
    simulation.context.tasks.budget.limit = TaskBudget::LIMIT;
    simulation.setup.guards = operator::lenient();
    // What was written last is to be seen by everybody: plans are compared on the same rows.
    simulation.stage.lock().now += 600_000;
    let twice = planned_twice(&simulation);
    let settled = simulation.settle();
    let mut breaches = check(&simulation);
    breaches.extend(nothing_is_done_again(&simulation));
    breaches.extend(drift_is_left_alone(&simulation));
    breaches.extend(twice);
    breaches.extend(quiet_run(&simulation));
    if settled.is_none() {
        breaches.push("E6.7: it does not come to rest".to_owned());
    }
    let mut state = simulation.stage.lock();
    History {
        breaches,
        gaps: state.edits.iter().filter(|edit| edit.in_gap).count(),
        edits: state.edits.len(),
        runs: state.runs,
        faults: state.faults,
        crashes,
        happenings: state.happenings,
        story: std::mem::take(&mut state.story),
    }
}

fn set_up(simulation: &mut Simulation, script: &Script) {
    if script.strict {
        simulation.setup.guards = operator::strict();
    }
    let mut state = simulation.stage.lock();
    state.skipped = script.skipped.clone();
    state.tell(format!("left {:?}", script.left));
    state.tell(format!("right {:?}", script.right));
    let rules = &script.rules;
    state.tell(format!("{:?} {:?} {:?}", rules.conflict, rules.deletes_to_left, rules.edit_delete));
    state.story.extend(one_way::told(rules));
    for word in 0..script.records as u64 {
        let side = state.chance.pick(&Side::BOTH);
        state.somebody_new(side, 1000 + word);
    }
    state.now += 120_000;
    state.fault_percent = script.fault_percent;
    state.people_percent = script.people_percent;
    state.deletes = script.deletes;
    state.agreed.asks = script.strict;
    if let Some((field, fresh)) = script.fight {
        state.automations = Side::BOTH.map(|side| Automation { side, field: field.into(), fresh }).to_vec();
    }
}

/// Plays what comes before a run, and the run. Returns whether the power failed.
fn visited(simulation: &Simulation, visit: &Visit) -> bool {
    {
        let mut state = simulation.stage.lock();
        for _ in 0..visit.acts {
            state.now += i64::try_from(state.chance.below(30_000)).unwrap_or(0);
            if state.happens(100) {
                state.person_acts();
            }
        }
        state.now += visit.pause_ms;
        state.failing = visit.fault.or(state.failing);
    }
    simulation.hint_at_random();
    if let Some((commits, applied)) = visit.crash {
        simulation.store.stop_at(commits, applied);
    }
    if let Some(order) = &visit.order {
        simulation.order(order);
    }
    let _ = match visit.reply {
        Some(reply) => simulation.run_with_reply(reply),
        None => simulation.run(),
    };
    let stopped = restart(simulation);
    let miscounted = tasks_are_those_of_the_journal(simulation);
    simulation.stage.lock().breaches.extend(miscounted);
    stopped
}

/// The same rows and rules give the same plan, to the byte (DESIGN 5.1).
fn planned_twice(simulation: &Simulation) -> Option<String> {
    // A listing that was begun before a power failure is read to its end by the first, the feed by the next, and what
    // the listing could not tell by another.
    simulation.plan();
    simulation.plan();
    let plans = [(); 2].map(|()| {
        simulation.plan();
        let rows = simulation.rows(StoreTable::Plan).into_iter();
        let item = |row: Vec<u8>| postcard::from_bytes(&row).expect("an item reads back");
        let mut items: Vec<PlanItem> = rows.map(|(_, row)| item(row)).collect();
        // A plan is carried out in the order in which things fell due; what it says does not depend on that.
        items.sort_by_key(|item| item.pair);
        items
    });
    let odd = |plan: &[PlanItem], other: &[PlanItem]| -> Vec<PlanItem> {
        plan.iter().filter(|item| !other.contains(item)).cloned().collect()
    };
    let [first, second] = &plans;
    let (first, second) = (odd(first, second), odd(second, first));
    (plans[0] != plans[1]).then(|| format!("DESIGN 5.1: two plans in a row differ: {first:?} and {second:?}"))
}

/// A run after a clean run plans nothing and costs a handful of calls (DESIGN 5.8).
fn quiet_run(simulation: &Simulation) -> Option<String> {
    let calls = simulation.stage.lock().calls;
    let report = simulation.run();
    // Without a feed everything is listed.
    let feeds = Side::BOTH.into_iter().all(|side| simulation.stage.lock().app(side).manner.feed);
    // A list is read whole.
    let feeds = feeds && simulation.setup.rules.scope.list.is_none();
    let calls = if feeds { simulation.stage.lock().calls - calls } else { 0 };
    let writes = report.as_ref().map_or(0, |report| report.record.tally.writes());
    (writes > 0 || calls > QUIET_CALLS_MAX || report.is_err())
        .then(|| format!("DESIGN 5.8: a quiet run costs {calls} calls and {writes} writes, {report:?}"))
}

fn restart(simulation: &Simulation) -> bool {
    let stopped = simulation.store.start_again();
    if stopped {
        let mut state = simulation.stage.lock();
        state.in_doubt = true;
        state.tell("the power failed and came back".to_owned());
    }
    stopped
}
