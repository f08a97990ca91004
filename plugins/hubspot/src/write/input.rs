//! Operations as the inputs of a batch call.

use serde_json::{Map, Value as Json, json};
use syncline_sdk::connector::{OperationView, Outcome, WriteRequest};
use syncline_sdk::value::{Fault, Value};

use crate::records;
use crate::schema::Properties;

/// One input of a batch call, and the operation it stands for.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// The operation's place in the request; also the trace id.
    pub(super) position: usize,
    /// The id of the record; on a create the create key.
    pub(super) id: String,
    /// The e-mail of a new record, in small letters: the other way to tell whose result is whose.
    pub(super) email: Option<String>,
    pub(super) body: Json,
}

impl Input {
    pub(super) fn archive(position: usize, id: &str) -> Self {
        Self { position, id: id.to_owned(), email: None, body: json!({"id": id}) }
    }

    /// The names of the properties that it sets.
    pub(super) fn written(&self) -> impl Iterator<Item = &str> {
        self.body["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str)
    }
}

/// The trace id of an operation, unique within one call.
pub(super) fn trace_id(position: usize) -> String {
    format!("op-{position}")
}

/// The columns that some operation of the request sets.
pub(super) fn set_columns(request: &WriteRequest) -> impl Iterator<Item = &str> {
    let is_set = |place: usize| {
        request.operations.iter().any(|operation| operation.cells.get(place).is_some_and(|cell| !cell.is_absent()))
    };
    let columns = request.columns.iter().enumerate();
    columns.filter(move |(place, _)| is_set(*place)).map(|(_, column)| column.as_str())
}

/// Refuses the whole request, before anything is sent, if it sets a property that does not exist.
pub(super) fn refuse_unknown_columns(properties: &Properties, request: &WriteRequest) -> Result<(), Fault> {
    match set_columns(request).find(|column| properties.get(column).is_none()) {
        Some(column) => Err(Fault::Schema(format!("there is no property {column}"))),
        None => Ok(()),
    }
}

/// The input of a create: an upsert by the link property if there is one.
pub(super) fn create(
    position: usize,
    key: &str,
    view: OperationView<'_>,
    link: Option<&str>,
) -> Result<Input, Outcome> {
    let mut properties = texts(view)?;
    // A new record has nothing to clear.
    properties.retain(|_, text| text.as_str() != Some(""));
    let email = properties.get("email").and_then(Json::as_str).map(|email| email.trim().to_lowercase());
    let mut body = json!({"objectWriteTraceId": trace_id(position), "properties": properties});
    match link {
        Some(link) => {
            body["id"] = json!(key);
            body["idProperty"] = json!(link);
        }
        None if email.is_none() => {
            // Were the answer lost, nothing could tell whether it was made.
            return Err(Outcome::Unsupported(
                "a contact without e-mail is only created with the setting link_property, so that none is made twice"
                    .to_owned(),
            ));
        }
        None => {}
    }
    Ok(Input { position, id: key.to_owned(), email, body })
}

/// The input of an update.
pub(super) fn update(position: usize, id: &str, view: OperationView<'_>) -> Result<Input, Outcome> {
    let body = json!({"id": id, "objectWriteTraceId": trace_id(position), "properties": texts(view)?});
    Ok(Input { position, id: id.to_owned(), email: None, body })
}

fn texts(view: OperationView<'_>) -> Result<Map<String, Json>, Outcome> {
    let mut properties = Map::new();
    let mut violations = Vec::new();
    for (name, value) in view.cells().present() {
        match printed(name, value) {
            Ok(Some(text)) => {
                properties.insert(name.to_owned(), Json::String(text));
            }
            Ok(None) => {}
            Err(violation) => violations.push(violation),
        }
    }
    if violations.is_empty() { Ok(properties) } else { Err(Outcome::Invalid(violations)) }
}

fn printed(name: &str, value: &Value) -> Result<Option<String>, syncline_sdk::value::Violation> {
    let text = records::print(name, value)?;
    // In a list of options a leading semicolon would add to what is there.
    Ok(text.map(|text| match value {
        Value::Choices(_) => text.trim_start_matches(';').to_owned(),
        _ => text,
    }))
}
