//! Which of several records of one side with the same key stands for its side (E1.5).
//!
//! Invariant: a key makes at most one pair. Whoever has a counterpart already stands for its side whatever the times say
//! later, so a record that lost is neither paired nor created on the other side; it is listed with the others.

use serde::{Deserialize, Serialize};

use crate::{Instant, RecordId, Side};

/// What is done about records of one side that share a key (E1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubles {
    /// None of them is paired or created: a person tidies up.
    #[default]
    Hold,
    /// The one that was created first stands for its side.
    Oldest,
    /// The one that was changed last stands for its side.
    Newest,
}

/// Whether a record may still be given a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It has none.
    Free,
    /// A create for it, with an outcome that is not known yet, may have made just the record that is looked at (E1.8).
    Creating,
    /// It has one.
    Taken,
}

/// One record of a group: all records of both sides that share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The record.
    pub id: RecordId,
    /// Whether it may be given a counterpart.
    pub claim: Claim,
    /// When it was created, where the application tells.
    pub created_at: Option<Instant>,
    /// When it was changed last, where the application tells.
    pub modified_at: Option<Instant>,
}

impl Doubles {
    /// Returns the one of `candidates` that stands for its side: none if nobody can tell, for want of times too.
    pub(crate) fn speaker(self, candidates: &[Candidate]) -> Option<&Candidate> {
        if let [only] = candidates {
            return Some(only);
        }
        let mut claimed = candidates.iter().filter(|candidate| candidate.claim != Claim::Free);
        match (self, claimed.next(), claimed.next()) {
            (Doubles::Hold, ..) | (_, Some(_), Some(_)) => None,
            (_, Some(one), None) => Some(one),
            (Doubles::Oldest, None, _) => first_by(candidates, |candidate| candidate.created_at),
            (Doubles::Newest, None, _) => {
                first_by(candidates, |candidate| candidate.modified_at.map(|at| at.saturating_neg()))
            }
        }
    }
}

/// The one candidate with the least rank; none if one has no rank, or two share the least.
fn first_by(candidates: &[Candidate], rank: impl Fn(&Candidate) -> Option<Instant>) -> Option<&Candidate> {
    let ranks: Vec<Instant> = candidates.iter().map(rank).collect::<Option<_>>()?;
    let least = ranks.iter().min()?;
    let mut first = candidates.iter().zip(&ranks).filter(|(_, rank)| *rank == least);
    match (first.next(), first.next()) {
        (Some((candidate, _)), None) => Some(candidate),
        _ => None,
    }
}

/// Why just this record was taken, where several of a side had its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// By what.
    pub by: Doubles,
    /// The others with its key on the left, which were not taken.
    pub left: Vec<RecordId>,
    /// The others on the right.
    pub right: Vec<RecordId>,
}

impl Chosen {
    /// Returns a phrase for people, such as `the oldest of 3 on the right with its key`.
    pub fn describe(&self) -> String {
        let word = match self.by {
            Doubles::Hold => "the only one",
            Doubles::Oldest => "the oldest",
            Doubles::Newest => "the most recently updated",
        };
        let sides = [(Side::Left, &self.left), (Side::Right, &self.right)].into_iter();
        let parts: Vec<String> = sides
            .filter(|(_, others)| !others.is_empty())
            .map(|(side, others)| format!("of {} on the {side}", others.len() + 1))
            .collect();
        format!("{word} {} with its key", parts.join(" and "))
    }
}
