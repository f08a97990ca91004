//! Sends changes, a batch at a time.
//!
//! Invariant: what is sent again was looked up before (`look_up`).

use std::collections::BTreeMap;

use syncline_core::{
    Change, ChangeKind, FieldName, Instant, JournalEntry, KeyField, OUT_OF_SCOPE_TAG, PairState, Reason, RecordId,
    Side, TRASH_TAG, Value, normal_form,
};

use crate::endpoint::EndpointAccess;
use crate::look_up::{is_unread, look_up, read_back};
use crate::patience::{patiently, pause_ms};
use crate::pull::is_doubtful;
use crate::push::{Pending, cells};
use crate::run::WAIT_MS_MAX;
use crate::running::Running;
use crate::sent::{Done, Sent, Stored};
use crate::{Action, Failure, Fault, Found, Operation, Outcome, Table, Violation, WriteRequest};

/// How old a look for doubles may be when a create is sent, in milliseconds: a budget or a retry may lie between.
const LOOK_AGE_MS_MAX: i64 = 5_000;

/// Looks for records with the same key just before creates: reads may lag, and people do not wait for us (E1.7).
/// Returns the time before the first look.
pub(crate) async fn look_before_create(running: &Running<'_>, page: &mut [Pending]) -> Result<Instant, Failure> {
    let began = running.context.world.now();
    for pending in page.iter_mut() {
        pending.sent = vec![Sent::Not; pending.item.changes.len()];
    }
    for side in Side::BOTH {
        let list = unsent(page, side);
        let changes: Vec<&Change> = list.iter().map(|(at, index)| &page[*at].item.changes[*index]).collect();
        let doubles = look_for_doubles(running, running.endpoint(side), &changes).await?;
        for ((at, index), double) in list.into_iter().zip(doubles) {
            if let Some(double) = double {
                page[at].sent[index] = double;
            }
        }
    }
    Ok(began)
}

/// Returns, for each change, what keeps it from being sent: a create whose key a record has already.
async fn look_for_doubles(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    changes: &[&Change],
) -> Result<Vec<Option<Sent>>, Failure> {
    let mut doubles = vec![None; changes.len()];
    let Some(key) = key_to_find(running, endpoint) else { return Ok(doubles) };
    // Several may be made anew with one key, each for an edit of its own.
    let mut wanted: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut values: Vec<Value> = Vec::new();
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| change.kind == ChangeKind::Create) {
        let value = change.fields.iter().find(|field| field.field == key.field).map(|field| &field.after);
        if let Some(normal) = value.and_then(|value| normal_form(value, key.form)) {
            wanted.entry(normal).or_default().push(index);
        }
        values.extend(value.cloned());
    }
    for chunk in values.chunks(endpoint.described.object.get_batch_max.max(1) as usize) {
        let connector = &endpoint.connector;
        let columns = endpoint.state.layout.columns.clone();
        let found = patiently(running.context, endpoint.side, endpoint.setup, "looking before creating in", || {
            connector.find(key.field.clone(), chunk.to_vec(), columns.clone())
        })
        .await?;
        let found = confirmed(running, endpoint, found).await?;
        for index in 0..found.rows.len() {
            let Some(stored) = Stored::of(&found, index) else { continue };
            let normal = stored.get(&key.field).and_then(|value| normal_form(value, key.form));
            for &change in normal.and_then(|normal| wanted.get(&normal)).into_iter().flatten() {
                doubles[change] = Some(Sent::Anew {
                    reason: Reason::Duplicate,
                    detail: format!("{} has the same {}", stored.row.id, key.field),
                    doubtful: false,
                    ask: None,
                    learned: vec![stored.clone()],
                    gone: Vec::new(),
                });
            }
        }
    }
    Ok(doubles)
}

