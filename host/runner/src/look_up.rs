//! Finds out what became of writes: those with an unknown outcome, and those whose answers did not say what is stored.
//!
//! Invariant: an unknown outcome is looked up, never sent again blindly (E1.8, E8.1).

use syncline_core::{
    Change, ChangeKind, CreatePromise, FieldChange, FieldName, JournalEntry, Reason, RecordId, Tombstone, Value,
};

use crate::endpoint::EndpointAccess;
use crate::patience::to_the_end;
use crate::running::Running;
use crate::send::operation;
use crate::sent::{Done, Sent, Stored};
use crate::{Failure, Found, Made, Table};

/// Finds out what became of writes with an unknown outcome.
pub(crate) async fn look_up(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    entries: &[&JournalEntry],
) -> Result<Vec<Sent>, Failure> {
    let mut sent = vec![Sent::Unknown("the outcome is unknown".to_owned()); entries.len()];
    let (creates, others): (Vec<usize>, Vec<usize>) =
        (0..entries.len()).partition(|&index| entries[index].change.kind == ChangeKind::Create);
    if !creates.is_empty() && endpoint.described.object.promise != CreatePromise::None {
        let list: Vec<&JournalEntry> = creates.iter().map(|&index| entries[index]).collect();
        for (index, answer) in creates.into_iter().zip(look_up_creates(running, endpoint, &list).await?) {
            sent[index] = answer;
        }
    }
    if !others.is_empty() && endpoint.described.object.abilities.get {
        let list: Vec<&JournalEntry> = others.iter().map(|&index| entries[index]).collect();
        for (index, answer) in others.into_iter().zip(look_up_others(running, endpoint, &list).await?) {
            sent[index] = answer;
        }
    }
    Ok(sent)
}

async fn look_up_creates(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    entries: &[&JournalEntry],
) -> Result<Vec<Sent>, Failure> {
    let object = &endpoint.described.object;
    let keys: Vec<String> = entries.iter().map(|entry| entry.create_key.clone().unwrap_or_default()).collect();
    let mut columns: Vec<FieldName> =
        entries.iter().flat_map(|entry| entry.change.fields.iter().map(|field| field.field.clone())).collect();
    columns.sort();
    columns.dedup();
    let hints: Vec<Vec<Option<Value>>> = entries.iter().map(|entry| operation(entry, &columns).cells).collect();
    let connector = &endpoint.connector;
    let fields = endpoint.state.layout.columns.clone();
    let created = to_the_end(running.context, endpoint.side, endpoint.setup, "looking up creates in", || {
        connector.find_created(keys.clone(), columns.clone(), hints.clone(), fields.clone())
    })
    .await?;
    let now = running.context.world.now();
    let window = i64::try_from(object.visibility_window_ms).unwrap_or(i64::MAX);
    let answer = |(index, entry): (usize, &&JournalEntry)| {
        match created.made.get(index) {
            Some(Made::At(row)) => match Stored::of(&created.records, *row) {
                Some(stored) => {
                    Sent::Done(Done { id: stored.row.id.clone(), stored: Some(stored), raw: None, looked_up: true })
                }
                None => Sent::Unknown("the answer has no row".to_owned()),
            },
            // With a native promise sending it again cannot double it; else it may still come to light.
            Some(Made::Nothing) if object.promise == CreatePromise::Native || now - entry.at > window => {
                Sent::anew(Reason::Retrying, "it was not created")
            }
            Some(Made::Nothing) => Sent::Unknown("the create has not come to light yet".to_owned()),
            Some(Made::Unclear(reason)) => Sent::Unknown(reason.clone()),
            None => Sent::Unknown("the plugin gave no answer".to_owned()),
        }
    };
    Ok(entries.iter().enumerate().map(answer).collect())
}

async fn look_up_others(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    entries: &[&JournalEntry],
) -> Result<Vec<Sent>, Failure> {
    let ids: Vec<RecordId> = entries.iter().filter_map(|entry| entry.change.record.clone()).collect();
    let (table, found) = get(running, endpoint, &ids).await?;
    Ok(entries.iter().zip(found).map(|(entry, found)| judge(entry, &table, found)).collect())
}

