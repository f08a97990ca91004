//! Helpers for what a connector answers.

use super::{
    Account, Action, CheckItem, CheckReport, Container, Found, GetAnswer, Operation, Outcome, Page, Progress, Skipped,
    Verdict, WriteAnswer, WriteRequest, Written,
};
use crate::record::{Cells, Table, TableBuilder, Tombstone};
use crate::value::{Delay, Violation};

impl Account {
    /// Returns the account with this stable id.
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self { id: id.into(), label: label.into() }
    }
}

impl CheckReport {
    /// Returns a report without items.
    pub fn of(account: Account) -> Self {
        Self { account, items: Vec::new() }
    }

    /// Adds a condition that holds, with what was seen.
    pub fn pass(self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.item(name.into(), Verdict::Pass, detail.into())
    }

    /// Adds a condition that does not hold, with what to do.
    pub fn fail(self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.item(name.into(), Verdict::Fail, detail.into())
    }

    /// Adds a condition that cannot be told from here.
    pub fn cannot_tell(self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.item(name.into(), Verdict::CannotTell, detail.into())
    }

    fn item(mut self, name: String, verdict: Verdict, detail: String) -> Self {
        self.items.push(CheckItem { name, verdict, detail });
        self
    }
}

impl Container {
    /// Returns a container that records can be written to.
    pub fn new(id: impl Into<String>, label: impl Into<String>) -> Self {
        Self { id: id.into(), label: label.into(), writable: true }
    }
}

impl Page {
    /// Returns a page after which there is more to read.
    pub fn more(records: impl Into<Table>, cursor: impl Into<String>) -> Self {
        Self::ending(records.into(), Progress::More(cursor.into()))
    }

    /// Returns a page after which there is nothing more now; not yet said to be [`whole`](Self::whole).
    pub fn last(records: impl Into<Table>, cursor: impl Into<String>) -> Self {
        Self::ending(records.into(), Progress::Done(cursor.into()))
    }

    /// Says that every record there is was in one of the pages of this read.
    pub fn whole(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Sets the signs of records that are gone.
    pub fn tombstones(mut self, tombstones: Vec<Tombstone>) -> Self {
        self.tombstones = tombstones;
        self
    }

    /// Sets the records that could not be read.
    pub fn skipped(mut self, skipped: Vec<Skipped>) -> Self {
        self.skipped = skipped;
        self
    }

    /// Says how many records the whole read will give.
    pub fn total(mut self, records: u64) -> Self {
        self.total = Some(records);
        self
    }

    fn ending(records: Table, next: Progress) -> Self {
        Self { records, tombstones: Vec::new(), skipped: Vec::new(), next, complete: false, total: None }
    }
}

impl Skipped {
    /// Returns a record that could not be read.
    pub fn new(id: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { id: id.into(), reason: reason.into() }
    }
}

impl GetAnswer {
    /// Returns an answer with one finding for each id asked for.
    pub fn new(records: impl Into<Table>, found: Vec<Found>) -> Self {
        Self { records: records.into(), found }
    }
}

impl WriteRequest {
    /// Returns the operations in order, each with its cells readable by name.
    pub fn views(&self) -> impl ExactSizeIterator<Item = OperationView<'_>> {
        self.operations.iter().map(|operation| OperationView { columns: &self.columns, operation })
    }
}

/// One operation of a batch, with its cells readable by name.
#[derive(Debug, Clone, Copy)]
pub struct OperationView<'batch> {
    columns: &'batch [String],
    operation: &'batch Operation,
}

