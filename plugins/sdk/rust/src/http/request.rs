//! Requests, built step by step.

use serde::Serialize;

use super::{Body, HttpError, Response, encode};
use crate::bindings::connector::syncline::host::http as wit;
use crate::host;

/// A request that has not been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    inner: wit::Request,
}

impl Request {
    /// Returns a request with any method, to a path under the connection's base address or to a granted host.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            inner: wit::Request {
                method: method.into(),
                url: url.into(),
                headers: Vec::new(),
                body: None,
                bytes: false,
                timeout_ms: None,
            },
        }
    }

    /// Returns a `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Returns a `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Returns a `PUT`.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// Returns a `PATCH`.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// Returns a `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }

    /// Adds names and values to the query.
    pub fn query<Name: AsRef<str>, Text: AsRef<str>>(mut self, pairs: &[(Name, Text)]) -> Self {
        if !pairs.is_empty() {
            self.inner.url.push(if self.inner.url.contains('?') { '&' } else { '?' });
            self.inner.url.push_str(&encode::form(pairs));
        }
        self
    }

    /// Sets a JSON body, with its content type.
    ///
    /// # Panics
    ///
    /// If `body` cannot be written as JSON, which is so for maps whose keys are not texts.
    pub fn json(self, body: &impl Serialize) -> Self {
        let text = serde_json::to_string(body).expect("a request body has texts as its keys");
        self.text("application/json", text)
    }

    /// Sets a form as the body, with its content type.
    pub fn form<Name: AsRef<str>, Text: AsRef<str>>(self, pairs: &[(Name, Text)]) -> Self {
        self.text("application/x-www-form-urlencoded", encode::form(pairs))
    }

    /// Sets a text as the body, with its content type.
    pub fn text(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.inner.body = Some(Body::Text(body.into()));
        self.header("Content-Type", content_type)
    }

    /// Sets bytes as the body, with their content type.
    pub fn bytes(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.inner.body = Some(Body::Bytes(body));
        self.header("Content-Type", content_type)
    }

    /// Asks for the answer's body as bytes.
    pub fn answer_as_bytes(mut self) -> Self {
        self.inner.bytes = true;
        self
    }

    /// Limits how long the whole exchange may take.
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.inner.timeout_ms = Some(timeout_ms);
        self
    }

    /// Sends it and waits for the answer, whatever its status.
    pub fn send(self) -> Result<Response, HttpError> {
        host::send(&self.inner).map(Response::from_wit)
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        &self.inner.method
    }

    /// Returns the path or address, with the query.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Returns all headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.inner.headers
    }

    /// Returns the first header of that name, whatever the case of its letters.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        super::response::find_header(&self.inner.headers, name)
    }

    /// Returns the body.
    pub fn body(&self) -> Option<&Body> {
        self.inner.body.as_ref()
    }

    pub(crate) fn into_wit(self) -> wit::Request {
        self.inner
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn from_wit(inner: wit::Request) -> Self {
        Self { inner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_appended_to_what_is_there() {
        let request = Request::get("/a?x=1").query(&[("after", "z z")]).query::<&str, &str>(&[]);
        assert_eq!(request.url(), "/a?x=1&after=z%20z");
        assert_eq!(Request::get("/a").query(&[("x", 1.to_string())]).url(), "/a?x=1");
    }
}
