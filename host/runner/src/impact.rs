//! What a changed scope would do to the pairs that there are, before it takes effect (E5.7).
//!
//! Invariant: this reads only; a filter deletes nobody and un-pairs nobody, it says who is written.

use std::sync::Arc;

use serde::Serialize;
use syncline_core::{Pair, PairState, RecordId, Scope, Scoped, Seen, Side, Truth};

use crate::Failure;
use crate::codec::PAGE_ROWS;
use crate::pairing::{Classified, classify};
use crate::planning::{Work, read_records};
use crate::running::Running;

/// Records that are named for each count.
const EXAMPLES_MAX: usize = 5;

/// What a changed scope does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// Pairs and single records that come into scope.
    pub enter: Moved,
    /// Those that leave it: they stay as they are, and nothing is written any more.
    pub leave: Moved,
    /// Single records that come into scope and have several possible counterparts (E1.5).
    pub ambiguous: Moved,
    /// Those of which it is not known: nothing is written until it is.
    pub unknown: Moved,
}

/// How many, and some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// How many.
    pub count: u64,
    /// Some of them, by their records.
    pub examples: Vec<MovedPair>,
}

/// The records of a pair that is given as an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedPair {
    /// On the left.
    pub left: Option<RecordId>,
    /// On the right.
    pub right: Option<RecordId>,
}

impl Moved {
    fn add(&mut self, pair: &Pair) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(MovedPair { left: pair.left.clone(), right: pair.right.clone() });
        }
    }
}

/// Compares the scope of the last run with that of the rules; `None` if it is the same.
pub(crate) async fn preview(running: &Running<'_>) -> Result<Option<Impact>, Failure> {
    let Some(before) = running.scope_before() else { return Ok(None) };
    let mut impact = Impact::default();
    let mut after = None;
    loop {
        let page = running.synced.scan(after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok(Some(impact)) };
        after = Some(*last);
        let mut works: Vec<Work> = page.into_iter().map(|(id, pair)| Work::new(id, 0, pair, Arc::default())).collect();
        read_records(running, &mut works).await?;
        for work in &works {
            compare(running, before, work, &mut impact).await?;
        }
    }
}

async fn compare(running: &Running<'_>, before: &Scope, work: &Work, impact: &mut Impact) -> Result<(), Failure> {
    let now = &running.setup.rules.scope;
    let (Some(was), Some(is)) = (scoped(running, before, work), scoped(running, now, work)) else { return Ok(()) };
    match (was, is) {
        (_, Scoped::Unknown) => impact.unknown.add(&work.pair),
        (Scoped::In | Scoped::Unknown, Scoped::Out(_)) => impact.leave.add(&work.pair),
        (Scoped::Out(_) | Scoped::Unknown, Scoped::In) if is_ambiguous(running, work).await? => {
            impact.ambiguous.add(&work.pair);
        }
        (Scoped::Out(_) | Scoped::Unknown, Scoped::In) => impact.enter.add(&work.pair),
        (Scoped::In, Scoped::In) | (Scoped::Out(_), Scoped::Out(_)) => {}
    }
    Ok(())
}

/// Says where `scope` puts a pair; `None` where no scope matters, since a record is gone or nothing flows.
fn scoped(running: &Running<'_>, scope: &Scope, work: &Work) -> Option<Scoped> {
    let direction = running.setup.rules.direction;
    let seen = |side: Side| Some(Seen { record: work.record(side)?, members: work.members(side) });
    match (seen(Side::Left), seen(Side::Right)) {
        (Some(left), Some(right)) => Some(scope.of_pair(direction, left, right)),
        _ => {
            let side = work.pair.only_side()?;
            let flows = direction.writes(side.other()) && !matches!(work.pair.state, PairState::Tombstone { .. });
            Some(scope.of_record(direction, side, seen(side)?, Truth::Yes)).filter(|_| flows)
        }
    }
}

async fn is_ambiguous(running: &Running<'_>, work: &Work) -> Result<bool, Failure> {
    let Some(side) = work.pair.only_side() else { return Ok(false) };
    let Some(record) = work.record(side) else { return Ok(false) };
    let matching = &running.setup.rules.matching;
    let found = classify(&running.synced, matching, &running.left, &running.right, side, record).await?;
    Ok(matches!(found, Classified::Alone(PairState::Ambiguous { .. }, _)))
}
