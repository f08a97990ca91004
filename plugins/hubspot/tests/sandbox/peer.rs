//! A sandbox account with the connector in front of it.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use syncline_plugin_hubspot::HubSpot;
use syncline_sandbox::{Clock, DEFAULT_TOKEN, Limits, RecordId, Running, Seed, State};
use syncline_sdk::Connector;
use syncline_sdk::connector::prelude::*;
use syncline_sdk::http::{Body, HttpError, Request, Response};
use syncline_sdk::testing::{Host, with_host};

/// 2026-11-22T18:00:00Z.
pub(crate) const START_MS: i64 = 1_795_370_400_000;

/// Fields that most tests read.
pub(crate) const FIELDS: &[&str] = &["email", "firstname", "lastname", "phone"];

/// A server, its account, and a host that leads the connector to it.
pub(crate) struct Peer {
    runtime: tokio::runtime::Runtime,
    server: Running,
    settings: Json,
    token: String,
}

impl Peer {
    /// An account with so many contacts, of which every one has the stamp of one bulk edit.
    pub(crate) fn with(contacts: u64) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let builder = syncline_sandbox::HubSpot::builder()
            .clock(Clock::manual(START_MS))
            .limits(Limits::off())
            .seed(Seed { contacts, bulk_percent: 100, ..Seed::default() });
        let server = runtime.block_on(builder.start()).expect("the server starts");
        Self { runtime, server, settings: json!({"overlap_s": 0}), token: DEFAULT_TOKEN.to_owned() }
    }

    /// The connection's settings.
    pub(crate) fn settings(mut self, settings: Json) -> Self {
        self.settings = settings;
        self
    }

    /// The connection's credential.
    pub(crate) fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    pub(crate) fn state(&self) -> &State {
        self.server.state()
    }

    pub(crate) fn advance_s(&self, seconds: u64) {
        self.state().clock().advance(Duration::from_secs(seconds));
    }

    /// Stops the server, so that nothing can be reached any more.
    pub(crate) fn stop(self) -> Dead {
        let address = self.server.base_url();
        self.runtime.block_on(self.server.stop());
        Dead(address)
    }

    /// Runs `work` with this account as the host's.
    pub(crate) fn run<Answer>(&self, work: impl FnOnce() -> Answer) -> Answer {
        with_host(Rc::new(self.wire()), work)
    }

    /// Runs `work` with this account as the host's, and every answer passed through `change` on its way.
    pub(crate) fn run_changed<Answer>(
        &self,
        change: impl Fn(&Request, Response) -> Response + 'static,
        work: impl FnOnce() -> Answer,
    ) -> Answer {
        with_host(Rc::new(Changed { wire: self.wire(), change: Box::new(change) }), work)
    }

    fn wire(&self) -> Wire {
        Wire {
            agent: agent(),
            base_url: self.server.base_url(),
            clock: Some(self.state().clock()),
            settings: self.settings.to_string(),
            token: self.token.clone(),
        }
    }

    /// How many requests `work` makes.
    pub(crate) fn requests(&self, work: impl FnOnce()) -> u64 {
        let before = self.state().stats().requests;
        work();
        self.state().stats().requests - before
    }

    /// Reads one page.
    pub(crate) fn page(&self, mode: ReadMode, fields: &[&str], cursor: Option<String>) -> Result<Page, Fault> {
        let fields = names(fields);
        self.run(|| HubSpot::read(ReadRequest { endpoint: contacts(), fields, mode, cursor, limit: 200 }))
    }

    /// Reads page after page until the end.
    pub(crate) fn read(&self, mode: ReadMode, fields: &[&str], from: Option<String>) -> Read {
        let mut read = Read::default();
        let mut cursor = from;
        loop {
            let page = self.page(mode, fields, cursor).expect("the page can be read");
            read.pages += 1;
            read.rows.extend(page.records.rows);
            read.tombstones.extend(page.tombstones);
            read.complete = page.complete;
            match page.next {
                Progress::More(next) => cursor = Some(next),
                Progress::Done(end) => {
                    read.end = end;
                    return read;
                }
            }
        }
    }

    /// Writes operations that set `columns`.
    pub(crate) fn write(&self, columns: &[&str], operations: Vec<Operation>) -> Result<WriteAnswer, Fault> {
        self.run(|| HubSpot::write(batch(columns, operations)))
    }
}