/// Leaves out what an index that lags may have as it was (E6.2): a look by id says what it is, and what is gone whether it
/// came back.
pub(crate) async fn confirmed(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    found: Table,
) -> Result<Table, Failure> {
    let ids: Vec<RecordId> = found.rows.iter().map(|row| row.id.clone()).collect();
    let known = endpoint.replica().get(&ids).await?;
    let object = &endpoint.described.object;
    let doubtful = found.rows.iter().zip(&known);
    let doubtful = doubtful.filter(|(row, known)| is_doubtful(object, &found.columns, row, known.as_ref()));
    let doubtful: Vec<RecordId> = doubtful.map(|(row, _)| row.id.clone()).collect();
    if doubtful.is_empty() || !endpoint.described.object.abilities.get {
        return Ok(found);
    }
    let connector = &endpoint.connector;
    let answer = patiently(running.context, endpoint.side, endpoint.setup, "looking before creating in", || {
        connector.get(doubtful.clone(), found.columns.clone())
    })
    .await?;
    let Table { columns, mut rows } = found;
    rows.retain(|row| !doubtful.contains(&row.id));
    let here = answer.found.iter().filter_map(|found| match found {
        Found::At(row) => answer.records.rows.get(*row).cloned(),
        Found::Moved { .. } | Found::Gone(_) | Found::Unclear(_) => None,
    });
    rows.extend(here);
    Ok(Table { columns, rows })
}

/// Returns the field by which a record on this side can be found before it is created.
fn key_to_find(running: &Running<'_>, endpoint: &EndpointAccess<'_>) -> Option<KeyField> {
    let [key] = running.setup.rules.matching.tuples.first()?.fields(endpoint.side) else { return None };
    let traits = endpoint.described.schema.field(&key.field)?.traits;
    (traits.unique || traits.findable).then(|| key.clone())
}

/// Sends the changes of a page to both sides at once and looks up what is unknown.
///
/// What was answered is in the page also where a call failed for good, which keeps the other side from nothing.
pub(crate) async fn send_all(
    running: &mut Running<'_>,
    page: &mut [Pending],
    looked_at: Instant,
) -> Result<(), Failure> {
    let shared = &*running;
    let lists = Side::BOTH.map(|side| unsent(page, side));
    let [mut left, mut right] = lists.each_ref().map(|list| vec![Sent::Not; list.len()]);
    let (left_ended, right_ended) = tokio::join!(
        send_side(shared, page, &lists[0], (Side::Left, looked_at), &mut left),
        send_side(shared, page, &lists[1], (Side::Right, looked_at), &mut right)
    );
    for ((at, index), sent) in lists.into_iter().flatten().zip(left.into_iter().chain(right)) {
        page[at].sent[index] = sent;
    }
    left_ended.and(right_ended)
}

fn unsent(page: &[Pending], side: Side) -> Vec<(usize, usize)> {
    let mut list = Vec::new();
    for (at, pending) in page.iter().enumerate() {
        for (index, change) in pending.item.changes.iter().enumerate() {
            if change.side == side && pending.sent[index] == Sent::Not {
                list.push((at, index));
            }
        }
    }
    list
}

async fn send_side(
    running: &Running<'_>,
    page: &[Pending],
    list: &[(usize, usize)],
    (side, mut looked_at): (Side, Instant),
    sent: &mut [Sent],
) -> Result<(), Failure> {
    let endpoint = running.endpoint(side);
    let entries: Vec<&JournalEntry> = list.iter().map(|(at, index)| &page[*at].entries[*index]).collect();
    let numbers: Vec<usize> = (0..entries.len()).collect();
    let batch_max = endpoint.described.object.write_batch_max.max(1) as usize;
    let mut batches: Vec<Vec<usize>> = numbers.chunks(batch_max).rev().map(<[usize]>::to_vec).collect();
    while let Some(mut batch) = batches.pop() {
        if running.context.world.now() > looked_at.saturating_add(LOOK_AGE_MS_MAX) {
            looked_at = running.context.world.now();
            let changes: Vec<&Change> = batch.iter().map(|&number| &entries[number].change).collect();
            let doubles = look_for_doubles(running, endpoint, &changes).await?;
            for (&number, double) in batch.iter().zip(doubles) {
                sent[number] = double.unwrap_or(Sent::Not);
            }
            batch.retain(|&number| sent[number] == Sent::Not);
        }
        if batch.is_empty() {
            continue;
        }
        let chunk: Vec<&JournalEntry> = batch.iter().map(|&number| entries[number]).collect();
        let (mut answers, failed_as_a_whole) = write(running, endpoint, &chunk).await?;
        let understood = find_out(running, endpoint, &chunk, &mut answers).await;
        let mut again = Vec::new();
        for (number, answer) in batch.into_iter().zip(answers) {
            let not_done = matches!(answer, Sent::Anew { .. } | Sent::Refused { .. });
            if failed_as_a_whole && not_done && chunk.len() > 1 {
                again.push(number);
            } else {
                sent[number] = answer;
            }
        }
        understood?;
        // One record may spoil a batch: what was not done is sent again in halves, until it stands alone (E8.1).
        let half = again.split_off(again.len() / 2);
        batches.extend([half, again].into_iter().filter(|part| !part.is_empty()));
    }
    Ok(())
}

