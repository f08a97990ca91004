//! What a run would write: changes with their reasons, and the conflicts behind them.

use serde::{Deserialize, Serialize};

use crate::{
    BaseCell, Chosen, FieldName, Instant, Linked, Mapping, Pair, PairId, PairState, Passage, Reason, RecordId, RunId,
    Side, Value, Version,
};

/// Why a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The other side changed it (E2.2).
    Changed,
    /// It is blank here and set on the other side (E2.2, first pairing; fill-blank rules).
    FillBlank,
    /// The other side is the source of a one-way mapping, or wins by its rule (E2.4).
    Rule,
    /// The record is new here.
    New,
    /// The mapping is new or was changed, and the sides are not in step under it (E2.9).
    Mapping,
    /// The target of a one-way field was edited, and the source's value is put back (E2.3).
    Drift,
    /// The other side won a conflict (E3).
    ConflictWon,
    /// A resolver made a value of its own of both (E3.1).
    Merged,
    /// A person decided.
    Resolved,
    /// A run is undone.
    Undo,
}

impl Why {
    /// Returns a phrase for people.
    pub fn describe(self) -> &'static str {
        match self {
            Why::Changed => "changed on the other side",
            Why::FillBlank => "fills a blank",
            Why::Rule => "the other side is the source",
            Why::New => "new record",
            Why::Mapping => "its mapping is new or was changed",
            Why::Drift => "undoes an edit of a one-way field",
            Why::ConflictWon => "the other side won the conflict",
            Why::Merged => "made by the resolver",
            Why::Resolved => "decided by a person",
            Why::Undo => "undoes a run",
        }
    }
}

/// One field of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field on the written side.
    pub field: FieldName,
    /// What stands there now, as far as is known.
    pub before: Option<Value>,
    /// What is to stand there.
    pub after: Value,
    /// Why.
    pub why: Why,
}

/// What a change does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Makes a record.
    Create,
    /// Changes fields.
    Update,
    /// Deletes a record.
    Delete,
    /// Puts a record away.
    Archive,
    /// Tags a record.
    Tag,
    /// Brings a record back from what its delete returned.
    Restore {
        /// The raw record.
        raw: Option<String>,
    },
}

impl ChangeKind {
    /// Returns the verb for people.
    pub fn verb(&self) -> &'static str {
        match self {
            ChangeKind::Create => "create",
            ChangeKind::Update => "update",
            ChangeKind::Delete => "delete",
            ChangeKind::Archive => "archive",
            ChangeKind::Tag => "tag",
            ChangeKind::Restore { .. } => "restore",
        }
    }
}

/// One write to one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The side that is written.
    pub side: Side,
    /// What is done.
    pub kind: ChangeKind,
    /// The record; none for a create.
    pub record: Option<RecordId>,
    /// The version that this was planned on.
    pub version: Option<Version>,
    /// The fields, in the order of the mappings.
    pub fields: Vec<FieldChange>,
}

/// How a conflict was, or will be, decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// The newer value won.
    Newer(Side),
    /// The times did not tell; the chosen side won.
    InDoubt(Side),
    /// The policy names this side.
    Preferred(Side),
    /// The resolver took this side.
    ByResolver(Side),
    /// The resolver made a value of its own, which stands on both sides.
    Merged,
    /// Waits for a person.
    Open,
    /// The two values went back and forth: waits for a person too (E6.4).
    Quarantined,
    /// A person chose this side.
    ByPerson(Side),
}

impl Decided {
    /// Returns the side whose value is kept.
    pub fn winner(&self) -> Option<Side> {
        match self {
            Decided::Newer(side)
            | Decided::InDoubt(side)
            | Decided::Preferred(side)
            | Decided::ByResolver(side)
            | Decided::ByPerson(side) => Some(*side),
            Decided::Merged | Decided::Open | Decided::Quarantined => None,
        }
    }

    /// True if a person is to decide.
    pub fn waits(&self) -> bool {
        matches!(self, Decided::Open | Decided::Quarantined)
    }

    /// True if the value of `side` is covered by another one.
    pub fn covers(&self, side: Side) -> bool {
        *self == Decided::Merged || self.winner().is_some_and(|winner| winner != side)
    }
}

/// One field of a conflict, with everything that was known (E3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictField {
    /// The left field.
    pub left_field: FieldName,
    /// The right field.
    pub right_field: FieldName,
    /// The left base; none at first pairing.
    pub left_base: Option<Value>,
    /// The right base.
    pub right_base: Option<Value>,
    /// The left value.
    pub left: Value,
    /// The right value.
    pub right: Value,
}

/// A conflict: both sides changed one field, or one merge group, to different values.
///
/// Invariant: the value that loses is in here (E3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The fields; several for a merge group.
    pub fields: Vec<ConflictField>,
    /// The fields of the merge group on which the sides did not disagree: a flip looks at all of them (E3.4).
    pub beside: Vec<ConflictField>,
    /// When the left value was set, and whether that is the field's own time.
    pub left_time: Option<Instant>,
    /// When the right value was set.
    pub right_time: Option<Instant>,
    /// How it was decided.
    pub decided: Decided,
    /// Why nobody decided, where more can be said than that a person is to.
    pub detail: Option<String>,
}

/// A mapped field on which both sides agree once the changes of the item are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The left field.
    pub left: FieldName,
    /// The right field.
    pub right: FieldName,
    /// Of references, those on which they agree; the others wait (E10.1).
    pub links: Option<Linked>,
}

