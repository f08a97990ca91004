//! Why a record is not in sync now: the closed list of E8.5.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the codes are explained by `describe`, in the words that people read")]
pub enum Reason {
    NoKey,
    Ambiguous,
    KeyCollision,
    PairCollision,
    OutOfScope,
    NotInList,
    ScopeUnknown,
    CounterpartDeleted,
    EditDelete,
    Conflict,
    AwaitingApproval,
    UnsupportedType,
    UnmappedOption,
    TooManyValues,
    ReadOnly,
    ReferenceWaiting,
    Validation,
    TargetDrift,
    Schema,
    Auth,
    Permission,
    Duplicate,
    Retrying,
    Dead,
    Undone,
    Quarantined,
    Quota,
    ProviderBudget,
    Component,
    Uncertain,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 30] = [
        Reason::NoKey,
        Reason::Ambiguous,
        Reason::KeyCollision,
        Reason::PairCollision,
        Reason::OutOfScope,
        Reason::NotInList,
        Reason::ScopeUnknown,
        Reason::CounterpartDeleted,
        Reason::EditDelete,
        Reason::Conflict,
        Reason::AwaitingApproval,
        Reason::UnsupportedType,
        Reason::UnmappedOption,
        Reason::TooManyValues,
        Reason::ReadOnly,
        Reason::ReferenceWaiting,
        Reason::Validation,
        Reason::TargetDrift,
        Reason::Schema,
        Reason::Auth,
        Reason::Permission,
        Reason::Duplicate,
        Reason::Retrying,
        Reason::Dead,
        Reason::Undone,
        Reason::Quarantined,
        Reason::Quota,
        Reason::ProviderBudget,
        Reason::Component,
        Reason::Uncertain,
    ];

    /// Returns the code as it is written in reports and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NoKey => "no-key",
            Reason::Ambiguous => "ambiguous",
            Reason::KeyCollision => "key-collision",
            Reason::PairCollision => "pair-collision",
            Reason::OutOfScope => "out-of-scope",
            Reason::NotInList => "not-in-list",
            Reason::ScopeUnknown => "scope-unknown",
            Reason::CounterpartDeleted => "counterpart-deleted",
            Reason::EditDelete => "edit-delete",
            Reason::Conflict => "conflict",
            Reason::AwaitingApproval => "awaiting-approval",
            Reason::UnsupportedType => "unsupported-type",
            Reason::UnmappedOption => "unmapped-option",
            Reason::TooManyValues => "too-many-values",
            Reason::ReadOnly => "read-only",
            Reason::ReferenceWaiting => "reference-waiting",
            Reason::Validation => "validation",
            Reason::TargetDrift => "target-drift",
            Reason::Schema => "schema",
            Reason::Auth => "auth",
            Reason::Permission => "permission",
            Reason::Duplicate => "duplicate",
            Reason::Retrying => "retrying",
            Reason::Dead => "dead",
            Reason::Undone => "undone",
            Reason::Quarantined => "quarantined",
            Reason::Quota => "quota",
            Reason::ProviderBudget => "provider-budget",
            Reason::Component => "component",
            Reason::Uncertain => "uncertain",
        }
    }

    /// Finds a reason by its code.
    pub fn from_code(code: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Returns one sentence for people: what it means and what to do.
    pub fn describe(self) -> &'static str {
        match self {
            Reason::NoKey => "it has no value to be matched by; a pair goes on all the same, a single record needs one",
            Reason::Ambiguous => "several records have the same key; merge or delete the doubles in the application",
            Reason::KeyCollision => {
                "its key now belongs to another pair too, and both stay as they are; merge the doubles in the application, or give each a key of its own"
            }
            Reason::PairCollision => {
                "it was merged into a record that has a counterpart already; in the application, delete one of the two counterparts or merge them"
            }
            Reason::OutOfScope => {
                "no filter lets it in, or it is only on the side that this one-way sync never reads from; it stays as it is"
            }
            Reason::NotInList => "it is not in the list that says which records sync; it stays as it is until it joins",
            Reason::ScopeUnknown => {
                "a field that a filter reads, or the list, could not be read yet; nothing is written until it can"
            }
            Reason::CounterpartDeleted => {
                "its counterpart was deleted; it is neither deleted nor created again unless a person says so"
            }
            Reason::EditDelete => {
                "one side was deleted while the other was edited; restore the one in the application, or decide"
            }
            Reason::Conflict => "both sides changed the same field; decide with `syncline resolve`",
            Reason::AwaitingApproval => {
                "its counterpart was deleted, and deleting it too waits for a person; `syncline status` names the command"
            }
            Reason::UnsupportedType => "a field's type cannot be carried over",
            Reason::UnmappedOption => "an option has no counterpart on the other side",
            Reason::TooManyValues => "it has more values than the other side can hold",
            Reason::ReadOnly => "the field cannot be written",
            Reason::ReferenceWaiting => {
                "it refers to a record that has no counterpart yet; that field follows by itself once it has one"
            }
            Reason::Validation => "a value was refused; it is tried again when the record or the mapping changes",
            Reason::TargetDrift => "the target of a one-way field was edited",
            Reason::Schema => "a field or option does not exist any more",
            Reason::Auth => "the sign-in was refused",
            Reason::Permission => "the account may not do this",
            Reason::Duplicate => "another record has the same unique value",
            Reason::Retrying => "a passing failure; it is tried again by itself",
            Reason::Dead => "it failed for 30 days and is not tried again",
            Reason::Undone => "its creation was undone; it is left alone until somebody edits it",
            Reason::Quarantined => {
                "a field went back and forth between two values, which a person decides with `syncline resolve`, or was written as often as its caps allow, and then it goes on by itself"
            }
            Reason::Quota => "a quota is used up, the application's or that of the month's tasks; it goes on by itself",
            Reason::ProviderBudget => "the budget of calls is used up; it goes on by itself",
            Reason::Component => "the plugin failed on it",
            Reason::Uncertain => "a write may or may not have happened; it is looked up before anything else",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
