//! The vendor's calls: paths, bodies, and what an answer or the lack of one means.
//!
//! Not here: what to ask for and in which order (`reading`, `lookup`, `write`), what error bodies say (`refusal`).

use std::cell::OnceCell;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use syncline_sdk::clock;
use syncline_sdk::connector::Outcome;
use syncline_sdk::http::{HttpError, Request, Response, component};
use syncline_sdk::value::Fault;

use crate::records::Object;
use crate::refusal::Refusal;
use crate::schema::Properties;
use crate::stamp;

/// The release of the vendor's API that every path names.
pub(crate) const API_VERSION: &str = "2026-03";

/// Records that a batch or a page of a listing holds at the most.
pub(crate) const BATCH_MAX: usize = 100;

/// Records that a page of a search holds at the most.
pub(crate) const SEARCH_PAGE_MAX: usize = 200;

/// Records that a batch read with histories holds at the most.
pub(crate) const HISTORY_BATCH_MAX: usize = 50;

/// Values that one `IN` filter holds at the most.
pub(crate) const IN_VALUES_MAX: usize = 100;

/// Characters of a search's body that the vendor takes.
pub(crate) const SEARCH_BODY_CHARACTERS_MAX: usize = 3_000;

/// Characters of an address above which the vendor answers 414.
const URL_CHARACTERS_MAX: usize = 15_000;

/// How far the host's clock may be ahead of the vendor's where no answer tells the time.
const CLOCK_SKEW_MS: i64 = 60_000;

/// What to wait after a request that did not leave.
const NOT_SENT_MS: u64 = 1_000;

/// Objects as listings, searches and batches answer them.
#[derive(Debug, Deserialize)]
pub(crate) struct Objects<'a> {
    #[serde(borrow, default)]
    pub(crate) results: Vec<Object<'a>>,
    #[serde(default)]
    errors: Vec<Json>,
    #[serde(default)]
    paging: Option<Paging>,
    #[serde(default)]
    pub(crate) total: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    next: Option<NextPage>,
}

#[derive(Debug, Deserialize)]
struct NextPage {
    after: String,
}

impl<'a> Objects<'a> {
    /// Reads the body of an answer.
    pub(crate) fn parse(body: &'a str) -> Result<Self, Fault> {
        serde_json::from_str(body).map_err(|error| Fault::Protocol(format!("HubSpot's list of objects: {error}")))
    }

    /// Where the next page starts.
    pub(crate) fn next_after(&self) -> Option<&str> {
        let next = self.paging.as_ref()?.next.as_ref()?;
        Some(next.after.as_str()).filter(|after| !after.is_empty())
    }

    /// The errors of a batch, one for each record or group of records.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = Refusal> {
        self.errors.iter().map(Refusal::in_batch)
    }
}

/// An answer, and when the vendor began to make it.
pub(crate) struct Timed {
    pub(crate) response: Response,
    /// A moment, on the vendor's clock where it tells it, that lies before the answer was made.
    pub(crate) began_ms: i64,
}

/// Which records a listing gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archived {
    No,
    Only,
}

/// One filter of a search.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    property_name: String,
    operator: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

impl Filter {
    pub(crate) fn at_least(property: &str, value: String) -> Self {
        Self { property_name: property.to_owned(), operator: "GTE", value: Some(value), values: Vec::new() }
    }

    pub(crate) fn above(property: &str, value: String) -> Self {
        Self { property_name: property.to_owned(), operator: "GT", value: Some(value), values: Vec::new() }
    }

    pub(crate) fn one_of(property: &str, values: Vec<String>) -> Self {
        Self { property_name: property.to_owned(), operator: "IN", value: None, values }
    }
}

/// What became of a request that was to change something.
pub(crate) enum Sent {
    /// The vendor took it; some of its records may have failed.
    Answered(Response),
    /// Refused as a whole because of what it held.
    Refused(Refusal),
    /// Not done for a reason that the next request would meet, too.
    Halted(Halt),
    /// It may have been done.
    Open(String),
}

/// Why nothing more is sent in a call.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    /// What it means for each record that was not sent.
    pub(crate) outcome: Outcome,
    /// What it means for the whole call, if nothing was done before.
    pub(crate) fault: Option<Fault>,
}

/// Every property of `object`: hundreds, with all their options.
pub(crate) fn properties(object: &str) -> Result<Properties, Fault> {
    listed_properties(&read(Request::get(format!("/crm/properties/{API_VERSION}/{object}")))?.response)
}

