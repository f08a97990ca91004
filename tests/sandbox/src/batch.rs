//! The batch calls: up to 100 inputs, all or nothing unless each input carries a trace id of its own.
//!
//! Invariant: without trace ids nothing is written when one input is bad.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::{Call, Reply, to_value};
use crate::clock::iso;
use crate::data::{Change, PropertyIndex, RecordId};
use crate::errors::ApiError;
use crate::records::{answer_properties, check_required, find, split_names};
use crate::store::ObjectStore;
use crate::values::accept;
use crate::wire::RecordView;

/// How many inputs one batch takes.
const INPUTS_MAX: usize = 100;

/// Which batch write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchWrite {
    Create,
    Update,
    Upsert,
}

#[derive(Deserialize)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WriteInput {
    id: Option<String>,
    id_property: Option<String>,
    properties: Option<Map<String, Value>>,
    object_write_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadInput {
    inputs: Vec<IdInput>,
    id_property: Option<String>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    properties_with_history: Vec<String>,
}

#[derive(Deserialize)]
struct IdInput {
    id: String,
}

/// An input that was found good: the record it is for, or none for a new one.
struct Planned {
    id: Option<RecordId>,
    changes: Vec<Change>,
}

struct Written {
    id: RecordId,
    new: bool,
    properties: Vec<PropertyIndex>,
    trace_id: Option<String>,
}

/// Answers batch/create, batch/update and batch/upsert.
pub(crate) fn write(call: &mut Call<'_>, operation: BatchWrite) -> Result<Reply, ApiError> {
    let Inputs { inputs } = read::<Inputs<WriteInput>>(call.body)?;
    check_count(inputs.len())?;
    if operation != BatchWrite::Create {
        check_distinct(&inputs)?;
    }
    let partial = may_fail_in_part(&inputs, operation);
    let mut written = Vec::new();
    let mut errors = Vec::new();
    if partial {
        for input in inputs {
            match plan(call, operation, &input) {
                Ok(planned) => written.push(commit(call, planned, input.object_write_trace_id)),
                Err(error) => errors.push(error.in_batch(input.object_write_trace_id.as_deref())),
            }
        }
    } else {
        let mut claimed = HashSet::new();
        let mut all = Vec::new();
        for input in inputs {
            let planned = plan(call, operation, &input)?;
            claim(call.store, &planned, &mut claimed)?;
            all.push((planned, input.object_write_trace_id));
        }
        written.extend(all.into_iter().map(|(planned, trace_id)| commit(call, planned, trace_id)));
    }
    Ok(answer(call, operation, written, errors))
}

/// Answers batch/read; records that are not there are named in a 207.
pub(crate) fn read_records(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let input: ReadInput = read(call.body)?;
    check_count(input.inputs.len())?;
    let archived = call.query_flag("archived");
    let store = &*call.store;
    let mut ids = Vec::new();
    let mut missing = Vec::new();
    for IdInput { id } in &input.inputs {
        match find(store, id, input.id_property.as_deref(), archived)? {
            Some(found) if !ids.contains(&found) => ids.push(found),
            Some(_) => {}
            None => missing.push(id.clone()),
        }
    }
    ids.sort_unstable();
    let names = input.properties.iter().flat_map(|names| split_names(names));
    let properties = answer_properties(store, names);
    let history = store.schema.select(input.properties_with_history.iter().map(String::as_str));
    let views = ids.iter().filter_map(|id| {
        let record = if archived { store.archived(*id) } else { store.live(*id) }?;
        let view =
            RecordView { properties: &properties, history: &history, ..RecordView::plain(&store.schema, record) };
        Some(to_value(&view))
    });
    let errors = if missing.is_empty() {
        Vec::new()
    } else {
        vec![ApiError::record_not_found(store.kind.singular, missing).in_batch(None)]
    };
    Ok(envelope(call.now_ms, 200, views.collect(), errors))
}

/// Answers batch/archive: 204 whatever the records' state.
pub(crate) fn archive(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let Inputs { inputs } = read::<Inputs<IdInput>>(call.body)?;
    check_count(inputs.len())?;
    for IdInput { id } in &inputs {
        if let Ok(id) = id.parse() {
            call.store.archive(RecordId(id), call.now_ms);
        }
    }
    Ok(Reply::empty())
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::malformed(error.to_string()))
}

fn check_count(inputs: usize) -> Result<(), ApiError> {
    if inputs == 0 {
        return Err(ApiError::invalid("The batch holds no inputs."));
    }
    if inputs > INPUTS_MAX {
        return Err(ApiError::invalid(format!("The number of inputs is {inputs}; the limit is {INPUTS_MAX}.")));
    }
    Ok(())
}

fn check_distinct(inputs: &[WriteInput]) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for input in inputs {
        let id = input.id.as_deref().unwrap_or_default().trim().to_lowercase();
        if !seen.insert((input.id_property.as_deref(), id.clone())) {
            return Err(ApiError::invalid(format!("Duplicate IDs found in batch input: [{id}]. IDs must be unique")));
        }
    }
    Ok(())
}

