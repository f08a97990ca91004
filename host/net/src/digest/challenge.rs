//! What a server's `WWW-Authenticate` asks for (RFC 9110, 11.6.1; RFC 7616, 3.3).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A digest challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) opaque: Option<String>,
    pub(super) algorithm: Algorithm,
    /// The algorithm as the server wrote it, where it did.
    pub(super) algorithm_word: Option<String>,
    /// False: the form before qop (RFC 2069).
    pub(super) with_qop: bool,
    /// Only the nonce was too old.
    pub(super) is_stale: bool,
}

/// How a challenge wants to be answered; a later one is the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Algorithm {
    pub(super) hash: Hash,
    /// The first hash takes the nonces in.
    pub(super) is_session: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Md5,
    Sha256,
}

/// What an answer's headers ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The password as it is would do.
    pub(crate) basic: bool,
    /// The best of the digest challenges that can be answered.
    pub(crate) digest: Option<Challenge>,
}

/// Reads all challenges of an answer.
pub(crate) fn asked(headers: &HeaderMap) -> Asked {
    let mut asked = Asked::default();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for (scheme, parameters) in challenges(&text) {
            asked.basic |= scheme.eq_ignore_ascii_case("basic");
            if !scheme.eq_ignore_ascii_case("digest") {
                continue;
            }
            let challenge = challenge(&parameters);
            let best = asked.digest.as_ref().map(|known| known.algorithm);
            if challenge.as_ref().is_some_and(|new| best.is_none_or(|best| best < new.algorithm)) {
                asked.digest = challenge;
            }
        }
    }
    asked
}

type Parameters = Vec<(String, String)>;

fn challenge(parameters: &Parameters) -> Option<Challenge> {
    let get = |wanted: &str| {
        parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
    };
    let algorithm_word = get("algorithm");
    let algorithm = match algorithm_word.as_deref().unwrap_or("MD5").to_ascii_uppercase().as_str() {
        "MD5" => Algorithm { hash: Hash::Md5, is_session: false },
        "MD5-SESS" => Algorithm { hash: Hash::Md5, is_session: true },
        "SHA-256" => Algorithm { hash: Hash::Sha256, is_session: false },
        "SHA-256-SESS" => Algorithm { hash: Hash::Sha256, is_session: true },
        _ => return None,
    };
    let with_qop = match get("qop") {
        None => false,
        // `auth-int` alone is not answered: the body would have to be hashed too, and nobody asks for it.
        Some(offered) => offered.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")).then_some(true)?,
    };
    Some(Challenge {
        realm: get("realm")?,
        nonce: get("nonce")?,
        opaque: get("opaque"),
        algorithm,
        algorithm_word,
        with_qop,
        is_stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    })
}

/// Takes a header apart: each scheme with its parameters, whatever commas stand between them.
fn challenges(text: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '=']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let (word, tail) = rest.split_at(end);
        let Some(value) = tail.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            found.push((word.to_owned(), Vec::new()));
            rest = tail;
            continue;
        };
        let (value, tail) = value_of(value.trim_start_matches([' ', '\t']));
        if let Some((_, parameters)) = found.last_mut() {
            parameters.push((word.to_owned(), value));
        }
        rest = tail;
    }
}

/// A token or a quoted text, and what comes behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, tail) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return (token.to_owned(), tail);
    };
    let (mut value, mut is_escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return (value, &quoted[at + 1..]),
            _ => {
                value.push(character);
                is_escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Hash, asked};
    use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (WWW_AUTHENTICATE, HeaderValue::from_str(line).expect("a value"))).collect()
    }

    #[test]
    fn the_best_challenge_that_can_be_answered_is_taken() {
        let md5 = Algorithm { hash: Hash::Md5, is_session: false };
        let sha256 = Algorithm { hash: Hash::Sha256, is_session: false };
        let table: &[(&[&str], bool, Option<Algorithm>)] = &[
            (&[r#"Basic realm="a, b=c""#], true, None),
            (&[r#"Digest realm="r", nonce="n""#], false, Some(md5)),
            (&[r#"Digest realm="r",nonce="n",qop="auth-int,auth",algorithm=SHA-256"#], false, Some(sha256)),
            (&[r#"Digest realm="r", nonce="n", qop="auth-int""#], false, None),
            (&[r#"Digest realm="r", nonce="n", algorithm=SHA-512-256"#], false, None),
            (&[r#"Digest realm="r""#, "Digest"], false, None),
            (&[r#"Negotiate YWJj==, Digest realm="r", nonce="n", Basic realm="x""#], true, Some(md5)),
            (
                &[r#"digest REALM=r, nonce="n", algorithm=md5"#, r#"Digest realm="r", nonce="m", algorithm="SHA-256""#],
                false,
                Some(sha256),
            ),
            (&[r#"Digest realm="unended"#, "=,=,", "\u{e4}=\u{e4}", ","], false, None),
        ];
        for (lines, basic, algorithm) in table {
            let asked = asked(&headers(lines));
            assert_eq!(
                (asked.basic, asked.digest.map(|challenge| challenge.algorithm)),
                (*basic, *algorithm),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_quoted_text_is_read_as_it_was_meant() {
        let asked = asked(&headers(&[r#"Digest realm="a \"b\" \\", nonce = "n,=", opaque=x, stale=TRUE, qop=auth"#]));
        let challenge = asked.digest.expect("a challenge");
        assert_eq!((challenge.realm.as_str(), challenge.nonce.as_str()), (r#"a "b" \"#, "n,="));
        assert_eq!((challenge.opaque.as_deref(), challenge.is_stale, challenge.with_qop), (Some("x"), true, true));
    }
}
