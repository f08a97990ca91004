//! What a connection may reach: scheme, host and port, as agreed to at install.
//!
//! Invariant: a `*.suffix` never matches the suffix itself, an address, or a suffix of fewer than two labels.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::target::{self, Target};

/// One agreed destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `http` or `https`.
    pub scheme: String,
    /// Which hosts.
    pub host: HostPattern,
    /// Which port; always said, also when it is the scheme's own.
    pub port: u16,
}

/// The hosts of a grant, in canonical form: lower case, ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Exactly this name or address.
    Literal(String),
    /// Any name that ends in a dot and this.
    Below(String),
}

/// A grant that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not `scheme://host:port`, `host:port` or `host`.
    #[error("`{text}` is not a host: {reason}")]
    Malformed {
        /// What was written.
        text: String,
        /// Why it is none.
        reason: String,
    },
    /// A wildcard that would cover half the internet.
    #[error("`{0}` is too wide: a `*.` needs a domain of at least two labels after it")]
    TooWide(String),
}

impl Grant {
    /// The grant for exactly the origin of `url`.
    pub fn for_url(url: &Url) -> Result<Grant, GrantError> {
        if !matches!(url.scheme(), "http" | "https") {
            // Other addresses have no origin, and would be read as a host called `null`.
            let reason = format!("`{}` is neither http nor https", url.scheme());
            return Err(GrantError::Malformed { text: url.to_string(), reason });
        }
        Grant::from_str(&url.origin().ascii_serialization())
    }

    pub(crate) fn covers(&self, target: &Target) -> bool {
        let url = target.url();
        let host_fits = match (&self.host, url.host()) {
            (HostPattern::Literal(literal), Some(host)) => *literal == host.to_string(),
            (HostPattern::Below(suffix), Some(Host::Domain(name))) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (HostPattern::Below(_), Some(_)) | (_, None) => false,
        };
        self.scheme == url.scheme() && Some(self.port) == url.port_or_known_default() && host_fits
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    /// Reads `scheme://host:port`; the scheme defaults to https, the port to the scheme's.
    fn from_str(text: &str) -> Result<Grant, GrantError> {
        let malformed = |reason: String| GrantError::Malformed { text: text.to_owned(), reason };
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (wildcard, rest) = match rest.strip_prefix("*.") {
            Some(suffix) => (true, suffix),
            None => (false, rest),
        };
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', '*']) {
            return Err(malformed("expected a host, with nothing behind it but a port".to_owned()));
        }
        let target =
            target::parse_absolute(&format!("{scheme}://{rest}/")).map_err(|error| malformed(error.to_string()))?;
        let url = target.url();
        let host = url.host().ok_or_else(|| malformed("there is no host".to_owned()))?;
        let host = match (wildcard, host) {
            (false, host) => HostPattern::Literal(host.to_string()),
            (true, Host::Domain(name)) if name.contains('.') => HostPattern::Below(name.to_owned()),
            (true, _) => return Err(GrantError::TooWide(text.to_owned())),
        };
        let port = url.port_or_known_default().ok_or_else(|| malformed("there is no port".to_owned()))?;
        Ok(Grant { scheme: url.scheme().to_owned(), host, port })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            HostPattern::Literal(host) => host.clone(),
            HostPattern::Below(suffix) => format!("*.{suffix}"),
        };
        match (self.scheme.as_str(), self.port) {
            ("https", 443) | ("http", 80) => write!(formatter, "{}://{host}", self.scheme),
            (scheme, port) => write!(formatter, "{scheme}://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Grant;

    #[test]
    fn only_web_addresses_can_be_granted() {
        for text in ["file:///etc/passwd", "data:text/plain,x", "ftp://example.org/"] {
            let url = text.parse().expect(text);
            assert!(Grant::for_url(&url).is_err(), "{text}");
        }
    }

    use crate::target;

    #[test]
    fn a_grant_covers_its_hosts_and_no_other() {
        let table = [
            ("api.example.org", "https://api.example.org/x", true),
            ("api.example.org", "https://API.Example.ORG:443/x", true),
            ("api.example.org", "http://api.example.org/x", false),
            ("api.example.org", "https://api.example.org:444/x", false),
            ("api.example.org", "https://api.example.org.evil.net/", false),
            ("*.example.org", "https://a.example.org/", true),
            ("*.example.org", "https://a.b.example.org/", true),
            ("*.example.org", "https://example.org/", false),
            ("*.example.org", "https://badexample.org/", false),
            ("http://localhost:8080", "http://localhost:8080/", true),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/", true),
            ("http://[::1]:8080", "http://[::1]:8080/", true),
            ("bücher.example", "https://xn--bcher-kva.example/", true),
        ];
        for (grant, url, expected) in table {
            let grant: Grant = grant.parse().expect("a grant");
            let target = target::parse_absolute(url).expect("a url");
            assert_eq!(grant.covers(&target), expected, "{grant} {url}");
        }
    }

    #[test]
    fn a_careless_grant_is_refused() {
        for text in
            ["*", "*.com", "*.1.2.3.4", "", "https://", "ftp://x.org", "a.org/path", "u@a.org", "a.*.org", "a.org."]
        {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
    }
}
