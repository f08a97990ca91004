//! HubSpot's refusals: what an error body says, and what it means for a call or for one record.
//!
//! Every field of an error body is optional, so nothing here fails on a body of another shape.
//! Not here: failures without an answer, which `api` turns into faults.

use serde_json::Value as Json;
use syncline_sdk::connector::Outcome;
use syncline_sdk::http::Response;
use syncline_sdk::value::{Delay, Fault, Violation};

use crate::stamp;

/// Characters of a vendor message that are passed on.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// Waits that the vendor names for its limits, where the answer has no `Retry-After`.
const TEN_SECONDS_MS: u64 = 10_000;
const SECOND_MS: u64 = 1_000;
const LOCKED_MS: u64 = 2_000;
const MOVING_MS: u64 = 600_000;

/// What starts the list of refused values inside a message.
const VALUES_PREFIX: &str = "Property values were not valid: ";

/// What an answer with an error status, or one member of a batch's `errors`, says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status; none inside a batch.
    status: Option<u16>,
    category: String,
    message: String,
    policy: String,
    scopes: Vec<String>,
    details: Vec<Detail>,
    retry_after_ms: Option<u64>,
    /// Whether the body is one of HubSpot's, and not that of something in between.
    is_vendors: bool,
    /// The `objectWriteTraceId`s that it names.
    pub(crate) trace_ids: Vec<String>,
    /// The record ids that it names.
    pub(crate) ids: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Detail {
    code: String,
    message: String,
    property: Option<String>,
}

impl Refusal {
    /// Reads an answer whose status is not one of success.
    pub(crate) fn of(response: &Response) -> Self {
        let body: Json = serde_json::from_str(&response.text()).unwrap_or_default();
        Self { status: Some(response.status()), retry_after_ms: response.retry_after_ms(), ..Self::in_batch(&body) }
    }

    /// Reads one member of the `errors` of a batch.
    pub(crate) fn in_batch(body: &Json) -> Self {
        let message = text(body, "message");
        let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut details: Vec<Detail> = errors.iter().map(Detail::of).collect();
        if details.iter().all(|detail| detail.property.is_none()) {
            details.extend(values_in(&message));
        }
        let context = |name: &str| {
            let inner = errors.iter().flat_map(|error| texts(&error["context"][name]));
            texts(&body["context"][name]).into_iter().chain(inner).collect::<Vec<String>>()
        };
        let mut ids = context("ids");
        ids.extend(context("id"));
        Self {
            status: None,
            category: text(body, "category"),
            policy: text(body, "policyName"),
            scopes: context("requiredGranularScopes").into_iter().chain(context("requiredScopes")).collect(),
            trace_ids: context("objectWriteTraceId"),
            ids,
            details,
            message,
            retry_after_ms: None,
            is_vendors: ["status", "category", "correlationId"].iter().any(|name| body[name].is_string()),
        }
    }

    /// Whether the calls of the account's day are used up, and it is not said when the day ends.
    pub(crate) fn leaves_day_open(&self) -> bool {
        self.status == Some(429) && self.is_daily() && self.retry_after_ms.is_none()
    }

    /// Adds how long to wait, if that is known.
    pub(crate) fn after(self, wait_ms: Option<u64>) -> Self {
        Self { retry_after_ms: self.retry_after_ms.or(wait_ms), ..self }
    }