impl Agreed {
    /// Two fields that agree on all they hold.
    pub fn on(left: FieldName, right: FieldName) -> Self {
        Self { left, right, links: None }
    }

    /// The fields of a mapping.
    pub fn under(mapping: &Mapping) -> Self {
        Self::on(mapping.left.clone(), mapping.right.clone())
    }

    /// True if they are the fields of this mapping.
    pub fn is_under(&self, mapping: &Mapping) -> bool {
        self.left == mapping.left && self.right == mapping.right
    }

    /// Returns the field of `side`.
    pub fn field(&self, side: Side) -> &FieldName {
        side.pick(&self.left, &self.right)
    }

    /// Returns what the base holds once they agree on these values, left and right.
    pub fn cell(&self, [left, right]: [Value; 2], run: RunId) -> BaseCell {
        BaseCell { left_field: self.left.clone(), right_field: self.right.clone(), left, right, run, alone: false }
    }
}

/// Why a pair cannot be planned as a whole, or why one of its fields is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The reason code.
    pub reason: Reason,
    /// The side that could not be written.
    pub side: Side,
    /// The field.
    pub field: Option<FieldName>,
    /// A sentence.
    pub detail: String,
    /// When its turn comes by itself; never if `None`.
    pub until: Option<Instant>,
}

/// Everything that a run does to one pair: at most one change a side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// The pair.
    pub pair: PairId,
    /// The left record, for people.
    pub left: Option<RecordId>,
    /// The right record.
    pub right: Option<RecordId>,
    /// Why just these records become a pair, where several had their key (E1.5).
    pub chosen: Option<Chosen>,
    /// The writes.
    pub changes: Vec<Change>,
    /// What is agreed then.
    pub agreed: Vec<Agreed>,
    /// The fingerprints of what both sides held in these fields when this was planned, in the same order; empty where
    /// that does not matter. A side may be read anew before the item is written.
    pub seen: Vec<(u64, u64)>,
    /// The conflicts found on the way, or decided by a person.
    pub conflicts: Vec<Conflict>,
    /// The numbers of those that a person decides, in the same order; else empty.
    pub decides: Vec<u64>,
    /// The fields that are left out, and why.
    pub left_out: Vec<Blocked>,
    /// Where the written values come from; empty outside of circles of syncs (E6.5).
    pub passages: Vec<Passage>,
    /// The state of the pair once the changes are done.
    pub then: PairState,
}

impl PlanItem {
    /// An item that does nothing to `pair` yet.
    pub fn of(id: PairId, pair: &Pair, then: PairState) -> PlanItem {
        PlanItem {
            pair: id,
            left: pair.left.clone(),
            right: pair.right.clone(),
            chosen: None,
            changes: Vec::new(),
            agreed: Vec::new(),
            seen: Vec::new(),
            conflicts: Vec::new(),
            decides: Vec::new(),
            left_out: Vec::new(),
            passages: Vec::new(),
            then,
        }
    }

    /// Keeps of what is agreed what `keeps` says; it is told what both sides held there, where that was noted.
    ///
    /// Invariant: what was seen stays with the field that it was seen in.
    pub fn retain_agreed(&mut self, mut keeps: impl FnMut(&Agreed, Option<(u64, u64)>) -> bool) {
        let seen = |index: usize| self.seen.get(index).copied();
        let kept: Vec<bool> =
            self.agreed.iter().enumerate().map(|(index, agreed)| keeps(agreed, seen(index))).collect();
        let mut of_agreed = kept.iter();
        self.agreed.retain(|_| of_agreed.next() == Some(&true));
        let mut of_seen = kept.iter();
        self.seen.retain(|_| of_seen.next() == Some(&true));
    }

    /// True if it deletes a record or puts one away.
    pub fn takes_away(&self) -> bool {
        self.changes.iter().any(|change| matches!(change.kind, ChangeKind::Delete | ChangeKind::Archive))
    }

    /// True if something is written because a mapping is new or was changed (E2.9).
    pub fn is_retroactive(&self) -> bool {
        self.changes.iter().flat_map(|change| &change.fields).any(|field| field.why == Why::Mapping)
    }

    /// Returns a digest of what the item would write, for comparing plans.
    pub fn digest(&self) -> [u8; 16] {
        let text = serde_json::to_vec(&(&self.changes, &self.left, &self.right)).expect("plans have no odd map keys");
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&text).as_bytes()[..16]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(field: &str) -> Agreed {
        Agreed::on(field.into(), field.into())
    }

    #[test]
    fn design_5_3_what_was_seen_stays_with_its_field() {
        let fields = ["name", "street", "city"];
        for seen in [vec![(1, 10), (2, 20), (3, 30)], Vec::new()] {
            let mut item = PlanItem {
                pair: PairId(1),
                left: None,
                right: None,
                chosen: None,
                changes: Vec::new(),
                agreed: fields.map(agreed).to_vec(),
                seen: seen.clone(),
                conflicts: Vec::new(),
                decides: Vec::new(),
                left_out: Vec::new(),
                passages: Vec::new(),
                then: PairState::Linked,
            };
            item.retain_agreed(|agreed, _| agreed.left.as_str() != "street");
            assert_eq!(item.agreed, ["name", "city"].map(agreed));
            let expected = if seen.is_empty() { Vec::new() } else { vec![(1, 10), (3, 30)] };
            assert_eq!(item.seen, expected);
        }
    }
}
