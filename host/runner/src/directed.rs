//! Runs that carry out a given list of changes instead of planning them: undo and a person's decisions.

use syncline_core::{PlanItem, Standing};

use crate::running::{RunOutcome, Running};
use crate::{Batch, Failure, codec, push};

/// Writes `items` as the plan of this run and pushes them.
///
/// They take the way of every other change: intents first, outcomes looked up, base and journal in one commit.
pub(crate) async fn carry_out(running: &mut Running<'_>, items: Vec<PlanItem>) -> Result<(), Failure> {
    running.begin().await?;
    items.iter().for_each(|item| running.see(item.pair));
    let total = items.iter().map(|item| item.changes.len() as u64).sum();
    for page in items.chunks(codec::PAGE_ROWS) {
        let mut batch = Batch::default();
        for item in page {
            running.state.next_plan += 1;
            codec::put(&mut batch, codec::plan(running.synced.space, running.state.next_plan), item);
        }
        codec::put(&mut batch, running.synced.state_key(), &running.state);
        running.synced.store.commit(batch).await?;
    }
    let ended = push::push(running, total).await;
    if ended.is_err() {
        running.set_down(Standing::Pending).await?;
    }
    let tally = running.run.tally;
    let left = tally.failed + tally.uncertain + tally.rejected;
    let outcome = match &ended {
        Err(failure) => RunOutcome::Failed { why: failure.to_string() },
        Ok(()) if left > 0 => RunOutcome::Partial { why: format!("{left} changes were not done") },
        Ok(()) => RunOutcome::Ok,
    };
    running.end(outcome, ended.is_ok()).await?;
    ended
}
