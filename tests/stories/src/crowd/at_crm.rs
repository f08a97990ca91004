//! The people of the CRM, who edit through its API.

use serde_json::{Value, json};
use syncline_sandbox::{API_VERSION, DEFAULT_TOKEN, State};
use ureq::Agent;
use ureq::http::Request;

use super::{Contested, Hands, Ledger, NEWCOMERS_MAX, email};
use crate::Chance;

/// The property that both sides edit.
const CONTESTED: &str = "salutation";

/// The people of the CRM.
#[derive(Clone, Debug)]
pub(super) struct AtCrm {
    agent: Agent,
    url: String,
    state: State,
    newcomers: u64,
    pub(super) ledger: Ledger,
}

/// One value of a property's past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) value: String,
    pub(super) at_ms: i64,
}

impl AtCrm {
    pub(super) fn new(url: String, state: State) -> AtCrm {
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        AtCrm { agent, url, state, newcomers: 0, ledger: Ledger::default() }
    }

    pub(super) fn arrive(&mut self, number: u64) {
        let (email, family) = (email(number), number.to_string());
        let properties = json!({ "properties": { "firstname": "Person", "lastname": family, "email": email } });
        let (status, answer) = self.ask("POST", "", Some(&properties));
        assert_eq!(status, 201, "{answer}");
        self.ledger.edited(&email, "family", &family);
    }

    /// The values that the contested property had, the oldest first.
    pub(super) fn past(&self, email: &str) -> Vec<Past> {
        let place = format!("/{email}?idProperty=email&propertiesWithHistory={CONTESTED}");
        let (status, answer) = self.ask("GET", &place, None);
        assert_eq!(status, 200, "{answer}");
        let past = answer["propertiesWithHistory"][CONTESTED].as_array().cloned().unwrap_or_default();
        let mut past: Vec<Past> = past.iter().map(read_past).collect();
        past.reverse();
        past
    }

    /// Edits a person; somebody may have put them away.
    fn edit(&mut self, email: &str, property: &str, value: &str) -> bool {
        let properties = json!({ "properties": { property: value } });
        let (status, answer) = self.ask("PATCH", &format!("/{email}?idProperty=email"), Some(&properties));
        assert!(matches!(status, 200 | 404), "{status} {answer}");
        status == 200
    }

    fn ask(&self, method: &str, place: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}/crm/objects/{API_VERSION}/contacts{place}", self.url);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("Authorization", format!("Bearer {DEFAULT_TOKEN}"))
            .header("Content-Type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.agent.run(request.body(body).expect("a request"));
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        let text = answer.body_mut().read_to_string().expect("an answer is text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

impl Hands for AtCrm {
    fn act(&mut self, chance: &mut Chance) {
        let what = chance.below(60);
        if what == 0 && self.newcomers < NEWCOMERS_MAX {
            self.newcomers += 1;
            self.arrive(1_000 + self.newcomers);
            self.ledger.edits += 1;
            return;
        }
        let emails: Vec<String> =
            self.state.records().iter().filter_map(|one| one.get("email").map(str::to_owned)).collect();
        let editable: Vec<&String> = emails.iter().filter(|email| email.starts_with("person")).collect();
        let email = (*chance.of(&editable)).clone();
        let number = self.ledger.edits + 1;
        let (field, property, value) = match what % 5 {
            0 | 1 => ("title", "jobtitle", format!("title {number}")),
            2 | 3 => ("mobile", "mobilephone", format!("+1 555 {number}")),
            _ => ("", CONTESTED, format!("Left {number}")),
        };
        if !self.edit(&email, property, &value) {
            return;
        }
        self.ledger.edits += 1;
        match field {
            "" => self.ledger.contested.push(Contested { email, value, over: None }),
            field => self.ledger.edited(&email, field, &value),
        }
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

fn read_past(version: &Value) -> Past {
    let text = |name: &str| version[name].as_str().unwrap_or_else(|| panic!("no {name} in {version}"));
    let at: jiff::Timestamp = text("timestamp").parse().expect("a time");
    Past { value: text("value").to_owned(), at_ms: at.as_millisecond() }
}
