//! Who had the records that creates turned out to have made: a feed may have named them before their outcome was known.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{ChangeKind, EntryId, JournalEntry, Pair, PairId, RecordId, Side};

use crate::push::Pending;
use crate::running::Running;
use crate::sent::Sent;
use crate::totals::Place;
use crate::{Batch, Failure};

/// The pairs of records that a page of creates made.
pub(crate) struct Owners {
    of: BTreeMap<(Side, RecordId), (PairId, Pair)>,
    /// The pairs that are settled with the page: what they were before tells nothing.
    settling: BTreeSet<PairId>,
}

impl Owners {
    /// Reads them.
    pub(crate) async fn read(running: &Running<'_>, page: &[Pending]) -> Result<Self, Failure> {
        let mut owners = BTreeMap::new();
        for side in Side::BOTH {
            let made = page.iter().filter_map(|pending| made(pending).filter(|(on, _)| *on == side));
            let ids: Vec<RecordId> = made.map(|(_, id)| id.clone()).collect();
            if ids.is_empty() {
                continue;
            }
            let numbers = running.synced.pairs_of(side, &ids).await?;
            let found: Vec<(RecordId, PairId)> =
                ids.into_iter().zip(numbers).filter_map(|(id, number)| Some((id, number?))).collect();
            let numbers: Vec<PairId> = found.iter().map(|(_, number)| *number).collect();
            for ((id, number), pair) in found.into_iter().zip(running.synced.pairs(&numbers).await?) {
                owners.extend(pair.map(|pair| ((side, id), (number, pair))));
            }
        }
        Ok(Self { of: owners, settling: page.iter().map(|pending| pending.item.pair).collect() })
    }

    /// Drops the pair that had the record which this create made, if that pair had nothing else. Returns the record
    /// if it belongs to others by now: then two pairs claim it, and a person decides.
    pub(crate) fn make_way(
        &mut self,
        running: &mut Running<'_>,
        pending: &Pending,
        batch: &mut Batch,
    ) -> Option<(Side, RecordId)> {
        let (side, id) = made(pending)?;
        let (owner, mut pair) = self.of.remove(&(side, id.clone()))?;
        if owner == pending.item.pair {
            return None;
        }
        if self.settling.contains(&owner) {
            return Some((side, id.clone()));
        }
        if !pair.is_free() {
            // The create was a write to that record, whoever has it by now (E6.4).
            let writes: Vec<EntryId> = pending.entries.iter().map(JournalEntry::id).collect();
            let before = Place::of(&pair);
            pair.join(&writes);
            running.synced.put(batch, &mut running.state.totals, owner, (Some(before), &pair));
            return Some((side, id.clone()));
        }
        running.synced.drop_pair(batch, &mut running.state.totals, (owner, Place::of(&pair)));
        None
    }
}

/// Returns the record that a create made.
fn made(pending: &Pending) -> Option<(Side, &RecordId)> {
    pending.item.changes.iter().zip(&pending.sent).find_map(|(change, sent)| match sent {
        Sent::Done(done) if change.kind == ChangeKind::Create => Some((change.side, &done.id)),
        _ => None,
    })
}
