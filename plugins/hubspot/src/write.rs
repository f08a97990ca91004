//! Writing batches: look, send, settle each record, complete what the answers leave out.
//!
//! HubSpot has no precondition, so records are read just before they are changed and compared with the version the
//! change was planned on; what somebody changes between that look and our write is the one gap. Every input carries a
//! trace id, by which its result or its error is found again; the order of answers means nothing.
//! Invariant: an operation that may have been applied is `written` or `unknown`, never anything that is sent again
//! blindly.
//! Invariant: a cell is only told as stored if it belongs to the version that the write made. What somebody made of the
//! record since is left to the next read, which would otherwise take that edit for ours.
//! Not here: what refusals mean (`refusal`).

mod input;
mod settle;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};
use syncline_sdk::connector::{Action, Outcome, WriteAnswer, WriteRequest};
use syncline_sdk::record::{Row, Table};
use syncline_sdk::value::Fault;

use crate::Target;
use crate::api::{self, BATCH_MAX, Halt, Sent};
use crate::lookup::{self, Missing, Rows};
use crate::records::{self, Columns};
use input::Input;

/// Writes a batch.
pub(crate) fn write(target: &Target, request: &WriteRequest) -> Result<WriteAnswer, Fault> {
    let names = input::set_columns(request).chain(request.returning.iter().map(String::as_str));
    let properties = api::named_properties(target.object.name, names)?;
    input::refuse_unknown_columns(&properties, request)?;
    let mut batch = Batch::new(target, request, properties.columns(&request.returning));
    let work = batch.sort();
    batch.look(&work)?;
    for (call, inputs) in
        [(Call::Update, work.updates), (work.create_call, work.creates), (Call::Archive, work.archives)]
    {
        for inputs in inputs.chunks(BATCH_MAX) {
            batch.send(call, inputs);
        }
    }
    batch.read_back();
    batch.finish()
}

/// A batch call of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Create,
    Upsert,
    Update,
    Archive,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Upsert => "upsert",
            Self::Update => "update",
            Self::Archive => "archive",
        }
    }
}

/// What a batch is to send, by call.
struct Work {
    create_call: Call,
    creates: Vec<Input>,
    updates: Vec<Input>,
    archives: Vec<Input>,
}

/// A batch on its way: what is settled and what is not.
struct Batch<'a> {
    target: &'a Target,
    request: &'a WriteRequest,
    columns: Columns,
    rows: Vec<Row>,
    outcomes: Vec<Option<Outcome>>,
    /// Records as they were before they are put away, by operation.
    before: HashMap<usize, String>,
    /// The places of rows whose answer left out what was written.
    unread: Vec<usize>,
    halt: Option<Halt>,
}

impl<'a> Batch<'a> {
    fn new(target: &'a Target, request: &'a WriteRequest, columns: Columns) -> Self {
        let outcomes = vec![None; request.operations.len()];
        Self {
            target,
            request,
            columns,
            rows: Vec::new(),
            outcomes,
            before: HashMap::new(),
            unread: Vec::new(),
            halt: None,
        }
    }

    fn settle(&mut self, position: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(position) {
            *slot = Some(outcome);
        }
    }

    /// Settles every operation of `inputs` that has no outcome yet.
    fn settle_rest(&mut self, inputs: &[Input], outcome: &Outcome) {
        for input in inputs {
            if let Some(slot @ None) = self.outcomes.get_mut(input.position) {
                *slot = Some(outcome.clone());
            }
        }
    }

    fn is_open(&self, position: usize) -> bool {
        matches!(self.outcomes.get(position), Some(None))
    }

    fn push(&mut self, row: Row) -> u32 {
        self.rows.push(row);
        u32::try_from(self.rows.len() - 1).expect("a batch holds a few hundred rows")
    }

    /// Turns the operations into inputs; what cannot be sent is settled here.
    fn sort(&mut self) -> Work {
        let link = self.target.settings.link_property.as_deref();
        let create_call = if link.is_some() { Call::Upsert } else { Call::Create };
        let mut work = Work { create_call, creates: Vec::new(), updates: Vec::new(), archives: Vec::new() };
        let mut touched = HashSet::new();
        let views: Vec<_> = self.request.views().enumerate().collect();
        for (position, view) in views {
            if view.id().is_some_and(|id| !touched.insert(id)) {
                let reason = "another operation of the batch is about the same record";
                self.settle(position, Outcome::wait(0, reason));
                continue;
            }
            let made = match view.action() {
                Action::Create(key) => input::create(position, key, view, link).map(|input| work.creates.push(input)),
                Action::Update(id) => input::update(position, id, view).map(|input| work.updates.push(input)),
                Action::Archive(id) => {
                    work.archives.push(Input::archive(position, id));
                    Ok(())
                }
                Action::Delete(_) => Err(Outcome::Unsupported("HubSpot only puts records away: use archive".into())),
                Action::Restore(_) => Err(Outcome::Unsupported("HubSpot has no call that brings a record back".into())),
                Action::Tag(_) => Err(Outcome::Unsupported("HubSpot records have no tags".into())),
            };
            if let Err(outcome) = made {
                self.settle(position, outcome);
            }
        }
        work
    }

