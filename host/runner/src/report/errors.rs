//! The error log of a run (E8.6): the records that could not be read, the writes that were not done, and the records for
//! which none was possible.

use serde::Serialize;
use syncline_core::{
    EntryState, FieldName, JournalEntry, Pair, PairId, Reason, RecordId, RunId, Settled, Side, SyncName, Trouble,
};

use super::kept::KeptSync;
use super::runs::{journal, record};
use super::{ErrorClass, Moment};
use crate::codec::PAGE_ROWS;
use crate::masking::without;
use crate::unread::{self, Unread};
use crate::{RunRecord, Store, StoreError};

/// One line of the error log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorRow {
    /// When.
    pub time: Moment,
    /// The sync.
    pub sync: SyncName,
    /// The run.
    pub run: RunId,
    /// The side that refused.
    pub side: Option<Side>,
    /// Its connection, object and container.
    pub object: Option<String>,
    /// The record there.
    pub remote_id: Option<RecordId>,
    /// The pair, if the record has one.
    pub pair: Option<PairId>,
    /// What was to be done; nothing if it did not come to that.
    pub op: Option<&'static str>,
    /// The field that it is about.
    pub field: Option<FieldName>,
    /// How such errors are treated.
    pub class: ErrorClass,
    /// The reason code.
    pub code: Reason,
    /// What was said, with secrets removed.
    pub message: String,
    /// Failed attempts so far, if it still fails.
    pub attempt: Option<u32>,
    /// What comes next.
    pub next_action: String,
}

/// Where a page of the error log begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorsFrom {
    /// After this of the records that could not be read, which come first.
    Unread(Option<(Side, RecordId)>),
    /// After this entry of the journal.
    Journal(Option<u32>),
    /// After this pair.
    Pairs(Option<PairId>),
}

impl ErrorsFrom {
    /// The first page.
    pub const START: ErrorsFrom = ErrorsFrom::Unread(None);
}

/// A page of the error log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The lines; a page without any is not the last one.
    pub rows: Vec<ErrorRow>,
    /// Where the next page begins.
    pub next: Option<ErrorsFrom>,
}

/// Reads a page of the error log of a run; none if there is no such run.
pub async fn errors(store: &dyn Store, run: RunId, from: ErrorsFrom) -> Result<Option<ErrorPage>, StoreError> {
    let Some(record) = record(store, run).await? else { return Ok(None) };
    let Some(kept) = KeptSync::open(store, &record.sync).await? else {
        return Ok(Some(ErrorPage { rows: Vec::new(), next: None }));
    };
    let page = match from {
        ErrorsFrom::Unread(after) => from_unread(store, &kept, &record, after).await?,
        ErrorsFrom::Journal(after) => from_journal(store, &kept, &record, after).await?,
        ErrorsFrom::Pairs(after) => from_pairs(&kept, &record, after).await?,
    };
    Ok(Some(page))
}

async fn from_unread(
    store: &dyn Store,
    kept: &KeptSync<'_>,
    record: &RunRecord,
    after: Option<(Side, RecordId)>,
) -> Result<ErrorPage, StoreError> {
    let page = unread::page(store, record.id, after).await?;
    let Some(last) = page.last() else {
        return Ok(ErrorPage { rows: Vec::new(), next: Some(ErrorsFrom::Journal(None)) });
    };
    let next = Some(ErrorsFrom::Unread(Some(last.place())));
    let mut rows = Vec::new();
    for Unread { side, id, reason, at } in page {
        let pair = kept.synced.pairs_of(side, std::slice::from_ref(&id)).await?.pop().flatten();
        rows.push(ErrorRow {
            time: Moment(at),
            sync: record.sync.clone(),
            run: record.id,
            side: Some(side),
            object: kept.side(side).map(|side| side.endpoint.to_string()),
            remote_id: Some(id),
            pair,
            op: Some("read"),
            field: None,
            class: ErrorClass::of(Reason::Validation),
            code: Reason::Validation,
            message: reason,
            attempt: None,
            next_action: "read again when the record changes".to_owned(),
        });
    }
    Ok(ErrorPage { rows, next })
}

