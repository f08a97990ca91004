//! Carries out what a person decides about a record whose counterpart was deleted (E4.4): it is created again on the other
//! side, the two are no pair any more, or it is deleted too.
//!
//! Invariant: nothing is written unless the record is there and its counterpart is still gone when both are looked at,
//! and nothing but what was shown, if it was.

use syncline_core::{ChangeKind, Decision, Pair, PairId, PairState, PlanItem, Record, RecordId, Side, take_away};

use crate::counterpart::find_counterpart;
use crate::creates::Unclear;
use crate::mapped::Mapper;
use crate::planning::{Work, read_records};
use crate::replica::Known;
use crate::report::Asked;
use crate::running::{RunKind, RunOutcome, RunRecord, Running};
use crate::setup::{Context, SyncSetup};
use crate::totals::Place;
use crate::waiting::{self, WaitingReference};
use crate::{Batch, Failure, codec, directed, pull, recover};

/// What a person decides about a record whose counterpart was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is created again on the side where it was deleted.
    Recreate,
    /// It stays, and the one that was deleted is forgotten: should that come back, it is another record.
    Unpair,
    /// It is deleted too.
    Delete,
}

/// What a decision does.
#[derive(Clone, Debug, PartialEq)]
pub struct RemedyPlan {
    /// The side of the record that is there.
    pub side: Side,
    /// That record.
    pub record: RecordId,
    /// The one that was deleted; none if it was forgotten before.
    pub gone: Option<RecordId>,
    /// What is written; nothing for [`Remedy::Unpair`].
    pub item: Option<PlanItem>,
}

/// Looks at both sides and says what a decision would do. Nothing is written to any application.
pub async fn plan_remedy(
    context: &Context,
    setup: &SyncSetup,
    asked: &Asked,
    remedy: Remedy,
) -> Result<RemedyPlan, Failure> {
    let mut running = Running::open(context, setup, RunKind::Resolve).await?;
    recover::recover(&mut running).await?;
    Ok(decide(&mut running, asked, remedy).await?.plan)
}

/// Carries a decision out; with `shown` only if it still does exactly that.
///
/// What was to be created again and could not be is tried again by the next runs, also after a crash; any other decision
/// that a crash cut short can be given again.
pub async fn remedy(
    context: &Context,
    setup: &SyncSetup,
    asked: &Asked,
    remedy: Remedy,
    shown: Option<&RemedyPlan>,
) -> Result<RunRecord, Failure> {
    let mut running = Running::open(context, setup, RunKind::Resolve).await?;
    recover::recover(&mut running).await?;
    let Decided { id, pair, plan, waiting } = decide(&mut running, asked, remedy).await?;
    let digest = |plan: &RemedyPlan| plan.item.as_ref().map(PlanItem::digest);
    if shown.is_some_and(|shown| digest(shown) != digest(&plan) || shown.record != plan.record) {
        return Err(Failure::Request(format!("{} has changed since it was shown; look at it again", plan.record)));
    }
    match plan.item {
        Some(item) => {
            if remedy == Remedy::Recreate {
                let mut batch = Batch::default();
                let single = Pair { state: PairState::Single, ..let_go(&pair, plan.side) };
                put(&mut running, id, &pair, &single, &mut batch);
                running.synced.queue(&mut batch, 0, id);
                waiting::keep(&running.synced, id, &waiting, true, &mut batch);
                running.synced.store.commit(batch).await?;
            }
            let total = item.changes.len() as u64;
            directed::plan(&mut running, &[item]).await?;
            directed::carry_out(&mut running, total).await?;
        }
        None => unpair(&mut running, id, &pair, plan.side).await?,
    }
    Ok(running.run.clone())
}

/// Forgets the counterpart: a run of its own that writes nothing.
async fn unpair(running: &mut Running<'_>, id: PairId, pair: &Pair, side: Side) -> Result<(), Failure> {
    running.begin().await?;
    running.see(id);
    let alone = let_go(pair, side);
    running.count(id, Some(alone.standing()));
    let mut batch = Batch::default();
    put(running, id, pair, &alone, &mut batch);
    running.synced.store.commit(batch).await?;
    running.end(RunOutcome::Ok, true).await
}

