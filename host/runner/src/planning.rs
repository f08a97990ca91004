//! A step of a run: decides about every pair on the list and writes down what is to be written.
//!
//! A pair is on the list, in the plan, or neither; moving it is one commit. What needs no write (sides that agree,
//! records that are left alone) is settled right here.
//! Not here: what a pair is decided from (`planning/prepare`), what is decided (`core`).

use std::collections::BTreeSet;

use syncline_core::{
    Agreed, Base, Blocked, Conflict, Decision, Exclusion, FieldName, Instant, Mapping, Pair, PairId, PairState,
    PlanItem, Reason, Record, RecordId, Side, Trouble, Value,
};

use crate::codec;
use crate::conflicts::{self, OpenConflicts};
use crate::creates::Unclear;
use crate::mapped::Mapper;
use crate::running::Running;
use crate::setup::Event;
use crate::totals::Place;
use crate::{Batch, Failure, lately, origins, resolvers, revive, waiting};

mod prepare;
mod work;

use prepare::prepare;
pub(crate) use prepare::read_records;
pub(crate) use work::Work;

/// How often a pair is looked at again while a list that is still being computed decides about it, in milliseconds.
const LIST_WAIT_MS: i64 = 5 * 60 * 1000;

/// What planning found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Pairs looked at.
    pub pairs: u64,
    /// Writes planned.
    pub changes: u64,
    /// Pairs with writes.
    pub items: u64,
}

impl Planned {
    /// Goes down to `items`; what guards take out is one change each.
    pub(crate) fn keep(&mut self, items: u64) {
        self.changes = self.changes.saturating_sub(self.items.saturating_sub(items));
        self.items = self.items.min(items);
    }
}

/// Plans every pair that is due.
pub(crate) async fn plan(running: &mut Running<'_>) -> Result<Planned, Failure> {
    let now = running.context.world.now();
    let mut planned = Planned::default();
    let unclear = Unclear::read(running).await?;
    let mut after = None;
    loop {
        if running.context.stop.is_asked() {
            return Err(Failure::Stopped);
        }
        let page = running.synced.queued(now, after).await?;
        let Some(last) = page.last() else { return Ok(planned) };
        after = Some(*last);
        plan_page(running, page, &unclear, &mut planned).await?;
        running.context.say(Event::Planned { pairs: planned.pairs, changes: planned.changes });
    }
}

async fn plan_page(
    running: &mut Running<'_>,
    page: Vec<(Instant, PairId)>,
    unclear: &Unclear,
    planned: &mut Planned,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    let mut works = prepare(running, page, unclear, &mut batch).await?;
    Mapper::new(running.synced.store, running.setup).map(&mut works).await?;
    if running.setup.rules.mappings.iter().any(Mapping::joins_references) {
        let ids: Vec<PairId> = works.iter().map(|work| work.id).collect();
        let known = waiting::known(&running.synced, &ids).await?;
        works.iter_mut().for_each(|work| work.was_waiting = known.contains(&work.id));
    }
    revive::find_taken(running, &mut works).await?;
    origins::find_rounds(running, &mut works).await?;
    let open = OpenConflicts::read(&running.synced, works.iter().map(|work| &work.pair)).await?;
    let mut decisions: Vec<Decision> = {
        let before = running.scope_before();
        works.iter().map(|work| work.decide(&running.setup.rules, before)).collect()
    };
    ask_times(running, &mut works, &mut decisions).await?;
    resolvers::ask(running, &mut works, &mut decisions).await?;
    lately::hold_back(running, &mut works, &mut decisions).await?;
    for (work, decision) in works.into_iter().zip(decisions) {
        planned.pairs += 1;
        running.see(work.id);
        write_down(running, work, decision, &open, &mut batch, planned);
    }
    codec::put(&mut batch, running.synced.state_key(), &running.state);
    running.synced.store.commit(batch).await?;
    Ok(())
}

/// Asks when the fields of conflicts changed, where the application tells (E3.2), and decides these pairs again.
async fn ask_times(running: &Running<'_>, works: &mut [Work], decisions: &mut [Decision]) -> Result<(), Failure> {
    let disputed: Vec<usize> = (0..works.len()).filter(|&index| !decisions[index].conflicts.is_empty()).collect();
    if disputed.is_empty() {
        return Ok(());
    }
    for side in Side::BOTH {
        let endpoint = running.endpoint(side);
        if !endpoint.described.object.abilities.field_times {
            continue;
        }
        let names = |conflict: &Conflict| -> Vec<FieldName> {
            conflict.fields.iter().map(|field| side.pick(&field.left_field, &field.right_field).clone()).collect()
        };
        let fields: BTreeSet<FieldName> =
            disputed.iter().flat_map(|&index| decisions[index].conflicts.iter().flat_map(names)).collect();
        let fields: Vec<FieldName> = fields.into_iter().collect();
        let batch_max = endpoint.described.object.get_batch_max.max(1) as usize;
        for chunk in disputed.chunks(batch_max) {
            let ids: Vec<RecordId> = chunk.iter().filter_map(|&index| works[index].pair.id(side).cloned()).collect();
            let connector = &endpoint.setup.connector;
            let times =
                crate::patience::patiently(running.context, side, endpoint.setup, "asking for field times of", || {
                    connector.field_times(endpoint.setup.target(), ids.clone(), fields.clone())
                })
                .await?;
            for (&index, times) in chunk.iter().zip(times) {
                let known = fields.iter().cloned().zip(times).filter_map(|(field, at)| Some((field, at?)));
                works[index].set_times(side, known.collect());
            }
        }
    }
    for index in disputed {
        decisions[index] = works[index].decide(&running.setup.rules, running.scope_before());
    }
    Ok(())
}

