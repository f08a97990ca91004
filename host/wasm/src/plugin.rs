//! A loaded plugin: its program, its limits, and how often it has crashed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use syncline_core::{Instant as Moment, Lane};
use syncline_net::Outlet;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::audit::PluginKind;
use crate::bindings::connector::exports::syncline::connector::{discovery, sink, source};
use crate::bindings::transform::exports::syncline::transform::rows;
use crate::call::{Call, CallState, Clock, Scene, Urgency};
use crate::connector::WasmConnector;
use crate::limits::Limits;
use crate::runtime::LoadError;
use crate::text::printable;
use crate::transform::WasmTransform;

/// So many crashes within an hour disable a plugin (E8.1).
const CRASHES_MAX: usize = 3;
const CRASH_WINDOW_MS: Moment = 60 * 60 * 1000;

/// A plugin that can be called. Clones are the same plugin.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) program: Program,
    pub(crate) limits: Limits,
    pub(crate) quarantine: Quarantine,
    kind: PluginKind,
    digest: blake3::Hash,
    cached: bool,
}

/// A compiled component, linked, with the places of its exports.
pub(crate) enum Program {
    Connector {
        instance: InstancePre<CallState>,
        discovery: discovery::GuestIndices,
        source: source::GuestIndices,
        sink: Option<sink::GuestIndices>,
    },
    Transform {
        instance: InstancePre<CallState>,
        rows: rows::GuestIndices,
    },
}

impl Program {
    pub(crate) fn new(kind: PluginKind, instance: InstancePre<CallState>) -> wasmtime::Result<Program> {
        Ok(match kind {
            PluginKind::Connector | PluginKind::Reader => Program::Connector {
                discovery: discovery::GuestIndices::new(&instance)?,
                source: source::GuestIndices::new(&instance)?,
                sink: match kind {
                    PluginKind::Connector => Some(sink::GuestIndices::new(&instance)?),
                    PluginKind::Reader | PluginKind::Transform => None,
                },
                instance,
            },
            PluginKind::Transform => Program::Transform { rows: rows::GuestIndices::new(&instance)?, instance },
        })
    }
}

impl Program {
    fn instance(&self) -> &InstancePre<CallState> {
        match self {
            Program::Connector { instance, .. } | Program::Transform { instance, .. } => instance,
        }
    }

    /// Compares the types of every exported function with ours, and names the interface that differs.
    fn check_types(&self, store: &mut Store<CallState>, instance: &Instance) -> Result<(), String> {
        let checked = |interface: &str, types: wasmtime::Result<()>| {
            types.map_err(|error| printable(&format!("`{interface}`: {}", error.root_cause())))
        };
        match self {
            Program::Connector { discovery, source, sink, .. } => {
                checked("syncline:connector/discovery", discovery.load(&mut *store, instance).map(|_| ()))?;
                checked("syncline:connector/source", source.load(&mut *store, instance).map(|_| ()))?;
                match sink {
                    Some(sink) => checked("syncline:connector/sink", sink.load(&mut *store, instance).map(|_| ())),
                    None => Ok(()),
                }
            }
            Program::Transform { rows, .. } => {
                checked("syncline:transform/rows", rows.load(&mut *store, instance).map(|_| ()))
            }
        }
    }
}

/// What a connector plugin is given to serve one connection.
///
/// Invariant: `settings_json` holds no secret; credentials are known to the outlet alone.
pub struct ConnectionContext {
    /// The connection's name, for people.
    pub name: String,
    /// The connection's settings, a JSON object that fits the manifest's schema.
    pub settings_json: String,
    /// The only way out.
    pub outlet: Outlet,
    /// The time.
    pub clock: Clock,
    /// How urgent its calls are.
    pub lane: Lane,
}

/// The plugin is of another kind than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plugin is a {}, not a {wanted}", kind_word(*.found))]
pub struct WrongKind {
    /// What it is.
    pub found: PluginKind,
    wanted: &'static str,
}

fn kind_word(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Connector => "connector",
        PluginKind::Reader => "connector that only reads",
        PluginKind::Transform => "transform",
    }
}

