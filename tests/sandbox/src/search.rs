//! Search: filter groups, one sort, pages, and the vendor's bounds on all of them.
//!
//! Invariant: an answer shows every record as it was at the index's horizon, and no archived one.
//! Not here: what one filter means (`search/filter`).

mod filter;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{PropertyIndex, Record, RecordId};
use crate::errors::ApiError;
use crate::properties::Kind;
use crate::store::ObjectStore;
use crate::wire::shown;
use filter::{Filter, Test};

const BODY_CHARS_MAX: usize = 3_000;
const GROUPS_MAX: usize = 5;
const FILTERS_PER_GROUP_MAX: usize = 6;
const FILTERS_MAX: usize = 18;
const PAGE_MAX: usize = 200;
const PAGE_DEFAULT: usize = 10;

/// How far into the results of one query a caller may page.
const RESULTS_MAX: usize = 10_000;

/// How many queries keep their results between two pages.
const CACHED_QUERIES: usize = 8;

/// Where a free-text query looks.
const QUERY_PROPERTIES: [&str; 5] = ["firstname", "lastname", "email", "phone", "company"];

/// One page of results.
pub(crate) struct Page {
    pub(crate) total: usize,
    pub(crate) ids: Vec<RecordId>,
    pub(crate) next_after: Option<usize>,
    pub(crate) properties: Vec<String>,
    pub(crate) as_of_ms: i64,
}

