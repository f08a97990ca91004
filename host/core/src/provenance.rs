//! Where values came from, for syncs in a circle (E6.5): what one side got from the other, by whatever way, is no edit
//! that the other has yet to see.
//!
//! Not here: where this is kept (the runner), what follows from it for a field (`merge`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FieldName, Instant, RecordId, Side, Value};

/// Steps of a way that are kept; more than there are endpoints in a circle that people build.
const ORIGINS_MAX: usize = 16;

/// A field of a record that held a value before another one got it from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The number of the endpoint.
    pub endpoint: u32,
    /// The record.
    pub record: RecordId,
    /// The field.
    pub field: FieldName,
    /// The fingerprint of what it held then.
    pub value: u64,
}

/// Where the value of a field came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The field.
    pub field: FieldName,
    /// The fingerprint of the value that this is about; of any other it says nothing.
    pub value: u64,
    /// When it was entered, as far as its application tells: not when a sync wrote it.
    pub entered: Option<Instant>,
    /// The way it came, the last step first.
    pub origins: Vec<Origin>,
}

/// The way of a value that is planned to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The side that is written.
    pub side: Side,
    /// The field that is written.
    pub field: FieldName,
    /// When the value was entered.
    pub entered: Option<Instant>,
    /// The way, the last step first.
    pub origins: Vec<Origin>,
}

impl Passage {
    /// Makes the way of a value that is taken from `source`, which was changed at that time and of whose value `known` may
    /// tell where it came from.
    pub fn from(
        (source, changed): (Origin, Option<Instant>),
        known: Option<&Provenance>,
        (side, field): (Side, &FieldName),
    ) -> Self {
        let known = known.filter(|known| known.value == source.value);
        let earlier = known.map_or(&[][..], |known| &known.origins);
        let entered = known.map_or(changed, |known| known.entered);
        let mut origins: Vec<Origin> = Vec::new();
        for origin in std::iter::once(&source).chain(earlier) {
            let place = |it: &Origin| (it.endpoint, it.record.clone(), it.field.clone());
            if !origins.iter().any(|nearer| place(nearer) == place(origin)) {
                origins.push(origin.clone());
            }
        }
        origins.truncate(ORIGINS_MAX);
        Self { side, field: field.clone(), entered, origins }
    }
}

/// A value of one side that came from the same mapping's field of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The side that got it.
    pub side: Side,
    /// True if the other side still holds what it held then; if not, that was replaced there since.
    pub holds: bool,
    /// True if it came by way of others: what a sync of just these two wrote, its rules answer for.
    pub is_detour: bool,
}

/// What came round, by mapping.
pub type Rounds = BTreeMap<usize, Round>;

/// One side of a mapping in a pair.
#[derive(Clone, Debug)]
pub struct Holder<'a> {
    /// The number of its endpoint.
    pub endpoint: u32,
    /// The record, and the ids that it had before.
    pub records: Vec<&'a RecordId>,
    /// The field.
    pub field: &'a FieldName,
    /// What the field holds, if that is known.
    pub value: Option<&'a Value>,
    /// Where that came from.
    pub provenance: Option<&'a Provenance>,
}

impl Holder<'_> {
    /// Returns the step of the way that is `other`, and how many steps ago it was.
    fn came_from(&self, other: &Holder<'_>) -> Option<(usize, &Origin)> {
        self.provenance?.origins.iter().enumerate().find(|(_, origin)| {
            origin.endpoint == other.endpoint && origin.field == *other.field && other.records.contains(&&origin.record)
        })
    }
}

