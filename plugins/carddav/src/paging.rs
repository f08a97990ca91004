//! Remembers how to read on.
//!
//! A server with `sync-collection` is read by its tokens. Another is listed by etags, and the cursor holds a digest of
//! each of up to 2048 buckets of the listing, so that only the cards of changed buckets are fetched again.
//!
//! Invariant: the state that a read of changes starts from was taken before the first card was read, so what changes in
//! between is read twice rather than never.

pub(crate) mod buckets;
mod marks;

use serde::{Deserialize, Serialize};
use syncline_sdk::connector::{Page, Skipped};
use syncline_sdk::http::Response;
use syncline_sdk::record::{Fate, TableBuilder, Tombstone};
use syncline_sdk::value::Fault;

use crate::api::discovery::has_sync;
use crate::api::{self, Fetched};
use crate::dav;
use crate::dav::href::Collection;
use crate::rows;
use buckets::Buckets;

/// Bytes of ids that a cursor carries; the digests may take as much again, and the host allows 64 KiB in all.
const CARRY_BYTES_MAX: usize = 40 * 1024;

/// Bytes that a whole cursor may have.
const CURSOR_BYTES_MAX: usize = 64 * 1024;

/// Where a reader stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Cursor {
    /// Changes since a sync token.
    Sync { token: String },
    /// In the midst of one answer to `sync-collection`.
    SyncPart {
        from: String,
        to: String,
        /// The server has cut its answer at `to`.
        #[serde(default)]
        is_cut: bool,
        queue: Queue,
    },
    /// Changes since a listing.
    Listing(Listing),
    /// In the midst of a full read; changes go on from `then`.
    Full { then: Box<Cursor>, queue: Queue },
    /// In the midst of a list of ids; what is left of the listing, where that fits.
    Ids { after: String, rest: Option<Vec<buckets::Listed>> },
}

/// What is left of a sorted list of ids: those that fit, and whether more come after them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Queue {
    /// The last id that was read.
    after: String,
    /// The next ids, parted by blanks, which no href holds; in a full read with their times.
    next: String,
    /// True if there are ids behind those: they are listed again.
    more: bool,
}

/// What a listing looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Listing {
    buckets: Buckets,
    /// The collection's stamp before it was listed: while it stands, nothing has changed.
    ctag: Option<String>,
    /// A bucket too large for one page: where reading it stopped, and its digest when that began.
    part: Option<(usize, String, u64)>,
}

/// One page to read: which fields, and how many records at the most.
pub(crate) struct Request<'read> {
    /// The address book.
    pub(crate) collection: &'read Collection,
    /// The fields.
    pub(crate) fields: &'read [String],
    /// Where to go on.
    pub(crate) cursor: Option<&'read str>,
    /// Records that the page may hold.
    pub(crate) limit: usize,
}

impl Queue {
    /// Puts off `rest`, the sorted ids behind `after`.
    fn new(after: &str, rest: &[String]) -> Queue {
        let mut next = String::new();
        let mut carried = 0;
        for id in rest {
            if next.len() + id.len() > CARRY_BYTES_MAX {
                break;
            }
            next.push_str(&id.replace(' ', "%20"));
            next.push(' ');
            carried += 1;
        }
        next.truncate(next.trim_end().len());
        Queue { after: after.to_owned(), next, more: carried < rest.len() }
    }

    /// The next ids, and whether others come behind them; `list` is asked where none were carried.
    fn ids(&self, list: impl FnOnce() -> Result<Vec<String>, Fault>) -> Result<(Vec<String>, bool), Fault> {
        if !self.next.is_empty() {
            return Ok((self.next.split(' ').map(str::to_owned).collect(), self.more));
        }
        let mut ids = list()?;
        ids.retain(|id| *marks::id(id) > *self.after);
        Ok((ids, false))
    }

    /// What is left behind the first `limit` of `ids`; none if that is nothing.
    fn rest(ids: &mut Vec<String>, limit: usize, more: bool) -> Option<Queue> {
        let rest = ids.split_off(limit.clamp(1, ids.len().max(1)).min(ids.len()));
        let after = ids.last().map_or("", |id| marks::id(id)).to_owned();
        (more || !rest.is_empty()).then(|| {
            let mut queue = Queue::new(&after, &rest);
            queue.more |= more;
            queue
        })
    }
}

