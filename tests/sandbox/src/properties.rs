//! The properties of an object: their definitions, and the calls that list and change them.
//!
//! Not here: which values a property takes (`values`), the built-in properties of contacts (`properties/contacts`).

pub(crate) mod contacts;
mod input;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::clock::iso;
use crate::data::PropertyIndex;
use crate::errors::ApiError;
use input::PropertyInput;

/// How many properties of one object may be keys, the built-in ones not counted.
const UNIQUE_PROPERTIES_MAX: usize = 10;

/// The kinds of value and the form fields each may have.
const KINDS: &[(Kind, &str, &[&str])] = &[
    (Kind::Bool, "bool", &["booleancheckbox", "calculation_equation"]),
    (Kind::Enumeration, "enumeration", &["booleancheckbox", "checkbox", "radio", "select", "calculation_equation"]),
    (Kind::Date, "date", &["date"]),
    (Kind::DateTime, "datetime", &["date"]),
    (Kind::Text, "string", &["file", "text", "textarea", "calculation_equation", "html", "phonenumber"]),
    (Kind::Number, "number", &["number", "calculation_equation"]),
    (Kind::Phone, "phone_number", &["phonenumber"]),
];

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Enumeration,
    Date,
    DateTime,
    Text,
    Number,
    Phone,
}

impl Kind {
    fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("string", |(_, name, _)| name)
    }
}

/// A property whose value the server works out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Computed {
    ObjectId,
    Created,
    Modified,
    MergedIds,
    EmailDomain,
    FullNameOrEmail,
}

/// One choice of an enumeration.
#[derive(Clone, Debug)]
pub(crate) struct OptionDefinition {
    pub(crate) value: String,
    label: String,
    description: String,
    display_order: i64,
    hidden: bool,
}

/// What may be changed about a property.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModificationMetadata {
    archivable: bool,
    read_only_definition: bool,
    pub(crate) read_only_value: bool,
}

/// A property as the vendor defines it.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) field_type: String,
    pub(crate) options: Vec<OptionDefinition>,
    pub(crate) unique: bool,
    pub(crate) computed: Option<Computed>,
    pub(crate) forward_only: bool,
    pub(crate) archived_ms: Option<i64>,
    pub(crate) external_options: bool,
    pub(crate) metadata: ModificationMetadata,
    label: String,
    description: String,
    group_name: String,
    display_order: i64,
    hidden: bool,
    form_field: bool,
    built_in: bool,
    created_ms: i64,
    updated_ms: i64,
}

impl Definition {
    fn json(&self) -> Value {
        let mut shown = json!({
            "updatedAt": iso(self.updated_ms),
            "createdAt": iso(self.created_ms),
            "name": self.name,
            "label": self.label,
            "type": self.kind.name(),
            "fieldType": self.field_type,
            "description": self.description,
            "groupName": self.group_name,
            "options": self.options.iter().map(OptionDefinition::json).collect::<Vec<_>>(),
            "displayOrder": self.display_order,
            "calculated": self.computed.is_some() && !matches!(self.computed, Some(Computed::ObjectId)),
            "externalOptions": self.external_options,
            "archived": self.archived_ms.is_some(),
            "hasUniqueValue": self.unique,
            "hidden": self.hidden,
            "modificationMetadata": {
                "archivable": self.metadata.archivable,
                "readOnlyDefinition": self.metadata.read_only_definition,
                "readOnlyValue": self.metadata.read_only_value,
            },
            "formField": self.form_field,
            "dataSensitivity": "non_sensitive",
        });
        if self.built_in {
            shown["hubspotDefined"] = json!(true);
        }
        if self.external_options {
            shown["referencedObjectType"] = json!("OWNER");
        }
        if let Some(archived_ms) = self.archived_ms {
            shown["archivedAt"] = json!(iso(archived_ms));
        }
        shown
    }
}

impl OptionDefinition {
    fn json(&self) -> Value {
        json!({
            "label": self.label,
            "value": self.value,
            "description": self.description,
            "displayOrder": self.display_order,
            "hidden": self.hidden,
        })
    }
}

/// Every property of one object, archived ones included.
pub(crate) struct Schema {
    definitions: Vec<Definition>,
    by_name: HashMap<String, PropertyIndex>,
    groups: Vec<(String, String)>,
    natural_key: Option<&'static str>,
}

impl Schema {
    fn new(definitions: Vec<Definition>, groups: &[(&str, &str)], natural_key: Option<&'static str>) -> Self {
        let groups = groups.iter().map(|(name, label)| ((*name).to_owned(), (*label).to_owned())).collect();
        let mut schema = Self { definitions: Vec::new(), by_name: HashMap::new(), groups, natural_key };
        for definition in definitions {
            schema.add(definition);
        }
        schema
    }

