//! Finds who belongs to whom: both sides as a whole once, then each record that is new (E1).
//!
//! Invariant: keys only create pairs; a pair stays whatever is edited later (E1.9).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use syncline_core::{
    Candidate, Chosen, Claim, Doubles, KeyDigest, KeyTuple, Matching, Pair, PairId, PairState, Record, RecordId, Side,
    Verdict, WithoutKey, judge, key_digest,
};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::replica::{Known, tuple_number};
use crate::synced::{SyncState, Synced};
use crate::{Batch, Failure, Space, Store, StoreError, StoreTable};

/// Matches all of both sides: a merge-join of two ordered scans of key digests, so that memory stays constant.
///
/// Pairs only records that are each other's one candidate under the first key tuple; what is left is looked at record
/// by record when it is planned. Repeating it changes nothing.
pub(crate) async fn match_all(
    synced: &Synced<'_>,
    tuple: &KeyTuple,
    left: &EndpointAccess<'_>,
    right: &EndpointAccess<'_>,
    state: &mut SyncState,
) -> Result<u64, Failure> {
    let mut left_keys = Keys::new(left.store(), left.space, tuple_number(&tuple.left));
    let mut right_keys = Keys::new(right.store(), right.space, tuple_number(&tuple.right));
    let mut left_group = left_keys.next_group().await?;
    let mut right_group = right_keys.next_group().await?;
    let mut found = Vec::new();
    let mut matched = 0;
    while let (Some(left), Some(right)) = (&left_group, &right_group) {
        let order = left.digest.cmp(&right.digest);
        if order == Ordering::Equal
            && let ([left], [right]) = (left.ids.as_slice(), right.ids.as_slice())
        {
            found.push((left.clone(), right.clone()));
        }
        if order != Ordering::Greater {
            left_group = left_keys.next_group().await?;
        }
        if order != Ordering::Less {
            right_group = right_keys.next_group().await?;
        }
        if found.len() >= PAGE_ROWS {
            matched += link(synced, std::mem::take(&mut found), state).await?;
        }
    }
    matched += link(synced, found, state).await?;
    Ok(matched)
}

/// Makes pairs of records that have none yet.
async fn link(synced: &Synced<'_>, found: Vec<(RecordId, RecordId)>, state: &mut SyncState) -> Result<u64, Failure> {
    let (left, right): (Vec<RecordId>, Vec<RecordId>) = found.into_iter().unzip();
    let left_pairs = synced.pairs_of(Side::Left, &left).await?;
    let right_pairs = synced.pairs_of(Side::Right, &right).await?;
    let mut batch = Batch::default();
    let mut matched = 0;
    for (((left, right), left_pair), right_pair) in left.into_iter().zip(right).zip(left_pairs).zip(right_pairs) {
        if left_pair.is_none() && right_pair.is_none() {
            let id = PairId(state.next_pair);
            state.next_pair += 1;
            synced.put(&mut batch, &mut state.totals, id, (None, &Pair::linked(left, right)));
            matched += 1;
        }
    }
    codec::put(&mut batch, synced.state_key(), state);
    synced.store.commit(batch).await?;
    Ok(matched)
}

/// All records of one side with one key.
struct Group {
    digest: KeyDigest,
    ids: Vec<RecordId>,
}

/// Reads the match keys of one tuple in order, grouped by digest.
struct Keys<'a> {
    store: &'a dyn Store,
    space: Space,
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    page: std::collections::VecDeque<(KeyDigest, RecordId)>,
    ended: bool,
}

impl<'a> Keys<'a> {
    fn new(store: &'a dyn Store, space: Space, tuple: u64) -> Self {
        let prefix = tuple.to_be_bytes().to_vec();
        Self { store, space, prefix, after: None, page: std::collections::VecDeque::new(), ended: false }
    }

    async fn peek(&mut self) -> Result<Option<&(KeyDigest, RecordId)>, StoreError> {
        if self.page.is_empty() && !self.ended {
            let rows = codec::scan_prefix(
                self.store,
                self.space,
                StoreTable::MatchKey,
                &self.prefix,
                self.after.as_deref(),
                PAGE_ROWS,
            )
            .await?;
            self.ended = rows.len() < PAGE_ROWS;
            self.after = rows.last().map(|(id, _)| id.clone());
            self.page.extend(rows.into_iter().filter_map(|(id, _)| {
                let digest: KeyDigest = id.get(8..24)?.try_into().ok()?;
                Some((digest, RecordId::new(codec::text(&id, 24))))
            }));
        }
        Ok(self.page.front())
    }

    async fn next_group(&mut self) -> Result<Option<Group>, StoreError> {
        let Some((digest, _)) = self.peek().await? else { return Ok(None) };
        let mut group = Group { digest: *digest, ids: Vec::new() };
        while let Some((digest, _)) = self.peek().await? {
            if *digest != group.digest {
                break;
            }
            group.ids.extend(self.page.pop_front().map(|(_, id)| id));
        }
        Ok(Some(group))
    }
}

