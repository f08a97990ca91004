//! Writes a batch: current cards at once, then all requests at once, then one look at what became of them.
//!
//! Invariant: an existing card is only replaced under the etag that it was patched from, and a new one only where there
//! was none, so nothing that anybody else wrote is overwritten. A server without strong etags cannot promise that: there a
//! card is compared once more right before it is written, and only what is edited within that moment is overwritten.
//! Invariant: an address is looked at before a new card goes there, with the same look that fetches the current cards. Some
//! servers (Zimbra, SOGo) ignore `If-None-Match`, and would put what an earlier attempt made over what was edited since.
//! Invariant: a request whose answer did not come is `unknown`; it is not sent again here.

mod refusal;

use std::collections::HashMap;

use syncline_sdk::connector::{Action, OperationView, Outcome, WriteAnswer, WriteAnswerBuilder, WriteRequest};
use syncline_sdk::http::{self, HttpError, Request, Response};
use syncline_sdk::record::Cells;
use syncline_sdk::value::{Fault, Violation};

use crate::api::{self, Fetched, Stored};
use crate::dav;
use crate::dav::href::Collection;
use crate::records::{self, Change};
use crate::schema::{self, FIELDS, Part};
use crate::vcard::{Card, Version};
use crate::{record_id, rows};
use refusal::Refusal;

/// The type that cards are sent with.
const CARD_TYPE: &str = "text/vcard; charset=utf-8";

/// One operation that has something to send.
struct Job {
    /// Its position in the batch.
    at: usize,
    id: String,
    request: Request,
    kind: Kind,
    /// The card as it was fetched, where the request has no etag that guards it.
    unguarded: Option<Stored>,
}

/// What is sent, as far as its answer has to know.
enum Kind {
    /// A new card, or one that comes back, with its `UID`.
    Create { uid: String, card: Box<Card> },
    /// A changed card.
    Update { card: Box<Card> },
    /// A deletion; the card as it was.
    Delete { raw: String },
}

/// What is looked at after everything was sent.
enum Look {
    /// The server has taken the card; this is the etag that it gave back.
    Written { etag: Option<String>, card: Box<Card> },
    /// Something was at the address of a new card.
    Occupied { uid: String },
    /// The card was not the expected one.
    Changed,
}

/// What was sent and is not settled yet, by position in the batch.
#[derive(Default)]
struct Sent {
    looks: Vec<(usize, String, Look)>,
    /// The `UID`s that another card has.
    doubles: Vec<(usize, String)>,
}

/// Writes a batch into `collection`.
pub(crate) fn write(collection: &Collection, request: &WriteRequest) -> Result<WriteAnswer, Fault> {
    rows::check_fields(&request.columns)?;
    rows::check_fields(&request.returning)?;
    let mut batch = Batch {
        collection,
        request,
        answer: WriteAnswerBuilder::new(request),
        is_signed_out: false,
        may_be_done: false,
    };
    let jobs = batch.prepare()?;
    let jobs = batch.compare(jobs)?;
    let looks = batch.send(jobs);
    // To answer with a fault would say that none of the batch was done.
    if batch.is_signed_out && !batch.may_be_done {
        return Err(Fault::Auth("the server does not accept the credential".to_owned()));
    }
    batch.look(looks);
    Ok(batch.answer.finish())
}

struct Batch<'batch> {
    collection: &'batch Collection,
    request: &'batch WriteRequest,
    answer: WriteAnswerBuilder,
    is_signed_out: bool,
    /// True once the server may have done something of what was sent.
    may_be_done: bool,
}

