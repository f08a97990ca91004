//! Between plan and push: holds back the deletes that wait for a person (E4.5), and stops at a plan that is too odd to be
//! carried out unseen (E4.6).
//!
//! Invariant: nothing is written of a plan that a guard has stopped. An approval counts for the plan with exactly its
//! digest, and one for a delete until the record changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_core::{
    Asked, Breaker, ChangeKind, Pair, PairId, PairState, PlanCount, PlanItem, Reason, Ruling, Side, Surroundings,
    asked, tripped,
};

use crate::codec::{self, PAGE_ROWS};
use crate::run::{RunRequest, planned_page};
use crate::running::{RunOutcome, Running};
use crate::totals::Place;
use crate::{Batch, Failure, StoreTable};

/// What a person says about a plan, or about the deletes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The digest that was shown.
    pub digest: String,
    /// Whether it is to be carried out.
    pub is_yes: bool,
}

/// What the guards say about a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Guarded {
    /// The digest of the plan.
    pub digest: String,
    /// Why it is not carried out unless this digest is approved.
    pub breakers: Vec<Breaker>,
    /// The deletes in it that wait for a person; everything else may go on.
    pub waiting: Option<WaitingDeletes>,
    /// True if an answer was given about something else than this plan: then nothing is carried out.
    pub is_stale: bool,
    /// True if the run had carried out a plan before it came to this one, which only holds what came up meanwhile.
    #[serde(skip)]
    pub is_later: bool,
    /// Items that go on.
    #[serde(skip)]
    pub(crate) items: u64,
}

/// Deletes that wait for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingDeletes {
    /// How many.
    pub deletes: u64,
    /// What to approve or reject them with.
    pub digest: String,
}

impl Guarded {
    /// True if nothing of the plan is carried out.
    pub fn stops(&self) -> bool {
        self.is_stale || !self.breakers.is_empty()
    }

    /// Says why nothing is carried out, and what releases it.
    pub(crate) fn outcome(&self, sync: &syncline_core::SyncName) -> RunOutcome {
        let mut names: Vec<&str> = self.breakers.iter().map(Breaker::name).collect();
        names.dedup();
        let mut reasons: Vec<String> = self.breakers.iter().map(Breaker::to_string).collect();
        if self.is_stale {
            names.push("approval");
            reasons.insert(0, "the plan is not the one that the answer is about".to_owned());
        }
        let digest = &self.digest;
        let nothing = if self.is_later { "nothing more" } else { "nothing" };
        let why = format!(
            "{}; {nothing} was written: look at it with `syncline plan {sync}`, and carry it out with `syncline run {sync} \
             --approve {digest}`",
            reasons.join("; ")
        );
        RunOutcome::Blocked { breaker: names.join(","), why }
    }
}

/// What a sync had when its last run that was let through ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pairs: u64,
    live: [u64; 2],
    listed: [Option<u64>; 2],
}

/// Puts the pairs whose deletes wait on the list, so that this plan holds them too.
pub(crate) async fn bring_back(running: &Running<'_>) -> Result<(), Failure> {
    let synced = &running.synced;
    loop {
        let rows = synced.store.scan(synced.space, StoreTable::Held, Vec::new(), PAGE_ROWS).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (id, _) in rows {
            let pair = PairId(codec::number(&id));
            batch.delete(codec::held(synced.space, pair));
            synced.queue(&mut batch, 0, pair);
        }
        synced.store.commit(batch).await?;
    }
}

