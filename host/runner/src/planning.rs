//! The second step of a run: decides about every pair on the list and writes down what is to be written.
//!
//! A pair is on the list, in the plan, or neither; moving it is one commit. What needs no write (sides that agree,
//! records that are left alone) is settled right here.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_core::{
    Agreed, Answers, Base, Blocked, Conflict, Decision, Exclusion, FieldName, Images, Instant, Lately, Mapping,
    Members, Pair, PairId, PairState, PlanItem, Presence, Reason, Record, RecordId, Rules, RunId, Scope, Side,
    SideTimes, Situation, Taken, Touched, Trouble, Value, decide, diff,
};

use crate::codec;
use crate::conflicts::{self, OpenConflicts};
use crate::counterpart::{self, Swallowed};
use crate::creates::Unclear;
use crate::mapped::Mapper;
use crate::replica::Known;
use crate::running::Running;
use crate::setup::Event;
use crate::totals::Place;
use crate::waiting::{self, WaitingReference};
use crate::{Batch, Failure, lately, resolvers, revive};

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

/// A pair on its way through the step.
pub(crate) struct Work {
    pub(crate) id: PairId,
    due: Instant,
    pub(crate) pair: Pair,
    /// The pair as it was read, to write it back only if it changed.
    pub(crate) before: Pair,
    pub(crate) left: Option<Known>,
    pub(crate) right: Option<Known>,
    pub(crate) images: Images,
    /// Since which run each mapping is what it is (E2.9).
    since: Arc<[RunId]>,
    times: [SideTimes; 2],
    /// What resolvers said about its conflicts.
    pub(crate) answers: Answers,
    /// What was written to it in the last day.
    pub(crate) lately: Lately,
    /// What this sync took away on the side that is gone.
    pub(crate) taken: Option<Taken>,
    members: [Members; 2],
    /// Pairs that this one has taken the record of.
    pub(crate) swallowed: Vec<Swallowed>,
    /// References that have no counterpart yet (E10.1).
    pub(crate) waiting: Vec<WaitingReference>,
    /// True if some had none before.
    was_waiting: bool,
}

impl Work {
    pub(crate) fn new(id: PairId, due: Instant, pair: Pair, since: Arc<[RunId]>) -> Self {
        Self {
            id,
            due,
            before: pair.clone(),
            pair,
            left: None,
            right: None,
            images: Images::default(),
            since,
            times: Default::default(),
            answers: Answers::new(),
            lately: Lately::default(),
            taken: None,
            members: Default::default(),
            swallowed: Vec::new(),
            waiting: Vec::new(),
            was_waiting: false,
        }
    }

    /// Returns the lists that the record of `side` is in.
    pub(crate) fn members(&self, side: Side) -> &Members {
        side.pick(&self.members[0], &self.members[1])
    }

    pub(crate) fn known(&self, side: Side) -> Option<&Known> {
        side.pick(self.left.as_ref(), self.right.as_ref())
    }

    pub(crate) fn record(&self, side: Side) -> Option<&Record> {
        match self.known(side) {
            Some(Known::Here(record)) => Some(record),
            _ => None,
        }
    }

