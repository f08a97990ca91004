//! Speaks with the server: single questions, cards in batches, and where the address books are.
//!
//! Not here: writing (`write`), reading on from a cursor (`paging`).

pub(crate) mod discovery;

use std::collections::{HashMap, VecDeque};

use syncline_sdk::http::{self, HttpError, Request, Response};
use syncline_sdk::record::Row;
use syncline_sdk::value::{Fault, Instant};

use crate::dav::answer::{self, Member, Multistatus};
use crate::dav::href::{Collection, canonical};
use crate::dav::{self, Query};

/// Cards that one multiget asks for.
const MULTIGET_MAX: usize = 50;

/// Multigets that are under way at once: answers as large as the host lets through must all fit into memory.
const WAVE_MAX: usize = 2;

/// Bytes of answers that are aimed at for one wave; photos make cards large.
const WAVE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of answers after which a page is long enough.
pub(crate) const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Cards of one page that are asked for their times one by one.
const TIMES_MAX: usize = 64;

/// How long to leave a locked resource alone.
pub(crate) const LOCKED_WAIT_MS: u64 = 5_000;

/// One card as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its etag, quotes included.
    pub(crate) etag: Option<String>,
    /// When it was last changed.
    pub(crate) modified_at: Option<Instant>,
    /// The card.
    pub(crate) text: String,
}

/// What there is at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// A card.
    Card(Stored),
    /// Nothing: the server says so.
    Gone,
    /// Something that could not be had.
    Unclear(String),
}

/// Asks one question of one address.
pub(crate) fn ask(address: &str, query: Query) -> Result<Multistatus, Fault> {
    multistatus(&request(address, query).send().map_err(fault_of_error)?)
}

/// Reads an answer to a question.
pub(crate) fn multistatus(response: &Response) -> Result<Multistatus, Fault> {
    if response.status() != 207 {
        return Err(fault_of(response));
    }
    answer::read(&response.text()).map_err(|error| Fault::Protocol(format!("{error} ({})", response.url())))
}

/// A request that puts a question.
pub(crate) fn request(address: &str, query: Query) -> Request {
    let request = Request::new(query.method, address).header("Depth", query.depth);
    request.text("application/xml; charset=utf-8", query.body)
}

/// What an answer that was not expected means for a whole call: the element in it first, then its status.
pub(crate) fn fault_of(response: &Response) -> Fault {
    let (names, _) = answer::preconditions(&response.text());
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    match response.status() {
        _ if has("D:valid-sync-token") => Fault::CursorExpired("the server does not know the sync token".to_owned()),
        _ if has("D:need-privileges") => Fault::Permission("the address book does not allow this".to_owned()),
        423 => Fault::wait(LOCKED_WAIT_MS, "the address book is locked"),
        301 | 302 | 303 | 307 | 308 => {
            let target = response.header("Location").unwrap_or_default();
            Fault::misconfigured("url", "redirect", format!("the server wants to be asked at {target}"))
        }
        200 => Fault::misconfigured("url", "no-dav", "there is no WebDAV at this address"),
        _ => response.fault(),
    }
}

/// What a failed question means: it had no effect, so one that broke off may simply be asked again.
pub(crate) fn fault_of_error(error: HttpError) -> Fault {
    match error {
        HttpError::Interrupted(reason) => Fault::Transient(reason),
        error => error.into(),
    }
}

/// Fetches cards, as many at once as memory allows, and hands each id to `each` exactly once.
///
/// Invariant: an id is called gone only where the server said 404 or 410 for it.
pub(crate) fn fetch(collection: &Collection, ids: &[String], each: impl FnMut(&str, Fetched)) -> Result<(), Fault> {
    fetch_within(collection, ids, usize::MAX, each).map(|_| ())
}

/// Fetches cards like [`fetch`], in order, and stops once the answers have `bytes_max`; returns how many ids it took.
pub(crate) fn fetch_within(
    collection: &Collection,
    ids: &[String],
    bytes_max: usize,
    mut each: impl FnMut(&str, Fetched),
) -> Result<usize, Fault> {
    let mut queue: VecDeque<&[String]> = ids.chunks(MULTIGET_MAX).collect();
    let (mut width, mut bytes) = (1, 0);
    // The ids of the halves of a batch stand before those of the batches behind it, which may be done already.
    let (mut done, mut halved) = (0, 0);
    while !queue.is_empty() && (halved > 0 || bytes < bytes_max) {
        let wave: Vec<&[String]> = queue.drain(..width.min(queue.len())).collect();
        let requests = wave.iter().map(|ids| {
            let hrefs: Vec<String> = ids.iter().map(|id| collection.href(id)).collect();
            request(collection.address(), dav::multiget(&hrefs))
        });
        let mut largest = 1;
        let mut halves = Vec::new();
        halved -= wave.len().min(halved);
        for (ids, answer) in wave.iter().zip(http::send_all(requests.collect())) {
            match answer {
                Ok(response) => {
                    largest = largest.max(response.bytes().len());
                    bytes = bytes.saturating_add(response.bytes().len());
                    done += ids.len();
                    hand_out(collection, ids, multistatus(&response)?, &mut each);
                }
                Err(HttpError::TooLarge(_)) if ids.len() > 1 => {
                    let (left, right) = ids.split_at(ids.len() / 2);
                    halves.extend([left, right]);
                    largest = WAVE_BYTES_MAX;
                }
                Err(HttpError::TooLarge(limit)) => {
                    done += ids.len();
                    each(&ids[0], Fetched::Unclear(format!("the card is larger than {limit} bytes")));
                }
                Err(error) => return Err(fault_of_error(error)),
            }
        }
        halved += halves.len();
        halves.into_iter().rev().for_each(|half| queue.push_front(half));
        width = (WAVE_BYTES_MAX / largest).clamp(1, WAVE_MAX.min(2 * width));
    }
    Ok(done)
}

