//! `conflict`: who wins when both sides changed one field (E3.1, E3.2), of a sync or of one mapping.

use syncline_core::{ConflictPolicy, Rules, Side, Times, TransformUse};
use syncline_runner::SyncSetup;

use super::length;
use super::mistake::Mistake;
use super::read::{Entry, Item, Reader, Section};
use super::transform::{self, TransformChoice};

/// Who wins.
#[derive(Clone, Debug)]
pub enum ConflictChoice {
    /// A rule, or a person.
    Policy(ConflictPolicy),
    /// A component.
    Resolver(TransformChoice),
}

impl Default for ConflictChoice {
    /// The newer value wins; in doubt the left one.
    fn default() -> Self {
        Self::Policy(ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord })
    }
}

impl ConflictChoice {
    /// Returns the policy as the rules hold it; `use_of` fills in a component's options.
    pub fn policy(&self, use_of: &dyn Fn(&TransformChoice) -> TransformUse) -> ConflictPolicy {
        match self {
            ConflictChoice::Policy(policy) => policy.clone(),
            ConflictChoice::Resolver(resolver) => ConflictPolicy::Resolver(use_of(resolver)),
        }
    }

    /// Returns the component that is asked.
    pub fn resolver(&self) -> Option<&TransformChoice> {
        match self {
            ConflictChoice::Policy(_) => None,
            ConflictChoice::Resolver(resolver) => Some(resolver),
        }
    }
}

/// What a sync says of conflicts.
#[derive(Clone, Debug)]
pub struct Conflicts {
    /// Who wins, where a mapping says nothing else.
    pub choice: ConflictChoice,
    /// Times closer than this do not tell.
    pub skew_tolerance_ms: i64,
    /// How long decided conflicts are kept, with the values that lost.
    pub keep_ms: i64,
}

const DAY_MS: i64 = 86_400_000;

/// Beyond it, "newer" would mean nothing.
const SKEW_TOLERANCE_MS_MAX: i64 = DAY_MS;
const KEEP_MS_MAX: i64 = 10 * 365 * DAY_MS;

impl Default for Conflicts {
    fn default() -> Self {
        Self {
            choice: ConflictChoice::default(),
            skew_tolerance_ms: Rules::SKEW_TOLERANCE_MS,
            keep_ms: SyncSetup::KEEP_CONFLICTS_MS,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
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

/// Reads what a sync says: a table, or the word of a policy alone.
pub(super) fn read_sync(reader: &mut Reader, item: &Item<'_>) -> Conflicts {
    let mut conflicts = Conflicts::default();
    if item.get_ref().is_str() {
        conflicts.choice = word_alone(reader, item).unwrap_or_default();
        return conflicts;
    }
    let Some(mut section) = reader.section(item, "`conflict`") else { return conflicts };
    let mut length = |key: &'static str, max_ms| {
        let entry = section.take(key)?;
        length::read(reader, entry.value, &format!("`{key}`"), max_ms)
    };
    let skew_tolerance_ms = length("skew_tolerance", SKEW_TOLERANCE_MS_MAX);
    let keep_ms = length("keep", KEEP_MS_MAX);
    conflicts.choice = table(reader, item, section).unwrap_or_default();
    conflicts.skew_tolerance_ms = skew_tolerance_ms.unwrap_or(conflicts.skew_tolerance_ms);
    conflicts.keep_ms = keep_ms.unwrap_or(conflicts.keep_ms);
    conflicts
}

/// Reads what a mapping says: a table, or the word of a policy alone.
pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<ConflictChoice> {
    if item.get_ref().is_str() {
        return word_alone(reader, item);
    }
    let section = reader.section(item, "`conflict`")?;
    table(reader, item, section)
}

fn word_alone(reader: &mut Reader, item: &Item<'_>) -> Option<ConflictChoice> {
    match reader.word(item, "conflict policy", &POLICIES)? {
        Policy::Newest => Some(ConflictChoice::default()),
        Policy::Prefer(side) => Some(ConflictChoice::Policy(ConflictPolicy::Prefer(side))),
        Policy::Manual => Some(ConflictChoice::Policy(ConflictPolicy::Manual)),
        Policy::Resolver => {
            let mistake = Mistake::new(&item.span(), "it is not said which resolver decides");
            reader.wrong(mistake.mend("write { policy = \"resolver\", resolver = \"NAME\" }"));
            None
        }
    }
}

fn table(reader: &mut Reader, item: &Item<'_>, mut section: Section<'_>) -> Option<ConflictChoice> {
    let policy_entry = section.take("policy");
    let [in_doubt_entry, times_entry, resolver_entry] = ["in_doubt", "times", "resolver"].map(|key| section.take(key));
    section.finish(reader, &[]);
    let policy = match &policy_entry {
        Some(entry) => reader.word(entry.value, "conflict policy", &POLICIES),
        None => Some(Policy::Newest),
    };
    if policy != Some(Policy::Resolver) {
        only_with(reader, resolver_entry.as_ref(), policy, "resolver");
    }
    if policy != Some(Policy::Newest) {
        only_with(reader, in_doubt_entry.as_ref(), policy, "newest");
        only_with(reader, times_entry.as_ref(), policy, "newest");
    }
    let sides = [("left", Side::Left), ("right", Side::Right)];
    let in_doubt = in_doubt_entry.map_or(Some(Side::Left), |entry| reader.word(entry.value, "side", &sides));
    let times = [("field", Times::Field), ("record", Times::FieldElseRecord)];
    let times =
        times_entry.map_or(Some(Times::FieldElseRecord), |entry| reader.word(entry.value, "source of times", &times));
    match policy? {
        Policy::Newest => Some(ConflictChoice::Policy(ConflictPolicy::Newest { in_doubt: in_doubt?, times: times? })),
        Policy::Prefer(side) => Some(ConflictChoice::Policy(ConflictPolicy::Prefer(side))),
        Policy::Manual => Some(ConflictChoice::Policy(ConflictPolicy::Manual)),
        Policy::Resolver => match resolver_entry {
            Some(entry) => transform::read(reader, entry.value).map(ConflictChoice::Resolver),
            None => word_alone(reader, policy_entry.as_ref().map_or(item, |entry| entry.value)),
        },
    }
}

/// Says that a key means nothing under the policy that is set.
fn only_with(reader: &mut Reader, entry: Option<&Entry<'_>>, policy: Option<Policy>, word: &str) {
    if let (Some(entry), Some(_)) = (entry, policy) {
        let message = format!("`{}` means something only with `policy = \"{word}\"`", entry.key);
        reader.wrong(Mistake::new(&entry.key_place, message).mend("take it out, or change the policy"));
    }
}
