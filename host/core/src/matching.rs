//! Finds which records are the same thing: key normal forms (E1.4) and the verdict on a group of records with one key
//! (E1.5).
//!
//! Invariant: keys only create pairs; a record with more than one possible counterpart gets none, unless the user has
//! said which (`doubles`).

use unicode_normalization::UnicodeNormalization;

use crate::fold::folded;
use crate::{
    Candidate, Chosen, Claim, Doubles, Field, FieldType, KeyField, KeyForm, KeyTuple, Record, RecordId, Schema, Side,
    Value,
};

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
        // Lower case alone: that is what E1.4 says of addresses, and what applications keep.
        KeyForm::Email => text.trim().nfc().collect::<String>().to_lowercase(),
        KeyForm::Domain => normal_domain(&text),
        KeyForm::Phone => normal_phone(&text),
        KeyForm::Text => folded(&text.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    (!normal.is_empty()).then_some(normal)
}

fn normal_domain(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let host = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let bare = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    // What is no domain name is still compared, as it is written.
    idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_owned())
}

fn normal_phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(international) if !text.trim_start().starts_with('+') => international.to_owned(),
        _ => digits,
    }
}

/// A part of a key by which one application finds what has the same value in the other.
#[derive(Clone, Copy, Debug)]
pub struct AskedKey<'a> {
    /// The field of the seeking side.
    pub own: &'a KeyField,
    /// The field that is looked up.
    pub field: &'a Field,
}

/// Returns the part of `tuple` by which records are looked up on `side`, a unique one if there is such: its values can
/// be asked for as the other side has them. Phones cannot, since nobody knows how they are written there.
pub fn key_to_ask<'a>(tuple: &'a KeyTuple, side: Side, [left, right]: [&'a Schema; 2]) -> Option<AskedKey<'a>> {
    let (there, here) = side.pick((left, right), (right, left));
    let is_text = |kind: FieldType| matches!(kind, FieldType::Text | FieldType::Choice);
    let parts = tuple.fields(side.other()).iter().zip(tuple.fields(side));
    let askable = parts.filter(|(_, key)| key.form != KeyForm::Phone).filter_map(|(own, key)| {
        let (kind, field) = (here.field(&own.field)?.kind, there.field(&key.field)?);
        let fits = kind == field.kind || (is_text(kind) && is_text(field.kind));
        (fits && field.can_be_asked()).then_some(AskedKey { own, field })
    });
    askable.min_by_key(|key| !key.field.traits.unique)
}

/// What the group means for one of its free records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The one counterpart.
    Match(RecordId, Option<Chosen>),
    /// More than one on either side, or the one is taken; the others are listed.
    Ambiguous {
        /// The other records of its own side.
        same_side: Vec<RecordId>,
        /// The records of the other side.
        other_side: Vec<RecordId>,
    },
    /// Nobody on the other side has this key, and on its own side it stands for all that have it.
    Alone(Option<Chosen>),
}

