//! Keeps where values came from, for syncs in a circle (E6.5), and finds those that came back to where they were.
//!
//! Each write goes with its way: the field that it was taken from, and where that had it from. Once it is done, the way
//! stands with the row of the replica, for as long as the row shows the value. So does when the value was entered: that,
//! and not when a sync wrote it, is what conflicts go by.
//! Not here: what follows from it for a pair (`core`).

use syncline_core::{
    Change, ChangeKind, ConflictPolicy, FieldChange, Holder, JournalEntry, Mapping, Origin, Passage, Provenance,
    RecordId, Side, SideTimes, Times, round,
};

use crate::planning::Work;
use crate::running::Running;
use crate::sent::Done;
use crate::{Failure, settle};

/// Finds the values of each pair that one side got from the other, by whatever way.
pub(crate) async fn find_rounds(running: &Running<'_>, works: &mut [Work]) -> Result<(), Failure> {
    if !running.setup.circle {
        return Ok(());
    }
    for side in Side::BOTH {
        let ids: Vec<RecordId> = works.iter().filter_map(|work| work.pair.id(side).cloned()).collect();
        let mut known = running.endpoint(side).replica().provenance(&ids).await?.into_iter();
        for work in works.iter_mut().filter(|work| work.pair.id(side).is_some()) {
            work.provenance[side.pick(0, 1)] = known.next().unwrap_or_default();
            work.set_times(side, SideTimes::new());
        }
    }
    for work in works {
        let mappings = running.setup.rules.mappings.iter().enumerate();
        // References are joined entry by entry: none of them is the one older value of all.
        let rounds = mappings.filter(|(_, mapping)| !mapping.joins_references()).filter_map(|(index, mapping)| {
            let [left, right] = Side::BOTH.map(|side| holder(running, work, mapping, side));
            Some((index, round(&left, &right)?))
        });
        work.rounds = rounds.collect();
    }
    Ok(())
}

fn holder<'a>(running: &Running<'_>, work: &'a Work, mapping: &'a Mapping, side: Side) -> Holder<'a> {
    let field = mapping.field(side);
    let aliases = work.pair.aliases.iter().filter(|(on, _)| *on == side).map(|(_, id)| id);
    Holder {
        endpoint: running.endpoint(side).space.0,
        records: work.pair.id(side).into_iter().chain(aliases).collect(),
        field,
        value: work.record(side).and_then(|record| record.get(field)),
        provenance: work.provenance[side.pick(0, 1)].iter().find(|known| known.field == *field),
    }
}

/// Returns the ways of the values that `changes` are to write; of what is merged of both sides there is none.
pub(crate) fn passages(running: &Running<'_>, work: &Work, changes: &[Change]) -> Vec<Passage> {
    if !running.setup.circle {
        return Vec::new();
    }
    let writes = changes.iter().filter(|change| matches!(change.kind, ChangeKind::Create | ChangeKind::Update));
    let fields = writes.flat_map(|change| change.fields.iter().map(|field| (change.side, field)));
    let rules = &running.setup.rules;
    let passage = |(target, change): (Side, &FieldChange)| {
        let source = target.other();
        let mut mappings = rules.mappings.iter().enumerate();
        let (index, mapping) = mappings.find(|(index, mapping)| {
            *mapping.field(target) == change.field
                && !mapping.joins_references()
                && work.images.to(target, *index).is_some_and(|image| image.as_ref() == Ok(&change.after))
        })?;
        let (holder, record) = (holder(running, work, mapping, source), work.record(source)?);
        let origin = Origin {
            endpoint: holder.endpoint,
            record: record.id.clone(),
            field: holder.field.clone(),
            value: holder.value?.fingerprint(),
        };
        let own = work.times[source.pick(0, 1)].get(holder.field).copied();
        // A strict policy takes the record's time for none (E3.2).
        let is_strict = matches!(rules.conflict_policy(index), ConflictPolicy::Newest { times: Times::Field, .. });
        let changed = own.or(record.modified_at.filter(|_| !is_strict));
        Some(Passage::from((origin, changed), holder.provenance, (target, &change.field)))
    };
    fields.filter_map(passage).collect()
}

/// Returns where the values came from that a write left behind.
pub(crate) fn written(passages: &[Passage], entry: &JournalEntry, done: &Done) -> Vec<Provenance> {
    let change = &entry.change;
    let own = passages.iter().filter(|passage| passage.side == change.side);
    let provenance = |passage: &Passage| {
        let sent = &change.fields.iter().find(|field| field.field == passage.field)?.after;
        let stored = settle::written(done, &passage.field, sent);
        // Between the write and a later look somebody may have changed it.
        let is_ours = !done.looked_up || stored == *sent;
        is_ours.then(|| Provenance {
            field: passage.field.clone(),
            value: stored.fingerprint(),
            entered: passage.entered,
            origins: passage.origins.clone(),
        })
    };
    own.filter_map(provenance).collect()
}
