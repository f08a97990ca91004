//! Follows records that go on under another id, told by an identity that they keep (E1.10): the `UID` of a card.
//!
//! Invariant: one record has to have gone and one to be there; two of either at a time are no rename, since some servers
//! keep two records with one identity.
//! Invariant: a pair is moved only to a record that no other pair holds on to.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{Pair, PairId, RecordId, Side};

use crate::endpoint::EndpointAccess;
use crate::replica::End;
use crate::synced::Synced;
use crate::totals::{Place, Totals};
use crate::{Batch, Failure};

/// A pair whose record on one side has another id now.
struct Rename {
    from: RecordId,
    to: RecordId,
    pair: (PairId, Pair),
    /// The pair that the record had by its new id.
    swallowed: Option<(PairId, Place)>,
}

/// Moves the pairs of those among `changed` that were renamed, and returns them as they are then, by their new ids.
pub(crate) async fn follow(
    synced: &Synced<'_>,
    side: Side,
    endpoint: &EndpointAccess<'_>,
    changed: &[RecordId],
    (batch, totals): (&mut Batch, &mut Totals),
) -> Result<BTreeMap<RecordId, (PairId, Pair)>, Failure> {
    let mut moved = BTreeMap::new();
    if !endpoint.replica().has_departed().await? {
        return Ok(moved);
    }
    let identities: BTreeSet<_> = endpoint.replica().identities(changed).await?.into_iter().flatten().collect();
    for identity in identities {
        let living = endpoint.replica().with_identity(End::Living, &identity).await?;
        let departed = endpoint.replica().with_identity(End::Departed, &identity).await?;
        let Some(rename) = judge(synced, side, &living, &departed).await? else { continue };
        let Rename { from, to, pair: (id, mut pair), swallowed } = rename;
        if let Some(swallowed) = swallowed {
            synced.drop_pair(batch, totals, swallowed);
        }
        let before = Place::of(&pair);
        pair.aliases.retain(|alias| *alias != (side, to.clone()));
        pair.aliases.push((side, from));
        pair.set_id(side, Some(to.clone()));
        synced.put(batch, totals, id, (Some(before), &pair));
        moved.insert(to, (id, pair));
    }
    Ok(moved)
}

async fn judge(
    synced: &Synced<'_>,
    side: Side,
    living: &[RecordId],
    departed: &[RecordId],
) -> Result<Option<Rename>, Failure> {
    let [to] = living else { return Ok(None) };
    let (departed, mut left) = (departed.to_vec(), Vec::new());
    for (from, pair) in departed.iter().zip(owners(synced, side, &departed).await?) {
        left.extend(pair.map(|pair| (from.clone(), pair)));
    }
    let (Some((from, pair)), None) = (left.pop(), left.pop()) else { return Ok(None) };
    let owner = owners(synced, side, std::slice::from_ref(to)).await?.pop().flatten();
    if owner.as_ref().is_some_and(|(_, owner)| !owner.is_free()) {
        return Ok(None);
    }
    Ok(Some(Rename { from, to: to.clone(), pair, swallowed: owner.map(|(id, pair)| (id, Place::of(&pair))) }))
}

/// The pairs that have these records now, and not only had them once.
async fn owners(synced: &Synced<'_>, side: Side, ids: &[RecordId]) -> Result<Vec<Option<(PairId, Pair)>>, Failure> {
    let mut owners = Vec::new();
    for (id, pointed_at) in ids.iter().zip(synced.pairs_of(side, ids).await?) {
        let pair = match pointed_at {
            Some(pointed_at) => synced.pair(pointed_at).await?.map(|pair| (pointed_at, pair)),
            None => None,
        };
        owners.push(pair.filter(|(_, pair)| pair.id(side) == Some(id)));
    }
    Ok(owners)
}