/// Gives each asked id its answer; servers may escape hrefs in another way than we do.
fn hand_out(collection: &Collection, ids: &[String], answer: Multistatus, each: &mut impl FnMut(&str, Fetched)) {
    let mut asked: HashMap<String, &String> = ids.iter().map(|id| (canonical(id), id)).collect();
    for member in answer.members {
        let id = collection.id(&member.href).and_then(|id| asked.remove(&id));
        if let Some(id) = id {
            each(id, fetched(member));
        }
    }
    for id in asked.into_values() {
        each(id, Fetched::Unclear("the server's answer does not mention the card".to_owned()));
    }
}

fn fetched(member: Member) -> Fetched {
    match (member.status, stored(member.properties)) {
        (Some(404 | 410), _) => Fetched::Gone,
        (_, Some(stored)) => Fetched::Card(stored),
        (Some(status), None) => Fetched::Unclear(format!("the server answers status {status} for the card")),
        (None, None) => Fetched::Unclear("the server's answer holds no card".to_owned()),
    }
}

fn stored(properties: answer::Properties) -> Option<Stored> {
    let modified_at = properties.modified.as_deref().and_then(parse_http_date);
    Some(Stored { etag: properties.etag, modified_at, text: properties.address_data? })
}

/// Finds the cards in which `property` has one of `values`, as the server compares.
pub(crate) fn query(
    collection: &Collection,
    property: &str,
    values: &[String],
) -> Result<Vec<(String, Stored)>, Fault> {
    let answer = ask(collection.address(), dav::query(property, values))?;
    let cards = answer
        .members
        .into_iter()
        .filter_map(|member| Some((collection.id(&member.href)?, stored(member.properties)?)));
    Ok(cards.collect())
}

/// One member of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    /// Its id.
    pub(crate) id: String,
    /// Its etag, quotes included.
    pub(crate) etag: Option<String>,
    /// When it was last changed, where that was asked.
    pub(crate) modified_at: Option<Instant>,
}

/// Lists the ids of all members with their etags, in the order of their ids.
pub(crate) fn list(collection: &Collection) -> Result<Vec<(String, Option<String>)>, Fault> {
    let listed = members(collection, ask(collection.address(), dav::etags())?);
    Ok(listed.into_iter().map(|member| (member.id, member.etag)).collect())
}

/// Lists all members with their times too, where the answer is not too large for that.
pub(crate) fn list_times(collection: &Collection) -> Result<Vec<Listed>, Fault> {
    let answer = match request(collection.address(), dav::times()).send() {
        Ok(response) => multistatus(&response)?,
        Err(HttpError::TooLarge(_)) => ask(collection.address(), dav::etags())?,
        Err(error) => return Err(fault_of_error(error)),
    };
    Ok(members(collection, answer))
}

fn members(collection: &Collection, answer: Multistatus) -> Vec<Listed> {
    let members = answer.members.into_iter().filter(|member| member.is_found && !member.properties.is_addressbook);
    let listed = members.filter_map(|member| {
        let modified_at = member.properties.modified.as_deref().and_then(parse_http_date);
        Some(Listed { id: collection.id(&member.href)?, etag: member.properties.etag, modified_at })
    });
    let mut listed: Vec<Listed> = listed.collect();
    listed.sort_unstable();
    listed.dedup_by(|left, right| left.id == right.id);
    listed
}

/// Asks for the times of changes that a multiget did not give: some servers tell them to `PROPFIND` only. Few cards are
/// asked one by one, many by one listing. A time that cannot be had is no fault: then nobody knows which edit is the newer
/// one (E3.2).
pub(crate) fn fill_times(collection: &Collection, rows: &mut [Row]) {
    let mut untimed: Vec<&mut Row> = rows.iter_mut().filter(|row| row.modified_at.is_none()).collect();
    if untimed.len() > TIMES_MAX {
        let Ok(listed) = list_times(collection) else { return };
        let listed: HashMap<&str, &Listed> = listed.iter().map(|member| (member.id.as_str(), member)).collect();
        for row in untimed {
            // What was edited since it was read has the time of another edit.
            let same = listed.get(row.id.as_str()).filter(|member| member.etag == row.version);
            row.modified_at = same.and_then(|member| member.modified_at);
        }
        return;
    }
    let requests = untimed.iter().map(|row| request(&collection.member(&row.id), dav::modified())).collect();
    for (row, answer) in untimed.iter_mut().zip(http::send_all(requests)) {
        let found = answer.ok().and_then(|response| multistatus(&response).ok());
        let modified = found.and_then(|mut answer| answer.members.pop()?.properties.modified);
        row.modified_at = modified.as_deref().and_then(parse_http_date);
    }
}

/// Reads `Sun, 22 Nov 2026 13:10:52 GMT` as milliseconds since 1970.
fn parse_http_date(text: &str) -> Option<Instant> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month_name = words.next().filter(|name| name.len() == 3)?;
    let month = i64::try_from(MONTHS.find(month_name)? / 3).ok()? + 1;
    let year: i64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since 1970 of the civil calendar, counted in years that begin in March.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = shifted_year * 365 + leaps + (shifted_month * 153 + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000)
}

#[cfg(test)]
mod tests;
