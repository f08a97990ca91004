//! Who wins a conflict (E3): the policies, and what a resolver component says.
//!
//! Not here: how a policy is applied to the fields of a pair (`merge`), who calls the component (the runner).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Side, TransformUse, Value};

/// Where the times for "newest" come from (E3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// The field's own time, else the record's.
    FieldElseRecord,
    /// The field's own time only; without one there is doubt.
    Field,
}

/// Who wins when both sides changed one field (E3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// The newer value; in doubt the chosen side.
    Newest {
        /// Who wins in doubt.
        in_doubt: Side,
        /// Which times count.
        times: Times,
    },
    /// Always this side.
    Prefer(Side),
    /// Nobody; a person decides.
    Manual,
    /// A component is asked.
    Resolver(TransformUse),
}

impl ConflictPolicy {
    /// Returns the component that is asked.
    pub fn resolver(&self) -> Option<&TransformUse> {
        match self {
            ConflictPolicy::Resolver(resolver) => Some(resolver),
            ConflictPolicy::Newest { .. } | ConflictPolicy::Prefer(_) | ConflictPolicy::Manual => None,
        }
    }
}

/// Who wins where one side deleted and the other edited, and the delete would be carried over (E3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditDelete {
    /// Nobody; a person decides.
    #[default]
    Hold,
    /// The edit: the record is created again on the side that deleted it.
    EditWins,
    /// The delete; what was edited stays in the journal.
    DeleteWins,
}

/// What a resolver says about one field in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This side's value.
    Take(Side),
    /// A value of its own, as each side would hold it.
    Value {
        /// On the left.
        left: Value,
        /// On the right.
        right: Value,
    },
    /// Nothing: a person decides. With the reason, where there is one.
    Hold(Option<String>),
}

/// What resolvers said about the fields of a pair, by the number of the mapping.
pub type Answers = BTreeMap<usize, Answer>;

/// A question to a resolver: the mappings of one conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who is asked.
    pub resolver: TransformUse,
    /// Which of the decision's conflicts it is about.
    pub conflict: usize,
    /// The number of the mapping of each of its fields, in their order.
    pub mappings: Vec<usize>,
}
