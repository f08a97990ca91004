//! One account: its records, tokens, limits, faults and counters, and what one call sees of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Clock;
use crate::data::{PropertyIndex, Source, Write};
use crate::errors::ApiError;
use crate::faults::Faults;
use crate::limits::{Limits, Meter};
use crate::properties::contacts;
use crate::records::{answer_properties, split_names};
use crate::store::{CONTACTS, MergeIds, ObjectStore};
use crate::values::Rewriting;

/// How many of the latest requests are remembered one by one.
const REQUESTS_KEPT: usize = 2_000;

/// How the server behaves; all of it may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a write stays unseen by search.
    pub index_lag_ms: i64,
    /// How many calls are allowed.
    pub limits: Limits,
    /// What the server changes in values.
    pub rewriting: Rewriting,
    /// Which id a merged record has.
    pub merge_ids: MergeIds,
    /// The account's zone, in which the days of the daily limit begin; one that is not known counts as UTC.
    pub time_zone: String,
    /// Whether batch answers come in another order than their inputs, as the vendor may do.
    pub reorder_results: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            index_lag_ms: 0,
            limits: Limits::default(),
            rewriting: Rewriting::default(),
            merge_ids: MergeIds::default(),
            time_zone: "UTC".to_owned(),
            reorder_results: true,
        }
    }
}

/// One request that was answered, or dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path and query as they came.
    pub target: String,
    /// The status sent, or nothing when the connection was dropped without one.
    pub status: Option<u16>,
}

/// What was asked of the server, steering not counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// All requests.
    pub requests: u64,
    /// Requests by method and path, ids written as `{id}`.
    pub by_route: BTreeMap<String, u64>,
    /// Requests by the status of their answer; `dropped` when there was none.
    pub by_status: BTreeMap<String, u64>,
    /// The latest requests, the oldest first.
    pub latest: VecDeque<Request>,
}

impl Stats {
    pub(crate) fn count(&mut self, route: String, request: Request) {
        self.requests += 1;
        *self.by_route.entry(route).or_default() += 1;
        let status = request.status.map_or_else(|| "dropped".to_owned(), |status| status.to_string());
        *self.by_status.entry(status).or_default() += 1;
        if self.latest.len() == REQUESTS_KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(request);
    }
}

/// Everything the server knows.
pub(crate) struct Account {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) tokens: BTreeSet<String>,
    pub(crate) meter: Meter,
    pub(crate) faults: Faults,
    pub(crate) stats: Stats,
    objects: Vec<ObjectStore>,
    correlations: u64,
}

impl Account {
    pub(crate) fn new(clock: Clock, settings: Settings, tokens: BTreeSet<String>) -> Self {
        let objects = vec![ObjectStore::new(&CONTACTS, contacts::schema(clock.now_ms()))];
        Self {
            clock,
            settings,
            tokens,
            meter: Meter::default(),
            faults: Faults::default(),
            stats: Stats::default(),
            objects,
            correlations: 0,
        }
    }

    /// The store of the object that a path names, brought up to the present; and the settings it works by.
    pub(crate) fn object(&mut self, name: &str) -> Option<(&mut ObjectStore, &Settings, i64)> {
        let now_ms = self.clock.now_ms();
        let named = |store: &&mut ObjectStore| {
            let kind = store.kind;
            kind.path == name || kind.type_id == name || kind.singular.eq_ignore_ascii_case(name)
        };
        let store = self.objects.iter_mut().find(named)?;
        store.show_until(now_ms - self.settings.index_lag_ms);
        Some((store, &self.settings, now_ms))
    }

    pub(crate) fn contacts(&mut self) -> (&mut ObjectStore, &Settings, i64) {
        self.object(CONTACTS.path).expect("an account has contacts")
    }

    /// An id in the vendor's form under which a call could be found again.
    pub(crate) fn correlation_id(&mut self) -> String {
        self.correlations += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.correlations)
    }
}

/// One call to an object's records or properties.
pub(crate) struct Call<'a> {
    pub(crate) store: &'a mut ObjectStore,
    pub(crate) settings: &'a Settings,
    pub(crate) now_ms: i64,
    pub(crate) source: Source,
    pub(crate) address: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a [u8],
}

impl Call<'_> {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn query_flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn write(&self) -> Write {
        Write { at_ms: self.now_ms, source: self.source }
    }

    /// The properties the query asks for, and those it asks the history of.
    pub(crate) fn selection(&self) -> (Vec<PropertyIndex>, Vec<PropertyIndex>) {
        let named = |name: &'static str| self.query.iter().filter(move |(known, _)| known == name);
        let history: Vec<&str> = named("propertiesWithHistory").flat_map(|(_, names)| split_names(names)).collect();
        let names = named("properties").flat_map(|(_, names)| split_names(names));
        (answer_properties(self.store, names), self.store.schema.select(history))
    }

    /// The address of the next page.
    pub(crate) fn link(&self, after: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(name, _)| name != "after"));
        query.append_pair("after", after);
        format!("{}{}?{}", self.address, self.path, query.finish())
    }

    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(self.body).map_err(|error| ApiError::malformed(error.to_string()))
    }
}

/// What is sent back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("values and strings are always JSON");
        Self { status, content_type: "application/json;charset=utf-8", headers: Vec::new(), body }
    }

    pub(crate) fn empty() -> Self {
        Self { status: 204, content_type: "", headers: Vec::new(), body: Vec::new() }
    }

    /// The page a gateway in front of the vendor's servers sends.
    pub(crate) fn gateway(status: u16) -> Self {
        let body = format!("<html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>");
        Self { status, content_type: "text/html; charset=UTF-8", headers: Vec::new(), body: body.into_bytes() }
    }
}

/// A JSON value of anything that is one.
pub(crate) fn to_value(item: &impl Serialize) -> Value {
    serde_json::to_value(item).expect("values and strings are always JSON")
}
