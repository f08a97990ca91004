//! The handle of tests and demos: looks into the account and steers it, beside the API.
//!
//! What a person would do in the vendor's pages (`create`, `edit`, `archive`, …) obeys the same rules as the API and is
//! neither counted nor limited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::{Account, Settings, Stats};
use crate::clock::{Clock, iso};
use crate::data::{Record, RecordId, Source, Write};
use crate::errors::ApiError;
use crate::faults::{Fault, FaultKind};
use crate::records::{check_required, find};
use crate::routes::{self, Incoming};
use crate::seed::{self, Seed};
use crate::store::{MergeIds, ObjectStore};
use crate::values::accept;

/// A handle to the account behind a server; clones see the same account.
#[derive(Clone)]
pub struct State(Arc<Mutex<Account>>);

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The account holds tokens, and perhaps many records.
        formatter.write_str("State(..)")
    }
}

/// A record as it is in the store, computed and empty properties left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its number.
    pub id: RecordId,
    /// The values that are there, by property.
    pub properties: BTreeMap<String, String>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last written.
    pub modified_ms: i64,
    /// When it was archived, if it is.
    pub archived_ms: Option<i64>,
    /// The records merged into it.
    pub merged_ids: Vec<RecordId>,
    /// How often it was written, its creation counted.
    pub writes: usize,
}

impl Snapshot {
    /// The value of a property, or nothing.
    #[must_use]
    pub fn get(&self, property: &str) -> Option<&str> {
        self.properties.get(property).map(String::as_str)
    }

    fn of(store: &ObjectStore, record: &Record) -> Self {
        let values = record.values();
        let properties = values.map(|(property, value)| (store.schema.get(property).name.clone(), value.to_string()));
        Self {
            id: record.id,
            properties: properties.collect(),
            created_ms: record.created_ms,
            modified_ms: record.modified_ms(),
            archived_ms: record.archived_ms,
            merged_ids: record.merged_ids.clone(),
            writes: record.write_count(),
        }
    }
}

