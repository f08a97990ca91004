//! Hints that records have changed, such as an application's webhooks give (E6.6).
//!
//! A hint says where to look and nothing else: the record is read by its id, what the application sent with the hint is
//! never a value. A hint twice, late, in any order, or for a record that nobody knows costs a look and changes nothing.
//! Invariant: a hint waits until the record was read and kept; a crash in between costs one look more.
//! Not here: who takes hints in (`cli`), and what is done with what changed, which is a run like any other.

use serde::{Deserialize, Serialize};
use syncline_core::{Endpoint, Index, RecordId};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::pull::{Pulled, look};
use crate::{Batch, Expect, Failure, Fault, Key, Skipped, Space, Store, StoreError, StoreTable, index, spaces};

/// Records of one endpoint that may wait to be looked at: the feed brings the others.
const WAITING_MAX: u64 = 10_000;

/// Events that an endpoint remembers, the latest ones.
const EVENTS_MAX: u64 = 4_096;

/// The longest id that a hint may have, in bytes.
pub const HINT_BYTES_MAX: usize = 1_024;

/// What became of the records of a hint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hinted {
    /// They will be looked at.
    pub taken: u64,
    /// They wait already, or the event was told before.
    pub doubled: u64,
    /// There is no room for them; the feed brings them.
    pub dropped: u64,
}

/// What is kept of an endpoint's hints as a whole: whatever changes a hint changes this row, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct HintState {
    waiting: u64,
    /// Grows with every hint that is taken; a record's row says with which it came.
    arrivals: u64,
    /// Grows with every event that is remembered.
    events: u64,
}

/// A hint that waits: the record, and with which arrival it came.
type Waiting = (RecordId, u64);

fn state_key(space: Space) -> Key {
    codec::meta(space, "hints")
}

fn waiting_key(space: Space, id: &RecordId) -> Key {
    row_key(space, b'W', id.as_str().as_bytes())
}

fn event_key(space: Space, event: &[u8]) -> Key {
    row_key(space, b'E', event)
}

/// The place of a remembered event in the round of them, so that the oldest makes room.
fn place_key(space: Space, number: u64) -> Key {
    row_key(space, b'P', &(number % EVENTS_MAX).to_be_bytes())
}

fn row_key(space: Space, kind: u8, rest: &[u8]) -> Key {
    let mut key = vec![kind];
    key.extend_from_slice(rest);
    Key::new(space, StoreTable::Hint, key)
}

/// What an event said about one record, as it is remembered: an event may come in parts.
fn event_digest(event: &str, id: &RecordId) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(event.len() as u64).to_be_bytes());
    hasher.update(event.as_bytes());
    hasher.update(id.as_str().as_bytes());
    hasher.finalize().as_bytes()[..16].to_vec()
}

/// Keeps a hint that records of an endpoint may have changed, until the next run of a sync looks at them. An endpoint
/// that was never read keeps none, since its first read reads everything.
pub async fn hint(
    store: &dyn Store,
    endpoint: &Endpoint,
    ids: &[RecordId],
    event: Option<&str>,
) -> Result<Hinted, StoreError> {
    let Some(space) = spaces::known_endpoint_space(store, endpoint).await? else { return Ok(Hinted::default()) };
    let mut hinted = Hinted::default();
    for ids in ids.chunks(PAGE_ROWS) {
        loop {
            match take(store, space, ids, event).await {
                // Another hint was quicker, or a run has just used some.
                Err(StoreError::Conflict(_)) => {}
                other => {
                    let more = other?;
                    hinted.taken += more.taken;
                    hinted.doubled += more.doubled;
                    hinted.dropped += more.dropped;
                    break;
                }
            }
        }
    }
    Ok(hinted)
}

async fn take(store: &dyn Store, space: Space, ids: &[RecordId], event: Option<&str>) -> Result<Hinted, StoreError> {
    let before: Option<HintState> = codec::load(store, state_key(space)).await?;
    let mut state = before.unwrap_or_default();
    let mut batch = expecting(space, before);
    let mut hinted = Hinted::default();
    let mut ids: Vec<&RecordId> = ids.iter().collect();
    ids.sort();
    ids.dedup();
    let known: Vec<Option<u64>> = codec::load_all(store, ids.iter().map(|id| waiting_key(space, id)).collect()).await?;
    for (id, known) in ids.into_iter().zip(known) {
        let event = event.map(|event| event_digest(event, id));
        if let Some(event) = &event
            && codec::load::<u64>(store, event_key(space, event)).await?.is_some()
        {
            hinted.doubled += 1;
            continue;
        }
        if known.is_none() && state.waiting >= WAITING_MAX {
            hinted.dropped += 1;
            continue;
        }
        match known {
            Some(_) => hinted.doubled += 1,
            None => hinted.taken += 1,
        }
        state.waiting += u64::from(known.is_none());
        // A record that waits is told of anew: a look that is under way may be older than this hint.
        state.arrivals += 1;
        codec::put(&mut batch, waiting_key(space, id), &state.arrivals);
        if let Some(event) = event {
            remember(store, space, &mut state, event, &mut batch).await?;
        }
    }
    codec::put(&mut batch, state_key(space), &state);
    store.commit(batch).await.map(|_| hinted)
}

