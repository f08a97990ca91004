//! Reads the members of the lists that scopes ask for (E5.4), page by page, when that is due.
//!
//! Each member's row says in which reading it was last seen; at the end those of older readings go. So memory stays the
//! same however long a list is, and a run between two readings asks nothing.
//! Invariant: who is in a list, and the marks of the records for which that changed, are kept in one commit. Of a list
//! that was never read to its end, or that the application still computes, nobody is known to be in or out (C03).

use serde::{Deserialize, Serialize};
use syncline_core::{Instant, ListId, Members, RecordId};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::patience::patiently;
use crate::pull::STARTS_MAX;
use crate::{Batch, Failure, Fault, Progress, StoreError, StoreTable};

/// A wait from here on, in milliseconds, means that the list is still being computed: the run goes on without it.
const COMPUTING_MS: u64 = 10_000;

/// Pages of one list at the most. A connector that never ends is stopped here and reported.
const PAGES_MAX: u32 = 1_000_000;

/// What is known of a list as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListState {
    /// Grows with every reading; each member's row says in which it was last seen.
    reading: u64,
    /// True once it has been read to its end.
    known: bool,
    /// True while the application computes who is in it.
    computing: bool,
    /// When the last reading that came to its end began.
    read_at: Instant,
}

impl ListState {
    /// True if it is to be read anew: after its time, and at once while it is not known who is in it.
    fn is_due(&self, now: Instant, every_ms: i64) -> bool {
        !self.known || self.computing || now - self.read_at >= every_ms
    }
}

/// Reads the lists of an endpoint anew that are due.
pub(crate) async fn read(endpoint: &mut EndpointAccess<'_>) -> Result<(), Failure> {
    for list in &endpoint.setup.lists {
        let state = endpoint.state.lists.get(list).copied().unwrap_or_default();
        if state.is_due(endpoint.context.world.now(), endpoint.setup.lists_every_ms) {
            read_one(endpoint, list, state).await?;
        }
    }
    Ok(())
}

async fn read_one(endpoint: &mut EndpointAccess<'_>, list: &ListId, mut state: ListState) -> Result<(), Failure> {
    state.reading += 1;
    let began_at = endpoint.context.world.now();
    let mut cursor = None;
    let mut starts = 1;
    for _ in 0..PAGES_MAX {
        if endpoint.context.stop.is_asked() {
            return Err(Failure::Stopped);
        }
        let page = match page(endpoint, list, cursor.clone()).await {
            Err(failure) if cursor.is_some() && failure.is_of_old_cursor() && starts < STARTS_MAX => {
                // Who was named in the part that was read may have left since.
                (starts, cursor, state.reading) = (starts + 1, None, state.reading + 1);
                continue;
            }
            other => other?,
        };
        let Some((ids, next)) = page else {
            state.computing = true;
            endpoint.state.lists.insert(list.clone(), state);
            return Ok(endpoint.commit(Batch::default()).await?);
        };
        endpoint.state.lists.insert(list.clone(), state);
        take_in(endpoint, list, ids, state.reading).await?;
        match next {
            Progress::More(next) if Some(&next) == cursor.as_ref() => break,
            Progress::More(next) => cursor = Some(next),
            Progress::Done(_) => {
                state.read_at = began_at;
                return finish(endpoint, list, state).await;
            }
        }
    }
    let what = format!("gives the members of the list {list} without end");
    Err(Failure::Contract { endpoint: endpoint.setup.endpoint.clone(), what })
}

type MembersPage = (Vec<RecordId>, Progress);

/// Asks for one page; `None` while the list is being computed.
async fn page(
    endpoint: &EndpointAccess<'_>,
    list: &ListId,
    cursor: Option<String>,
) -> Result<Option<MembersPage>, Failure> {
    let setup = endpoint.setup;
    patiently(endpoint.context, endpoint.side, setup, "listing the members of a list of", || {
        let call = setup.connector.members(setup.target(), list.to_string(), cursor.clone());
        Box::pin(async move {
            match call.await {
                Ok(page) => Ok(Some(page)),
                Err(Fault::RetryLater { after_ms, .. }) if after_ms >= COMPUTING_MS => Ok(None),
                Err(fault) => Err(fault),
            }
        })
    })
    .await
}

/// Keeps a page of members; a crash right after it leaves some new members in and nobody out.
async fn take_in(
    endpoint: &mut EndpointAccess<'_>,
    list: &ListId,
    ids: Vec<RecordId>,
    reading: u64,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let keys = ids.iter().map(|id| codec::member(endpoint.space, list, id)).collect();
    let known: Vec<Option<u64>> = codec::load_all(endpoint.store(), keys).await?;
    for id in &ids {
        codec::put(&mut batch, codec::member(endpoint.space, list, id), &reading);
    }
    let joined: Vec<RecordId> =
        ids.into_iter().zip(known).filter(|(_, known)| known.is_none()).map(|(id, _)| id).collect();
    keep(endpoint, joined, batch).await
}

/// Takes out whoever was not seen in this reading.
async fn finish(endpoint: &mut EndpointAccess<'_>, list: &ListId, mut state: ListState) -> Result<(), Failure> {
    let prefix = codec::member_prefix(list);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let (store, space, table) = (endpoint.store(), endpoint.space, StoreTable::Member);
        let rows = codec::scan_prefix(store, space, table, &prefix, after.as_deref(), PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        let mut batch = Batch::default();
        let mut left = Vec::new();
        for (id, bytes) in &rows {
            let id = RecordId::new(codec::text(id, prefix.len()));
            let key = codec::member(space, list, &id);
            if codec::decode::<u64>(&key, bytes)? < state.reading {
                batch.delete(key);
                left.push(id);
            }
        }
        keep(endpoint, left, batch).await?;
    }
    state.known = true;
    state.computing = false;
    endpoint.state.lists.insert(list.clone(), state);
    Ok(endpoint.commit(Batch::default()).await?)
}

/// Commits, with the records whose membership changed marked as changed.
async fn keep(endpoint: &mut EndpointAccess<'_>, moved: Vec<RecordId>, mut batch: Batch) -> Result<(), Failure> {
    if moved.is_empty() && batch.writes.is_empty() {
        return Ok(());
    }
    let mut sequence = endpoint.state.sequence;
    endpoint.replica().mark_changed(&moved, &mut sequence, &mut batch).await?;
    endpoint.state.sequence = sequence;
    Ok(endpoint.commit(batch).await?)
}

impl EndpointAccess<'_> {
    /// Tells in which of the lists that this sync asks for each of these records is.
    pub(crate) async fn members(&self, ids: &[RecordId]) -> Result<Vec<Members>, StoreError> {
        let mut members = vec![Members::default(); ids.len()];
        for list in &self.setup.lists {
            let is_known = self.state.lists.get(list).is_some_and(|state| state.known && !state.computing);
            if !is_known {
                continue;
            }
            let keys = ids.iter().map(|id| codec::member(self.space, list, id)).collect();
            let rows: Vec<Option<u64>> = codec::load_all(self.store(), keys).await?;
            for (members, row) in members.iter_mut().zip(rows) {
                members.0.insert(list.clone(), row.is_some());
            }
        }
        Ok(members)
    }
}
