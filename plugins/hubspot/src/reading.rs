//! Reading page by page: everything, what changed, every id.
//!
//! A read of everything lists by id. A read of changes searches by time inside one window and goes on by id: each page
//! asks for ids above the last one, so neither the 10,000 results a search gives nor a record that leaves it can hide
//! another. The index lags, so each window starts an overlap before the last one ended.
//! Invariant: the time from which the next changes are read lies before this read's first answer.

use std::collections::{HashMap, HashSet};

use syncline_sdk::connector::{Page, Progress, ReadMode, ReadRequest};
use syncline_sdk::http::Request;
use syncline_sdk::log;
use syncline_sdk::record::{Row, Table, Tombstone};
use syncline_sdk::value::Fault;

use crate::Target;
use crate::api::{self, Archived, Filter, Objects};
use crate::lookup;
use crate::paging::{self, Cursor, KnownKinds};
use crate::records::{Columns, Kind, MERGED_IDS, Object};
use crate::stamp;

/// What the last page of ids gives as its cursor; nothing starts there.
const IDS_END: &str = "end";

/// Reads one page.
pub(crate) fn read(target: &Target, request: &ReadRequest) -> Result<Page, Fault> {
    let cursor = request.cursor.as_deref().map(Cursor::parse).transpose()?;
    let limit = usize::try_from(request.limit.max(1)).unwrap_or(api::SEARCH_PAGE_MAX);
    match request.mode {
        ReadMode::Full => full(target, &request.fields, cursor, limit.min(api::BATCH_MAX)),
        ReadMode::Changes => changes(target, &request.fields, cursor, limit.min(api::SEARCH_PAGE_MAX)),
        ReadMode::Ids => ids(target, cursor, limit.min(api::BATCH_MAX)),
    }
}

