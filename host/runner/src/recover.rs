//! Takes up what an interrupted run left: looks up every write without an outcome, and puts the rest of its plan back
//! on the list.
//!
//! Invariant: after a restart an unsettled intent is unknown, and is looked up before anything else is sent (E8.4).

use std::collections::BTreeMap;

use syncline_core::{ChangeKind, JournalEntry, Mapping, Pair, PairId, PlanItem, Record, RunId, Side, Value, Why};

use crate::codec::{self, PAGE_ROWS};
use crate::look_up::look_up;
use crate::push::Pending;
use crate::running::{RunOutcome, RunRecord, Running};
use crate::sent::Sent;
use crate::{Batch, Failure, Space, StoreTable, settle};

/// Recovers, if a run of this sync was interrupted.
pub(crate) async fn recover(running: &mut Running<'_>) -> Result<(), Failure> {
    let Some(interrupted) = running.state.open_run else { return running.unplan().await };
    let Some(record) = codec::load::<RunRecord>(running.synced.store, codec::run(interrupted)).await? else {
        running.state.open_run = None;
        return running.unplan().await;
    };
    let ours = running.swap_run(record);
    let open = open_entries(running, interrupted).await?;
    if running.run.outcome.is_some() {
        running.take_up(open.keys().map(|(pair, _)| *pair));
    }
    settle_open(running, open).await?;
    if running.run.outcome.is_none() {
        let why = "it was interrupted; the next run took it up".to_owned();
        running.run.tally.close();
        running.end(RunOutcome::Partial { why }, true).await?;
    } else {
        running.state.open_run = None;
        let mut batch = Batch::default();
        codec::put(&mut batch, running.synced.state_key(), &running.state);
        running.synced.store.commit(batch).await?;
    }
    running.swap_run(ours);
    running.unplan().await
}

/// Reads the intents of a run that have no outcome. At most one page of changes can be open at a time.
pub(crate) async fn open_entries(
    running: &Running<'_>,
    run: RunId,
) -> Result<BTreeMap<(PairId, Side), JournalEntry>, Failure> {
    let mut open = BTreeMap::new();
    let prefix = run.0.to_be_bytes();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let store = running.synced.store;
        let rows =
            codec::scan_prefix(store, Space::HOST, StoreTable::Journal, &prefix, after.as_deref(), PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(open) };
        after = Some(last.clone());
        for (id, bytes) in rows {
            let key = crate::Key::new(Space::HOST, StoreTable::Journal, id);
            let entry: JournalEntry = codec::decode(&key, &bytes)?;
            if entry.is_open() {
                open.insert((entry.pair, entry.change.side), entry);
            }
        }
    }
}

