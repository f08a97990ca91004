//! Before a pair is decided: which record stands on its other side, after merges, collisions and look-ups by key.

use std::collections::BTreeSet;

use syncline_core::{EntryId, Fate, Pair, PairId, PairState, Reason, RecordId, Side, key_digest};

use crate::creates::Unclear;
use crate::pairing::{Classified, classify};
use crate::patience::patiently;
use crate::planning::{Work, new_trouble};
use crate::replica::Known;
use crate::running::Running;
use crate::totals::Place;
use crate::{Failure, Found};

/// How long a pair waits for the record that its own was merged into, in milliseconds.
const MERGE_WAIT_MS: i64 = 5 * 60 * 1000;

/// How long a new record waits for what a create may have made, in milliseconds.
const UNCLEAR_WAIT_MS: i64 = 60 * 1000;

/// Gives a pair the record that its create made, once the pair that had it has let go of it.
pub(crate) async fn leave_collision(running: &Running<'_>, work: &mut Work) -> Result<(), Failure> {
    let PairState::PairCollision { side, into } = &work.pair.state else { return Ok(()) };
    let (side, into) = (*side, into.clone());
    if work.pair.id(side).is_some() {
        return Ok(());
    }
    let owner = other_owner(running, work, side, &into).await?;
    if owner.as_ref().is_some_and(|(_, pair)| !pair.is_free()) {
        return Ok(());
    }
    let known = running.endpoint(side).replica().get(std::slice::from_ref(&into)).await?.pop().flatten();
    *side.pick(&mut work.left, &mut work.right) = known;
    work.pair.set_id(side, Some(into));
    work.pair.state = PairState::Linked;
    swallow(running, work, side, owner).await
}

/// Returns the pair that has this record, if it is another one. A pair that had it once, and has another since, is none.
async fn other_owner(
    running: &Running<'_>,
    work: &Work,
    side: Side,
    record: &RecordId,
) -> Result<Option<(PairId, Pair)>, Failure> {
    let owner = running.synced.pairs_of(side, std::slice::from_ref(record)).await?.pop().flatten();
    let Some(owner) = owner.filter(|owner| *owner != work.id) else { return Ok(None) };
    let pair = running.synced.pair(owner).await?.filter(|pair| pair.id(side) == Some(record));
    Ok(pair.map(|pair| (owner, pair)))
}

/// A pair that another one has taken the record of.
pub(crate) struct Swallowed {
    pub(crate) id: PairId,
    pub(crate) place: Place,
    /// The last writes to it.
    pub(crate) writes: Vec<EntryId>,
    /// Its record on the other side, if that is there: it needs a pair of its own.
    pub(crate) left_behind: Option<(Side, RecordId)>,
}

/// Notes that `work` takes the record on `side` from the pair that had it.
async fn swallow(
    running: &Running<'_>,
    work: &mut Work,
    side: Side,
    owner: Option<(PairId, Pair)>,
) -> Result<(), Failure> {
    let Some((id, pair)) = owner else { return Ok(()) };
    let mut left_behind = pair.id(side.other()).filter(|other| work.pair.id(side.other()) != Some(other)).cloned();
    if let Some(other) = &left_behind {
        let known = running.endpoint(side.other()).replica().get(std::slice::from_ref(other)).await?.pop().flatten();
        left_behind = left_behind.filter(|_| matches!(known, Some(Known::Here(_))));
    }
    let left_behind = left_behind.map(|other| (side.other(), other));
    work.pair.join(&pair.writes());
    // Who first takes the one record of a pair and then the other leaves nothing behind.
    work.swallowed.retain(|taken| taken.id != id);
    work.swallowed.push(Swallowed { id, place: Place::of(&pair), writes: pair.writes(), left_behind });
    Ok(())
}

