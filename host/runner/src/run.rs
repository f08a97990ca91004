//! A run from top to bottom: take up what an interrupted run left, pull both sides, match, plan, push.

use std::collections::BTreeSet;

use syncline_core::{PlanItem, Reason, Side, Standing};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::impact::{self, Impact};
use crate::patience::pause;
use crate::planning::{self, Planned};
use crate::running::{BudgetWait, RunKind, RunOutcome, RunRecord, Running};
use crate::setup::{Context, Event, SyncSetup};
use crate::{
    Answer, Batch, BoxFuture, Failure, Guarded, StoreTable, afresh, creates, guards, index, lists, notice, pairing,
    pull, push, recover, retention, waiting,
};

/// Times that a run plans and pushes: what was refused for a change meanwhile is planned anew.
const ROUNDS_MAX: u32 = 8;

/// How long a run waits for something that is tried again by itself, in milliseconds.
pub(crate) const WAIT_MS_MAX: i64 = 60_000;

/// Asks whether a plan is to be carried out.
pub trait Approve: Send + Sync {
    /// Answers yes or no; the plan can be read with [`planned_items`], and `impact` says what a changed scope does.
    fn approve<'a>(&'a self, planned: Planned, impact: Option<&'a Impact>) -> BoxFuture<'a, Result<bool, Failure>>;

    /// Returns the digest of the plan that was shown and agreed to already: nothing of another one is carried out.
    fn shown(&self) -> Option<&str> {
        None
    }
}

/// Carries out every plan.
pub struct ApproveAll;

impl Approve for ApproveAll {
    fn approve<'a>(&'a self, _planned: Planned, _impact: Option<&'a Impact>) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async { Ok(true) })
    }
}

/// What a run is asked to do.
pub struct RunRequest<'a> {
    /// Asked before the first write.
    pub approve: &'a dyn Approve,
    /// Only these items of the plan, by digest; everything else is left for later. `None`: all.
    pub only: Option<BTreeSet<[u8; 16]>>,
    /// What a person says about the plan.
    pub answer: Option<Answer>,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// Its record, as history keeps it.
    pub record: RunRecord,
    /// Items of the request's plan that were not planned any more, or differently.
    pub drifted: u64,
    /// Items that the request's plan did not hold, left for later.
    pub left_alone: u64,
    /// The plan was shown, and the answer was no.
    pub declined: bool,
    /// What the guards said about the plan.
    pub guarded: Guarded,
    /// Records that could not be read, at most a hundred a side.
    pub skipped: Vec<(Side, crate::Skipped)>,
    /// What a changed filter or list does, if it has not taken effect before (E5.7).
    pub impact: Option<Impact>,
}

impl RunReport {
    fn of(record: RunRecord) -> Self {
        Self {
            record,
            drifted: 0,
            left_alone: 0,
            declined: false,
            guarded: Guarded::default(),
            skipped: Vec::new(),
            impact: None,
        }
    }
}

/// Runs a sync once.
pub async fn run(context: &Context, setup: &SyncSetup, request: &RunRequest<'_>) -> Result<RunReport, Failure> {
    let mut running = Running::open(context, setup, RunKind::Sync).await?;
    recover::recover(&mut running).await?;
    running.begin().await?;
    let mut report = RunReport::of(running.run.clone());
    let ended = steps(&mut running, request, &mut report).await;
    if let Err(failure) = &ended {
        running.set_down(set_down_as(failure)).await?;
    }
    let outcome = judge(&running, &report, &ended).await?;
    if ended.is_ok() && request.only.is_none() && may_be_held_against(&outcome, &report) {
        guards::accept(&mut running);
    }
    // Whatever ends a run early may end it between a write and its outcome.
    let clean = ended.is_ok();
    running.end(outcome, clean).await?;
    report.record = running.run.clone();
    match ended {
        Ok(()) | Err(Failure::Stopped | Failure::Wait { .. } | Failure::Quota { .. }) => Ok(report),
        Err(failure) => Err(failure),
    }
}

/// Pulls and plans, and leaves it at that: a dry run. The plan can be read with [`planned_items`].
pub async fn plan(context: &Context, setup: &SyncSetup) -> Result<(Planned, RunReport), Failure> {
    let mut running = Running::open(context, setup, RunKind::Sync).await?;
    recover::recover(&mut running).await?;
    let mut report = RunReport::of(running.run.clone());
    pull_both(&mut running, &mut report).await?;
    report.impact = impact::preview(&running).await?;
    guards::bring_back(&running).await?;
    let planned = plan_round(&mut running).await?;
    report.guarded = guards::weigh(&mut running).await?;
    report.record = running.run.clone();
    Ok((planned, report))
}

