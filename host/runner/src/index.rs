//! What is kept of an endpoint: all of it, or, where its index is scoped, what is paired and what look-ups brought (E1.2).
//!
//! The feed of a scoped endpoint is read from now on, and of it only the known records; what it does not tell of them is
//! asked by id as often as others are swept. What becomes known comes from look-ups by key and from our own creates.
//! Invariant: absence proves nothing here: a known record is gone only if the feed or a look at its id says so (E4.1).

mod look_up;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use syncline_core::{Fate, Index, RecordId, Side};

use crate::codec::PAGE_ROWS;
use crate::endpoint::{self, EndpointAccess};
use crate::pull::{self, Pulled};
use crate::replica::Known;
use crate::running::Running;
use crate::setup::{Context, SyncSetup};
use crate::{Batch, Failure, Page, counterpart, spaces};

pub(crate) use look_up::look_up;

/// What one side's index costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IndexCost {
    /// What is kept.
    pub index: Index,
    /// Records that are kept.
    pub records: u64,
    /// Calls that read all of them anew.
    pub calls: u64,
    /// Keys that were looked up for this plan.
    pub looked_up: u64,
    /// Calls that this took.
    pub look_up_calls: u64,
}

/// What look-ups by key took since the last pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LookUps {
    keys: u64,
    calls: u64,
}

impl LookUps {
    fn add(&mut self, keys: usize) {
        self.keys += keys as u64;
        self.calls += 1;
    }
}

/// Returns what the indexes of both sides cost, by what was last read.
pub async fn index_costs(context: &Context, setup: &SyncSetup) -> Result<[IndexCost; 2], Failure> {
    let mut costs = [IndexCost::default(); 2];
    for (side, cost) in Side::BOTH.into_iter().zip(&mut costs) {
        let (store, setup) = (context.store.as_ref(), setup.side(side));
        let Some(space) = spaces::known_endpoint_space(store, &setup.endpoint).await? else { continue };
        let state = endpoint::kept_state(store, space).await?;
        let (Some(state), Some(described)) = (state, endpoint::kept_description(store, space).await?) else { continue };
        let at_once = match state.index {
            Index::Full => described.object.read_page_max,
            Index::Scoped => described.object.get_batch_max,
        };
        *cost = IndexCost {
            index: state.index,
            records: state.live,
            calls: state.live.div_ceil(u64::from(at_once.max(1))),
            looked_up: state.look_ups.keys,
            look_up_calls: state.look_ups.calls,
        };
    }
    Ok(costs)
}

/// Reads what is new of the known records.
///
/// The feed comes first: what changes while known records are looked at is told by it afterwards. Those that are gone are
/// asked about as often as others are swept: one may have been brought back (E4.4).
pub(crate) async fn read_known(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    endpoint.state.look_ups = LookUps::default();
    let has_feed = endpoint.described.object.abilities.changes;
    if has_feed {
        pull::read_changes(endpoint, pulled).await?;
    }
    let sweeps = pull::sweep_is_due(endpoint);
    if has_feed && !sweeps {
        return Ok(());
    }
    let may_be_there = |known: &Known| match known {
        Known::Here(_) => true,
        Known::Gone(Fate::Deleted | Fate::Archived) => sweeps,
        Known::Gone(Fate::MergedInto(_)) => false,
    };
    let mut after = RecordId::new("");
    loop {
        let page = endpoint.replica().scan(&after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.clone();
        let ids = page.into_iter().filter(|(_, known)| may_be_there(known)).map(|(id, _)| id);
        let ids: Vec<RecordId> = ids.collect();
        for ids in ids.chunks(endpoint.described.object.get_batch_max.max(1) as usize) {
            pull::look(endpoint, ids, pulled).await?;
        }
    }
    if sweeps {
        endpoint.state.swept_at = endpoint.context.world.now();
    }
    Ok(endpoint.commit(Batch::default()).await?)
}

/// Drops the records of a page that nobody asked for; what known ones were merged into is known from here on.
pub(crate) async fn only_known(
    endpoint: &mut EndpointAccess<'_>,
    mut page: Page,
    pulled: &mut Pulled,
) -> Result<Page, Failure> {
    let gone: Vec<RecordId> = page.tombstones.iter().map(|tombstone| tombstone.id.clone()).collect();
    let gone: BTreeSet<RecordId> = known_of(endpoint, gone).await?.into_iter().collect();
    page.tombstones.retain(|tombstone| gone.contains(&tombstone.id));
    let into = page.tombstones.iter().filter_map(|tombstone| match &tombstone.fate {
        Fate::MergedInto(into) => Some(into.clone()),
        Fate::Deleted | Fate::Archived => None,
    });
    let into: Vec<RecordId> = into.collect::<BTreeSet<_>>().into_iter().collect();
    let known: BTreeSet<RecordId> = known_of(endpoint, into.clone()).await?.into_iter().collect();
    let new: Vec<RecordId> = into.into_iter().filter(|id| !known.contains(id)).collect();
    for ids in new.chunks(endpoint.described.object.get_batch_max.max(1) as usize) {
        pull::look(endpoint, ids, pulled).await?;
    }
    let ids: Vec<RecordId> = page.records.rows.iter().map(|row| row.id.clone()).collect();
    let known: BTreeSet<RecordId> = known_of(endpoint, ids).await?.into_iter().collect();
    page.records.rows.retain(|row| known.contains(&row.id));
    page.skipped.retain(|skipped| known.contains(&skipped.id));
    page.total = None;
    Ok(page)
}

/// Reads what records were merged into whose pairs wait for it: of a side that is known in part, no feed names it.
pub(crate) async fn bring_merged(running: &mut Running<'_>) -> Result<(), Failure> {
    for side in Side::BOTH {
        if running.endpoint(side).state.index != Index::Scoped {
            continue;
        }
        let (now, mut after) = (running.context.world.now(), None);
        while let Some(due) = running.synced.due(now, &mut after).await? {
            let ids: Vec<RecordId> = due.iter().filter_map(|(_, pair)| pair.id(side).cloned()).collect();
            let mut into = Vec::new();
            for known in running.endpoint(side).replica().get(&ids).await?.into_iter().flatten() {
                if let Known::Gone(Fate::MergedInto(first)) = known {
                    let (end, known) = counterpart::end_of_merges(running, side, first).await?;
                    into.extend(known.is_none().then_some(end));
                }
            }
            let endpoint = running.endpoint_mut(side);
            for ids in into.chunks(endpoint.described.object.get_batch_max.max(1) as usize) {
                pull::look(endpoint, ids, &mut Pulled::default()).await?;
            }
        }
    }
    Ok(())
}

/// Returns those of `ids` that the replica knows, there or gone.
pub(crate) async fn known_of(endpoint: &EndpointAccess<'_>, ids: Vec<RecordId>) -> Result<Vec<RecordId>, Failure> {
    let known = endpoint.replica().get(&ids).await?;
    Ok(ids.into_iter().zip(known).filter(|(_, known)| known.is_some()).map(|(id, _)| id).collect())
}
