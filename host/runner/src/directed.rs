//! Runs that carry out a given list of changes instead of planning them: undo and a person's decisions.

use syncline_core::{PlanItem, Reason, Standing};

use crate::running::{RunOutcome, Running};
use crate::{Batch, Failure, codec, push};

/// Adds `items` to the plan of this run.
///
/// A crash before they are carried out leaves a plan that nobody pushes: the next run puts its pairs back on the list.
pub(crate) async fn plan(running: &mut Running<'_>, items: &[PlanItem]) -> Result<(), Failure> {
    for page in items.chunks(codec::PAGE_ROWS) {
        let mut batch = Batch::default();
        for item in page {
            running.see(item.pair);
            running.state.next_plan += 1;
            codec::put(&mut batch, codec::plan(running.synced.space, running.state.next_plan), item);
        }
        codec::put(&mut batch, running.synced.state_key(), &running.state);
        running.synced.store.commit(batch).await?;
    }
    Ok(())
}

/// Carries out the plan of this run, of `total` changes.
///
/// They take the way of every other change: intents first, outcomes looked up, base and journal in one commit.
pub(crate) async fn carry_out(running: &mut Running<'_>, total: u64) -> Result<(), Failure> {
    running.begin().await?;
    let ended = push::push(running, total).await;
    if ended.is_err() {
        let is_quota = matches!(ended, Err(Failure::Quota { .. }));
        running.set_down(if is_quota { Standing::Held(Reason::Quota) } else { Standing::Pending }).await?;
    }
    let tally = running.run.tally;
    let left = tally.failed + tally.uncertain + tally.rejected;
    let outcome = match &ended {
        Err(failure @ Failure::Quota { until, .. }) => {
            RunOutcome::Waiting { until: *until, reason: Reason::Quota, why: failure.to_string() }
        }
        Err(failure) => RunOutcome::Failed { why: failure.to_string() },
        Ok(()) if left > 0 => RunOutcome::Partial { why: format!("{left} changes were not done") },
        Ok(()) => RunOutcome::Ok,
    };
    running.end(outcome, ended.is_ok()).await?;
    ended
}