    /// Whether it says no more than that some records are not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.category == "OBJECT_NOT_FOUND" || (self.is_vendors && self.category.is_empty() && self.status == Some(404))
    }

    /// Whether the values were at fault, so that other records of the batch may do better alone.
    pub(crate) fn is_about_values(&self) -> bool {
        matches!(self.status, Some(400 | 404 | 409 | 413 | 414 | 422))
    }

    /// Whether the server may have applied the request all the same.
    pub(crate) fn is_open(&self) -> bool {
        match self.status {
            Some(status) => status == 408 || (status >= 500 && status != 530),
            None => self.category == "INTERNAL_ERROR",
        }
    }

    /// What it means for a call that changes nothing.
    pub(crate) fn fault(&self, now_ms: i64) -> Fault {
        let said = self.said();
        match self.status.unwrap_or_default() {
            401 | 530 => Fault::Auth(said),
            403 => Fault::Permission(self.permission()),
            // Records are taken for gone on this, so it must be HubSpot itself that says so.
            404 if self.is_vendors => Fault::NotFound(said),
            404 => Fault::Protocol(format!("{said}, but not in HubSpot's words: is the address right?")),
            423 | 429 | 477 => Fault::RetryLater(self.delay(now_ms)),
            408 | 500.. => Fault::Transient(said),
            _ if self.names_unknown_property() => Fault::Schema(said),
            _ => Fault::Other(said),
        }
    }

    /// What it means for the record that was to be written.
    pub(crate) fn outcome(&self, now_ms: i64) -> Outcome {
        if self.is_open() {
            return Outcome::Unknown(self.said());
        }
        if let Some(existing) = self.duplicate() {
            return Outcome::DuplicateOf(existing);
        }
        match (self.status, self.category.as_str()) {
            (Some(429), _) if self.is_daily() => Outcome::Quota(self.delay(now_ms)),
            (Some(401 | 530 | 423 | 429 | 477), _) | (_, "RATE_LIMITS" | "RATE_LIMIT" | "LOCKED") => {
                Outcome::RetryLater(self.delay(now_ms))
            }
            (Some(403), _) | (_, "MISSING_SCOPES") => Outcome::Permission(self.permission()),
            _ if self.is_not_found() => Outcome::NotFound,
            _ => Outcome::Invalid(self.violations()),
        }
    }

    /// What it said, for a person.
    pub(crate) fn said(&self) -> String {
        let status = self.status.map(|status| format!("HubSpot answered {status}")).unwrap_or_else(|| "HubSpot".into());
        let message = if self.message.is_empty() { &self.category } else { &self.message };
        shortened(if message.is_empty() { status } else { format!("{status}: {message}") })
    }

    fn permission(&self) -> String {
        let said = self.said();
        if self.scopes.is_empty() { said } else { format!("{said} (missing scopes: {})", self.scopes.join(", ")) }
    }

    fn is_daily(&self) -> bool {
        self.policy == "DAILY" || self.message.contains("daily limit")
    }

    fn delay(&self, now_ms: i64) -> Delay {
        let after_ms = match self.status {
            Some(423) => self.retry_after_ms.unwrap_or_default().max(LOCKED_MS),
            Some(477) => self.retry_after_ms.unwrap_or(MOVING_MS),
            // Where the account's day ends at another hour, the wait is too long, or met once more by a shorter one.
            _ if self.is_daily() => self.retry_after_ms.unwrap_or_else(|| stamp::until_midnight_ms(now_ms)),
            _ if self.policy == "SECONDLY" || self.message.contains("secondly limit") => {
                self.retry_after_ms.unwrap_or(SECOND_MS)
            }
            _ => self.retry_after_ms.unwrap_or(TEN_SECONDS_MS),
        };
        Delay::new(after_ms, self.said())
    }

    /// The id of the record that has the same unique value, if it is said; none if this is not about one.
    fn duplicate(&self) -> Option<Option<String>> {
        let messages = || std::iter::once(&self.message).chain(self.details.iter().map(|detail| &detail.message));
        let existing = messages().find_map(|message| existing_id(message));
        let is_conflict = self.status == Some(409)
            || self.category == "CONFLICT"
            || self.details.iter().any(|detail| detail.code == "CONFLICTING_UNIQUE_VALUE");
        (existing.is_some() || is_conflict).then_some(existing)
    }

    fn names_unknown_property(&self) -> bool {
        self.details.iter().any(|detail| detail.code == "PROPERTY_DOESNT_EXIST")
    }

    fn violations(&self) -> Vec<Violation> {
        let listed: Vec<Violation> = self
            .details
            .iter()
            .map(|detail| Violation {
                field: detail.property.clone(),
                code: violation_code(&detail.code),
                message: shortened(if detail.message.is_empty() { self.said() } else { detail.message.clone() }),
            })
            .collect();
        if listed.is_empty() { vec![Violation::of_record("refused", self.said())] } else { listed }
    }
}

