//! HubSpot's property definitions as the fields of a schema.
//!
//! Not here: the text of values (`records`).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;
use syncline_sdk::model::{Field, FieldTraits, FieldType, Schema};

use crate::records::{Columns, Kind};

/// Characters that a text property holds at the most.
const TEXT_CHARACTERS_MAX: u32 = 65_536;

/// Properties that HubSpot fills in itself, whatever their definition says.
const SYSTEM_PROPERTIES: &[&str] = &[
    "hs_object_id",
    "createdate",
    "hs_createdate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_merged_object_ids",
    "hs_object_source",
    "hs_object_source_label",
    "hs_created_by_user_id",
    "hs_updated_by_user_id",
];

/// What the built-in properties of contacts mean, and the group that they are merged in.
///
/// HubSpot's plain `phone` and its address are those of a person at work.
const CONTACT_MEANINGS: &[(&str, &str, Option<&str>)] = &[
    ("email", "email", None),
    ("salutation", "name.prefix", Some("name")),
    ("firstname", "name.given", Some("name")),
    ("lastname", "name.family", Some("name")),
    ("company", "company", None),
    ("jobtitle", "job-title", None),
    ("phone", "phone.work", None),
    ("mobilephone", "phone.mobile", None),
    ("website", "url", None),
    ("address", "address.work.street", Some("address.work")),
    ("city", "address.work.city", Some("address.work")),
    ("state", "address.work.region", Some("address.work")),
    ("zip", "address.work.postal-code", Some("address.work")),
    ("country", "address.work.country", Some("address.work")),
];

