//! What stands between a plan and its writes: which deletes wait for a person (E4.5), and which plans are too odd to be
//! carried out unseen (E4.6).
//!
//! Invariant: a digest names one plan: the same changes give the same digest in whatever order they are kept, and any
//! other change gives another.
//! Not here: how a plan is read, held back or released (`guards` of the runner).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ChangeKind, FieldName, PairState, PlanItem, Side};

/// So many percent of all pairs, and more than a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The share, in percent.
    pub percent: u64,
    /// Up to this number a share tells nothing.
    pub above: u64,
}

impl Share {
    /// True if `count` is more than the share of `all`, and more than a few.
    pub fn is_exceeded(self, count: u64, all: u64) -> bool {
        count > self.above && count.saturating_mul(100) > self.percent.saturating_mul(all)
    }
}

/// What a sync's plans are held against; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// Stop if a side has no record although pairs exist.
    pub empty_side: bool,
    /// Stop if a side lists so many records fewer than before.
    pub shrink: Option<Share>,
    /// Stop at so many deletes that nobody has seen yet.
    pub deletes: Option<Share>,
    /// Stop at so many creates after the first run.
    pub creates: Option<Share>,
    /// Stop if one field is emptied in so many records.
    pub blanks: Option<Share>,
    /// More deletes than this always wait for a person.
    pub approval: Share,
    /// True if as many deletes, or fewer, need no person.
    pub auto_approve: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            empty_side: true,
            shrink: Some(Share { percent: 20, above: 10 }),
            deletes: Some(Share { percent: 5, above: 10 }),
            creates: Some(Share { percent: 25, above: 100 }),
            blanks: Some(Share { percent: 5, above: 20 }),
            approval: Share { percent: 1, above: 10 },
            auto_approve: false,
        }
    }
}

impl Guards {
    /// True if so many deletes wait for a person (E4.5).
    pub fn holds(&self, deletes: u64, pairs: u64) -> bool {
        deletes > 0 && (!self.auto_approve || self.approval.is_exceeded(deletes, pairs))
    }
}

/// What a person said about a delete; it counts until the record changes (E4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// Nothing yet.
    Waiting,
    /// Go on.
    Approved,
    /// Leave the record.
    Rejected,
}

/// How an item of a plan stands with the person who is asked about deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It takes nothing away.
    NotAsked,
    /// It does, and nobody has seen that before.
    New,
    /// It does, and waits already.
    Waits,
    /// It does, and a person said so about exactly this delete.
    Ruled(Ruling),
}

/// Says how `item` stands, with the pair in `state`.
pub fn asked(item: &PlanItem, state: &PairState) -> Asked {
    if !item.takes_away() {
        return Asked::NotAsked;
    }
    match state {
        PairState::DeleteWaits { ruling: Ruling::Waiting, .. } => Asked::Waits,
        PairState::DeleteWaits { item: ruled, ruling, .. } if *ruled == item.digest() => Asked::Ruled(*ruling),
        _ => Asked::New,
    }
}

/// The digest of a plan, item by item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanDigest {
    items: u64,
    sum: [u64; 4],
}

impl PlanDigest {
    /// Adds an item by its own digest; the order of items does not matter.
    pub fn add(&mut self, item: &[u8; 16]) {
        self.items += 1;
        let hash = blake3::hash(item);
        for (sum, bytes) in self.sum.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            let lane = bytes.try_into().map_or(0, u64::from_le_bytes);
            *sum = sum.wrapping_add(lane);
        }
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.items.to_le_bytes());
        for lane in self.sum {
            hasher.update(&lane.to_le_bytes());
        }
        f.write_str(&hasher.finalize().to_hex()[..32])
    }
}

/// A plan in the numbers that guards look at; memory does not grow with its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanCount {
    /// The digest of the whole plan.
    pub digest: PlanDigest,
    /// The digest of the deletes that wait, or would have to.
    pub asking: PlanDigest,
    /// Items.
    pub items: u64,
    /// Creates.
    pub creates: u64,
    /// Deletes that nobody has seen yet.
    pub new_deletes: u64,
    /// Deletes that wait already.
    pub waiting_deletes: u64,
    /// Updates that empty a field.
    pub blanks: BTreeMap<(Side, FieldName), u64>,
}

