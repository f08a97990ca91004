//! Between two rounds of a run: reads what is tried again as it is by now.
//!
//! Invariant: no write is planned from what was read before the run waited for it (E8.1): in a minute people go on, and it
//! would be refused again for their edits, as often as it is tried.

use syncline_core::{Pair, PairState, RecordId, Side};

use crate::Failure;
use crate::pull::{self, Pulled};
use crate::running::Running;

/// Reads the records of the pairs whose time to be tried again has come, a page of pairs at a time.
pub(crate) async fn read(running: &mut Running<'_>) -> Result<(), Failure> {
    let now = running.context.world.now();
    let mut after = None;
    while let Some(due) = running.synced.due(now, &mut after).await? {
        let tried: Vec<&Pair> = due.iter().map(|(_, pair)| pair).filter(|pair| is_tried_again(pair)).collect();
        for side in Side::BOTH {
            let ids: Vec<RecordId> = tried.iter().filter_map(|pair| pair.id(side).cloned()).collect();
            let batch_max = running.endpoint(side).described.object.get_batch_max.max(1) as usize;
            for ids in ids.chunks(batch_max) {
                pull::look(running.endpoint_mut(side), ids, &mut Pulled::default()).await?;
            }
        }
    }
    Ok(())
}

/// True if a write to one of its records failed; what became of a create is looked up in its own way.
fn is_tried_again(pair: &Pair) -> bool {
    let has_failed = pair.trouble.as_ref().is_some_and(|trouble| trouble.attempts > 0);
    has_failed && !matches!(pair.state, PairState::Creating { .. })
}