/// Looks the open intents up and settles the plan items that they belong to.
async fn settle_open(
    running: &mut Running<'_>,
    mut open: BTreeMap<(PairId, Side), JournalEntry>,
) -> Result<(), Failure> {
    let mut after = Vec::new();
    while !open.is_empty() {
        let rows = running.synced.store.scan(running.synced.space, StoreTable::Plan, after, PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = last.clone();
        let mut page = Vec::new();
        for (id, bytes) in rows {
            let number = codec::number(&id);
            let item: PlanItem = codec::decode(&codec::plan(running.synced.space, number), &bytes)?;
            let entries: Vec<JournalEntry> =
                item.changes.iter().filter_map(|change| open.remove(&(item.pair, change.side))).collect();
            if !entries.is_empty() {
                let sent = vec![Sent::Unknown("the run was interrupted".to_owned()); entries.len()];
                page.push(Pending { number, item, entries, sent });
            }
        }
        look_up_page(running, &mut page).await?;
        forget_moved(running, &mut page).await?;
        settle::settle(running, page).await?;
    }
    Ok(())
}

/// Takes out of each item the fields of which nobody can tell any more that the sides agreed on them.
///
/// Since the run was interrupted another sync may have read the same records: they may have moved on.
async fn forget_moved(running: &Running<'_>, page: &mut [Pending]) -> Result<(), Failure> {
    let ids: Vec<PairId> = page.iter().map(|pending| pending.item.pair).collect();
    let pairs = running.synced.pairs(&ids).await?;
    for (Pending { item, entries, .. }, pair) in page.iter_mut().zip(pairs) {
        let Some(pair) = pair else { continue };
        let mut records: [Option<Record>; 2] = Default::default();
        for (side, record) in Side::BOTH.into_iter().zip(&mut records) {
            *record = running.record_of(&pair, side).await?;
        }
        let mappings = &running.setup.rules.mappings;
        item.retain_agreed(|agreed, seen| {
            let mapping = mappings.iter().find(|mapping| agreed.is_under(mapping));
            mapping.is_some_and(|mapping| still_agreed(mapping, seen, &pair, entries, &records))
        });
    }
    Ok(())
}

/// True if the sides agree on a field once `entries` are done, whatever happened since they were planned, when both held
/// what `seen` says.
fn still_agreed(
    mapping: &Mapping,
    seen: Option<(u64, u64)>,
    pair: &Pair,
    entries: &[JournalEntry],
    records: &[Option<Record>; 2],
) -> bool {
    let value = |side: Side| records[side.pick(0, 1)].as_ref()?.get(mapping.field(side));
    let written = |side: Side| {
        let entries = entries.iter().filter(|entry| entry.change.side == side);
        entries.flat_map(|entry| &entry.change.fields).find(|field| field.field == *mapping.field(side))
    };
    let target = match (written(Side::Left), written(Side::Right)) {
        (Some(_), Some(_)) => return true,
        (Some(_), None) => Side::Left,
        (None, Some(_)) => Side::Right,
        // A create sends what is not blank; else both sides were seen to agree.
        (None, None) => {
            let created = entries.iter().find(|entry| entry.change.kind == ChangeKind::Create);
            return match created.map(|entry| entry.change.side.other()) {
                Some(origin) => value(origin).is_some_and(Value::is_blank),
                None => {
                    let is_plain = Side::BOTH.into_iter().all(|side| mapping.is_plain_to(side));
                    is_plain && value(Side::Left) == value(Side::Right)
                }
            };
        }
    };
    let origin = target.other();
    match written(target) {
        Some(field) if field.why == Why::Undo => {
            match (pair.base.of(mapping), seen) {
                // Settling takes what was agreed on before for what stood there: an edit since is carried later.
                (Some(_), _) => true,
                // The sides never agreed on it: it is as it was when it was taken back, or it was edited since.
                (None, Some(seen)) => value(origin).map_or(0, Value::fingerprint) == origin.pick(seen.0, seen.1),
                (None, None) => false,
            }
        }
        // Settling takes what was sent for what stood there.
        _ => mapping.is_plain_to(target),
    }
}

pub(crate) async fn look_up_page(running: &Running<'_>, page: &mut [Pending]) -> Result<(), Failure> {
    for side in Side::BOTH {
        let places: Vec<(usize, usize)> = page
            .iter()
            .enumerate()
            .flat_map(|(at, pending)| (0..pending.entries.len()).map(move |index| (at, index)))
            .filter(|&(at, index)| page[at].entries[index].change.side == side)
            .collect();
        let entries: Vec<&JournalEntry> = places.iter().map(|&(at, index)| &page[at].entries[index]).collect();
        let endpoint = running.endpoint(side);
        let chunk = endpoint.described.object.get_batch_max.max(1) as usize;
        let mut answers = Vec::new();
        for entries in entries.chunks(chunk) {
            answers.extend(look_up(running, endpoint, entries).await?);
        }
        for ((at, index), answer) in places.into_iter().zip(answers) {
            page[at].sent[index] = answer;
        }
    }
    Ok(())
}
