//! How a request is signed: added here, after every check, and never seen by a plugin.
//!
//! Invariant: a credential goes only to the hosts it is bound to, and in clear text only inside the private network.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use crate::digest::Login;
use crate::secret::Secret;

/// What the host adds to a request so that the server knows the user.
#[derive(Debug, Clone, Default)]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name; not a secret.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization: Basic …`, or `Digest` where the server asks for that instead.
    BasicOrDigest {
        /// The user's name; not a secret.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A header of the vendor's own.
    Header {
        /// The header's name.
        name: String,
        /// The key.
        value: Secret,
    },
    /// A query parameter of the vendor's own.
    Query {
        /// The parameter's name.
        name: String,
        /// The key.
        value: Secret,
    },
}

impl Credential {
    /// The header that this credential sets and a plugin must not.
    pub(crate) fn header_name(&self) -> Option<&str> {
        match self {
            Credential::None | Credential::Query { .. } => None,
            Credential::Bearer(_) | Credential::Basic { .. } | Credential::BasicOrDigest { .. } => {
                Some("authorization")
            }
            Credential::Header { name, .. } => Some(name),
        }
    }

    /// Says what makes this credential unusable, if anything does.
    pub(crate) fn fault(&self) -> Option<String> {
        let (value, name) = match self {
            Credential::None => return None,
            Credential::Bearer(token) => (token, "authorization"),
            Credential::Basic { user, .. } | Credential::BasicOrDigest { user, .. } => {
                let unusable = user.contains(':').then_some("must not contain a colon");
                let unusable = unusable.or(user.contains(char::is_control).then_some("contains a control character"));
                return unusable.map(|why| format!("the user name {why}"));
            }
            Credential::Header { name, value } => (value, name.as_str()),
            Credential::Query { name, value } => {
                return (name.is_empty() || value.is_empty())
                    .then(|| "the key or its parameter's name is empty".to_owned());
            }
        };
        if value.is_empty() {
            return Some("the token or key is empty".to_owned());
        }
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Some(format!("`{name}` is not a header name"));
        }
        let sendable = HeaderValue::from_bytes(value.expose().as_bytes()).is_ok();
        (!sendable).then(|| {
            "the token or key contains a line break or another control character; was it copied whole?".to_owned()
        })
    }

    /// Puts the credential on a request that is about to leave.
    pub(crate) fn apply(&self, url: &mut Url, headers: &mut HeaderMap) -> Result<(), String> {
        let (name, text) = match self {
            Credential::None => return Ok(()),
            Credential::Query { name, value } => {
                set_parameter(url, name, value);
                return Ok(());
            }
            Credential::Bearer(token) => (AUTHORIZATION, Zeroizing::new(format!("Bearer {}", token.expose()))),
            Credential::Basic { user, password } | Credential::BasicOrDigest { user, password } => {
                (AUTHORIZATION, Zeroizing::new(format!("Basic {}", basic(user, password).as_str())))
            }
            Credential::Header { name, value } => {
                let name =
                    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header name"))?;
                (name, Zeroizing::new(value.expose().to_owned()))
            }
        };
        let mut value =
            HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "it contains a control character".to_owned())?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }

    /// The token or key, which is all of the credential.
    pub(crate) fn token(&self) -> Option<&Secret> {
        match self {
            Credential::None | Credential::Basic { .. } | Credential::BasicOrDigest { .. } => None,
            Credential::Bearer(value) | Credential::Header { value, .. } | Credential::Query { value, .. } => {
                Some(value)
            }
        }
    }

    /// User and password, where they may answer a digest challenge.
    pub(crate) fn digest_login(&self) -> Option<Login<'_>> {
        match self {
            Credential::BasicOrDigest { user, password } => Some(Login { user, password }),
            _ => None,
        }
    }

    /// User and password as they are sent, and the password by itself.
    pub(crate) fn login(&self) -> Option<(Secret, Secret)> {
        match self {
            Credential::Basic { user, password } | Credential::BasicOrDigest { user, password } => {
                Some((Secret::new(format!("{user}:{}", password.expose())), password.clone()))
            }
            _ => None,
        }
    }
}

fn basic(user: &str, password: &Secret) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    Zeroizing::new(STANDARD.encode(pair.as_bytes()))
}

/// Sets the parameter once, also when a redirect of the server brought it back.
fn set_parameter(url: &mut Url, name: &str, value: &Secret) {
    if url.query_pairs().any(|(found, _)| found == name) {
        let others = url.query_pairs().filter(|(found, _)| found != name);
        let others: Vec<(String, String)> =
            others.map(|(found, value)| (found.into_owned(), value.into_owned())).collect();
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    url.query_pairs_mut().append_pair(name, value.expose());
}

#[cfg(test)]
mod tests {
    use super::Credential;
    use crate::secret::Secret;
    use reqwest::header::HeaderMap;
    use url::Url;

    #[test]
    fn a_key_stands_in_a_url_once() {
        let key = Credential::Query { name: "key".to_owned(), value: Secret::new("a&b") };
        for (before, after) in [
            ("https://a.org/x", "https://a.org/x?key=a%26b"),
            ("https://a.org/x?q=%20+*", "https://a.org/x?q=%20+*&key=a%26b"),
            ("https://a.org/x?key=1&q=2&key=3", "https://a.org/x?q=2&key=a%26b"),
        ] {
            let mut url = Url::parse(before).expect("a url");
            key.apply(&mut url, &mut HeaderMap::new()).expect("a key");
            assert_eq!(url.as_str(), after);
        }
    }

    #[test]
    fn a_header_that_carries_a_credential_is_marked_as_sensitive() {
        let mut headers = HeaderMap::new();
        let token = Credential::Bearer(Secret::new("our-own-token"));
        token.apply(&mut Url::parse("https://a.org/").expect("a url"), &mut headers).expect("a token");
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{headers:?} {token:?}").contains("our-own-token"));
    }
}