impl State {
    pub(crate) fn new(clock: Clock, settings: Settings, tokens: BTreeSet<String>) -> Self {
        Self(Arc::new(Mutex::new(Account::new(clock, settings, tokens))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Account> {
        // A panic in a test that holds the lock leaves an account that can still be looked at.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn strike(&self, incoming: &Incoming) -> Option<FaultKind> {
        self.lock().faults.strike(&incoming.method, &incoming.path)
    }

    pub(crate) fn count(&self, incoming: &Incoming, status: Option<u16>) {
        let request =
            crate::account::Request { method: incoming.method.clone(), target: incoming.target.clone(), status };
        self.lock().stats.count(routes::label(incoming), request);
    }

    pub(crate) fn correlation_id(&self) -> String {
        self.lock().correlation_id()
    }

    /// The clock of this account.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.lock().clock.clone()
    }

    /// Fills the account with people; the same seed gives the same ones.
    pub fn seed(&self, seed: &Seed) -> Vec<RecordId> {
        seed::fill(&mut self.lock(), seed)
    }

    /// How many live contacts there are.
    #[must_use]
    pub fn count_live(&self) -> usize {
        self.lock().contacts().0.count(false)
    }

    /// Every live contact, in the order of ids.
    #[must_use]
    pub fn records(&self) -> Vec<Snapshot> {
        self.page(false, RecordId(0), usize::MAX)
    }

    /// Every archived contact, in the order of ids.
    #[must_use]
    pub fn archived(&self) -> Vec<Snapshot> {
        self.page(true, RecordId(0), usize::MAX)
    }

    /// At most `count` contacts from the id `from` on.
    #[must_use]
    pub fn page(&self, archived: bool, from: RecordId, count: usize) -> Vec<Snapshot> {
        let mut account = self.lock();
        let store = &*account.contacts().0;
        store.range_from(archived, from).take(count).map(|record| Snapshot::of(store, record)).collect()
    }

    /// One contact, live or archived, also by an id that was merged away.
    #[must_use]
    pub fn record(&self, id: RecordId) -> Option<Snapshot> {
        let mut account = self.lock();
        let store = &*account.contacts().0;
        let live = store.resolve(id).and_then(|id| store.live(id));
        live.or_else(|| store.archived(id)).map(|record| Snapshot::of(store, record))
    }

    /// The live contact with that value of a key, such as an e-mail address.
    ///
    /// # Errors
    /// When `property` is not a key.
    pub fn find(&self, property: &str, value: &str) -> Result<Option<Snapshot>, ApiError> {
        let mut account = self.lock();
        let store = &*account.contacts().0;
        let id = find(store, value, Some(property), false)?;
        Ok(id.and_then(|id| store.live(id)).map(|record| Snapshot::of(store, record)))
    }

    /// Creates a contact as a person would.
    ///
    /// # Errors
    /// When the vendor would refuse it.
    pub fn create(&self, properties: &[(&str, &str)]) -> Result<RecordId, ApiError> {
        self.create_from(&map(properties))
    }

    pub(crate) fn create_from(&self, properties: &Map<String, Value>) -> Result<RecordId, ApiError> {
        let mut account = self.lock();
        let (store, settings, at_ms) = account.contacts();
        let changes = accept(&store.schema, None, properties, settings.rewriting)?;
        check_required(store, &changes)?;
        store.check_keys(None, &changes)?;
        Ok(store.create(Write { at_ms, source: Source::Person }, changes))
    }

    /// Edits a contact as a person would.
    ///
    /// # Errors
    /// When the contact is not there, or the vendor would refuse the values.
    pub fn edit(&self, id: RecordId, properties: &[(&str, &str)]) -> Result<(), ApiError> {
        self.edit_from(id, &map(properties))
    }

    pub(crate) fn edit_from(&self, id: RecordId, properties: &Map<String, Value>) -> Result<(), ApiError> {
        let mut account = self.lock();
        let (store, settings, at_ms) = account.contacts();
        let found = store.resolve(id).ok_or_else(|| store.missing(&id.to_string()))?;
        let changes = accept(&store.schema, store.live(found), properties, settings.rewriting)?;
        store.check_keys(Some(found), &changes)?;
        store.update(found, Write { at_ms, source: Source::Person }, changes);
        Ok(())
    }

    /// Archives a contact.
    ///
    /// # Errors
    /// When it is not there.
    pub fn archive(&self, id: RecordId) -> Result<(), ApiError> {
        let mut account = self.lock();
        let (store, _, now_ms) = account.contacts();
        if store.archive(id, now_ms) { Ok(()) } else { Err(store.missing(&id.to_string())) }
    }

    /// Brings an archived contact back; its stamp moves.
    ///
    /// # Errors
    /// When it is not archived, or another contact has its e-mail address or another key of it.
    pub fn restore(&self, id: RecordId) -> Result<(), ApiError> {
        let mut account = self.lock();
        let (store, _, at_ms) = account.contacts();
        store.restore(id, Write { at_ms, source: Source::Person })
    }

    /// Removes a contact for good, live or archived.
    ///
    /// # Errors
    /// When it is not there.
    pub fn forget(&self, id: RecordId) -> Result<(), ApiError> {
        let mut account = self.lock();
        let store = account.contacts().0;
        if store.purge(id) { Ok(()) } else { Err(store.missing(&id.to_string())) }
    }

    /// Merges `other` into `primary`; says the id of the result.
    ///
    /// # Errors
    /// When one of them is not there, or both are the same.
    pub fn merge(&self, primary: RecordId, other: RecordId) -> Result<RecordId, ApiError> {
        let mut account = self.lock();
        let (store, settings, now_ms) = account.contacts();
        let ids: MergeIds = settings.merge_ids;
        store.merge(primary, other, ids, now_ms)
    }

    /// Creates a property of contacts from the body the vendor's API takes.
    ///
    /// # Errors
    /// When the vendor would refuse it.
    pub fn create_property(&self, body: &Value) -> Result<(), ApiError> {
        let mut account = self.lock();
        let (store, _, now_ms) = account.contacts();
        store.schema.create(body, now_ms).map(drop)
    }

    /// Adds a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// The faults asked for, with how often each has struck.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.lock().faults.list().to_vec()
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// What was asked of the server so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    /// Starts counting from nothing.
    pub fn reset_stats(&self) {
        self.lock().stats = Stats::default();
    }

    /// How the server behaves now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Changes how the server behaves.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.lock().settings);
    }

    /// Accepts `token` from now on.
    pub fn allow_token(&self, token: &str) {
        self.lock().tokens.insert(token.to_owned());
    }

    /// Refuses `token` from now on; says whether it was accepted before.
    pub fn revoke_token(&self, token: &str) -> bool {
        self.lock().tokens.remove(token)
    }

    /// The time of the account, in the vendor's words.
    #[must_use]
    pub fn now(&self) -> String {
        iso(self.lock().clock.now_ms())
    }
}

fn map(properties: &[(&str, &str)]) -> Map<String, Value> {
    properties.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
}
