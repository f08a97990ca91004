//! Conflicts as they are kept: an open one has one number until it is decided or goes away by itself.

use std::collections::BTreeMap;

use syncline_core::{Agreed, Conflict, ConflictField, Decided, Pair, PairId};

use crate::running::Running;
use crate::synced::{KeptConflict, Synced};
use crate::{Batch, StoreError, codec};

/// The open conflicts of a page of pairs.
pub(crate) struct OpenConflicts(BTreeMap<u64, Conflict>);

impl OpenConflicts {
    /// Reads those that `pairs` name.
    pub(crate) async fn read(synced: &Synced<'_>, pairs: impl Iterator<Item = &Pair>) -> Result<Self, StoreError> {
        let numbers = pairs.flat_map(|pair| &pair.open_conflicts);
        let keys = numbers.map(|number| codec::conflict(synced.space, *number)).collect();
        let kept: Vec<Option<KeptConflict>> = codec::load_all(synced.store, keys).await?;
        Ok(Self(kept.into_iter().flatten().map(|kept| (kept.number, kept.conflict)).collect()))
    }

    /// True if one is about the fields of `agreed`: what they hold is for a person to decide.
    pub(crate) fn is_about(&self, agreed: &Agreed) -> bool {
        let is_same = |field: &ConflictField| field.left_field == agreed.left && field.right_field == agreed.right;
        self.0.values().any(|conflict| conflict.decided.waits() && conflict.fields.iter().any(is_same))
    }

    /// Takes the number of the conflict that is about a field of `conflict` out of `numbers`.
    fn take(&self, numbers: &mut Vec<u64>, conflict: &Conflict) -> Option<u64> {
        let same = |one: &ConflictField, other: &ConflictField| {
            one.left_field == other.left_field && one.right_field == other.right_field
        };
        // A field is in one merge group only, of which other members may differ than the last time.
        let is_same = |number: &u64| {
            self.0
                .get(number)
                .is_some_and(|open| open.fields.iter().any(|one| conflict.fields.iter().any(|other| same(one, other))))
        };
        numbers.iter().position(is_same).map(|at| numbers.remove(at))
    }
}

/// Notes conflicts, those that wait for a person each once; an open one that is not found again has gone away by itself.
pub(crate) fn keep_all(
    running: &mut Running<'_>,
    pair: &mut Pair,
    id: PairId,
    conflicts: Vec<Conflict>,
    open: &OpenConflicts,
    batch: &mut Batch,
) {
    let mut known = std::mem::take(&mut pair.open_conflicts);
    pair.quarantined.clear();
    for conflict in conflicts {
        let waits = conflict.decided.waits();
        if conflict.decided == Decided::Quarantined {
            pair.quarantined.extend(fields_of(&conflict));
        }
        let number = if waits { open.take(&mut known, &conflict) } else { None };
        let number = keep(running, id, conflict, number, batch);
        if waits {
            pair.open_conflicts.push(number);
        }
    }
}

/// Notes what a person decided, an open conflict or one that a rule had decided; whatever else is open stays so.
pub(crate) fn close(
    running: &mut Running<'_>,
    pair: &mut Pair,
    id: PairId,
    decided: impl Iterator<Item = (u64, Conflict)>,
    batch: &mut Batch,
) {
    for (number, conflict) in decided {
        let fields: Vec<Agreed> = fields_of(&conflict).collect();
        pair.quarantined.retain(|quarantined| !fields.contains(quarantined));
        pair.open_conflicts.retain(|open| *open != number);
        keep(running, id, conflict, Some(number), batch);
    }
}

fn fields_of(conflict: &Conflict) -> impl Iterator<Item = Agreed> {
    conflict.fields.iter().map(|field| Agreed::on(field.left_field.clone(), field.right_field.clone()))
}

/// Keeps a conflict under its number, or a new one.
pub(crate) fn keep(
    running: &mut Running<'_>,
    pair: PairId,
    conflict: Conflict,
    number: Option<u64>,
    batch: &mut Batch,
) -> u64 {
    let number = number.unwrap_or_else(|| {
        running.state.next_conflict += 1;
        running.state.next_conflict
    });
    let kept = KeptConflict { number, pair, run: running.counts_from(), at: running.context.world.now(), conflict };
    codec::put(batch, codec::conflict(running.synced.space, number), &kept);
    number
}
