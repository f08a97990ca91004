//! A connector in a component, as the runner sees it.
//!
//! Invariant: each call runs in a fresh instance, dropped after it; two calls share nothing.
//!
//! On a write, `Fault::Component` and `Fault::Interrupted` mean that every operation is unknown: the plugin may have sent
//! something before it failed. A plugin in quarantine is not called at all and answers `Fault::Other`, so that nothing is
//! unknown then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syncline_core::{FieldName, Instant, Object, ObjectName, RecordId, Schema, Value};
use syncline_net::Errand;
use syncline_runner::{
    BoxFuture, CheckReport, Connector, Container, Created, Fault, GetAnswer, MemberList, Outcome, Page, Progress,
    ReadMode, ReadRequest, Table, Target, WriteAnswer, WriteRequest,
};

use crate::call::{Call, Failure, Scene};
use crate::convert::{self, Nonsense};
use crate::plugin::{Inner, Program};

/// A plugin that serves one connection.
pub struct WasmConnector {
    plugin: Arc<Inner>,
    scene: Arc<Scene>,
}

/// Calls one function of one exported interface in a fresh instance, and gives its answer or its fault.
macro_rules! ask {
    ($connector:ident, $interface:ident, $function:ident($($argument:expr),*)) => {{
        let connector: &WasmConnector = $connector;
        let (instance, interface) = connector.$interface()?;
        let mut call = Call::new(instance.engine(), connector.plugin.limits, connector.scene.clone());
        let watch = call.watch();
        let ended = watch.over(async {
            let instance = instance.instantiate_async(&mut call.store).await?;
            interface.load(&mut call.store, &instance)?.$function(&mut call.store, $($argument),*).await
        });
        let ended = ended.await;
        let errand = call.errand.clone();
        let answer = match call.end(ended) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(convert::fault(fault, |text| connector.scene.cleaned(text))),
            Err(failure) => Err(settle(&connector.plugin, &connector.scene, failure)),
        };
        heed(&connector.scene, errand.as_deref(), answer.as_ref().err());
        answer.map(|answer| (answer, errand))
    }};
}

/// The same without what it has sent.
macro_rules! ask_only {
    ($($question:tt)*) => {
        ask!($($question)*).map(|(answer, _)| answer)
    };
}

/// Leaves the vendor alone for as long as the plugin says that it asked for, and notes whether the next call repeats
/// this one.
fn heed(scene: &Scene, errand: Option<&Errand>, fault: Option<&Fault>) {
    // What our own budget refused was not sent, so sending it is no retry.
    let was_sent = errand.is_none_or(|errand| !errand.was_refused());
    let has_failed = match fault {
        Some(Fault::RetryLater { after_ms, .. }) => {
            if let Some(errand) = errand {
                errand.hold(*after_ms);
            }
            was_sent
        }
        Some(Fault::Transient(_) | Fault::Interrupted(_)) => was_sent,
        _ => false,
    };
    scene.urgency.has_failed.store(has_failed, Ordering::Relaxed);
}

/// Leaves the vendor alone until the longest of the waits for its budgets is over (E7).
fn heed_outcomes(scene: &Scene, errand: Option<&Errand>, answer: &WriteAnswer) {
    let waits = answer.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Quota { after_ms, .. } => Some(*after_ms),
        _ => None,
    });
    if let (Some(wait_ms), Some(errand)) = (waits.max(), errand) {
        errand.hold(wait_ms);
    }
    let is_open = |outcome: &Outcome| matches!(outcome, Outcome::RetryLater { .. } | Outcome::Unknown(_));
    let has_failed = answer.outcomes.iter().any(is_open) && errand.is_none_or(|errand| !errand.was_refused());
    scene.urgency.has_failed.store(has_failed, Ordering::Relaxed);
}

/// Keeps count of crashes, and gives the fault.
pub(crate) fn settle(plugin: &Inner, scene: &Scene, failure: Failure) -> Fault {
    if failure.trapped {
        plugin.quarantine.crashed((scene.clock)());
    }
    failure.fault
}

/// Refuses a plugin that has crashed too often (E8.1).
pub(crate) fn admit(plugin: &Inner) -> Result<(), Fault> {
    match plugin.quarantine.is_closed() {
        false => Ok(()),
        true => Err(Fault::Other(
            "the plugin was disabled because it crashed three times within an hour; install another version, or start \
             again to try this one"
                .to_owned(),
        )),
    }
}

type Export<'plugin, Indices> = (&'plugin wasmtime::component::InstancePre<crate::call::CallState>, &'plugin Indices);

mod exports {
    pub(super) use crate::bindings::connector::exports::syncline::connector::{discovery, sink, source};
}

impl WasmConnector {
    pub(crate) fn new(plugin: Arc<Inner>, scene: Arc<Scene>) -> Self {
        Self { plugin, scene }
    }

    fn discovery(&self) -> Result<Export<'_, exports::discovery::GuestIndices>, Fault> {
        admit(&self.plugin)?;
        match &self.plugin.program {
            Program::Connector { instance, discovery, .. } => Ok((instance, discovery)),
            Program::Transform { .. } => Err(no_connector()),
        }
    }

    fn source(&self) -> Result<Export<'_, exports::source::GuestIndices>, Fault> {
        admit(&self.plugin)?;
        match &self.plugin.program {
            Program::Connector { instance, source, .. } => Ok((instance, source)),
            Program::Transform { .. } => Err(no_connector()),
        }
    }

    fn sink(&self) -> Result<Export<'_, exports::sink::GuestIndices>, Fault> {
        admit(&self.plugin)?;
        match &self.plugin.program {
            Program::Connector { instance, sink: Some(sink), .. } => Ok((instance, sink)),
            Program::Connector { sink: None, .. } => Err(Fault::Unsupported("this connector only reads".to_owned())),
            Program::Transform { .. } => Err(no_connector()),
        }
    }
}

