//! Carries out a person's decision on a conflict: picks a side for open ones, or flips one that a rule decided (E3.4).
//!
//! Invariant: nothing is written if either side has moved on since the conflict was found. Who decided is noted in the
//! commit that settles the writes, whoever settles them: a run that takes up an interrupted decision notes it too.

use std::collections::BTreeMap;

use syncline_core::{
    Agreed, Change, ChangeKind, Conflict, ConflictField, Decided, FieldChange, FieldName, Mapping, Pair, PairId,
    PairState, PlanItem, Record, RecordId, Side, Value, Why,
};

use crate::replica::Known;
use crate::running::{RunKind, RunRecord, Running};
use crate::setup::{Context, SyncSetup};
use crate::synced::KeptConflict;
use crate::{Failure, codec, directed, masking, pull, recover};

/// Makes `keep`'s values of the fields of each conflict stand on both sides.
pub async fn resolve(context: &Context, setup: &SyncSetup, numbers: &[u64], keep: Side) -> Result<RunRecord, Failure> {
    let mut running = Running::open(context, setup, RunKind::Resolve).await?;
    recover::recover(&mut running).await?;
    let mut by_pair: BTreeMap<PairId, Vec<KeptConflict>> = BTreeMap::new();
    for &number in numbers {
        let key = codec::conflict(running.synced.space, number);
        let Some(kept) = codec::load::<KeptConflict>(running.synced.store, key).await? else {
            return Err(Failure::Request(format!("the sync {} has no conflict {number}", setup.name)));
        };
        by_pair.entry(kept.pair).or_default().push(kept);
    }
    let mut items = Vec::new();
    for (pair, conflicts) in &by_pair {
        let item = plan(&mut running, *pair, conflicts, keep).await?;
        items.extend(Some(item).filter(|item| !item.changes.is_empty()));
    }
    if items.is_empty() {
        return Err(Failure::Request("both sides already hold that value; there is nothing to write".to_owned()));
    }
    directed::plan(&mut running, &items).await?;
    let total = items.iter().map(|item| item.changes.len() as u64).sum();
    directed::carry_out(&mut running, total).await?;
    Ok(running.run.clone())
}

/// Plans what makes `keep`'s values stand on both sides of one pair.
async fn plan(
    running: &mut Running<'_>,
    id: PairId,
    conflicts: &[KeptConflict],
    keep: Side,
) -> Result<PlanItem, Failure> {
    let Some(pair) = running.synced.pair(id).await? else {
        return Err(Failure::Request("its records belong to another pair now; run the sync again".to_owned()));
    };
    let (Some(left), Some(right)) = (pair.left.clone(), pair.right.clone()) else {
        return Err(Failure::Request("one of its records is gone; there is nothing to decide any more".to_owned()));
    };
    let left_record = fresh(running, Side::Left, &left).await?;
    let right_record = fresh(running, Side::Right, &right).await?;
    for kept in conflicts {
        check_fresh(running, &pair, kept, [&left_record, &right_record])?;
    }
    let target = keep.other();
    let (kept_record, written) = keep.pick((&left_record, &right_record), (&right_record, &left_record));
    let mut fields = Vec::new();
    let mut agreed = Vec::new();
    for field in conflicts.iter().flat_map(|kept| &kept.conflict.fields) {
        let value = wanted(running, field, keep).await?;
        let (kept_field, written_field) =
            keep.pick((&field.left_field, &field.right_field), (&field.right_field, &field.left_field));
        agreed.push(Agreed::on(field.left_field.clone(), field.right_field.clone()));
        // Flipping a decided conflict brings the losing value back to its own side too.
        let own = keep.pick(&field.left, &field.right);
        if kept_record.get(kept_field) != Some(own) {
            let mend = format!("edit it there, where {} has another value by now", kept_record.id);
            check_written(running, mapping_of(running, field)?, keep, &mend)?;
            fields.push((keep, change_field(kept_record, kept_field, own.clone())));
        }
        if written.get(written_field) != Some(&value) {
            fields.push((target, change_field(written, written_field, value)));
        }
    }
    let mut changes = Vec::new();
    for (side, record) in [(Side::Left, &left_record), (Side::Right, &right_record)] {
        let own: Vec<FieldChange> =
            fields.iter().filter(|(on, _)| *on == side).map(|(_, change)| change.clone()).collect();
        if !own.is_empty() {
            let version = record.version.clone();
            changes.push(Change {
                side,
                kind: ChangeKind::Update,
                record: Some(record.id.clone()),
                version,
                fields: own,
            });
        }
    }
    let decided = |kept: &KeptConflict| Conflict { decided: Decided::ByPerson(keep), ..kept.conflict.clone() };
    Ok(PlanItem {
        changes,
        agreed,
        conflicts: conflicts.iter().map(decided).collect(),
        decides: conflicts.iter().map(|kept| kept.number).collect(),
        ..PlanItem::of(id, &pair, PairState::Linked)
    })
}

