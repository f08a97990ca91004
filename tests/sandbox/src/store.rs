//! The records of one object: live, archived, merged away; every write passes here.
//!
//! Invariant: a key's value belongs to at most one live record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{Change, PropertyIndex, Record, RecordId, Source, Write};
use crate::errors::{ApiError, Detail};
use crate::index::{KeyIndex, SearchIndex};
use crate::properties::Schema;
use crate::search::SearchCache;

/// The first id an account gives; low enough that ids soon gain a digit, as text sorts them wrongly then.
const FIRST_ID: u64 = 951;

/// How many records one record may take in.
const MERGES_MAX: usize = 250;

/// What an object is called and which of its properties play a part.
pub(crate) struct ObjectKind {
    pub(crate) path: &'static str,
    pub(crate) type_id: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) label: &'static str,
    pub(crate) modified: &'static str,
    pub(crate) required_any: &'static [&'static str],
    pub(crate) default_properties: &'static [&'static str],
}

/// Contacts.
pub(crate) const CONTACTS: ObjectKind = ObjectKind {
    path: "contacts",
    type_id: "0-1",
    singular: "CONTACT",
    label: "Contact",
    modified: "lastmodifieddate",
    required_any: &["email", "firstname", "lastname"],
    default_properties: &["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
};

/// Which id a merged record has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeIds {
    /// The merged record is a new one; both old ids point to it.
    #[default]
    New,
    /// The primary record stays and takes in the other.
    KeepPrimary,
}

/// The records and properties of one object.
pub(crate) struct ObjectStore {
    pub(crate) kind: &'static ObjectKind,
    pub(crate) schema: Schema,
    pub(crate) index: SearchIndex,
    pub(crate) cache: SearchCache,
    live: BTreeMap<RecordId, Record>,
    archived: BTreeMap<RecordId, Record>,
    keys: KeyIndex,
    merged_into: HashMap<RecordId, RecordId>,
    last_id: u64,
}

impl ObjectStore {
    pub(crate) fn new(kind: &'static ObjectKind, schema: Schema) -> Self {
        Self {
            kind,
            schema,
            index: SearchIndex::default(),
            cache: SearchCache::default(),
            live: BTreeMap::new(),
            archived: BTreeMap::new(),
            keys: KeyIndex::default(),
            merged_into: HashMap::new(),
            last_id: FIRST_ID,
        }
    }

    /// Lets search see what was written until `horizon_ms`.
    pub(crate) fn show_until(&mut self, horizon_ms: i64) {
        self.index.advance(horizon_ms, &mut self.live);
    }

    pub(crate) fn live(&self, id: RecordId) -> Option<&Record> {
        self.live.get(&id)
    }

    pub(crate) fn archived(&self, id: RecordId) -> Option<&Record> {
        self.archived.get(&id)
    }

    /// The live records, or the archived ones, in the order of their ids from `from` on.
    pub(crate) fn range_from(&self, archived: bool, from: RecordId) -> impl Iterator<Item = &Record> {
        let records = if archived { &self.archived } else { &self.live };
        records.range(from..).map(|(_, record)| record)
    }

    pub(crate) fn count(&self, archived: bool) -> usize {
        if archived { self.archived.len() } else { self.live.len() }
    }

    /// The live record that `id` names, also when it is the id of a record merged into it.
    pub(crate) fn resolve(&self, id: RecordId) -> Option<RecordId> {
        let mut id = id;
        while !self.live.contains_key(&id) {
            id = *self.merged_into.get(&id)?;
        }
        Some(id)
    }

    pub(crate) fn find_by_key(&self, property: PropertyIndex, value: &str) -> Option<RecordId> {
        self.keys.find(property, value.trim())
    }