impl Batch<'_> {
    /// Fetches what is to be changed, and makes the requests.
    fn prepare(&mut self) -> Result<Vec<Job>, Fault> {
        let mut ids: Vec<String> = Vec::new();
        for operation in self.request.views() {
            match operation.action() {
                Action::Update(id) | Action::Delete(id) | Action::Tag((id, _)) => ids.push(id.clone()),
                Action::Create(key) => ids.push(record_id(key)),
                Action::Restore(id) => ids.push(id.clone()),
                Action::Archive(_) => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let mut current = HashMap::new();
        api::fetch(self.collection, &ids, |id, fetched| {
            current.insert(id.to_owned(), fetched);
        })?;
        let is_new = |key: &String| !matches!(current.get(&record_id(key)), Some(Fetched::Card(_)));
        let creates = self.request.views().any(|view| matches!(view.action(), Action::Create(key) if is_new(key)));
        let version = if creates { self.card_version() } else { Version::V3 };
        let mut jobs = Vec::new();
        let request = self.request;
        for (at, operation) in request.views().enumerate() {
            match self.job(at, &operation, &current, version) {
                Ok(job) => jobs.push(job),
                Err(outcome) => self.answer.settle(at, outcome),
            }
        }
        Ok(jobs)
    }

    /// The version for new cards: 3.0, unless the address book takes 4.0 only.
    fn card_version(&self) -> Version {
        let described = api::ask(self.collection.address(), dav::describe("0"));
        let members = described.map(|answer| answer.members).unwrap_or_default();
        let mut versions = members.iter().flat_map(|member| &member.properties.card_versions).peekable();
        if versions.peek().is_some() && versions.all(|version| version == "4.0") { Version::V4 } else { Version::V3 }
    }

    /// Makes the request of one operation, or settles it at once.
    fn job(
        &mut self,
        at: usize,
        operation: &OperationView<'_>,
        current: &HashMap<String, Fetched>,
        version: Version,
    ) -> Result<Job, Outcome> {
        match operation.action() {
            Action::Create(key) => {
                let changes = changes(operation.cells());
                let card = records::create(version, key, &changes).map_err(Outcome::Invalid)?;
                self.create(at, record_id(key), key.clone(), card, current)
            }
            Action::Restore(id) => {
                let raw =
                    operation.raw().ok_or_else(|| Outcome::Unsupported("the deleted card was not kept".into()))?;
                let card = Card::parse(raw).map_err(|error| invalid("invalid-card", error.to_string()))?;
                let uid = card.text("UID").unwrap_or_default();
                self.create(at, id.clone(), uid, card, current)
            }
            Action::Archive(_) => Err(Outcome::Unsupported("an address book has no archive".to_owned())),
            Action::Update(id) => {
                let stored = self.expected(id, operation, current)?;
                let mut card = parse(stored)?;
                records::apply(&mut card, &changes(operation.cells())).map_err(Outcome::Invalid)?;
                self.update(at, id, stored, card)
            }
            Action::Tag((id, tag)) => {
                let stored = self.expected(id, operation, current)?;
                let mut card = parse(stored)?;
                records::add_category(&mut card, tag);
                self.update(at, id, stored, card)
            }
            Action::Delete(id) => {
                let stored = self.expected(id, operation, current)?;
                // XML has made line feeds of the line ends.
                let raw = Card::parse(&stored.text).map_or_else(|_| stored.text.clone(), |card| card.to_text());
                let (request, unguarded) = guarded(Request::delete(self.collection.member(id)), stored);
                Ok(Job { at, id: id.clone(), request, kind: Kind::Delete { raw }, unguarded })
            }
        }
    }

    /// The card that an operation changes, if it is there and is the expected one.
    fn expected<'current>(
        &mut self,
        id: &str,
        operation: &OperationView<'_>,
        current: &'current HashMap<String, Fetched>,
    ) -> Result<&'current Stored, Outcome> {
        match current.get(id) {
            Some(Fetched::Card(stored)) => match operation.expected_version() {
                Some(expected) if stored.etag.as_deref() != Some(expected) => {
                    Err(Outcome::VersionConflict(self.row(id, stored)))
                }
                _ => Ok(stored),
            },
            Some(Fetched::Gone) | None => Err(Outcome::NotFound),
            // Nothing was sent, so it may be tried again.
            Some(Fetched::Unclear(reason)) => Err(Outcome::wait(api::LOCKED_WAIT_MS, reason)),
        }
    }

    /// A request for a new card; none where its address is taken.
    fn create(
        &mut self,
        at: usize,
        id: String,
        uid: String,
        card: Card,
        current: &HashMap<String, Fetched>,
    ) -> Result<Job, Outcome> {
        // What could not be looked at is left to the server and the request's condition.
        if let Some(Fetched::Card(stored)) = current.get(&id) {
            return Err(self.occupied(&id, &uid, stored));
        }
        let request = Request::put(self.collection.member(&id)).header("If-None-Match", "*");
        let request = request.text(CARD_TYPE, card.to_text());
        Ok(Job { at, id, request, kind: Kind::Create { uid, card: Box::new(card) }, unguarded: None })
    }

    /// What a card at the address of a new one means.
    fn occupied(&mut self, id: &str, uid: &str, stored: &Stored) -> Outcome {
        if uid_of(&stored.text).as_deref() == Some(uid) {
            // It was made by an earlier attempt; what was edited since then stays.
            Outcome::done(id, self.row(id, stored))
        } else {
            Outcome::DuplicateOf(Some(id.to_owned()))
        }
    }

    /// A request for the patched card; none where the patch changed nothing.
    fn update(&mut self, at: usize, id: &str, stored: &Stored, card: Card) -> Result<Job, Outcome> {
        if parse(stored)? == card {
            return Err(Outcome::done(id, self.row(id, stored)));
        }
        let (request, unguarded) = guarded(Request::put(self.collection.member(id)), stored);
        let request = request.text(CARD_TYPE, card.to_text());
        Ok(Job { at, id: id.to_owned(), request, kind: Kind::Update { card: Box::new(card) }, unguarded })
    }

    /// Fetches once more the cards that no etag guards, and settles the jobs whose card is another one by now.
    fn compare(&mut self, jobs: Vec<Job>) -> Result<Vec<Job>, Fault> {
        let mut ids: Vec<String> =
            jobs.iter().filter(|job| job.unguarded.is_some()).map(|job| job.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut now = HashMap::new();
        api::fetch(self.collection, &ids, |id, fetched| {
            now.insert(id.to_owned(), fetched);
        })?;
        let mut same = Vec::new();
        for job in jobs {
            let outcome = match (&job.unguarded, now.get(&job.id)) {
                (Some(before), Some(Fetched::Card(stored))) if before.text != stored.text => {
                    Outcome::VersionConflict(self.row(&job.id, stored))
                }
                (Some(_), Some(Fetched::Gone)) => Outcome::NotFound,
                (Some(_), Some(Fetched::Unclear(reason))) => Outcome::wait(api::LOCKED_WAIT_MS, reason),
                _ => {
                    same.push(job);
                    continue;
                }
            };
            self.answer.settle(job.at, outcome);
        }
        Ok(same)
    }

    /// Sends all requests at once, settles what the answers settle, and returns what must be looked at.
    ///
    /// Some servers (Xandikos) lock the whole address book for a write and refuse what comes beside it: that is sent again,
    /// one after another.
    fn send(&mut self, jobs: Vec<Job>) -> Vec<(usize, String, Look)> {
        let requests = jobs.iter().map(|job| job.request.clone()).collect();
        let mut sent = Sent::default();
        let mut locked = Vec::new();
        for (job, answer) in jobs.into_iter().zip(http::send_all(requests)) {
            match answer {
                Ok(response) if response.status() == 423 && job.unguarded.is_none() => locked.push(job),
                answer => self.take(job, answer, &mut sent),
            }
        }
        for job in locked {
            let answer = job.request.clone().send();
            self.take(job, answer, &mut sent);
        }
        self.find_doubles(&sent.doubles);
        sent.looks
    }

    /// Settles what the answer to a request settles, and notes what must be looked at.
    fn take(&mut self, job: Job, answer: Result<Response, HttpError>, sent: &mut Sent) {
        let Job { at, id, kind, .. } = job;
        let refusal = match answer {
            Ok(response) if response.is_success() => {
                self.may_be_done = true;
                match kind {
                    Kind::Delete { raw } => self.answer.settle(at, Outcome::removed(id, Some(raw))),
                    Kind::Create { card, .. } | Kind::Update { card } => {
                        sent.looks.push((at, id, Look::Written { etag: strong_etag(&response), card }));
                    }
                }
                return;
            }
            Ok(response) => refusal::of_response(self.collection, &response),
            Err(error) => refusal_of_error(error),
        };
        match (refusal, kind) {
            (Refusal::Failed(outcome), _) => {
                self.may_be_done |= matches!(outcome, Outcome::Unknown(_));
                self.answer.settle(at, outcome);
            }
            (Refusal::Precondition, Kind::Create { uid, .. }) => {
                // An earlier attempt may have made it.
                self.may_be_done = true;
                sent.looks.push((at, id, Look::Occupied { uid }));
            }
            (Refusal::Precondition, Kind::Update { .. } | Kind::Delete { .. }) => {
                sent.looks.push((at, id, Look::Changed));
            }
            (Refusal::Gone, _) => self.answer.settle(at, Outcome::NotFound),
            (Refusal::SameUid(Some(other)), _) => self.answer.settle(at, Outcome::DuplicateOf(Some(other))),
            (Refusal::SameUid(None), Kind::Create { uid, .. }) => sent.doubles.push((at, uid)),
            (Refusal::SameUid(None), _) => self.answer.settle(at, Outcome::DuplicateOf(None)),
            (Refusal::SignedOut, _) => {
                self.is_signed_out = true;
                // It was not done; with the next batch the credential is the fault of the whole call.
                let reason = "the server does not accept the credential";
                self.answer.settle(at, Outcome::wait(api::LOCKED_WAIT_MS, reason));
            }
        }
    }

    /// Looks up which cards have the `UID`s that the server would not take twice.
    fn find_doubles(&mut self, doubles: &[(usize, String)]) {
        if doubles.is_empty() {
            return;
        }
        let uids: Vec<String> = doubles.iter().map(|(_, uid)| uid.clone()).collect();
        let found = api::query(self.collection, "UID", &uids).unwrap_or_default();
        for (at, uid) in doubles {
            let has_uid = |stored: &Stored| uid_of(&stored.text).as_ref() == Some(uid);
            let other = found.iter().find(|(_, stored)| has_uid(stored)).map(|(id, _)| id.clone());
            self.answer.settle(*at, Outcome::DuplicateOf(other));
        }
    }

    /// Fetches once more what was written, and what was not as expected.
    fn look(&mut self, looks: Vec<(usize, String, Look)>) {
        let mut ids: Vec<String> = looks.iter().map(|(_, id, _)| id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut now = HashMap::new();
        let fetched = api::fetch(self.collection, &ids, |id, fetched| {
            now.insert(id.to_owned(), fetched);
        });
        let reason = fetched.err().map_or_else(String::new, |fault| format!("{fault:?}"));
        for (at, id, look) in looks {
            let found = now.get(&id);
            let outcome = self.outcome(at, &id, look, found, &reason);
            self.answer.settle(at, outcome);
        }
    }

    fn outcome(&mut self, at: usize, id: &str, look: Look, found: Option<&Fetched>, reason: &str) -> Outcome {
        let stored = match found {
            Some(Fetched::Card(stored)) => Some(stored),
            _ => None,
        };
        match (look, stored) {
            (Look::Written { etag, card }, Some(stored)) if self.is_ours(at, &card, etag.as_deref(), stored) => {
                Outcome::done(id, self.row(id, stored))
            }
            // Somebody wrote again before we looked. That edit is not ours to report: the next read brings it. What we
            // wrote is told as it was sent, so that the host does not look and take the edit for it.
            (Look::Written { etag, card }, _) => {
                let sent = Stored { etag, modified_at: None, text: card.to_text() };
                Outcome::done(id, self.row(id, &sent))
            }
            (Look::Occupied { uid }, Some(stored)) => self.occupied(id, &uid, stored),
            (Look::Occupied { .. }, None) => {
                Outcome::Unknown(format!("an object stands at {id}, but cannot be read {reason}"))
            }
            (Look::Changed, Some(stored)) => Outcome::VersionConflict(self.row(id, stored)),
            (Look::Changed, None) if found == Some(&Fetched::Gone) => Outcome::NotFound,
            (Look::Changed, None) => Outcome::VersionConflict(None),
        }
    }

    /// Tells whether what is stored is what was sent, rewritten by the server perhaps, and no later edit.
    fn is_ours(&self, at: usize, sent: &Card, etag: Option<&str>, stored: &Stored) -> bool {
        if let (Some(sent), Some(stored)) = (etag, stored.etag.as_deref()) {
            return sent.trim_matches('"') == stored.trim_matches('"');
        }
        let Ok(found) = Card::parse(&stored.text) else { return false };
        let cells = self.request.views().nth(at).map(|operation| operation.cells());
        let was_sent = |name: &str| cells.is_some_and(|cells| cells.has(name));
        FIELDS.iter().filter(|known| !was_sent(known.name)).all(|known| {
            let is_derived = matches!(known.part, Part::FullName | Part::ReadOnly(_));
            is_derived || records::read(sent, known.part) == records::read(&found, known.part)
        })
    }

    fn row(&mut self, id: &str, stored: &Stored) -> Option<u32> {
        rows::push(self.answer.table(), id, stored).ok()
    }
}

fn changes<'batch>(cells: Cells<'batch>) -> Vec<Change<'batch>> {
    let known = cells.present().filter_map(|(field, value)| Some(Change { field, part: schema::part(field)?, value }));
    known.collect()
}