/// The results of the latest queries, so that the next page costs nothing.
#[derive(Default)]
pub(crate) struct SearchCache(VecDeque<(String, u64, Arc<[RecordId]>)>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchInput {
    #[serde(default)]
    filter_groups: Vec<FilterGroup>,
    #[serde(default)]
    sorts: Vec<Value>,
    query: Option<String>,
    limit: Option<usize>,
    after: Option<Value>,
    #[serde(default)]
    properties: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct FilterGroup {
    filters: Vec<Filter>,
}

struct Sort {
    property: PropertyIndex,
    descending: bool,
}

/// Answers one search over the state at the index's horizon.
pub(crate) fn search(store: &mut ObjectStore, body: &[u8]) -> Result<Page, ApiError> {
    if body.len() > BODY_CHARS_MAX && String::from_utf8_lossy(body).chars().count() > BODY_CHARS_MAX {
        return Err(ApiError::invalid(format!("The search request is longer than {BODY_CHARS_MAX} characters.")));
    }
    let input: SearchInput = serde_json::from_slice(body).map_err(|error| ApiError::malformed(error.to_string()))?;
    let limit = input.limit.unwrap_or(PAGE_DEFAULT);
    if limit > PAGE_MAX {
        return Err(ApiError::invalid(format!("limit must be at most {PAGE_MAX}")));
    }
    let after = after(input.after.as_ref())?;
    if after >= RESULTS_MAX {
        return Err(ApiError::invalid(format!("The maximum number of results of one query is {RESULTS_MAX}.")));
    }
    let found = results(store, &input)?;
    let end = (after + limit).min(RESULTS_MAX).min(found.len());
    let ids = found.get(after..end).unwrap_or_default().to_vec();
    Ok(Page {
        total: found.len(),
        next_after: (end < found.len() && !ids.is_empty()).then_some(end),
        ids,
        properties: input.properties,
        as_of_ms: store.index.horizon_ms(),
    })
}

fn after(value: Option<&Value>) -> Result<usize, ApiError> {
    let number = match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) if text.is_empty() => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    number.ok_or_else(|| ApiError::invalid("after must be an integer"))
}

fn results(store: &mut ObjectStore, input: &SearchInput) -> Result<Arc<[RecordId]>, ApiError> {
    let key = serde_json::to_string(&(&input.filter_groups, &input.sorts, &input.query)).unwrap_or_default();
    let generation = store.index.generation();
    let kept = store.cache.0.iter().find(|(cached, seen, _)| *seen == generation && *cached == key);
    if let Some((.., results)) = kept {
        return Ok(Arc::clone(results));
    }
    let groups = compile(store, &input.filter_groups)?;
    let sort = sort(store, &input.sorts)?;
    let query = input.query.as_deref().map(str::to_lowercase).filter(|query| !query.trim().is_empty());
    let mut found = matching(store, &groups, query.as_deref());
    if let Some(sort) = sort {
        order(store, &sort, &mut found);
    }
    let results: Arc<[RecordId]> = found.into();
    store.cache.0.truncate(CACHED_QUERIES - 1);
    store.cache.0.push_front((key, generation, Arc::clone(&results)));
    Ok(results)
}

fn compile(store: &ObjectStore, groups: &[FilterGroup]) -> Result<Vec<Vec<Test>>, ApiError> {
    let filters: usize = groups.iter().map(|group| group.filters.len()).sum();
    let wide = groups.iter().any(|group| group.filters.len() > FILTERS_PER_GROUP_MAX);
    if groups.len() > GROUPS_MAX || wide || filters > FILTERS_MAX {
        return Err(ApiError::invalid(format!(
            "A search takes at most {GROUPS_MAX} filter groups, {FILTERS_PER_GROUP_MAX} filters in each and \
             {FILTERS_MAX} in all."
        )));
    }
    let compile = |group: &FilterGroup| group.filters.iter().map(|filter| filter.compile(store)).collect();
    groups.iter().map(compile).collect()
}

fn sort(store: &ObjectStore, sorts: &[Value]) -> Result<Option<Sort>, ApiError> {
    if sorts.len() > 1 {
        return Err(ApiError::invalid("A search takes at most one sort."));
    }
    let Some(sort) = sorts.first() else { return Ok(None) };
    let (name, descending) = match sort {
        Value::String(text) => (text.trim_start_matches('-'), text.starts_with('-')),
        other => {
            let name = other.get("propertyName").and_then(Value::as_str).unwrap_or_default();
            (name, other.get("direction").and_then(Value::as_str) == Some("DESCENDING"))
        }
    };
    let property = store.schema.find(name);
    let property = property.ok_or_else(|| ApiError::invalid(format!("There is no property '{name}' to sort by.")))?;
    Ok(Some(Sort { property, descending }))
}

/// The ids of the records that match, in their order.
fn matching(store: &ObjectStore, groups: &[Vec<Test>], query: Option<&str>) -> Vec<RecordId> {
    let everything = [Vec::new()];
    let groups = if groups.is_empty() { &everything[..] } else { groups };
    let mut found = Vec::new();
    for group in groups {
        let wanted = |record: &Record| {
            let as_of_ms = store.index.horizon_ms();
            record.indexed_ms.is_some()
                && group.iter().all(|test| test.holds(&store.schema, record, as_of_ms))
                && query.is_none_or(|query| mentions(store, record, query))
        };
        match candidates(store, group) {
            Candidates::Ids(ids) => {
                let records = ids.into_iter().filter_map(|id| store.live(id));
                found.extend(records.filter(|record| wanted(record)).map(|record| record.id));
            }
            Candidates::From(first, last) => {
                let records = store.range_from(false, first).take_while(|record| record.id <= last);
                found.extend(records.filter(|record| wanted(record)).map(|record| record.id));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

enum Candidates {
    Ids(BTreeSet<RecordId>),
    From(RecordId, RecordId),
}

/// The fewest records that can hold all matches of `group`, by the best order at hand.
fn candidates(store: &ObjectStore, group: &[Test]) -> Candidates {
    for test in group {
        if let Some((property, values)) = test.key_values(&store.schema) {
            let known = values.iter().filter_map(|value| store.find_by_key(property, value));
            return Candidates::Ids(known.chain(store.index.pending()).collect());
        }
    }
    // When most records qualify, walking them all in order is cheaper than gathering them.
    let few = store.count(false) / 8 + 1_000;
    for test in group {
        if let Test::Modified(range) = test {
            let ids: BTreeSet<RecordId> = store.index.modified_in(range).take(few + 1).collect();
            if ids.len() <= few {
                return Candidates::Ids(ids);
            }
        }
    }
    for test in group {
        if let Test::Id(range) = test {
            let clamp = |id: i64| RecordId(u64::try_from(id).unwrap_or(0));
            return Candidates::From(clamp(*range.start()), clamp(*range.end()));
        }
    }
    Candidates::From(RecordId(0), RecordId(u64::MAX))
}

fn mentions(store: &ObjectStore, record: &Record, query: &str) -> bool {
    let as_of_ms = Some(store.index.horizon_ms());
    QUERY_PROPERTIES.iter().filter_map(|name| store.schema.find(name)).any(|property| {
        shown(&store.schema, record, property, as_of_ms).is_some_and(|value| value.to_lowercase().contains(query))
    })
}

fn order(store: &ObjectStore, sort: &Sort, found: &mut [RecordId]) {
    let as_of_ms = Some(store.index.horizon_ms());
    let kind = store.schema.get(sort.property).kind;
    let text = |id: &RecordId| {
        let record = store.live(*id)?;
        shown(&store.schema, record, sort.property, as_of_ms).map(|value| value.to_lowercase())
    };
    if matches!(kind, Kind::Number | Kind::Date | Kind::DateTime) {
        let key = |id: &RecordId| text(id).and_then(|value| filter::number(kind, &value)).unwrap_or(f64::MAX);
        let mut keyed: Vec<(f64, RecordId)> = found.iter().map(|id| (key(id), *id)).collect();
        keyed.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        found.iter_mut().zip(keyed).for_each(|(place, (_, id))| *place = id);
    } else {
        found.sort_by_cached_key(|id| (text(id), *id));
    }
    if sort.descending {
        found.reverse();
    }
}