/// Pulls and leaves it at that: what a later plan starts from.
pub async fn read(context: &Context, setup: &SyncSetup) -> Result<RunReport, Failure> {
    let mut running = Running::open(context, setup, RunKind::Sync).await?;
    let mut report = RunReport::of(running.run.clone());
    pull_both(&mut running, &mut report).await?;
    report.record = running.run.clone();
    Ok(report)
}

async fn steps(running: &mut Running<'_>, request: &RunRequest<'_>, report: &mut RunReport) -> Result<(), Failure> {
    pull_both(running, report).await?;
    report.impact = impact::preview(running).await?;
    guards::bring_back(running).await?;
    for round in 0..ROUNDS_MAX {
        let mut planned = plan_round(running).await?;
        running.synced.store.check_room()?;
        if let Some(only) = &request.only {
            report.left_alone = set_aside(running, only).await?;
            let carried_out = planned.items - report.left_alone;
            report.drifted = (only.len() as u64).saturating_sub(carried_out);
        }
        let is_first = round == 0;
        let mut guarded = guards::guard(running, request, is_first).await?;
        guarded.is_later = !is_first;
        planned.keep(guarded.items);
        if is_first || guarded.stops() || guarded.waiting.is_some() {
            running.state.waiting = guarded.waiting.clone().filter(|_| !guarded.stops());
            report.guarded = guarded;
        }
        if report.guarded.stops() {
            running.set_down(Standing::Held(Reason::AwaitingApproval)).await?;
            return running.unplan().await;
        }
        if is_first && planned.items > 0 && !request.approve.approve(planned, report.impact.as_ref()).await? {
            report.declined = true;
            running.set_down(Standing::Held(Reason::AwaitingApproval)).await?;
            return running.unplan().await;
        }
        // Every pair has been planned under it once.
        running.take_scope();
        push::push(running, planned.changes).await?;
        if request.only.is_some() || !wait_for_more(running).await? {
            break;
        }
    }
    retention::prune(running).await
}

/// Reads both sides at once.
async fn pull_both(running: &mut Running<'_>, report: &mut RunReport) -> Result<(), Failure> {
    let (left, right) = tokio::try_join!(read_side(&mut running.left), read_side(&mut running.right))?;
    running.run.tally.left.read = left.records;
    running.run.tally.right.read = right.records;
    for (side, pulled) in [(Side::Left, left), (Side::Right, right)] {
        running.run.anomalies.extend(pulled.anomalies);
        report.skipped.extend(pulled.skipped.into_iter().map(|skipped| (side, skipped)));
    }
    Ok(())
}

/// Reads what is new on one side, then who is in its lists.
async fn read_side(endpoint: &mut EndpointAccess<'_>) -> Result<pull::Pulled, Failure> {
    let pulled = pull::pull(endpoint).await?;
    lists::read(endpoint).await?;
    Ok(pulled)
}

/// Matches what is new and plans what is due.
async fn plan_round(running: &mut Running<'_>) -> Result<Planned, Failure> {
    running.unplan().await?;
    if let Some(tuple) = running.setup.rules.matching.tuples.first()
        && !running.state.matched
    {
        let Running { synced, left, right, state, .. } = running;
        pairing::match_all(synced, tuple, left, right, state).await?;
    }
    running.state.matched = true;
    creates::look_up_due(running).await?;
    index::bring_merged(running).await?;
    for side in Side::BOTH {
        let Running { synced, left, right, state, .. } = running;
        notice::notice(synced, side, side.pick(left, right), state).await?;
    }
    let rules = running.setup.rules.digest();
    let mut batch = Batch::default();
    if running.state.rules != rules {
        running.synced.queue_all(&mut running.state).await?;
        let run = running.counts_from();
        running.state.mappings.renew(&running.setup.rules, run);
        running.state.rules = rules;
        waiting::forget_all(&running.synced, &mut batch);
    }
    codec::put(&mut batch, running.synced.state_key(), &running.state);
    running.synced.store.commit(batch).await?;
    waiting::look_again(running).await?;
    index::look_up(running).await?;
    planning::plan(running).await
}

/// Puts the items that a saved plan does not hold back on the list, and counts them.
async fn set_aside(running: &mut Running<'_>, only: &BTreeSet<[u8; 16]>) -> Result<u64, Failure> {
    let mut left_alone = 0;
    let mut after = 0;
    loop {
        let page = planned_page(running.synced.store, running.synced.space, after).await?;
        let Some((last, _)) = page.last() else { return Ok(left_alone) };
        after = *last;
        let mut batch = Batch::default();
        for (number, item) in page.iter().filter(|(_, item)| !only.contains(&item.digest())) {
            left_alone += 1;
            batch.delete(codec::plan(running.synced.space, *number));
            running.synced.queue(&mut batch, 0, item.pair);
            running.leave(item.pair, Standing::Held(Reason::AwaitingApproval));
        }
        running.synced.store.commit(batch).await?;
    }
}