/// Looks for the counterpart of a record that has none, and gives the state that its pair then has (E1.5, E1.6).
pub(crate) async fn classify(
    synced: &Synced<'_>,
    matching: &Matching,
    left: &EndpointAccess<'_>,
    right: &EndpointAccess<'_>,
    side: Side,
    record: &Record,
) -> Result<Classified, Failure> {
    let Matching { tuples, doubles, without_key } = matching;
    let mut has_key = tuples.is_empty() || *without_key == WithoutKey::Create;
    let mut stands = None;
    for (index, tuple) in tuples.iter().enumerate() {
        let Some(digest) = key_digest(record, tuple.fields(side)) else { continue };
        has_key = true;
        let mut group = [Vec::new(), Vec::new()];
        for (on, candidates) in Side::BOTH.into_iter().zip(&mut group) {
            let endpoint = on.pick(left, right);
            let ids = endpoint.replica().with_key(tuple.fields(on), &digest).await?;
            *candidates = candidates_of(synced, endpoint, on, ids, *doubles).await?;
            if index > 0 {
                // A later tuple is only for records that the earlier ones left unpaired (E1.3). Where one of several may
                // be taken, those that were taken keep the others from being created as doubles.
                candidates.retain(|candidate| *doubles != Doubles::Hold || candidate.claim != Claim::Taken);
                drop_earlier_matches(&tuples[..index], left, right, on, candidates).await?;
            }
        }
        match judge(*doubles, side, &record.id, &group[0], &group[1]) {
            Verdict::Match(other, chosen) => return Ok(Classified::Match(other, chosen.or(stands))),
            Verdict::Ambiguous { same_side, other_side } => {
                return Ok(Classified::Alone(PairState::Ambiguous { same_side, other_side }, None));
            }
            Verdict::Alone(chosen) => stands = stands.or(chosen),
        }
    }
    Ok(Classified::Alone(if has_key { PairState::Single } else { PairState::NoKey }, stands))
}

/// What was found for a record without counterpart.
pub(crate) enum Classified {
    /// This record of the other side, and why just this one.
    Match(RecordId, Option<Chosen>),
    /// None; the pair has this state. Why this record stands for all with its key, if there are several.
    Alone(PairState, Option<Chosen>),
}

async fn candidates_of(
    synced: &Synced<'_>,
    endpoint: &EndpointAccess<'_>,
    side: Side,
    ids: Vec<RecordId>,
    doubles: Doubles,
) -> Result<Vec<Candidate>, Failure> {
    let back = synced.pairs_of(side, &ids).await?;
    let known: Vec<PairId> = back.iter().flatten().copied().collect();
    let pairs = synced.pairs(&known).await?;
    let claims: BTreeMap<PairId, Claim> =
        known.into_iter().zip(&pairs).map(|(id, pair)| (id, pair.as_ref().map_or(Claim::Free, claim))).collect();
    // Only where one of several is to be chosen the times tell anything.
    let rows = match doubles {
        Doubles::Oldest | Doubles::Newest if ids.len() > 1 => endpoint.replica().get(&ids).await?,
        _ => vec![None; ids.len()],
    };
    let candidate = |((id, pair), known): ((RecordId, Option<PairId>), Option<Known>)| {
        let (created_at, modified_at) = match known {
            Some(Known::Here(record)) => (record.created_at, record.modified_at),
            Some(Known::Gone(_)) | None => (None, None),
        };
        let claim = pair.and_then(|pair| claims.get(&pair)).copied().unwrap_or(Claim::Free);
        Candidate { id, claim, created_at, modified_at }
    };
    Ok(ids.into_iter().zip(back).zip(rows).map(candidate).collect())
}

/// Says whether the record of a pair may turn out to be the counterpart of another.
fn claim(pair: &Pair) -> Claim {
    match pair.state {
        PairState::Creating { .. } => Claim::Creating,
        _ if pair.is_free() => Claim::Free,
        _ => Claim::Taken,
    }
}

/// Drops the candidates that share an earlier key with anybody on the other side: that tuple decides about them.
async fn drop_earlier_matches(
    earlier: &[KeyTuple],
    left: &EndpointAccess<'_>,
    right: &EndpointAccess<'_>,
    side: Side,
    candidates: &mut Vec<Candidate>,
) -> Result<(), Failure> {
    let ids: Vec<RecordId> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
    let own = side.pick(left, right).replica().get(&ids).await?;
    let mut kept = Vec::new();
    for (candidate, known) in candidates.drain(..).zip(own) {
        let Some(Known::Here(record)) = known else { continue };
        let mut decided = false;
        for tuple in earlier {
            if let Some(digest) = key_digest(&record, tuple.fields(side)) {
                let other = side.other();
                let others = other.pick(left, right).replica().with_key(tuple.fields(other), &digest).await?;
                decided |= !others.is_empty();
            }
        }
        if !decided {
            kept.push(candidate);
        }
    }
    *candidates = kept;
    Ok(())
}