impl PlanCount {
    /// Counts an item; `again` is true if an earlier plan held it, and it was let through then.
    pub fn add(&mut self, item: &PlanItem, asked: Asked, again: bool) {
        let digest = item.digest();
        self.items += 1;
        self.digest.add(&digest);
        match asked {
            Asked::NotAsked | Asked::Ruled(_) => {}
            Asked::New | Asked::Waits => {
                self.asking.add(&digest);
                *(if asked == Asked::New { &mut self.new_deletes } else { &mut self.waiting_deletes }) += 1;
            }
        }
        for change in item.changes.iter().filter(|_| !again) {
            match change.kind {
                ChangeKind::Create => self.creates += 1,
                ChangeKind::Update => {
                    let blanked = change.fields.iter().filter(|field| {
                        field.after.is_blank() && field.before.as_ref().is_some_and(|before| !before.is_blank())
                    });
                    for field in blanked {
                        *self.blanks.entry((change.side, field.field.clone())).or_default() += 1;
                    }
                }
                ChangeKind::Delete | ChangeKind::Archive | ChangeKind::Tag | ChangeKind::Restore { .. } => {}
            }
        }
    }

    /// Returns how many deletes ask for a person.
    pub fn asking_deletes(&self) -> u64 {
        self.new_deletes + self.waiting_deletes
    }
}

/// What is around a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Pairs of two records when the run began.
    pub pairs: u64,
    /// Pairs of two records when the last run that was let through had ended; none before the first.
    pub pairs_before: Option<u64>,
    /// Records that are there, left then right.
    pub live: [u64; 2],
    /// The same when the last run that was let through had ended.
    pub live_before: [u64; 2],
    /// Records in the last complete list of each side.
    pub listed: [Option<u64>; 2],
    /// The same when the last run that was let through had ended.
    pub listed_before: [Option<u64>; 2],
}

/// Why a plan is not carried out unless a person approves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    /// One side has no record although pairs exist.
    EmptySide {
        /// The side.
        side: Side,
        /// Pairs that there were.
        pairs: u64,
    },
    /// One side lists far fewer records than before.
    Shrink {
        /// The side.
        side: Side,
        /// Records before.
        before: u64,
        /// Records now.
        now: u64,
    },
    /// Many deletes.
    Deletes {
        /// How many.
        deletes: u64,
        /// Of how many pairs.
        pairs: u64,
    },
    /// Many creates.
    Creates {
        /// How many.
        creates: u64,
        /// Beside how many pairs.
        pairs: u64,
    },
    /// One field emptied in many records.
    Blanks {
        /// The side that would be written.
        side: Side,
        /// The field.
        field: FieldName,
        /// In how many records.
        blanked: u64,
        /// Of how many pairs.
        pairs: u64,
    },
}

impl Breaker {
    /// Returns its name, as `[syncs.NAME.guards]` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Breaker::EmptySide { .. } => "empty_side",
            Breaker::Shrink { .. } => "shrink",
            Breaker::Deletes { .. } => "deletes",
            Breaker::Creates { .. } => "creates",
            Breaker::Blanks { .. } => "blanks",
        }
    }
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breaker::EmptySide { side, pairs } => write!(f, "the {side} has no record at all, and {pairs} pairs exist"),
            Breaker::Shrink { side, before, now } => {
                write!(f, "the {side} lists {now} records, and listed {before} before")
            }
            Breaker::Deletes { deletes, pairs } => write!(f, "{deletes} deletes, with {pairs} pairs"),
            Breaker::Creates { creates, pairs } => write!(f, "{creates} creates, with {pairs} pairs"),
            Breaker::Blanks { side, field, blanked, pairs } => {
                write!(f, "{field} emptied in {blanked} records of the {side}, with {pairs} pairs")
            }
        }
    }
}

