//! The answer, bounded while it is read and without our secrets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::error::SendError;
use crate::redact::Redactor;
use crate::request::{Body, HEADER_BYTES_MAX, HEADERS_MAX};

/// Reserved at once on a server's word; more is reserved as it arrives.
const BODY_BYTES_RESERVED_MAX: u64 = 1024 * 1024;

/// A session cookie is a credential; the rest is between us and the server.
const WITHHELD_HEADERS: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "set-cookie2",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// They are asked for again as they are, so that a short password, which may be a word of them, is not taken out.
const DATA_HEADERS: [&str; 5] = ["content-location", "content-type", "etag", "link", "location"];

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status; any, also those that mean failure.
    pub status: u16,
    /// Where the answer came from, after redirects.
    pub url: String,
    /// The headers, but for cookies and those of the connection; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body: text, in which what is not UTF-8 is replaced, or bytes where these were asked for.
    pub body: Body,
}

/// The bytes that may still be read for one call of a plugin; the host holds every answer of `send_all` at once.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: AtomicU64,
    limit: u64,
}

impl Allowance {
    pub(crate) fn new(limit: u64) -> Allowance {
        Allowance { left: AtomicU64::new(limit), limit }
    }

    fn take(&self, bytes: usize) -> Result<(), SendError> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        taken.map(|_| ()).map_err(|_| SendError::TooLarge { limit: self.limit })
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The server refused the request with a challenge that can be answered now.
    pub(crate) is_challenge: bool,
}

impl Answer {
    /// Reads `response`, stopping as soon as it is larger than `limit` or than what is left of `allowance`.
    pub(crate) async fn read(
        mut response: reqwest::Response,
        limit: u64,
        allowance: &Allowance,
    ) -> Result<Answer, SendError> {
        check_headers(response.headers())?;
        let announced = response.content_length().unwrap_or(0).min(limit).min(BODY_BYTES_RESERVED_MAX);
        let mut body = Vec::with_capacity(announced as usize);
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(SendError::TooLarge { limit });
            }
            allowance.take(chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body, is_challenge: false })
    }

    /// How long the server wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if !matches!(self.status.as_u16(), 429 | 503) {
            return None;
        }
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(Duration::from_secs(seconds.into()));
        }
        let moment: SystemTime = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().into();
        Some(moment.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// What a plugin gets to see of it.
    pub(crate) fn into_response(self, url: &str, as_bytes: bool, redactor: &Redactor) -> Response {
        let shown = |name: &HeaderName| !WITHHELD_HEADERS.contains(&name.as_str());
        let headers = self.headers.iter().filter(|(name, _)| shown(name));
        let headers = headers.map(|(name, value)| {
            let text = header_text(value.as_bytes());
            let is_data = DATA_HEADERS.contains(&name.as_str());
            let text = if is_data { redactor.text(text) } else { redactor.short(text) };
            (name.as_str().to_owned(), text)
        });
        let body = match as_bytes {
            true => Body::Bytes(redactor.bytes(self.body)),
            false => Body::Text(redactor.text(body_text(self.body, &self.headers))),
        };
        Response { status: self.status.as_u16(), url: redactor.text(url.to_owned()), headers: headers.collect(), body }
    }
}

/// The text of a body: as its charset says where that is Latin-1, else UTF-8 with what is none replaced.
fn body_text(body: Vec<u8>, headers: &HeaderMap) -> String {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) if content_type.to_ascii_lowercase().contains("charset=iso-8859-1") => {
            error.as_bytes().iter().map(|&byte| char::from(byte)).collect()
        }
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Header values are UTF-8 by habit and Latin-1 by history.
fn header_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), SendError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(SendError::TooLarge { limit: HEADER_BYTES_MAX as u64 });
    }
    Ok(())
}

fn cut(error: reqwest::Error) -> SendError {
    let what = if error.is_decode() { "cut off or is not what its headers say" } else { "cut off" };
    SendError::interrupted(format!("the answer's body was {what}"))
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |status: u16, text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = Answer { status, headers, body: Vec::new(), is_challenge: false };
            answer.retry_after().map(|wait| wait.as_secs())
        };
        assert_eq!(wait(429, "17"), Some(17));
        assert_eq!(wait(503, "0"), Some(0));
        assert_eq!(wait(200, "17"), None);
        assert_eq!(wait(429, "Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert!(wait(429, "Fri, 01 Jan 2100 00:00:00 GMT").is_some_and(|seconds| seconds > 1_000_000));
        assert_eq!(wait(429, "soon"), None);
        assert_eq!(wait(429, "-3"), None);
    }
}