/// Tells from what is there now whether a change was done.
fn judge(entry: &JournalEntry, table: &Table, found: Found) -> Sent {
    let id = entry.change.record.clone().unwrap_or_else(|| RecordId::new(""));
    let takes_away = matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive);
    match found {
        Found::Gone(_) if takes_away => Sent::Done(Done { id, stored: None, raw: None, looked_up: true }),
        Found::Gone(tombstone) => Sent::Anew {
            reason: Reason::Retrying,
            detail: "it is not there any more".to_owned(),
            doubtful: true,
            ask: None,
            learned: Vec::new(),
            gone: vec![tombstone],
        },
        Found::Moved { id: now, .. } => Sent::anew(Reason::Retrying, format!("it was merged into {now}")),
        Found::Unclear(reason) => Sent::Unknown(reason),
        Found::At(index) => {
            let Some(stored) = Stored::of(table, index) else {
                return Sent::Unknown("the answer has no row".to_owned());
            };
            match entry.change.kind {
                ChangeKind::Update if has_taken_effect(&entry.change, &stored) => {
                    Sent::Done(Done { id, stored: Some(stored), raw: None, looked_up: true })
                }
                ChangeKind::Restore { .. } => Sent::Done(Done { id, stored: Some(stored), raw: None, looked_up: true }),
                _ => Sent::Anew {
                    reason: Reason::Retrying,
                    detail: "the write did not take effect".to_owned(),
                    doubtful: true,
                    ask: None,
                    learned: vec![stored],
                    gone: Vec::new(),
                },
            }
        }
    }
}

/// True if one of the fields holds what was written there and was not there before; somebody may have edited the others since.
fn has_taken_effect(change: &Change, stored: &Stored) -> bool {
    let stands = |field: &FieldChange| stored.get(&field.field) == Some(&field.after);
    let is_new = |field: &FieldChange| field.before.as_ref() != Some(&field.after);
    change.fields.iter().all(stands) || change.fields.iter().any(|field| is_new(field) && stands(field))
}

/// Reads what writes left behind where their answers did not say: records as stored, and why records are not there.
pub(crate) async fn read_back(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    entries: &[&JournalEntry],
    answers: &mut [Sent],
) -> Result<(), Failure> {
    if !endpoint.described.object.abilities.get {
        return Ok(());
    }
    let wants = |entry: &JournalEntry, sent: &Sent| match sent {
        Sent::Done(done) => is_unread(endpoint, entry, sent).then(|| done.id.clone()),
        Sent::Anew { ask, learned, gone, .. } if learned.is_empty() && gone.is_empty() => {
            ask.clone().or_else(|| entry.change.record.clone())
        }
        _ => None,
    };
    let wanted: Vec<(usize, RecordId)> = entries
        .iter()
        .zip(answers.iter())
        .enumerate()
        .filter_map(|(index, (entry, sent))| Some((index, wants(entry, sent)?)))
        .collect();
    let ids: Vec<RecordId> = wanted.iter().map(|(_, id)| id.clone()).collect();
    let (table, found) = get(running, endpoint, &ids).await?;
    for ((index, id), found) in wanted.into_iter().zip(found) {
        match (&mut answers[index], found) {
            (Sent::Done(done), Found::At(row)) => done.stored = Stored::of(&table, row),
            (Sent::Anew { learned, .. }, Found::At(row)) => learned.extend(Stored::of(&table, row)),
            (Sent::Anew { gone, .. }, Found::Gone(tombstone)) => gone.push(tombstone),
            (Sent::Anew { gone, learned, .. }, Found::Moved { id: now, row }) => {
                learned.extend(Stored::of(&table, row));
                gone.push(Tombstone { id, fate: syncline_core::Fate::MergedInto(now), at: None });
            }
            _ => {}
        }
    }
    Ok(())
}

/// True if only a look can tell what a write left behind.
pub(crate) fn is_unread(endpoint: &EndpointAccess<'_>, entry: &JournalEntry, sent: &Sent) -> bool {
    let takes_away = matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive);
    endpoint.described.object.abilities.get && !takes_away && matches!(sent, Sent::Done(Done { stored: None, .. }))
}

async fn get(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    ids: &[RecordId],
) -> Result<(Table, Vec<Found>), Failure> {
    if ids.is_empty() {
        return Ok((Table::default(), Vec::new()));
    }
    let connector = &endpoint.connector;
    let fields = endpoint.state.layout.columns.clone();
    let answer = to_the_end(running.context, endpoint.side, endpoint.setup, "looking up records of", || {
        connector.get(ids.to_vec(), fields.clone())
    })
    .await?;
    Ok((answer.records, answer.found))
}
