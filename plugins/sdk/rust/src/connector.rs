//! What a connector implements, and the words that its answers are made of.

mod answers;
mod export;

pub use crate::bindings::connector::exports::syncline::connector::discovery::{
    Account, CheckItem, CheckReport, Container, ListKind, MemberList, Verdict,
};
pub use crate::bindings::connector::exports::syncline::connector::sink::{
    Action, Created, Made, Operation, Outcome, WriteAnswer, WriteRequest, Written,
};
pub use crate::bindings::connector::exports::syncline::connector::source::{
    Found, GetAnswer, Page, Progress, ReadMode, ReadRequest, Skipped,
};
use crate::model::{Object, Schema};
use crate::record::{Endpoint, Table};
use crate::value::{Fault, Instant, Value};

pub use answers::{OperationView, WriteAnswerBuilder};
#[doc(hidden)]
pub use export::ConnectorExport;

/// Everything a connector's main file wants in sight.
pub mod prelude {
    pub use super::{
        Account, Action, CheckItem, CheckReport, Connector, Container, Created, CreatedQuery, Found, GetAnswer,
        ListKind, Made, MemberList, Members, Operation, OperationView, Outcome, Page, Progress, ReadMode, ReadRequest,
        Skipped, Verdict, WriteAnswer, WriteAnswerBuilder, WriteRequest, Written,
    };
    pub use crate::model::{Abilities, ChoiceOption, CreatePromise, Field, FieldTraits, FieldType, Object, Schema};
    pub use crate::record::{Cells, Endpoint, Fate, Row, RowBuilder, Table, TableBuilder, Tombstone};
    pub use crate::value::{Delay, Fault, Instant, Reference, Value, Violation, ZonedTime};
    pub use crate::{clock, http, log, settings};
}

/// One application, as Syncline sees it.
///
/// A call may land in a fresh instance, so there is no `self`: what must last goes through cursors and outcomes. What is
/// optional answers `unsupported` until it is written; an object's [`Abilities`](crate::model::Abilities) must say the
/// same.
pub trait Connector {
    /// Tries settings, credential and rights. Changes nothing.
    fn check() -> Result<CheckReport, Fault>;

    /// Returns the objects of this account.
    fn objects() -> Result<Vec<Object>, Fault>;

    /// Returns the containers of an object that needs one.
    fn containers(target: &str) -> Result<Vec<Container>, Fault> {
        Err(Fault::Unsupported(format!("{target} has no containers")))
    }

    /// Returns the lists of an endpoint's object, for one that has the ability `members`.
    fn lists(endpoint: &Endpoint) -> Result<Vec<MemberList>, Fault> {
        Err(Fault::Unsupported(format!("{} has no lists", endpoint.target)))
    }

    /// Returns the fields of an endpoint's object, as they are now.
    fn describe(endpoint: &Endpoint) -> Result<Schema, Fault>;

    /// Reads one page.
    fn read(request: ReadRequest) -> Result<Page, Fault>;

    /// Reads records by id.
    fn get(endpoint: &Endpoint, ids: &[String], fields: &[String]) -> Result<GetAnswer, Fault>;

    /// Finds records by the value of a `unique` or `findable` field.
    fn find(endpoint: &Endpoint, key: &str, values: &[Value], fields: &[String]) -> Result<Table, Fault> {
        let _ = (values, fields);
        Err(Fault::Unsupported(format!("{} cannot be found by {key}", endpoint.target)))
    }

    /// Returns the ids in the list `list`, page by page.
    fn members(endpoint: &Endpoint, list: &str, cursor: Option<&str>) -> Result<Members, Fault> {
        let _ = cursor;
        Err(Fault::Unsupported(format!("{} has no list {list} to page through", endpoint.target)))
    }

    /// Returns when each field of each record last changed: one list a record, one entry a field, in the order asked.
    fn field_times(endpoint: &Endpoint, ids: &[String], fields: &[String]) -> Result<Vec<Vec<Option<Instant>>>, Fault> {
        let _ = (ids, fields);
        Err(Fault::Unsupported(format!("{} keeps no times of single fields", endpoint.target)))
    }

    /// Sets up what the create promise needs. Repeating it changes nothing.
    fn prepare(endpoint: &Endpoint) -> Result<(), Fault> {
        let _ = endpoint;
        Ok(())
    }

    /// Writes a batch. Each operation has its own outcome; one that fails does not stop the others.
    fn write(request: WriteRequest) -> Result<WriteAnswer, Fault> {
        Err(Fault::Unsupported(format!("{} cannot be written", request.endpoint.target)))
    }

    /// Finds what became of creates with an unknown outcome.
    fn find_created(query: CreatedQuery) -> Result<Created, Fault> {
        Err(Fault::Unsupported(format!("creates in {} cannot be looked up", query.endpoint.target)))
    }
}

/// One page of the ids in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The ids.
    pub ids: Vec<String>,
    /// Where to go on.
    pub next: Progress,
}

/// Creates whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedQuery {
    /// Where they were sent.
    pub endpoint: Endpoint,
    /// Their create keys.
    pub keys: Vec<String>,
    /// The columns of `hints`.
    pub columns: Vec<String>,
    /// The cells that were sent, one row for each key.
    pub hints: Vec<Vec<Value>>,
    /// The fields that the found records are to have.
    pub fields: Vec<String>,
}

/// Exports a type that implements [`Connector`] as this crate's component.
///
/// A connector that only reads takes it too, and leaves `write` as it is: what counts is what its objects' abilities say.
/// The world `reader` is for languages without such defaults.
#[macro_export]
macro_rules! connector {
    ($connector:ty) => {
        // Outside wasm nothing is exported: two connectors in one native test would define the same symbols.
        const _: fn() = $crate::connector::must_be_a_connector::<$connector>;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Export = $crate::connector::ConnectorExport<$connector>;
    $crate::bindings::connector::export_connector!(Export with_types_in $crate::bindings::connector);
        };
    };
}

#[doc(hidden)]
pub fn must_be_a_connector<C: Connector>() {}
