//! Where a redirect leads, and what may go along.
//!
//! Invariant: on a change of origin neither the credential nor a header of the plugin goes along, but for a safe few;
//! a body never leaves its origin.

use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, LOCATION};

use crate::error::SendError;
use crate::request::Message;
use crate::target::{self, Target};

/// A longer chain is a loop.
pub(crate) const REDIRECTS_MAX: u32 = 5;

/// They say what the plugin understands, and nothing about the user.
const SAFE_HEADERS: [HeaderName; 2] = [ACCEPT, ACCEPT_LANGUAGE];

/// The next request of a chain.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) target: Target,
    pub(crate) message: Message,
    /// The origin is another one than the plugin's request went to.
    pub(crate) foreign: bool,
}

/// Returns the next request when `status` and `headers` are a redirect, or why it is not followed.
pub(crate) fn follow(
    from: &Target,
    message: &Message,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Result<Hop, SendError>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?;
    let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
        return Some(Err(SendError::Denied("the server redirected to something that is no url".to_owned())));
    };
    Some(hop(from, message, status, location))
}

fn hop(from: &Target, message: &Message, status: StatusCode, location: &str) -> Result<Hop, SendError> {
    let target = target::parse(from.url(), location)
        .map_err(|error| SendError::Denied(format!("the server redirected to a url that is refused: {error}")))?;
    let foreign = !from.same_origin(&target);
    let becomes_get = match status.as_u16() {
        303 => message.method != Method::HEAD,
        301 | 302 => message.method == Method::POST,
        _ => false,
    };
    let mut next = message.clone();
    if becomes_get {
        next.method = Method::GET;
        next.body = None;
        drop_body_headers(&mut next.headers);
    }
    if foreign && !matches!(next.method, Method::GET | Method::HEAD) {
        let (method, host) = (&message.method, target.host());
        return Err(SendError::Denied(format!(
            "the server redirected a {method} to another origin, `{host}`, where only GET and HEAD may follow; \
             if that is the right server, name it in the connection's url"
        )));
    }
    if foreign {
        next.body = None;
        next.headers =
            SAFE_HEADERS.iter().filter_map(|name| Some((name.clone(), next.headers.get(name)?.clone()))).collect();
    }
    Ok(Hop { target, message: next, foreign })
}

fn drop_body_headers(headers: &mut HeaderMap) {
    let about_body = |name: &HeaderName| name.as_str().starts_with("content-");
    let names: Vec<HeaderName> = headers.keys().filter(|name| about_body(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::follow;
    use crate::credential::Credential;
    use crate::request::{Body, message};
    use crate::target;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue, LOCATION};

    /// method, status, where to, then what follows: method, whether the body and `x-own` go along.
    const TABLE: [(&str, u16, &str, &str); 18] = [
        ("GET", 301, "/b", "GET body own"),
        ("GET", 303, "/b", "GET own"),
        ("HEAD", 303, "/b", "HEAD body own"),
        ("POST", 301, "/b", "GET own"),
        ("POST", 302, "/b", "GET own"),
        ("POST", 303, "/b", "GET own"),
        ("POST", 307, "/b", "POST body own"),
        ("POST", 308, "/b", "POST body own"),
        ("PROPFIND", 301, "/b", "PROPFIND body own"),
        ("PUT", 302, "/b", "PUT body own"),
        ("GET", 302, "https://b.example.org/b", "GET foreign"),
        ("POST", 303, "https://b.example.org/b", "GET foreign"),
        ("POST", 307, "https://b.example.org/b", "refused"),
        ("PROPFIND", 301, "https://b.example.org/b", "refused"),
        ("DELETE", 301, "https://b.example.org/b", "refused"),
        ("GET", 302, "http://a.example.org/b", "GET foreign"),
        ("GET", 302, "https://user:pw@a.example.org/b", "refused"),
        ("GET", 304, "/b", "no redirect"),
    ];

    #[test]
    fn what_goes_along_with_a_redirect() {
        let from = target::parse_absolute("https://a.example.org/a").expect("a url");
        for (method, status, location, expected) in TABLE {
            let headers = [("x-own".to_owned(), "1".to_owned()), ("accept".to_owned(), "*/*".to_owned())];
            let first = message(method, "/a", &headers, Some(Body::Text("x".to_owned())), &Credential::None)
                .expect("a request");
            let answer = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            let seen = match follow(&from, &first, StatusCode::from_u16(status).expect("a status"), &answer) {
                None => "no redirect".to_owned(),
                Some(Err(_)) => "refused".to_owned(),
                Some(Ok(hop)) => {
                    assert_eq!(hop.message.headers["accept"], "*/*");
                    assert_eq!(hop.message.headers.contains_key("content-type"), hop.message.body.is_some());
                    let marks = [
                        (hop.message.body.is_some(), " body"),
                        (hop.message.headers.contains_key("x-own"), " own"),
                        (hop.foreign, " foreign"),
                    ];
                    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
                    format!("{}{marks}", hop.message.method)
                }
            };
            assert_eq!(seen, expected, "{method} {status} {location}");
        }
    }
}