    fn add(&mut self, definition: Definition) -> PropertyIndex {
        let index = PropertyIndex(u16::try_from(self.definitions.len()).unwrap_or(u16::MAX));
        self.by_name.insert(definition.name.clone(), index);
        self.definitions.push(definition);
        index
    }

    pub(crate) fn get(&self, index: PropertyIndex) -> &Definition {
        &self.definitions[usize::from(index.0)]
    }

    /// The property of that name, archived ones not counted.
    pub(crate) fn find(&self, name: &str) -> Option<PropertyIndex> {
        self.by_name.get(name).copied().filter(|index| self.get(*index).archived_ms.is_none())
    }

    /// The property of that name if no two records may share its value.
    pub(crate) fn find_key(&self, name: &str) -> Option<PropertyIndex> {
        self.find(name).filter(|index| self.is_key(*index))
    }

    pub(crate) fn natural_key(&self) -> Option<PropertyIndex> {
        self.natural_key.and_then(|name| self.find(name))
    }

    pub(crate) fn is_natural_key(&self, index: PropertyIndex) -> bool {
        self.natural_key.is_some_and(|name| self.get(index).name == name)
    }

    /// Whether no two records may share a value of this property.
    pub(crate) fn is_key(&self, index: PropertyIndex) -> bool {
        let definition = self.get(index);
        (definition.unique && definition.computed.is_none()) || self.is_natural_key(index)
    }

    /// The named properties that exist, in the order of their names, each once.
    pub(crate) fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<PropertyIndex> {
        let mut chosen: Vec<_> = names.into_iter().filter_map(|name| self.find(name)).collect();
        chosen.sort_by(|left, right| self.get(*left).name.cmp(&self.get(*right).name));
        chosen.dedup();
        chosen
    }

    pub(crate) fn list(&self, archived: bool) -> Value {
        let wanted = self.definitions.iter().filter(|definition| definition.archived_ms.is_some() == archived);
        json!({"results": wanted.map(Definition::json).collect::<Vec<_>>()})
    }

    pub(crate) fn show(&self, name: &str, archived: bool) -> Result<Value, ApiError> {
        let index = self.by_name.get(name).copied().ok_or_else(|| no_property(name))?;
        let definition = self.get(index);
        if definition.archived_ms.is_some() != archived {
            return Err(no_property(name));
        }
        Ok(definition.json())
    }

    /// Creates a property, or restores an archived one of the same name with its values.
    pub(crate) fn create(&mut self, body: &Value, now_ms: i64) -> Result<Value, ApiError> {
        let input = PropertyInput::read(body)?;
        let mut definition = input.define(now_ms)?;
        self.check_group(&definition.group_name)?;
        if let Some(index) = self.by_name.get(&definition.name).copied() {
            let old = &mut self.definitions[usize::from(index.0)];
            if old.archived_ms.is_none() {
                return Err(ApiError::property_exists(format!("Property named '{}' already exists.", old.name)));
            }
            definition.created_ms = old.created_ms;
            definition.unique = old.unique;
            *old = definition;
            return Ok(old.json());
        }
        if definition.unique && self.custom_keys() >= UNIQUE_PROPERTIES_MAX {
            return Err(ApiError::invalid(format!(
                "An object may have at most {UNIQUE_PROPERTIES_MAX} properties with unique values."
            )));
        }
        if self.definitions.len() >= usize::from(u16::MAX) {
            return Err(ApiError::invalid("The limit of properties is reached."));
        }
        let index = self.add(definition);
        Ok(self.get(index).json())
    }

    /// Changes a property; `options` replace the whole list and are kept when they are not named.
    pub(crate) fn patch(&mut self, name: &str, body: &Value, now_ms: i64) -> Result<Value, ApiError> {
        let index = self.find(name).ok_or_else(|| no_property(name))?;
        let input = PropertyInput::read(body)?;
        if let Some(group) = &input.group_name {
            self.check_group(group)?;
        }
        let definition = &mut self.definitions[usize::from(index.0)];
        if definition.metadata.read_only_definition && (input.kind.is_some() || input.field_type.is_some()) {
            return Err(ApiError::invalid(format!("Property '{name}' is defined by HubSpot; its type cannot change.")));
        }
        input.amend(definition)?;
        definition.updated_ms = now_ms;
        Ok(definition.json())
    }

    /// Archives a property: its values stay, unseen, until it is created again.
    pub(crate) fn archive(&mut self, name: &str, now_ms: i64) -> Result<(), ApiError> {
        let index = self.find(name).ok_or_else(|| no_property(name))?;
        let definition = &mut self.definitions[usize::from(index.0)];
        if !definition.metadata.archivable {
            return Err(ApiError::invalid(format!("Property '{name}' is defined by HubSpot and cannot be archived.")));
        }
        definition.archived_ms = Some(now_ms);
        Ok(())
    }

