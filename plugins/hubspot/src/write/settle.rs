//! What the answer to a batch says about each of its inputs.

use std::collections::HashMap;

use syncline_sdk::clock;
use syncline_sdk::connector::Outcome;

use super::input::{Input, trace_id};
use super::{Batch, Call};
use crate::api::Objects;
use crate::records::Object;
use crate::refusal::Refusal;

impl Batch<'_> {
    /// Settles the inputs that the answer speaks of; what it passes over may have been done.
    pub(super) fn settle_answer(&mut self, call: Call, inputs: &[Input], body: &str) {
        let answer = match Objects::parse(body) {
            Ok(answer) => answer,
            Err(fault) => return self.settle_rest(inputs, &Outcome::Unknown(format!("{fault:?}"))),
        };
        let owners = Owners::of(inputs);
        let link = self.target.settings.link_property.clone();
        for object in &answer.results {
            if let Some(position) = owners.of_result(call, object, link.as_deref()) {
                self.settle_stored(inputs, position, object);
            }
        }
        for refusal in answer.refusals() {
            self.settle_refused(inputs, &owners, &refusal);
        }
        let unsaid = "HubSpot answered without saying what became of this record";
        self.settle_rest(inputs, &Outcome::Unknown(unsaid.to_owned()));
    }

    /// Settles the inputs that a refusal of the whole call names; false if it names none or all of them.
    pub(super) fn settle_named(&mut self, inputs: &[Input], refusal: &Refusal) -> bool {
        let owners = Owners::of(inputs);
        let named = owners.of_refusal(refusal);
        let some = !named.is_empty() && named.len() < inputs.len();
        if some {
            let outcome = refusal.outcome(clock::now());
            named.into_iter().for_each(|position| self.settle(position, outcome.clone()));
        }
        some
    }

    /// Settles records that were put away. The vendor says so whatever became of them, so they were read before.
    pub(super) fn settle_archived(&mut self, inputs: &[Input]) {
        for input in inputs {
            let raw = self.before.remove(&input.position);
            self.settle(input.position, Outcome::removed(&input.id, raw));
        }
    }

    /// Settles a stored record by its own answer: a later read might show what somebody made of it since.
    fn settle_stored(&mut self, inputs: &[Input], position: usize, object: &Object<'_>) {
        let Some(input) = inputs.iter().find(|input| input.position == position && self.is_open(position)) else {
            return;
        };
        let is_whole = input.written().all(|name| object.properties.holds(name) || !self.columns.knows(name));
        let (row, _) = self.columns.row(object);
        let id = row.id.clone();
        let place = self.push(row);
        if !is_whole {
            self.unread.push(place as usize);
        }
        self.settle(position, Outcome::done(id, Some(place)));
    }

    fn settle_refused(&mut self, inputs: &[Input], owners: &Owners<'_>, refusal: &Refusal) {
        let mut named = owners.of_refusal(refusal);
        let open: Vec<usize> = inputs.iter().map(|input| input.position).filter(|at| self.is_open(*at)).collect();
        // One error and one record without an outcome belong together, named or not.
        if let ([], [only]) = (named.as_slice(), open.as_slice()) {
            named.push(*only);
        }
        let outcome = refusal.outcome(clock::now());
        named.into_iter().filter(|position| open.contains(position)).for_each(|position| {
            self.outcomes[position] = Some(outcome.clone());
        });
    }
}

/// Which operation an answer's results and errors belong to.
struct Owners<'a> {
    by_trace_id: HashMap<String, usize>,
    by_id: HashMap<&'a str, usize>,
    by_email: HashMap<&'a str, usize>,
}

impl<'a> Owners<'a> {
    fn of(inputs: &'a [Input]) -> Self {
        let mut by_email = HashMap::new();
        let mut shared = Vec::new();
        for input in inputs {
            if let Some(email) = input.email.as_deref()
                && by_email.insert(email, input.position).is_some()
            {
                shared.push(email);
            }
        }
        shared.into_iter().for_each(|email| {
            by_email.remove(email);
        });
        Self {
            by_trace_id: inputs.iter().map(|input| (trace_id(input.position), input.position)).collect(),
            by_id: inputs.iter().map(|input| (input.id.as_str(), input.position)).collect(),
            by_email,
        }
    }

    fn of_result(&self, call: Call, object: &Object<'_>, link: Option<&str>) -> Option<usize> {
        if let Some(trace_id) = &object.object_write_trace_id
            && let Some(position) = self.by_trace_id.get(&*trace_id.0)
        {
            return Some(*position);
        }
        match call {
            Call::Update | Call::Archive => self.by_id.get(&*object.id.0).copied(),
            Call::Upsert => self.by_id.get(object.properties.text(link?)?).copied(),
            Call::Create => self.by_email.get(object.properties.text("email")?.to_lowercase().as_str()).copied(),
        }
    }

    fn of_refusal(&self, refusal: &Refusal) -> Vec<usize> {
        let traced = refusal.trace_ids.iter().filter_map(|trace_id| self.by_trace_id.get(trace_id));
        let mut positions: Vec<usize> = traced.copied().collect();
        if positions.is_empty() {
            positions.extend(refusal.ids.iter().filter_map(|id| self.by_id.get(id.as_str())));
        }
        positions
    }
}