impl Plugin {
    pub(crate) fn new(
        program: Program,
        kind: PluginKind,
        limits: Limits,
        digest: blake3::Hash,
        cached: bool,
    ) -> Plugin {
        Plugin(Arc::new(Inner { program, limits, quarantine: Quarantine::default(), kind, digest, cached }))
    }

    /// Starts one instance, so that what does not fit is said now and not in a run. No function of the plugin is called.
    pub(crate) async fn try_out(&self) -> Result<(), LoadError> {
        let scene = Scene {
            name: "a plugin".to_owned(),
            settings_json: String::new(),
            outlet: None,
            clock: Arc::new(|| 0),
            urgency: Urgency::default(),
        };
        let instance = self.0.program.instance();
        let mut call = Call::new(instance.engine(), self.0.limits, Arc::new(scene));
        let watch = call.watch();
        let ended = watch.over(async {
            let instance = instance.instantiate_async(&mut call.store).await?;
            Ok(self.0.program.check_types(&mut call.store, &instance))
        });
        let ended = ended.await;
        match call.end(ended) {
            Ok(types) => types.map_err(LoadError::Mismatch),
            Err(failure) => Err(LoadError::Start(failure.fault.to_string())),
        }
    }

    /// What it is.
    pub fn kind(&self) -> PluginKind {
        self.0.kind
    }

    /// The BLAKE3 digest of its component, in hexadecimal.
    pub fn digest(&self) -> String {
        self.0.digest.to_hex().to_string()
    }

    /// True if it had been compiled before.
    pub fn from_cache(&self) -> bool {
        self.0.cached
    }

    /// True once it has crashed three times in an hour (E8.1); it is not called again until it is loaded anew.
    pub fn quarantined(&self) -> bool {
        self.0.quarantine.is_closed()
    }

    /// Serves one connection.
    pub fn connector(&self, context: ConnectionContext) -> Result<WasmConnector, WrongKind> {
        let ConnectionContext { name, settings_json, outlet, clock, lane } = context;
        let urgency = Urgency { lane, ..Urgency::default() };
        let scene = Scene { name, settings_json, outlet: Some(outlet), clock, urgency };
        match self.0.program {
            Program::Connector { .. } => Ok(WasmConnector::new(self.0.clone(), Arc::new(scene))),
            Program::Transform { .. } => Err(WrongKind { found: self.0.kind, wanted: "connector" }),
        }
    }

    /// Serves mappings; `name` is what people know it by, `clock` tells when it crashed.
    pub fn transform(&self, name: impl Into<String>, clock: Clock) -> Result<WasmTransform, WrongKind> {
        let scene =
            Scene { name: name.into(), settings_json: String::new(), outlet: None, clock, urgency: Urgency::default() };
        match self.0.program {
            Program::Transform { .. } => Ok(WasmTransform::new(self.0.clone(), Arc::new(scene))),
            Program::Connector { .. } => Err(WrongKind { found: self.0.kind, wanted: "transform" }),
        }
    }
}

/// Counts crashes. Invariant: once closed it stays so.
#[derive(Debug, Default)]
pub(crate) struct Quarantine(Mutex<Crashes>);

#[derive(Debug, Default)]
struct Crashes {
    at: VecDeque<Moment>,
    closed: bool,
}

impl Quarantine {
    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    pub(crate) fn crashed(&self, now: Moment) {
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        crashes.at.retain(|&at| now.saturating_sub(at) < CRASH_WINDOW_MS);
        crashes.at.push_back(now);
        crashes.closed |= crashes.at.len() >= CRASHES_MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::Quarantine;

    #[test]
    fn three_crashes_in_an_hour_disable_e8_1() {
        let minute = 60 * 1000;
        for (minutes, closed) in
            [(&[0, 59, 119][..], false), (&[0, 30, 59], true), (&[0, 61, 90, 120], true), (&[0, 0], false)]
        {
            let quarantine = Quarantine::default();
            for &at in minutes {
                quarantine.crashed(at * minute);
            }
            assert_eq!(quarantine.is_closed(), closed, "{minutes:?}");
        }
    }
}
