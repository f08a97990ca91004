//! What objects and fields an application has.

use serde::{Deserialize, Serialize};

use crate::{FieldName, ObjectName};

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// Yes or no.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Decimal numbers.
    Decimal,
    /// Text.
    Text,
    /// Calendar days.
    Date,
    /// Points in time.
    Moment,
    /// Wall-clock times with a zone.
    Zoned,
    /// One option.
    Choice,
    /// Several options.
    Choices,
    /// Links to records.
    References,
    /// Several texts.
    Texts,
    /// Nested JSON.
    Json,
}

impl FieldType {
    /// Returns the word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            FieldType::Boolean => "boolean",
            FieldType::Integer => "integer",
            FieldType::Decimal => "decimal",
            FieldType::Text => "text",
            FieldType::Date => "date",
            FieldType::Moment => "moment",
            FieldType::Zoned => "zoned time",
            FieldType::Choice => "choice",
            FieldType::Choices => "choices",
            FieldType::References => "references",
            FieldType::Texts => "texts",
            FieldType::Json => "json",
        }
    }
}

/// What may be done with a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// A record without it is refused.
    pub required: bool,
    /// No two records share a value.
    pub unique: bool,
    /// Never writable.
    pub read_only: bool,
    /// Writable at create only.
    pub create_only: bool,
    /// Can be looked up although not unique.
    pub findable: bool,
    /// Shown masked.
    pub sensitive: bool,
    /// A change of it alone is not told by the feed.
    pub unreported: bool,
}

/// One option of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What is stored.
    pub code: String,
    /// What people read.
    pub label: String,
    /// False: refused for new values.
    pub active: bool,
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: FieldName,
    /// What people call it.
    pub label: String,
    /// The type of its values.
    pub kind: FieldType,
    /// What may be done with it.
    pub traits: Traits,
    /// The options of a choice.
    pub options: Vec<ChoiceOption>,
    /// The longest text, in characters.
    pub length_max: Option<u32>,
    /// Fields of one group are merged as one (E2.5).
    pub group: Option<String>,
    /// What it means (E10.5).
    pub meaning: Option<String>,
    /// The list field of which it is a slot (E10.2).
    pub slot_of: Option<FieldName>,
    /// The objects that references lead to; empty if that is not said (E10.1).
    pub refers_to: Vec<ObjectName>,
    /// How many values it holds at the most, where there is a limit (E10.2).
    pub values_max: Option<u32>,
}

impl Field {
    /// Returns a writable field whose label is its name, and of which nothing else is known.
    pub fn new(name: impl Into<FieldName>, kind: FieldType) -> Self {
        let name = name.into();
        Self {
            label: name.to_string(),
            name,
            kind,
            traits: Traits::default(),
            options: Vec::new(),
            length_max: None,
            group: None,
            meaning: None,
            slot_of: None,
            refers_to: Vec::new(),
            values_max: None,
        }
    }

    /// True if records can be looked up by its value.
    pub fn can_be_asked(&self) -> bool {
        self.traits.unique || self.traits.findable
    }
}

/// The fields of an endpoint's object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Every readable field.
    pub fields: Vec<Field>,
    /// Changes when the fields change.
    pub fingerprint: String,
}

impl Schema {
    /// Finds a field by name.
    pub fn field(&self, name: &FieldName) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == *name)
    }

    /// Returns the field whose value a record keeps when its id changes (E1.10).
    pub fn identity(&self) -> Option<&FieldName> {
        self.fields.iter().find(|field| field.meaning.as_deref() == Some("identity")).map(|field| &field.name)
    }
}

/// How a connector keeps the promise that no record is created twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreatePromise {
    /// The same create key cannot create twice.
    Native,
    /// A create can be looked up afterwards.
    Lookup,
    /// Neither.
    None,
}

/// What an object can do; see `wit/` for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is documented once, in the WIT")]
pub struct Abilities {
    pub changes: bool,
    pub change_deletes: bool,
    pub ids: bool,
    pub get: bool,
    pub members: bool,
    pub field_times: bool,
    pub create: bool,
    pub update: bool,
    pub delete: bool,
    pub archive: bool,
    pub restore: bool,
    pub tag: bool,
    pub version_guard: bool,
    pub ordered_versions: bool,
}

/// One kind of record in an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: ObjectName,
    /// What people call it.
    pub label: String,
    /// What it is: `contact`, `company` ...; empty if unknown.
    pub kind: String,
    /// What can be done with it.
    pub abilities: Abilities,
    /// How creates are kept single.
    pub promise: CreatePromise,
    /// The field that `prepare` adds.
    pub link_field: Option<FieldName>,
    /// True if one container must be chosen.
    pub needs_container: bool,
    /// Ordered key tuples for matching.
    pub default_keys: Vec<Vec<FieldName>>,
    /// Records a page at the most.
    pub read_page_max: u32,
    /// Ids or values a look-up at the most.
    pub get_batch_max: u32,
    /// Operations a write at the most.
    pub write_batch_max: u32,
    /// How long a write may stay invisible to reads.
    pub visibility_window_ms: u64,
}
