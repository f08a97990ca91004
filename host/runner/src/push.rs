//! A step of a run: writes what is planned, a batch at a time.
//!
//! Invariant: nothing is sent before its intent is durable. Invariant: replica, base, pair and journal change in one
//! commit when the outcomes are known; a crash in between leaves intents, which the next run looks up.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{Change, ChangeKind, EntryState, FieldName, JournalEntry, PairId, PlanItem, Side, Value};

use crate::codec;
use crate::patience::patiently;
use crate::run::WAIT_MS_MAX;
use crate::running::Running;
use crate::send;
use crate::sent::Sent;
use crate::settle;
use crate::setup::Event;
use crate::tasks::{Allowance, WrittenBefore};
use crate::{Batch, Failure, StoreTable, untold};

/// An item of the plan on its way through the step.
pub(crate) struct Pending {
    /// Its number in the plan.
    pub(crate) number: u64,
    pub(crate) item: PlanItem,
    /// The journal entry of each change.
    pub(crate) entries: Vec<JournalEntry>,
    /// What became of each change.
    pub(crate) sent: Vec<Sent>,
}

/// Writes everything that is planned.
pub(crate) async fn push(running: &mut Running<'_>, total: u64) -> Result<(), Failure> {
    let mut done = 0;
    let mut prepared = BTreeSet::new();
    loop {
        if running.context.stop.is_asked() {
            return Err(Failure::Stopped);
        }
        running.synced.store.check_room()?;
        let page = next_page(running).await?;
        if page.is_empty() {
            return Ok(());
        }
        done += page.iter().map(|pending| pending.item.changes.len() as u64).sum::<u64>();
        prepare(running, &page, &mut prepared).await?;
        push_page(running, page).await?;
        running.context.say(Event::Written { done, total });
        spent(running)?;
    }
}

/// Ends a run whose budget is used up for longer than it waits: what is left in the plan would be refused as well (E7).
fn spent(running: &Running<'_>) -> Result<(), Failure> {
    let Some(budget) = &running.budget else { return Ok(()) };
    let wait_ms = budget.until.saturating_sub(running.context.world.now());
    if wait_ms <= WAIT_MS_MAX {
        return Ok(());
    }
    let endpoint = running.setup.side(budget.side).endpoint.clone();
    Err(Failure::Wait { endpoint, after_ms: wait_ms.unsigned_abs(), reason: budget.why.clone() })
}

/// Items that are sent together: as many as the larger of the two sides takes in one call.
fn page_size(running: &Running<'_>) -> usize {
    let batch = |side| running.endpoint(side).described.object.write_batch_max as usize;
    batch(Side::Left).max(batch(Side::Right)).clamp(1, codec::PAGE_ROWS)
}

/// Reads the next items to send. An item whose record was taken by a pair planned after it is dropped: it is the other's.
async fn next_page(running: &Running<'_>) -> Result<Vec<Pending>, Failure> {
    let space = running.synced.space;
    loop {
        let rows = running.synced.store.scan(space, StoreTable::Plan, Vec::new(), page_size(running)).await?;
        let decoded = rows.into_iter().map(|(id, bytes)| {
            let number = codec::number(&id);
            let item: PlanItem = codec::decode(&codec::plan(space, number), &bytes)?;
            Ok(Pending { number, item, entries: Vec::new(), sent: Vec::new() })
        });
        let page = decoded.collect::<Result<Vec<Pending>, Failure>>()?;
        let ids: Vec<PairId> = page.iter().map(|pending| pending.item.pair).collect();
        let pairs = running.synced.pairs(&ids).await?;
        let mut batch = Batch::default();
        let mut there = Vec::new();
        for (pending, pair) in page.into_iter().zip(pairs) {
            match pair {
                Some(_) => there.push(pending),
                None => batch.delete(codec::plan(space, pending.number)),
            }
        }
        let dropped = !batch.writes.is_empty();
        if dropped {
            running.synced.store.commit(batch).await?;
        }
        if !there.is_empty() || !dropped {
            return Ok(there);
        }
    }
}

