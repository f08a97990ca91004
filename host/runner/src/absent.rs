//! What a complete list left out: asked about by id, or, where an application cannot be asked so, believed gone once two
//! complete lists in a row left it out (E4.1, E4.2).
//!
//! Invariant: one list alone never ends a record, and neither do two that may both be too old to name it (E6.2).

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{Fate, Instant, RecordId, Tombstone};

use crate::codec::{self, PAGE_ROWS};
use crate::endpoint::EndpointAccess;
use crate::pull::{Pulled, keep_rows, look};
use crate::replica::Known;
use crate::{Batch, Failure, Key, StoreTable, Table};

/// Goes through replica and noted ids in step, and asks by id about each record that was not seen. Returns false if
/// it is to be asked again: what was listed cannot be right, or it stays unclear what became of some.
pub(crate) async fn question(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<bool, Failure> {
    let mut after = RecordId::new("");
    let believes_empty = std::mem::take(&mut endpoint.state.believes_empty);
    if !believes_empty && !has_noted(endpoint).await? {
        let known = endpoint.replica().scan(&after, PAGE_ROWS).await?;
        if known.iter().any(|(_, known)| matches!(known, Known::Here(_))) {
            let text = format!(
                "{} listed no record at all, although some are known; nothing was concluded",
                endpoint.setup.endpoint
            );
            pulled.anomalies.push(text);
            return Ok(false);
        }
    }
    let mut all_clear = true;
    loop {
        let page = endpoint.replica().scan(&after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok(all_clear) };
        let last = last.clone();
        let seen = between(endpoint, StoreTable::Seen, &after, &last).await?;
        let is_absent = |id: &RecordId, known: &Known| matches!(known, Known::Here(_)) && !seen.contains_key(id);
        let absent: Vec<RecordId> =
            page.into_iter().filter(|(id, known)| is_absent(id, known)).map(|(id, _)| id).collect();
        all_clear &= match endpoint.described.object.abilities.get {
            true => look_at(endpoint, &absent, pulled).await?,
            false => miss(endpoint, [&after, &last], &absent, pulled).await?,
        };
        after = last;
    }
}

/// True if a list named anything at all.
pub(crate) async fn has_noted(endpoint: &EndpointAccess<'_>) -> Result<bool, Failure> {
    Ok(!endpoint.store().scan(endpoint.space, StoreTable::Seen, Vec::new(), 1).await?.is_empty())
}

async fn look_at(endpoint: &mut EndpointAccess<'_>, absent: &[RecordId], pulled: &mut Pulled) -> Result<bool, Failure> {
    let mut all_clear = true;
    let batch_max = (endpoint.described.object.get_batch_max.max(1)) as usize;
    for ids in absent.chunks(batch_max) {
        all_clear &= look(endpoint, ids, pulled).await?;
    }
    Ok(all_clear)
}

/// Takes what the list before this one left out too for gone, and notes the rest of what is absent for the next one.
/// Returns false if the next one has to tell.
async fn miss(
    endpoint: &mut EndpointAccess<'_>,
    [after, last]: [&RecordId; 2],
    absent: &[RecordId],
    pulled: &mut Pulled,
) -> Result<bool, Failure> {
    let now = endpoint.context.world.now();
    let window_ms = i64::try_from(endpoint.described.object.visibility_window_ms).unwrap_or(i64::MAX);
    let missed = between(endpoint, StoreTable::Missed, after, last).await?;
    let key = |id: &RecordId| Key::new(endpoint.space, StoreTable::Missed, id.as_str().as_bytes());
    let (mut batch, mut tombstones, mut all_clear) = (Batch::default(), Vec::new(), true);
    for id in absent {
        let since: Option<Instant> = missed.get(id).map(|row| codec::decode(&key(id), row)).transpose()?;
        match since {
            Some(since) if now.saturating_sub(since) >= window_ms => {
                batch.delete(key(id));
                tombstones.push(Tombstone { id: id.clone(), fate: Fate::Deleted, at: None });
            }
            Some(_) => all_clear = false,
            None => {
                codec::put(&mut batch, key(id), &now);
                all_clear = false;
            }
        }
    }
    let absent: BTreeSet<&RecordId> = absent.iter().collect();
    missed.keys().filter(|id| !absent.contains(id)).for_each(|id| batch.delete(key(id)));
    let none = Table { columns: Vec::new(), rows: Vec::new() };
    keep_rows(endpoint, none, &tombstones, batch, pulled).await?;
    Ok(all_clear)
}

/// Returns what a table of the endpoint has about records after `after`, up to `last`.
async fn between(
    endpoint: &EndpointAccess<'_>,
    table: StoreTable,
    after: &RecordId,
    last: &RecordId,
) -> Result<BTreeMap<RecordId, Vec<u8>>, Failure> {
    let mut found = BTreeMap::new();
    let mut from = after.as_str().as_bytes().to_vec();
    loop {
        let rows = endpoint.store().scan(endpoint.space, table, from, PAGE_ROWS).await?;
        let full = rows.len() == PAGE_ROWS;
        from = rows.last().map(|(id, _)| id.clone()).unwrap_or_default();
        let is_past = from.as_slice() > last.as_str().as_bytes();
        found.extend(rows.into_iter().map(|(id, row)| (RecordId::new(codec::text(&id, 0)), row)));
        if !full || is_past {
            found.retain(|id, _| id <= last);
            return Ok(found);
        }
    }
}
