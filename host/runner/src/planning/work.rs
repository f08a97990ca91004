//! A pair on its way through planning, with all that is decided from.

use std::sync::Arc;

use syncline_core::{
    Answers, Decision, Images, Instant, Lately, Members, Pair, PairId, Presence, Provenance, Record, Rounds, Rules,
    RunId, Scope, Side, SideTimes, Situation, Taken, Touched, decide, diff,
};

use crate::counterpart::Swallowed;
use crate::replica::Known;
use crate::waiting::WaitingReference;

/// A pair on its way through the step.
pub(crate) struct Work {
    pub(crate) id: PairId,
    pub(super) due: Instant,
    pub(crate) pair: Pair,
    /// The pair as it was read, to write it back only if it changed.
    pub(crate) before: Pair,
    pub(crate) left: Option<Known>,
    pub(crate) right: Option<Known>,
    pub(crate) images: Images,
    /// Since which run each mapping is what it is (E2.9).
    since: Arc<[RunId]>,
    pub(crate) times: [SideTimes; 2],
    /// What resolvers said about its conflicts.
    pub(crate) answers: Answers,
    /// Where the values of each side came from (E6.5).
    pub(crate) provenance: [Vec<Provenance>; 2],
    /// The values of one side that came from the other.
    pub(crate) rounds: Rounds,
    /// What was written to it in the last day.
    pub(crate) lately: Lately,
    /// What this sync took away on the side that is gone.
    pub(crate) taken: Option<Taken>,
    pub(super) members: [Members; 2],
    /// Pairs that this one has taken the record of.
    pub(crate) swallowed: Vec<Swallowed>,
    /// References that have no counterpart yet (E10.1).
    pub(crate) waiting: Vec<WaitingReference>,
    /// True if some had none before.
    pub(super) was_waiting: bool,
}

impl Work {
    pub(crate) fn new(id: PairId, due: Instant, pair: Pair, since: Arc<[RunId]>) -> Self {
        Self {
            id,
            due,
            before: pair.clone(),
            pair,
            left: None,
            right: None,
            images: Images::default(),
            since,
            times: Default::default(),
            answers: Answers::new(),
            provenance: Default::default(),
            rounds: Rounds::new(),
            lately: Lately::default(),
            taken: None,
            members: Default::default(),
            swallowed: Vec::new(),
            waiting: Vec::new(),
            was_waiting: false,
        }
    }

    /// Returns the lists that the record of `side` is in.
    pub(crate) fn members(&self, side: Side) -> &Members {
        side.pick(&self.members[0], &self.members[1])
    }

    pub(crate) fn known(&self, side: Side) -> Option<&Known> {
        side.pick(self.left.as_ref(), self.right.as_ref())
    }

    pub(crate) fn record(&self, side: Side) -> Option<&Record> {
        match self.known(side) {
            Some(Known::Here(record)) => Some(record),
            _ => None,
        }
    }

    fn presence(&self, side: Side) -> Presence<'_> {
        match (self.known(side), self.pair.id(side)) {
            (Some(Known::Here(record)), _) => Presence::Here(record),
            (Some(Known::Gone(fate)), _) => Presence::Gone(fate),
            (None, _) => Presence::Never,
        }
    }

    /// Notes when fields changed on a side. What a sync wrote there counts from when it was entered (E6.5).
    pub(crate) fn set_times(&mut self, side: Side, mut times: SideTimes) {
        let entered = self.provenance[side.pick(0, 1)].iter();
        times.extend(entered.filter_map(|known| Some((known.field.clone(), known.entered?))));
        self.times[side.pick(0, 1)] = times;
    }

    pub(crate) fn touched(&self, rules: &Rules) -> Vec<Touched> {
        match (self.record(Side::Left), self.record(Side::Right)) {
            (Some(left), Some(right)) => diff(rules, &self.since, &self.pair, left, right),
            _ => Vec::new(),
        }
    }

    pub(crate) fn situation<'a>(&'a self, rules: &'a Rules, scope_before: Option<&'a Scope>) -> Situation<'a> {
        Situation {
            rules,
            pair: &self.pair,
            left: self.presence(Side::Left),
            right: self.presence(Side::Right),
            images: &self.images,
            since: &self.since,
            left_times: &self.times[0],
            right_times: &self.times[1],
            clock_offset_ms: 0,
            answers: &self.answers,
            rounds: &self.rounds,
            lately: &self.lately,
            taken: self.taken.as_ref(),
            left_members: self.members(Side::Left),
            right_members: self.members(Side::Right),
            scope_before,
        }
    }

    pub(crate) fn decide(&self, rules: &Rules, scope_before: Option<&Scope>) -> Decision {
        decide(&self.situation(rules, scope_before))
    }
}