impl Request<'_> {
    /// Reads every card.
    pub(crate) fn full(&self) -> Result<Page, Fault> {
        let list = || Ok(api::list_times(self.collection)?.iter().map(marks::mark).collect());
        let (then, (mut ids, more), total) = match self.cursor()? {
            None => {
                let (then, ids) = self.begin_full()?;
                let total = u64::try_from(ids.len()).ok();
                (then, (ids, false), total)
            }
            Some(Cursor::Full { then, queue }) => (then, queue.ids(list)?, None),
            Some(_) => return Err(expired()),
        };
        let (cards, rest) = self.cards(&mut ids, more)?;
        let mut page = match rest {
            Some(queue) => cards.page(&Cursor::Full { then, queue }, true),
            None => cards.page(&then, false).whole(),
        };
        marks::fill(&ids, &mut page.records.rows);
        page.total = total;
        Ok(page)
    }

    /// Takes the state of the feed, then lists; the ids bear their times.
    fn begin_full(&self) -> Result<(Box<Cursor>, Vec<String>), Fault> {
        let feed = self.feed()?;
        let listed = api::list_times(self.collection)?;
        let marked = listed.iter().map(marks::mark).collect();
        let then = match feed {
            Feed::Sync { token } => Cursor::Sync { token },
            Feed::Listing { ctag } => {
                let listed: Vec<_> = listed.into_iter().map(|member| (member.id, member.etag)).collect();
                Cursor::Listing(Listing { buckets: Buckets::of(&listed), ctag, part: None })
            }
        };
        Ok((Box::new(then), marked))
    }

    /// Reads every id with its version.
    pub(crate) fn ids(&self) -> Result<Page, Fault> {
        let (after, rest) = match self.cursor()? {
            None => (String::new(), None),
            Some(Cursor::Ids { after, rest }) => (after, rest),
            Some(_) => return Err(expired()),
        };
        let is_first = after.is_empty();
        let mut left = match rest {
            Some(rest) => rest,
            None => api::list(self.collection)?,
        };
        let total = u64::try_from(left.len()).ok().filter(|_| is_first);
        left.retain(|(id, _)| *id > after);
        let rest = left.split_off(self.limit.min(left.len()));
        let last = left.last().map_or(after, |(id, _)| id.clone());
        let mut table = TableBuilder::new(self.fields);
        for (id, etag) in left {
            let mut row = table.row(&id);
            if let Some(etag) = etag {
                row.version(etag);
            }
        }
        let mut page = if rest.is_empty() {
            Page::last(table, String::new()).whole()
        } else {
            let bytes: usize = rest.iter().map(|(id, etag)| id.len() + etag.as_ref().map_or(0, String::len)).sum();
            let carried = Cursor::Ids { after: last.clone(), rest: (bytes < CURSOR_BYTES_MAX).then_some(rest) };
            let next = Some(encode(&carried)).filter(|next| next.len() <= CURSOR_BYTES_MAX);
            Page::more(table, next.unwrap_or_else(|| encode(&Cursor::Ids { after: last, rest: None })))
        };
        page.total = total;
        Ok(page)
    }

    /// Reads what has changed.
    pub(crate) fn changes(&self) -> Result<Page, Fault> {
        let mut page = self.changed()?;
        api::fill_times(self.collection, &mut page.records.rows);
        Ok(page)
    }

    fn changed(&self) -> Result<Page, Fault> {
        match self.cursor()? {
            None => {
                let state = match self.feed()? {
                    Feed::Sync { token } => Cursor::Sync { token },
                    Feed::Listing { ctag } => {
                        let buckets = Buckets::of(&api::list(self.collection)?);
                        Cursor::Listing(Listing { buckets, ctag, part: None })
                    }
                };
                Ok(Page::last(TableBuilder::new(self.fields), encode(&state)))
            }
            Some(Cursor::Sync { token }) => self.sync(token),
            Some(Cursor::SyncPart { from, to, is_cut, queue }) => {
                let list = || Ok(self.delta(&from)?.changed);
                let (ids, more) = queue.ids(list)?;
                self.sync_page(Delta { changed: ids, removed: Vec::new(), to, is_cut }, from, more)
            }
            Some(Cursor::Listing(listing)) => self.listing(listing),
            Some(Cursor::Full { .. } | Cursor::Ids { .. }) => Err(expired()),
        }
    }

    fn sync(&self, token: String) -> Result<Page, Fault> {
        let delta = self.delta(&token)?;
        if delta.is_cut && delta.to == token && delta.changed.is_empty() {
            return Err(Fault::Protocol("the server cuts its answer and does not move its sync token".to_owned()));
        }
        self.sync_page(delta, token, false)
    }

    fn sync_page(&self, delta: Delta, from: String, more: bool) -> Result<Page, Fault> {
        let Delta { changed: mut ids, removed, to, is_cut } = delta;
        let (mut cards, rest) = self.cards(&mut ids, more)?;
        cards.tombstones.extend(removed.into_iter().map(|id| Tombstone::new(id, Fate::Deleted)));
        Ok(match rest {
            Some(queue) => cards.page(&Cursor::SyncPart { from, to, is_cut, queue }, true),
            None => cards.page(&Cursor::Sync { token: to }, is_cut),
        })
    }

    /// Asks what has changed since `token`, which the server gave once.
    fn delta(&self, token: &str) -> Result<Delta, Fault> {
        let response = self.report(token)?;
        if response.status() == 500 {
            // Some servers say so of a lost token, others when they are unwell: then they fail with a token of now too.
            let is_lost = matches!(self.feed()?, Feed::Sync { token: now } if now != token);
            if !is_lost {
                return Err(Fault::Transient("sync-collection gave status 500".to_owned()));
            }
        }
        self.read_delta(&response)
    }

    fn report(&self, token: &str) -> Result<Response, Fault> {
        api::request(self.collection.address(), dav::changes_since(token)).send().map_err(api::fault_of_error)
    }

    /// Reads what has changed. The changed ids are sorted.
    fn read_delta(&self, response: &Response) -> Result<Delta, Fault> {
        // Servers say in many ways that they have lost a token, or the report with it.
        if matches!(response.status(), 400 | 405 | 410 | 412 | 415 | 500 | 501) {
            return Err(Fault::CursorExpired(format!("sync-collection gave status {}", response.status())));
        }
        let answer = api::multistatus(response)?;
        let Some(to) = answer.sync_token else {
            return Err(Fault::CursorExpired("the server's answer holds no sync token".to_owned()));
        };
        let mut delta = Delta { changed: Vec::new(), removed: Vec::new(), to, is_cut: false };
        for member in answer.members {
            match (self.collection.id(&member.href), member.status) {
                (None, Some(507)) => delta.is_cut |= self.collection.is_itself(&member.href),
                (None, _) => {}
                (Some(id), Some(404 | 410)) => delta.removed.push(id),
                (Some(id), _) => delta.changed.push(id),
            }
        }
        delta.changed.sort_unstable();
        delta.changed.dedup();
        Ok(delta)
    }

    /// Reads the cards of the buckets that have changed since a listing, as many as the page holds.
    fn listing(&self, mut old: Listing) -> Result<Page, Fault> {
        let (ctag, token) = match self.feed()? {
            Feed::Listing { ctag } => (ctag, None),
            // It syncs, perhaps again; what changed until now still comes by the listing.
            Feed::Sync { token } => (None, Some(token)),
        };
        if ctag.is_some() && ctag == old.ctag && old.part.is_none() {
            return Ok(Page::last(TableBuilder::new(self.fields), encode(&Cursor::Listing(old))));
        }
        let listed = api::list(self.collection)?;
        let part = old.part.take();
        let mut selected = old.buckets.changed(&listed, part.clone(), self.limit);
        let (cards, taken) = self.take(&selected.ids)?;
        if taken < selected.ids.len() {
            // The cards were so large that the page ends early: what is left is selected again.
            selected = old.buckets.changed(&listed, part, taken);
        }
        let is_more = selected.is_more;
        if let Some(token) = token.filter(|_| !is_more) {
            return Ok(cards.page(&Cursor::Sync { token }, false));
        }
        let ctag = if is_more { None } else { ctag };
        Ok(cards.page(&Cursor::Listing(Listing { buckets: selected.buckets, ctag, part: selected.part }), is_more))
    }

    /// How this collection tells what has changed, and where it stands now.
    fn feed(&self) -> Result<Feed, Fault> {
        let mut answer = api::ask(self.collection.address(), dav::feed_state())?;
        let Some(member) = (!answer.members.is_empty()).then(|| answer.members.swap_remove(0)) else {
            return Err(Fault::Protocol("the server says nothing about the address book".to_owned()));
        };
        let properties = member.properties;
        if !properties.is_addressbook {
            let message = "this is not an address book; choose one of the containers";
            return Err(Fault::misconfigured("url", "no-address-book", message));
        }
        if has_sync(&properties) {
            // The report is tried once: some servers announce it and answer errors.
            let report = self.report(properties.sync_token.as_deref().unwrap_or_default())?;
            match self.read_delta(&report) {
                Ok(delta) => return Ok(Feed::Sync { token: properties.sync_token.unwrap_or(delta.to) }),
                Err(Fault::CursorExpired(_) | Fault::Permission(_) | Fault::NotFound(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(Feed::Listing { ctag: properties.ctag })
    }

    /// Reads the first of sorted `ids` and says what is left of them.
    fn cards(&self, ids: &mut Vec<String>, more: bool) -> Result<(Cards, Option<Queue>), Fault> {
        let wanted = self.limit.clamp(1, ids.len().max(1)).min(ids.len());
        let unmarked: Vec<String> = ids[..wanted].iter().map(|id| marks::id(id).to_owned()).collect();
        let (cards, taken) = self.take(&unmarked)?;
        Ok((cards, Queue::rest(ids, taken, more)))
    }

    /// Reads cards until a page is long enough, and says how many of `ids` it took.
    fn take(&self, ids: &[String]) -> Result<(Cards, usize), Fault> {
        let mut cards = Cards { table: TableBuilder::new(self.fields), tombstones: Vec::new(), skipped: Vec::new() };
        let taken = api::fetch_within(self.collection, ids, api::PAGE_BYTES_MAX, |id, fetched| match fetched {
            Fetched::Card(stored) => {
                if let Err(error) = rows::push(&mut cards.table, id, &stored) {
                    cards.skipped.push(Skipped::new(id, error.to_string()));
                }
            }
            Fetched::Gone => cards.tombstones.push(Tombstone::new(id, Fate::Deleted)),
            Fetched::Unclear(reason) => cards.skipped.push(Skipped::new(id, reason)),
        })?;
        Ok((cards, taken))
    }

    fn cursor(&self) -> Result<Option<Cursor>, Fault> {
        self.cursor.map(|text| serde_json::from_str(text).map_err(|_| expired())).transpose()
    }
}

/// How a collection tells what has changed.
enum Feed {
    Sync { token: String },
    Listing { ctag: Option<String> },
}

/// One answer to `sync-collection`.
struct Delta {
    changed: Vec<String>,
    removed: Vec<String>,
    to: String,
    is_cut: bool,
}

/// What a page is made of.
struct Cards {
    table: TableBuilder,
    tombstones: Vec<Tombstone>,
    skipped: Vec<Skipped>,
}

impl Cards {
    fn page(self, cursor: &Cursor, is_more: bool) -> Page {
        let page =
            if is_more { Page::more(self.table, encode(cursor)) } else { Page::last(self.table, encode(cursor)) };
        page.tombstones(self.tombstones).skipped(self.skipped)
    }
}

fn encode(cursor: &Cursor) -> String {
    serde_json::to_string(cursor).expect("a cursor is made of texts and numbers")
}

fn expired() -> Fault {
    Fault::CursorExpired("the cursor is not one of this reading".to_owned())
}

#[cfg(test)]
mod tests;