/// Writes a decision down: into the plan if something is to be written, else straight into the pair.
fn write_down(
    running: &mut Running<'_>,
    mut work: Work,
    decision: Decision,
    open: &OpenConflicts,
    batch: &mut Batch,
    planned: &mut Planned,
) {
    if matches!(work.pair.state, PairState::Creating { .. }) {
        return leave_creating(running, work, batch);
    }
    running.synced.unqueue(batch, work.due, work.id);
    if let Some(at) = work.before.trouble.as_ref().and_then(|trouble| trouble.next_at) {
        running.synced.unqueue(batch, at, work.id);
    }
    waiting::keep(&running.synced, work.id, &work.waiting, work.was_waiting, batch);
    drop_swallowed(running, &work, batch);
    if let Some(trouble) = work.pair.trouble.clone().filter(|trouble| Some(trouble) != work.before.trouble.as_ref()) {
        // Waiting for something that is still to be read.
        if let Some(at) = trouble.next_at {
            running.synced.queue(batch, at, work.id);
        }
        running.count(work.id, Some(work.pair.standing()));
        return put(running, &work, batch);
    }
    if !decision.changes.is_empty() {
        return put_into_plan(running, work, decision, batch, planned);
    }
    settle_quietly(running, &mut work, decision, open, batch);
    list_again(running, &work, batch);
    running.count(work.id, Some(work.pair.standing()));
    if work.pair != work.before || !work.swallowed.is_empty() {
        put(running, &work, batch);
    }
}

/// Writes down what is to be written for a pair.
fn put_into_plan(
    running: &mut Running<'_>,
    mut work: Work,
    decision: Decision,
    batch: &mut Batch,
    planned: &mut Planned,
) {
    let are_here = Side::BOTH.into_iter().all(|side| work.record(side).is_some());
    if are_here && matches!(work.pair.state, PairState::Tombstone { .. } | PairState::EditDelete { .. }) {
        // That it came back is so, whatever becomes of the writes (E4.4).
        work.pair.state = PairState::Linked;
    }
    let item = PlanItem {
        pair: work.id,
        left: work.pair.left.clone(),
        right: work.pair.right.clone(),
        chosen: work.pair.chosen.clone().filter(|_| work.pair.base == Base::default()),
        seen: seen(Side::BOTH.map(|side| work.record(side)), &decision.agreed),
        passages: origins::passages(running, &work, &decision.changes),
        changes: decision.changes,
        agreed: decision.agreed,
        conflicts: decision.conflicts,
        decides: Vec::new(),
        left_out: decision.left_out,
        then: decision.then,
    };
    planned.items += 1;
    planned.changes += item.changes.len() as u64;
    running.state.next_plan += 1;
    codec::put(batch, codec::plan(running.synced.space, running.state.next_plan), &item);
    if work.pair != work.before {
        put(running, &work, batch);
    }
}

/// Puts a pair back on the list where nothing else would bring it up again.
fn list_again(running: &Running<'_>, work: &Work, batch: &mut Batch) {
    if let Some(at) = work.pair.trouble.as_ref().and_then(|trouble| trouble.next_at) {
        running.synced.queue(batch, at, work.id);
    }
    if matches!(work.pair.state, PairState::Ambiguous { .. } | PairState::PairCollision { .. }) {
        // What is in its way may leave with another pair, which does not list this one.
        let every_ms = running.context.sweep_every_ms.max(1);
        running.synced.queue(batch, (running.context.world.now() / every_ms + 1) * every_ms, work.id);
    }
    if is_waiting_for_a_list(running, work) {
        // That the list is ready does not make its records change.
        let next = (running.context.world.now() / LIST_WAIT_MS + 1) * LIST_WAIT_MS;
        running.synced.queue(batch, next, work.id);
    }
}