/// Moves a pair to the record that its own was merged into (E1.10).
pub(crate) async fn follow_merges(running: &Running<'_>, work: &mut Work) -> Result<(), Failure> {
    for side in Side::BOTH {
        let Some(Known::Gone(Fate::MergedInto(into))) = work.known(side) else {
            let collides = matches!(&work.pair.state, PairState::PairCollision { side: at, .. } if *at == side);
            if collides && work.pair.id(side).is_some() {
                // It is no longer said to be merged: it came back, or what it was merged into is gone as well.
                work.pair.state = PairState::Linked;
            }
            continue;
        };
        let (mut into, mut survivor) = end_of_merges(running, side, into.clone()).await?;
        // It waited for a read, or what followed from that has failed since.
        let waited = work.before.trouble.is_some();
        if survivor.is_none() && waited {
            // One that came and went between two reads is never named by any of them.
            match where_it_is(running, side, &into).await? {
                Some(Found::Gone(tombstone)) => survivor = Some(Known::Gone(tombstone.fate)),
                Some(Found::Moved { id, .. }) => (into, survivor) = end_of_merges(running, side, id).await?,
                Some(Found::At(_) | Found::Unclear(_)) | None => {}
            }
            work.pair.trouble.take_if(|trouble| trouble.attempts == 0);
        }
        if matches!(survivor, Some(Known::Gone(_))) {
            // Gone in the end: what is left of the pair is decided as after any other delete.
            if matches!(work.pair.state, PairState::PairCollision { .. }) {
                work.pair.state = PairState::Linked;
            }
            continue;
        }
        let owner = other_owner(running, work, side, &into).await?;
        let is_alone = work.pair.id(side.other()).is_none();
        let is_free = owner.as_ref().is_none_or(|(_, pair)| pair.is_free());
        // What a create may have made for it comes to light later, and goes on with what it was merged into.
        let may_have_one = is_free && matches!(work.pair.state, PairState::Creating { .. });
        if is_alone && owner.is_some() && !may_have_one {
            // It leaves nothing to decide: it ends with its merge, and the other pair stays what it is.
            continue;
        }
        if !is_free {
            work.pair.state = PairState::PairCollision { side, into };
            continue;
        }
        if survivor.is_none() {
            let now = running.context.world.now();
            let waiting = format!("it was merged into {into}, which has not been read yet");
            let mut trouble = new_trouble(Reason::Retrying, Some(side), None, waiting, now);
            trouble.next_at = Some(now + MERGE_WAIT_MS);
            work.pair.trouble = Some(trouble);
            continue;
        }
        if let Some(old) = work.pair.id(side).cloned() {
            work.pair.aliases.push((side, old));
        }
        work.pair.set_id(side, Some(into));
        if matches!(work.pair.state, PairState::PairCollision { .. }) {
            // What it was merged into has lost its own counterpart since.
            work.pair.state = PairState::Linked;
        }
        *side.pick(&mut work.left, &mut work.right) = survivor;
        swallow(running, work, side, owner).await?;
    }
    Ok(())
}

/// Asks the application about a record; where nothing can be looked up by id, only reads tell.
async fn where_it_is(running: &Running<'_>, side: Side, id: &RecordId) -> Result<Option<Found>, Failure> {
    let endpoint = running.endpoint(side);
    if !endpoint.described.object.abilities.get {
        return Ok(None);
    }
    let connector = &endpoint.setup.connector;
    let mut answer = patiently(running.context, side, endpoint.setup, "looking for a merged record in", || {
        connector.get(endpoint.setup.target(), vec![id.clone()], endpoint.state.layout.columns.clone())
    })
    .await?;
    Ok(answer.found.pop())
}

/// Follows merges of merges, and returns what is known of the record at their end.
pub(crate) async fn end_of_merges(
    running: &Running<'_>,
    side: Side,
    first: RecordId,
) -> Result<(RecordId, Option<Known>), Failure> {
    let replica = running.endpoint(side).replica();
    let mut passed = BTreeSet::new();
    let mut into = first;
    loop {
        let known = replica.get(std::slice::from_ref(&into)).await?.pop().flatten();
        match known {
            Some(Known::Gone(Fate::MergedInto(next))) if passed.insert(next.clone()) => into = next,
            known => return Ok((into, known)),
        }
    }
}

