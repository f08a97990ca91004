//! The floor: a client with one connection that fetches page after page and parses each to values.

use std::process::Command;

use serde_json::Value;
use syncline_sandbox::{API_VERSION, DEFAULT_TOKEN};

use crate::accounts::PROPERTIES;
use crate::{Outcome, root};

/// The same client in Python, to compare with tools that are measured so.
pub(crate) fn in_python(url: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(root().join("tests/bench/floor.py"));
    command.args([url.trim_start_matches("http://"), DEFAULT_TOKEN, &path()]);
    command
}

fn path() -> String {
    format!("/crm/objects/{API_VERSION}/contacts?limit=100&properties={}", PROPERTIES.join(","))
}

/// Reads every contact at `url`, and returns how many there were.
pub(crate) fn read(url: &str) -> Outcome<usize> {
    let agent = ureq::Agent::new_with_defaults();
    let first = format!("{url}{}", path());
    let mut next = Some(first.clone());
    let mut records = 0;
    while let Some(url) = next {
        let mut response = agent.get(&url).header("authorization", format!("Bearer {DEFAULT_TOKEN}")).call()?;
        let page: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        records += page["results"].as_array().map_or(0, Vec::len);
        next = page["paging"]["next"]["after"].as_str().map(|after| format!("{first}&after={after}"));
    }
    Ok(records)
}