/// Returns the guards that a plan does not pass (E4.6). The first run has nothing to be held against.
pub fn tripped(guards: &Guards, around: &Surroundings, count: &PlanCount) -> Vec<Breaker> {
    let Some(pairs_before) = around.pairs_before else { return Vec::new() };
    let pairs = around.pairs;
    let mut tripped = Vec::new();
    for side in Side::BOTH {
        let at = side.pick(0, 1);
        let none_left = around.live[at] == 0 && around.live_before[at] > 0;
        let listed_none = around.listed[at] == Some(0) && around.listed_before[at] != Some(0);
        if guards.empty_side && pairs_before > 0 && (none_left || listed_none) {
            tripped.push(Breaker::EmptySide { side, pairs: pairs_before });
        } else if let (Some(share), Some(before), Some(now)) =
            (guards.shrink, around.listed_before[at], around.listed[at])
            && share.is_exceeded(before.saturating_sub(now), before)
        {
            tripped.push(Breaker::Shrink { side, before, now });
        }
    }
    let exceeds = |share: Option<Share>, count| share.is_some_and(|share| share.is_exceeded(count, pairs));
    if exceeds(guards.deletes, count.new_deletes) {
        tripped.push(Breaker::Deletes { deletes: count.new_deletes, pairs });
    }
    if exceeds(guards.creates, count.creates) {
        tripped.push(Breaker::Creates { creates: count.creates, pairs });
    }
    for ((side, field), &blanked) in &count.blanks {
        if exceeds(guards.blanks, blanked) {
            tripped.push(Breaker::Blanks { side: *side, field: field.clone(), blanked, pairs });
        }
    }
    tripped
}