    /// Reads what is to be changed or put away, and settles what is not as it was expected.
    fn look(&mut self, work: &Work) -> Result<(), Fault> {
        let expects = |input: &&Input| self.request.operations[input.position].expected_version.is_some();
        let guarded: Vec<(usize, &str)> = work
            .updates
            .iter()
            .filter(expects)
            .chain(&work.archives)
            .map(|input| (input.position, input.id.as_str()))
            .collect();
        if guarded.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = guarded.iter().map(|(_, id)| *id).collect();
        let rows = lookup::by_ids(self.target, &ids, &self.columns)?;
        let missing: Vec<&str> = ids.into_iter().filter(|id| rows.place(id).is_none()).collect();
        let fates = lookup::locate(self.target, &missing)?;
        for (position, id) in guarded {
            self.compare(position, id, &rows, &fates);
        }
        Ok(())
    }

    fn compare(&mut self, position: usize, id: &str, rows: &Rows, fates: &HashMap<String, Missing>) {
        let Some(row) = rows.place(id).map(|place| rows.row(place)) else {
            let outcome = match fates.get(id) {
                Some(Missing::Moved(new)) => Outcome::MergedInto(new.clone()),
                Some(Missing::Gone(_)) => Outcome::NotFound,
                Some(Missing::Unclear(reason)) => Outcome::wait(0, reason),
                None => Outcome::wait(0, "HubSpot did not say whether the record is there"),
            };
            return self.settle(position, outcome);
        };
        if row.id != id {
            return self.settle(position, Outcome::MergedInto(row.id.clone()));
        }
        let expected = self.request.operations[position].expected_version.as_deref();
        if expected.is_some_and(|expected| row.version.as_deref() != Some(expected)) {
            let current = self.push(row.clone());
            return self.settle(position, Outcome::VersionConflict(Some(current)));
        }
        if matches!(self.request.operations[position].action, Action::Archive(_)) {
            self.before.insert(position, raw(row, &self.columns));
        }
    }

    /// Sends inputs in one call. If the call is refused as a whole it is split, until the bad record stands alone.
    fn send(&mut self, call: Call, inputs: &[Input]) {
        let open: Vec<Input> = inputs.iter().filter(|input| self.is_open(input.position)).cloned().collect();
        if open.is_empty() {
            return;
        }
        if let Some(halt) = &self.halt {
            let outcome = halt.outcome.clone();
            return self.settle_rest(&open, &outcome);
        }
        let bodies: Vec<Json> = open.iter().map(|input| input.body.clone()).collect();
        match api::write(api::batch_write(self.target.object.name, call.name(), &bodies)) {
            Sent::Answered(_) if call == Call::Archive => self.settle_archived(&open),
            Sent::Answered(response) => self.settle_answer(call, &open, &response.text()),
            Sent::Open(reason) => self.settle_rest(&open, &Outcome::Unknown(reason)),
            Sent::Halted(halt) => {
                self.settle_rest(&open, &halt.outcome);
                self.halt = Some(halt);
            }
            Sent::Refused(refusal) if open.len() == 1 => {
                self.settle(open[0].position, refusal.outcome(syncline_sdk::clock::now()));
            }
            Sent::Refused(refusal) => {
                // Those that the refusal names are out at once; the others are tried again without them.
                if self.settle_named(&open, &refusal) {
                    return self.send(call, &open);
                }
                let (left, right) = open.split_at(open.len() / 2);
                self.send(call, left);
                self.send(call, right);
            }
        }
    }

    /// Completes the rows whose answer left out what was written; a write stays written if that fails.
    fn read_back(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        let ids: Vec<&str> = unread.iter().map(|place| self.rows[*place].id.as_str()).collect();
        let found = match lookup::by_ids(self.target, &ids, &self.columns) {
            Ok(found) => found,
            Err(fault) => return syncline_sdk::log::warn(format!("written records could not be read back: {fault:?}")),
        };
        for place in unread {
            let told = &self.rows[place];
            let now = found.place(&told.id).map(|place| found.row(place));
            // Another version is from before the write, or holds what somebody changed since.
            if let Some(now) = now.filter(|now| now.id == told.id && now.version == told.version) {
                self.rows[place] = now.clone();
            }
        }
    }

    fn finish(self) -> Result<WriteAnswer, Fault> {
        let may_be_done =
            |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Written(_) | Outcome::Unknown(_)));
        if let Some(fault) = self.halt.and_then(|halt| halt.fault)
            && !self.outcomes.iter().any(may_be_done)
        {
            return Err(fault);
        }
        let unsaid = || Outcome::Unknown("HubSpot answered without saying what became of this record".to_owned());
        Ok(WriteAnswer {
            records: Table { columns: self.columns.names().to_vec(), rows: self.rows },
            outcomes: self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unsaid)).collect(),
        })
    }
}

/// A record as text, for whoever wants to make it again.
fn raw(row: &Row, columns: &Columns) -> String {
    let texts = columns.names().iter().zip(&row.cells);
    let texts = texts.filter_map(|(name, value)| Some((name, records::print(name, value).ok()??)));
    let properties: Map<String, Json> = texts.map(|(name, text)| (name.clone(), Json::String(text))).collect();
    json!({"id": row.id, "updatedAt": row.version, "properties": properties}).to_string()
}
