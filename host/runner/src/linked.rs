//! Finds which records references lead to on the other side: by the pairs of a sync, or by a key in two replicas (E10.1).
//!
//! Not here: what becomes of them (`core`), who waits for which (`waiting`).

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{
    Endpoint, FieldName, Joined, KeyField, Links, Mapping, Pair, PairId, PairState, RecordId, Reference, Route, Side,
    SyncName, Way, key_digest,
};

use crate::replica::{Known, Replica};
use crate::synced::Synced;
use crate::{Failure, Space, Store, StoreError, endpoint, spaces};

/// References of one mapping, by the side that holds them.
pub(crate) type Wanted = BTreeSet<(Side, Reference)>;

/// Finds the counterparts of the references of one mapping.
pub(crate) async fn find(store: &dyn Store, mapping: &Mapping, wanted: &Wanted) -> Result<Links, Failure> {
    let mut links = Links::default();
    for route in &mapping.routes {
        for side in Side::BOTH {
            let leads = |reference: &&Reference| reference.target == route.object(side).as_str();
            let own = wanted.iter().filter(|(on, _)| *on == side).map(|(_, reference)| reference);
            let own: Vec<&Reference> = own.filter(leads).collect();
            if own.is_empty() {
                continue;
            }
            let ids: Vec<RecordId> = own.iter().map(|reference| RecordId::new(reference.id.clone())).collect();
            let found = match &route.way {
                Way::Pairs { sync, left_is } => by_pairs(store, sync, *left_is, side, &ids).await?,
                Way::Key { left, left_key, right, right_key } => {
                    let places = [(left, left_key.as_slice()), (right, right_key.as_slice())];
                    by_key(store, places, side, &ids).await?
                }
            };
            for (reference, found) in own.into_iter().zip(found) {
                if let Some(ids) = found {
                    links.add(side, reference.clone(), joined(route, ids));
                }
            }
        }
    }
    Ok(links)
}

/// The ids of one record on the left and on the right.
type Ids = [RecordId; 2];

fn joined(route: &Route, [left, right]: Ids) -> Joined {
    let reference = |side: Side, id: RecordId| Reference { target: route.object(side).to_string(), id: id.to_string() };
    Joined { left: reference(Side::Left, left), right: reference(Side::Right, right) }
}

/// Asks the pairs of a sync, whose left side may be our right one.
async fn by_pairs(
    store: &dyn Store,
    sync: &SyncName,
    left_is: Side,
    side: Side,
    ids: &[RecordId],
) -> Result<Vec<Option<Ids>>, Failure> {
    // It has never run.
    let Some(space) = spaces::known_sync_space(store, sync).await? else { return Ok(vec![None; ids.len()]) };
    let synced = Synced { store, space };
    let there = side.pick(left_is, left_is.other());
    let back = synced.pairs_of(there, ids).await?;
    let numbers: Vec<PairId> = back.iter().copied().flatten().collect::<BTreeSet<_>>().into_iter().collect();
    let pairs: BTreeMap<PairId, Pair> =
        numbers.iter().copied().zip(synced.pairs(&numbers).await?).filter_map(|(id, pair)| Some((id, pair?))).collect();
    let found = back.into_iter().zip(ids).map(|(number, id)| {
        let pair = pairs.get(&number?).filter(|pair| joins(pair, there, id))?;
        Some([pair.id(left_is)?.clone(), pair.id(left_is.other())?.clone()])
    });
    Ok(found.collect())
}

/// True if a pair says whom `id` means on the other side: not where one of the two is gone or in question.
fn joins(pair: &Pair, side: Side, id: &RecordId) -> bool {
    let is_its_own = pair.id(side) == Some(id) || pair.aliases.iter().any(|(on, alias)| *on == side && alias == id);
    is_its_own && matches!(pair.state, PairState::Linked | PairState::OutOfScope { .. })
}

/// A replica that others keep up to date.
struct Shelf {
    space: Space,
    state: endpoint::State,
    key: Vec<KeyField>,
}

impl Shelf {
    /// Opens the replica of an endpoint, if it is found by this key and read to its end: of one that is not, nobody knows
    /// yet who else has a key, and a record that is alone with it may be one of several (E1.5).
    async fn open(store: &dyn Store, endpoint: &Endpoint, fields: &[FieldName]) -> Result<Option<Self>, StoreError> {
        let Some(space) = spaces::known_endpoint_space(store, endpoint).await? else { return Ok(None) };
        let Some(state) = endpoint::kept_state(store, space).await? else { return Ok(None) };
        if matches!(state.reading, endpoint::Reading::Full { .. }) {
            return Ok(None);
        }
        let is_it = |key: &&Vec<KeyField>| key.iter().map(|part| &part.field).eq(fields);
        let key = state.layout.keys.iter().find(is_it).cloned();
        Ok(key.map(|key| Self { space, state, key }))
    }

    fn replica<'a>(&'a self, store: &'a dyn Store) -> Replica<'a> {
        Replica::new(store, self.space, &self.state.layout, false)
    }
}

/// Looks records up by their key; one that several records have on either side means nobody.
async fn by_key(
    store: &dyn Store,
    [left, right]: [(&Endpoint, &[FieldName]); 2],
    side: Side,
    ids: &[RecordId],
) -> Result<Vec<Option<Ids>>, Failure> {
    let (own, other) = side.pick((left, right), (right, left));
    let (own, other) = (Shelf::open(store, own.0, own.1).await?, Shelf::open(store, other.0, other.1).await?);
    let (Some(own), Some(other)) = (own, other) else { return Ok(vec![None; ids.len()]) };
    let (own_key, other_key) = (own.key.as_slice(), other.key.as_slice());
    let (own, other) = (own.replica(store), other.replica(store));
    let mut found = Vec::new();
    for (id, known) in ids.iter().zip(own.get(ids).await?) {
        let digest = match &known {
            Some(Known::Here(record)) => key_digest(record, own_key),
            Some(Known::Gone(_)) | None => None,
        };
        let Some(digest) = digest else {
            found.push(None);
            continue;
        };
        let same = (own.with_key(own_key, &digest).await?, other.with_key(other_key, &digest).await?);
        found.push(match (same.0.as_slice(), same.1.as_slice()) {
            ([_], [counterpart]) => {
                Some(side.pick([id.clone(), counterpart.clone()], [counterpart.clone(), id.clone()]))
            }
            _ => None,
        });
    }
    Ok(found)
}
