//! Takes the host's own secrets out of everything that leaves.
//!
//! Invariant: no secret given here, nor its base64 form, is in what `short` returns, as they are or as JSON, HTML, XML and
//! URLs spell them, nested or not.
//! Invariant: in data, which `text` and `bytes` redact, only what can hardly be somebody's is replaced: tokens of 16 bytes or
//! more, and a password together with its user's name. A password by itself may be a word of a record.
//! Invariant: no request that carries the mark leaves, so that it is never written over the data it stands for.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use regex_automata::meta::{Config, Regex};

use crate::credential::Credential;
use crate::secret::Secret;

const MARK: &str = "[secret]";

/// Below this, replacing would damage data more often than it would hide anything.
const BODY_TOKEN_BYTES_MIN: usize = 16;
const BODY_LOGIN_BYTES_MIN: usize = 8;
const SHORT_SECRET_BYTES_MIN: usize = 3;

/// Enough that the fast search takes tokens of many kilobytes; it is used only as far as it is needed.
const SEARCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The mark in every spelling, also cut by the line folding of vCard and iCalendar.
static MARKS: LazyLock<Regex> =
    LazyLock::new(|| pattern(&MARK.chars().map(spelled).collect::<Vec<_>>().join(r"(?:\r?\n )?")));

/// Says whether something written by a plugin contains what was put in the place of a secret.
pub(crate) fn is_marked(bytes: &[u8]) -> bool {
    MARKS.is_match(bytes)
}

/// Replaces secrets by a mark.
#[derive(Clone)]
pub struct Redactor {
    data: Option<Regex>,
    shorts: Option<Regex>,
}

impl Redactor {
    /// A redactor for a credential and `other_tokens`, in all the forms in which they may come back.
    pub fn new(credential: &Credential, other_tokens: &[Secret]) -> Redactor {
        let tokens: Vec<Secret> = credential.token().into_iter().chain(other_tokens).cloned().collect();
        let (login, password) = credential.login().unzip();
        let data = [longer(&tokens, BODY_TOKEN_BYTES_MIN), longer(login.as_slice(), BODY_LOGIN_BYTES_MIN)].concat();
        let shorts = [tokens.as_slice(), login.as_slice(), password.as_slice()].concat();
        Redactor { data: any_of(data), shorts: any_of(longer(&shorts, SHORT_SECRET_BYTES_MIN)) }
    }

    /// Redacts a text that may be data: a body, an address, a version.
    pub fn text(&self, text: String) -> String {
        redacted(self.data.as_ref(), &text).unwrap_or(text)
    }

    /// Redacts bytes that may be data: a body.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        replaced(self.data.as_ref(), &bytes).unwrap_or(bytes)
    }

    /// Redacts a header, a message: nobody's data, so short secrets go too.
    pub fn short<'a>(&self, text: impl Into<Cow<'a, str>>) -> String {
        let text = text.into();
        redacted(self.shorts.as_ref(), &text).unwrap_or_else(|| text.into_owned())
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redactor(…)")
    }
}

fn redacted(secrets: Option<&Regex>, text: &str) -> Option<String> {
    // Matches are whole characters, so what is left is text, and nothing is lost here.
    replaced(secrets, text.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn replaced(secrets: Option<&Regex>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut matches = secrets?.find_iter(bytes).peekable();
    matches.peek()?;
    let (mut without, mut end) = (Vec::with_capacity(bytes.len()), 0);
    for found in matches {
        without.extend_from_slice(&bytes[end..found.start()]);
        without.extend_from_slice(MARK.as_bytes());
        end = found.end();
    }
    without.extend_from_slice(&bytes[end..]);
    Some(without)
}

/// Those secrets that have enough bytes, as they are and in base64.
fn longer(secrets: &[Secret], bytes_min: usize) -> Vec<String> {
    let secrets = secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= bytes_min);
    let forms = |secret: &str| {
        let in_base64 = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(secret));
        in_base64.into_iter().chain([secret.to_owned()]).collect::<Vec<_>>()
    };
    secrets.flat_map(forms).collect()
}

/// Finds any of `forms` in any spelling, the longest first.
fn any_of(mut forms: Vec<String>) -> Option<Regex> {
    forms.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
    forms.dedup();
    let spelled: Vec<String> = forms.iter().map(|form| form.chars().map(spelled).collect()).collect();
    (!spelled.is_empty()).then(|| pattern(&spelled.join("|")))
}

fn pattern(text: &str) -> Regex {
    let config = Config::new().nfa_size_limit(None).hybrid_cache_capacity(SEARCH_BYTES_MAX);
    // What is written here from a text without limits always reads as a pattern.
    Regex::builder().configure(config).build(text).expect("spellings make a pattern")
}