/// Reads a record as it is now.
async fn fresh(running: &mut Running<'_>, side: Side, id: &RecordId) -> Result<Record, Failure> {
    let endpoint = running.endpoint_mut(side);
    pull::look(endpoint, std::slice::from_ref(id), &mut pull::Pulled::default()).await?;
    match endpoint.replica().get(std::slice::from_ref(id)).await?.pop().flatten() {
        Some(Known::Here(record)) => Ok(record),
        Some(Known::Gone(_)) | None => Err(Failure::Request(format!("{id} on the {side} side is gone"))),
    }
}

/// Refuses to decide about values that are not there any more, on any field of the group (E3.4).
fn check_fresh(running: &Running<'_>, pair: &Pair, kept: &KeptConflict, records: [&Record; 2]) -> Result<(), Failure> {
    let conflict = &kept.conflict;
    for (fields, covered) in [(&conflict.fields, true), (&conflict.beside, false)] {
        for (field, side) in fields.iter().flat_map(|field| Side::BOTH.map(|side| (field, side))) {
            let (name, had) = side.pick((&field.left_field, &field.left), (&field.right_field, &field.right));
            // A side that lost holds what it got; the other one, both of an open conflict, and what was beside it are
            // as they were.
            let agreed = pair.base.get(&field.left_field, &field.right_field).filter(|cell| cell.run <= kept.run);
            let given = || agreed.map(|cell| cell.value(side));
            let then = if covered && conflict.decided.covers(side) { given() } else { Some(had) };
            let now = records[side.pick(0, 1)].get(name);
            if now != then {
                if masking::is_sensitive(&running.endpoint(side).described.schema, name) {
                    let changed = format!("{name} on the {side} side has changed since; run the sync again");
                    return Err(Failure::Request(changed));
                }
                let [now, then] =
                    [now, then].map(|value| value.map_or_else(|| "unknown".to_owned(), ToString::to_string));
                return Err(Failure::Request(format!(
                    "{name} on the {side} side has changed since: it was {then} and is {now}; run the sync again"
                )));
            }
        }
    }
    Ok(())
}

/// Returns what the kept value is on the other side.
async fn wanted(running: &Running<'_>, field: &ConflictField, keep: Side) -> Result<Value, Failure> {
    let value = keep.pick(&field.left, &field.right).clone();
    let (mapping, target) = (mapping_of(running, field)?, keep.other());
    check_written(running, mapping, target, &format!("take the {target} value, or edit it there"))?;
    crate::mapped::one(running.synced.store, running.setup, mapping, target, value).await
}

fn mapping_of<'a>(running: &'a Running<'_>, field: &ConflictField) -> Result<&'a Mapping, Failure> {
    let mut mappings = running.setup.rules.mappings.iter();
    let mapping = mappings.find(|mapping| mapping.left == field.left_field && mapping.right == field.right_field);
    mapping.ok_or_else(|| {
        Failure::Request(format!("{} and {} are not mapped any more", field.left_field, field.right_field))
    })
}

/// Refuses to write what the rules do not write: a decision does not overrule the direction (B04).
fn check_written(running: &Running<'_>, mapping: &Mapping, side: Side, mend: &str) -> Result<(), Failure> {
    match running.setup.rules.flows_to(mapping, side) {
        true => Ok(()),
        false => {
            let field = mapping.field(side);
            Err(Failure::Request(format!("the sync does not write {field} of the {side} side; {mend}")))
        }
    }
}

fn change_field(record: &Record, field: &FieldName, after: Value) -> FieldChange {
    FieldChange { field: field.clone(), before: record.get(field).cloned(), after, why: Why::Resolved }
}
