//! The calls for single records: list, read, create, update, archive, merge, forget, and the answers of search.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::{Call, Reply};
use crate::data::{Change, PropertyIndex, Record, RecordId};
use crate::errors::ApiError;
use crate::search::search;
use crate::store::ObjectStore;
use crate::values::accept;
use crate::wire::RecordView;

const LIST_MAX: usize = 100;
const LIST_WITH_HISTORY_MAX: usize = 50;
const LIST_DEFAULT: usize = 10;

#[derive(Deserialize)]
struct WriteInput {
    properties: Map<String, Value>,
    #[serde(default)]
    associations: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeInput {
    primary_object_id: String,
    object_id_to_merge: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForgetInput {
    object_id: String,
    id_property: Option<String>,
}

#[derive(Serialize)]
struct PageView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    results: Vec<RecordView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

#[derive(Serialize)]
struct Paging {
    next: NextPage,
}

#[derive(Serialize)]
struct NextPage {
    after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Answers a page of all records in the order of their ids.
pub(crate) fn list(call: &Call<'_>) -> Result<Reply, ApiError> {
    let (properties, history) = call.selection();
    let most = if history.is_empty() { LIST_MAX } else { LIST_WITH_HISTORY_MAX };
    let limit = match call.query("limit").map(str::parse) {
        None => LIST_DEFAULT,
        Some(Ok(limit)) if (1..=most).contains(&limit) => limit,
        Some(_) => return Err(ApiError::invalid(format!("limit must be a number from 1 to {most}"))),
    };
    let from = match call.query("after").filter(|after| !after.is_empty()).map(str::parse) {
        None => RecordId(0),
        Some(Ok(after)) => RecordId(after),
        Some(Err(_)) => return Err(ApiError::invalid("after is not a cursor of this list")),
    };
    let records: Vec<&Record> = call.store.range_from(call.query_flag("archived"), from).take(limit + 1).collect();
    let shown = &records[..records.len().min(limit)];
    let next = shown.last().filter(|_| records.len() > limit).map(|last| (last.id.0 + 1).to_string());
    let paging = next.map(|after| Paging { next: NextPage { link: Some(call.link(&after)), after } });
    let view = |record| RecordView {
        properties: &properties,
        history: &history,
        ..RecordView::plain(&call.store.schema, record)
    };
    let results = shown.iter().map(|record| view(record)).collect();
    Ok(Reply::json(200, &PageView { total: None, results, paging }))
}

/// Answers a search.
pub(crate) fn find_many(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let page = search(call.store, call.body)?;
    let store = &*call.store;
    let properties = answer_properties(store, page.properties.iter().flat_map(|names| split_names(names)));
    let records = page.ids.iter().filter_map(|id| store.live(*id));
    let view = |record| RecordView {
        properties: &properties,
        as_of_ms: Some(page.as_of_ms),
        ..RecordView::plain(&store.schema, record)
    };
    let paging = page.next_after.map(|after| Paging { next: NextPage { after: after.to_string(), link: None } });
    Ok(Reply::json(200, &PageView { total: Some(page.total), results: records.map(view).collect(), paging }))
}

/// Answers one record.
pub(crate) fn get(call: &Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let archived = call.query_flag("archived");
    let found = find(call.store, id, call.query("idProperty"), archived)?;
    let record = found.and_then(|id| if archived { call.store.archived(id) } else { call.store.live(id) });
    let record = record.ok_or_else(|| call.store.missing(id))?;
    let (properties, history) = call.selection();
    let view =
        RecordView { properties: &properties, history: &history, ..RecordView::plain(&call.store.schema, record) };
    Ok(Reply::json(200, &view))
}

/// Creates a record.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let input: WriteInput = body(call)?;
    if !input.associations.is_empty() {
        return Err(ApiError::invalid("This sandbox keeps no associations."));
    }
    let changes = accept(&call.store.schema, None, &input.properties, call.settings.rewriting)?;
    check_required(call.store, &changes)?;
    call.store.check_keys(None, &changes)?;
    let written = changes.iter().map(|(property, _)| *property).collect::<Vec<_>>();
    let id = call.store.create(call.write(), changes);
    Ok(show_written(call.store, id, &written, 201))
}

/// Updates a record, also by an id that was merged away.
pub(crate) fn update(call: &mut Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let input: WriteInput = body(call)?;
    let found = find(call.store, id, call.query("idProperty"), false)?.ok_or_else(|| call.store.missing(id))?;
    let changes = accept(&call.store.schema, call.store.live(found), &input.properties, call.settings.rewriting)?;
    call.store.check_keys(Some(found), &changes)?;
    let written = changes.iter().map(|(property, _)| *property).collect::<Vec<_>>();
    call.store.update(found, call.write(), changes);
    Ok(show_written(call.store, found, &written, 200))
}

/// Archives a record; once more changes nothing.
pub(crate) fn archive(call: &mut Call<'_>, id: &str) -> Result<Reply, ApiError> {
    let number = RecordId(id.parse().map_err(|_| call.store.missing(id))?);
    if call.store.archive(number, call.now_ms) || call.store.archived(number).is_some() {
        return Ok(Reply::empty());
    }
    Err(call.store.missing(id))
}

/// Merges two records.
pub(crate) fn merge(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let input: MergeInput = body(call)?;
    let number =
        |id: &str| id.parse().map(RecordId).map_err(|_| ApiError::invalid(format!("'{id}' is not a record id")));
    let (primary, other) = (number(&input.primary_object_id)?, number(&input.object_id_to_merge)?);
    let id = call.store.merge(primary, other, call.settings.merge_ids, call.now_ms)?;
    Ok(show_written(call.store, id, &[], 200))
}

/// Removes a record for good.
pub(crate) fn forget(call: &mut Call<'_>) -> Result<Reply, ApiError> {
    let input: ForgetInput = body(call)?;
    let property = input.id_property.as_deref();
    let live = find(call.store, &input.object_id, property, false)?;
    let found = match live {
        Some(id) => Some(id),
        None => find(call.store, &input.object_id, property, true)?,
    };
    let id = found.ok_or_else(|| call.store.missing(&input.object_id))?;
    call.store.purge(id);
    Ok(Reply::empty())
}

/// The record that `id` names, by its number or by the value of a key.
pub(crate) fn find(
    store: &ObjectStore,
    id: &str,
    id_property: Option<&str>,
    archived: bool,
) -> Result<Option<RecordId>, ApiError> {
    let Some(name) = id_property.filter(|name| *name != "hs_object_id") else {
        let id = id.parse().ok().map(RecordId);
        let found =
            if archived { id.filter(|id| store.archived(*id).is_some()) } else { id.and_then(|id| store.resolve(id)) };
        return Ok(found);
    };
    let property = store.schema.find_key(name);
    let property = property.ok_or_else(|| ApiError::invalid(format!("{name} does not have unique values.")))?;
    if archived {
        let mut records = store.range_from(true, RecordId(0));
        let same = |record: &&Record| record.value(property).is_some_and(|value| value.eq_ignore_ascii_case(id.trim()));
        return Ok(records.find(same).map(|record| record.id));
    }
    Ok(store.find_by_key(property, id))
}

/// Refuses a new record that lacks all of the properties one of which it must have.
pub(crate) fn check_required(store: &ObjectStore, changes: &[Change]) -> Result<(), ApiError> {
    let required = store.kind.required_any;
    let has =
        |(property, value): &Change| !value.is_empty() && required.contains(&store.schema.get(*property).name.as_str());
    if required.is_empty() || changes.iter().any(has) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Error creating {}. At least one of these is needed: {required:?}",
        store.kind.singular
    )))
}

/// The properties of an answer: those asked for and those that are always there.
pub(crate) fn answer_properties<'a>(store: &ObjectStore, names: impl Iterator<Item = &'a str>) -> Vec<PropertyIndex> {
    let names: Vec<&str> = names.collect();
    let always = if names.is_empty() {
        store.kind.default_properties
    } else {
        &["createdate", "hs_object_id", store.kind.modified]
    };
    store.schema.select(names.into_iter().chain(always.iter().copied()))
}

/// Names given one by one or with commas between them.
pub(crate) fn split_names(names: &str) -> impl Iterator<Item = &str> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn body<T: for<'de> Deserialize<'de>>(call: &Call<'_>) -> Result<T, ApiError> {
    serde_json::from_slice(call.body).map_err(|error| ApiError::malformed(error.to_string()))
}

fn show_written(store: &ObjectStore, id: RecordId, written: &[PropertyIndex], status: u16) -> Reply {
    let names = written.iter().map(|property| store.schema.get(*property).name.as_str());
    let properties = answer_properties(store, names);
    match store.live(id) {
        Some(record) => {
            let view = RecordView { properties: &properties, ..RecordView::plain(&store.schema, record) };
            Reply::json(status, &view)
        }
        None => Reply::empty(),
    }
}