fn no_connector() -> Fault {
    Fault::Unsupported("this plugin is no connector".to_owned())
}

fn nonsense(nonsense: Nonsense) -> Fault {
    Fault::Component(format!("it returned nonsense: {nonsense}"))
}

impl Connector for WasmConnector {
    fn check(&self) -> BoxFuture<'_, Result<CheckReport, Fault>> {
        Box::pin(async move {
            let report = ask_only!(self, discovery, call_check())?;
            convert::model::check_report(report).map_err(nonsense)
        })
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<Object>, Fault>> {
        Box::pin(async move {
            let objects = ask_only!(self, discovery, call_objects())?;
            convert::model::objects(objects).map_err(nonsense)
        })
    }

    fn containers(&self, object: ObjectName) -> BoxFuture<'_, Result<Vec<Container>, Fault>> {
        Box::pin(async move {
            let containers = ask_only!(self, discovery, call_containers(object.as_str()))?;
            convert::model::containers(containers).map_err(nonsense)
        })
    }

    fn lists(&self, target: Target) -> BoxFuture<'_, Result<Vec<MemberList>, Fault>> {
        Box::pin(async move {
            let lists = ask_only!(self, discovery, call_lists(&convert::read::endpoint(&target)))?;
            convert::model::lists(lists).map_err(nonsense)
        })
    }

    fn describe(&self, target: Target) -> BoxFuture<'_, Result<Schema, Fault>> {
        Box::pin(async move {
            let schema = ask_only!(self, discovery, call_describe(&convert::read::endpoint(&target)))?;
            convert::model::schema(schema).map_err(nonsense)
        })
    }

    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<Page, Fault>> {
        Box::pin(async move {
            let limit = request.limit;
            if request.mode == ReadMode::Full {
                self.scene.urgency.is_backfill.store(true, Ordering::Relaxed);
            }
            let page = ask_only!(self, source, call_read(&convert::read::request(request)))?;
            convert::read::page(page, limit).map_err(nonsense)
        })
    }

    fn get(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<GetAnswer, Fault>> {
        Box::pin(async move {
            let (endpoint, fields) = (convert::read::endpoint(&target), convert::texts(&fields));
            let answer = ask_only!(self, source, call_get(&endpoint, &convert::texts(&ids), &fields))?;
            convert::read::get_answer(answer, ids.len()).map_err(nonsense)
        })
    }

    fn find(
        &self,
        target: Target,
        key: FieldName,
        values: Vec<Value>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Table, Fault>> {
        Box::pin(async move {
            let (endpoint, fields) = (convert::read::endpoint(&target), convert::texts(&fields));
            let values: Vec<_> = values.into_iter().map(|value| convert::value::lower(Some(value))).collect();
            let table = ask_only!(self, source, call_find(&endpoint, key.as_str(), &values, &fields))?;
            convert::table::whole(table).map_err(nonsense)
        })
    }

    fn members(
        &self,
        target: Target,
        members_of: String,
        cursor: Option<String>,
    ) -> BoxFuture<'_, Result<(Vec<RecordId>, Progress), Fault>> {
        Box::pin(async move {
            let endpoint = convert::read::endpoint(&target);
            let (ids, progress) = ask_only!(self, source, call_members(&endpoint, &members_of, cursor.as_deref()))?;
            convert::read::members(ids, progress).map_err(nonsense)
        })
    }

    fn field_times(
        &self,
        target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Option<Instant>>>, Fault>> {
        Box::pin(async move {
            let endpoint = convert::read::endpoint(&target);
            let times =
                ask_only!(self, source, call_field_times(&endpoint, &convert::texts(&ids), &convert::texts(&fields)))?;
            convert::read::field_times(times, ids.len(), fields.len()).map_err(nonsense)
        })
    }

    fn prepare(&self, target: Target) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move { ask_only!(self, sink, call_prepare(&convert::read::endpoint(&target))) })
    }

    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<WriteAnswer, Fault>> {
        Box::pin(async move {
            let operations = request.operations.len();
            let (answer, errand) = ask!(self, sink, call_write(&convert::write::request(request)))?;
            let answer = convert::write::answer(answer, operations).map_err(nonsense)?;
            heed_outcomes(&self.scene, errand.as_deref(), &answer);
            Ok(answer)
        })
    }

    fn find_created(
        &self,
        target: Target,
        keys: Vec<String>,
        columns: Vec<FieldName>,
        hints: Vec<Vec<Option<Value>>>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Created, Fault>> {
        Box::pin(async move {
            let endpoint = convert::read::endpoint(&target);
            let (columns, fields) = (convert::texts(&columns), convert::texts(&fields));
            let hints: Vec<_> = hints.into_iter().map(convert::value::lower_cells).collect();
            let created = ask_only!(self, sink, call_find_created(&endpoint, &keys, &columns, &hints, &fields))?;
            convert::write::created(created, keys.len()).map_err(nonsense)
        })
    }
}
