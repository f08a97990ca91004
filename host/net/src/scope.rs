//! Which requests a rate limit counts: those of a method, those below a path, or all.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Requests of one method, below one path; either says nothing when it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateScope {
    /// In capitals: `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The beginning of the path that follows the connection's base; `*` is any one part of it: `/objects/*/search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl RateScope {
    /// Requests of `method` below `path`.
    pub fn new(method: Option<&str>, path: Option<&str>) -> RateScope {
        RateScope { method: method.map(str::to_owned), path: path.map(str::to_owned) }
    }

    /// True if every request counts.
    pub fn is_all(&self) -> bool {
        *self == RateScope::default()
    }

    /// Says why it can match no request, if it cannot.
    pub fn fault(&self) -> Option<String> {
        if let Some(method) = &self.method
            && (method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            return Some(format!("{method:?} is not a method in capitals, such as POST"));
        }
        match &self.path {
            Some(path) if !path.starts_with('/') || path.contains(['?', '#']) => {
                Some(format!("{path:?} is not the beginning of a path, such as /objects/*/search"))
            }
            _ => None,
        }
    }

    /// True if a request counts; `path` is what `path_below` made of it.
    pub(crate) fn covers(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && self.path.as_deref().is_none_or(|own| is_below(own.trim_end_matches('/'), path))
    }
}

/// What follows the connection's base in `path`, as a server may read it: decoded, without empty parts and their parameters.
pub(crate) fn path_below(base: &str, path: &str) -> String {
    let (base, path) = (parts(base), parts(path));
    format!("/{}", path.strip_prefix(base.as_slice()).unwrap_or(&path).join("/"))
}

fn parts(path: &str) -> Vec<String> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let parts = decoded.split('/').map(|part| part.split(';').next().unwrap_or_default());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn is_below(own: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    own.split('/').all(|own| parts.next().is_some_and(|part| own == part || (own == "*" && !part.is_empty())))
}

impl fmt::Display for RateScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.method.as_deref(), self.path.as_deref()];
        formatter.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{RateScope, path_below};

    #[test]
    fn a_scope_covers_what_is_below_its_path() {
        let table = [
            (None, None, "GET", "/anything", true),
            (Some("POST"), None, "GET", "/anything", false),
            (None, Some("/objects"), "GET", "/objects", true),
            (None, Some("/objects/"), "GET", "/objects/7", true),
            (None, Some("/objects"), "GET", "/objects2", false),
            (Some("POST"), Some("/objects/*/search"), "POST", "/objects/contacts/search", true),
            (Some("POST"), Some("/objects/*/search"), "POST", "/objects/contacts/batch/read", false),
            (Some("POST"), Some("/objects/*/search"), "POST", "/objects//search", false),
            (None, Some("/"), "GET", "/objects", true),
        ];
        for (method, path, asked, at, expected) in table {
            assert_eq!(RateScope::new(method, path).covers(asked, at), expected, "{method:?} {path:?} {asked} {at}");
        }
    }

    #[test]
    fn a_scope_covers_every_spelling_of_a_path() {
        for path in [
            "/api/objects/contacts/search",
            "/api/objects/contacts/%73earch",
            "/%61pi//objects//contacts/search/",
            "/api/objects%2Fcontacts;a=b/search;c",
        ] {
            let below = path_below("/api/", path);
            assert_eq!(below, "/objects/contacts/search", "{path}");
            assert!(RateScope::new(None, Some("/objects/*/search")).covers("POST", &below));
        }
        for (base, path, below) in [("/api", "/apis/x", "/apis/x"), ("/", "/", "/"), ("/api/", "/api", "/")] {
            assert_eq!(path_below(base, path), below);
        }
    }

    #[test]
    fn a_scope_that_matches_nothing_is_named() {
        for scope in [RateScope::new(Some("post"), None), RateScope::new(None, Some("objects"))] {
            assert!(scope.fault().is_some(), "{scope:?}");
        }
        assert_eq!(RateScope::new(Some("POST"), Some("/objects/*")).fault(), None);
    }
}