/// Waits for pairs that are tried again soon, and reads them as they are then. Returns false if there are none.
async fn wait_for_more(running: &mut Running<'_>) -> Result<bool, Failure> {
    let Some(due) = running.synced.next_due().await? else { return Ok(false) };
    let wait_ms = due - running.context.world.now();
    if wait_ms > WAIT_MS_MAX {
        return Ok(false);
    }
    if wait_ms > 0 {
        let for_ms = wait_ms.unsigned_abs();
        running.context.say(Event::Waiting { for_ms, reason: "something is tried again".to_owned() });
        if pause(running.context, for_ms).await.is_err() {
            return Ok(false);
        }
        afresh::read(running).await?;
    }
    Ok(!running.context.stop.is_asked())
}

/// Says how a run ended (E8.2).
async fn judge(running: &Running<'_>, report: &RunReport, ended: &Result<(), Failure>) -> Result<RunOutcome, Failure> {
    let tally = running.run.tally;
    let left = tally.failed + tally.uncertain;
    // A budget that has been waited for within the run holds up nothing any more.
    let budget = running.budget.clone().filter(|budget| budget.until > running.context.world.now());
    Ok(match ended {
        Err(Failure::Wait { after_ms, reason, .. }) => {
            let after = i64::try_from(*after_ms).unwrap_or(i64::MAX);
            let until = running.context.world.now().saturating_add(after);
            RunOutcome::Waiting { until, reason: Reason::ProviderBudget, why: reason.clone() }
        }
        Err(failure @ Failure::Quota { until, .. }) => {
            RunOutcome::Waiting { until: *until, reason: Reason::Quota, why: failure.to_string() }
        }
        Err(Failure::Stopped) => RunOutcome::Partial { why: "stopped on request".to_owned() },
        Err(failure) => RunOutcome::Failed { why: explain(failure) },
        Ok(()) if report.guarded.stops() => report.guarded.outcome(&running.setup.name),
        Ok(()) if report.declined => RunOutcome::Partial { why: "declined".to_owned() },
        Ok(()) if !running.run.anomalies.is_empty() => RunOutcome::Partial { why: running.run.anomalies.join("; ") },
        Ok(()) if let Some(BudgetWait { until, reason, why, .. }) = budget => {
            RunOutcome::Waiting { until, reason, why }
        }
        Ok(()) if left == 1 => RunOutcome::Partial { why: "1 record is tried again".to_owned() },
        Ok(()) if left > 0 => RunOutcome::Partial { why: format!("{left} records are tried again") },
        Ok(()) if report.drifted > 0 => {
            RunOutcome::Partial { why: format!("{} items of the plan have drifted", report.drifted) }
        }
        Ok(()) if report.left_alone > 0 => {
            RunOutcome::Partial { why: format!("{} items are not in the plan", report.left_alone) }
        }
        Ok(()) if tally.rejected > 0 => RunOutcome::OkWithRejects { rejects: tally.rejected },
        Ok(()) => RunOutcome::Ok,
    })
}

/// True if what there is now is what later runs are held against (E4.6): this one did what it had to.
fn may_be_held_against(outcome: &RunOutcome, report: &RunReport) -> bool {
    match outcome {
        RunOutcome::Ok | RunOutcome::OkWithRejects { .. } | RunOutcome::Partial { .. } => !report.declined,
        RunOutcome::Blocked { .. } | RunOutcome::Waiting { .. } | RunOutcome::Failed { .. } => false,
    }
}

/// Says where the pairs stand that a run did not come to: waiting is no failure (E7).
fn set_down_as(failure: &Failure) -> Standing {
    match failure {
        Failure::Stopped => Standing::Held(Reason::Retrying),
        Failure::Wait { .. } => Standing::Held(Reason::ProviderBudget),
        Failure::Quota { .. } => Standing::Held(Reason::Quota),
        _ => Standing::Failed(Reason::Retrying),
    }
}

/// Returns a failure with its causes, in one line.
fn explain(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Reads a page of the current plan of a sync, after the item numbered `after`.
pub async fn planned_items(context: &Context, setup: &SyncSetup, after: u64) -> Result<Vec<(u64, PlanItem)>, Failure> {
    let store = context.store.as_ref();
    let space = crate::sync_space(store, &setup.name).await?;
    planned_page(store, space, after).await
}

pub(crate) async fn planned_page(
    store: &dyn crate::Store,
    space: crate::Space,
    after: u64,
) -> Result<Vec<(u64, PlanItem)>, Failure> {
    let rows = store.scan(space, StoreTable::Plan, after.to_be_bytes().to_vec(), PAGE_ROWS).await?;
    let items = rows.into_iter().map(|(id, bytes)| {
        let number = codec::number(&id);
        Ok((number, codec::decode(&codec::plan(space, number), &bytes)?))
    });
    items.collect::<Result<_, crate::StoreError>>().map_err(Failure::from)
}