/// Returns the fingerprints of what both records hold in the fields that an item agrees on.
pub(crate) fn seen(records: [Option<&Record>; 2], agreed: &[Agreed]) -> Vec<(u64, u64)> {
    let of = |side: Side, field: &FieldName| {
        records[side.pick(0, 1)].and_then(|record| record.get(field)).map_or(0, Value::fingerprint)
    };
    agreed.iter().map(|agreed| (of(Side::Left, &agreed.left), of(Side::Right, &agreed.right))).collect()
}

fn put(running: &mut Running<'_>, work: &Work, batch: &mut Batch) {
    let moved = (Some(Place::of(&work.before)), &work.pair);
    running.synced.put(batch, &mut running.state.totals, work.id, moved);
}

/// True if it is not known whether a pair is in scope, and a list may be why: nobody tells its members once more when
/// the list is ready, not even those who were found before its reading broke off.
fn is_waiting_for_a_list(running: &Running<'_>, work: &Work) -> bool {
    let asks = |side: Side| !running.setup.side(side).lists.is_empty();
    let waits = |side: Side| {
        let members = work.members(side);
        work.pair.id(side).is_some() && running.setup.side(side).lists.iter().any(|list| !members.0.contains_key(list))
    };
    let is_unknown = work.pair.state == (PairState::OutOfScope { why: Exclusion::Unknown });
    Side::BOTH.into_iter().any(waits) || (is_unknown && Side::BOTH.into_iter().any(asks))
}

/// Returns when the create of a pair is looked up, if what became of it is not known.
fn looked_up_at(pair: &Pair) -> Option<Instant> {
    pair.trouble.as_ref().filter(|_| matches!(pair.state, PairState::Creating { .. }))?.next_at
}

/// Leaves a pair alone until its create is looked up, but for what its record was merged into (E1.10): that is its own
/// from now on, so that nothing is made for it beside what comes to light. Its place on the list stays.
fn leave_creating(running: &mut Running<'_>, mut work: Work, batch: &mut Batch) {
    work.pair.trouble = work.before.trouble.clone();
    if looked_up_at(&work.pair) != Some(work.due) {
        running.synced.unqueue(batch, work.due, work.id);
    }
    running.count(work.id, Some(work.pair.standing()));
    if work.pair != work.before {
        drop_swallowed(running, &work, batch);
        put(running, &work, batch);
    }
}

/// Ends the pairs that this one has taken the record of; what they leave behind begins anew.
fn drop_swallowed(running: &mut Running<'_>, work: &Work, batch: &mut Batch) {
    for taken in &work.swallowed {
        running.synced.drop_pair(batch, &mut running.state.totals, (taken.id, taken.place));
        if let Some((side, record)) = taken.left_behind.clone() {
            let pair = running.synced.begin(batch, &mut running.state, side, record, Some(&taken.writes));
            running.synced.queue(batch, 0, pair);
        }
    }
}

/// Takes over a decision that needs no write.
fn settle_quietly(
    running: &mut Running<'_>,
    work: &mut Work,
    decision: Decision,
    open: &OpenConflicts,
    batch: &mut Batch,
) {
    let run = running.counts_from();
    let now = running.context.world.now();
    if decision.forget {
        work.pair.base = Base::default();
    }
    for agreed in &decision.agreed {
        let value = |side: Side| {
            let seen = || work.record(side).and_then(|record| record.get(agreed.field(side))).cloned();
            agreed.links.as_ref().map(|links| links.side(side).clone()).or_else(seen)
        };
        if let (Some(left), Some(right)) = (value(Side::Left), value(Side::Right)) {
            work.pair.base.agree(agreed.cell([left, right], run));
        }
    }
    // A merge that cannot go on does not tell its conflicts.
    let tells = decision.blocked.is_none();
    work.pair.trouble = match decision.blocked {
        Some(blocked) => left_out(vec![blocked], now),
        None => left_out(decision.left_out, now),
    };
    work.pair.state = decision.then;
    if tells {
        conflicts::keep_all(running, &mut work.pair, work.id, decision.conflicts, open, batch);
    }
}

/// Makes a trouble of the fields that are left out; without a time nobody retries them before something changes.
pub(crate) fn left_out(fields: Vec<Blocked>, since: Instant) -> Option<Trouble> {
    let details: Vec<String> = fields.iter().map(|blocked| blocked.detail.clone()).collect();
    let next_at = fields.iter().filter_map(|blocked| blocked.until).min();
    let first = fields.into_iter().next()?;
    let trouble = new_trouble(first.reason, Some(first.side), first.field, details.join("; "), since);
    Some(Trouble { next_at, ..trouble })
}

/// Makes a trouble that nobody retries.
pub(crate) fn new_trouble(
    reason: Reason,
    side: Option<Side>,
    field: Option<FieldName>,
    detail: String,
    since: Instant,
) -> Trouble {
    Trouble { reason, side, field, detail, attempts: 0, next_at: None, since }
}