/// The ways to write a character inside JSON, HTML, XML or a URL, once or nested; letters and digits are left as they are.
fn spelled(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        return character.to_string();
    }
    let number = u32::from(character);
    let (mut units, mut bytes) = ([0; 2], [0; 4]);
    let units = character.encode_utf16(&mut units).iter().map(|unit| format!(r"\\+u{unit:04x}"));
    let bytes = character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%(?:25)*{byte:02x}"));
    let (name, plain) = match character {
        '"' => ("|quot", r#"\\*""#.to_owned()),
        '\'' => ("|apos", r"\\*'".to_owned()),
        '/' => ("", r"\\*/".to_owned()),
        '\\' => ("", r"\\{1,2}".to_owned()),
        ' ' => ("", r"[ +]".to_owned()),
        '&' => ("|amp", "&".to_owned()),
        '<' => ("|lt", "<".to_owned()),
        '>' => ("|gt", ">".to_owned()),
        _ => ("", format!(r"\x{{{number:x}}}")),
    };
    let entity = format!("&(?:amp;)*(?:#0*{number}|#x0*{number:x}{name});");
    let (units, bytes) = (units.collect::<String>(), bytes.collect::<String>());
    // An entity comes before the `&` with which it begins.
    format!("(?:(?i-u:{entity}|{units}|{bytes})|{plain})")
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
            r#"p\u00e4t\/long +\"words"#,
            r#"p\u00E4t/long \u002B\u0022words"#,
            r#"p\\u00e4t\\\/long +\\\"words"#,
            "pät/long +&quot;words",
            "p&#228;t/long &#43;&#34;words",
            "p&#xE4;t/long &#x2B;&amp;#34;words",
            "p%25C3%25A4t%252Flong%2520%252B%2522words",
            "p%C3%A4t%2Flong%20%2B%22words",
            "p%c3%a4t%2flong%20%2b%22words",
            "p%C3%A4t%2Flong+%2B%22words",
            "cMOkdC9sb25nICsid29yZHM=",
            "cMOkdC9sb25nICsid29yZHM",
            "cMOkdC9sb25nICsid29yZHM\\u003d",
            "cMOkdC9sb25nICsid29yZHM%3D",
            "cMOkdC9sb25nICsid29yZHM&#61;",
        ] {
            let text = format!("<a>{form}</a>");
            assert_eq!(redactor.text(text.clone()), "<a>[secret]</a>", "{form}");
            assert_eq!(redactor.bytes(text.clone().into_bytes()), b"<a>[secret]</a>", "{form}");
            assert_eq!(redactor.short(text.as_str()), "<a>[secret]</a>", "{form}");
        }
        assert_eq!(format!("{redactor:?}"), "Redactor(…)");
    }

    #[test]
    fn every_form_of_every_character_is_replaced() {
        // Base64 of it has both characters that JSON and URLs escape.
        let redactor = Redactor::new(&Credential::Bearer(Secret::new("<a>&'b'\\~~~???🔑\u{7}")), &[]);
        for form in [
            "<a>&'b'\\~~~???🔑\u{7}",
            r"\u003ca\u003e\u0026\u0027b\u0027\\~~~???\ud83d\udd11\u0007",
            r"\u003Ca\u003E\u0026\u0027b\u0027\\~~~???\uD83D\uDD11\u0007",
            "&lt;a&gt;&amp;&apos;b&#039;\\~~~???&#128273;&#7;",
            "PGE+JidiJ1x+fn4/Pz/wn5SRBw==",
            "PGE-JidiJ1x-fn4_Pz_wn5SRBw",
            r"PGE\u002BJidiJ1x\u002Bfn4\/Pz\/wn5SRBw\u003D\u003D",
            "PGE%2bJidiJ1x%2bfn4%2fPz%2fwn5SRBw%3d%3d",
        ] {
            assert_eq!(redactor.text(format!("{{\"{form}\"}}")), "{\"[secret]\"}", "{form}");
        }
    }

    #[test]
    fn the_longest_token_is_found_in_a_large_body() {
        let token = "eyJhbGciOi_J.SUzI1-NiIs".repeat(200);
        let redactor = Redactor::new(&Credential::Bearer(Secret::new(&*token)), &[]);
        let text = format!("{}{token}", "{\"name\": \"eyJhbGciOi & \\\"others\\\"\"}".repeat(20_000));
        assert_eq!(redactor.text(text.clone()).len(), text.len() - token.len() + super::MARK.len());
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
        for marked in [
            "a [secret]",
            "q=%5Bsecret%5d&%5Bsecret%5D",
            "NOTE:[sec\r\n ret]",
            "NOTE:[\n secret]",
            r"\u005Bsecret\u005d",
        ] {
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