/// One property, as the properties API defines it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Property {
    pub(crate) name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    field_type: String,
    options: Vec<PropertyOption>,
    archived: Option<bool>,
    calculated: Option<bool>,
    external_options: Option<bool>,
    has_unique_value: Option<bool>,
    data_sensitivity: Option<String>,
    modification_metadata: Option<ModificationMetadata>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PropertyOption {
    label: String,
    value: String,
    hidden: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ModificationMetadata {
    read_only_value: bool,
}

/// Every property of one object that is not archived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(Vec<Property>);

impl Properties {
    /// Reads the answer of the properties API; none if it is not one.
    pub(crate) fn parse(body: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Property>,
        }
        let mut answer: Answer = serde_json::from_str(body)?;
        answer.results.retain(|property| !property.name.is_empty() && property.archived != Some(true));
        Ok(Self(answer.results))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Property> {
        self.0.iter().find(|property| property.name == name)
    }

    /// The columns of a table with these fields; one that does not exist has no kind.
    pub(crate) fn columns(&self, fields: &[String]) -> Columns {
        let known: HashMap<&str, Kind> =
            self.0.iter().map(|property| (property.name.as_str(), property.kind())).collect();
        let kinds = fields.iter().map(|field| known.get(field.as_str()).copied().unwrap_or(Kind::Unknown)).collect();
        Columns::new(fields.to_vec(), kinds)
    }

    /// The schema of `object`. The property that holds create keys is for nobody else to write.
    pub(crate) fn schema(&self, object: &str, link: Option<&str>) -> Schema {
        let field = |property: &Property| {
            let field = property.field(object);
            if link == Some(property.name.as_str()) { field.traits(FieldTraits::READ_ONLY) } else { field }
        };
        Schema::of(self.0.iter().map(field).collect())
    }
}

impl Property {
    /// How the text of its values is read.
    pub(crate) fn kind(&self) -> Kind {
        match self.kind.as_str() {
            "number" => Kind::Number,
            "bool" => Kind::Boolean,
            "date" => Kind::Date,
            "datetime" => Kind::Moment,
            "json" => Kind::Json,
            // The options of owners, teams and the like are not in the definition: their ids are plain text here.
            "enumeration" if self.external_options == Some(true) && self.options.is_empty() => Kind::Text,
            "enumeration" if self.is_single_checkbox() => Kind::Boolean,
            "enumeration" if self.field_type == "checkbox" => Kind::Choices,
            "enumeration" => Kind::Choice,
            _ => Kind::Text,
        }
    }

    /// Whether the vendor lets no two records share a value.
    pub(crate) fn is_unique(&self, object: &str) -> bool {
        self.has_unique_value == Some(true) || (object == "contacts" && self.name == "email")
    }

    /// Whether nobody but the vendor writes it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.calculated == Some(true)
            || self.modification_metadata.as_ref().is_some_and(|metadata| metadata.read_only_value)
            || SYSTEM_PROPERTIES.contains(&self.name.as_str())
    }

    /// Whether the search index finds records by its text.
    pub(crate) fn is_findable(&self) -> bool {
        self.kind() == Kind::Text
    }

    fn is_single_checkbox(&self) -> bool {
        let is_truth = |option: &PropertyOption| option.value == "true" || option.value == "false";
        self.field_type == "booleancheckbox" && self.options.iter().all(is_truth)
    }

    fn field(&self, object: &str) -> Field {
        let kind = self.kind();
        let label = if self.label.is_empty() { &self.name } else { &self.label };
        let mut field = Field::new(&self.name, field_type(kind)).label(label).traits(self.traits(object));
        if kind == Kind::Text {
            field = field.length_max(TEXT_CHARACTERS_MAX);
        }
        if matches!(kind, Kind::Choice | Kind::Choices) {
            for option in &self.options {
                field = match option.hidden {
                    false => field.option(&option.value, &option.label),
                    true => field.retired_option(&option.value, &option.label),
                };
            }
        }
        match CONTACT_MEANINGS.iter().find(|(name, ..)| object == "contacts" && *name == self.name) {
            Some((_, meaning, Some(group))) => field.meaning(*meaning).group(*group),
            Some((_, meaning, None)) => field.meaning(*meaning),
            None => field,
        }
    }

    fn traits(&self, object: &str) -> FieldTraits {
        let sensitive = self.data_sensitivity.as_deref().is_some_and(|word| word != "non_sensitive");
        [
            (self.is_read_only(), FieldTraits::READ_ONLY),
            (self.is_unique(object), FieldTraits::UNIQUE),
            (!self.is_unique(object) && self.is_findable(), FieldTraits::FINDABLE),
            (sensitive, FieldTraits::SENSITIVE),
        ]
        .into_iter()
        .filter(|(has, _)| *has)
        .fold(FieldTraits::empty(), |traits, (_, added)| traits | added)
    }
}

/// The definition that `prepare` sends for the property that holds create keys.
pub(crate) fn link_definition(name: &str, group: &str) -> Json {
    serde_json::json!({
        "name": name,
        "label": "Syncline link",
        "description": "Kept by Syncline, so that no record is created twice.",
        "groupName": group,
        "type": "string",
        "fieldType": "text",
        "hasUniqueValue": true,
        "hidden": true,
        "formField": false,
    })
}