impl<'batch> OperationView<'batch> {
    /// Returns what is to be done.
    pub fn action(&self) -> &'batch Action {
        &self.operation.action
    }

    /// Returns the id of the record it concerns; a create has none yet.
    pub fn id(&self) -> Option<&'batch str> {
        match self.action() {
            Action::Create(_) => None,
            Action::Update(id) | Action::Delete(id) | Action::Archive(id) | Action::Restore(id) => Some(id),
            Action::Tag((id, _)) => Some(id),
        }
    }

    /// Returns the version that the change was planned on.
    pub fn expected_version(&self) -> Option<&'batch str> {
        self.operation.expected_version.as_deref()
    }

    /// Returns the raw record that an earlier delete returned.
    pub fn raw(&self) -> Option<&'batch str> {
        self.operation.raw.as_deref()
    }

    /// Returns the cells.
    pub fn cells(&self) -> Cells<'batch> {
        Cells::new(self.columns, &self.operation.cells)
    }
}

/// Collects the outcomes of a batch, in any order.
///
/// Invariant: an operation that nobody settled is `unknown`, so nothing is sent twice because it was forgotten here.
#[derive(Debug, Clone)]
pub struct WriteAnswerBuilder {
    table: TableBuilder,
    outcomes: Vec<Outcome>,
}

impl WriteAnswerBuilder {
    /// Returns a builder for the answer to `request`.
    pub fn new(request: &WriteRequest) -> Self {
        let unsettled = Outcome::Unknown("the connector did not say what became of it".to_owned());
        Self { table: TableBuilder::new(&request.returning), outcomes: vec![unsettled; request.operations.len()] }
    }

    /// Returns the table of the stored records, to add rows to.
    pub fn table(&mut self) -> &mut TableBuilder {
        &mut self.table
    }

    /// Settles the operation at `position` in the request; a position that is not there is passed over.
    pub fn settle(&mut self, position: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(position) {
            *slot = outcome;
        }
    }

    /// Returns the answer.
    pub fn finish(self) -> WriteAnswer {
        WriteAnswer { records: self.table.finish(), outcomes: self.outcomes }
    }
}

impl Outcome {
    /// Returns the outcome of a write that happened, with the row of the stored record where it is known.
    pub fn done(id: impl Into<String>, stored: Option<u32>) -> Self {
        Self::Written(Written { id: id.into(), stored, raw: None })
    }

    /// Returns the outcome of a delete or an archiving that happened, with the raw record before it.
    pub fn removed(id: impl Into<String>, raw: Option<String>) -> Self {
        Self::Written(Written { id: id.into(), stored: None, raw })
    }

    /// Returns the refusal of one field's value.
    pub fn refused(field: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::of_field(field, code, message)])
    }

    /// Returns a request to send the operation again after a while.
    pub fn wait(after_ms: u64, reason: impl Into<String>) -> Self {
        Self::RetryLater(Delay::new(after_ms, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Endpoint;
    use crate::value::Value;

    fn request() -> WriteRequest {
        let operation = |action| Operation { action, expected_version: None, cells: vec![Value::Clear], raw: None };
        WriteRequest {
            endpoint: Endpoint::new("contacts"),
            columns: vec!["email".to_owned()],
            operations: vec![operation(Action::Create("k".into())), operation(Action::Update("7".into()))],
            returning: vec!["email".to_owned()],
        }
    }

    #[test]
    fn an_operation_that_nobody_settled_is_unknown() {
        let request = request();
        let mut answer = WriteAnswerBuilder::new(&request);
        let stored = answer.table().row("7").set("email", Value::Clear).position();
        answer.settle(1, Outcome::done("7", Some(stored)));
        answer.settle(2, Outcome::NotFound);
        let answer = answer.finish();
        assert!(matches!(answer.outcomes[..], [Outcome::Unknown(_), Outcome::Written(_)]));
        assert_eq!(answer.records.rows.len(), 1);
    }

    #[test]
    fn operations_are_read_by_name() {
        let request = request();
        let ids: Vec<_> = request.views().map(|operation| operation.id()).collect();
        assert_eq!(ids, [None, Some("7")]);
        assert!(request.views().all(|operation| operation.cells().value("email").is_clear()));
    }
}
