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
use crate::compile::Compiler;
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
    /// Where they are compiled.
    pub compiler: Compiler,
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
    /// Compiling it takes too long.
    #[error(
        "compiling the component took longer than the limit of {limit_ms} ms and was stopped; try again when the machine \
         has less to do, or ask the plugin's author for a smaller component"
    )]
    CompileTime {
        /// How long it may take.
        limit_ms: u32,
    },
    /// Compiling it takes too much memory.
    #[error(
        "compiling the component needed more memory than the limit of {limit_mib} MiB and was stopped; ask the plugin's \
         author for a smaller component"
    )]
    CompileMemory {
        /// How much it may take.
        limit_mib: u32,
    },
    /// What it is compiled to is too large.
    #[error(
        "the component is compiled to more machine code than the limit of {limit_mib} MiB, which goes by its size; ask the \
         plugin's author for a component without sparse memories"
    )]
    CompileSize {
        /// How large it may be.
        limit_mib: u64,
    },
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
    compiler: Compiler,
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
        let (connectors, transforms) = (Arc::new(connectors), Arc::new(transforms));
        Ok(Runtime { engine, connectors, transforms, cache, compiler: options.compiler })
    }

    /// Makes a plugin of the component `wasm`: checked, then compiled or taken from the cache.
    ///
    /// Compiling takes seconds for large components; dropping the future ends it.
    pub async fn load(&self, wasm: Vec<u8>, limits: Limits) -> Result<Plugin, LoadError> {
        let wasm: Arc<[u8]> = wasm.into();
        let (runtime, looked_at) = (self.clone(), wasm.clone());
        let (kind, key, cached) = beside(move || runtime.find(&looked_at)).await?;
        let plugin = match cached {
            Some(component) => self.link(kind, &key, &component, limits, true)?,
            None => {
                let artifact = self.compiler.compile(&self.engine, &wasm).await?;
                let runtime = self.clone();
                beside(move || {
                    let component = runtime.cache.keep(&runtime.engine, &key, &artifact).map_err(LoadError::Compile)?;
                    runtime.link(kind, &key, &component, limits, false)
                })
                .await?
            }
        };
        plugin.try_out().await?;
        Ok(plugin)
    }

    fn find(&self, wasm: &[u8]) -> Result<(PluginKind, ArtifactKey, Option<Component>), LoadError> {
        let kind = audit(wasm)?;
        let key = ArtifactKey::new(&self.engine, wasm);
        let cached = self.cache.load(&self.engine, &key);
        Ok((kind, key, cached))
    }

    fn link(
        &self,
        kind: PluginKind,
        key: &ArtifactKey,
        component: &Component,
        limits: Limits,
        cached: bool,
    ) -> Result<Plugin, LoadError> {
        let linker = match kind {
            PluginKind::Connector | PluginKind::Reader => &self.connectors,
            PluginKind::Transform => &self.transforms,
        };
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(printable(&format!("{error:#}")));
        let instance = linker.instantiate_pre(component).map_err(mismatch)?;
        let program = Program::new(kind, instance).map_err(mismatch)?;
        Ok(Plugin::new(program, kind, limits, key.component(), cached))
    }
}

/// Does what takes a while on a thread of its own.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(LoadError::Compile(format!("the compiler failed: {error}"))))
}

/// Beyond this, a memory that is mostly empty when it starts is not kept as one piece.
const SPARSE_MEMORY_BYTES_MAX: u64 = 1024 * 1024;

/// Invariant: what plugins do not need is off, so that its mistakes are not ours.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .memory_guaranteed_dense_image_size(SPARSE_MEMORY_BYTES_MAX)
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