/// Whether good inputs are written although others are bad.
fn may_fail_in_part(inputs: &[WriteInput], operation: BatchWrite) -> bool {
    let mut seen = HashSet::new();
    let traced =
        inputs.iter().all(|input| input.object_write_trace_id.as_ref().is_some_and(|trace_id| seen.insert(trace_id)));
    let by_email = inputs.iter().any(|input| input.id_property.as_deref() == Some("email"));
    traced && !(operation == BatchWrite::Upsert && by_email)
}

fn plan(call: &Call<'_>, operation: BatchWrite, input: &WriteInput) -> Result<Planned, ApiError> {
    let properties = input.properties.as_ref().ok_or_else(|| ApiError::malformed("properties is required"))?;
    let (id, key) = match operation {
        BatchWrite::Create => (None, None),
        BatchWrite::Update => (Some(addressed(call.store, input)?), None),
        BatchWrite::Upsert => upserted(call.store, input)?,
    };
    let record = id.and_then(|id| call.store.live(id));
    let mut changes = accept(&call.store.schema, record, properties, call.settings.rewriting)?;
    if let Some((name, value)) = key.filter(|(name, _)| id.is_none() && !properties.contains_key(*name)) {
        let key = Map::from_iter([(name.to_owned(), Value::String(value.to_owned()))]);
        changes.extend(accept(&call.store.schema, None, &key, call.settings.rewriting)?);
    }
    if id.is_none() {
        check_required(call.store, &changes)?;
    }
    call.store.check_keys(id, &changes)?;
    Ok(Planned { id, changes })
}

/// The record an update is for; ids that were merged away are not known here.
fn addressed(store: &ObjectStore, input: &WriteInput) -> Result<RecordId, ApiError> {
    let id = input.id.as_deref().ok_or_else(|| ApiError::malformed("id is required"))?;
    let found = match input.id_property.as_deref() {
        None | Some("hs_object_id") => id.parse().ok().map(RecordId).filter(|id| store.live(*id).is_some()),
        property => find(store, id, property, false)?,
    };
    found.ok_or_else(|| store.missing(id))
}

type Key<'a> = Option<(&'a str, &'a str)>;

fn upserted<'a>(store: &ObjectStore, input: &'a WriteInput) -> Result<(Option<RecordId>, Key<'a>), ApiError> {
    let id = input.id.as_deref().ok_or_else(|| ApiError::malformed("id is required"))?;
    match input.id_property.as_deref() {
        None | Some("hs_object_id") => Ok((Some(addressed(store, input)?), None)),
        Some(name) => Ok((find(store, id, Some(name), false)?, Some((name, id)))),
    }
}

/// Refuses two inputs of one batch that want the same key.
fn claim(
    store: &ObjectStore,
    planned: &Planned,
    claimed: &mut HashSet<(PropertyIndex, String)>,
) -> Result<(), ApiError> {
    for (property, value) in
        planned.changes.iter().filter(|(property, value)| store.schema.is_key(*property) && !value.is_empty())
    {
        if !claimed.insert((*property, value.to_lowercase())) {
            let name = &store.schema.get(*property).name;
            return Err(ApiError::conflict(format!(
                "Two inputs of the batch have the same value of {name}: '{value}'."
            )));
        }
    }
    Ok(())
}

fn commit(call: &mut Call<'_>, planned: Planned, trace_id: Option<String>) -> Written {
    let properties = planned.changes.iter().map(|(property, _)| *property).collect();
    let (id, new) = match planned.id {
        Some(id) => {
            call.store.update(id, call.write(), planned.changes);
            (id, false)
        }
        None => (call.store.create(call.write(), planned.changes), true),
    };
    Written { id, new, properties, trace_id }
}

/// The answer, its results in an order of their own.
fn answer(call: &Call<'_>, operation: BatchWrite, mut written: Vec<Written>, errors: Vec<Value>) -> Reply {
    if call.settings.reorder_results {
        written.reverse();
    }
    let store = &*call.store;
    let results = written.iter().filter_map(|written| {
        let names = written.properties.iter().map(|property| store.schema.get(*property).name.as_str());
        let properties = answer_properties(store, names);
        let view = RecordView {
            properties: &properties,
            new: (operation == BatchWrite::Upsert).then_some(written.new),
            trace_id: written.trace_id.as_deref(),
            ..RecordView::plain(&store.schema, store.live(written.id)?)
        };
        Some(to_value(&view))
    });
    let status = if operation == BatchWrite::Create { 201 } else { 200 };
    envelope(call.now_ms, status, results.collect(), errors)
}

fn envelope(now_ms: i64, status: u16, results: Vec<Value>, errors: Vec<Value>) -> Reply {
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "requestedAt": iso(now_ms),
        "startedAt": iso(now_ms),
        "completedAt": iso(now_ms),
    });
    if errors.is_empty() {
        return Reply::json(status, &body);
    }
    body["numErrors"] = json!(errors.len());
    body["errors"] = Value::Array(errors);
    Reply::json(207, &body)
}