impl Detail {
    fn of(error: &Json) -> Self {
        let named = texts(&error["context"]["propertyName"]).into_iter().next();
        Self { code: text(error, "code"), message: text(error, "message"), property: named }
    }
}

/// The refused values that the vendor writes as JSON into a message.
fn values_in(message: &str) -> Vec<Detail> {
    let Some(at) = message.find(VALUES_PREFIX) else { return Vec::new() };
    let listed = &message[at + VALUES_PREFIX.len()..];
    let mut parsed = serde_json::Deserializer::from_str(listed).into_iter::<Vec<Json>>();
    let values = parsed.next().and_then(Result::ok).unwrap_or_default();
    values
        .iter()
        .map(|value| Detail {
            code: text(value, "error"),
            message: text(value, "message"),
            property: Some(text(value, "name")).filter(|name| !name.is_empty()),
        })
        .collect()
}

/// The id in `Existing ID: 512` or in `512 already has that value`.
fn existing_id(message: &str) -> Option<String> {
    let digits = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    if let Some((_, after)) = message.split_once("Existing ID: ") {
        return Some(digits(after)).filter(|id| !id.is_empty());
    }
    let (before, _) = message.split_once(" already has that value")?;
    let last = before.rsplit(|character: char| !character.is_ascii_digit()).next()?;
    (!last.is_empty()).then(|| last.to_owned())
}

