//! One reading of a URL: what is checked is what is sent.
//!
//! Invariant: a `Target` is http or https, has a canonical host, and carries no user-info.

use url::{Host, Url};

/// A URL is refused beyond this length, long before a server would.
const URL_BYTES_MAX: usize = 16 * 1024;

/// A URL that passed every check that needs no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(Url);

/// Why a URL is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the url is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("the url contains a control character, a space or a backslash")]
    Character,
    #[error("the url cannot be read: {0}")]
    Syntax(#[from] url::ParseError),
    #[error("two slashes are missing after the scheme")]
    Slashes,
    #[error("the scheme is `{0}`; only http and https are allowed")]
    Scheme(String),
    #[error("the url contains a user name or a password; credentials belong into the connection's `auth`")]
    UserInfo,
    #[error("the host `{0}` is spelled in an unusual way; write it as `{1}`")]
    Spelling(String, String),
    #[error("the url has no usable host or port")]
    Host,
}

impl Target {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The literal address in the URL, for which no name is ever resolved.
    pub(crate) fn literal_address(&self) -> Option<std::net::IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn same_origin(&self, other: &Target) -> bool {
        self.0.origin() == other.0.origin()
    }
}

/// Reads an absolute URL.
pub(crate) fn parse_absolute(text: &str) -> Result<Target, TargetError> {
    check_text(text)?;
    check(Url::parse(text)?, text)
}

/// Reads a path or an absolute URL against `base`.
pub(crate) fn parse(base: &Url, text: &str) -> Result<Target, TargetError> {
    check_text(text)?;
    check(base.join(text)?, text)
}

fn check_text(text: &str) -> Result<(), TargetError> {
    if text.len() > URL_BYTES_MAX {
        return Err(TargetError::TooLong);
    }
    // The parser would drop tabs and line ends and turn backslashes into slashes: then two readers may disagree.
    if text.chars().any(|character| character.is_control() || character == ' ' || character == '\\') {
        return Err(TargetError::Character);
    }
    // Against a base of the same scheme `http:x` would be a path, elsewhere a host.
    match text.split_once(':') {
        Some((scheme, rest))
            if scheme.to_ascii_lowercase().starts_with("http") && is_scheme(scheme) && !rest.starts_with("//") =>
        {
            Err(TargetError::Slashes)
        }
        _ => Ok(()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn check(mut url: Url, text: &str) -> Result<Target, TargetError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(TargetError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo);
    }
    let host = url.host_str().ok_or(TargetError::Host)?;
    if host.is_empty() || url.port() == Some(0) {
        return Err(TargetError::Host);
    }
    if host.ends_with('.') {
        return Err(TargetError::Spelling(host.to_owned(), host.trim_end_matches('.').to_owned()));
    }
    if let Some(authority) = written_authority(text) {
        check_spelling(authority, &url)?;
    }
    url.set_fragment(None);
    Ok(Target(url))
}

/// The authority as written, when `text` has one of its own.
fn written_authority(text: &str) -> Option<&str> {
    let after_scheme = match text.split_once(':') {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => {
            rest
        }
        _ => text,
    };
    let rest = after_scheme.strip_prefix("//")?;
    Some(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

fn check_spelling(authority: &str, url: &Url) -> Result<(), TargetError> {
    if authority.contains('@') {
        return Err(TargetError::UserInfo);
    }
    let written = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let canonical = match url.host() {
        // Any spelling in brackets is an IPv6 address, and there is one parser for it.
        Some(Host::Ipv6(_)) => return Ok(()),
        Some(host) => host.to_string(),
        None => return Err(TargetError::Host),
    };
    // A name in another script is written in its own letters and sent in ASCII; everything else is spelled as it is sent.
    if written.is_ascii() && !written.eq_ignore_ascii_case(&canonical) {
        return Err(TargetError::Spelling(written.to_owned(), canonical));
    }
    if !written.is_ascii() && url.host().is_some_and(|host| !matches!(host, Host::Domain(_))) {
        return Err(TargetError::Spelling(written.to_owned(), canonical));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_absolute};
    use url::Url;

    #[test]
    fn a_path_is_read_against_the_base() {
        let base = Url::parse("https://dav.example.org/ada/people/").expect("a url");
        let table = [
            ("/x?y=1#z", "https://dav.example.org/x?y=1"),
            ("card.vcf", "https://dav.example.org/ada/people/card.vcf"),
            ("a:b.vcf?x", ""),
            ("./a:b.vcf", "https://dav.example.org/ada/people/a:b.vcf"),
            ("/a//b@c/", "https://dav.example.org/a//b@c/"),
            ("//other.example.org/x", "https://other.example.org/x"),
            ("https://OTHER.example.org/x", "https://other.example.org/x"),
        ];
        for (text, expected) in table {
            let read = parse(&base, text).map(|target| target.url().to_string()).unwrap_or_default();
            assert_eq!(read, expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_read_the_same_again(text in "(https?:)?[/\\\\]{0,3}[a-z0-9.:@%\\[\\]①-]{0,12}[/?#]?\\PC{0,8}") {
            let base = Url::parse("https://dav.example.org/ada/").expect("a url");
            if let Ok(target) = parse(&base, &text) {
                let again = parse_absolute(target.url().as_str()).expect("a url that was read before");
                assert_eq!(again.url(), target.url());
                assert!(target.url().username().is_empty() && target.url().password().is_none());
            }
        }
    }

    #[test]
    fn a_doubtful_url_is_refused() {
        for text in [
            "ftp://a.org/",
            "file:///etc/passwd",
            "https://user@a.org/",
            "https://user:pw@a.org/",
            "https://@a.org/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://a.org./",
            "http://a%2eorg/",
            "http:///a.org/",
            "http:a.org/",
            "http:\\\\a.org\\",
            "http://a.org\\@b.org/",
            "http://a.org/\r\nX: y",
            "http://a.org/a b",
            "http://a\t.org/",
            "http://a.org:0/",
            "http://[::1",
            "",
        ] {
            assert!(parse_absolute(text).is_err(), "{text:?} was read as {:?}", parse_absolute(text));
        }
    }
}
