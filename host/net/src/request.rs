//! What a plugin may ask for, and the headers it may set.
//!
//! Invariant: nothing a plugin writes reaches the client before it was parsed by the types of the HTTP library.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::credential::Credential;
use crate::error::SendError;
use crate::redact::is_marked;

/// More or larger headers than these are refused, in both directions.
pub(crate) const HEADERS_MAX: usize = 100;
pub(crate) const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A larger body belongs into several requests.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Set by the host or by the connection itself, never by a plugin; or they change how an answer is written, in which secrets
/// could then not be found: a part of it, or another charset.
const REFUSED_HEADERS: [&str; 21] = [
    "accept-charset",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "if-range",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
];

/// A request as a plugin writes it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Any method but CONNECT and TRACE; `PROPFIND` and `REPORT` too.
    pub method: String,
    /// A path, resolved against the connection's base, or an absolute URL of a granted host.
    pub url: String,
    /// The plugin's own headers.
    pub headers: Vec<(String, String)>,
    /// What to send.
    pub body: Option<Body>,
    /// Give the answer's body as bytes even if it is text.
    pub answer_as_bytes: bool,
    /// Shorter than the connection's limit, when said.
    pub timeout_ms: Option<u32>,
}

/// A body, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Unicode text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Body {
    /// The bytes of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Body::Text(text) => text.as_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }

    /// Unwraps either kind into bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Body::Text(text) => text.into_bytes(),
            Body::Bytes(bytes) => bytes,
        }
    }
}

/// What the client is given, but for the URL and the credential.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Message {
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }

    /// Asking twice is the same as asking once, by the method's definition (RFC 9110, 4918, 3253).
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT")
    }
}

/// Reads a plugin's request; of the URL no more is looked at here than whether it carries the mark.
pub(crate) fn message(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<Body>,
    credential: &Credential,
) -> Result<Message, SendError> {
    let invalid = |reason: String| Err(SendError::Invalid(reason));
    // Servers may read `post` as POST, and then rate limits must, too.
    let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else {
        return invalid(format!("`{}` is not a method", method.escape_debug()));
    };
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.as_str() == *refused) {
        return invalid(format!("the method {method} is not allowed"));
    }
    let body = body.map(|body| match body {
        Body::Text(text) => (Bytes::from(text), Some(HeaderValue::from_static("text/plain; charset=utf-8"))),
        Body::Bytes(bytes) => (Bytes::from(bytes), None),
    });
    if body.as_ref().is_some_and(|(bytes, _)| bytes.len() > BODY_BYTES_MAX) {
        return invalid(format!("the body is larger than {BODY_BYTES_MAX} bytes"));
    }
    if body.as_ref().is_some_and(|(bytes, _)| is_marked(bytes)) {
        return Err(marked("the body"));
    }
    if is_marked(url.as_bytes()) {
        return Err(marked("the url"));
    }
    let mut headers = header_map(headers, credential)?;
    if let Some((_, Some(text))) = &body
        && !headers.contains_key(CONTENT_TYPE)
    {
        headers.insert(CONTENT_TYPE, text.clone());
    }
    Ok(Message { method, headers, body: body.map(|(bytes, _)| bytes) })
}

fn marked(place: &str) -> SendError {
    SendError::Invalid(format!(
        "{place} contains `[secret]`, which stands where this connection's password or token was taken out of an answer; it \
         is not written over what was there"
    ))
}

fn header_map(headers: &[(String, String)], credential: &Credential) -> Result<HeaderMap, SendError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        let reason = format!("there are more than {HEADERS_MAX} headers or {HEADER_BYTES_MAX} bytes of them");
        return Err(SendError::Invalid(reason));
    }
    let mut map = HeaderMap::with_capacity(headers.len() + 4);
    for (written, value) in headers {
        let invalid = |reason: &str| SendError::Invalid(format!("header `{}`: {reason}", written.escape_debug()));
        let name = HeaderName::from_bytes(written.as_bytes()).map_err(|_| invalid("not a header name"))?;
        if is_refused(name.as_str(), credential) {
            return Err(SendError::Denied(format!("header `{name}` is set by the host and not by a plugin")));
        }
        if is_marked(value.as_bytes()) {
            return Err(marked(&format!("header `{name}`")));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid("the value contains a line break or another control character"))?;
        map.append(name, value);
    }
    Ok(map)
}

fn is_refused(name: &str, credential: &Credential) -> bool {
    REFUSED_HEADERS.contains(&name)
        || name.starts_with("proxy-")
        || credential.header_name().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::{Body, message};
    use crate::credential::Credential;
    use crate::error::SendError;
    use crate::secret::Secret;

    fn refusal(method: &str, name: &str, value: &str) -> Option<SendError> {
        let key = Credential::Header { name: "X-Api-Key".to_owned(), value: Secret::new("k") };
        message(method, "/", &[(name.to_owned(), value.to_owned())], None, &key).err()
    }

    #[test]
    fn the_hosts_own_headers_are_denied() {
        for name in [
            "Authorization",
            "cookie",
            "HOST",
            "Proxy-Authorization",
            "proxy-connection",
            "Connection",
            "Keep-Alive",
            "TE",
            "Trailer",
            "Upgrade",
            "Content-Length",
            "Transfer-Encoding",
            "x-api-key",
            "Accept-Charset",
            "Accept-Encoding",
            "If-Range",
            "Range",
            "User-Agent",
        ] {
            assert!(matches!(refusal("GET", name, "x"), Some(SendError::Denied(_))), "{name}");
        }
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        for (method, name, value) in [
            ("GET", "x", "a\r\nb: c"),
            ("GET", "x", "a\nb"),
            ("GET", "x", "a\0b"),
            ("GET", "x y", "a"),
            ("GET", "x\r\ny", "a"),
            ("GET", "", "a"),
            ("", "x", "a"),
            ("GE T", "x", "a"),
            ("GET\r\n", "x", "a"),
            ("CONNECT", "x", "a"),
            ("Trace", "x", "a"),
        ] {
            let refused = refusal(method, name, value);
            assert!(matches!(refused, Some(SendError::Invalid(_))), "{method:?} {name:?} {value:?}: {refused:?}");
        }
        let many: Vec<_> = (0..40_000).map(|number| (format!("x-{number}"), String::new())).collect();
        assert!(matches!(message("GET", "/", &many, None, &Credential::None), Err(SendError::Invalid(_))));
    }

    #[test]
    fn any_other_method_header_and_body_passes() {
        for method in ["GET", "PROPFIND", "REPORT", "MKCOL", "PATCH"] {
            assert_eq!(refusal(method, "X-Own", "grün"), None);
        }
        let text = message("POST", "/", &[], Some(Body::Text("a".to_owned())), &Credential::None).expect("a request");
        assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
        let small = message("post", "/", &[], None, &Credential::None).expect("a request");
        assert_eq!(small.method, reqwest::Method::POST);
    }
}