/// The properties of `object` with these names, as far as there are such; perhaps others beside them.
pub(crate) fn named_properties<'a>(object: &str, names: impl Iterator<Item = &'a str>) -> Result<Properties, Fault> {
    let names: BTreeSet<&str> = names.collect();
    if names.is_empty() {
        return Ok(Properties::default());
    }
    if names.len() > BATCH_MAX {
        return properties(object);
    }
    let inputs: Vec<Json> = names.iter().map(|name| json!({"name": name})).collect();
    let body = json!({"archived": false, "dataSensitivity": "non_sensitive", "inputs": inputs});
    let request = Request::post(format!("/crm/properties/{API_VERSION}/{object}/batch/read")).json(&body);
    let named = match read(request) {
        Ok(answer) => listed_properties(&answer.response)?,
        Err(Fault::NotFound(_)) => Properties::default(),
        Err(fault) => return Err(fault),
    };
    // Only the whole list tells a property that is gone from one that the batch passed over.
    let is_whole = names.iter().all(|name| named.get(name).is_some());
    if is_whole { Ok(named) } else { properties(object) }
}

fn listed_properties(answer: &Response) -> Result<Properties, Fault> {
    Properties::parse(&answer.text()).map_err(|error| Fault::Protocol(format!("HubSpot's list of properties: {error}")))
}

/// A moment, on the vendor's clock where it tells it, that lies before this call returns.
pub(crate) fn now_ms(object: &str) -> Result<i64, Fault> {
    let address = format!("{}?limit=1", objects_path(object, ""));
    Ok(read(Request::get(address))?.began_ms)
}

/// Adds a property, or restores an archived one.
pub(crate) fn create_property(object: &str, definition: &Json) -> Result<Response, Fault> {
    Ok(read(Request::post(format!("/crm/properties/{API_VERSION}/{object}")).json(definition))?.response)
}

/// The account that the credential belongs to.
pub(crate) fn account() -> Result<Json, Fault> {
    read(account_details())?.response.json()
}

fn account_details() -> Request {
    Request::get(format!("/account-info/{API_VERSION}/details"))
}

/// How long the account's day still lasts, asked for once at the most.
#[derive(Default)]
struct DayLeft(OnceCell<Option<u64>>);

impl DayLeft {
    /// None where the account does not tell its zone, as when this call is one too many itself.
    fn ms(&self) -> Option<u64> {
        *self.0.get_or_init(|| {
            let answer = account_details().send().ok().filter(Response::is_success)?;
            let details: Json = answer.json().ok()?;
            stamp::until_midnight_in_ms(details["timeZone"].as_str()?, clock::now())
        })
    }
}

/// Reads a refusal; one of the daily limit waits for the end of the account's day.
fn refusal_of(response: &Response, day_left: &DayLeft) -> Refusal {
    let refusal = Refusal::of(response);
    if refusal.leaves_day_open() { refusal.after(day_left.ms()) } else { refusal }
}

/// The request for one page of a listing; none if its address would be too long.
pub(crate) fn list(
    object: &str,
    properties: &[&str],
    after: Option<&str>,
    limit: usize,
    archived: Archived,
) -> Option<Request> {
    let mut url = format!("{}?limit={limit}", objects_path(object, ""));
    if let Some(after) = after {
        url.push_str("&after=");
        url.push_str(&component(after));
    }
    if archived == Archived::Only {
        url.push_str("&archived=true");
    }
    // Commas between names stand as they are: the vendor splits there.
    for (position, property) in properties.iter().enumerate() {
        url.push_str(if position == 0 { "&properties=" } else { "," });
        url.push_str(&component(property));
    }
    (url.len() <= URL_CHARACTERS_MAX).then(|| Request::get(url))
}

/// The body of a search in the order of ids.
pub(crate) fn search_body(filters: &[Filter], properties: &[&str], limit: usize) -> Json {
    json!({
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": properties,
        "limit": limit,
    })
}

/// The request for a search.
pub(crate) fn search(object: &str, body: &Json) -> Request {
    Request::post(objects_path(object, "/search")).json(body)
}

/// The request that reads records by id, or by the value of a unique property.
pub(crate) fn batch_read(
    object: &str,
    ids: &[&str],
    id_property: Option<&str>,
    properties: &[&str],
    archived: Archived,
) -> Request {
    let mut body = json!({"inputs": inputs(ids), "properties": properties});
    if let Some(id_property) = id_property {
        body["idProperty"] = json!(id_property);
    }
    let query = if archived == Archived::Only { "/batch/read?archived=true" } else { "/batch/read" };
    Request::post(objects_path(object, query)).json(&body)
}

/// The request that reads when properties changed.
pub(crate) fn batch_read_history(object: &str, ids: &[&str], properties: &[&str]) -> Request {
    let body = json!({"inputs": inputs(ids), "properties": [], "propertiesWithHistory": properties});
    Request::post(objects_path(object, "/batch/read")).json(&body)
}

/// The request for one record by its id, also an id that it had before a merge.
pub(crate) fn one(object: &str, id: &str, properties: &[&str]) -> Request {
    let names: Vec<String> = properties.iter().map(|property| component(property)).collect();
    Request::get(format!("{}/{}?properties={}", objects_path(object, ""), component(id), names.join(",")))
}