fn field_type(kind: Kind) -> FieldType {
    match kind {
        Kind::Text | Kind::Unknown => FieldType::Text,
        Kind::Number => FieldType::Decimal,
        Kind::Boolean => FieldType::Boolean,
        Kind::Date => FieldType::Date,
        Kind::Moment => FieldType::Moment,
        Kind::Choice => FieldType::Choice,
        Kind::Choices => FieldType::Choices,
        Kind::Json => FieldType::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trimmed from an answer of the properties API.
    const ANSWER: &str = include_str!("../tests/answers/properties.json");

    fn field(name: &str) -> Field {
        let schema = Properties::parse(ANSWER).expect("the answer parses").schema("contacts", None);
        schema.fields.into_iter().find(|field| field.name == name).expect("the property is there")
    }

    #[test]
    fn properties_become_fields_of_their_type() {
        for (name, kind, traits) in [
            ("email", FieldType::Text, FieldTraits::UNIQUE),
            ("firstname", FieldType::Text, FieldTraits::FINDABLE),
            ("member_number", FieldType::Text, FieldTraits::UNIQUE),
            ("score", FieldType::Decimal, FieldTraits::empty()),
            ("newsletter", FieldType::Boolean, FieldTraits::empty()),
            ("vip", FieldType::Boolean, FieldTraits::empty()),
            ("birthday", FieldType::Date, FieldTraits::empty()),
            ("last_visit", FieldType::Moment, FieldTraits::empty()),
            ("lifecyclestage", FieldType::Choice, FieldTraits::empty()),
            ("interests", FieldType::Choices, FieldTraits::empty()),
            ("hubspot_owner_id", FieldType::Text, FieldTraits::FINDABLE),
            ("mobilephone", FieldType::Text, FieldTraits::FINDABLE),
            ("lastmodifieddate", FieldType::Moment, FieldTraits::READ_ONLY),
            ("hs_email_domain", FieldType::Text, FieldTraits::READ_ONLY | FieldTraits::FINDABLE),
            ("blood_group", FieldType::Text, FieldTraits::FINDABLE | FieldTraits::SENSITIVE),
        ] {
            let field = field(name);
            assert_eq!((field.kind, field.traits), (kind, traits), "{name}");
        }
    }

    #[test]
    fn hidden_options_are_not_active() {
        let options: Vec<(String, bool)> =
            field("interests").options.into_iter().map(|option| (option.code, option.active)).collect();
        assert_eq!(options, [("sailing".into(), true), ("chess".into(), true), ("fax".into(), false)]);
    }

    #[test]
    fn meanings_join_the_published_list_and_are_given_once() {
        let schema = Properties::parse(ANSWER).expect("the answer parses").schema("contacts", None);
        let mut meanings: Vec<String> = schema.fields.iter().filter_map(|field| field.meaning.clone()).collect();
        let given = meanings.len();
        meanings.sort();
        meanings.dedup();
        assert_eq!(meanings.len(), given, "E10.5: a meaning belongs to one field");
        assert_eq!(field("phone").meaning.as_deref(), Some("phone.work"));
        assert_eq!(field("zip").group.as_deref(), Some("address.work"));
        assert_eq!(field("lastname").group.as_deref(), Some("name"));
        let companies = Properties::parse(ANSWER).expect("the answer parses").schema("companies", None);
        assert!(companies.fields.iter().all(|field| field.meaning.is_none()), "these are the meanings of contacts");
    }

    #[test]
    fn archived_properties_are_gone_and_the_fingerprint_tells() {
        let before = Properties::parse(ANSWER).expect("the answer parses");
        assert!(before.get("old_rating").is_none(), "E10.4: an archived property is no field");
        let after = Properties::parse(&ANSWER.replace("Sailing", "Sailing boats")).expect("the answer parses");
        let fingerprint = before.schema("contacts", None).fingerprint;
        assert_ne!(fingerprint, after.schema("contacts", None).fingerprint);
        assert_eq!(fingerprint, Properties::parse(ANSWER).expect("parses").schema("contacts", None).fingerprint);
    }

    #[test]
    fn the_link_property_is_read_only() {
        let schema = Properties::parse(ANSWER).expect("parses").schema("contacts", Some("member_number"));
        let link = schema.fields.iter().find(|field| field.name == "member_number").expect("it is there");
        assert_eq!(link.traits, FieldTraits::UNIQUE | FieldTraits::READ_ONLY);
    }

    #[test]
    fn a_field_without_property_has_no_kind() {
        let columns = Properties::parse(ANSWER).expect("parses").columns(&["email".into(), "old_rating".into()]);
        assert_eq!(columns.kinds(), [Kind::Text, Kind::Unknown]);
        assert_eq!(columns.known().collect::<Vec<_>>(), ["email"]);
    }
}
