//! Takes the host's own secrets out of everything that leaves.
//!
//! Invariant: no secret given here, nor its base64 or percent-encoded form, is in what `short` returns.
//! Invariant: in a body, which `text` and `bytes` redact, only what can hardly be somebody's data is replaced: tokens of 16
//! bytes or more, and a password together with its user's name. A password by itself may be a word of a record.
//! Invariant: no request that carries the mark leaves, so that it is never written over the data it stands for.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use crate::credential::Credential;
use crate::secret::Secret;

const MARK: &str = "[secret]";

/// Below this, replacing would damage data more often than it would hide anything.
const BODY_TOKEN_BYTES_MIN: usize = 16;
const BODY_LOGIN_BYTES_MIN: usize = 8;
const SHORT_SECRET_BYTES_MIN: usize = 3;

/// RFC 3986: all but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The mark as it is, percent-encoded, and cut by the line folding of vCard and iCalendar.
static MARKS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let escaped = ["%5Bsecret%5D", "%5bsecret%5d"].map(str::to_owned);
    let cuts = (1..MARK.len()).map(|at| MARK.split_at(at));
    let folded = cuts.flat_map(|(first, rest)| ["\r\n ", "\n "].map(|fold| format!("{first}{fold}{rest}")));
    let forms: Vec<String> = folded.chain(escaped).chain([MARK.to_owned()]).collect();
    automaton(&forms).expect("there are forms")
});

/// Says whether something written by a plugin contains what was put in the place of a secret.
pub(crate) fn is_marked(bytes: &[u8]) -> bool {
    MARKS.is_match(bytes)
}

/// Replaces secrets by a mark.
#[derive(Clone)]
pub struct Redactor {
    bodies: Option<AhoCorasick>,
    shorts: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for a credential and `other_tokens`, in all the forms in which they may come back.
    pub fn new(credential: &Credential, other_tokens: &[Secret]) -> Redactor {
        let tokens: Vec<Secret> = credential.token().into_iter().chain(other_tokens).cloned().collect();
        let (login, password) = credential.login().unzip();
        let bodies = [longer(&tokens, BODY_TOKEN_BYTES_MIN), longer(login.as_slice(), BODY_LOGIN_BYTES_MIN)].concat();
        let shorts = [tokens.as_slice(), login.as_slice(), password.as_slice()].concat();
        Redactor { bodies: automaton(&bodies), shorts: automaton(&longer(&shorts, SHORT_SECRET_BYTES_MIN)) }
    }

    /// Redacts a text that may be data: a body.
    pub fn text(&self, text: String) -> String {
        match &self.bodies {
            Some(found) if found.is_match(&text) => replace(found, &text),
            _ => text,
        }
    }

    /// Redacts bytes that may be data: a body.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        match &self.bodies {
            Some(found) if found.is_match(&bytes) => {
                let marks = vec![MARK.as_bytes(); found.patterns_len()];
                found.replace_all_bytes(&bytes, &marks)
            }
            _ => bytes,
        }
    }

    /// Redacts a header, a path, a message: nobody's data, so short secrets go too.
    pub fn short<'a>(&self, text: impl Into<Cow<'a, str>>) -> String {
        let text = text.into();
        match &self.shorts {
            Some(found) if found.is_match(text.as_ref()) => replace(found, &text),
            _ => text.into_owned(),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor(…)")
    }
}

fn replace(found: &AhoCorasick, text: &str) -> String {
    found.replace_all(text, &vec![MARK; found.patterns_len()])
}

/// Every spelling of those secrets that have enough bytes.
fn longer(secrets: &[Secret], bytes_min: usize) -> Vec<String> {
    let secrets = secrets.iter().filter(|secret| secret.expose().len() >= bytes_min);
    let mut forms: Vec<String> = secrets.flat_map(|secret| spellings(secret.expose())).collect();
    forms.sort();
    forms.dedup();
    forms
}

fn automaton(forms: &[String]) -> Option<AhoCorasick> {
    if forms.is_empty() {
        return None;
    }
    // Building fails only beyond two billion states; a few secrets are far from that.
    let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms);
    Some(built.expect("a handful of short patterns makes an automaton"))
}

