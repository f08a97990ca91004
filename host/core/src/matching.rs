//! Finds which records are the same thing: key normal forms (E1.4) and the verdict on a group of records with one key
//! (E1.5).
//!
//! Invariant: keys only create pairs; a record with more than one possible counterpart gets none.

use unicode_normalization::UnicodeNormalization;

use crate::{KeyField, KeyForm, Record, RecordId, Side, Value};

/// The digest of a record's normalised key; records match if their digests are equal.
pub type KeyDigest = [u8; 16];

/// Returns the digest of the key of `record`, or `None` if any part of it is blank or unknown: a blank key never
/// matches.
pub fn key_digest(record: &Record, tuple: &[KeyField]) -> Option<KeyDigest> {
    let mut hasher = blake3::Hasher::new();
    for key in tuple {
        let normal = normal_form(record.get(&key.field)?, key.form)?;
        hasher.update(&(normal.len() as u64).to_be_bytes());
        hasher.update(normal.as_bytes());
    }
    let mut digest = KeyDigest::default();
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Some(digest)
}

/// Returns the form in which a key value is compared, or `None` for a blank.
pub fn normal_form(value: &Value, form: KeyForm) -> Option<String> {
    let text = match value {
        Value::Clear => return None,
        Value::Text(text) | Value::Choice(text) => text.clone(),
        other => other.to_string(),
    };
    let normal = match form {
        KeyForm::Email => text.trim().nfc().collect::<String>().to_lowercase(),
        KeyForm::Domain => normal_domain(&text),
        KeyForm::Phone => normal_phone(&text),
        KeyForm::Text => text.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
    };
    (!normal.is_empty()).then_some(normal)
}

fn normal_domain(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let host = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.').to_owned()
}

fn normal_phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(international) if !text.trim_start().starts_with('+') => international.to_owned(),
        _ => digits,
    }
}

/// One record of a group: all records of both sides that share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The record.
    pub id: RecordId,
    /// True if a pair may still be made with it.
    pub free: bool,
}

/// What the group means for one of its free records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The one counterpart.
    Match(RecordId),
    /// More than one on either side, or the one is taken; the others are listed.
    Ambiguous {
        /// The other records of its own side.
        same_side: Vec<RecordId>,
        /// The records of the other side.
        other_side: Vec<RecordId>,
    },
    /// Nobody else has this key.
    Alone,
}

/// Decides for the free record `id` of `side` in a group (E1.5): matched only if it is the only one on its side and
/// there is exactly one, free, on the other.
pub fn judge(side: Side, id: &RecordId, left: &[Candidate], right: &[Candidate]) -> Verdict {
    let same: Vec<RecordId> =
        side.pick(left, right).iter().map(|candidate| candidate.id.clone()).filter(|other| other != id).collect();
    let other = side.pick(right, left);
    match other {
        [] if same.is_empty() => Verdict::Alone,
        [only] if only.free && same.is_empty() => Verdict::Match(only.id.clone()),
        _ => Verdict::Ambiguous {
            same_side: same,
            other_side: other.iter().map(|candidate| candidate.id.clone()).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(text: &str) -> Vec<Candidate> {
        text.split_whitespace()
            .map(|word| Candidate { id: RecordId::new(word.trim_end_matches('*')), free: !word.ends_with('*') })
            .collect()
    }

    /// A star marks a record that is already paired.
    #[test]
    fn e1_5_only_a_mutual_single_candidate_pairs() {
        let cases = [
            ("a", "", "alone"),
            ("a", "b", "match b"),
            ("a", "b*", "ambiguous | b"),
            ("a", "b c", "ambiguous | b c"),
            ("a c", "b", "ambiguous c | b"),
            ("a c", "", "ambiguous c |"),
            ("a c*", "b*", "ambiguous c | b"),
            ("a c*", "b", "ambiguous c | b"),
        ];
        for (left, right, expected) in cases {
            let list = |ids: &[RecordId]| ids.iter().map(|id| format!(" {id}")).collect::<String>();
            let say = |verdict: Verdict| match verdict {
                Verdict::Alone => "alone".to_owned(),
                Verdict::Match(id) => format!("match {id}"),
                Verdict::Ambiguous { same_side, other_side } => {
                    format!("ambiguous{} |{}", list(&same_side), list(&other_side))
                }
            };
            let id = RecordId::from("a");
            assert_eq!(
                say(judge(Side::Left, &id, &candidates(left), &candidates(right))),
                expected,
                "{left} / {right}"
            );
            assert_eq!(say(judge(Side::Right, &id, &candidates(right), &candidates(left))), expected, "mirrored");
        }
    }

    #[test]
    fn e1_4_normal_forms() {
        let cases = [
            (KeyForm::Email, "  Ada.L+x@Example.ORG ", Some("ada.l+x@example.org")),
            (KeyForm::Email, "   ", None),
            (KeyForm::Domain, "https://WWW.Example.org/path", Some("example.org")),
            (KeyForm::Domain, "www.example.org.", Some("example.org")),
            (KeyForm::Phone, "+33 (1) 23-45", Some("3312345")),
            (KeyForm::Phone, "0033 12345", Some("3312345")),
            (KeyForm::Phone, "call me", None),
            (KeyForm::Text, " Ada\t Lovelace ", Some("ada lovelace")),
            (KeyForm::Text, "E\u{301}cole", Some("\u{e9}cole")),
        ];
        for (form, text, expected) in cases {
            assert_eq!(normal_form(&Value::Text(text.into()), form).as_deref(), expected, "{form:?} {text:?}");
        }
        assert_eq!(normal_form(&Value::Clear, KeyForm::Text), None);
    }
}