/// Tells whether one side of a mapping got its value from the other.
///
/// Where each has something that the other held once, neither is known to be the newer: then nothing is told.
pub fn round(left: &Holder<'_>, right: &Holder<'_>) -> Option<Round> {
    let (side, (steps, origin), other) = match (left.came_from(right), right.came_from(left)) {
        (Some(origin), None) => (Side::Left, origin, right),
        (None, Some(origin)) => (Side::Right, origin, left),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let holds = other.value.is_some_and(|value| value.fingerprint() == origin.value);
    Some(Round { side, holds, is_detour: steps > 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    fn origin(endpoint: u32, value: &str) -> Origin {
        Origin { endpoint, record: RecordId::new("1"), field: "name".into(), value: text(value).fingerprint() }
    }

    fn endpoints(origins: &[Origin]) -> Vec<u32> {
        origins.iter().map(|origin| origin.endpoint).collect()
    }

    #[test]
    fn e6_5_a_way_goes_on_only_with_the_value_that_it_is_about_and_names_each_place_once() {
        let target = (Side::Right, &FieldName::from("name"));
        let known = |value: &str, origins: Vec<Origin>| Provenance {
            field: "name".into(),
            value: text(value).fingerprint(),
            entered: Some(5),
            origins,
        };
        let cases = [
            (None, vec![2]),
            (Some(known("ada", vec![origin(1, "ada")])), vec![2, 1]),
            (Some(known("eve", vec![origin(1, "eve")])), vec![2]),
            (Some(known("ada", vec![origin(1, "ada"), origin(2, "Ada"), origin(3, "ada")])), vec![2, 1, 3]),
        ];
        for (known, expected) in cases {
            let passage = Passage::from((origin(2, "ada"), Some(9)), known.as_ref(), target);
            assert_eq!(endpoints(&passage.origins), expected, "{known:?}");
            let entered = if expected.len() > 1 { 5 } else { 9 };
            assert_eq!(passage.entered, Some(entered), "{known:?}: not when a sync wrote it");
            assert_eq!(passage.origins[0], origin(2, "ada"), "the last step is the newest");
        }
        let long = known("ada", (10..100).map(|endpoint| origin(endpoint, "ada")).collect());
        let passage = Passage::from((origin(2, "ada"), None), Some(&long), target);
        assert_eq!(endpoints(&passage.origins)[..3], [2, 10, 11]);
        assert_eq!(passage.origins.len(), ORIGINS_MAX);
    }

    #[test]
    fn e6_5_a_side_got_its_value_from_the_other_if_record_field_and_endpoint_are_the_same() {
        let ids = ["1", "before", "2"].map(RecordId::new);
        let (name, nick) = (FieldName::from("name"), FieldName::from("nick"));
        let now = [text("ada"), text("eve")];
        let from = |origins: Vec<Origin>| Provenance { field: "name".into(), value: 0, entered: None, origins };
        let other = |record: &str| Origin { record: RecordId::new(record), ..origin(2, "eve") };
        let round = |left: &[Origin], right: &[Origin], field: &FieldName| {
            let known = [from(left.to_vec()), from(right.to_vec())];
            let left = Holder {
                endpoint: 1,
                records: vec![&ids[0]],
                field: &name,
                value: Some(&now[0]),
                provenance: Some(&known[0]),
            };
            let right = Holder {
                endpoint: 2,
                records: vec![&ids[2], &ids[1]],
                field,
                value: Some(&now[1]),
                provenance: Some(&known[1]),
            };
            round(&left, &right)
        };
        let left = |holds: bool| Some(Round { side: Side::Left, holds, is_detour: false });
        let by_detour = Some(Round { side: Side::Left, holds: true, is_detour: true });
        assert_eq!(round(&[origin(7, "ada"), other("2")], &[], &name), by_detour);
        assert_eq!(round(&[Origin { value: 7, ..other("2") }], &[], &name), left(false), "it was replaced since");
        assert_eq!(round(&[other("before")], &[], &name), left(true), "the record had that id before a merge");
        assert_eq!(round(&[other("3")], &[], &name), None, "another record");
        assert_eq!(round(&[other("2")], &[], &nick), None, "another field");
        assert_eq!(round(&[Origin { endpoint: 3, ..other("2") }], &[], &name), None, "another endpoint");
        assert_eq!(
            round(&[], &[origin(1, "ada")], &name),
            Some(Round { side: Side::Right, holds: true, is_detour: false })
        );
        assert_eq!(round(&[other("2")], &[origin(1, "ada")], &name), None, "each from the other");
    }
}
