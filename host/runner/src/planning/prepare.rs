//! Makes the pairs of a page ready to be decided: their records, what these were merged into, and their counterparts.
//!
//! Invariant: of what two pairs of a page want to take, one pair takes it; the other is looked at once the store knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_core::{Instant, PairId, RecordId, RunId, Side};

use super::{Work, looked_up_at};
use crate::creates::Unclear;
use crate::running::Running;
use crate::{Batch, Failure, counterpart};

/// Reads the pairs of a page with their records, follows merges and finds counterparts.
pub(super) async fn prepare(
    running: &Running<'_>,
    page: Vec<(Instant, PairId)>,
    unclear: &Unclear,
    batch: &mut Batch,
) -> Result<Vec<Work>, Failure> {
    let ids: Vec<PairId> = page.iter().map(|(_, id)| *id).collect();
    let pairs = running.synced.pairs(&ids).await?;
    let since: Arc<[RunId]> = running.state.mappings.since(&running.setup.rules);
    let mut works = Vec::new();
    let mut once = BTreeSet::new();
    for ((due, id), pair) in page.into_iter().zip(pairs) {
        let is_first = once.insert(id);
        // When a create is looked up stays on the list, whatever else its pair is on it for.
        if pair.as_ref().is_some_and(|pair| !is_first && looked_up_at(pair) == Some(due)) {
            continue;
        }
        let (Some(pair), true) = (pair, is_first) else {
            // Its record belongs to another pair now, or it is on the list twice.
            running.synced.unqueue(batch, due, id);
            continue;
        };
        works.push(Work::new(id, due, pair, since.clone()));
    }
    read_records(running, &mut works).await?;
    let mut claims = Claims::default();
    let mut ready = Vec::new();
    for mut work in works {
        if claims.swallowed.contains(&work.id) {
            running.synced.unqueue(batch, work.due, work.id);
            continue;
        }
        counterpart::leave_collision(running, &mut work).await?;
        counterpart::follow_merges(running, &mut work).await?;
        counterpart::find_counterpart(running, &mut work, unclear).await?;
        counterpart::remark(running, &mut work).await?;
        // What another pair of this page has taken is known to the store only afterwards: then this one is next.
        if claims.claim(&work) {
            ready.push(work);
        }
    }
    // A pair can be swallowed by one that comes after it.
    ready.retain(|work| !claims.swallowed.contains(&work.id));
    // Merges and matches may have brought other records.
    read_members(running, &mut ready).await?;
    Ok(ready)
}

/// Reads the records of pairs and the lists that these are in.
pub(crate) async fn read_records(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    for side in Side::BOTH {
        let ids: Vec<RecordId> = works.iter().filter_map(|work| work.pair.id(side).cloned()).collect();
        let mut rows = running.endpoint(side).replica().get(&ids).await?.into_iter();
        for work in works.iter_mut().filter(|work| work.pair.id(side).is_some()) {
            *side.pick(&mut work.left, &mut work.right) = rows.next().flatten();
        }
    }
    read_members(running, works).await
}

async fn read_members(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    for side in Side::BOTH {
        let ids: Vec<RecordId> = works.iter().filter_map(|work| work.pair.id(side).cloned()).collect();
        let mut members = running.endpoint(side).members(&ids).await?.into_iter();
        for work in works.iter_mut().filter(|work| work.pair.id(side).is_some()) {
            work.members[side.pick(0, 1)] = members.next().unwrap_or_default();
        }
    }
    Ok(())
}

/// What the pairs of a page take from others.
#[derive(Default)]
struct Claims {
    records: BTreeSet<(Side, RecordId)>,
    swallowed: BTreeSet<PairId>,
    /// The pairs that took something.
    takers: BTreeSet<PairId>,
}

impl Claims {
    /// Notes what `work` takes. Returns false, and notes nothing, if another pair was quicker.
    fn claim(&mut self, work: &Work) -> bool {
        let new_id = |side: Side| work.pair.id(side).filter(|id| work.before.id(side) != Some(*id));
        let taken: Vec<(Side, RecordId)> =
            Side::BOTH.into_iter().filter_map(|side| Some((side, new_id(side)?.clone()))).collect();
        let lost = taken.iter().any(|record| self.records.contains(record))
            || work.swallowed.iter().any(|taken| self.takers.contains(&taken.id) || self.swallowed.contains(&taken.id));
        if lost {
            return false;
        }
        if !taken.is_empty() {
            self.takers.insert(work.id);
        }
        self.records.extend(taken);
        self.swallowed.extend(work.swallowed.iter().map(|taken| taken.id));
        true
    }
}
