//! Takes the host's own secrets out of everything that leaves.
//!
//! Invariant: no secret given here, nor its base64 or percent-encoded form, is in what `text`, `short` or `bytes` returns.
//! The one exception: a secret shorter than eight bytes stays in bodies, where it may well be a word of somebody's data.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use crate::secret::Secret;

const MARK: &str = "[secret]";

/// Below this, replacing would damage data more often than it would hide anything.
const BODY_SECRET_BYTES_MIN: usize = 8;
const SHORT_SECRET_BYTES_MIN: usize = 3;

/// RFC 3986: all but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces secrets by a mark.
#[derive(Clone)]
pub struct Redactor {
    bodies: Option<AhoCorasick>,
    shorts: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor for `secrets` in all the forms in which they may come back.
    pub fn new(secrets: &[Secret]) -> Redactor {
        let forms = |bytes_min: usize| {
            let secrets = secrets.iter().filter(|secret| secret.expose().len() >= bytes_min);
            let mut forms: Vec<String> = secrets.flat_map(|secret| spellings(secret.expose())).collect();
            forms.sort();
            forms.dedup();
            forms
        };
        Redactor { bodies: automaton(&forms(BODY_SECRET_BYTES_MIN)), shorts: automaton(&forms(SHORT_SECRET_BYTES_MIN)) }
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
    use super::Redactor;
    use crate::secret::Secret;

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let redactor = Redactor::new(&[Secret::new("pät/long +\"word"), Secret::new("ada:pät/long +\"word")]);
        for form in [
            "pät/long +\"word",
            "pät/long +\\\"word",
            "p%C3%A4t%2Flong%20%2B%22word",
            "p%c3%a4t%2flong%20%2b%22word",
            "p%C3%A4t%2Flong+%2B%22word",
            "cMOkdC9sb25nICsid29yZA==",
            "cMOkdC9sb25nICsid29yZA",
            "YWRhOnDDpHQvbG9uZyArIndvcmQ=",
        ] {
            let text = format!("<a>{form}</a>");
            assert_eq!(redactor.text(text.clone()), "<a>[secret]</a>", "{form}");
            assert_eq!(redactor.bytes(text.clone().into_bytes()), b"<a>[secret]</a>", "{form}");
            assert_eq!(redactor.short(text.as_str()), "<a>[secret]</a>", "{form}");
        }
        assert_eq!(format!("{redactor:?}"), "Redactor(…)");
    }

    #[test]
    fn a_short_password_does_not_damage_data() {
        let redactor = Redactor::new(&[Secret::new("paris")]);
        assert_eq!(redactor.text("city: paris".to_owned()), "city: paris");
        assert_eq!(redactor.short("x-echo: paris"), "x-echo: [secret]");
    }

    #[test]
    fn without_secrets_nothing_changes() {
        let redactor = Redactor::new(&[Secret::new("")]);
        assert_eq!(redactor.text("abc".to_owned()), "abc");
        assert_eq!(redactor.short("abc"), "abc");
    }
}
