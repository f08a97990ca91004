//! `conflict`: who wins when both sides changed one field (E3.1, E3.2).

use syncline_core::{ConflictPolicy, Side, Times};

use super::mistake::Mistake;
use super::read::{Item, Reader};

/// The newer value wins; in doubt the left one.
pub const DEFAULT: ConflictPolicy = ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord };

#[derive(Clone, Copy)]
enum Policy {
    Newest,
    Prefer(Side),
    Manual,
    Resolver,
}

const POLICIES: [(&str, Policy); 5] = [
    ("newest", Policy::Newest),
    ("left", Policy::Prefer(Side::Left)),
    ("right", Policy::Prefer(Side::Right)),
    ("manual", Policy::Manual),
    ("resolver", Policy::Resolver),
];

/// Reads a policy: a table, or its word alone.
pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<ConflictPolicy> {
    if item.get_ref().is_str() {
        let policy = reader.word(item, "conflict policy", &POLICIES)?;
        return settle(reader, item, policy, Side::Left, Times::FieldElseRecord);
    }
    let mut section = reader.section(item, "`conflict`")?;
    let policy_entry = section.take("policy");
    let in_doubt_entry = section.take("in_doubt");
    let times_entry = section.take("times");
    section.finish(reader, &["resolver", "skew_tolerance"]);
    let policy = match &policy_entry {
        Some(entry) => reader.word(entry.value, "conflict policy", &POLICIES),
        None => Some(Policy::Newest),
    };
    if policy.is_some_and(|policy| !matches!(policy, Policy::Newest)) {
        for entry in [&in_doubt_entry, &times_entry].into_iter().flatten() {
            let mistake = Mistake::new(
                &entry.key_place,
                format!("`{}` means something only with `policy = \"newest\"`", entry.key),
            );
            reader.wrong(mistake.mend("take it out, or change the policy"));
        }
    }
    let sides = [("left", Side::Left), ("right", Side::Right)];
    let in_doubt = in_doubt_entry.map(|entry| reader.word(entry.value, "side", &sides));
    let times = [("field", Times::Field), ("record", Times::FieldElseRecord)];
    let times = times_entry.map(|entry| reader.word(entry.value, "source of times", &times));
    let place = policy_entry.as_ref().map_or(item, |entry| entry.value);
    let in_doubt = in_doubt.unwrap_or(Some(Side::Left));
    let times = times.unwrap_or(Some(Times::FieldElseRecord));
    settle(reader, place, policy?, in_doubt?, times?)
}

fn settle(
    reader: &mut Reader,
    item: &Item<'_>,
    policy: Policy,
    in_doubt: Side,
    times: Times,
) -> Option<ConflictPolicy> {
    match policy {
        Policy::Newest => Some(ConflictPolicy::Newest { in_doubt, times }),
        Policy::Prefer(side) => Some(ConflictPolicy::Prefer(side)),
        Policy::Manual => Some(ConflictPolicy::Manual),
        Policy::Resolver => {
            let mistake = Mistake::new(&item.span(), "conflict resolvers are not supported yet");
            reader.wrong(mistake.mend("use `newest`, `left`, `right` or `manual`"));
            None
        }
    }
}