fn put(running: &mut Running<'_>, id: PairId, before: &Pair, pair: &Pair, batch: &mut Batch) {
    running.synced.put(batch, &mut running.state.totals, id, (Some(Place::of(before)), pair));
    codec::put(batch, running.synced.state_key(), &running.state);
}

/// The pair of a record whose counterpart is forgotten, with what both agreed on: nobody creates for it by himself (E4.4).
fn let_go(pair: &Pair, side: Side) -> Pair {
    let gone = side.other();
    let mut alone = pair.clone();
    alone.set_id(gone, None);
    alone.aliases.retain(|(on, _)| *on != gone);
    alone.state = PairState::Tombstone { gone: Some(gone), undone: false };
    alone.base = Default::default();
    alone.chosen = None;
    alone.open_conflicts.clear();
    alone.quarantined.clear();
    (alone.remark, alone.trouble) = (None, None);
    alone
}

/// A decision about one pair.
struct Decided {
    id: PairId,
    pair: Pair,
    plan: RemedyPlan,
    /// References that the new counterpart does not get yet (E10.1).
    waiting: Vec<WaitingReference>,
}

async fn decide(running: &mut Running<'_>, asked: &Asked, remedy: Remedy) -> Result<Decided, Failure> {
    let (id, pair, side) = find(running, asked).await?;
    let Some(own) = pair.id(side).cloned() else { return Err(request("its record is not known any more")) };
    let gone = pair.id(side.other()).cloned();
    let record = look(running, side, &own).await?;
    let Some(record) = record else {
        return Err(Failure::Request(format!("{own} on the {side} side is gone too; there is nothing to decide")));
    };
    if let Some(gone) = &gone
        && look(running, side.other(), gone).await?.is_some()
    {
        let back = format!("{gone} on the {} side is there again; run the sync, and the pair goes on", side.other());
        return Err(Failure::Request(back));
    }
    let mut waiting = Vec::new();
    let item = match remedy {
        Remedy::Recreate => Some(recreate(running, id, &pair, side, &mut waiting).await?),
        Remedy::Delete => Some(delete(running, id, &pair, side, &record)?),
        Remedy::Unpair if gone.is_none() => return Err(request("its counterpart has been forgotten already")),
        Remedy::Unpair => None,
    };
    Ok(Decided { id, pair, plan: RemedyPlan { side, record: own, gone, item }, waiting })
}

fn request(text: &str) -> Failure {
    Failure::Request(text.to_owned())
}

/// Finds the pair that is meant, and the side whose record is there.
async fn find(running: &Running<'_>, asked: &Asked) -> Result<(PairId, Pair, Side), Failure> {
    let mut ids = Vec::new();
    match asked {
        Asked::Pair(id) => ids.push(*id),
        Asked::Record(record) => {
            for side in Side::BOTH {
                ids.extend(running.synced.pairs_of(side, std::slice::from_ref(record)).await?.into_iter().flatten());
            }
            ids.dedup();
        }
    }
    let pairs = running.synced.pairs(&ids).await?;
    let known: Vec<(PairId, Pair)> = ids.into_iter().zip(pairs).filter_map(|(id, pair)| Some((id, pair?))).collect();
    let sync = &running.setup.name;
    if known.is_empty() {
        return Err(Failure::Request(format!("the sync {sync} knows no such record; see `syncline records {sync}`")));
    }
    let mut bereft = known.into_iter().filter_map(|(id, pair)| {
        let side = survivor(&pair)?;
        Some((id, pair, side))
    });
    match (bereft.next(), bereft.next()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(Failure::Request(format!(
            "there are two such records; name its pair, as `syncline records {sync}` does"
        ))),
        (None, _) => Err(Failure::Request(format!(
            "no run has found that its counterpart was deleted; see `syncline explain {sync} RECORD`"
        ))),
    }
}

