//! Two records that are the same thing for a sync, or one that still has no counterpart.
//!
//! Invariant: a pair has one state; every status, reason and count is derived from it and stored nowhere twice (E8.5).

use serde::{Deserialize, Serialize};

use crate::{Agreed, Chosen, EntryId, Exclusion, FieldName, Instant, Mapping, Reason, RecordId, Ruling, Side, Value};

/// The number of a pair within its sync; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PairId(pub u64);

/// The number of a run; grows by one a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What both sides held under one mapping when they last agreed, and the run in which they did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseCell {
    /// The mapped field of the left side.
    pub left_field: FieldName,
    /// The mapped field of the right side.
    pub right_field: FieldName,
    /// The left value, before any transform.
    pub left: Value,
    /// The right value.
    pub right: Value,
    /// When.
    pub run: RunId,
    /// True: an undo brought one side back alone, as it had been and not as they had agreed. It tells that nobody has
    /// edited that side since; for a merge with the other side there is no base.
    pub alone: bool,
}

impl BaseCell {
    /// Returns the mapped field of `side`.
    pub fn field(&self, side: Side) -> &FieldName {
        side.pick(&self.left_field, &self.right_field)
    }

    /// Returns the value of `side`.
    pub fn value(&self, side: Side) -> &Value {
        side.pick(&self.left, &self.right)
    }
}

/// Each side's own values when the sides last agreed (E2.1), by mapping: a field that several mappings have was agreed on
/// under each of them for itself.
///
/// Invariant: it changes only by an acknowledged write or by both sides being seen to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Base {
    /// In the order of their fields.
    cells: Vec<BaseCell>,
}

impl Base {
    /// Returns what was agreed on under the mapping of two fields.
    pub fn get(&self, left: &FieldName, right: &FieldName) -> Option<&BaseCell> {
        self.cells.get(self.place(left, right).ok()?)
    }

    /// Returns what was agreed on under a mapping.
    pub fn of(&self, mapping: &Mapping) -> Option<&BaseCell> {
        self.get(&mapping.left, &mapping.right)
    }

    /// Returns what was agreed on under each of the mappings that have `field` on `side`.
    pub fn with(&self, side: Side, field: &FieldName) -> impl Iterator<Item = &BaseCell> {
        self.cells.iter().filter(move |cell| cell.field(side) == field)
    }

    /// Returns all that was agreed on.
    pub fn cells(&self) -> &[BaseCell] {
        &self.cells
    }

    /// Notes what both sides had when they agreed.
    pub fn agree(&mut self, cell: BaseCell) {
        match self.place(&cell.left_field, &cell.right_field) {
            Ok(at) => self.cells[at] = cell,
            Err(at) => self.cells.insert(at, cell),
        }
    }

    fn place(&self, left: &FieldName, right: &FieldName) -> Result<usize, usize> {
        self.cells.binary_search_by(|cell| (&cell.left_field, &cell.right_field).cmp(&(left, right)))
    }
}

/// The one state of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairState {
    /// One record; no counterpart has been looked for yet, or none was found and one is to be created.
    Single,
    /// One record that has nothing to be matched by (E1.6).
    NoKey,
    /// One record with several possible counterparts (E1.5).
    Ambiguous {
        /// The ids with the same key: on its own side, then on the other.
        same_side: Vec<RecordId>,
        /// On the other side.
        other_side: Vec<RecordId>,
    },
    /// Left alone as it is, with the base that it has (E5.5): one record or two.
    OutOfScope {
        /// What keeps it out.
        why: Exclusion,
    },
    /// A create with an outcome that is not known yet (E1.8): its entry in the journal says what was sent.
    Creating {
        /// The run that sent it.
        run: RunId,
        /// The number of the entry.
        number: u32,
    },
    /// Two records, matched; they agree on what the base holds.
    Linked,
    /// A counterpart was deleted, and the survivor is left alone (E4.4).
    Tombstone {
        /// The side that lost its record; `None`: both.
        gone: Option<Side>,
        /// True: the record was taken back by an undo.
        undone: bool,
    },
    /// One side deleted, the other edited: a person decides (E3.6).
    EditDelete {
        /// The side that lost its record.
        gone: Side,
    },
    /// One side deleted, and the delete of the other waits for a person, or one has spoken (E4.5).
    DeleteWaits {
        /// The side that lost its record.
        gone: Side,
        /// The digest of the plan item that is asked about.
        item: [u8; 16],
        /// What was said.
        ruling: Ruling,
    },
    /// Merged by the application into a record of another pair (E1.10).
    PairCollision {
        /// The side on which that happened.
        side: Side,
        /// The record that both would belong to.
        into: RecordId,
    },
}

