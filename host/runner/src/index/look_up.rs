//! Looks up by key, on a side whose index is scoped, what records without counterpart may belong to.
//!
//! Invariant: what is looked up is kept before anything is planned with it, so the rules of matching see every candidate
//! that the application finds: two of them are ambiguous here as everywhere (E1.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_core::{
    FieldName, FieldType, Index, Instant, KeyDigest, KeyField, KeyForm, KeyTuple, PairId, Record, Scoped, Seen, Side,
    Truth, Value, key_digest, key_to_ask, normal_form,
};

use crate::counterpart::seeking_side;
use crate::endpoint::EndpointAccess;
use crate::patience::patiently;
use crate::planning::{Work, read_records};
use crate::pull::{self, Pulled};
use crate::replica::Known;
use crate::running::Running;
use crate::send::confirmed;
use crate::{Batch, Failure, Row, Table, notice};

/// Brings what the records that are due may be the counterparts of, as far as the other side is known by look-ups alone.
///
/// A crash right after it leaves records that nobody is paired with yet; the next run finds them there.
pub(crate) async fn look_up(running: &mut Running<'_>) -> Result<(), Failure> {
    let rules = &running.setup.rules;
    let Some(side) = Side::BOTH.into_iter().find(|side| rules.index(*side) == Index::Scoped) else { return Ok(()) };
    let now = running.context.world.now();
    let mut after = None;
    loop {
        if running.context.stop.is_asked() {
            return Err(Failure::Stopped);
        }
        let page = running.synced.queued(now, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        let seekers = seekers(running, side.other(), page).await?;
        for index in 0..rules.matching.tuples.len() {
            bring(running, side, index, &seekers).await?;
        }
    }
    running.endpoint(side).commit(Batch::default()).await?;
    let Running { synced, left, right, state, .. } = running;
    notice::notice(synced, side, side.pick(left, right), state).await
}

/// Returns the records of `side` among the pairs of a page that may find a counterpart and are not kept out by their own
/// side alone.
async fn seekers(running: &Running<'_>, side: Side, page: Vec<(Instant, PairId)>) -> Result<Vec<Record>, Failure> {
    let ids: BTreeSet<PairId> = page.into_iter().map(|(_, id)| id).collect();
    let ids: Vec<PairId> = ids.into_iter().collect();
    let pairs = running.synced.pairs(&ids).await?;
    let seeking = ids.into_iter().zip(pairs).filter_map(|(id, pair)| Some((id, pair?)));
    let seeking = seeking.filter(|(_, pair)| seeking_side(pair) == Some(side));
    let mut works: Vec<Work> = seeking.map(|(id, pair)| Work::new(id, 0, pair, Arc::default())).collect();
    read_records(running, &mut works).await?;
    let rules = &running.setup.rules;
    let may_be_in = |work: &&Work| {
        let Some(record) = work.record(side) else { return false };
        let seen = Seen { record, members: work.members(side) };
        !matches!(rules.scope.of_record(rules.direction, side, seen, Truth::Yes), Scoped::Out(_))
    };
    let records = works.iter().filter(may_be_in).filter_map(|work| work.record(side).cloned());
    Ok(records.collect())
}

/// Looks up on `side`, by the key tuple `index`, the seekers that no earlier tuple found anybody for.
async fn bring(running: &mut Running<'_>, side: Side, index: usize, seekers: &[Record]) -> Result<(), Failure> {
    let tuples = &running.setup.rules.matching.tuples;
    let endpoint = running.endpoint(side);
    let schemas = Side::BOTH.map(|side| &running.endpoint(side).described.schema);
    let Some(key) = key_to_ask(&tuples[index], side, schemas) else { return Ok(()) };
    let asked_field = key.field.name.clone();
    let mut wanted = BTreeSet::new();
    let mut values = BTreeMap::new();
    for record in seekers {
        let Some(digest) = key_digest(record, tuples[index].fields(side.other())) else { continue };
        if is_found(endpoint, &tuples[..index], record).await? || !wanted.insert(digest) {
            continue;
        }
        let Some(value) = record.get(&key.own.field) else { continue };
        values.extend(asked(value, key.own.form, key.field.kind).into_iter().map(|value| (value.to_string(), value)));
    }
    let values: Vec<Value> = values.into_values().collect();
    let batch_max = endpoint.described.object.get_batch_max.max(1) as usize;
    for values in values.chunks(batch_max) {
        let endpoint = running.endpoint(side);
        let columns = endpoint.state.layout.columns.clone();
        let found = patiently(running.context, side, endpoint.setup, "looking up keys in", || {
            endpoint.connector.find(asked_field.clone(), values.to_vec(), columns.clone())
        })
        .await?;
        let found = confirmed(running, endpoint, found).await?;
        let found = new_ones(endpoint, found, tuples[index].fields(side), &wanted).await?;
        let endpoint = running.endpoint_mut(side);
        endpoint.state.look_ups.add(values.len());
        pull::keep_rows(endpoint, found, &[], Batch::default(), &mut Pulled::default()).await?;
    }
    Ok(())
}

/// True if somebody on the looked-up side has an earlier key of `record` already: that tuple decides (E1.3).
async fn is_found(endpoint: &EndpointAccess<'_>, earlier: &[KeyTuple], record: &Record) -> Result<bool, Failure> {
    let side = endpoint.side;
    for tuple in earlier {
        if let Some(digest) = key_digest(record, tuple.fields(side.other()))
            && !endpoint.replica().with_key(tuple.fields(side), &digest).await?.is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns how a key may be written on the other side: as it is here, and in its normal form.
fn asked(value: &Value, form: KeyForm, kind: FieldType) -> Vec<Value> {
    let Some(normal) = normal_form(value, form) else { return Vec::new() };
    match (value, kind) {
        (Value::Text(_) | Value::Choice(_), FieldType::Text) => {
            let www = (form == KeyForm::Domain).then(|| format!("www.{normal}"));
            [Some(value.to_string()), Some(normal), www].into_iter().flatten().map(Value::Text).collect()
        }
        (Value::Text(text), FieldType::Choice) => vec![Value::Choice(text.clone())],
        _ if value.kind() == Some(kind) => vec![value.clone()],
        _ => Vec::new(),
    }
}

/// Returns the rows with a wanted key that are not known to be there: those are kept up to date by the feed.
async fn new_ones(
    endpoint: &EndpointAccess<'_>,
    found: Table,
    fields: &[KeyField],
    wanted: &BTreeSet<KeyDigest>,
) -> Result<Table, Failure> {
    let ids: Vec<_> = found.rows.iter().map(|row| row.id.clone()).collect();
    let known = endpoint.replica().get(&ids).await?;
    let Table { columns, rows } = found;
    let mut seen = BTreeSet::new();
    let is_new = |(row, known): (Row, Option<Known>)| {
        let digest = key_digest(&record(&columns, &row), fields)?;
        let is_new = !matches!(known, Some(Known::Here(_))) && wanted.contains(&digest);
        (is_new && seen.insert(row.id.clone())).then_some(row)
    };
    let rows = rows.into_iter().zip(known).filter_map(is_new).collect();
    Ok(Table { columns, rows })
}

/// Returns a row as a record.
fn record(columns: &[FieldName], row: &Row) -> Record {
    let cells: BTreeMap<&FieldName, &Option<Value>> = columns.iter().zip(&row.cells).collect();
    Record {
        id: row.id.clone(),
        version: None,
        created_at: None,
        modified_at: None,
        columns: syncline_core::Columns::new(cells.keys().map(|name| (*name).clone())),
        cells: cells.into_values().cloned().collect(),
    }
}