/// Sets up what the create promise needs, before the first create on a side.
async fn prepare(running: &Running<'_>, page: &[Pending], prepared: &mut BTreeSet<Side>) -> Result<(), Failure> {
    let changes = || page.iter().flat_map(|pending| &pending.item.changes);
    for side in Side::BOTH {
        let creates = changes().any(|change| change.side == side && change.kind == ChangeKind::Create);
        if creates && prepared.insert(side) {
            let setup = running.endpoint(side).setup;
            patiently(running.context, side, setup, "preparing", || setup.connector.prepare(setup.target())).await?;
        }
    }
    Ok(())
}

async fn push_page(running: &mut Running<'_>, mut page: Vec<Pending>) -> Result<(), Failure> {
    let allowance = Allowance::open(running).await?;
    allowance.trim(&mut page);
    if page.is_empty() {
        return Err(allowance.refuse(running).await?);
    }
    let looked_at = send::look_before_create(running, &mut page).await?;
    intend(running, &mut page, allowance).await?;
    let ended = send::send_all(running, &mut page, looked_at).await;
    if ended.is_err() {
        // The next run looks up what is not told, and can only guess what was stored: what was answered is taken over now.
        page.retain(|pending| untold::is_settled_now(pending, running.run.kind));
    }
    settle::settle(running, page).await?;
    ended
}

/// Writes the intents of a page down, and counts their tasks.
async fn intend(running: &mut Running<'_>, page: &mut [Pending], allowance: Allowance) -> Result<(), Failure> {
    let ids: Vec<PairId> = page.iter().map(|pending| pending.item.pair).collect();
    let pairs = running.synced.pairs(&ids).await?;
    let before = WrittenBefore::read(running, page, &pairs).await?;
    let at = running.context.world.now();
    let mut batch = Batch::default();
    let mut tasks = 0;
    for (pending, pair) in page.iter_mut().zip(pairs) {
        let (generation, mut previous) = pair.map_or((0, None), |pair| (pair.generation, pair.last_write));
        for (change, sent) in pending.item.changes.iter().zip(&pending.sent) {
            let entry = JournalEntry {
                run: running.run.id,
                number: running.run.entries,
                sync: running.setup.name.clone(),
                pair: pending.item.pair,
                previous,
                create_key: create_key(running, &pending.item, change, generation),
                change: change.clone(),
                then: pending.item.then.clone(),
                at,
                announced: matches!(sent, Sent::Not),
                state: EntryState::Intent,
            };
            running.run.entries += 1;
            if entry.announced {
                previous = Some(entry.id());
                tasks += u64::from(!before.has_failed(&entry));
                codec::put(&mut batch, codec::journal(entry.run, entry.number), &entry);
            }
            pending.entries.push(entry);
        }
    }
    if !batch.writes.is_empty() {
        codec::put(&mut batch, codec::run(running.run.id), &running.run);
        allowance.spend(tasks, &mut batch);
        running.synced.store.commit(batch).await?;
    }
    Ok(())
}

/// Returns the key under which a create is sent: the same in every attempt for the same record (DESIGN 4).
fn create_key(running: &Running<'_>, item: &PlanItem, change: &Change, generation: u32) -> Option<String> {
    if change.kind != ChangeKind::Create {
        return None;
    }
    let origin = change.side.other();
    let id = origin.pick(item.left.as_ref(), item.right.as_ref())?;
    let text = format!("{}\u{1f}{origin}\u{1f}{id}\u{1f}{generation}", running.setup.name);
    let hex = blake3::hash(text.as_bytes()).to_hex();
    Some(format!("sl-{}", &hex[..37]))
}

/// Returns the cells that a change sends, by field.
pub(crate) fn cells(change: &Change) -> BTreeMap<&FieldName, &Value> {
    match change.kind {
        ChangeKind::Create | ChangeKind::Update => {
            change.fields.iter().map(|field| (&field.field, &field.after)).collect()
        }
        ChangeKind::Delete | ChangeKind::Archive | ChangeKind::Tag | ChangeKind::Restore { .. } => BTreeMap::new(),
    }
}
