//! The HubSpot to play with, and what a person does in it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::error::Error;

/// Contacts at the start.
pub(super) const CONTACTS: usize = 200;

/// What the sandbox takes for a token unless it is told otherwise.
pub(super) const TOKEN: &str = "sandbox-token";

/// A running sandbox.
pub(super) struct Crm {
    server: Child,
    agent: ureq::Agent,
    /// Its address, without a slash at its end.
    pub(super) url: String,
}

/// A contact as it is in HubSpot.
pub(super) struct Contact {
    pub(super) id: u64,
    properties: Value,
}

impl Contact {
    /// The value of a property; empty where there is none.
    pub(super) fn value(&self, property: &str) -> &str {
        self.properties[property].as_str().unwrap_or_default()
    }

    /// First and last name.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.value("firstname"), self.value("lastname"))
    }
}

impl Crm {
    /// Starts a sandbox whose search sees a change at once, and waits until it says where it is.
    pub(super) fn start(program: &Path) -> Result<Crm, Error> {
        let mut command = Command::new(program);
        command.args(["hubspot", "--port", "0", "--index-lag-ms", "0", "--contacts", &CONTACTS.to_string()]);
        let server = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let server = server.map_err(|source| Error::NotStarted { command: program.display().to_string(), source })?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut crm = Crm { server, agent, url: String::new() };
        let mut line = String::new();
        if let Some(said) = crm.server.stdout.as_mut() {
            let _ = BufReader::new(said).read_line(&mut line);
        }
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        crm.url = url.ok_or_else(|| Error::Setup(format!("the HubSpot sandbox did not start: {line}")))?.to_owned();
        Ok(crm)
    }

    /// Every contact there is.
    pub(super) fn contacts(&self) -> Result<Vec<Contact>, Error> {
        let dump = self.agent.get(self.steering("records?limit=1000")).call();
        let dump = json_of(dump, "listing the contacts")?;
        let records = dump["records"].as_array().into_iter().flatten();
        Ok(records.map(|record| contact(record.clone())).collect())
    }

    /// One contact.
    pub(super) fn contact(&self, id: u64) -> Result<Contact, Error> {
        let record = self.agent.get(self.steering(&format!("records/{id}"))).call();
        Ok(contact(json_of(record, "looking at a contact")?))
    }

    /// Changes a contact as a person would.
    pub(super) fn edit(&self, id: u64, property: &str, value: &str) -> Result<(), Error> {
        let body = json!({ "properties": { property: value } }).to_string();
        json_of(self.agent.patch(self.steering(&format!("records/{id}"))).send(body), "editing a contact").map(drop)
    }

    fn steering(&self, path: &str) -> String {
        format!("{}/_sandbox/{path}", self.url)
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn contact(mut record: Value) -> Contact {
    Contact { id: record["id"].as_u64().unwrap_or_default(), properties: record["properties"].take() }
}

type Answer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn json_of(answer: Answer, doing: &str) -> Result<Value, Error> {
    let failed = |said: String| Error::Setup(format!("{doing} in HubSpot failed: {said}"));
    let mut answer = answer.map_err(|error| failed(error.to_string()))?;
    let text = answer.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(failed(text));
    }
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}