fn spellings(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let json = serde_json_escape(secret);
    let percent = [
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, RESERVED).to_string(),
        url::form_urlencoded::byte_serialize(bytes).collect::<String>(),
    ];
    let lower = percent.iter().map(|form| lower_escapes(form)).collect::<Vec<_>>();
    let encoded = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(bytes));
    // An encoded form inside a URL is escaped once more.
    let escaped =
        encoded.iter().map(|form| percent_encode(form.as_bytes(), NON_ALPHANUMERIC).to_string()).collect::<Vec<_>>();
    [vec![secret.to_owned(), json], percent.to_vec(), lower, encoded.to_vec(), escaped].concat()
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut left = 0;
    let lower = |character: char| {
        left = if character == '%' { 2 } else { left };
        let inside = left > 0 && character != '%';
        left -= usize::from(inside);
        if inside { character.to_ascii_lowercase() } else { character }
    };
    text.chars().map(lower).collect()
}

/// A secret with quotes or backslashes as it stands in a JSON string.
fn serde_json_escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::{Redactor, is_marked};
    use crate::credential::Credential;
    use crate::secret::Secret;

    fn basic(password: &str) -> Redactor {
        Redactor::new(&Credential::Basic { user: "ada".to_owned(), password: Secret::new(password) }, &[])
    }

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let redactor = Redactor::new(&Credential::Bearer(Secret::new("pät/long +\"words")), &[]);
        for form in [
            "pät/long +\"words",
            "pät/long +\\\"words",
            "p%C3%A4t%2Flong%20%2B%22words",
            "p%c3%a4t%2flong%20%2b%22words",
            "p%C3%A4t%2Flong+%2B%22words",
            "cMOkdC9sb25nICsid29yZHM=",
            "cMOkdC9sb25nICsid29yZHM",
        ] {
            let text = format!("<a>{form}</a>");
            assert_eq!(redactor.text(text.clone()), "<a>[secret]</a>", "{form}");
            assert_eq!(redactor.bytes(text.clone().into_bytes()), b"<a>[secret]</a>", "{form}");
            assert_eq!(redactor.short(text.as_str()), "<a>[secret]</a>", "{form}");
        }
        assert_eq!(format!("{redactor:?}"), "Redactor(…)");
    }

    #[test]
    fn a_password_that_is_a_word_does_not_damage_data() {
        for password in ["paris", "sunshine", "correct-horse-battery-staple"] {
            let (redactor, text) = (basic(password), format!("EMAIL:info@{password}.example"));
            assert_eq!(redactor.text(text.clone()), text);
            assert_eq!(redactor.bytes(text.clone().into_bytes()), text.as_bytes());
            assert_eq!(redactor.short(text), "EMAIL:info@[secret].example");
        }
        let short = Redactor::new(&Credential::Bearer(Secret::new("sunshine-street")), &[Secret::new("paris")]);
        assert_eq!(short.text("1 sunshine-street, paris".to_owned()), "1 sunshine-street, paris");
        assert_eq!(short.short("1 sunshine-street, paris"), "1 [secret], [secret]");
    }

    #[test]
    fn a_login_is_replaced_as_a_whole() {
        let redactor = basic("sunshine");
        for form in ["ada:sunshine", "ada%3Asunshine", "YWRhOnN1bnNoaW5l"] {
            assert_eq!(redactor.text(format!("<a>{form}</a>")), "<a>[secret]</a>", "{form}");
        }
    }

    #[test]
    fn the_mark_is_known_again() {
        for marked in ["a [secret]", "q=%5Bsecret%5d&%5Bsecret%5D", "NOTE:[sec\r\n ret]", "NOTE:[\n secret]"] {
            assert!(is_marked(marked.as_bytes()), "{marked}");
        }
        assert!(!is_marked("[ secret ] secret [Secret]".as_bytes()));
    }

    #[test]
    fn without_secrets_nothing_changes() {
        let redactor = Redactor::new(&Credential::None, &[Secret::new("")]);
        assert_eq!(redactor.text("abc".to_owned()), "abc");
        assert_eq!(redactor.short("abc"), "abc");
    }
}