/// Decides for the free record `id` of `side` in a group (E1.5): matched only if it stands for its side, and what stands
/// for the other one is not taken. Under [`Doubles::Hold`] only an only record stands for its side.
pub fn judge(doubles: Doubles, side: Side, id: &RecordId, left: &[Candidate], right: &[Candidate]) -> Verdict {
    let (own, other) = side.pick((left, right), (right, left));
    let others = |candidates: &[Candidate], than: &RecordId| -> Vec<RecordId> {
        candidates.iter().map(|candidate| candidate.id.clone()).filter(|one| one != than).collect()
    };
    let stands = doubles.speaker(own).is_some_and(|speaker| speaker.id == *id);
    let speaker = doubles.speaker(other);
    let chosen = || {
        let losers = |on: Side| match speaker {
            _ if on == side => others(own, id),
            Some(speaker) => others(other, &speaker.id),
            None => Vec::new(),
        };
        let (left, right) = (losers(Side::Left), losers(Side::Right));
        (!left.is_empty() || !right.is_empty()).then_some(Chosen { by: doubles, left, right })
    };
    match speaker {
        None if stands && other.is_empty() => Verdict::Alone(chosen()),
        Some(speaker) if stands && speaker.claim != Claim::Taken => Verdict::Match(speaker.id.clone(), chosen()),
        _ => Verdict::Ambiguous {
            same_side: others(own, id),
            other_side: other.iter().map(|candidate| candidate.id.clone()).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FieldName, Traits};

    /// `mail:text`, `code:integer!`, `stage:choice?`: unique with a mark, findable with a question mark.
    fn schema(text: &str) -> Schema {
        let field = |word: &str| {
            let (name, kind) = word.trim_end_matches(['!', '?']).split_once(':').expect("it has a type");
            let kind = match kind {
                "choice" => FieldType::Choice,
                "integer" => FieldType::Integer,
                _ => FieldType::Text,
            };
            let traits = Traits { unique: word.ends_with('!'), findable: word.ends_with('?'), ..Traits::default() };
            Field { traits, ..Field::new(name, kind) }
        };
        Schema { fields: text.split_whitespace().map(field).collect(), fingerprint: String::new() }
    }

    #[test]
    fn e1_2_e1_7_what_a_key_is_looked_up_by_can_be_asked_as_the_other_side_has_it() {
        let cases = [
            ("mail:text code:integer", "mail:text? code:integer!", Some("code")),
            // A unique field of another type would be asked for nothing at all.
            ("mail:text code:text", "mail:text? code:integer!", Some("mail")),
            ("mail:choice code:text", "mail:text? code:integer!", Some("mail")),
            ("mail:text code:text", "mail:text code:integer!", None),
            ("phone:text mail:text", "phone:text! mail:text?", Some("mail")),
            ("phone:text", "phone:text!", None),
            ("mail:text", "mail:text", None),
            ("mail:text code:text", "mail:text? code:text?", Some("mail")),
        ];
        for (left, right, expected) in cases {
            let keys = |text: &str| -> Vec<KeyField> {
                let names = text.split_whitespace().filter_map(|word| word.split(':').next());
                let form = |name: &str| if name == "phone" { KeyForm::Phone } else { KeyForm::Text };
                names.map(|name| KeyField { field: FieldName::from(name), form: form(name) }).collect()
            };
            let tuple = KeyTuple { left: keys(left), right: keys(right) };
            let (here, there) = (schema(left), schema(right));
            let found = key_to_ask(&tuple, Side::Right, [&here, &there]).map(|key| key.field.name.to_string());
            assert_eq!(found.as_deref(), expected, "{left} in {right}");
            let turned = KeyTuple { left: tuple.right.clone(), right: tuple.left.clone() };
            let found = key_to_ask(&turned, Side::Left, [&there, &here]).map(|key| key.own.field.to_string());
            assert_eq!(found.as_deref(), expected, "turned round: {left} in {right}");
        }
    }

    /// `a`, `b+2-7`: created at 2 and changed at 7; a star marks a record that is paired, a question mark one that a
    /// create with an unknown outcome is under way for.
    fn candidates(text: &str) -> Vec<Candidate> {
        let time = |text: &str| text.parse().ok();
        let candidate = |word: &str| {
            let claim = match word.chars().last() {
                Some('*') => Claim::Taken,
                Some('?') => Claim::Creating,
                _ => Claim::Free,
            };
            let (id, times) = word.trim_end_matches(['*', '?']).split_once('+').unwrap_or((word, ""));
            let (created, modified) = times.split_once('-').unwrap_or((times, ""));
            Candidate {
                id: RecordId::new(id.trim_end_matches(['*', '?'])),
                claim,
                created_at: time(created),
                modified_at: time(modified),
            }
        };
        text.split_whitespace().map(candidate).collect()
    }

    fn say(verdict: Verdict) -> String {
        let list = |ids: &[RecordId]| ids.iter().map(|id| format!(" {id}")).collect::<String>();
        let why = |chosen: Option<Chosen>| chosen.map(|chosen| format!(", {}", chosen.describe())).unwrap_or_default();
        match verdict {
            Verdict::Alone(chosen) => format!("alone{}", why(chosen)),
            Verdict::Match(id, chosen) => format!("match {id}{}", why(chosen)),
            Verdict::Ambiguous { same_side, other_side } => {
                format!("ambiguous{} |{}", list(&same_side), list(&other_side))
            }
        }
    }

    #[test]
    fn e1_5_only_a_mutual_single_candidate_pairs() {
        let cases = [
            ("a", "", "alone"),
            ("a", "b", "match b"),
            ("a", "b?", "match b"),
            ("a", "b*", "ambiguous | b"),
            ("a", "b+1-1 c+2-2", "ambiguous | b c"),
            ("a c", "b", "ambiguous c | b"),
            ("a c", "", "ambiguous c |"),
            ("a c*", "b*", "ambiguous c | b"),
            ("a c*", "b", "ambiguous c | b"),
        ];
        for (left, right, expected) in cases {
            let id = RecordId::from("a");
            let (left, right) = (candidates(left), candidates(right));
            assert_eq!(say(judge(Doubles::Hold, Side::Left, &id, &left, &right)), expected, "{left:?} / {right:?}");
            assert_eq!(say(judge(Doubles::Hold, Side::Right, &id, &right, &left)), expected, "mirrored");
        }
    }

    #[test]
    fn e1_5_the_oldest_or_the_most_recently_updated_stands_for_its_side() {
        use Doubles::{Newest, Oldest};
        let cases = [
            (Oldest, "a", "b", "match b"),
            (Oldest, "a", "b+1-9 c+2-8", "match b, the oldest of 2 on the right with its key"),
            (Newest, "a", "b+1-9 c+2-8", "match b, the most recently updated of 2 on the right with its key"),
            (Newest, "a", "b+1-7 c+2-8", "match c, the most recently updated of 2 on the right with its key"),
            (Oldest, "a+1 d+2", "b+4 c+3", "match c, the oldest of 2 on the left and of 2 on the right with its key"),
            (Oldest, "a+1 d+2", "", "alone, the oldest of 2 on the left with its key"),
            // The one that lost is paired with nobody and created nowhere.
            (Oldest, "a+3 d+2", "b", "ambiguous d | b"),
            (Oldest, "a+3 d+2", "", "ambiguous d |"),
            // Without a time, or with the same one, nobody can tell.
            (Oldest, "a", "b+1 c", "ambiguous | b c"),
            (Newest, "a", "b+1 c+2", "ambiguous | b c"),
            (Oldest, "a", "b+1 c+1 e+2", "ambiguous | b c e"),
            // Who has a counterpart stands for its side, whatever the times say by now.
            (Newest, "a+1-9 d+1-2*", "b+1-1*", "ambiguous d | b"),
            (Newest, "a+1-9 d+1-2*", "b+1-1", "ambiguous d | b"),
            (Newest, "a+1-9", "b+1-1* c+1-2", "ambiguous | b c"),
            (Newest, "a+1-9 d+1-2?", "", "ambiguous d |"),
            (Newest, "a+1-2? d+1-9", "b+1-1", "match b, the most recently updated of 2 on the left with its key"),
            (Oldest, "a", "b* c*", "ambiguous | b c"),
        ];
        for (doubles, left, right, expected) in cases {
            let id = RecordId::from("a");
            let (left, right) = (candidates(left), candidates(right));
            assert_eq!(say(judge(doubles, Side::Left, &id, &left, &right)), expected, "{left:?} / {right:?}");
            let swapped = expected.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right");
            let expected = if expected.contains("left and") { expected } else { &swapped };
            assert_eq!(say(judge(doubles, Side::Right, &id, &right, &left)), expected, "mirrored");
        }
    }

    #[test]
    fn e1_4_normal_forms() {
        let cases = [
            (KeyForm::Email, "  Ada.L+x@Example.ORG ", Some("ada.l+x@example.org")),
            (KeyForm::Email, "   ", None),
            (KeyForm::Domain, "https://WWW.Example.org/path", Some("example.org")),
            (KeyForm::Domain, "www.example.org.", Some("example.org")),
            (KeyForm::Domain, "http://B\u{fc}cher.example:8080?q#f", Some("xn--bcher-kva.example")),
            (KeyForm::Domain, "bu\u{308}cher.example", Some("xn--bcher-kva.example")),
            (KeyForm::Domain, "xn--bcher-kva.EXAMPLE", Some("xn--bcher-kva.example")),
            (KeyForm::Domain, "not a domain", Some("not a domain")),
            (KeyForm::Domain, " www. ", None),
            (KeyForm::Email, "E\u{301}va@x.org", Some("\u{e9}va@x.org")),
            (KeyForm::Phone, "+33 (1) 23-45", Some("3312345")),
            (KeyForm::Phone, "", None),
            (KeyForm::Text, " \t\n ", None),
            (KeyForm::Phone, "0033 12345", Some("3312345")),
            (KeyForm::Phone, "call me", None),
            (KeyForm::Text, " Ada\t Lovelace ", Some("ada lovelace")),
            (KeyForm::Text, "E\u{301}cole", Some("\u{e9}cole")),
            (KeyForm::Text, "  Gro\u{df}e\u{a0} Stra\u{1e9e}e ", Some("grosse strasse")),
            (
                KeyForm::Text,
                "\u{39f}\u{394}\u{3a5}\u{3a3}\u{3a3}\u{395}\u{3a5}\u{3a3}",
                Some("\u{3bf}\u{3b4}\u{3c5}\u{3c3}\u{3c3}\u{3b5}\u{3c5}\u{3c3}"),
            ),
            (KeyForm::Text, "\u{130}pek", Some("i\u{307}pek")),
            (KeyForm::Text, "\u{fb01}n", Some("fin")),
        ];
        for (form, text, expected) in cases {
            assert_eq!(normal_form(&Value::Text(text.into()), form).as_deref(), expected, "{form:?} {text:?}");
        }
        assert_eq!(normal_form(&Value::Clear, KeyForm::Text), None);
    }

    #[test]
    fn e1_4_a_blank_key_or_part_of_one_never_matches() {
        let record = |email: Option<Value>, name: &str| Record {
            id: RecordId::from("1"),
            version: None,
            created_at: None,
            modified_at: None,
            columns: crate::Columns::new([FieldName::from("email"), FieldName::from("name")]),
            cells: vec![email, Some(Value::Text(name.to_owned()))],
        };
        let key = |field: &str, form| KeyField { field: FieldName::from(field), form };
        let tuple = [key("email", KeyForm::Email), key("name", KeyForm::Text)];
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for blank in [record(Some(Value::Clear), "Ada"), record(text("  "), "Ada"), record(text("a@x"), " ")] {
            assert_eq!(key_digest(&blank, &tuple), None, "{blank:?}");
        }
        assert_eq!(key_digest(&record(None, "Ada"), &tuple), None, "what is unknown is no key either");
        let digest = |email: &str, name: &str| key_digest(&record(text(email), name), &tuple);
        assert!(digest("a@x", "Ada").is_some());
        assert_eq!(digest(" A@X", "ada"), digest("a@x", "Ada "));
        assert_ne!(digest("a@x", "Ada"), digest("b@x", "Ada"));
    }
}
