//! A host that really sends.

use std::cell::Cell;

use syncline_sdk::http::{Body, HttpError, Request, Response};
use syncline_sdk::testing::Host;
use syncline_test_servers::{PASSWORD, USER};
use ureq::Agent;
use ureq::http::header::AUTHORIZATION;

/// Whether the server is let show that it can `sync-collection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As it does.
    AsTheServerDoes,
    /// As if it had never heard of it.
    Never,
}

/// Sends to one server, with the credential that a host adds.
pub(crate) struct RealHost {
    agent: Agent,
    url: String,
    sync: Sync,
    ignores_conditions: Cell<bool>,
    requests: Cell<usize>,
}

impl RealHost {
    pub(crate) fn new(url: &str, sync: Sync) -> RealHost {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .build();
        RealHost {
            agent: config.into(),
            url: url.to_owned(),
            sync,
            ignores_conditions: Cell::new(false),
            requests: Cell::new(0),
        }
    }

    /// Lets the server not see that a card is to be made only where there is none, as if it did not know of that.
    pub(crate) fn ignore_conditions(&self, ignores: bool) {
        self.ignores_conditions.set(ignores);
    }

    /// How many requests were sent since this was asked last.
    pub(crate) fn take_requests(&self) -> usize {
        self.requests.replace(0)
    }

    /// Sends as another client of the same user does.
    pub(crate) fn other_client(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = Request::new(method, path).text("text/vcard; charset=utf-8", body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.exchange(&request).expect("the server is there")
    }

    fn exchange(&self, request: &Request) -> Result<Response, HttpError> {
        let origin = self.url.match_indices('/').nth(2).map_or(self.url.as_str(), |(slash, _)| &self.url[..slash]);
        let target = if request.url().starts_with('/') {
            format!("{origin}{}", request.url())
        } else {
            request.url().to_owned()
        };
        let mut sent = ureq::http::Request::builder().method(request.method()).uri(target);
        let is_hidden = |name: &str| self.ignores_conditions.get() && name.eq_ignore_ascii_case("If-None-Match");
        for (name, value) in request.headers().iter().filter(|(name, _)| !is_hidden(name)) {
            sent = sent.header(name, value);
        }
        let sent = sent.header(AUTHORIZATION, format!("Basic {}", credential()));
        let body = match request.body() {
            Some(Body::Text(text)) => text.clone().into_bytes(),
            Some(Body::Bytes(bytes)) => bytes.clone(),
            None => Vec::new(),
        };
        let sent = sent.body(body).map_err(|error| HttpError::Invalid(error.to_string()))?;
        let mut answer = self.agent.run(sent).map_err(|error| HttpError::NotSent(error.to_string()))?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let mut response =
            Response::new(answer.status().as_u16(), text.map_err(|error| HttpError::Interrupted(error.to_string()))?);
        for (name, value) in answer.headers() {
            response = response.with_header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        Ok(response)
    }
}

impl Host for RealHost {
    fn send(&self, request: &Request) -> Result<Response, HttpError> {
        self.requests.set(self.requests.get() + 1);
        if self.sync == Sync::AsTheServerDoes {
            return self.exchange(request);
        }
        if matches!(request.body(), Some(Body::Text(body)) if body.contains("sync-collection")) {
            return Ok(Response::new(501, "not implemented"));
        }
        let response = self.exchange(request)?;
        let text = response.text().replace("sync-collection", "x").replace("sync-token", "x");
        Ok(Response::new(response.status(), text))
    }

    fn settings(&self) -> String {
        serde_json::json!({ "url": self.url }).to_string()
    }
}

fn credential() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{USER}:{PASSWORD}");
    let chunks = text.as_bytes().chunks(3).map(|chunk| {
        let group =
            chunk.iter().fold(0_usize, |group, &byte| group << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        let digit = |at: usize| if at <= chunk.len() { char::from(DIGITS[group >> (18 - 6 * at) & 63]) } else { '=' };
        (0..4).map(digit).collect::<String>()
    });
    chunks.collect()
}
