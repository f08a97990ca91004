//! Hosts: the only crate that names wasmtime. Components become connectors and transforms that the runner can call.
//!
//! A component passes `audit` (is it a plugin, for this version), then `runtime` (compiled by `compile`, or taken from `cache`), and
//! is a `plugin`. Each `call` has a fresh instance with its own `limits`; what it may call is in `host`, and `convert`
//! turns what was generated from `wit/` (`bindings`) into the runner's types and back.
//!
//! Invariant: nothing a plugin does or returns panics the host, holds up its threads, or takes more memory than its
//! limits. Not here: who may be reached and with which credential (`syncline-net`), consent and lock
//! (`syncline-registry`).

mod audit;
mod bindings;
mod cache;
mod call;
mod compile;
mod connector;
mod convert;
mod host;
mod limits;
mod logging;
mod plugin;
mod runtime;
mod state;
mod text;
mod transform;

pub use audit::{AuditError, PluginKind, audit};
pub use call::Clock;
pub use compile::{Compiler, CompilerProcess, compile_apart};
pub use connector::WasmConnector;
pub use limits::Limits;
pub use plugin::{ConnectionContext, Plugin, WrongKind};
pub use runtime::{LoadError, Runtime, RuntimeError, RuntimeOptions};
pub use transform::WasmTransform;
