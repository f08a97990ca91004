//! What references are called on the other side, and how several of them are merged (E10.1).
//!
//! Invariant: a reference without counterpart waits: it is carried over to nobody, nobody takes it away, and no base
//! holds it.
//! Not here: who is whose counterpart (the runner asks the pairs of another sync, or a replica).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Endpoint, FieldName, Mapping, ObjectName, Reason, Reference, Side, SyncName, Unfit, Value};

/// Names of references that one message holds at the most.
const NAMED_MAX: usize = 5;

/// How the references of a mapping are translated: the first route of their object counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The object that left references lead to.
    pub left: ObjectName,
    /// The object that right references lead to.
    pub right: ObjectName,
    /// Who knows which of their records belong together.
    pub way: Way,
}

impl Route {
    /// Returns the object that references of `side` lead to.
    pub fn object(&self, side: Side) -> &ObjectName {
        side.pick(&self.left, &self.right)
    }
}

/// Who knows which records belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The pairs of a sync.
    Pairs {
        /// Which.
        sync: SyncName,
        /// The side on which it has the records that left references lead to.
        left_is: Side,
    },
    /// A key that exactly one record of each replica has.
    Key {
        /// Where left references lead.
        left: Endpoint,
        /// The fields of the key there, by which a sync matches these records.
        left_key: Vec<FieldName>,
        /// Where right references lead.
        right: Endpoint,
        /// The fields of the key there, by which a sync matches these records.
        right_key: Vec<FieldName>,
    },
}

/// A record as each side refers to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joined {
    /// On the left.
    pub left: Reference,
    /// On the right.
    pub right: Reference,
}

impl Joined {
    fn on(&self, side: Side) -> &Reference {
        side.pick(&self.left, &self.right)
    }
}

/// The references of one mapping that have a counterpart; every other one waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    left: BTreeMap<Reference, Joined>,
    right: BTreeMap<Reference, Joined>,
}

/// The references on which both sides agree, as each of them has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// On the left.
    pub left: Value,
    /// On the right.
    pub right: Value,
}

impl Linked {
    /// Returns those of `side`.
    pub fn side(&self, side: Side) -> &Value {
        side.pick(&self.left, &self.right)
    }

    /// Returns what `side` agrees on where `sent` was to be written and `stored` now stands there.
    pub fn as_stored(&self, side: Side, sent: &Value, stored: &Value) -> Value {
        let agreed: BTreeSet<&Reference> = references(self.side(side)).iter().collect();
        let waits: BTreeSet<&Reference> =
            references(sent).iter().filter(|reference| !agreed.contains(reference)).collect();
        list(references(stored).iter().filter(|reference| !waits.contains(reference)).cloned())
    }
}

impl Links {
    /// Notes whom a reference of `side` means.
    pub fn add(&mut self, side: Side, reference: Reference, joined: Joined) {
        // What is made of it is known by that name too.
        self.left.insert(joined.left.clone(), joined.clone());
        self.right.insert(joined.right.clone(), joined.clone());
        side.pick(&mut self.left, &mut self.right).insert(reference, joined);
    }

    /// Returns what is known of these references alone.
    pub fn only(&self, references: impl IntoIterator<Item = (Side, Reference)>) -> Links {
        let mut links = Links::default();
        for (side, reference) in references {
            if let Some(joined) = self.joined(side, &reference).cloned() {
                links.add(side, reference, joined);
            }
        }
        links
    }

    /// True if a reference of `side` has a counterpart.
    pub fn has(&self, side: Side, reference: &Reference) -> bool {
        self.joined(side, reference).is_some()
    }

    fn joined(&self, side: Side, reference: &Reference) -> Option<&Joined> {
        side.pick(&self.left, &self.right).get(reference)
    }

