//! What a caller may say about a property.

use serde::Deserialize;
use serde_json::Value;

use super::{Definition, KINDS, Kind, ModificationMetadata, OptionDefinition};
use crate::errors::ApiError;

/// The body of a create or a patch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropertyInput {
    name: Option<String>,
    label: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) field_type: Option<String>,
    pub(super) group_name: Option<String>,
    description: Option<String>,
    display_order: Option<i64>,
    hidden: Option<bool>,
    form_field: Option<bool>,
    has_unique_value: Option<bool>,
    options: Option<Vec<OptionInput>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OptionInput {
    label: String,
    value: String,
    description: Option<String>,
    display_order: Option<i64>,
    hidden: Option<bool>,
}

impl PropertyInput {
    pub(super) fn read(body: &Value) -> Result<Self, ApiError> {
        Self::deserialize(body).map_err(|error| ApiError::malformed(error.to_string()))
    }

    /// The definition a create asks for.
    pub(super) fn define(self, now_ms: i64) -> Result<Definition, ApiError> {
        let name = needed(self.name.as_deref(), "name")?.to_owned();
        check_name(&name)?;
        let mut definition = Definition {
            kind: kind(needed(self.kind.as_deref(), "type")?)?,
            field_type: needed(self.field_type.as_deref(), "fieldType")?.to_owned(),
            label: needed(self.label.as_deref(), "label")?.to_owned(),
            group_name: needed(self.group_name.as_deref(), "groupName")?.to_owned(),
            unique: self.has_unique_value.unwrap_or(false),
            options: Vec::new(),
            computed: None,
            forward_only: false,
            archived_ms: None,
            external_options: false,
            metadata: ModificationMetadata { archivable: true, read_only_definition: false, read_only_value: false },
            description: String::new(),
            display_order: -1,
            hidden: false,
            form_field: false,
            built_in: false,
            created_ms: now_ms,
            updated_ms: now_ms,
            name,
        };
        if definition.unique && !matches!(definition.kind, Kind::Text | Kind::Number) {
            return Err(ApiError::invalid("Only text and number properties may have unique values."));
        }
        self.amend(&mut definition)?;
        Ok(definition)
    }

    /// Changes `definition` where the caller said something.
    pub(super) fn amend(self, definition: &mut Definition) -> Result<(), ApiError> {
        let next_kind = self.kind.as_deref().map(kind).transpose()?.unwrap_or(definition.kind);
        let next_field = self.field_type.unwrap_or_else(|| definition.field_type.clone());
        check_field_type(next_kind, &next_field)?;
        definition.kind = next_kind;
        definition.field_type = next_field;
        definition.label = self.label.unwrap_or_else(|| definition.label.clone());
        definition.group_name = self.group_name.unwrap_or_else(|| definition.group_name.clone());
        definition.description = self.description.unwrap_or_else(|| definition.description.clone());
        definition.display_order = self.display_order.unwrap_or(definition.display_order);
        definition.hidden = self.hidden.unwrap_or(definition.hidden);
        definition.form_field = self.form_field.unwrap_or(definition.form_field);
        if let Some(options) = self.options {
            definition.options = options.into_iter().zip(0..).map(|(option, at)| option.define(at)).collect();
        }
        Ok(())
    }
}

impl OptionInput {
    fn define(self, at: i64) -> OptionDefinition {
        OptionDefinition {
            label: self.label,
            value: self.value,
            description: self.description.unwrap_or_default(),
            display_order: self.display_order.unwrap_or(at),
            hidden: self.hidden.unwrap_or(false),
        }
    }
}

fn needed<'a>(value: Option<&'a str>, name: &str) -> Result<&'a str, ApiError> {
    value.ok_or_else(|| ApiError::malformed(format!("Some required fields were not set: [{name}]")))
}

fn kind(name: &str) -> Result<Kind, ApiError> {
    let found = KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind);
    found.ok_or_else(|| ApiError::malformed(format!("'{name}' is not a property type")))
}

fn check_field_type(kind: Kind, field_type: &str) -> Result<(), ApiError> {
    let fitting = KINDS.iter().any(|(known, _, fields)| *known == kind && fields.contains(&field_type));
    if fitting {
        return Ok(());
    }
    Err(ApiError::invalid(format!("'{field_type}' is not a valid field type for property type {}.", kind.name())))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts && rest && name.len() <= 100 {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Property name '{name}' may only hold lowercase letters, digits and underscores, and starts with a letter."
    )))
}
