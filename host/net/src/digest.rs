//! Digest authentication (RFC 7616): the password proves itself by a hash and does not leave.
//!
//! Invariant: a challenge is answered at most once by each request, and only where it says something new.
//! Invariant: requests that are signed by digests leave one after another. Servers count them, and some (Cyrus) know a
//! nonce only in the process that made it, which is the one behind the connection that was used last.
//! Not here: which hosts a credential goes to (`send`), `auth-int`, `userhash`.

mod challenge;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::Md5;
use reqwest::Method;
use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::secret::Secret;
use challenge::{Challenge, Hash, asked};

/// What the origins of one connection have asked for, and how often it was answered.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_origin: Mutex<HashMap<String, Session>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Session {
    challenge: Challenge,
    /// Requests signed with this nonce.
    count: u32,
    /// The server has accepted an answer to it: the password is right.
    is_proved: bool,
}

/// A user and the password.
#[derive(Clone, Copy)]
pub(crate) struct Login<'login> {
    pub(crate) user: &'login str,
    pub(crate) password: &'login Secret,
}

impl Sessions {
    /// True if requests to the origin of `url` are signed by digests.
    pub(crate) fn has_asked(&self, url: &Url) -> bool {
        self.lock().contains_key(&origin(url))
    }

    /// Waits until no other request is signed by a digest.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The header's value and the nonce in it, if the origin of `url` has asked for a digest.
    pub(crate) fn sign(&self, login: Login<'_>, method: &Method, url: &Url) -> Option<(String, String)> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&origin(url))?;
        session.count = session.count.saturating_add(1);
        let header = answer(&session.challenge, login, method.as_str(), request_target(url), session.count, &cnonce());
        Some((header, session.challenge.nonce.clone()))
    }