/// Finds out what the answers to a batch did not say. Where that fails, nothing is known of what was to be looked at.
async fn find_out(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    chunk: &[&JournalEntry],
    answers: &mut [Sent],
) -> Result<(), Failure> {
    let unknown: Vec<usize> = (0..chunk.len()).filter(|&index| matches!(answers[index], Sent::Unknown(_))).collect();
    let open: Vec<&JournalEntry> = unknown.iter().map(|&index| chunk[index]).collect();
    let found_out = match look_up(running, endpoint, &open).await {
        Ok(found) => {
            for (index, answer) in unknown.into_iter().zip(found) {
                answers[index] = answer;
            }
            read_back(running, endpoint, chunk, answers).await
        }
        Err(failure) => {
            unknown.into_iter().for_each(|index| answers[index] = Sent::Not);
            Err(failure)
        }
    };
    if found_out.is_err() {
        // What was sent need not be what is stored (E6.1).
        for (_, answer) in chunk.iter().zip(answers).filter(|(entry, answer)| is_unread(endpoint, entry, answer)) {
            *answer = Sent::Not;
        }
    }
    found_out
}

/// Sends one batch; the second value says that the call failed for all at once in a way that one record may be the
/// cause of.
async fn write(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    entries: &[&JournalEntry],
) -> Result<(Vec<Sent>, bool), Failure> {
    let mut columns: Vec<FieldName> =
        entries.iter().flat_map(|entry| cells(&entry.change).into_keys().cloned().collect::<Vec<_>>()).collect();
    columns.sort();
    columns.dedup();
    let operations = entries.iter().map(|entry| operation(entry, &columns)).collect();
    let request = WriteRequest {
        target: endpoint.setup.target(),
        columns,
        operations,
        returning: endpoint.state.layout.columns.clone(),
    };
    let answer = match endpoint.connector.write(request).await {
        Ok(answer) => answer,
        Err(fault) => {
            let may_be_one = matches!(
                fault,
                Fault::Component(_)
                    | Fault::Protocol(_)
                    | Fault::Other(_)
                    | Fault::Permission(_)
                    | Fault::Schema(_)
                    | Fault::Unsupported(_)
            );
            return Ok((write_fault(running, endpoint, entries.len(), fault)?, may_be_one));
        }
    };
    let now = running.context.world.now();
    let outcomes = answer.outcomes.into_iter();
    Ok((outcomes.map(|outcome| understand(outcome, &answer.records, now)).collect(), false))
}

pub(crate) fn operation(entry: &JournalEntry, columns: &[FieldName]) -> Operation {
    let change = &entry.change;
    let record = || change.record.clone().unwrap_or_else(|| RecordId::new(""));
    let action = match &change.kind {
        ChangeKind::Create => Action::Create(entry.create_key.clone().unwrap_or_default()),
        ChangeKind::Update => Action::Update(record()),
        ChangeKind::Delete => Action::Delete(record()),
        ChangeKind::Archive => Action::Archive(record()),
        ChangeKind::Tag => {
            let has_left = matches!(entry.then, PairState::OutOfScope { .. });
            Action::Tag(record(), if has_left { OUT_OF_SCOPE_TAG } else { TRASH_TAG }.to_owned())
        }
        ChangeKind::Restore { .. } => Action::Restore(record()),
    };
    let raw = match &change.kind {
        ChangeKind::Restore { raw } => raw.clone(),
        _ => None,
    };
    let sent = cells(change);
    let cells = columns.iter().map(|column| sent.get(column).map(|value| (*value).clone())).collect();
    Operation { action, expected_version: change.version.clone(), cells, raw }
}