/// Returns the side whose record outlived the other one.
fn survivor(pair: &Pair) -> Option<Side> {
    match pair.state {
        PairState::Tombstone { gone, .. } => gone.map(Side::other),
        PairState::EditDelete { gone } | PairState::DeleteWaits { gone, .. } => Some(gone.other()),
        PairState::Single
        | PairState::NoKey
        | PairState::Ambiguous { .. }
        | PairState::OutOfScope { .. }
        | PairState::Creating { .. }
        | PairState::Linked
        | PairState::PairCollision { .. } => None,
    }
}

/// Reads a record as it is now, if it is there.
async fn look(running: &mut Running<'_>, side: Side, id: &RecordId) -> Result<Option<Record>, Failure> {
    let endpoint = running.endpoint_mut(side);
    pull::look(endpoint, std::slice::from_ref(id), &mut pull::Pulled::default()).await?;
    match endpoint.replica().get(std::slice::from_ref(id)).await?.pop().flatten() {
        Some(Known::Here(record)) => Ok(Some(record)),
        Some(Known::Gone(_)) | None => Ok(None),
    }
}

/// Plans the counterpart anew, as for a record that never had one.
async fn recreate(
    running: &Running<'_>,
    id: PairId,
    pair: &Pair,
    side: Side,
    waiting: &mut Vec<WaitingReference>,
) -> Result<PlanItem, Failure> {
    let rules = &running.setup.rules;
    let single = Pair { state: PairState::Single, ..let_go(pair, side) };
    let mut works = [Work::new(id, 0, single, running.state.mappings.since(rules))];
    read_records(running, &mut works).await?;
    let unclear = Unclear::read(running).await?;
    find_counterpart(running, &mut works[0], &unclear).await?;
    match &works[0].pair.state {
        // That it has no key is no reason not to create what a person wants.
        PairState::Single | PairState::NoKey => works[0].pair.state = PairState::Single,
        PairState::Linked => {
            let other = works[0].pair.id(side.other()).map(ToString::to_string).unwrap_or_default();
            let why = format!("{other} on the {} side has its key and no counterpart; run the sync", side.other());
            return Err(Failure::Request(why));
        }
        _ => return Err(request("others have its key, so it would be a double; tidy up in the application first")),
    }
    Mapper::new(running.synced.store, running.setup).map(&mut works).await?;
    *waiting = std::mem::take(&mut works[0].waiting);
    let Decision { changes, agreed, left_out, then, blocked, .. } = works[0].decide(rules, None);
    if changes.is_empty() {
        let why = match (blocked, then) {
            (Some(blocked), _) => blocked.detail,
            (None, PairState::OutOfScope { why }) => why.reason().describe().to_owned(),
            (None, _) => format!("the sync does not write the {} side", side.other()),
        };
        return Err(Failure::Request(format!("it cannot be created on the {} side: {why}", side.other())));
    }
    Ok(PlanItem { changes, agreed, left_out, ..PlanItem::of(id, &works[0].pair, then) })
}

/// Plans what takes the record away.
fn delete(running: &Running<'_>, id: PairId, pair: &Pair, side: Side, record: &Record) -> Result<PlanItem, Failure> {
    if !running.setup.rules.direction.writes(side) {
        return Err(Failure::Request(format!("the sync does not write the {side} side; delete it in the application")));
    }
    let abilities = running.endpoint(side).described.object.abilities;
    let kind = match (abilities.delete, abilities.archive) {
        (true, _) => ChangeKind::Delete,
        (false, true) => ChangeKind::Archive,
        (false, false) => return Err(Failure::Request(format!("the {side} application cannot delete"))),
    };
    let then = PairState::Tombstone { gone: None, undone: false };
    Ok(PlanItem { changes: vec![take_away(kind, side, record)], ..PlanItem::of(id, pair, then) })
}
