//! Which call a method and a path ask for, in the dated form of paths and in the older one.

use serde_json::{Value, json};

use crate::API_VERSION;
use crate::account::{Account, Call, Reply};
use crate::batch::{self, BatchWrite};
use crate::clock::zoned;
use crate::data::Source;
use crate::errors::ApiError;
use crate::properties::input_names;
use crate::records;

/// The older name of the versions that still answers.
const LEGACY_VERSION: &str = "v3";

/// The longest address that is accepted.
const TARGET_CHARS_MAX: usize = 16_000;

/// A request, read whole.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) target: String,
    pub(crate) bearer: Option<String>,
    pub(crate) address: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    Objects,
    Properties,
}

/// A path taken apart: the area, the object, and what follows.
struct Place {
    area: Area,
    object: String,
    rest: Vec<String>,
}

/// Carries a request out.
pub(crate) fn answer(account: &mut Account, incoming: &Incoming) -> Result<Reply, ApiError> {
    if incoming.target.len() > TARGET_CHARS_MAX {
        return Err(ApiError::uri_too_long());
    }
    if incoming.path == format!("/account-info/{API_VERSION}/details") {
        return match incoming.method.as_str() {
            "GET" => Ok(Reply::json(200, &portal(account))),
            _ => Err(ApiError::method_not_allowed()),
        };
    }
    let place = place(&incoming.path).ok_or_else(|| ApiError::not_found("resource not found"))?;
    let object = account.object(&place.object);
    let (store, settings, now_ms) =
        object.ok_or_else(|| ApiError::invalid(format!("Unable to infer object type from: {}", place.object)))?;
    let mut call = Call {
        store,
        settings,
        now_ms,
        source: Source::Integration,
        address: &incoming.address,
        path: &incoming.path,
        query: &incoming.query,
        body: &incoming.body,
    };
    let rest: Vec<&str> = place.rest.iter().map(String::as_str).collect();
    match place.area {
        Area::Objects => objects(&mut call, &incoming.method, &rest),
        Area::Properties => properties(&mut call, &incoming.method, &rest),
    }
}

/// Whether a request is a search, which has limits of its own.
pub(crate) fn is_search(incoming: &Incoming) -> bool {
    place(&incoming.path).is_some_and(|place| place.area == Area::Objects && place.rest == ["search"])
}

/// The method and path with ids left out, under which requests are counted.
pub(crate) fn label(incoming: &Incoming) -> String {
    let id = place(&incoming.path).and_then(|place| match place.rest.as_slice() {
        [id] if place.area == Area::Objects && !["search", "merge", "gdpr-delete"].contains(&id.as_str()) => Some(()),
        _ => None,
    });
    let path = match (id, incoming.path.rsplit_once('/')) {
        (Some(()), Some((parent, _))) => format!("{parent}/{{id}}"),
        _ => incoming.path.clone(),
    };
    format!("{} {path}", incoming.method)
}

fn place(path: &str) -> Option<Place> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(percent_decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (area, rest) = match parts.as_slice() {
        ["crm", area, version, rest @ ..] if *version == API_VERSION => (*area, rest),
        ["crm", version, area, rest @ ..] if *version == LEGACY_VERSION => (*area, rest),
        _ => return None,
    };
    let area = match area {
        "objects" => Area::Objects,
        "properties" => Area::Properties,
        _ => return None,
    };
    let (object, rest) = rest.split_first()?;
    Some(Place { area, object: (*object).to_owned(), rest: rest.iter().map(|part| (*part).to_owned()).collect() })
}

