//! What a run did, in numbers, and the identity that they must satisfy.

use serde::{Deserialize, Serialize};
use syncline_core::{ChangeKind, Side, Standing};

/// Writes to one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideTally {
    /// Records made.
    pub created: u64,
    /// Records changed.
    pub updated: u64,
    /// Records deleted or put away.
    pub deleted: u64,
    /// Records tagged or brought back.
    pub other: u64,
    /// Records read.
    pub read: u64,
}

/// Where a pair that is not written is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    InSync,
    Excluded,
    Ambiguous,
    Held,
    Rejected,
    Failed,
    Uncertain,
}

impl Class {
    pub(crate) const ALL: [Self; 7] =
        [Self::InSync, Self::Excluded, Self::Ambiguous, Self::Held, Self::Rejected, Self::Failed, Self::Uncertain];

    pub(crate) fn of(standing: Standing) -> Self {
        match standing {
            Standing::InSync | Standing::Ended => Self::InSync,
            Standing::Excluded(_) => Self::Excluded,
            Standing::Ambiguous => Self::Ambiguous,
            Standing::Held(_) => Self::Held,
            Standing::Rejected(_) => Self::Rejected,
            Standing::Failed(_) | Standing::Pending => Self::Failed,
            Standing::Uncertain => Self::Uncertain,
        }
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Pairs that the run looked at.
    pub seen: u64,
    /// In step before and after.
    pub in_sync: u64,
    /// Written, and in step now.
    pub changed: u64,
    /// Left alone for a reason.
    pub excluded: u64,
    /// Several possible counterparts.
    pub ambiguous: u64,
    /// Waiting for a person.
    pub held: u64,
    /// Refused for what they hold.
    pub rejected: u64,
    /// Failed.
    pub failed: u64,
    /// With a write whose outcome is unknown.
    pub uncertain: u64,
    /// Conflicts decided by a rule.
    pub conflicts: u64,
    /// Writes to the left.
    pub left: SideTally,
    /// Writes to the right.
    pub right: SideTally,
}

impl Tally {
    /// True if every pair that was seen is in exactly one class (E8.2).
    pub fn adds_up(&self) -> bool {
        self.seen == self.classed()
    }

    /// Returns the classes that a pair may be in, with how many are, in the order of E8.2.
    pub fn classes(&self) -> [(&'static str, u64); 8] {
        [
            ("in-sync", self.in_sync),
            ("changed", self.changed),
            ("excluded", self.excluded),
            ("ambiguous", self.ambiguous),
            ("held", self.held),
            ("rejected", self.rejected),
            ("failed", self.failed),
            ("uncertain", self.uncertain),
        ]
    }

    /// Returns how many pairs are in a class.
    pub(crate) fn classed(&self) -> u64 {
        self.classes().iter().map(|(_, count)| count).sum()
    }

    /// Makes the numbers of an interrupted run add up, since which pairs they were died with it: what it had not come to
    /// has failed, and what it had tried again is no longer counted as it was the first time.
    pub(crate) fn close(&mut self) {
        let mut twice = self.classed().saturating_sub(self.seen);
        let waiting = [&mut self.failed, &mut self.uncertain, &mut self.held, &mut self.rejected];
        for class in waiting.into_iter().chain([&mut self.ambiguous, &mut self.excluded, &mut self.in_sync]) {
            let taken = twice.min(*class);
            *class -= taken;
            twice -= taken;
        }
        self.failed += self.seen.saturating_sub(self.classed());
    }

    /// Counts a pair under where it stands.
    pub fn count(&mut self, standing: Standing) {
        *self.class(Class::of(standing)) += 1;
    }

    /// Takes a pair out of the class that it was counted in.
    pub(crate) fn uncount(&mut self, class: Class) {
        // An underflow shows where the sum does not add up.
        let class = self.class(class);
        *class = class.saturating_sub(1);
    }

    fn class(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::InSync => &mut self.in_sync,
            Class::Excluded => &mut self.excluded,
            Class::Ambiguous => &mut self.ambiguous,
            Class::Held => &mut self.held,
            Class::Rejected => &mut self.rejected,
            Class::Failed => &mut self.failed,
            Class::Uncertain => &mut self.uncertain,
        }
    }

    /// Returns the writes to one side.
    pub fn side(&mut self, side: Side) -> &mut SideTally {
        side.pick(&mut self.left, &mut self.right)
    }

    /// Counts a write that was done.
    pub fn wrote(&mut self, side: Side, kind: &ChangeKind) {
        let tally = self.side(side);
        match kind {
            ChangeKind::Create => tally.created += 1,
            ChangeKind::Update => tally.updated += 1,
            ChangeKind::Delete | ChangeKind::Archive => tally.deleted += 1,
            ChangeKind::Tag | ChangeKind::Restore { .. } => tally.other += 1,
        }
    }

    /// Returns how many writes were done.
    pub fn writes(&self) -> u64 {
        [self.left, self.right].iter().map(|side| side.created + side.updated + side.deleted + side.other).sum()
    }
}