    /// Refuses `changes` that would give the record `id` a key's value of another.
    pub(crate) fn check_keys(&self, id: Option<RecordId>, changes: &[Change]) -> Result<(), ApiError> {
        for (property, value) in changes {
            if value.is_empty() || !self.schema.is_key(*property) {
                continue;
            }
            let Some(other) = self.keys.find(*property, value).filter(|other| Some(*other) != id) else { continue };
            if self.schema.is_natural_key(*property) {
                return Err(ApiError::conflict(format!("{} already exists. Existing ID: {other}", self.kind.label)));
            }
            let name = &self.schema.get(*property).name;
            let message = format!("Cannot set {name} to '{value}'. {other} already has that value.");
            let property = name.clone();
            return Err(ApiError::invalid_values(vec![Detail { code: "CONFLICTING_UNIQUE_VALUE", message, property }]));
        }
        Ok(())
    }

    /// Makes a record of `changes`, which were checked.
    pub(crate) fn create(&mut self, write: Write, changes: Vec<Change>) -> RecordId {
        self.create_with(write, write.at_ms, changes)
    }

    /// Makes a record whose creation date is `created_ms` although it is written now.
    pub(crate) fn create_with(&mut self, write: Write, created_ms: i64, changes: Vec<Change>) -> RecordId {
        let id = self.next_id();
        let mut record = Record::new(id, created_ms);
        record.apply(write, changes);
        self.insert(record);
        self.index.note(write.at_ms, id);
        id
    }

    /// Writes `changes`, which were checked, to a live record.
    pub(crate) fn update(&mut self, id: RecordId, write: Write, changes: Vec<Change>) {
        let Some(record) = self.live.get_mut(&id) else { return };
        for (property, value) in changes.iter().filter(|(property, _)| self.schema.is_key(*property)) {
            if let Some(before) = record.value(*property) {
                self.keys.remove(*property, before, id);
            }
            if !value.is_empty() {
                self.keys.put(*property, value, id);
            }
        }
        record.apply(write, changes);
        self.index.note(write.at_ms, id);
    }

    /// Archives a live record; its keys are free again.
    pub(crate) fn archive(&mut self, id: RecordId, now_ms: i64) -> bool {
        let Some(mut record) = self.remove(id) else { return false };
        record.archived_ms = Some(now_ms);
        self.archived.insert(id, record);
        true
    }

    /// Brings an archived record back, if no live record took its keys meanwhile.
    pub(crate) fn restore(&mut self, id: RecordId, write: Write) -> Result<(), ApiError> {
        let record = self.archived.get(&id).ok_or_else(|| self.missing(&id.to_string()))?;
        let values: Vec<Change> = record.values().map(|(property, value)| (property, Arc::clone(value))).collect();
        self.check_keys(None, &values)?;
        let Some(mut record) = self.archived.remove(&id) else { return Err(self.missing(&id.to_string())) };
        record.archived_ms = None;
        record.apply(write, Vec::new());
        self.insert(record);
        self.index.note(write.at_ms, id);
        Ok(())
    }

    /// Removes a record, live or archived, without a trace.
    pub(crate) fn purge(&mut self, id: RecordId) -> bool {
        self.remove(id).is_some() || self.archived.remove(&id).is_some()
    }

    /// Merges the record `other` into `primary` and returns the id of the result.
    pub(crate) fn merge(
        &mut self,
        primary: RecordId,
        other: RecordId,
        ids: MergeIds,
        now_ms: i64,
    ) -> Result<RecordId, ApiError> {
        let primary = self.resolve(primary).ok_or_else(|| self.missing(&primary.to_string()))?;
        let other = self.resolve(other).ok_or_else(|| self.missing(&other.to_string()))?;
        if primary == other {
            return Err(ApiError::invalid(format!("Cannot merge object {primary} with itself")));
        }
        let merges = |id: &RecordId| self.live[id].merged_ids.len() + 1;
        if merges(&primary) + merges(&other) > MERGES_MAX {
            return Err(ApiError::invalid(format!("A record may take part in at most {MERGES_MAX} merges.")));
        }
        let (Some(first), Some(second)) = (self.remove(primary), self.remove(other)) else {
            return Err(self.missing(&primary.to_string()));
        };
        let write = Write { at_ms: now_ms, source: Source::Merge };
        let merged = match ids {
            MergeIds::New => {
                let mut record = Record::new(self.next_id(), first.created_ms.min(second.created_ms));
                let values = first.values().map(|(property, value)| (property, Arc::clone(value)));
                record.apply(write, values.chain(self.fill(&first, &second)).collect());
                record.merged_ids.push(first.id);
                record
            }
            MergeIds::KeepPrimary => {
                let mut record = first.clone();
                record.apply(write, self.fill(&first, &second));
                record
            }
        };
        Ok(self.take_in(merged, &first, &second, now_ms))
    }

