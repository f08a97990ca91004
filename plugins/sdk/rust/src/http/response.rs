//! Answers, and what they mean for a call.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::Body;
use crate::bindings::connector::syncline::host::http as wit;
use crate::value::Fault;

/// Characters of an unexpected body that a fault quotes.
const EXCERPT_CHARACTERS_MAX: usize = 300;

/// What to wait where an application says "too many requests" and not for how long.
const RETRY_AFTER_DEFAULT_MS: u64 = 10_000;

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    inner: wit::Response,
}

impl Response {
    /// Returns an answer as a test's host gives it.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        let body = Body::Text(body.into());
        Self { inner: wit::Response { status, url: String::new(), headers: Vec::new(), body } }
    }

    /// Adds a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the status: 200, 404.
    pub fn status(&self) -> u16 {
        self.inner.status
    }

    /// Tells whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.inner.status)
    }

    /// Returns the address that answered, after redirects.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Returns all headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.inner.headers
    }

    /// Returns the first header of that name, whatever the case of its letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.inner.headers, name)
    }

    /// Returns the body as text.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.inner.body {
            Body::Text(text) => Cow::Borrowed(text),
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }

    /// Returns the body as bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.inner.body {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// Reads the body as JSON; what does not fit is a `protocol` fault.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(self.bytes()).map_err(|error| {
            Fault::Protocol(format!("the answer of {} is not what was expected: {error}", self.inner.url))
        })
    }

    /// Returns the answer if its status is one of success, else its [`fault`](Self::fault).
    pub fn success(self) -> Result<Self, Fault> {
        if self.is_success() { Ok(self) } else { Err(self.fault()) }
    }

    /// Returns what the status means for a call that did not expect it.
    ///
    /// After a write, 500 and above leave open whether it happened; say so with an outcome, not with this.
    pub fn fault(&self) -> Fault {
        let said = self.excerpt();
        match self.inner.status {
            401 => Fault::Auth(said),
            403 => Fault::Permission(said),
            404 | 410 => Fault::NotFound(said),
            429 => Fault::wait(self.retry_after_ms().unwrap_or(RETRY_AFTER_DEFAULT_MS), said),
            503 if self.retry_after_ms().is_some() => {
                Fault::wait(self.retry_after_ms().unwrap_or(RETRY_AFTER_DEFAULT_MS), said)
            }
            408 | 425 | 500.. => Fault::Transient(said),
            _ => Fault::Protocol(said),
        }
    }

    /// Returns the header `Retry-After`, where it is a number of seconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let seconds: u64 = self.header("Retry-After")?.trim().parse().ok()?;
        Some(seconds.saturating_mul(1_000))
    }

    fn excerpt(&self) -> String {
        let text = self.text();
        let excerpt: String = text.chars().take(EXCERPT_CHARACTERS_MAX).collect();
        format!("status {} from {}: {}", self.inner.status, self.inner.url, excerpt.trim())
    }

    pub(crate) fn from_wit(inner: wit::Response) -> Self {
        Self { inner }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn into_wit(self) -> wit::Response {
        self.inner
    }
}

pub(super) fn find_header<'answer>(headers: &'answer [(String, String)], name: &str) -> Option<&'answer str> {
    headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_become_the_fault_that_the_host_can_act_on() {
        let wait = Fault::wait(2_000, "status 429 from : slow down");
        assert_eq!(Response::new(429, "slow down").with_header("retry-after", "2").fault(), wait);
        for (status, expected) in [
            (401, Fault::Auth("status 401 from : x".into())),
            (403, Fault::Permission("status 403 from : x".into())),
            (404, Fault::NotFound("status 404 from : x".into())),
            (418, Fault::Protocol("status 418 from : x".into())),
            (502, Fault::Transient("status 502 from : x".into())),
            (503, Fault::Transient("status 503 from : x".into())),
        ] {
            assert_eq!(Response::new(status, "x").success(), Err(expected));
        }
        assert!(Response::new(204, "").success().is_ok());
    }

    #[test]
    fn a_body_that_is_no_json_is_a_protocol_fault() {
        assert!(matches!(Response::new(200, "<html>").json::<serde_json::Value>(), Err(Fault::Protocol(_))));
    }
}
