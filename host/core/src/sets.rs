//! Merges fields of several values as sets: what was added and taken away on each side since both last agreed (E2.7).
//!
//! Invariant: what one side added and the other did not take away is on both sides afterwards; what one side took away
//! and the other did not add again is on neither. The order of each side stays, and what is new follows at its end.

use std::collections::BTreeSet;

use crate::links::list;
use crate::{KeyForm, Mapping, Reference, Value, normal_form, references};

/// One side of a merge.
pub(crate) struct Entries<'a> {
    /// What stands there.
    pub(crate) now: &'a Value,
    /// What stood there when the sides last agreed; `None`: they never did, and everything was added.
    pub(crate) base: Option<&'a Value>,
}

/// What one side did since the base.
pub(crate) struct Edits {
    /// What it added.
    pub(crate) added: Value,
    /// What it took away.
    pub(crate) removed: Value,
}

/// True if `value` can be merged as a set.
pub(crate) fn is_set(value: &Value) -> bool {
    matches!(value, Value::Clear | Value::Choices(_) | Value::Texts(_))
}

/// Returns what a side did since the base, in the values of that side.
pub(crate) fn edits(side: &Entries<'_>, form: Option<KeyForm>) -> Edits {
    let base = side.base.unwrap_or(&Value::Clear);
    Edits { added: without(side.now, base, form), removed: without(base, side.now, form) }
}

/// Applies the other side's edits, carried over to this side, to what stands here.
pub(crate) fn applied(now: &Value, own: &Edits, other: &Edits, form: Option<KeyForm>) -> Value {
    // What was put there anew since the base is not what the other side took away.
    let removed = without(&other.removed, &own.added, form);
    let kept = without(now, &removed, form);
    let new = without(&other.added, &kept, form);
    let all = texts(&kept).into_iter().chain(texts(&new)).map(str::to_owned).collect();
    let is_texts = [now, &own.removed, &other.added].into_iter().any(|it| matches!(it, Value::Texts(_)));
    canonical(if is_texts { Value::Texts(all) } else { Value::Choices(all) })
}

/// Returns `now` without what a write added and with what it took away, where `before` was replaced by `after`: what was put
/// there or taken away since stays so (E9.6). None of values that are no sets.
pub fn taken_back(mapping: &Mapping, before: &Value, after: &Value, now: &Value) -> Option<Value> {
    let all = [before, after, now];
    if mapping.joins_references() {
        let are_links = all.into_iter().all(|value| matches!(value, Value::Clear | Value::References(_)));
        return are_links.then(|| taken_back_links(references(before), references(after), references(now)));
    }
    all.into_iter().all(is_set).then(|| {
        let since = |now| edits(&Entries { now, base: Some(after) }, mapping.compare);
        applied(now, &since(now), &since(before), mapping.compare)
    })
}

fn taken_back_links(before: &[Reference], after: &[Reference], now: &[Reference]) -> Value {
    let added = |reference: &&Reference| after.contains(reference) && !before.contains(reference);
    let removed = |reference: &&Reference| before.contains(reference) && !after.contains(reference);
    let kept = now.iter().filter(|reference| !added(reference));
    list(kept.chain(before.iter().filter(removed)).cloned())
}

/// Returns each entry of `list` as a list of its own.
pub(crate) fn entries(list: &Value) -> Vec<Value> {
    texts(list).into_iter().map(|text| canonical(like(list, vec![text.to_owned()]))).collect()
}

/// Returns the entries of `list` that are `wanted`, in their order.
pub(crate) fn those(list: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let kept = texts(list).into_iter().zip(entries(list)).filter(|(_, entry)| wanted(entry));
    canonical(like(list, kept.map(|(text, _)| text.to_owned()).collect()))
}

/// A list of the same sort as `list`.
fn like(list: &Value, texts: Vec<String>) -> Value {
    match list {
        Value::Texts(_) => Value::Texts(texts),
        _ => Value::Choices(texts),
    }
}

fn canonical(list: Value) -> Value {
    list.canonical().expect("a list of entries that were canonical is one")
}

/// Returns the entries of `list` that `others` does not hold, in their order.
fn without(list: &Value, others: &Value, form: Option<KeyForm>) -> Value {
    let known: BTreeSet<String> = texts(others).into_iter().map(|text| sameness(text, form)).collect();
    let rest = texts(list).into_iter().filter(|text| !known.contains(&sameness(text, form))).map(str::to_owned);
    canonical(like(list, rest.collect()))
}

/// Two entries are one if they say the same: e-mail addresses in other capitals.
fn sameness(text: &str, form: Option<KeyForm>) -> String {
    form.and_then(|form| normal_form(&Value::Text(text.to_owned()), form)).unwrap_or_else(|| text.to_owned())
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Choices(list) | Value::Texts(list) => list.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FieldName, MappingRule, Route, Side, SyncName, Way};

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn links(text: &str) -> Value {
        list(words(text).into_iter().map(|id| Reference { target: "companies".to_owned(), id }))
    }

    #[test]
    fn e9_6_what_a_write_did_to_a_set_is_taken_back_entry_by_entry() {
        let plain = Mapping::new(FieldName::from("tags"), FieldName::from("tags"), MappingRule::TwoWay);
        let way = Way::Pairs { sync: SyncName::from("companies"), left_is: Side::Left };
        let route = Route { left: "companies".into(), right: "companies".into(), way };
        let linking = Mapping { routes: vec![route], ..plain.clone() };
        // Before the write, after it, now, and then.
        let cases = [
            ("a", "a b", "a b", "a"),
            ("a", "a b", "a b c", "a c"),
            ("a", "a b", "b", ""),
            ("a b", "a", "a c", "a b c"),
            ("a b", "a", "", "b"),
            ("a", "b", "b c", "a c"),
            ("", "a", "a c", "c"),
            ("a", "", "c", "a c"),
            ("a", "a b", "a c", "a c"),
            ("a b", "a", "a b c", "a b c"),
        ];
        for (before, after, now, then) in cases {
            let made = |mapping: &Mapping, make: &dyn Fn(&str) -> Value| {
                assert_eq!(
                    taken_back(mapping, &make(before), &make(after), &make(now)),
                    Some(make(then)),
                    "{before} -> {after}, now {now}"
                );
            };
            made(&plain, &|text| canonical(Value::Choices(words(text))));
            made(&linking, &links);
        }
        let texts = |text: &str| canonical(Value::Texts(words(text)));
        let kept = taken_back(&plain, &texts("b a"), &texts("b"), &texts("z b y"));
        assert_eq!(kept, Some(texts("z b y a")), "the order stays, and what comes back follows");
        let one = Value::Text("a".to_owned());
        assert_eq!(taken_back(&plain, &Value::Clear, &one, &one), None);
    }
}
