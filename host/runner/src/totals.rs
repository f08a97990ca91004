//! How many pairs of a sync stand where: kept with its state, so that nobody has to go through all pairs to know.
//!
//! Invariant: a pair is counted in the commit that writes it, so these numbers are those of a count of all pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_core::{Pair, Reason, Standing};

/// Where a pair is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    standing: Standing,
    reason: Option<Reason>,
    is_joined: bool,
    open_conflicts: u64,
}

impl Place {
    pub(crate) fn of(pair: &Pair) -> Self {
        Self {
            standing: pair.standing(),
            reason: pair.reason(),
            is_joined: pair.is_joined(),
            open_conflicts: pair.open_conflicts.len() as u64,
        }
    }
}

/// The pairs of a sync in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Pairs by where they stand and the reason that is shown with them.
    pub counts: BTreeMap<(Standing, Option<Reason>), u64>,
    /// Pairs of two records.
    pub joined: u64,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
}

impl Totals {
    /// Counts every pair there is.
    pub fn of<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Self {
        let mut totals = Self::default();
        for pair in pairs {
            totals.add(Place::of(pair));
        }
        totals
    }

    /// Returns how many pairs there are.
    pub fn pairs(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns how many pairs are shown with this reason.
    pub fn with_reason(&self, reason: Reason) -> u64 {
        self.counts.iter().filter(|((_, shown), _)| *shown == Some(reason)).map(|(_, count)| count).sum()
    }

    pub(crate) fn add(&mut self, place: Place) {
        *self.counts.entry((place.standing, place.reason)).or_default() += 1;
        self.joined += u64::from(place.is_joined);
        self.open_conflicts += place.open_conflicts;
    }

    pub(crate) fn take(&mut self, place: Place) {
        let key = (place.standing, place.reason);
        if let Some(count) = self.counts.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
        self.joined = self.joined.saturating_sub(u64::from(place.is_joined));
        self.open_conflicts = self.open_conflicts.saturating_sub(place.open_conflicts);
    }
}
