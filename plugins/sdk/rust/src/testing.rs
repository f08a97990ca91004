//! A host for native tests: what the plugin sends, asks and logs goes to the test instead.
//!
//! ```
//! use syncline_sdk::http::{Request, Response};
//! use syncline_sdk::testing::TestHost;
//!
//! let host = TestHost::new(|request| {
//!     assert_eq!(request.url(), "/me");
//!     Ok(Response::new(200, r#"{"id":"7"}"#))
//! });
//! let answer: serde_json::Value = host.run(|| Request::get("/me").send().unwrap().json().unwrap());
//! assert_eq!(answer["id"], "7");
//! ```

use std::cell::RefCell;
use std::rc::Rc;

use crate::bindings::connector::syncline::host::http as wit;
use crate::http::{HttpError, Request, Response};
use crate::log::Level;
use crate::value::Instant;

/// What a test's host must do.
pub trait Host {
    /// Answers one request.
    fn send(&self, request: &Request) -> Result<Response, HttpError>;

    /// Returns the settings, as JSON.
    fn settings(&self) -> String {
        "{}".to_owned()
    }

    /// Returns the time.
    fn now(&self) -> Instant {
        0
    }

    /// Takes a line of the log.
    fn log(&self, level: Level, message: &str) {
        eprintln!("{level:?}: {message}");
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
}

/// Runs `work` with `host` as the host of this thread, and puts back what was there before.
pub fn with_host<Answer>(host: Rc<dyn Host>, work: impl FnOnce() -> Answer) -> Answer {
    let _restore = Restore(CURRENT.replace(Some(host)));
    work()
}

/// Puts the earlier host back, also when a test panics.
struct Restore(Option<Rc<dyn Host>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

type Answers = dyn Fn(&Request) -> Result<Response, HttpError>;

/// A host whose answers come from a closure.
pub struct TestHost {
    answers: Box<Answers>,
    settings: String,
    now: Instant,
}

impl TestHost {
    /// Returns a host that answers requests with `answers`, has no settings, and stands at the year 1970.
    pub fn new(answers: impl Fn(&Request) -> Result<Response, HttpError> + 'static) -> Self {
        Self { answers: Box::new(answers), settings: "{}".to_owned(), now: 0 }
    }

    /// Returns a host that refuses every request, for plugins that are not to send any.
    pub fn offline() -> Self {
        Self::new(|request| Err(HttpError::Denied(format!("{} is out of reach of this test", request.url()))))
    }

    /// Sets the settings.
    pub fn settings(mut self, settings: &serde_json::Value) -> Self {
        self.settings = settings.to_string();
        self
    }

    /// Sets the time.
    pub fn now(mut self, now_ms: Instant) -> Self {
        self.now = now_ms;
        self
    }

    /// Runs `work` with this host.
    pub fn run<Answer>(self, work: impl FnOnce() -> Answer) -> Answer {
        with_host(Rc::new(self), work)
    }
}

impl Host for TestHost {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        (self.answers)(request)
    }

    fn settings(&self) -> String {
        self.settings.clone()
    }

    fn now(&self) -> Instant {
        self.now
    }
}

fn current() -> Rc<dyn Host> {
    let host = CURRENT.with_borrow(Clone::clone);
    host.expect("outside wasm a plugin runs inside `testing::with_host`")
}

pub(crate) fn send(request: &wit::Request) -> Result<wit::Response, HttpError> {
    current().send(&Request::from_wit(request.clone())).map(Response::into_wit)
}

pub(crate) fn send_all(requests: &[wit::Request]) -> Vec<Result<wit::Response, HttpError>> {
    requests.iter().map(send).collect()
}

pub(crate) fn settings() -> String {
    current().settings()
}

pub(crate) fn now() -> Instant {
    current().now()
}

// Plain functions that log are tested without a host, too.
pub(crate) fn emit(level: Level, message: &str) {
    if let Some(host) = CURRENT.with_borrow(Clone::clone) {
        host.log(level, message);
    }
}
