//! From the generated traits to [`Connector`].

use std::marker::PhantomData;

use super::{
    CheckReport, Connector, Container, Created, CreatedQuery, GetAnswer, MemberList, Members, Page, Progress,
    ReadRequest, WriteAnswer, WriteRequest,
};
use crate::bindings::connector::exports::syncline::connector::{discovery, sink, source};
use crate::model::{Object, Schema};
use crate::panic;
use crate::record::{Endpoint, Table};
use crate::value::{Fault, Instant, Value};

/// Carries the generated traits for the connector `C`.
#[derive(Debug)]
pub struct ConnectorExport<C>(PhantomData<C>);

impl<C: Connector> discovery::Guest for ConnectorExport<C> {
    fn check() -> Result<CheckReport, Fault> {
        panic::report_once();
        C::check()
    }

    fn objects() -> Result<Vec<Object>, Fault> {
        panic::report_once();
        C::objects()
    }

    fn containers(target: String) -> Result<Vec<Container>, Fault> {
        panic::report_once();
        C::containers(&target)
    }

    fn lists(endpoint: Endpoint) -> Result<Vec<MemberList>, Fault> {
        panic::report_once();
        C::lists(&endpoint)
    }

    fn describe(endpoint: Endpoint) -> Result<Schema, Fault> {
        panic::report_once();
        C::describe(&endpoint)
    }
}

impl<C: Connector> source::Guest for ConnectorExport<C> {
    fn read(request: ReadRequest) -> Result<Page, Fault> {
        panic::report_once();
        C::read(request)
    }

    fn get(endpoint: Endpoint, ids: Vec<String>, fields: Vec<String>) -> Result<GetAnswer, Fault> {
        panic::report_once();
        C::get(&endpoint, &ids, &fields)
    }

    fn find(endpoint: Endpoint, key: String, values: Vec<Value>, fields: Vec<String>) -> Result<Table, Fault> {
        panic::report_once();
        C::find(&endpoint, &key, &values, &fields)
    }

    fn members(endpoint: Endpoint, list: String, cursor: Option<String>) -> Result<(Vec<String>, Progress), Fault> {
        panic::report_once();
        let Members { ids, next } = C::members(&endpoint, &list, cursor.as_deref())?;
        Ok((ids, next))
    }

    fn field_times(
        endpoint: Endpoint,
        ids: Vec<String>,
        fields: Vec<String>,
    ) -> Result<Vec<Vec<Option<Instant>>>, Fault> {
        panic::report_once();
        C::field_times(&endpoint, &ids, &fields)
    }
}

impl<C: Connector> sink::Guest for ConnectorExport<C> {
    fn prepare(endpoint: Endpoint) -> Result<(), Fault> {
        panic::report_once();
        C::prepare(&endpoint)
    }

    fn write(request: WriteRequest) -> Result<WriteAnswer, Fault> {
        panic::report_once();
        C::write(request)
    }

    fn find_created(
        endpoint: Endpoint,
        keys: Vec<String>,
        columns: Vec<String>,
        hints: Vec<Vec<Value>>,
        fields: Vec<String>,
    ) -> Result<Created, Fault> {
        panic::report_once();
        C::find_created(CreatedQuery { endpoint, keys, columns, hints, fields })
    }
}