/// Notes that the key of a pair was edited to nothing, or to one that others have too (E1.9); the pair stays.
pub(crate) async fn remark(running: &Running<'_>, work: &mut Work) -> Result<(), Failure> {
    let Some(tuple) = running.setup.rules.matching.tuples.first() else { return Ok(()) };
    if work.pair.state != PairState::Linked {
        return Ok(());
    }
    let mut remark = None;
    for side in Side::BOTH {
        let Some(record) = work.record(side) else { continue };
        let is_edited = tuple.fields(side).iter().any(|key| {
            let mut agreed = work.pair.base.with(side, &key.field);
            record.get(&key.field).is_some_and(|value| agreed.any(|cell| value != cell.value(side)))
        });
        if !is_edited && work.pair.remark.is_none() {
            continue;
        }
        match key_digest(record, tuple.fields(side)) {
            None => remark = Some(Reason::NoKey),
            Some(digest) => {
                let same = running.endpoint(side).replica().with_key(tuple.fields(side), &digest).await?;
                if same.len() > 1 {
                    remark = Some(Reason::KeyCollision);
                }
            }
        }
    }
    work.pair.remark = remark;
    Ok(())
}

/// Returns the side of the one record of a pair that may still find its counterpart.
pub(crate) fn seeking_side(pair: &Pair) -> Option<Side> {
    let seeks = match pair.state {
        PairState::Creating { .. } | PairState::Single | PairState::NoKey => true,
        PairState::Ambiguous { .. } | PairState::OutOfScope { .. } => true,
        PairState::Linked | PairState::Tombstone { .. } | PairState::EditDelete { .. } => false,
        PairState::DeleteWaits { .. } | PairState::PairCollision { .. } => false,
    };
    pair.only_side().filter(|_| seeks)
}

/// Looks for the counterpart of a record that has none.
pub(crate) async fn find_counterpart(running: &Running<'_>, work: &mut Work, unclear: &Unclear) -> Result<(), Failure> {
    let is_creating = matches!(work.pair.state, PairState::Creating { .. });
    let Some(side) = seeking_side(&work.pair) else { return Ok(()) };
    let Some(Known::Here(record)) = work.known(side) else { return Ok(()) };
    let matching = &running.setup.rules.matching;
    let (other, chosen) = match classify(&running.synced, matching, &running.left, &running.right, side, record).await?
    {
        Classified::Match(other, chosen) => (other, chosen),
        // What became of the create is not known yet.
        Classified::Alone(..) if is_creating => return Ok(()),
        Classified::Alone(state, chosen) => {
            let waits = unclear.may_have_made(side, record);
            work.pair.state = state;
            work.pair.chosen = chosen;
            if waits {
                let now = running.context.world.now();
                let waiting = "it may have been made by a create whose outcome is not known yet".to_owned();
                let mut trouble = new_trouble(Reason::Uncertain, Some(side), None, waiting, now);
                trouble.next_at = Some(now + UNCLEAR_WAIT_MS);
                work.pair.trouble = Some(trouble);
            }
            return Ok(());
        }
    };
    let target = side.other();
    if let Some((owner, taken)) = other_owner(running, work, target, &other).await? {
        // The pair keeps its aliases and its count of creates, whichever of the two it was.
        work.pair.aliases.extend(taken.aliases.iter().cloned());
        let sent = u32::from(matches!(taken.state, PairState::Creating { .. }));
        work.pair.generation = work.pair.generation.max(taken.generation + sent);
        swallow(running, work, target, Some((owner, taken))).await?;
    }
    if is_creating {
        work.pair.generation += 1;
    }
    work.pair.trouble = None;
    work.pair.chosen = chosen;
    work.pair.set_id(target, Some(other.clone()));
    work.pair.state = PairState::Linked;
    *target.pick(&mut work.left, &mut work.right) =
        running.endpoint(target).replica().get(&[other]).await?.pop().flatten();
    Ok(())
}