    fn presence(&self, side: Side) -> Presence<'_> {
        match (self.known(side), self.pair.id(side)) {
            (Some(Known::Here(record)), _) => Presence::Here(record),
            (Some(Known::Gone(fate)), _) => Presence::Gone(fate),
            (None, _) => Presence::Never,
        }
    }

    pub(crate) fn touched(&self, rules: &Rules) -> Vec<Touched> {
        match (self.record(Side::Left), self.record(Side::Right)) {
            (Some(left), Some(right)) => diff(rules, &self.since, &self.pair, left, right),
            _ => Vec::new(),
        }
    }

    pub(crate) fn situation<'a>(&'a self, rules: &'a Rules, scope_before: Option<&'a Scope>) -> Situation<'a> {
        Situation {
            rules,
            pair: &self.pair,
            left: self.presence(Side::Left),
            right: self.presence(Side::Right),
            images: &self.images,
            since: &self.since,
            left_times: &self.times[0],
            right_times: &self.times[1],
            clock_offset_ms: 0,
            answers: &self.answers,
            lately: &self.lately,
            taken: self.taken.as_ref(),
            left_members: self.members(Side::Left),
            right_members: self.members(Side::Right),
            scope_before,
        }
    }

    pub(crate) fn decide(&self, rules: &Rules, scope_before: Option<&Scope>) -> Decision {
        decide(&self.situation(rules, scope_before))
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

/// Reads the pairs of a page with their records, follows merges and finds counterparts.
async fn prepare(
    running: &Running<'_>,
    page: Vec<(Instant, PairId)>,
    unclear: &Unclear,
    batch: &mut Batch,
) -> Result<Vec<Work>, Failure> {
    let ids: Vec<PairId> = page.iter().map(|(_, id)| *id).collect();
    let pairs = running.synced.pairs(&ids).await?;
    let since: Arc<[RunId]> = running.state.mappings.since(&running.setup.rules);
    let mut works = Vec::new();
    let mut once = BTreeSet::new();
    for ((due, id), pair) in page.into_iter().zip(pairs) {
        let is_first = once.insert(id);
        // When a create is looked up stays on the list, whatever else its pair is on it for.
        if pair.as_ref().is_some_and(|pair| !is_first && looked_up_at(pair) == Some(due)) {
            continue;
        }
        let (Some(pair), true) = (pair, is_first) else {
            // Its record belongs to another pair now, or it is on the list twice.
            running.synced.unqueue(batch, due, id);
            continue;
        };
        works.push(Work::new(id, due, pair, since.clone()));
    }
    read_records(running, &mut works).await?;
    let mut claims = Claims::default();
    let mut ready = Vec::new();
    for mut work in works {
        if claims.swallowed.contains(&work.id) {
            running.synced.unqueue(batch, work.due, work.id);
            continue;
        }
        counterpart::leave_collision(running, &mut work).await?;
        counterpart::follow_merges(running, &mut work).await?;
        counterpart::find_counterpart(running, &mut work, unclear).await?;
        counterpart::remark(running, &mut work).await?;
        // What another pair of this page has taken is known to the store only afterwards: then this one is next.
        if claims.claim(&work) {
            ready.push(work);
        }
    }
    // A pair can be swallowed by one that comes after it.
    ready.retain(|work| !claims.swallowed.contains(&work.id));
    // Merges and matches may have brought other records.
    read_members(running, &mut ready).await?;
    Ok(ready)
}

/// Reads the records of pairs and the lists that these are in.
pub(crate) async fn read_records(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    for side in Side::BOTH {
        let ids: Vec<RecordId> = works.iter().filter_map(|work| work.pair.id(side).cloned()).collect();
        let mut rows = running.endpoint(side).replica().get(&ids).await?.into_iter();
        for work in works.iter_mut().filter(|work| work.pair.id(side).is_some()) {
            *side.pick(&mut work.left, &mut work.right) = rows.next().flatten();
        }
    }
    read_members(running, works).await
}

async fn read_members(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    for side in Side::BOTH {
        let ids: Vec<RecordId> = works.iter().filter_map(|work| work.pair.id(side).cloned()).collect();
        let mut members = running.endpoint(side).members(&ids).await?.into_iter();
        for work in works.iter_mut().filter(|work| work.pair.id(side).is_some()) {
            work.members[side.pick(0, 1)] = members.next().unwrap_or_default();
        }
    }
    Ok(())
}

/// What the pairs of a page take from others.
#[derive(Default)]
struct Claims {
    records: BTreeSet<(Side, RecordId)>,
    swallowed: BTreeSet<PairId>,
    /// The pairs that took something.
    takers: BTreeSet<PairId>,
}

impl Claims {
    /// Notes what `work` takes. Returns false, and notes nothing, if another pair was quicker.
    fn claim(&mut self, work: &Work) -> bool {
        let new_id = |side: Side| work.pair.id(side).filter(|id| work.before.id(side) != Some(*id));
        let taken: Vec<(Side, RecordId)> =
            Side::BOTH.into_iter().filter_map(|side| Some((side, new_id(side)?.clone()))).collect();
        let lost = taken.iter().any(|record| self.records.contains(record))
            || work.swallowed.iter().any(|taken| self.takers.contains(&taken.id) || self.swallowed.contains(&taken.id));
        if lost {
            return false;
        }
        if !taken.is_empty() {
            self.takers.insert(work.id);
        }
        self.records.extend(taken);
        self.swallowed.extend(work.swallowed.iter().map(|taken| taken.id));
        true
    }
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
                works[index].times[side.pick(0, 1)] = known.collect();
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
        return;
    }
    settle_quietly(running, &mut work, decision, open, batch);
    if let Some(at) = work.pair.trouble.as_ref().and_then(|trouble| trouble.next_at) {
        running.synced.queue(batch, at, work.id);
    }
    if matches!(work.pair.state, PairState::Ambiguous { .. } | PairState::PairCollision { .. }) {
        // What is in its way may leave with another pair, which does not list this one.
        let every_ms = running.context.sweep_every_ms.max(1);
        running.synced.queue(batch, (running.context.world.now() / every_ms + 1) * every_ms, work.id);
    }
    if is_waiting_for_a_list(running, &work) {
        // That the list is ready does not make its records change.
        let next = (running.context.world.now() / LIST_WAIT_MS + 1) * LIST_WAIT_MS;
        running.synced.queue(batch, next, work.id);
    }
    running.count(work.id, Some(work.pair.standing()));
    if work.pair != work.before || !work.swallowed.is_empty() {
        put(running, &work, batch);
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
            let pair = running.synced.begin(batch, &mut running.state, side, record, true);
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
        for (side, field) in [(Side::Left, &agreed.left), (Side::Right, &agreed.right)] {
            let seen = || work.record(side).and_then(|record| record.get(field)).cloned();
            let linked = agreed.links.as_ref().map(|links| links.side(side).clone());
            if let Some(value) = linked.or_else(seen) {
                work.pair.base.agree(side, field.clone(), value, run);
            }
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