/// A request to write operations that set `columns`.
pub(crate) fn batch(columns: &[&str], operations: Vec<Operation>) -> WriteRequest {
    WriteRequest { endpoint: contacts(), columns: names(columns), operations, returning: names(FIELDS) }
}

/// A read from its first page to its last.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) rows: Vec<Row>,
    pub(crate) tombstones: Vec<Tombstone>,
    pub(crate) complete: bool,
    pub(crate) pages: usize,
    /// The cursor at the end.
    pub(crate) end: String,
}

impl Read {
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.id.as_str()).collect()
    }
}

/// Where a server was.
pub(crate) struct Dead(String);

impl Dead {
    pub(crate) fn run<Answer>(&self, work: impl FnOnce() -> Answer) -> Answer {
        let host = Wire {
            agent: agent(),
            base_url: self.0.clone(),
            clock: None,
            settings: "{}".to_owned(),
            token: DEFAULT_TOKEN.to_owned(),
        };
        with_host(Rc::new(host), work)
    }
}

pub(crate) fn contacts() -> Endpoint {
    Endpoint::new("contacts")
}

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(crate) fn id(id: RecordId) -> String {
    id.to_string()
}

pub(crate) fn operation(action: Action, cells: Vec<Value>) -> Operation {
    Operation { action, expected_version: None, cells, raw: None }
}

/// The host of a test: it adds the credential and sends.
struct Wire {
    agent: ureq::Agent,
    base_url: String,
    clock: Option<Clock>,
    settings: String,
    token: String,
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

impl Host for Wire {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let mut built = ureq::http::Request::builder()
            .method(request.method())
            .uri(format!("{}{}", self.base_url, request.url()))
            .header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in request.headers() {
            built = built.header(name, value);
        }
        let answer = match request.body() {
            None => self.agent.run(built.body(()).map_err(|error| HttpError::Invalid(error.to_string()))?),
            Some(Body::Text(text)) => {
                self.agent.run(built.body(text.as_str()).map_err(|error| HttpError::Invalid(error.to_string()))?)
            }
            Some(Body::Bytes(_)) => return Err(HttpError::Invalid("the connector sends texts".to_owned())),
        };
        let mut answer = answer.map_err(|error| match error {
            ureq::Error::Io(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
                HttpError::NotSent(cause.to_string())
            }
            ureq::Error::ConnectionFailed => HttpError::NotSent("no connection".to_owned()),
            other => HttpError::Interrupted(other.to_string()),
        })?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("Retry-After").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = answer.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string();
        let mut response = Response::new(status, body.map_err(|error| HttpError::Interrupted(error.to_string()))?);
        if let Some(seconds) = retry_after {
            response = response.with_header("Retry-After", seconds);
        }
        // The account's clock stands still, and the vendor's `Date` is its clock.
        Ok(match &self.clock {
            Some(clock) => response.with_header("Date", http_date(clock.now_ms())),
            None => response,
        })
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }

    fn now(&self) -> Instant {
        self.clock.as_ref().map_or(0, Clock::now_ms)
    }
}

type Change = dyn Fn(&Request, Response) -> Response;

/// A host on the way of whose answers something happens.
struct Changed {
    wire: Wire,
    change: Box<Change>,
}

impl Host for Changed {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        Ok((self.change)(request, self.wire.send(request)?))
    }

    fn settings(&self) -> String {
        self.wire.settings()
    }

    fn now(&self) -> Instant {
        self.wire.now()
    }
}

fn http_date(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).expect("the test's time is in range");
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
