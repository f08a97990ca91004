//! Between pull and plan: puts the pairs of changed records on the list of those to look at.

use std::collections::BTreeMap;

use syncline_core::{Pair, PairId, RecordId, Side};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::replica::Known;
use crate::synced::{SyncState, Synced};
use crate::totals::Place;
use crate::{Batch, Failure, StoreTable, rename};

/// Goes through what changed on `side` since this sync last looked.
///
/// The list and the position move in one commit: a crash neither forgets a change nor lists all of them again.
pub(crate) async fn notice(
    synced: &Synced<'_>,
    side: Side,
    endpoint: &EndpointAccess<'_>,
    state: &mut SyncState,
) -> Result<(), Failure> {
    let noticed = side.pick(0, 1);
    loop {
        let from = state.noticed[noticed].to_be_bytes().to_vec();
        let rows = endpoint.store().scan(endpoint.space, StoreTable::Change, from, PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        state.noticed[noticed] = codec::number(last);
        let ids: Vec<RecordId> = rows.iter().map(|(_, id)| RecordId::new(codec::text(id, 0))).collect();
        let pairs = synced.pairs_of(side, &ids).await?;
        let pointed_at: Vec<PairId> = pairs.iter().copied().flatten().collect();
        let mut there: BTreeMap<PairId, Pair> = pointed_at
            .iter()
            .copied()
            .zip(synced.pairs(&pointed_at).await?)
            .filter_map(|(id, pair)| Some((id, pair?)))
            .collect();
        let known = endpoint.replica().get(&ids).await?;
        let mut batch = Batch::default();
        let renamed = rename::follow(synced, side, endpoint, &ids, (&mut batch, &mut state.totals)).await?;
        there.extend(renamed.values().cloned());
        for ((id, pair), known) in ids.into_iter().zip(pairs).zip(known) {
            // A pair that another one took the record of is gone, and one whose record was made anew goes on without the
            // old one; should that be there, it is on its own.
            let earlier = pair.map(|pair| there.get(&pair).map(Pair::writes).unwrap_or_default());
            let is_its_own = |pair: &PairId| there.get(pair).is_some_and(|pair| has(pair, side, &id));
            let mut pair = renamed.get(&id).map(|(pair, _)| *pair).or(pair).filter(is_its_own);
            let is_here = matches!(known, Some(Known::Here(_)));
            if let Some((number, former)) = pair.and_then(|pair| Some((pair, there.get_mut(&pair)?)))
                && former.id(side) != Some(&id)
                && is_here
            {
                // The pair went over to another record, and now this one is back: it is on its own too.
                let before = Place::of(former);
                former.aliases.retain(|alias| *alias != (side, id.clone()));
                synced.put(&mut batch, &mut state.totals, number, (Some(before), former));
                pair = None;
            }
            let pair = match (pair, known) {
                (Some(pair), _) => pair,
                // Gone before this sync ever saw it.
                (None, None | Some(Known::Gone(_))) => continue,
                (None, Some(Known::Here(_))) => synced.begin(&mut batch, state, side, id, earlier.as_deref()),
            };
            synced.queue(&mut batch, 0, pair);
        }
        codec::put(&mut batch, synced.state_key(), state);
        synced.store.commit(batch).await?;
    }
}

/// True if a pair names a record, as its own or as one that was merged into its own.
fn has(pair: &Pair, side: Side, id: &RecordId) -> bool {
    pair.id(side) == Some(id) || pair.aliases.iter().any(|(on, alias)| *on == side && alias == id)
}
