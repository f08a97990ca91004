//! What is kept about a sync: its pairs, and which of them are to be looked at.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use syncline_core::{
    Conflict, Endpoint, EntryId, Instant, Pair, PairId, PairState, Reason, RecordId, RunId, Scope, Side, SyncName,
};

use crate::codec::{self, PAGE_ROWS};
use crate::guards::{Accepted, WaitingDeletes};
use crate::renewed::KnownMappings;
use crate::totals::{Place, Totals};
use crate::{Batch, Failure, Key, Space, Store, StoreError, StoreTable, Write, endpoint, spaces};

/// What is kept about a sync beside its pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncState {
    /// The number of the next pair.
    pub(crate) next_pair: u64,
    /// The number of the last plan item.
    pub(crate) next_plan: u64,
    /// The run that has begun and not ended.
    pub(crate) open_run: Option<RunId>,
    /// The number of the next conflict.
    pub(crate) next_conflict: u64,
    /// Up to where the change sequence of each side has been noticed, left then right.
    pub(crate) noticed: [u64; 2],
    /// The mappings that all pairs were last planned with.
    pub(crate) mappings: KnownMappings,
    /// The digest of the rules that all pairs were last planned with.
    pub(crate) rules: [u8; 32],
    /// The endpoints of both sides, for telling that the configuration now names others.
    pub(crate) endpoints: Option<[syncline_core::Endpoint; 2]>,
    /// True once both sides have been matched as a whole.
    pub(crate) matched: bool,
    /// Its pairs in numbers.
    pub(crate) totals: Totals,
    /// The scope that the last run went by; none before the first.
    pub(crate) scope: Option<Scope>,
    /// The number of the last version of the rules.
    pub(crate) rules_version: u32,
    /// The digest of the rules that the last run went by; a plan alone does not count.
    pub(crate) rules_run: [u8; 32],
    /// What there was when the last run that was let through ended; none before the first.
    pub(crate) accepted: Option<Accepted>,
    /// The deletes that wait for a person.
    pub(crate) waiting: Option<WaitingDeletes>,
}

/// A conflict as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptConflict {
    /// Its number within the sync.
    pub number: u64,
    /// The pair.
    pub pair: PairId,
    /// The run that found it.
    pub run: RunId,
    /// When.
    pub at: Instant,
    /// What it is about, and how it was decided. An open one that its pair does not name any more went away by itself.
    pub conflict: Conflict,
}

/// A sync's share of the store.
#[derive(Clone, Copy)]
pub(crate) struct Synced<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) space: Space,
}

impl<'a> Synced<'a> {
    pub(crate) async fn open(store: &'a dyn Store, name: &SyncName) -> Result<Self, StoreError> {
        Ok(Self { store, space: spaces::sync_space(store, name).await? })
    }

    pub(crate) fn state_key(&self) -> Key {
        codec::meta(self.space, "state")
    }

    pub(crate) async fn state(&self) -> Result<SyncState, StoreError> {
        Ok(codec::load(self.store, self.state_key()).await?.unwrap_or_default())
    }

    pub(crate) async fn pair(&self, id: PairId) -> Result<Option<Pair>, StoreError> {
        codec::load(self.store, codec::pair(self.space, id)).await
    }

    pub(crate) async fn pairs(&self, ids: &[PairId]) -> Result<Vec<Option<Pair>>, StoreError> {
        codec::load_all(self.store, ids.iter().map(|id| codec::pair(self.space, *id)).collect()).await
    }

    /// Returns the pairs to which records of `side` belong.
    pub(crate) async fn pairs_of(&self, side: Side, ids: &[RecordId]) -> Result<Vec<Option<PairId>>, StoreError> {
        codec::load_all(self.store, ids.iter().map(|id| codec::pair_back(self.space, side, id)).collect()).await
    }

    /// Returns a page of pairs after `after`.
    pub(crate) async fn scan(&self, after: Option<PairId>, limit: usize) -> Result<Vec<(PairId, Pair)>, StoreError> {
        let from = after.map_or_else(Vec::new, |id| id.0.to_be_bytes().to_vec());
        let rows = self.store.scan(self.space, StoreTable::Pair, from, limit).await?;
        rows.into_iter()
            .map(|(id, bytes)| {
                let id = PairId(codec::number(&id));
                Ok((id, codec::decode(&codec::pair(self.space, id), &bytes)?))
            })
            .collect()
    }

    /// Writes a pair and the way back to it from its records; `before` is where it was counted so far.
    pub(crate) fn put(
        &self,
        batch: &mut Batch,
        totals: &mut Totals,
        id: PairId,
        (before, pair): (Option<Place>, &Pair),
    ) {
        if let Some(before) = before {
            totals.take(before);
        }
        totals.add(Place::of(pair));
        codec::put(batch, codec::pair(self.space, id), pair);
        for side in Side::BOTH {
            let aliases = pair.aliases.iter().filter(|(on, _)| *on == side).map(|(_, id)| id);
            for record in pair.id(side).into_iter().chain(aliases) {
                codec::put(batch, codec::pair_back(self.space, side, record), &id);
            }
        }
    }