/// What keeps a pair from being in step, beside its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The reason code.
    pub reason: Reason,
    /// The side that refused, if one did.
    pub side: Option<Side>,
    /// The field it is about.
    pub field: Option<FieldName>,
    /// A sentence, with secrets removed.
    pub detail: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it is tried again by itself; never if `None`.
    pub next_at: Option<Instant>,
    /// Since when.
    pub since: Instant,
}

/// A pair of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The record on the left.
    pub left: Option<RecordId>,
    /// The record on the right.
    pub right: Option<RecordId>,
    /// Ids that the records had before merges and renames.
    pub aliases: Vec<(Side, RecordId)>,
    /// Its state.
    pub state: PairState,
    /// Why just these records were taken, where several had their key (E1.5).
    pub chosen: Option<Chosen>,
    /// What both sides agreed on.
    pub base: Base,
    /// Counts the creates planned for it, so that a new record after a delete has a new create key.
    pub generation: u32,
    /// Numbers of the conflicts that wait for a person.
    pub open_conflicts: Vec<u64>,
    /// The mapped fields among them whose values went back and forth (E6.4).
    pub quarantined: Vec<Agreed>,
    /// What a person should know although the pair goes on: its key was emptied, or now belongs to others (E1.9).
    pub remark: Option<Reason>,
    /// What keeps it from being in step.
    pub trouble: Option<Trouble>,
    /// The last write to it in the journal, each of which names the one before.
    pub last_write: Option<EntryId>,
    /// The last writes to pairs that had a record of it before, the newest first: they count for that record (E6.4).
    pub joined: Vec<EntryId>,
}

impl Pair {
    /// Makes the pair of a record that has no counterpart yet.
    pub fn single(side: Side, id: RecordId) -> Self {
        let (left, right) = match side {
            Side::Left => (Some(id), None),
            Side::Right => (None, Some(id)),
        };
        Self {
            left,
            right,
            aliases: Vec::new(),
            state: PairState::Single,
            chosen: None,
            base: Base::default(),
            generation: 0,
            open_conflicts: Vec::new(),
            quarantined: Vec::new(),
            remark: None,
            trouble: None,
            last_write: None,
            joined: Vec::new(),
        }
    }

    /// Returns the last write to it, and those to the pairs that it took a record of.
    pub fn writes(&self) -> Vec<EntryId> {
        self.last_write.iter().chain(&self.joined).copied().collect()
    }

    /// Notes the last writes to a pair that this one has a record of.
    pub fn join(&mut self, writes: &[EntryId]) {
        /// More than a pair takes in a day.
        const JOINED_MAX: usize = 8;
        self.joined.extend(writes);
        self.joined.sort_unstable_by(|one, other| other.cmp(one));
        self.joined.dedup();
        self.joined.truncate(JOINED_MAX);
    }

    /// Makes the pair of two records that match.
    pub fn linked(left: RecordId, right: RecordId) -> Self {
        Self { right: Some(right), state: PairState::Linked, ..Self::single(Side::Left, left) }
    }

    /// Returns the record on `side`.
    pub fn id(&self, side: Side) -> Option<&RecordId> {
        side.pick(self.left.as_ref(), self.right.as_ref())
    }

    /// Sets the record on `side`.
    pub fn set_id(&mut self, side: Side, id: Option<RecordId>) {
        *side.pick(&mut self.left, &mut self.right) = id;
    }

    /// Returns the side of a pair with one record.
    pub fn only_side(&self) -> Option<Side> {
        match (&self.left, &self.right) {
            (Some(_), None) => Some(Side::Left),
            (None, Some(_)) => Some(Side::Right),
            _ => None,
        }
    }

    /// True if another record may still take this one as its counterpart.
    pub fn is_free(&self) -> bool {
        match self.state {
            PairState::Single | PairState::NoKey | PairState::Ambiguous { .. } => true,
            PairState::OutOfScope { .. } => self.only_side().is_some(),
            PairState::Tombstone { gone, .. } => gone.is_some(),
            PairState::Creating { .. }
            | PairState::Linked
            | PairState::EditDelete { .. }
            | PairState::DeleteWaits { .. }
            | PairState::PairCollision { .. } => false,
        }
    }