/// True if a side listed a number of records that is far from the one before (E8.2).
pub fn is_far(before: u64, now: u64) -> bool {
    let fewer = Share { percent: 20, above: 10 }.is_exceeded(before.saturating_sub(now), before);
    let more = Share { percent: 100, above: 100 }.is_exceeded(now.saturating_sub(before), before);
    fewer || (before > 0 && (more || now == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, FieldChange, PairId, Value, Why};

    #[test]
    fn e8_2_a_list_is_far_from_the_one_before_when_it_shrank_much_more_than_doubled_or_names_nothing() {
        let table = [
            ((0, 0), false),
            ((0, 500), false),
            ((3, 0), true),
            ((100, 80), false),
            ((100, 79), true),
            ((12, 2), false),
            ((12, 1), true),
            ((100, 200), false),
            ((100, 201), true),
            ((40, 140), false),
            ((40, 141), true),
        ];
        for ((before, now), expected) in table {
            assert_eq!(is_far(before, now), expected, "{before}, then {now}");
        }
    }

    fn item(kind: ChangeKind, id: &str) -> PlanItem {
        let blanked = FieldChange {
            field: FieldName::from("name"),
            before: Value::Text("Ada".to_owned()).canonical().ok(),
            after: Value::Clear,
            why: Why::Changed,
        };
        let fields = if kind == ChangeKind::Update { vec![blanked] } else { Vec::new() };
        PlanItem {
            pair: PairId(1),
            left: Some(id.into()),
            right: None,
            chosen: None,
            changes: vec![Change { side: Side::Left, kind, record: Some(id.into()), version: None, fields }],
            agreed: Vec::new(),
            seen: Vec::new(),
            conflicts: Vec::new(),
            decides: Vec::new(),
            left_out: Vec::new(),
            passages: Vec::new(),
            then: PairState::Linked,
        }
    }

    fn counted(kind: ChangeKind, items: u64) -> PlanCount {
        let mut count = PlanCount::default();
        for number in 0..items {
            let item = item(kind.clone(), &number.to_string());
            count.add(&item, asked(&item, &PairState::Linked), false);
        }
        count
    }

    fn names(around: &Surroundings, count: &PlanCount) -> Vec<&'static str> {
        tripped(&Guards::default(), around, count).iter().map(Breaker::name).collect()
    }

    #[test]
    fn e4_6_breakers_trip_above_their_share_and_their_number() {
        let around = |pairs| Surroundings {
            pairs,
            pairs_before: Some(pairs),
            live: [9, 9],
            live_before: [9, 9],
            ..Surroundings::default()
        };
        let cases: [(ChangeKind, u64, u64, &[&str]); 9] = [
            (ChangeKind::Delete, 10, 20, &[]),
            (ChangeKind::Delete, 11, 220, &[]),
            (ChangeKind::Delete, 11, 219, &["deletes"]),
            (ChangeKind::Archive, 11, 219, &["deletes"]),
            (ChangeKind::Tag, 500, 500, &[]),
            (ChangeKind::Create, 100, 100, &[]),
            (ChangeKind::Create, 101, 403, &["creates"]),
            (ChangeKind::Update, 20, 20, &[]),
            (ChangeKind::Update, 21, 419, &["blanks"]),
        ];
        for (kind, items, pairs, expected) in cases {
            assert_eq!(names(&around(pairs), &counted(kind.clone(), items)), expected, "{kind:?} {items} of {pairs}");
        }
        let first = Surroundings { pairs_before: None, ..around(5) };
        assert_eq!(names(&first, &counted(ChangeKind::Create, 1_000)), [""; 0], "the first run may create");
    }

    #[test]
    fn e4_6_a_side_that_is_empty_or_lists_far_less_trips() {
        let full = Surroundings {
            pairs: 100,
            pairs_before: Some(100),
            live: [100, 100],
            live_before: [100, 100],
            listed: [Some(100), Some(100)],
            listed_before: [Some(100), Some(100)],
        };
        let cases: [(Surroundings, &[&str]); 6] = [
            (full, &[]),
            (Surroundings { live: [0, 100], ..full }, &["empty_side"]),
            (Surroundings { listed: [Some(100), Some(0)], ..full }, &["empty_side"]),
            (Surroundings { listed: [Some(79), Some(80)], ..full }, &["shrink"]),
            (Surroundings { listed: [Some(1), None], listed_before: [Some(11), Some(50)], ..full }, &[]),
            (Surroundings { live: [0, 0], pairs_before: Some(0), ..full }, &[]),
        ];
        for (around, expected) in cases {
            assert_eq!(names(&around, &PlanCount::default()), expected, "{around:?}");
        }
    }

    #[test]
    fn e4_6_the_same_plan_has_the_same_digest_in_any_order() {
        let digest = |ids: &[&str]| {
            let mut digest = PlanDigest::default();
            ids.iter().for_each(|id| digest.add(&item(ChangeKind::Delete, id).digest()));
            digest.to_string()
        };
        assert_eq!(digest(&["1", "2", "3"]), digest(&["3", "1", "2"]));
        assert_eq!(digest(&["1"]).len(), 32);
        let others = [digest(&[]), digest(&["1", "2"]), digest(&["1", "2", "4"]), digest(&["1", "2", "3", "3"])];
        assert!(!others.contains(&digest(&["1", "2", "3"])));
    }

    #[test]
    fn e4_5_what_a_person_said_counts_for_exactly_that_delete() {
        let (ours, other) = (item(ChangeKind::Delete, "1"), item(ChangeKind::Delete, "2"));
        let ruled = |ruling| PairState::DeleteWaits { gone: Side::Right, item: ours.digest(), ruling };
        for ruling in [Ruling::Approved, Ruling::Rejected] {
            assert_eq!(asked(&ours, &ruled(ruling)), Asked::Ruled(ruling));
            assert_eq!(asked(&other, &ruled(ruling)), Asked::New);
        }
        assert_eq!(asked(&other, &ruled(Ruling::Waiting)), Asked::Waits);
        assert_eq!(asked(&item(ChangeKind::Tag, "1"), &ruled(Ruling::Waiting)), Asked::NotAsked);
    }

    #[test]
    fn e4_5_deletes_wait_unless_few_may_pass() {
        let few = Guards { auto_approve: true, ..Guards::default() };
        let cases = [(1, 10, true, false), (0, 10, false, false), (10, 10, true, false), (11, 1_099, true, true)];
        for (deletes, pairs, waits, waits_if_few_pass) in cases {
            assert_eq!(Guards::default().holds(deletes, pairs), waits);
            assert_eq!(few.holds(deletes, pairs), waits_if_few_pass);
        }
        assert!(!few.holds(11, 1_100));
    }
}