/// Holds the plan against the guards, and takes the deletes out of it that are not to be carried out now.
/// What was said about a plan is about the first one of a run.
pub(crate) async fn guard(
    running: &mut Running<'_>,
    request: &RunRequest<'_>,
    is_first: bool,
) -> Result<Guarded, Failure> {
    let (answer, shown) = match is_first {
        true => (request.answer.as_ref(), request.approve.shown()),
        false => (None, None),
    };
    let mut guarded = weigh(running).await?;
    if shown.is_some_and(|shown| shown != guarded.digest) {
        guarded.is_stale = true;
        return Ok(guarded);
    }
    let of_deletes = |guarded: &Guarded, answer: &Answer| {
        guarded.waiting.as_ref().is_some_and(|waiting| waiting.digest == answer.digest)
    };
    match answer {
        None => {}
        Some(answer) if answer.digest != guarded.digest && !of_deletes(&guarded, answer) => guarded.is_stale = true,
        Some(answer) if !answer.is_yes => {
            rule(running, Ruling::Rejected).await?;
            guarded = weigh(running).await?;
        }
        Some(answer) if answer.digest == guarded.digest => {
            believe(running, &guarded.breakers).await?;
            rule(running, Ruling::Approved).await?;
            guarded = Guarded { breakers: Vec::new(), waiting: None, ..guarded };
        }
        // The deletes are approved; the rest of the plan has to pass by itself.
        Some(_) if guarded.breakers.is_empty() => {
            rule(running, Ruling::Approved).await?;
            guarded.waiting = None;
        }
        Some(_) => {}
    }
    if let (Some(waiting), false) = (&guarded.waiting, guarded.stops()) {
        guarded.items -= waiting.deletes;
        rule(running, Ruling::Waiting).await?;
    }
    Ok(guarded)
}