/// Rows and what was seen beside them.
pub(crate) struct Gathered<'a> {
    columns: &'a Columns,
    rows: Vec<Row>,
    tombstones: Vec<Tombstone>,
    odd: HashMap<String, usize>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(columns: &'a Columns) -> Self {
        Self { columns, rows: Vec::new(), tombstones: Vec::new(), odd: HashMap::new() }
    }

    /// Adds the row of `object` and the tombstones of what was merged into it.
    pub(crate) fn add(&mut self, object: &Object<'_>) {
        let (row, odd) = self.columns.row(object);
        self.rows.push(row);
        self.tombstones.extend(object.merges());
        for name in odd {
            *self.odd.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// The rows' table; what could not be read is told in the log, by name and never by value.
    pub(crate) fn finish(self) -> (Table, Vec<Tombstone>) {
        for (name, count) in &self.odd {
            log::warn(format!("{count} values of the property {name} do not have its type and are left out"));
        }
        (Table { columns: self.columns.names().to_vec(), rows: self.rows }, self.tombstones)
    }
}

fn page((records, tombstones): (Table, Vec<Tombstone>), next: Progress) -> Page {
    Page { records, tombstones, skipped: Vec::new(), next, complete: false, total: None }
}

fn full(target: &Target, fields: &[String], cursor: Option<Cursor>, limit: usize) -> Result<Page, Fault> {
    let (since_ms, after, columns) = match cursor {
        None => (None, None, columns_now(target, fields)?),
        Some(Cursor::Full { since_ms, after, known }) => {
            let columns = known.columns(fields).map_or_else(|| columns_now(target, fields), Ok)?;
            (Some(since_ms), Some(after), columns)
        }
        Some(_) => return Err(paging::foreign()),
    };
    let asked: Vec<&str> = columns.known().chain([MERGED_IDS]).collect();
    let wide = api::list(target.object.name, &asked, after.as_deref(), limit, Archived::No);
    let is_whole = wide.is_some();
    let narrow = || api::list(target.object.name, &[MERGED_IDS], after.as_deref(), limit, Archived::No);
    let answer = api::read(wide.or_else(narrow).ok_or_else(too_long)?)?;
    let since_ms = since_ms.unwrap_or(answer.began_ms);
    let body = answer.response.text();
    let listed = Objects::parse(&body)?;
    let mut gathered = Gathered::new(&columns);
    if is_whole {
        gathered.rows.reserve_exact(listed.results.len());
        listed.results.iter().for_each(|object| gathered.add(object));
    } else {
        fill(target, &listed.results, &columns, &mut gathered)?;
    }
    Ok(match listed.next_after() {
        Some(next) => {
            let cursor = Cursor::Full { since_ms, after: next.to_owned(), known: KnownKinds::of(&columns) };
            page(gathered.finish(), Progress::More(cursor.print()))
        }
        None => {
            let next = Progress::Done(Cursor::Since { since_ms }.print());
            Page { complete: true, ..page(gathered.finish(), next) }
        }
    })
}

fn changes(target: &Target, fields: &[String], cursor: Option<Cursor>, limit: usize) -> Result<Page, Fault> {
    let (from_ms, window, known) = match cursor {
        None => {
            let since_ms = api::now_ms(target.object.name)?;
            let empty = Table { columns: fields.to_vec(), rows: Vec::new() };
            return Ok(page((empty, Vec::new()), Progress::Done(Cursor::Since { since_ms }.print())));
        }
        Some(Cursor::Since { since_ms }) => (since_ms.saturating_sub(target.overlap_ms()), None, None),
        Some(Cursor::Changes { from_ms, until_ms, after, known }) => {
            (from_ms, Some((until_ms, after)), known.columns(fields))
        }
        Some(_) => return Err(paging::foreign()),
    };
    let after = window.as_ref().map_or("0", |(_, after)| after.as_str());
    let (body, is_whole) = search_for(target, fields, from_ms, after, limit)?;
    let answer = api::read(api::search(target.object.name, &body))?;
    let until_ms = window.as_ref().map_or(answer.began_ms, |(until_ms, _)| *until_ms);
    let text = answer.response.text();
    let found = Objects::parse(&text)?;
    let last = last_id(&found.results, after)?;
    // Only when there is something to read are the kinds needed; nothing changed costs one request.
    let columns = match (known, found.results.is_empty()) {
        (Some(columns), _) => columns,
        (None, true) => Columns::new(fields.to_vec(), vec![Kind::Unknown; fields.len()]),
        (None, false) => columns_now(target, fields)?,
    };
    let mut gathered = Gathered::new(&columns);
    if is_whole {
        found.results.iter().for_each(|object| gathered.add(object));
    } else {
        fill(target, &found.results, &columns, &mut gathered)?;
    }
    let total = found.total.filter(|_| window.is_none());
    let next = match (found.next_after(), last) {
        (Some(_), Some(last)) => {
            let known = KnownKinds::of(&columns);
            Progress::More(Cursor::Changes { from_ms, until_ms, after: last.to_owned(), known }.print())
        }
        (Some(_), None) => return Err(Fault::Protocol("HubSpot's search has more pages but an empty one".into())),
        (None, _) => Progress::Done(Cursor::Since { since_ms: until_ms }.print()),
    };
    Ok(Page { total, ..page(gathered.finish(), next) })
}

/// The body of one page's search, and whether it asks for the fields themselves: a body may have 3,000 characters.
fn search_for(
    target: &Target,
    fields: &[String],
    from_ms: i64,
    after: &str,
    limit: usize,
) -> Result<(serde_json::Value, bool), Fault> {
    let filters = [
        Filter::at_least(target.object.modified, from_ms.to_string()),
        Filter::above("hs_object_id", after.to_owned()),
    ];
    let asked: Vec<&str> = fields.iter().map(String::as_str).chain([MERGED_IDS]).collect();
    let wide = api::search_body(&filters, &asked, limit);
    if wide.to_string().chars().count() <= api::SEARCH_BODY_CHARACTERS_MAX {
        return Ok((wide, true));
    }
    Ok((api::search_body(&filters, &[MERGED_IDS], limit), false))
}

/// The id that the page ends with. The next page starts above it, so the order must be that of numbers.
fn last_id<'a>(results: &'a [Object<'_>], after: &str) -> Result<Option<&'a str>, Fault> {
    let number =
        |id: &str| id.parse::<u64>().map_err(|_| Fault::Protocol("HubSpot gave an id that is no number".into()));
    let mut last = number(after)?;
    for object in results {
        let next = number(&object.id.0)?;
        if next <= last {
            return Err(Fault::Protocol("HubSpot's search did not keep to the order of ids".into()));
        }
        last = next;
    }
    Ok(results.last().map(|object| &*object.id.0))
}

/// Reads the fields of listed records in batches, where they did not fit into the request that listed them.
///
/// A record that was archived meanwhile has no row; the sweep and the next `get` tell. Two that were merged meanwhile
/// lead to one record, which has one row.
fn fill(target: &Target, listed: &[Object<'_>], columns: &Columns, gathered: &mut Gathered<'_>) -> Result<(), Fault> {
    let ids: Vec<&str> = listed.iter().map(|object| &*object.id.0).collect();
    let asked: Vec<&str> = columns.known().chain([MERGED_IDS]).collect();
    let batches: Vec<Request> = ids
        .chunks(api::BATCH_MAX)
        .map(|ids| api::batch_read(target.object.name, ids, None, &asked, Archived::No))
        .collect();
    let mut seen = HashSet::new();
    lookup::each_object(batches, |object| {
        if seen.insert(object.id.0.clone().into_owned()) {
            gathered.add(object);
        }
    })
}

fn ids(target: &Target, cursor: Option<Cursor>, limit: usize) -> Result<Page, Fault> {
    let (archived, after) = match cursor {
        None => (Archived::No, None),
        Some(Cursor::Live { after }) => (Archived::No, Some(after)),
        Some(Cursor::Archived { after }) => (Archived::Only, after),
        Some(_) => return Err(paging::foreign()),
    };
    let request =
        api::list(target.object.name, &[MERGED_IDS], after.as_deref(), limit, archived).ok_or_else(too_long)?;
    let answer = api::read(request)?.response;
    let body = answer.text();
    let listed = Objects::parse(&body)?;
    let next = listed.next_after().map(str::to_owned);
    if archived == Archived::Only {
        let tombstones = listed.results.iter().map(Object::tombstone).collect();
        let next = next.map(|after| Cursor::Archived { after: Some(after) }.print());
        let complete = next.is_none();
        let next = next.map_or_else(|| Progress::Done(IDS_END.to_owned()), Progress::More);
        return Ok(Page { complete, ..page((Table::empty(), tombstones), next) });
    }
    let none = Columns::new(Vec::new(), Vec::new());
    let mut gathered = Gathered::new(&none);
    listed.results.iter().for_each(|object| gathered.add(object));
    let next = next.map_or(Cursor::Archived { after: None }, |after| Cursor::Live { after });
    Ok(page(gathered.finish(), Progress::More(next.print())))
}

/// The columns of `fields`, by the properties that there are now.
pub(crate) fn columns_now(target: &Target, fields: &[String]) -> Result<Columns, Fault> {
    let names = fields.iter().map(String::as_str);
    Ok(api::named_properties(target.object.name, names)?.columns(fields))
}

fn too_long() -> Fault {
    Fault::Other("the address of a page is too long".to_owned())
}

impl Target {
    fn overlap_ms(&self) -> i64 {
        i64::from(self.settings.overlap_s) * stamp::SECOND_MS
    }
}
