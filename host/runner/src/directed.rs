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
        running
            .set_down(match ended {
                Err(Failure::Quota { .. }) => Standing::Held(Reason::Quota),
                Err(Failure::Wait { .. }) => Standing::Held(Reason::ProviderBudget),
                _ => Standing::Pending,
            })
            .await?;
    }
    let tally = running.run.tally;
    let left = tally.failed + tally.uncertain + tally.rejected;
    let outcome = match &ended {
        Err(failure @ Failure::Quota { until, .. }) => {
            RunOutcome::Waiting { until: *until, reason: Reason::Quota, why: failure.to_string() }
        }
        Err(Failure::Wait { after_ms, reason, .. }) => {
            let until = running.context.world.now().saturating_add_unsigned(*after_ms);
            RunOutcome::Waiting { until, reason: Reason::ProviderBudget, why: reason.clone() }
        }
        Err(failure) => RunOutcome::Failed { why: failure.to_string() },
        Ok(()) if left > 0 => RunOutcome::Partial { why: format!("{left} changes were not done") },
        Ok(()) => RunOutcome::Ok,
    };
    running.end(outcome, ended.is_ok()).await?;
    ended
}