    fn keys<'a>(&'a self, side: Side, value: &Value) -> BTreeSet<&'a Joined> {
        references(value).iter().filter_map(|reference| self.joined(side, reference)).collect()
    }

    /// Returns the references of a value of `side` that have no counterpart.
    pub fn waiting<'a>(&self, side: Side, value: &'a Value) -> Vec<&'a Reference> {
        references(value).iter().filter(|reference| self.joined(side, reference).is_none()).collect()
    }

    /// Returns the value of `source` as `target` would have it, where `now` stands there; with `keeps` what `now` has
    /// and the other side cannot know stays. A value that is all unknown waits as a whole.
    pub fn image(&self, target: Side, source: &Value, now: Option<&Value>, keeps: bool) -> Result<Value, Unfit> {
        let keys = self.keys(target.other(), source);
        if keys.is_empty() && !source.is_blank() {
            return Err(waits(&self.waiting(target.other(), source)));
        }
        Ok(self.with(target, now.unwrap_or(&Value::Clear), &keys, keeps))
    }

    /// Makes the value of `side` that refers to `keys`, in the words of `now` where it has some.
    fn with(&self, side: Side, now: &Value, keys: &BTreeSet<&Joined>, keeps: bool) -> Value {
        let stays = |reference: &&Reference| match self.joined(side, reference) {
            Some(joined) => keys.contains(joined),
            None => keeps,
        };
        let there = self.keys(side, now);
        let kept = references(now).iter().filter(stays).cloned();
        let new = keys.iter().filter(|key| !there.contains(*key)).map(|key| key.on(side).clone());
        list(kept.chain(new))
    }

    /// Merges both sides as sets against what they agreed on (E2.7); none if one of them waits as a whole, since nobody
    /// can tell then whether what it lacks was taken away or replaced.
    pub(crate) fn merged(&self, now: [&Value; 2], base: [&Value; 2]) -> Option<[Value; 2]> {
        let of = |values: [&Value; 2]| [self.keys(Side::Left, values[0]), self.keys(Side::Right, values[1])];
        let [left, right] = of(now);
        let [left_base, right_base] = of(base);
        // A counterpart that is another one now was never agreed on.
        let agreed: BTreeSet<&Joined> = left_base.intersection(&right_base).copied().collect();
        let is_replaced =
            |keys: &BTreeSet<&Joined>, value: &Value| keys.is_empty() && !value.is_blank() && !agreed.is_empty();
        if is_replaced(&left, now[0]) || is_replaced(&right, now[1]) {
            return None;
        }
        let stays = |key: &&Joined| match agreed.contains(key) {
            true => left.contains(key) && right.contains(key),
            false => true,
        };
        let all: BTreeSet<&Joined> = left.union(&right).copied().filter(|key| stays(key)).collect();
        Some([self.with(Side::Left, now[0], &all, true), self.with(Side::Right, now[1], &all, true)])
    }

    /// Returns what `left` and `right` have in common.
    pub(crate) fn agreed(&self, left: &Value, right: &Value) -> Linked {
        let (left_keys, right_keys) = (self.keys(Side::Left, left), self.keys(Side::Right, right));
        let both: BTreeSet<&Joined> = left_keys.intersection(&right_keys).copied().collect();
        let only = |side: Side, value: &Value| {
            let is_common = |reference: &&Reference| self.joined(side, reference).is_some_and(|it| both.contains(it));
            list(references(value).iter().filter(is_common).cloned())
        };
        Linked { left: only(Side::Left, left), right: only(Side::Right, right) }
    }
}

/// Says which references have no counterpart yet.
pub(crate) fn waits(references: &[&Reference]) -> Unfit {
    let named: Vec<String> =
        references.iter().take(NAMED_MAX).map(|reference| format!("{}/{}", reference.target, reference.id)).collect();
    let more = match references.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if references.len() == 1 { "has" } else { "have" };
    let detail = format!("{}{more} {verb} no counterpart yet", named.join(", "));
    Unfit { reason: Reason::ReferenceWaiting, detail }
}

/// Says that a field of `side` cannot hold so many values (E10.2).
pub fn too_many(mapping: &Mapping, side: Side, value: &Value) -> Option<Unfit> {
    let count = match value {
        Value::References(list) => list.len(),
        Value::Choices(list) | Value::Texts(list) => list.len(),
        _ => return None,
    };
    let max = mapping.values_max(side)?;
    (count > max as usize).then(|| Unfit {
        reason: Reason::TooManyValues,
        detail: format!("{} of the {side} side holds {max} at the most, and these are {count}", mapping.field(side)),
    })
}

/// Returns the references of a value.
pub fn references(value: &Value) -> &[Reference] {
    match value {
        Value::References(list) => list,
        _ => &[],
    }
}

pub(crate) fn list(references: impl Iterator<Item = Reference>) -> Value {
    Value::References(references.collect()).canonical().expect("a list of references is always a value")
}

#[cfg(test)]
mod tests;