    pub(crate) fn groups(&self) -> Value {
        let shown = self.groups.iter().enumerate().map(|(at, group)| group_json(at, group));
        json!({"results": shown.collect::<Vec<_>>()})
    }

    pub(crate) fn group(&self, name: &str) -> Result<Value, ApiError> {
        let found = self.groups.iter().enumerate().find(|(_, group)| group.0 == name);
        found
            .map(|(at, group)| group_json(at, group))
            .ok_or_else(|| ApiError::not_found(format!("Property group '{name}' does not exist.")))
    }

    pub(crate) fn create_group(&mut self, body: &Value) -> Result<Value, ApiError> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").ok_or_else(|| ApiError::malformed("name is required"))?;
        let label = text("label").ok_or_else(|| ApiError::malformed("label is required"))?;
        if self.group(&name).is_ok() {
            return Err(ApiError::property_exists(format!("Property group named '{name}' already exists.")));
        }
        self.groups.push((name.clone(), label));
        self.group(&name)
    }

    fn check_group(&self, name: &str) -> Result<(), ApiError> {
        if self.groups.iter().any(|(group, _)| group == name) {
            return Ok(());
        }
        Err(ApiError::invalid(format!("Property group '{name}' does not exist.")))
    }

    fn custom_keys(&self) -> usize {
        let keys = self.definitions.iter().filter(|definition| definition.unique && !definition.built_in);
        keys.filter(|definition| definition.archived_ms.is_none()).count()
    }
}

fn group_json(at: usize, (name, label): &(String, String)) -> Value {
    json!({"name": name, "label": label, "displayOrder": at, "archived": false})
}

fn no_property(name: &str) -> ApiError {
    ApiError::not_found(format!("Property named '{name}' does not exist."))
}

/// Reads a string-valued JSON object's keys; used where the vendor takes `{"name": …}` inputs.
pub(crate) fn input_names(body: &Value) -> Result<Vec<String>, ApiError> {
    let inputs = body.get("inputs").and_then(Value::as_array);
    let inputs = inputs.ok_or_else(|| ApiError::malformed("inputs is required"))?;
    let name =
        |input: &Value| input.as_object().and_then(|input: &Map<_, _>| input.get("name")?.as_str().map(str::to_owned));
    inputs.iter().map(|input| name(input).ok_or_else(|| ApiError::malformed("name is required"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, unique: bool) -> Value {
        json!({"name": name, "label": name, "type": "string", "fieldType": "text",
               "groupName": "contactinformation", "hasUniqueValue": unique})
    }

    #[test]
    fn an_archived_property_comes_back_when_it_is_created_again() {
        let mut schema = contacts::schema(0);
        schema.create(&text("link", true), 1).expect("a new property");
        assert_eq!(schema.create(&text("link", true), 2).unwrap_err().category, "OBJECT_ALREADY_EXISTS");
        let index = schema.find("link");
        schema.archive("link", 3).expect("archivable");
        assert_eq!(schema.find("link"), None);
        schema.create(&text("link", true), 4).expect("restored");
        assert_eq!(schema.find("link"), index);
    }

    #[test]
    fn an_object_has_at_most_ten_keys() {
        let mut schema = contacts::schema(0);
        for number in 0..10 {
            schema.create(&text(&format!("key_{number}"), true), 0).expect("within the limit");
        }
        assert_eq!(schema.create(&text("key_10", true), 0).unwrap_err().status, 400);
        schema.create(&text("plain", false), 0).expect("not a key");
    }

    #[test]
    fn options_stay_when_a_patch_does_not_name_them() {
        let mut schema = contacts::schema(0);
        let body = json!({"name": "tier", "label": "Tier", "type": "enumeration", "fieldType": "select",
                          "groupName": "contactinformation", "options": [{"label": "A", "value": "a"}]});
        schema.create(&body, 0).expect("a new enumeration");
        schema.patch("tier", &json!({"label": "Level"}), 1).expect("a new label");
        let options = |schema: &Schema| schema.get(schema.find("tier").expect("there")).options.len();
        assert_eq!(options(&schema), 1);
        schema.patch("tier", &json!({"options": []}), 1).expect("no options");
        assert_eq!(options(&schema), 0);
    }

    #[test]
    fn bad_definitions_are_refused() {
        let mut schema = contacts::schema(0);
        for (change, value) in [
            ("name", json!("Upper Case")),
            ("name", json!("")),
            ("type", json!("colour")),
            ("fieldType", json!("checkbox")),
            ("groupName", json!("nowhere")),
            ("label", json!(null)),
        ] {
            let mut body = text("good", false);
            body[change] = value;
            assert_eq!(schema.create(&body, 0).unwrap_err().status, 400, "{body}");
        }
    }
}
