//! Reading: requests in, pages and look-ups out.

use std::fmt;

use syncline_core::{Fate, Instant, RecordId, Tombstone};
use syncline_runner::{Found, GetAnswer, Page, Progress, ReadMode, ReadRequest, Skipped, Target};

use super::value::sensible_instant;
use super::{Nonsense, distinct, quoted, record_id, shown, table, texts};
use crate::bindings::connector::exports::syncline::connector::source;
use crate::bindings::connector::syncline::connector::records;

/// What a cursor may take in the store (DESIGN 4).
const CURSOR_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn endpoint(target: &Target) -> records::Endpoint {
    records::Endpoint {
        target: target.object.as_str().to_owned(),
        container: target.container.as_ref().map(ToString::to_string),
    }
}

pub(crate) fn request(request: ReadRequest) -> source::ReadRequest {
    source::ReadRequest {
        endpoint: endpoint(&request.target),
        fields: texts(&request.fields),
        mode: match request.mode {
            ReadMode::Changes => source::ReadMode::Changes,
            ReadMode::Full => source::ReadMode::Full,
            ReadMode::Ids => source::ReadMode::Ids,
        },
        cursor: request.cursor,
        limit: request.limit,
    }
}

/// A page of at most `limit` records, with each id at most once.
pub(crate) fn page(page: source::Page, limit: u32) -> Result<Page, Nonsense> {
    let rows = page.records.rows.len();
    if rows > limit as usize {
        return Err(Nonsense::new(format!("a page of {rows} records where at most {limit} were asked for")));
    }
    let (records, spoilt) = table::checked(page.records)?.into_parts();
    let mut skipped = page.skipped.into_iter().map(lift_skipped).collect::<Result<Vec<_>, _>>()?;
    skipped.extend(spoilt);
    let ids: Vec<&str> = records
        .rows
        .iter()
        .map(|row| &row.id)
        .chain(skipped.iter().map(|skipped| &skipped.id))
        .map(RecordId::as_str)
        .collect();
    distinct("record", ids.into_iter())?;
    Ok(Page {
        records,
        tombstones: page.tombstones.into_iter().map(tombstone).collect::<Result<_, _>>()?,
        skipped,
        next: progress(page.next)?,
        complete: page.complete,
        total: page.total,
    })
}

pub(crate) fn get_answer(answer: source::GetAnswer, asked: usize) -> Result<GetAnswer, Nonsense> {
    same_count("answers", answer.found.len(), "ids", asked)?;
    let checked = table::checked(answer.records)?;
    let found = answer.found.into_iter().map(|found| lift_found(found, &checked)).collect::<Result<_, _>>()?;
    Ok(GetAnswer { records: checked.table, found })
}

pub(crate) fn members(ids: Vec<String>, next: source::Progress) -> Result<(Vec<RecordId>, Progress), Nonsense> {
    Ok((ids.into_iter().map(record_id).collect::<Result<_, _>>()?, progress(next)?))
}

pub(crate) fn field_times(
    times: Vec<Vec<Option<Instant>>>,
    ids: usize,
    fields: usize,
) -> Result<Vec<Vec<Option<Instant>>>, Nonsense> {
    same_count("lists of times", times.len(), "ids", ids)?;
    for of_record in &times {
        same_count("times", of_record.len(), "fields", fields)?;
    }
    Ok(times.into_iter().map(|of_record| of_record.into_iter().map(sensible_instant).collect()).collect())
}

pub(super) fn same_count(what: impl fmt::Display, given: usize, of: &str, asked: usize) -> Result<(), Nonsense> {
    if given == asked { Ok(()) } else { Err(Nonsense::new(format!("{given} {what} for {asked} {of}"))) }
}

fn lift_found(found: source::Found, checked: &table::Checked) -> Result<Found, Nonsense> {
    Ok(match found {
        source::Found::At(index) => match checked.row(index)? {
            Ok(row) => Found::At(row),
            Err(reason) => Found::Unclear(reason.to_owned()),
        },
        source::Found::Gone(gone) => Found::Gone(tombstone(gone)?),
        source::Found::Moved((id, index)) => match checked.row(index)? {
            Ok(row) => Found::Moved { id: record_id(id)?, row },
            Err(reason) => Found::Unclear(reason.to_owned()),
        },
        source::Found::Unclear(reason) => Found::Unclear(shown(&reason)),
    })
}

fn lift_skipped(skipped: source::Skipped) -> Result<Skipped, Nonsense> {
    Ok(Skipped { id: record_id(skipped.id)?, reason: shown(&skipped.reason) })
}

fn tombstone(tombstone: records::Tombstone) -> Result<Tombstone, Nonsense> {
    Ok(Tombstone {
        id: record_id(tombstone.id)?,
        fate: match tombstone.fate {
            records::Fate::Deleted => Fate::Deleted,
            records::Fate::Archived => Fate::Archived,
            records::Fate::MergedInto(id) => Fate::MergedInto(record_id(id)?),
        },
        at: sensible_instant(tombstone.at),
    })
}

fn progress(progress: source::Progress) -> Result<Progress, Nonsense> {
    let (source::Progress::More(cursor) | source::Progress::Done(cursor)) = &progress;
    if cursor.len() > CURSOR_BYTES_MAX {
        let (bytes, start) = (cursor.len(), quoted(cursor));
        return Err(Nonsense::new(format!("a cursor of {bytes} bytes, the limit is {CURSOR_BYTES_MAX}: {start}")));
    }
    Ok(match progress {
        source::Progress::More(cursor) => Progress::More(cursor),
        source::Progress::Done(cursor) => Progress::Done(cursor),
    })
}