/// Says what each outcome leads to (E8.1). A new outcome asks for its answer here.
fn understand(outcome: Outcome, records: &Table, now: Instant) -> Sent {
    let later = |reason, after_ms: u64, detail| {
        let after = i64::try_from(after_ms).unwrap_or(i64::MAX);
        Sent::Later { reason, detail, at: Some(now.saturating_add(after)) }
    };
    match outcome {
        Outcome::Written { id, stored, raw } => {
            Sent::Done(Done { id, stored: stored.and_then(|index| Stored::of(records, index)), raw, looked_up: false })
        }
        // Longer than a run waits for anything is a budget's wait, which is no failure (E7).
        Outcome::RetryLater { after_ms, reason } if after_ms <= WAIT_MS_MAX.unsigned_abs() => {
            later(Reason::Retrying, after_ms, reason)
        }
        Outcome::RetryLater { after_ms, reason } | Outcome::Quota { after_ms, reason } => {
            later(Reason::ProviderBudget, after_ms, reason)
        }
        Outcome::VersionConflict(row) => Sent::Anew {
            reason: Reason::Retrying,
            detail: "it was changed meanwhile".to_owned(),
            doubtful: false,
            ask: None,
            learned: row.and_then(|index| Stored::of(records, index)).into_iter().collect(),
            gone: Vec::new(),
        },
        Outcome::NotFound => Sent::anew(Reason::Retrying, "it is not there any more"),
        Outcome::MergedInto(id) => Sent::anew(Reason::Retrying, format!("it was merged into {id}")),
        Outcome::Invalid(violations) => refused(violations),
        Outcome::DuplicateOf(Some(id)) => Sent::Anew {
            reason: Reason::Duplicate,
            detail: format!("{id} has the same unique value"),
            doubtful: false,
            ask: Some(id),
            learned: Vec::new(),
            gone: Vec::new(),
        },
        Outcome::DuplicateOf(None) => Sent::Refused {
            reason: Reason::Duplicate,
            field: None,
            detail: "another record has the same unique value".to_owned(),
        },
        Outcome::Permission(detail) => Sent::Refused { reason: Reason::Permission, field: None, detail },
        Outcome::Unsupported(detail) => Sent::Refused { reason: Reason::UnsupportedType, field: None, detail },
        Outcome::Unknown(detail) => Sent::Unknown(detail),
    }
}

fn refused(violations: Vec<Violation>) -> Sent {
    let field = violations.iter().find_map(|violation| violation.field.clone()).map(FieldName::from);
    let texts: Vec<String> = violations
        .into_iter()
        .map(|violation| match violation.field {
            Some(field) => format!("{field}: {}", violation.message),
            None => violation.message,
        })
        .collect();
    Sent::Refused { reason: Reason::Validation, field, detail: texts.join("; ") }
}

/// Says what a fault of the whole call means for each of its records.
fn write_fault(
    running: &Running<'_>,
    endpoint: &EndpointAccess<'_>,
    count: usize,
    fault: Fault,
) -> Result<Vec<Sent>, Failure> {
    let text = fault.to_string();
    let all = |sent: Sent| Ok(vec![sent; count]);
    match fault {
        Fault::Interrupted(_) | Fault::Component(_) | Fault::Protocol(_) | Fault::Other(_) => all(Sent::Unknown(text)),
        Fault::Transient(_) => all(Sent::Later { reason: Reason::Retrying, detail: text, at: None }),
        Fault::RetryLater { after_ms, reason } => {
            let after = i64::try_from(after_ms).unwrap_or(i64::MAX);
            let at = Some(running.context.world.now().saturating_add(after));
            all(Sent::Later { reason: Reason::ProviderBudget, detail: reason, at })
        }
        Fault::Permission(_) => all(Sent::Refused { reason: Reason::Permission, field: None, detail: text }),
        Fault::Schema(_) => all(Sent::Refused { reason: Reason::Schema, field: None, detail: text }),
        Fault::Unsupported(_) => all(Sent::Refused { reason: Reason::UnsupportedType, field: None, detail: text }),
        Fault::Auth(_) | Fault::Misconfigured(_) | Fault::NotFound(_) | Fault::CursorExpired(_) => {
            Err(Failure::Connector {
                side: endpoint.side,
                endpoint: endpoint.setup.endpoint.clone(),
                doing: "writing to",
                source: fault,
            })
        }
    }
}

/// Returns when a change is tried again after its failed attempt number `attempts`.
pub(crate) fn retry_at(now: Instant, attempts: u32, random: u64) -> Instant {
    /// Attempts that follow each other within a run; later ones come every 20 minutes, then daily (E8.1).
    const QUICK: u32 = 8;
    const EVERY_20_MINUTES: u32 = QUICK + 10;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    match attempts {
        0..QUICK => now + i64::try_from(pause_ms(attempts, random)).unwrap_or(0),
        QUICK..EVERY_20_MINUTES => now + 20 * 60 * 1000,
        _ => (now / DAY_MS + 1) * DAY_MS,
    }
}