/// The request that writes a batch: `call` is `create`, `update`, `upsert` or `archive`.
pub(crate) fn batch_write(object: &str, call: &str, inputs: &[Json]) -> Request {
    Request::post(objects_path(object, &format!("/batch/{call}"))).json(&json!({"inputs": inputs}))
}

/// Sends a request that changes nothing.
pub(crate) fn read(request: Request) -> Result<Timed, Fault> {
    let sent_ms = clock::now();
    let answer = request.send();
    let response = readable(answer, &DayLeft::default())?;
    let elapsed_ms = clock::now().saturating_sub(sent_ms).max(0);
    let told_ms = response.header("Date").and_then(stamp::http_date_ms);
    // The header is cut to the second and written when the answer is made, so the call began no later than this.
    let began_ms = told_ms.map_or(sent_ms - CLOCK_SKEW_MS, |told_ms| told_ms - elapsed_ms);
    Ok(Timed { response, began_ms })
}

/// Sends several requests that change nothing.
pub(crate) fn read_all(requests: Vec<Request>) -> Vec<Result<Response, Fault>> {
    let answers = match requests.len() {
        // One request needs none of the machinery of several.
        1 => requests.into_iter().map(Request::send).collect(),
        _ => syncline_sdk::http::send_all(requests),
    };
    let day_left = DayLeft::default();
    answers.into_iter().map(|answer| readable(answer, &day_left)).collect()
}

/// Sends a request that changes something.
///
/// Invariant: what may have had its effect is never reported as not done.
pub(crate) fn write(request: Request) -> Sent {
    let response = match request.send() {
        Ok(response) if response.is_success() => return Sent::Answered(response),
        Ok(response) => response,
        Err(error) => return unanswered(error),
    };
    let refusal = refusal_of(&response, &DayLeft::default());
    if refusal.is_open() {
        return Sent::Open(refusal.said());
    }
    if refusal.is_about_values() {
        return Sent::Refused(refusal);
    }
    let now_ms = clock::now();
    let fault = Some(refusal.fault(now_ms)).filter(|fault| matches!(fault, Fault::Auth(_)));
    Sent::Halted(Halt { outcome: refusal.outcome(now_ms), fault })
}

fn unanswered(error: HttpError) -> Sent {
    let halted = |outcome, fault| Sent::Halted(Halt { outcome, fault });
    match error {
        HttpError::Interrupted(reason) => Sent::Open(reason),
        HttpError::TooLarge(limit_bytes) => {
            Sent::Open(format!("the answer to a write was larger than the limit of {limit_bytes} bytes"))
        }
        HttpError::RetryLater(after_ms) => halted(Outcome::wait(after_ms, "the budget for requests is used up"), None),
        HttpError::NotSent(reason) => halted(Outcome::wait(NOT_SENT_MS, &reason), Some(Fault::Transient(reason))),
        HttpError::Credential(reason) => halted(Outcome::wait(NOT_SENT_MS, &reason), Some(Fault::Auth(reason))),
        error @ (HttpError::Denied(_) | HttpError::Invalid(_)) => {
            let fault = Fault::from(error.clone());
            halted(Outcome::Permission(format!("{error:?}")), Some(fault))
        }
    }
}

fn readable(answer: Result<Response, HttpError>, day_left: &DayLeft) -> Result<Response, Fault> {
    match answer {
        Ok(response) if response.is_success() => Ok(response),
        Ok(response) => Err(refusal_of(&response, day_left).fault(clock::now())),
        // Nothing was to change, so a cut answer is simply asked for again.
        Err(HttpError::Interrupted(reason)) => Err(Fault::Transient(reason)),
        Err(error) => Err(Fault::from(error)),
    }
}

fn objects_path(object: &str, rest: &str) -> String {
    format!("/crm/objects/{API_VERSION}/{object}{rest}")
}

fn inputs(ids: &[&str]) -> Vec<Json> {
    ids.iter().map(|id| json!({"id": id})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_name_the_version_and_end_at_the_bound() {
        let request = list("contacts", &["email", "a b"], Some("512"), 100, Archived::Only).expect("it is short");
        assert_eq!(
            request.url(),
            "/crm/objects/2026-03/contacts?limit=100&after=512&archived=true&properties=email,a%20b"
        );
        let names: Vec<String> = (0..1000).map(|number| format!("a_long_property_name_{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(list("contacts", &names, None, 100, Archived::No).is_none(), "414 above 15,000 characters");
    }

    #[test]
    fn the_last_page_has_no_next() {
        for (body, next) in [
            (r#"{"results":[],"paging":{"next":{"after":"512","link":"?after=512"}}}"#, Some("512")),
            (r#"{"results":[],"paging":{"next":null}}"#, None),
            (r#"{"results":[],"paging":null}"#, None),
            (r#"{"results":[]}"#, None),
        ] {
            assert_eq!(Objects::parse(body).expect("it parses").next_after(), next, "{body}");
        }
        assert!(matches!(Objects::parse("<html>"), Err(Fault::Protocol(_))));
    }
}
