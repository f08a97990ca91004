//! Merges fields of several values as sets: what was added and taken away on each side since both last agreed (E2.7).
//!
//! Invariant: what one side added and the other did not take away is on both sides afterwards; what one side took away
//! and the other did not add again is on neither. The order of each side stays, and what is new follows at its end.

use std::collections::BTreeSet;

use crate::{KeyForm, Value, normal_form};

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

fn canonical(list: Value) -> Value {
    list.canonical().expect("a list of entries that were canonical is one")
}

/// Returns the entries of `list` that `others` does not hold, in their order.
fn without(list: &Value, others: &Value, form: Option<KeyForm>) -> Value {
    let known: BTreeSet<String> = texts(others).into_iter().map(|text| sameness(text, form)).collect();
    let rest = texts(list).into_iter().filter(|text| !known.contains(&sameness(text, form))).map(str::to_owned);
    let rest = match list {
        Value::Texts(_) => Value::Texts(rest.collect()),
        _ => Value::Choices(rest.collect()),
    };
    canonical(rest)
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