/// Remembers an event and forgets the one whose place it takes.
async fn remember(
    store: &dyn Store,
    space: Space,
    state: &mut HintState,
    event: Vec<u8>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let place = place_key(space, state.events);
    if let Some(oldest) = codec::load::<Vec<u8>>(store, place.clone()).await? {
        batch.delete(event_key(space, &oldest));
    }
    codec::put(batch, event_key(space, &event), &state.events);
    codec::put(batch, place, &event);
    state.events += 1;
    Ok(())
}

/// A batch that holds only if nobody has changed the hints since they were read.
fn expecting(space: Space, before: Option<HintState>) -> Batch {
    let key = state_key(space);
    let expect = match before {
        Some(before) => Expect::Equals(key, codec::encode(&before)),
        None => Expect::Absent(key),
    };
    Batch { expect: vec![expect], writes: Vec::new() }
}

/// Looks at the records that hints name and lets go of the hints.
pub(crate) async fn follow(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    let batch_max = endpoint.described.object.get_batch_max.max(1) as usize;
    let mut after: Option<Vec<u8>> = None;
    // No more than may wait at a time: hints that keep coming are for the next run.
    for _ in 0..WAITING_MAX.div_ceil(PAGE_ROWS as u64) {
        let (store, space) = (endpoint.store(), endpoint.space);
        let rows = codec::scan_prefix(store, space, StoreTable::Hint, b"W", after.as_deref(), PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        let waiting = rows.iter().map(|(id, bytes)| {
            let id = RecordId::new(codec::text(id, 1));
            let arrival = codec::decode(&waiting_key(space, &id), bytes)?;
            Ok((id, arrival))
        });
        let waiting: Vec<Waiting> = waiting.collect::<Result<_, StoreError>>()?;
        for waiting in waiting.chunks(batch_max) {
            look_at(endpoint, waiting, pulled).await?;
            let_go(endpoint.store(), space, waiting).await?;
        }
    }
    Ok(())
}

/// Looks at records; one that the connector cannot even be asked about does not stand in the way of the others.
async fn look_at(endpoint: &mut EndpointAccess<'_>, waiting: &[Waiting], pulled: &mut Pulled) -> Result<(), Failure> {
    let mut ids: Vec<RecordId> = waiting.iter().map(|(id, _)| id.clone()).collect();
    if endpoint.state.index == Index::Scoped {
        ids = index::known_of(endpoint, ids).await?;
    }
    match look(endpoint, &ids, pulled).await {
        Err(failure) if is_about_ids(&failure) && ids.len() == 1 => skip(endpoint, &ids[0], &failure, pulled).await,
        Err(failure) if is_about_ids(&failure) => {
            for id in ids {
                match look(endpoint, std::slice::from_ref(&id), pulled).await {
                    Err(failure) if is_about_ids(&failure) => skip(endpoint, &id, &failure, pulled).await?,
                    other => drop(other?),
                }
            }
            Ok(())
        }
        other => other.map(drop),
    }
}

/// True if the ids of a look may be what is wrong, and not the connection.
fn is_about_ids(failure: &Failure) -> bool {
    let Failure::Connector { source, .. } = failure else { return false };
    match source {
        Fault::NotFound(_) | Fault::Protocol(_) | Fault::Component(_) | Fault::Unsupported(_) | Fault::Other(_) => true,
        Fault::Misconfigured(_)
        | Fault::Auth(_)
        | Fault::Permission(_)
        | Fault::CursorExpired(_)
        | Fault::RetryLater { .. }
        | Fault::Transient(_)
        | Fault::Interrupted(_)
        | Fault::Schema(_) => false,
    }
}

async fn skip(
    endpoint: &EndpointAccess<'_>,
    id: &RecordId,
    failure: &Failure,
    pulled: &mut Pulled,
) -> Result<(), Failure> {
    let Failure::Connector { source, .. } = failure else { return Ok(()) };
    let reason = format!("a hint names it, and it cannot be looked at: {source}");
    let mut batch = Batch::default();
    pulled.skip(endpoint, vec![Skipped { id: id.clone(), reason }], &mut batch);
    Ok(endpoint.commit(batch).await?)
}

/// Drops hints, but for those that came anew since they were read.
async fn let_go(store: &dyn Store, space: Space, waiting: &[Waiting]) -> Result<(), StoreError> {
    loop {
        let before: Option<HintState> = codec::load(store, state_key(space)).await?;
        let mut state = before.unwrap_or_default();
        let mut batch = expecting(space, before);
        let keys = waiting.iter().map(|(id, _)| waiting_key(space, id)).collect();
        let now: Vec<Option<u64>> = codec::load_all(store, keys).await?;
        for ((id, arrival), now) in waiting.iter().zip(now) {
            if now == Some(*arrival) {
                batch.delete(waiting_key(space, id));
                state.waiting = state.waiting.saturating_sub(1);
            }
        }
        codec::put(&mut batch, state_key(space), &state);
        match store.commit(batch).await {
            Err(StoreError::Conflict(_)) => {}
            other => return other.map(|_| ()),
        }
    }
}
