//! The words under which reports count records, and those under which they count errors.

use serde::{Deserialize, Serialize};
use syncline_core::{Reason, Standing};

/// Where a record stands, without the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are the variants of `Standing`, which explains them")]
pub enum Class {
    InSync,
    Pending,
    Excluded,
    Ambiguous,
    Held,
    Rejected,
    Failed,
    Uncertain,
    Ended,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Class; 9] = [
        Class::InSync,
        Class::Pending,
        Class::Excluded,
        Class::Ambiguous,
        Class::Held,
        Class::Rejected,
        Class::Failed,
        Class::Uncertain,
        Class::Ended,
    ];

    /// Returns the class of a standing.
    pub fn of(standing: Standing) -> Self {
        match standing {
            Standing::InSync => Class::InSync,
            Standing::Pending => Class::Pending,
            Standing::Excluded(_) => Class::Excluded,
            Standing::Ambiguous => Class::Ambiguous,
            Standing::Held(_) => Class::Held,
            Standing::Rejected(_) => Class::Rejected,
            Standing::Failed(_) => Class::Failed,
            Standing::Uncertain => Class::Uncertain,
            Standing::Ended => Class::Ended,
        }
    }

    /// Returns its word, the same as that of its standings.
    pub fn word(self) -> &'static str {
        match self {
            Class::InSync => "in-sync",
            Class::Pending => "pending",
            Class::Excluded => "excluded",
            Class::Ambiguous => "ambiguous",
            Class::Held => "held",
            Class::Rejected => "rejected",
            Class::Failed => "failed",
            Class::Uncertain => "uncertain",
            Class::Ended => "ended",
        }
    }

    /// Finds a class by its word.
    pub fn from_word(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// The classes of errors, by how they are treated (E8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table of E8.1 explains them")]
pub enum ErrorClass {
    Transient,
    Uncertain,
    Budget,
    Auth,
    Permission,
    Validation,
    Duplicate,
    Schema,
    Component,
    /// No error of an application: a record that is left alone or waits for a person.
    Record,
}

impl ErrorClass {
    /// Returns the class of a reason.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Retrying | Reason::Dead => ErrorClass::Transient,
            Reason::Uncertain => ErrorClass::Uncertain,
            Reason::Quota | Reason::ProviderBudget => ErrorClass::Budget,
            Reason::Auth => ErrorClass::Auth,
            Reason::Permission => ErrorClass::Permission,
            Reason::Validation
            | Reason::UnsupportedType
            | Reason::UnmappedOption
            | Reason::TooManyValues
            | Reason::ReadOnly => ErrorClass::Validation,
            Reason::Duplicate => ErrorClass::Duplicate,
            Reason::Schema => ErrorClass::Schema,
            Reason::Component => ErrorClass::Component,
            Reason::NoKey
            | Reason::Ambiguous
            | Reason::KeyCollision
            | Reason::PairCollision
            | Reason::OutOfScope
            | Reason::NotInList
            | Reason::ScopeUnknown
            | Reason::CounterpartDeleted
            | Reason::EditDelete
            | Reason::Conflict
            | Reason::AwaitingApproval
            | Reason::TargetDrift
            | Reason::ReferenceWaiting
            | Reason::Undone
            | Reason::Quarantined => ErrorClass::Record,
        }
    }

    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            ErrorClass::Transient => "transient",
            ErrorClass::Uncertain => "uncertain",
            ErrorClass::Budget => "budget",
            ErrorClass::Auth => "auth",
            ErrorClass::Permission => "permission",
            ErrorClass::Validation => "validation",
            ErrorClass::Duplicate => "duplicate",
            ErrorClass::Schema => "schema",
            ErrorClass::Component => "component",
            ErrorClass::Record => "record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_standings_and_of_the_json() {
        for standing in [Standing::InSync, Standing::Held(Reason::Conflict), Standing::Uncertain, Standing::Ended] {
            assert_eq!(Class::of(standing).word(), standing.word());
        }
        for class in Class::ALL {
            assert_eq!(serde_json::json!(class), class.word());
            assert_eq!(Class::from_word(class.word()), Some(class));
        }
    }

    #[test]
    fn error_words_are_those_of_the_json() {
        for reason in Reason::ALL {
            let class = ErrorClass::of(reason);
            assert_eq!(serde_json::json!(class), class.word(), "{reason}");
        }
    }
}