/// Reads the plan and says what the guards make of it; deletes that a person has rejected go out of it.
pub(crate) async fn weigh(running: &mut Running<'_>) -> Result<Guarded, Failure> {
    let space = running.synced.space;
    let mut count = PlanCount::default();
    let mut after = 0;
    loop {
        let page = planned_page(running.synced.store, space, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let mut pairs = pairs_of(running, page.iter().filter(|(_, item)| matters(item))).await?;
        let mut batch = Batch::default();
        for (number, item) in &page {
            let pair = pairs.get_mut(&item.pair);
            let asked = pair.as_ref().map_or(Asked::NotAsked, |pair| asked(item, &pair.state));
            match (asked, pair) {
                (Asked::Ruled(Ruling::Rejected), Some(pair)) => {
                    batch.delete(codec::plan(space, *number));
                    rest(running, item.pair, pair, &mut batch);
                }
                (_, pair) => count.add(item, asked, pair.is_some_and(|pair| is_tried_again(pair))),
            }
        }
        if !batch.writes.is_empty() {
            codec::put(&mut batch, running.synced.state_key(), &running.state);
            running.synced.store.commit(batch).await?;
        }
    }
    let around = surroundings(running);
    let guards = &running.setup.guards;
    let deletes = count.asking_deletes();
    let waiting =
        guards.holds(deletes, around.pairs).then(|| WaitingDeletes { deletes, digest: count.asking.to_string() });
    Ok(Guarded {
        digest: count.digest.to_string(),
        breakers: tripped(guards, &around, &count),
        waiting,
        is_stale: false,
        is_later: false,
        items: count.items,
    })
}

/// Leaves a pair as it is, since nothing of it is to be written; what went wrong with an earlier write is over.
fn rest(running: &mut Running<'_>, id: PairId, pair: &mut Pair, batch: &mut Batch) {
    let before = Place::of(pair);
    if pair.trouble.take().is_some() {
        running.synced.put(batch, &mut running.state.totals, id, (Some(before), pair));
    }
    running.count(id, Some(pair.standing()));
}

/// True if a plan that was let through held what is planned for a pair, and it is tried again by itself. Trouble by itself
/// tells no such thing: a field that is left out may stand for months, and what was refused comes up when it has changed.
fn is_tried_again(pair: &Pair) -> bool {
    pair.trouble.as_ref().is_some_and(|trouble| {
        // Waiting for a budget is no failed attempt.
        let waits = matches!(trouble.reason, Reason::Quota | Reason::ProviderBudget);
        trouble.next_at.is_some() && (trouble.attempts > 0 || waits)
    })
}

/// True if guards look at the pair of an item too: it makes, takes away, or empties something.
fn matters(item: &PlanItem) -> bool {
    item.changes.iter().any(|change| match change.kind {
        ChangeKind::Update => change.fields.iter().any(|field| field.after.is_blank()),
        ChangeKind::Create | ChangeKind::Delete | ChangeKind::Archive => true,
        ChangeKind::Tag | ChangeKind::Restore { .. } => false,
    })
}

async fn pairs_of(
    running: &Running<'_>,
    items: impl Iterator<Item = &(u64, PlanItem)>,
) -> Result<BTreeMap<PairId, Pair>, Failure> {
    let ids: Vec<PairId> = items.map(|(_, item)| item.pair).collect();
    let pairs = running.synced.pairs(&ids).await?;
    Ok(ids.into_iter().zip(pairs).filter_map(|(id, pair)| Some((id, pair?))).collect())
}

fn surroundings(running: &Running<'_>) -> Surroundings {
    let both = |of: &dyn Fn(Side) -> Option<u64>| [of(Side::Left), of(Side::Right)];
    let live = Side::BOTH.map(|side| running.endpoint(side).state.live);
    let accepted = running.state.accepted;
    Surroundings {
        pairs: running.pairs_before,
        pairs_before: accepted.map(|accepted| accepted.pairs),
        live,
        live_before: accepted.map_or(live, |accepted| accepted.live),
        listed: both(&|side| running.endpoint(side).state.listed),
        listed_before: accepted.map_or([None, None], |accepted| accepted.listed),
    }
}

/// Notes what was said, or that nothing was said yet, with every delete of the plan that asks; those that are not
/// approved go out of it.
async fn rule(running: &mut Running<'_>, ruling: Ruling) -> Result<(), Failure> {
    let space = running.synced.space;
    let mut after = 0;
    loop {
        let page = planned_page(running.synced.store, space, after).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let mut pairs = pairs_of(running, page.iter().filter(|(_, item)| item.takes_away())).await?;
        let mut batch = Batch::default();
        for (number, item) in &page {
            let Some(pair) = pairs.get_mut(&item.pair) else { continue };
            if !matches!(asked(item, &pair.state), Asked::New | Asked::Waits) {
                continue;
            }
            let before = Place::of(pair);
            let Some(side) = item.changes.first().map(|change| change.side) else { continue };
            pair.state = PairState::DeleteWaits { gone: side.other(), item: item.digest(), ruling };
            pair.trouble = None;
            running.synced.put(&mut batch, &mut running.state.totals, item.pair, (Some(before), pair));
            if ruling == Ruling::Waiting {
                batch.put(codec::held(space, item.pair), Vec::new());
            }
            if ruling != Ruling::Approved {
                batch.delete(codec::plan(space, *number));
                running.count(item.pair, Some(pair.standing()));
            }
        }
        if !batch.writes.is_empty() {
            codec::put(&mut batch, running.synced.state_key(), &running.state);
            running.synced.store.commit(batch).await?;
        }
    }
}

/// Takes a person's word for it that a side that lists nothing has nothing: the next list tells what is gone.
async fn believe(running: &mut Running<'_>, breakers: &[Breaker]) -> Result<(), Failure> {
    for breaker in breakers {
        let Breaker::EmptySide { side, .. } = breaker else { continue };
        let endpoint = running.endpoint_mut(*side);
        if endpoint.state.live > 0 {
            endpoint.state.believes_empty = true;
            endpoint.state.swept_at = 0;
            endpoint.state.unswept = true;
            endpoint.commit(Batch::default()).await?;
        }
    }
    Ok(())
}

/// Notes what there is, for the next run to be held against.
pub(crate) fn accept(running: &mut Running<'_>) {
    let pairs = running.state.totals.joined;
    let around = surroundings(running);
    // Before there are pairs there is nothing to lose: the first run is the one that makes them.
    running.state.accepted = (pairs > 0).then_some(Accepted { pairs, live: around.live, listed: around.listed });
}
