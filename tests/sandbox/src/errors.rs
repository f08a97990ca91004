//! Refusals in the vendor's words: a status, a category, a message and details.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A refusal as the vendor answers it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {category}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The vendor's class of error, such as `VALIDATION_ERROR`.
    pub category: &'static str,
    /// The text for people.
    pub message: String,
    /// What exactly was wrong.
    pub details: Vec<Detail>,
    /// Values the message speaks of, such as ids.
    pub context: Vec<(&'static str, Vec<String>)>,
}

/// One thing that was wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The vendor's code, such as `PROPERTY_DOESNT_EXIST`.
    pub code: &'static str,
    /// The text for people.
    pub message: String,
    /// The property concerned.
    pub property: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvalidValue<'a> {
    is_valid: bool,
    message: &'a str,
    error: &'a str,
    name: &'a str,
    localized_error_message: &'a str,
}

impl ApiError {
    fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self { status, category, message: message.into(), details: Vec::new(), context: Vec::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::invalid(format!("Invalid input JSON: {}", message.into()))
    }

    pub(crate) fn invalid_values(details: Vec<Detail>) -> Self {
        let shown: Vec<InvalidValue<'_>> = details
            .iter()
            .map(|detail| InvalidValue {
                is_valid: false,
                message: &detail.message,
                error: detail.code,
                name: &detail.property,
                localized_error_message: &detail.message,
            })
            .collect();
        let shown = serde_json::to_string(&shown).unwrap_or_default();
        Self { details, ..Self::invalid(format!("Property values were not valid: {shown}")) }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "CONFLICT", message)
    }

    pub(crate) fn property_exists(message: impl Into<String>) -> Self {
        Self::new(409, "OBJECT_ALREADY_EXISTS", message)
    }

    pub(crate) fn record_not_found(singular: &str, ids: Vec<String>) -> Self {
        let message = format!(
            "Could not get some {singular} objects, they may be deleted or not exist. Check that ids are valid."
        );
        Self { context: vec![("ids", ids)], ..Self::new(404, "OBJECT_NOT_FOUND", message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "OBJECT_NOT_FOUND", message)
    }

    pub(crate) fn no_credentials() -> Self {
        Self::new(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more \
             details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
    }

    pub(crate) fn uri_too_long() -> Self {
        Self::new(414, "VALIDATION_ERROR", "URI Too Long")
    }

    /// The refusal that stands for `status` when a fault asks for it.
    pub(crate) fn for_status(status: u16) -> Self {
        match status {
            401 => Self::no_credentials(),
            403 => Self::new(
                403,
                "MISSING_SCOPES",
                "This app hasn't been granted all required scopes to make this call. Read more about required scopes \
                 here: https://developers.hubspot.com/scopes.",
            ),
            404 => Self::not_found("resource not found"),
            423 => Self::new(423, "LOCKED", "The resource is locked by another operation. Try again in a moment."),
            477 => Self::new(477, "MIGRATION_IN_PROGRESS", "This account is being moved between data centers."),
            400..=499 => Self::new(status, "VALIDATION_ERROR", "The request was refused."),
            _ => Self::new(status, "INTERNAL_ERROR", "internal error"),
        }
    }

    /// The JSON body, with the id under which the vendor would find the call again.
    pub(crate) fn body(&self, correlation_id: &str) -> Value {
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        });
        if !self.context.is_empty() {
            body["context"] = self.context_value();
        }
        if !self.details.is_empty() {
            body["errors"] = self.details_value();
        }
        if self.status == 403 {
            body["errors"] = json!([{
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": ["crm.objects.contacts.read"]},
            }]);
        }
        body
    }

    /// One member of the `errors` of a batch answer.
    pub(crate) fn in_batch(&self, trace_id: Option<&str>) -> Value {
        let mut context = self.context_value();
        if let Some(trace_id) = trace_id {
            context["objectWriteTraceId"] = json!([trace_id]);
        }
        json!({
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": context,
            "errors": self.details_value(),
            "links": {},
        })
    }

    fn context_value(&self) -> Value {
        let pairs = self.context.iter().map(|(name, values)| ((*name).to_owned(), json!(values)));
        Value::Object(pairs.collect::<Map<String, Value>>())
    }

    fn details_value(&self) -> Value {
        let shown = self.details.iter().map(|detail| {
            json!({
                "message": detail.message,
                "code": detail.code,
                "context": {"propertyName": [detail.property]},
            })
        });
        Value::Array(shown.collect())
    }
}