    /// True if it joins two records that the sync keeps the same, or would but for a question.
    pub fn is_joined(&self) -> bool {
        match self.state {
            PairState::Linked
            | PairState::EditDelete { .. }
            | PairState::DeleteWaits { .. }
            | PairState::PairCollision { .. } => self.left.is_some() && self.right.is_some(),
            PairState::Single
            | PairState::NoKey
            | PairState::Ambiguous { .. }
            | PairState::OutOfScope { .. }
            | PairState::Creating { .. }
            | PairState::Tombstone { .. } => false,
        }
    }

    /// Derives the reason that is shown with the pair: what it stands there for, else what a person should know.
    pub fn reason(&self) -> Option<Reason> {
        let conflict = match self.quarantined.is_empty() {
            false => Some(Reason::Quarantined),
            true => (!self.open_conflicts.is_empty()).then_some(Reason::Conflict),
        };
        self.standing().reason().or(conflict).or(self.remark)
    }

    /// Derives where the pair stands.
    pub fn standing(&self) -> Standing {
        if let Some(trouble) = &self.trouble {
            return match trouble.reason {
                Reason::Uncertain => Standing::Uncertain,
                // Waiting for a budget, or for its turn, is never a failure (E7, E6.4).
                reason @ (Reason::Quota | Reason::ProviderBudget | Reason::Quarantined) => Standing::Held(reason),
                // Only the field waits; the others go on (E10.1).
                Reason::ReferenceWaiting => Standing::Held(Reason::ReferenceWaiting),
                Reason::Validation
                | Reason::UnsupportedType
                | Reason::UnmappedOption
                | Reason::TooManyValues
                | Reason::ReadOnly
                | Reason::TargetDrift
                | Reason::Duplicate => Standing::Rejected(trouble.reason),
                reason => Standing::Failed(reason),
            };
        }
        match &self.state {
            PairState::Single => Standing::Pending,
            PairState::NoKey => Standing::Excluded(Reason::NoKey),
            PairState::Ambiguous { .. } => Standing::Ambiguous,
            PairState::OutOfScope { why } => Standing::Excluded(why.reason()),
            PairState::Creating { .. } => Standing::Uncertain,
            // A conflict holds up its own fields; the others go on (E3.5).
            PairState::Linked => Standing::InSync,
            PairState::Tombstone { undone: true, .. } => Standing::Excluded(Reason::Undone),
            PairState::Tombstone { gone: None, .. } => Standing::Ended,
            PairState::Tombstone { .. } => Standing::Excluded(Reason::CounterpartDeleted),
            PairState::EditDelete { .. } => Standing::Held(Reason::EditDelete),
            PairState::DeleteWaits { ruling: Ruling::Waiting, .. } => Standing::Held(Reason::AwaitingApproval),
            PairState::DeleteWaits { ruling: Ruling::Approved, .. } => Standing::Pending,
            PairState::DeleteWaits { ruling: Ruling::Rejected, .. } => Standing::Excluded(Reason::CounterpartDeleted),
            PairState::PairCollision { .. } => Standing::Held(Reason::PairCollision),
        }
    }
}

/// Where a pair stands, as reports show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The sides agree.
    InSync,
    /// Not planned yet, or a change is planned and not written.
    Pending,
    /// Left alone, for this reason.
    Excluded(Reason),
    /// Several possible counterparts.
    Ambiguous,
    /// Waits for a person.
    Held(Reason),
    /// Refused for what it holds.
    Rejected(Reason),
    /// Failed; tried again where that helps.
    Failed(Reason),
    /// A write with an unknown outcome.
    Uncertain,
    /// Gone on both sides.
    Ended,
}

impl Standing {
    /// Returns the word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Standing::InSync => "in-sync",
            Standing::Pending => "pending",
            Standing::Excluded(_) => "excluded",
            Standing::Ambiguous => "ambiguous",
            Standing::Held(_) => "held",
            Standing::Rejected(_) => "rejected",
            Standing::Failed(_) => "failed",
            Standing::Uncertain => "uncertain",
            Standing::Ended => "ended",
        }
    }

    /// Returns the reason behind it.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Standing::InSync | Standing::Pending | Standing::Ended => None,
            Standing::Ambiguous => Some(Reason::Ambiguous),
            Standing::Uncertain => Some(Reason::Uncertain),
            Standing::Excluded(reason)
            | Standing::Held(reason)
            | Standing::Rejected(reason)
            | Standing::Failed(reason) => Some(reason),
        }
    }
}