async fn from_journal(
    store: &dyn Store,
    kept: &KeptSync<'_>,
    record: &RunRecord,
    after: Option<u32>,
) -> Result<ErrorPage, StoreError> {
    let entries = journal(store, record.id, after, PAGE_ROWS).await?;
    let Some(last) = entries.last() else {
        return Ok(ErrorPage { rows: Vec::new(), next: Some(ErrorsFrom::Pairs(None)) });
    };
    let next = Some(ErrorsFrom::Journal(Some(last.number)));
    let ids: Vec<PairId> = entries.iter().map(|entry| entry.pair).collect();
    let pairs = kept.synced.pairs(&ids).await?;
    let rows = entries.iter().zip(&pairs).filter_map(|(entry, pair)| entry_row(kept, record, entry, pair.as_ref()));
    Ok(ErrorPage { rows: rows.collect(), next })
}

fn entry_row(kept: &KeptSync<'_>, record: &RunRecord, entry: &JournalEntry, pair: Option<&Pair>) -> Option<ErrorRow> {
    let EntryState::Settled { at, outcome: Settled::NotDone { reason, detail } } = &entry.state else { return None };
    let side = entry.change.side;
    // The trouble of the pair is about its newest attempt, which may be of another side or a later run.
    let trouble = pair.and_then(|pair| pair.trouble.as_ref());
    let message = without(detail, &kept.secrets_of(&entry.change));
    let same = trouble.filter(|trouble| trouble.side == Some(side) && trouble.detail == message);
    let field = same.and_then(|trouble| trouble.field.clone());
    Some(ErrorRow {
        time: Moment(*at),
        sync: record.sync.clone(),
        run: record.id,
        side: Some(side),
        object: kept.side(side).map(|side| side.endpoint.to_string()),
        remote_id: entry.change.record.clone(),
        pair: Some(entry.pair),
        op: Some(entry.change.kind.verb()),
        class: ErrorClass::of(*reason),
        code: *reason,
        message,
        field,
        attempt: trouble.map(|trouble| trouble.attempts),
        next_action: match (pair, trouble) {
            (None, _) => "none: its records belong to another pair now".to_owned(),
            (Some(_), None) => "none: it has been settled since".to_owned(),
            (Some(_), Some(trouble)) => next_action(trouble),
        },
    })
}

async fn from_pairs(kept: &KeptSync<'_>, record: &RunRecord, after: Option<PairId>) -> Result<ErrorPage, StoreError> {
    let page = kept.synced.scan(after, PAGE_ROWS).await?;
    let next = page.last().map(|(last, _)| ErrorsFrom::Pairs(Some(*last)));
    let mut rows = Vec::new();
    for (id, pair) in &page {
        if let Some(mut row) = pair_row(kept, record, *id, pair) {
            row.message = kept.trouble_detail(pair).await?.unwrap_or_default();
            rows.push(row);
        }
    }
    Ok(ErrorPage { rows, next })
}

/// A pair that came into trouble during the run, without a write: with one, the journal tells of it. The message is still
/// to be filled in.
fn pair_row(kept: &KeptSync<'_>, record: &RunRecord, id: PairId, pair: &Pair) -> Option<ErrorRow> {
    let trouble = pair.trouble.as_ref().filter(|trouble| trouble.attempts == 0)?;
    if trouble.since < record.started_at || record.ended_at.is_some_and(|end| trouble.since > end) {
        return None;
    }
    let side = trouble.side;
    Some(ErrorRow {
        time: Moment(trouble.since),
        sync: record.sync.clone(),
        run: record.id,
        side,
        object: side.and_then(|side| kept.side(side)).map(|side| side.endpoint.to_string()),
        remote_id: side.and_then(|side| pair.id(side).cloned()),
        pair: Some(id),
        op: None,
        class: ErrorClass::of(trouble.reason),
        code: trouble.reason,
        message: String::new(),
        field: trouble.field.clone(),
        attempt: Some(0),
        next_action: next_action(trouble),
    })
}

fn next_action(trouble: &Trouble) -> String {
    match (trouble.next_at, ErrorClass::of(trouble.reason)) {
        (Some(0), _) => "tried again in the next run".to_owned(),
        (Some(at), _) => format!("tried again at {}", Moment(at)),
        (None, ErrorClass::Validation) => "tried again when the record, its mapping or the schema changes".to_owned(),
        (None, _) => trouble.reason.describe().to_owned(),
    }
}