fn objects(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Result<Reply, ApiError> {
    match (method, rest) {
        ("GET", []) => records::list(call),
        ("POST", []) => records::create(call),
        ("POST", ["search"]) => records::find_many(call),
        ("POST", ["merge"]) => records::merge(call),
        ("POST", ["gdpr-delete"]) => records::forget(call),
        ("POST", ["batch", "read"]) => batch::read_records(call),
        ("POST", ["batch", "create"]) => batch::write(call, BatchWrite::Create),
        ("POST", ["batch", "update"]) => batch::write(call, BatchWrite::Update),
        ("POST", ["batch", "upsert"]) => batch::write(call, BatchWrite::Upsert),
        ("POST", ["batch", "archive"]) => batch::archive(call),
        ("GET", [id]) => records::get(call, id),
        ("PATCH", [id]) => records::update(call, id),
        ("DELETE", [id]) => records::archive(call, id),
        (_, [] | [_] | ["batch", _]) => Err(ApiError::method_not_allowed()),
        _ => Err(ApiError::not_found("resource not found")),
    }
}

fn properties(call: &mut Call<'_>, method: &str, rest: &[&str]) -> Result<Reply, ApiError> {
    let (archived, now_ms) = (call.query_flag("archived"), call.now_ms);
    let body = if method == "GET" || method == "DELETE" { Value::Null } else { call.json()? };
    call.store.index.touch();
    let schema = &mut call.store.schema;
    let (status, shown) = match (method, rest) {
        ("GET", []) => (200, schema.list(archived)),
        ("POST", []) => (201, schema.create(&body, now_ms)?),
        ("GET", ["groups"]) => (200, schema.groups()),
        ("POST", ["groups"]) => (201, schema.create_group(&body)?),
        ("GET", ["groups", name]) => (200, schema.group(name)?),
        ("POST", ["batch", "read"]) => {
            let archived = body.get("archived").and_then(Value::as_bool).unwrap_or(false);
            let found = input_names(&body)?.into_iter().filter_map(|name| schema.show(&name, archived).ok());
            (200, batch_of(now_ms, found.collect()))
        }
        ("POST", ["batch", "create"]) => {
            let inputs = body.get("inputs").and_then(Value::as_array);
            let inputs = inputs.ok_or_else(|| ApiError::malformed("inputs is required"))?;
            let created = inputs.iter().map(|input| schema.create(input, now_ms)).collect::<Result<_, _>>()?;
            (201, batch_of(now_ms, created))
        }
        ("POST", ["batch", "archive"]) => {
            input_names(&body)?.iter().try_for_each(|name| schema.archive(name, now_ms))?;
            return Ok(Reply::empty());
        }
        ("GET", [name]) => (200, schema.show(name, archived)?),
        ("PATCH", [name]) => (200, schema.patch(name, &body, now_ms)?),
        ("DELETE", [name]) => {
            schema.archive(name, now_ms)?;
            return Ok(Reply::empty());
        }
        (_, [] | [_]) => return Err(ApiError::method_not_allowed()),
        _ => return Err(ApiError::not_found("resource not found")),
    };
    Ok(Reply::json(status, &shown))
}

/// The account as the vendor describes it.
fn portal(account: &Account) -> Value {
    let zone = &account.settings.time_zone;
    let now = zoned(account.clock.now_ms(), zone);
    json!({
        "portalId": 8_081_001,
        "accountType": "DEVELOPER_TEST",
        "timeZone": zone,
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": now.strftime("%:z").to_string(),
        "utcOffsetMilliseconds": i64::from(now.offset().seconds()) * 1_000,
        "uiDomain": "app.example.com",
        "dataHostingLocation": "eu1",
    })
}

fn batch_of(now_ms: i64, results: Vec<Value>) -> Value {
    let at = crate::clock::iso(now_ms);
    json!({"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at})
}

/// Reads `%41` as `A`; what is not an escape stays.
pub(crate) fn percent_decoded(part: &str) -> String {
    url::form_urlencoded::parse(part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_paths_lead_to_the_same_place() {
        for path in
            ["/crm/objects/2026-03/contacts/ada%2Bx@example.com", "/crm/v3/objects/contacts/ada+x%40example.com"]
        {
            let place = place(path).expect("a known path");
            assert_eq!((place.object.as_str(), place.rest), ("contacts", vec!["ada+x@example.com".to_owned()]));
        }
        for path in ["/", "/crm/objects/2025-09/contacts", "/crm/v4/objects/contacts", "/crm/objects/2026-03", "/x/y/z"]
        {
            assert!(place(path).is_none(), "{path}");
        }
    }
}