/// The stable word for a vendor code: ours where there is one, else the vendor's in small letters.
fn violation_code(code: &str) -> String {
    match code {
        "" => "refused".to_owned(),
        "PROPERTY_DOESNT_EXIST" => "unknown-field".to_owned(),
        "INVALID_OPTION" => "unknown-option".to_owned(),
        "READ_ONLY_VALUE" => "read-only".to_owned(),
        "INVALID_LENGTH" => "too-long".to_owned(),
        "REQUIRED_FIELD" | "MISSING_REQUIRED_PROPERTY" | "MISSING_CONDITIONAL_REQUIRED_PROPERTY" => {
            "required".to_owned()
        }
        other => other.to_ascii_lowercase().replace('_', "-"),
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn text(value: &Json, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The texts of a list, or the one text that stands in its place.
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::String(text) => vec![text.clone()],
        Json::Array(list) => list.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T18:00:00Z.
    const NOW_MS: i64 = 1_795_370_400_000;

    fn answer(status: u16, body: &str) -> Refusal {
        Refusal::of(&Response::new(status, body))
    }

    #[test]
    fn waits_follow_the_policy_that_was_hit() {
        let limit = |policy: &str, message: &str| {
            format!(r#"{{"status":"error","message":"{message}","errorType":"RATE_LIMIT","policyName":"{policy}"}}"#)
        };
        for (status, body, after_ms) in [
            (429, limit("TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit."), 10_000),
            (429, limit("SECONDLY", "You have reached your secondly limit."), 1_000),
            (429, limit("DAILY", "You have reached your daily limit."), 6 * 3_600_000),
            (429, String::new(), 10_000),
            (423, String::new(), 2_000),
            (477, String::new(), 600_000),
        ] {
            match answer(status, &body).fault(NOW_MS) {
                Fault::RetryLater(delay) => assert_eq!(delay.after_ms, after_ms, "{status} {body}"),
                other => panic!("{status} {body}: {other:?}"),
            }
        }
        let moving = Refusal::of(&Response::new(477, "").with_header("Retry-After", "3600"));
        assert!(matches!(moving.fault(NOW_MS), Fault::RetryLater(delay) if delay.after_ms == 3_600_000));
        let daily = answer(429, &limit("DAILY", "You have reached your daily limit."));
        assert!(matches!(daily.outcome(NOW_MS), Outcome::Quota(_)), "E8.1: a budget is no failure");
    }

    #[test]
    fn statuses_become_faults() {
        let scopes = r#"{"category":"MISSING_SCOPES","message":"no","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}"#;
        let unknown = r#"{"category":"VALIDATION_ERROR","message":"x","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["x"]}}]}"#;
        assert!(matches!(answer(401, "").fault(0), Fault::Auth(_)));
        assert!(matches!(answer(530, "<html>").fault(0), Fault::Auth(_)));
        assert!(
            matches!(answer(403, scopes).fault(0), Fault::Permission(said) if said.contains("crm.objects.contacts.write"))
        );
        assert!(matches!(
            answer(404, r#"{"status":"error","message":"resource not found"}"#).fault(0),
            Fault::NotFound(_)
        ));
        assert!(
            matches!(answer(404, "<html>no such page</html>").fault(0), Fault::Protocol(_)),
            "E4.1: no confirmed signal"
        );
        assert!(matches!(answer(400, unknown).fault(0), Fault::Schema(_)));
        assert!(matches!(answer(400, "[]").fault(0), Fault::Other(_)));
        for status in [500, 502, 503, 504, 521, 523, 524] {
            assert!(matches!(answer(status, "").fault(0), Fault::Transient(_)), "{status}");
            assert!(matches!(answer(status, "").outcome(0), Outcome::Unknown(_)), "E8.1: {status} after a write");
        }
    }

    #[test]
    fn refused_values_name_their_fields() {
        let expected = vec![Violation::of_field("email", "invalid-email", "Email address x is invalid")];
        let in_errors = r#"{"category":"VALIDATION_ERROR","message":"m","errors":[{"message":"Email address x is invalid",
            "code":"INVALID_EMAIL","context":{"propertyName":["email"]}}]}"#;
        let listed = r#"[{\"isValid\":false,\"message\":\"Email address x is invalid\",\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]"#;
        let in_message = format!(r#"{{"category":"VALIDATION_ERROR","message":"{VALUES_PREFIX}{listed}"}}"#);
        for body in [in_errors, &in_message] {
            assert_eq!(answer(400, body).outcome(0), Outcome::Invalid(expected.clone()), "{body}");
        }
        let option = r#"{"errors":[{"message":"no","code":"INVALID_OPTION","context":{"propertyName":["stage"]}}]}"#;
        assert_eq!(answer(400, option).outcome(0), Outcome::refused("stage", "unknown-option", "no"));
        assert!(matches!(answer(400, "garbage").outcome(0), Outcome::Invalid(list) if list.len() == 1));
    }

    #[test]
    fn a_unique_value_that_is_taken_names_its_owner() {
        let existing =
            r#"{"status":"error","message":"Contact already exists. Existing ID: 512","category":"CONFLICT"}"#;
        assert_eq!(answer(409, existing).outcome(0), Outcome::DuplicateOf(Some("512".into())));
        let taken = r#"{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE",
            "message":"Cannot set member to 'x 7'. 512 already has that value."}]}"#;
        assert_eq!(answer(400, taken).outcome(0), Outcome::DuplicateOf(Some("512".into())));
        assert_eq!(answer(409, "").outcome(0), Outcome::DuplicateOf(None));
    }

    #[test]
    fn batch_errors_name_the_inputs_they_are_about() {
        let body: Json = serde_json::from_str(
            r#"{"status":"error","category":"OBJECT_NOT_FOUND","message":"m","context":{"ids":["7"],"objectWriteTraceId":["3"]}}"#,
        )
        .expect("the body parses");
        let refusal = Refusal::in_batch(&body);
        assert_eq!(
            (refusal.trace_ids.as_slice(), refusal.ids.as_slice()),
            (&["3".to_owned()][..], &["7".to_owned()][..])
        );
        assert_eq!(refusal.outcome(0), Outcome::NotFound);
    }

    #[test]
    fn bodies_of_any_shape_are_borne() {
        for body in ["", "null", "[]", "7", r#"{"errors":7,"context":[],"message":{}}"#, r#"{"errors":[7,null,{}]}"#] {
            let refusal = answer(400, body);
            assert!(!refusal.said().is_empty());
            let _ = (refusal.fault(0), refusal.outcome(i64::MIN));
        }
        let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(10_000));
        assert!(answer(400, &long).said().chars().count() <= MESSAGE_CHARACTERS_MAX + 1);
    }
}