fn parse(stored: &Stored) -> Result<Card, Outcome> {
    Card::parse(&stored.text).map_err(|error| invalid("unreadable-card", error.to_string()))
}

fn invalid(code: &str, message: String) -> Outcome {
    Outcome::Invalid(vec![Violation::of_record(code, message)])
}

/// The `UID` of a card.
pub(crate) fn uid_of(text: &str) -> Option<String> {
    Card::parse(text).ok()?.text("UID")
}

/// Makes a request apply only to the card that was fetched. A weak etag never matches, so it is no guard: then the card
/// comes back, to be compared.
fn guarded(request: Request, stored: &Stored) -> (Request, Option<Stored>) {
    match stored.etag.as_deref().filter(|etag| !etag.starts_with("W/")) {
        Some(etag) if etag.starts_with('"') => (request.header("If-Match", etag), None),
        Some(etag) => (request.header("If-Match", format!("\"{etag}\"")), None),
        None => (request, Some(stored.clone())),
    }
}

fn strong_etag(response: &Response) -> Option<String> {
    response.header("ETag").filter(|etag| !etag.starts_with("W/")).map(str::to_owned)
}

fn refusal_of_error(error: HttpError) -> Refusal {
    Refusal::Failed(match error {
        HttpError::NotSent(reason) => Outcome::wait(api::LOCKED_WAIT_MS, reason),
        HttpError::RetryLater(after_ms) => Outcome::wait(after_ms, "the budget for requests is used up"),
        HttpError::Interrupted(reason) => Outcome::Unknown(reason),
        HttpError::TooLarge(limit) => Outcome::Unknown(format!("the answer was larger than {limit} bytes")),
        HttpError::Denied(reason) => Outcome::Permission(reason),
        HttpError::Invalid(reason) => invalid("request", reason),
        HttpError::Credential(_) => return Refusal::SignedOut,
    })
}

#[cfg(test)]
mod tests;