    /// Begins the pair of a record that has none, or has one no longer: `earlier` are the last writes to that.
    pub(crate) fn begin(
        &self,
        batch: &mut Batch,
        state: &mut SyncState,
        side: Side,
        record: RecordId,
        earlier: Option<&[EntryId]>,
    ) -> PairId {
        /// Sets the create keys of a record's later pairs apart from those of its first: what these made is another's.
        const LATER: u32 = 1 << 31;
        let id = PairId(state.next_pair);
        state.next_pair += 1;
        let mut single = Pair::single(side, record);
        if let Some(writes) = earlier {
            single.generation = LATER | u32::try_from(id.0 % u64::from(LATER)).unwrap_or_default();
            single.join(writes);
        }
        self.put(batch, &mut state.totals, id, (None, &single));
        id
    }

    /// Drops a pair whose records belong to another one now, or to none.
    ///
    /// The way back from the latter stays: it tells that the record had a pair before.
    pub(crate) fn drop_pair(&self, batch: &mut Batch, totals: &mut Totals, (id, before): (PairId, Place)) {
        totals.take(before);
        batch.delete(codec::pair(self.space, id));
        batch.delete(codec::waiting(self.space, id));
    }

    /// Puts a pair on the list of those to look at, from `due` on.
    pub(crate) fn queue(&self, batch: &mut Batch, due: Instant, id: PairId) {
        batch.put(codec::recheck(self.space, due, id), Vec::new());
    }

    /// Takes a pair off the list.
    pub(crate) fn unqueue(&self, batch: &mut Batch, due: Instant, id: PairId) {
        batch.delete(codec::recheck(self.space, due, id));
    }

    /// Returns the pairs to look at by `now`, after `after`, in the order of due time and number.
    pub(crate) async fn queued(
        &self,
        now: Instant,
        after: Option<(Instant, PairId)>,
    ) -> Result<Vec<(Instant, PairId)>, StoreError> {
        let from = after.map_or_else(Vec::new, |(due, id)| codec::recheck(self.space, due, id).id);
        let rows = self.store.scan(self.space, StoreTable::Recheck, from, PAGE_ROWS).await?;
        let entries = rows.into_iter().map(|(id, _)| {
            let pair = id.get(8..).map_or(0, codec::number);
            (codec::number(&id).cast_signed(), PairId(pair))
        });
        Ok(entries.take_while(|(due, _)| *due <= now).collect())
    }

    /// Returns the pairs whose time has come by `now`, each once, in pages; `after` says where to go on, and none is the end.
    ///
    /// Pairs that are on the list without a time wait for nothing, and are left out.
    pub(crate) async fn due(
        &self,
        now: Instant,
        after: &mut Option<(Instant, PairId)>,
    ) -> Result<Option<Vec<(PairId, Pair)>>, StoreError> {
        let page = self.queued(now, Some(after.unwrap_or((0, PairId(u64::MAX))))).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = Some(*last);
        let ids: BTreeSet<PairId> = page.into_iter().map(|(_, id)| id).collect();
        let ids: Vec<PairId> = ids.into_iter().collect();
        let pairs = self.pairs(&ids).await?;
        Ok(Some(ids.into_iter().zip(pairs).filter_map(|(id, pair)| Some((id, pair?))).collect()))
    }

    /// Returns when the next pair is to be looked at.
    pub(crate) async fn next_due(&self) -> Result<Option<Instant>, StoreError> {
        let rows = self.store.scan(self.space, StoreTable::Recheck, Vec::new(), 1).await?;
        Ok(rows.first().map(|(id, _)| codec::number(id).cast_signed()))
    }

    /// Puts every pair on the list, since the rules have changed.
    pub(crate) async fn queue_all(&self, state: &mut SyncState) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let page = self.scan(after, PAGE_ROWS).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let mut batch = Batch::default();
            for (id, mut pair) in page {
                // A create with an unknown outcome is no matter of rules; its trouble says when it is looked up.
                if matches!(pair.state, PairState::Creating { .. }) {
                    continue;
                }
                let before = Place::of(&pair);
                // What was refused under the old rules may pass under the new ones; what is not known stays so.
                if pair.trouble.take_if(|trouble| trouble.reason != Reason::Uncertain).is_some() {
                    self.put(&mut batch, &mut state.totals, id, (Some(before), &pair));
                }
                self.queue(&mut batch, 0, id);
            }
            codec::put(&mut batch, self.state_key(), state);
            self.store.commit(batch).await?;
        }
    }
}

/// Forgets all that is known of a sync, and all that was read of its two endpoints: pairs with their bases, plan,
/// conflicts, replicas.
///
/// What was written stays where it is; the next run reads and matches both sides anew.
pub async fn forget(store: &dyn Store, name: &SyncName, endpoints: [&Endpoint; 2]) -> Result<(), StoreError> {
    let synced = Synced::open(store, name).await?;
    let tables = [
        StoreTable::Pair,
        StoreTable::PairBack,
        StoreTable::Plan,
        StoreTable::Conflict,
        StoreTable::Recheck,
        StoreTable::Held,
        StoreTable::Waiting,
        StoreTable::Meta,
    ];
    let mut batch = Batch::default();
    for table in tables {
        batch.writes.push(Write::DeleteRange { space: synced.space, table, from: Vec::new(), to: None });
    }
    for endpoint in endpoints {
        endpoint::forget_reads(spaces::endpoint_space(store, endpoint).await?, &mut batch);
    }
    store.commit(batch).await.map(|_| ())
}
