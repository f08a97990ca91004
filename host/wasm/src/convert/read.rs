//! Reading: requests in, pages and look-ups out.

use std::fmt;

use syncline_core::{Fate, Instant, RecordId, Tombstone};
use syncline_runner::{Found, GetAnswer, Page, Progress, ReadMode, ReadRequest, Skipped, Target};

use super::value::sensible_instant;
use super::{LongId, Nonsense, distinct, quoted, record_id, shortened_id, shown, table, texts};
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
    let mut tombstones = Vec::with_capacity(page.tombstones.len());
    for given in page.tombstones {
        match tombstone(given)? {
            Ok(tombstone) => tombstones.push(tombstone),
            Err(left_out) => skipped.push(left_out),
        }
    }
    Ok(Page { records, tombstones, skipped, next: progress(page.next)?, complete: page.complete, total: page.total })
}

pub(crate) fn get_answer(answer: source::GetAnswer, asked: usize) -> Result<GetAnswer, Nonsense> {
    same_count("answers", answer.found.len(), "ids", asked)?;
    let checked = table::checked(answer.records)?;
    let found = answer.found.into_iter().map(|found| lift_found(found, &checked)).collect::<Result<_, _>>()?;
    Ok(GetAnswer { records: checked.table, found })
}

pub(crate) fn members(ids: Vec<String>, next: source::Progress) -> Result<(Vec<RecordId>, Progress), Nonsense> {
    let ids = ids.into_iter().map(record_id).collect::<Result<Vec<_>, _>>()?;
    // A record whose id cannot be kept is skipped wherever it is read, so that its membership says nothing.
    Ok((ids.into_iter().flatten().collect(), progress(next)?))
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
        source::Found::Gone(gone) => match tombstone(gone)? {
            Ok(tombstone) => Found::Gone(tombstone),
            Err(left_out) => Found::Unclear(left_out.reason),
        },
        source::Found::Moved((id, index)) => match checked.row(index)? {
            Ok(row) => match record_id(id)? {
                Ok(id) => Found::Moved { id, row },
                Err(long) => Found::Unclear(moved(&long)),
            },
            Err(reason) => Found::Unclear(reason.to_owned()),
        },
        source::Found::Unclear(reason) => Found::Unclear(shown(&reason)),
    })
}

fn lift_skipped(skipped: source::Skipped) -> Result<Skipped, Nonsense> {
    Ok(Skipped { id: shortened_id(skipped.id)?, reason: shown(&skipped.reason) })
}

/// What is gone; `Err` inside is a record of which that cannot be said, because an id is too long.
fn tombstone(tombstone: records::Tombstone) -> Result<Result<Tombstone, Skipped>, Nonsense> {
    let id = match record_id(tombstone.id)? {
        Ok(id) => id,
        Err(long) => return Ok(Err(Skipped { id: long.short, reason: long.reason })),
    };
    let fate = match tombstone.fate {
        records::Fate::Deleted => Fate::Deleted,
        records::Fate::Archived => Fate::Archived,
        records::Fate::MergedInto(survivor) => match record_id(survivor)? {
            Ok(survivor) => Fate::MergedInto(survivor),
            Err(long) => return Ok(Err(Skipped { id, reason: moved(&long) })),
        },
    };
    Ok(Ok(Tombstone { id, fate, at: sensible_instant(tombstone.at) }))
}

/// Says what a record went over into that cannot be kept.
pub(super) fn moved(long: &LongId) -> String {
    format!("it went over into record {}: {}", quoted(long.short.as_str()), long.reason)
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

#[cfg(test)]
mod tests {
    use super::{Found, Progress, get_answer, members, page};
    use crate::bindings::connector::exports::syncline::connector::source;
    use crate::bindings::connector::syncline::connector::records;
    use syncline_core::RecordId;

    fn table(ids: &[&str]) -> records::Table {
        let row = |id: &&str| records::Row {
            id: (*id).to_owned(),
            version: None,
            created_at: None,
            modified_at: None,
            cells: Vec::new(),
        };
        records::Table { columns: Vec::new(), rows: ids.iter().map(row).collect() }
    }

    fn gone(id: &str, fate: records::Fate) -> records::Tombstone {
        records::Tombstone { id: id.to_owned(), fate, at: None }
    }

    #[test]
    fn an_id_that_cannot_be_kept_skips_its_record_only() {
        let (longest, long) = ("ä".repeat(512), "ä".repeat(513));
        let answer = source::Page {
            records: table(&["a", &long, &longest]),
            tombstones: vec![
                gone("b", records::Fate::Deleted),
                gone(&format!("{long}2"), records::Fate::Deleted),
                gone("c", records::Fate::MergedInto(long.clone())),
            ],
            skipped: vec![source::Skipped { id: format!("{long}3"), reason: "odd".to_owned() }],
            next: source::Progress::Done("end".to_owned()),
            complete: true,
            total: None,
        };
        let page = page(answer, 3).expect("a page");
        let ids: Vec<&str> = page.records.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["a", &longest]);
        assert_eq!(page.tombstones.len(), 1);
        assert_eq!(page.next, Progress::Done("end".to_owned()));
        let mut skipped: Vec<&RecordId> = page.skipped.iter().map(|skipped| &skipped.id).collect();
        skipped.dedup();
        assert_eq!(skipped.len(), 4, "each keeps an id of its own");
        assert!(skipped.iter().all(|id| id.as_str().len() < 300), "{skipped:?}");
        let reasons = page.skipped.iter().filter(|skipped| skipped.reason.contains("its id has 102"));
        assert_eq!(reasons.count(), 3, "{:?}", page.skipped);
    }

    #[test]
    fn a_look_up_of_an_id_that_cannot_be_kept_says_so() {
        let long = "x".repeat(1025);
        let answer = source::GetAnswer {
            records: table(&["a", &long]),
            found: vec![
                source::Found::At(1),
                source::Found::Moved((long.clone(), 0)),
                source::Found::Gone(gone("a", records::Fate::MergedInto(long.clone()))),
                source::Found::At(0),
            ],
        };
        let answer = get_answer(answer, 4).expect("an answer");
        let unclear = answer.found.iter().filter(|found| matches!(found, Found::Unclear(_))).count();
        assert_eq!((unclear, &answer.found[3]), (3, &Found::At(0)));
        let done = || source::Progress::Done(String::new());
        let (ids, _) = members(vec!["a".to_owned(), long], done()).expect("members");
        assert_eq!(ids, [RecordId::from("a")]);
        assert!(members(vec![String::new()], done()).is_err(), "an empty id is none");
    }
}
