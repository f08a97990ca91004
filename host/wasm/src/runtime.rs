//! The engine that all plugins share, and the way from a file to a plugin that can be called.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, Strategy};

use crate::audit::{AuditError, PluginKind, audit};
use crate::bindings;
use crate::cache::{ArtifactKey, Cache};
use crate::call::CallState;
use crate::limits::Limits;
use crate::plugin::{Plugin, Program};
use crate::text::printable;

/// How long the plugins' clock waits between two ticks.
pub(crate) const TICK_MS: u32 = 10;

/// How deep a plugin may recurse, in bytes of stack.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// Where and how plugins run.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Where compiled components are kept: a folder of this user alone.
    pub cache_dir: PathBuf,
}

/// The runtime cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not run on this machine.
    #[error("plugins cannot run on this machine: {0}")]
    Engine(String),
    /// The folder cannot be used.
    #[error("the folder of compiled plugins `{}` cannot be used", .path.display())]
    Cache {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A plugin cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It may not run here.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// It cannot be compiled.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// Its copy of the plugin API differs from ours.
    #[error("the component was built with a changed copy of the plugin API ({0}); rebuild it with this version's SDK")]
    Mismatch(String),
    /// It does not even start.
    #[error("the component does not start: {0}")]
    Start(String),
}

/// Runs plugins. Clones share the engine.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    connectors: Arc<Linker<CallState>>,
    transforms: Arc<Linker<CallState>>,
    cache: Cache,
}

impl Runtime {
    /// Sets the engine up and starts its clock, which stops when the last plugin is gone.
    pub fn new(options: RuntimeOptions) -> Result<Runtime, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine(printable(&format!("{error:#}")));
        let engine = Engine::new(&config()).map_err(failed)?;
        let connectors = connector_linker(&engine).map_err(failed)?;
        let transforms = transform_linker(&engine).map_err(failed)?;
        let cache = Cache::open(&options.cache_dir)
            .map_err(|source| RuntimeError::Cache { path: options.cache_dir.clone(), source })?;
        start_ticking(engine.weak()).map_err(|error| RuntimeError::Engine(error.to_string()))?;
        Ok(Runtime { engine, connectors: Arc::new(connectors), transforms: Arc::new(transforms), cache })
    }

    /// Makes a plugin of the component `wasm`: checked, then compiled or taken from the cache.
    ///
    /// Compiling takes seconds for large components and runs on a thread of its own.
    pub async fn load(&self, wasm: Vec<u8>, limits: Limits) -> Result<Plugin, LoadError> {
        let runtime = self.clone();
        let loaded = tokio::task::spawn_blocking(move || runtime.load_blocking(&wasm, limits)).await;
        let plugin = loaded.unwrap_or_else(|error| Err(LoadError::Compile(format!("the compiler failed: {error}"))))?;
        plugin.try_out().await?;
        Ok(plugin)
    }

    fn load_blocking(&self, wasm: &[u8], limits: Limits) -> Result<Plugin, LoadError> {
        let kind = audit(wasm)?;
        let key = ArtifactKey::new(&self.engine, wasm);
        let (component, cached) = match self.cache.load(&self.engine, &key) {
            Some(component) => (component, true),
            None => (self.compile(wasm, &key)?, false),
        };
        let linker = match kind {
            PluginKind::Connector | PluginKind::Reader => &self.connectors,
            PluginKind::Transform => &self.transforms,
        };
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(printable(&format!("{error:#}")));
        let instance = linker.instantiate_pre(&component).map_err(mismatch)?;
        let program = Program::new(kind, instance).map_err(mismatch)?;
        Ok(Plugin::new(program, kind, limits, key.component(), cached))
    }

    fn compile(&self, wasm: &[u8], key: &ArtifactKey) -> Result<Component, LoadError> {
        let component = Component::from_binary(&self.engine, wasm)
            .map_err(|error| LoadError::Compile(printable(&format!("{error:#}"))))?;
        self.cache.store(key, &component);
        Ok(component)
    }
}

/// Invariant: what plugins do not need is off, so that its mistakes are not ours.
fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .wasm_memory64(false)
        .wasm_shared_everything_threads(false)
        .wasm_stack_switching(false)
        // A transform gives the same answer on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

fn connector_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    bindings::connector::Connector::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn transform_linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    bindings::transform::Transform::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Advances the epoch for as long as anybody holds the engine.
fn start_ticking(engine: EngineWeak) -> std::io::Result<()> {
    let tick = Duration::from_millis(TICK_MS.into());
    let body = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(tick);
        }
    };
    std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(body).map(drop)
}
