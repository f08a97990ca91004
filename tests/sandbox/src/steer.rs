//! Steering by HTTP under `/_sandbox/`: what [`State`] can do, for other processes and languages.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::account::{Reply, Settings, to_value};
use crate::data::RecordId;
use crate::errors::ApiError;
use crate::faults::Fault;
use crate::routes::Incoming;
use crate::seed::Seed;
use crate::state::State;

/// Where the steering calls begin.
pub(crate) const PREFIX: &str = "/_sandbox/";

/// How many records one dump shows when nothing is said.
const DUMP_DEFAULT: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    properties: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    primary: RecordId,
    other: RecordId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
}

/// Carries a steering call out; `path` is what follows the prefix.
pub(crate) fn answer(state: &State, incoming: &Incoming, path: &str) -> Reply {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let outcome = match parts.as_slice() {
        ["records", rest @ ..] => records(state, incoming, rest),
        rest => account(state, incoming, rest),
    };
    match outcome {
        Ok(shown) => Reply::json(200, &shown),
        Err(error) => Reply::json(error.status, &error.body("")),
    }
}

fn account(state: &State, incoming: &Incoming, parts: &[&str]) -> Result<Value, ApiError> {
    match (incoming.method.as_str(), parts) {
        ("GET", ["stats"]) => Ok(to_value(&state.stats())),
        ("DELETE", ["stats"]) => {
            state.reset_stats();
            Ok(done())
        }
        ("GET", ["faults"]) => Ok(to_value(&state.faults())),
        ("POST", ["faults"]) => {
            state.add_fault(read::<Fault>(incoming)?);
            Ok(done())
        }
        ("DELETE", ["faults"]) => {
            state.clear_faults();
            Ok(done())
        }
        ("GET", ["settings"]) => Ok(to_value(&state.settings())),
        ("PATCH", ["settings"]) => change_settings(state, incoming),
        ("GET", ["clock"]) => Ok(clock(state)),
        ("POST", ["clock"]) => {
            let Advance { advance_ms } = read(incoming)?;
            state.clock().advance(Duration::from_millis(advance_ms));
            Ok(clock(state))
        }
        ("POST", ["seed"]) => Ok(json!({"created": state.seed(&read::<Seed>(incoming)?).len()})),
        ("POST", ["properties"]) => {
            state.create_property(&read::<Value>(incoming)?)?;
            Ok(done())
        }
        ("POST", ["merge"]) => {
            let Merge { primary, other } = read(incoming)?;
            Ok(json!({"id": state.merge(primary, other)?}))
        }
        ("POST", ["tokens"]) => {
            state.allow_token(&read::<Token>(incoming)?.token);
            Ok(done())
        }
        ("DELETE", ["tokens"]) => Ok(json!({"revoked": state.revoke_token(&read::<Token>(incoming)?.token)})),
        _ => Err(unknown(incoming)),
    }
}

fn records(state: &State, incoming: &Incoming, parts: &[&str]) -> Result<Value, ApiError> {
    let id = |text: &&str| text.parse().map(RecordId).map_err(|_| unknown(incoming));
    match (incoming.method.as_str(), parts) {
        ("GET", []) => dump(state, incoming),
        ("POST", []) => Ok(json!({"id": state.create_from(&read::<Properties>(incoming)?.properties)?})),
        ("GET", [number]) => {
            let found = state.record(id(number)?);
            Ok(to_value(&found.ok_or_else(|| ApiError::not_found(format!("there is no record {number}")))?))
        }
        ("PATCH", [number]) => {
            state.edit_from(id(number)?, &read::<Properties>(incoming)?.properties)?;
            Ok(done())
        }
        ("DELETE", [number]) => {
            state.archive(id(number)?)?;
            Ok(done())
        }
        ("POST", [number, "restore"]) => {
            state.restore(id(number)?)?;
            Ok(done())
        }
        ("POST", [number, "forget"]) => {
            state.forget(id(number)?)?;
            Ok(done())
        }
        _ => Err(unknown(incoming)),
    }
}

fn dump(state: &State, incoming: &Incoming) -> Result<Value, ApiError> {
    let query = |name: &str| incoming.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if let (Some(property), Some(value)) = (query("property"), query("value")) {
        let found = state.find(property, value)?;
        return Ok(json!({"records": found.iter().map(to_value).collect::<Vec<_>>(), "next": null}));
    }
    let number = |name: &str, otherwise: usize| match query(name).map(str::parse) {
        None => Ok(otherwise),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(ApiError::invalid(format!("{name} must be a number"))),
    };
    let (from, limit) = (number("from", 0)?, number("limit", DUMP_DEFAULT)?);
    let page = state.page(query("archived") == Some("true"), RecordId(from as u64), limit);
    let next = page.last().filter(|_| page.len() == limit).map(|last| last.id.0 + 1);
    Ok(json!({"records": page.iter().map(to_value).collect::<Vec<_>>(), "next": next}))
}

/// Changes the settings that are named; of the limits and the rewriting, those that are named.
fn change_settings(state: &State, incoming: &Incoming) -> Result<Value, ApiError> {
    let change: Map<String, Value> = read(incoming)?;
    let mut wanted = to_value(&state.settings());
    for (name, value) in change {
        match (wanted.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => wanted[name.as_str()] = value,
        }
    }
    let settings = Settings::deserialize(&wanted).map_err(|error| ApiError::malformed(error.to_string()))?;
    state.set(|old| *old = settings);
    Ok(wanted)
}

fn clock(state: &State) -> Value {
    json!({"now_ms": state.clock().now_ms(), "now": state.now()})
}

fn done() -> Value {
    json!({"done": true})
}

fn read<T: for<'de> Deserialize<'de>>(incoming: &Incoming) -> Result<T, ApiError> {
    serde_json::from_slice(&incoming.body).map_err(|error| ApiError::malformed(error.to_string()))
}

fn unknown(incoming: &Incoming) -> ApiError {
    ApiError::not_found(format!("the sandbox has no {} {}", incoming.method, incoming.path))
}