    fn take_in(&mut self, mut merged: Record, first: &Record, second: &Record, now_ms: i64) -> RecordId {
        let id = merged.id;
        let older = first.merged_ids.iter().chain(&second.merged_ids);
        merged.merged_ids.extend(older.chain([&second.id]).copied());
        merged.merged_ids.sort_unstable();
        merged.merged_ids.dedup();
        for old in &merged.merged_ids {
            self.merged_into.insert(*old, id);
        }
        self.insert(merged);
        self.index.note(now_ms, id);
        if let Some(record) = self.live.get_mut(&id) {
            self.index.show_known(record);
        }
        id
    }

    /// What `second` adds to `first`: the values it lacks, and the other e-mail address.
    fn fill(&self, first: &Record, second: &Record) -> Vec<Change> {
        let missing = second.values().filter(|(property, _)| first.value(*property).is_none());
        let mut changes: Vec<Change> = missing.map(|(property, value)| (property, Arc::clone(value))).collect();
        if let (Some(email), Some(additional)) = (self.schema.natural_key(), self.schema.find("hs_additional_emails")) {
            let mut all: Vec<&str> = Vec::new();
            let own = first.value(additional).map_or("", |value| value);
            let theirs = second.value(additional).map_or("", |value| value);
            let second_email = second.value(email).filter(|_| first.value(email).is_some()).map_or("", |value| value);
            all.extend(own.split(';').chain(theirs.split(';')).chain([second_email]).filter(|value| !value.is_empty()));
            changes.retain(|(property, _)| *property != additional);
            changes.push((additional, all.join(";").into()));
        }
        changes
    }

    pub(crate) fn missing(&self, id: &str) -> ApiError {
        ApiError::record_not_found(self.kind.singular, vec![id.to_owned()])
    }

    fn insert(&mut self, record: Record) {
        for (property, value) in Self::key_values(&self.schema, &record) {
            self.keys.put(property, value, record.id);
        }
        self.live.insert(record.id, record);
    }

    fn remove(&mut self, id: RecordId) -> Option<Record> {
        let mut record = self.live.remove(&id)?;
        for (property, value) in Self::key_values(&self.schema, &record) {
            self.keys.remove(property, value, id);
        }
        self.index.forget(&mut record);
        Some(record)
    }

    /// The keys of a record; further e-mail addresses find a contact too.
    fn key_values<'a>(schema: &Schema, record: &'a Record) -> Vec<(PropertyIndex, &'a str)> {
        let own = record.values().filter(|(property, _)| schema.is_key(*property));
        let mut keys: Vec<_> = own.map(|(property, value)| (property, &**value)).collect();
        let additional = schema.find("hs_additional_emails").and_then(|property| record.value(property));
        if let (Some(email), Some(additional)) = (schema.natural_key(), additional) {
            keys.extend(additional.split(';').filter(|value| !value.is_empty()).map(|value| (email, value)));
        }
        keys
    }

    /// Ids rise with gaps, so that nobody counts on the next one.
    fn next_id(&mut self) -> RecordId {
        let id = RecordId(self.last_id);
        self.last_id += 1 + (self.last_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62);
        id
    }
}
