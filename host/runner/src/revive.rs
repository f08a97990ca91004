//! Before decide: finds what this sync took away after its counterpart, which is there again (E4.4).

use syncline_core::{ChangeKind, EntryState, Pair, PairState, Settled, Side, Taken};

use crate::Failure;
use crate::planning::Work;
use crate::running::Running;
use crate::trail::Trail;

/// Fills in what the pairs of a page lost through this sync.
pub(crate) async fn find_taken(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    for work in works {
        let ended = matches!(work.pair.state, PairState::Tombstone { gone: None, undone: false });
        let alone = Side::BOTH.into_iter().find(|side| work.record(*side).is_some());
        if let Some(side) = alone.filter(|side| ended && work.record(side.other()).is_none()) {
            work.taken = taken(running, &work.pair, side.other()).await?;
        }
    }
    Ok(())
}

/// Returns the record that was taken away on `side`, if that was the last that happened to it.
async fn taken(running: &Running<'_>, pair: &Pair, side: Side) -> Result<Option<Taken>, Failure> {
    let mut trail = Trail::of(running.synced.store, pair);
    while let Some(entry) = trail.older().await? {
        if entry.change.side != side {
            continue;
        }
        let EntryState::Settled { outcome: Settled::Written { record, raw, .. }, .. } = entry.state else { continue };
        let takes_away = matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive);
        let is_it = takes_away && pair.id(side) == Some(&record);
        let comes_back = running.endpoint(side).described.object.abilities.restore;
        return Ok(is_it.then_some(Taken { record, raw, comes_back }));
    }
    Ok(None)
}