    /// Takes in what came back to a request that was signed with `nonce`, or else with the password itself; says whether
    /// the same request may be signed better now.
    pub(crate) fn learn(&self, url: &Url, nonce: Option<&str>, status: u16, headers: &HeaderMap) -> bool {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&origin(url));
        let is_current = session.as_ref().is_some_and(|session| Some(session.challenge.nonce.as_str()) == nonce);
        if status != 401 {
            if let Some(session) = session.filter(|_| is_current) {
                session.is_proved = true;
            }
            return false;
        }
        let asked = asked(headers);
        let Some(challenge) = asked.digest else { return false };
        // It has seen the password, and would have taken it.
        if nonce.is_none() && asked.basic {
            return false;
        }
        let is_proved = session.as_ref().is_some_and(|session| session.is_proved);
        if session.is_some() && !is_current {
            // Another request was challenged meanwhile, and its challenge is as good.
            return true;
        }
        let is_news = nonce != Some(challenge.nonce.as_str()) && (nonce.is_none() || challenge.is_stale || is_proved);
        if !is_news {
            // The password is wrong: what comes next begins anew.
            sessions.remove(&origin(url));
            return false;
        }
        sessions.insert(origin(url), Session { challenge, count: 0, is_proved });
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        // What is in it is changed in one go; a panic elsewhere leaves it usable.
        self.by_origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What stands in the request's first line.
fn request_target(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

/// A number that nobody expects.
fn cnonce() -> String {
    let mut bytes = [0; 16];
    // Where there is no chance, a known number is as safe as the form without one, which the server may ask for too.
    let _ = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    hex(&bytes)
}

fn answer(challenge: &Challenge, login: Login<'_>, method: &str, uri: &str, count: u32, cnonce: &str) -> String {
    let Challenge { realm, nonce, algorithm, .. } = challenge;
    let hash = |text: Zeroizing<String>| Zeroizing::new(hash(algorithm.hash, text.as_bytes()));
    let mut first = hash(Zeroizing::new(format!("{}:{realm}:{}", login.user, login.password.expose())));
    if algorithm.is_session {
        first = hash(Zeroizing::new(format!("{}:{nonce}:{cnonce}", first.as_str())));
    }
    let second = hash(Zeroizing::new(format!("{method}:{uri}")));
    let (first, second) = (first.as_str(), second.as_str());
    let proof = match challenge.with_qop {
        true => hash(Zeroizing::new(format!("{first}:{nonce}:{count:08x}:{cnonce}:auth:{second}"))),
        false => hash(Zeroizing::new(format!("{first}:{nonce}:{second}"))),
    };
    let (user, realm, quoted_nonce) = (quoted(login.user), quoted(realm), quoted(nonce));
    let mut header =
        format!("Digest username={user}, realm={realm}, uri=\"{uri}\", nonce={quoted_nonce}, response=\"{}\"", *proof);
    if let Some(word) = &challenge.algorithm_word {
        header.push_str(&format!(", algorithm={word}"));
    }
    if challenge.with_qop {
        header.push_str(&format!(", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\""));
    } else if algorithm.is_session {
        header.push_str(&format!(", cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = &challenge.opaque {
        header.push_str(&format!(", opaque={}", quoted(opaque)));
    }
    header
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn hash(hash: Hash, bytes: &[u8]) -> String {
    match hash {
        Hash::Md5 => hex(&Md5::digest(bytes)),
        Hash::Sha256 => hex(&Sha256::digest(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::challenge::asked;
    use super::{Challenge, Login, Sessions, answer};
    use crate::secret::Secret;
    use reqwest::Method;
    use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
    use url::Url;

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_str(line).expect("a value"))])
    }

    fn challenge(line: &str) -> Challenge {
        asked(&headers(line)).digest.expect("a challenge")
    }

    fn response(header: &str) -> &str {
        header.split("response=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a response")
    }

    #[test]
    fn the_answers_are_those_of_the_rfcs() {
        let circle = Secret::new("Circle of Life");
        let mufasa = Login { user: "Mufasa", password: &circle };
        // RFC 7616, 3.9.1.
        let line = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        for (algorithm, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let header = answer(&challenge(&line(algorithm)), mufasa, "GET", "/dir/index.html", 1, cnonce);
            assert_eq!(response(&header), expected);
            for part in
                ["username=\"Mufasa\"", "qop=auth", "nc=00000001", "opaque=\"FQhe", &format!("algorithm={algorithm}")]
            {
                assert!(header.contains(part), "{part} in {header}");
            }
        }
        // RFC 2617, 3.5, and the same without qop (RFC 2069) and for a session, as other implementations answer.
        let line = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let hakuna = Secret::new("Circle Of Life");
        let mufasa = Login { user: "Mufasa", password: &hakuna };
        let with = |more: &str| {
            let header = answer(&challenge(&format!("{line}{more}")), mufasa, "GET", "/dir/index.html", 1, "0a4f113b");
            response(&header).to_owned()
        };
        assert_eq!(with(", qop=\"auth,auth-int\""), "6629fae49393a05397450978507c4ef1");
        assert_eq!(with(""), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn names_with_quotes_stay_one_text() {
        let secret = Secret::new("p");
        let login = Login { user: "a\"b\\", password: &secret };
        let header = answer(&challenge("Digest realm=\"r\", nonce=\"n\""), login, "GET", "/", 1, "c");
        assert!(header.starts_with(r#"Digest username="a\"b\\", realm="r", uri="/","#), "{header}");
    }

    #[test]
    fn a_challenge_is_answered_once_and_the_next_request_knows_it() {
        let (sessions, secret) = (Sessions::default(), Secret::new("p"));
        let login = Login { user: "ada", password: &secret };
        let url = Url::parse("https://a.org/x?q=1").expect("a url");
        let sign = || sessions.sign(login, &Method::GET, &url);
        let challenge = |nonce: &str, stale: bool| {
            headers(&format!("Digest realm=\"r\", qop=\"auth\", nonce=\"{nonce}\", stale={stale}"))
        };
        assert_eq!(sign(), None);
        assert!(sessions.learn(&url, None, 401, &challenge("one", false)));
        let (header, nonce) = sign().expect("an answer");
        assert!(header.contains("uri=\"/x?q=1\"") && header.contains("nc=00000001"), "{header}");
        assert!(!sessions.learn(&url, Some(&nonce), 200, &HeaderMap::new()));
        assert!(sign().expect("an answer").0.contains("nc=00000002"));
        assert!(sessions.learn(&url, Some("one"), 401, &challenge("two", false)), "accepted before, so it is too old");
        assert!(sessions.learn(&url, Some("one"), 401, &challenge("three", false)), "another request knew first");
        assert!(sign().is_some_and(|(header, nonce)| nonce == "two" && header.contains("nc=00000001")));
        let other = Url::parse("https://b.org/").expect("a url");
        assert_eq!(sessions.sign(login, &Method::GET, &other), None, "another origin asks for itself");
    }

    #[test]
    fn a_wrong_password_is_not_tried_again_and_again() {
        let (sessions, url) = (Sessions::default(), Url::parse("https://a.org/").expect("a url"));
        let challenge = |nonce: &str| headers(&format!("Digest realm=\"r\", nonce=\"{nonce}\""));
        let both = headers("Digest realm=\"r\", nonce=\"n\", Basic realm=\"r\"");
        assert!(!sessions.learn(&url, None, 401, &both), "it has refused the password itself");
        assert!(sessions.learn(&url, None, 401, &challenge("one")));
        assert!(!sessions.learn(&url, Some("one"), 401, &challenge("two")));
        assert!(!sessions.learn(&url, Some("one"), 401, &headers("Basic realm=\"r\"")));
        let stale = headers("Digest realm=\"r\", nonce=\"two\", stale=true");
        assert!(sessions.learn(&url, None, 401, &challenge("one")));
        assert!(sessions.learn(&url, Some("one"), 401, &stale), "only the nonce was too old");
    }
}
