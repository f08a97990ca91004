//! Records as the vendor shows them.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::clock::iso;
use crate::data::{PropertyIndex, Record};
use crate::properties::{Computed, Schema};

/// One record in an answer.
pub(crate) struct RecordView<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) record: &'a Record,
    /// Shows the record as it was then; the present when nothing is said.
    pub(crate) as_of_ms: Option<i64>,
    pub(crate) properties: &'a [PropertyIndex],
    pub(crate) history: &'a [PropertyIndex],
    pub(crate) new: Option<bool>,
    pub(crate) trace_id: Option<&'a str>,
}

impl<'a> RecordView<'a> {
    /// The record as it is now, without any property.
    pub(crate) fn plain(schema: &'a Schema, record: &'a Record) -> Self {
        Self { schema, record, as_of_ms: None, properties: &[], history: &[], new: None, trace_id: None }
    }
}

/// The value a reader sees, worked out where the server does that.
pub(crate) fn shown<'a>(
    schema: &Schema,
    record: &'a Record,
    property: PropertyIndex,
    as_of_ms: Option<i64>,
) -> Option<Cow<'a, str>> {
    let stored = |name: &str| schema.find(name).and_then(|property| record.value_as_of(property, as_of_ms));
    match schema.get(property).computed {
        None => record.value_as_of(property, as_of_ms).map(Cow::Borrowed),
        Some(Computed::ObjectId) => Some(Cow::Owned(record.id.to_string())),
        Some(Computed::Created) => Some(Cow::Owned(iso(record.created_ms))),
        Some(Computed::Modified) => Some(Cow::Owned(iso(modified_ms(record, as_of_ms)))),
        Some(Computed::MergedIds) if record.merged_ids.is_empty() => None,
        Some(Computed::MergedIds) => {
            let ids: Vec<String> = record.merged_ids.iter().map(ToString::to_string).collect();
            Some(Cow::Owned(ids.join(";")))
        }
        Some(Computed::EmailDomain) => stored("email")?.split_once('@').map(|(_, domain)| Cow::Borrowed(domain)),
        Some(Computed::FullNameOrEmail) => {
            let names: Vec<&str> = [stored("firstname"), stored("lastname")].into_iter().flatten().collect();
            if names.is_empty() { stored("email").map(Cow::Borrowed) } else { Some(Cow::Owned(names.join(" "))) }
        }
    }
}

fn modified_ms(record: &Record, as_of_ms: Option<i64>) -> i64 {
    let seen = as_of_ms.and_then(|at_ms| record.modified_as_of(at_ms));
    seen.unwrap_or_else(|| record.modified_ms())
}

impl Serialize for RecordView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.record.id.to_string())?;
        map.serialize_entry("properties", &Values(self))?;
        if !self.history.is_empty() {
            map.serialize_entry("propertiesWithHistory", &Histories(self))?;
        }
        map.serialize_entry("createdAt", &iso(self.record.created_ms))?;
        map.serialize_entry("updatedAt", &iso(modified_ms(self.record, self.as_of_ms)))?;
        map.serialize_entry("archived", &self.record.archived_ms.is_some())?;
        if let Some(archived_ms) = self.record.archived_ms {
            map.serialize_entry("archivedAt", &iso(archived_ms))?;
        }
        if let Some(new) = self.new {
            map.serialize_entry("new", &new)?;
        }
        if let Some(trace_id) = self.trace_id {
            map.serialize_entry("objectWriteTraceId", trace_id)?;
        }
        map.end()
    }
}

struct Values<'a>(&'a RecordView<'a>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RecordView { schema, record, as_of_ms, properties, .. } = self.0;
        let mut map = serializer.serialize_map(Some(properties.len()))?;
        for property in *properties {
            let value = shown(schema, record, *property, *as_of_ms);
            map.serialize_entry(&schema.get(*property).name, &value)?;
        }
        map.end()
    }
}

struct Histories<'a>(&'a RecordView<'a>);

impl Serialize for Histories<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RecordView { schema, record, history, .. } = self.0;
        let mut map = serializer.serialize_map(Some(history.len()))?;
        for property in *history {
            map.serialize_entry(&schema.get(*property).name, &History { record, property: *property })?;
        }
        map.end()
    }
}

struct History<'a> {
    record: &'a Record,
    property: PropertyIndex,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Version<'a> {
    value: &'a str,
    timestamp: String,
    source_type: &'static str,
    source_id: &'static str,
}

impl Serialize for History<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (value, write) in self.record.history(self.property) {
            let source_type = write.source.name();
            list.serialize_element(&Version { value, timestamp: iso(write.at_ms), source_type, source_id: "sandbox" })?;
        }
        list.end()
    }
}
