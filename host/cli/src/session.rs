//! Puts the parts together: configuration, plugins, secrets, store and network become syncs that the runner can run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_core::{ConnectionName, Endpoint, Index, Instant, Lane, Rules, Side, SyncName};
use syncline_net::{Gateway, NetError};
use syncline_registry::{Places, PluginName, PluginStore};
use syncline_runner::{
    BoxFuture, Connector, Context, Described, Failure, Listener, PluginVersion, Plugins, SideSetup, Stop, StoreError,
    SyncSetup, TaskLimit, World,
};
use syncline_store::DiskStore;
use syncline_wasm::{ConnectionContext, LoadError, Runtime, RuntimeError, RuntimeOptions, WrongKind};

use crate::compiling;
use crate::config::plugins::{Admitted, admit};
use crate::config::rules::{Facts, rules};
use crate::config::store::StoreConfig;
use crate::config::{Config, ConfigError, Mistake, Sync, minimum, secrets};

mod budgets;
mod loading;
mod outlets;
mod referring;

pub use budgets::Pace;
use loading::LoadKey;
use outlets::Way;

/// Where a user's files are.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The configuration file.
    pub config: PathBuf,
    /// The data folder.
    pub data: PathBuf,
}

impl Folders {
    /// Returns the lock file, which stands beside the configuration.
    pub fn lock(&self) -> PathBuf {
        self.config.with_file_name("syncline.lock")
    }

    /// Returns where plugins are looked for.
    pub fn plugins(&self) -> Places {
        Places { data: self.data.clone(), lock: self.lock(), bundled: bundled() }
    }
}

/// Returns the folder of the plugins that are shipped with the binary.
fn bundled() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SYNCLINE_PLUGINS") {
        return Some(PathBuf::from(folder));
    }
    let beside = std::env::current_exe().ok()?.with_file_name("plugins");
    beside.is_dir().then_some(beside)
}

/// Why the parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder.
    #[error("the data folder {path} cannot be used")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A data folder that is not the user's alone.
    #[error(
        "others may write to the data folder {path}; take their right away with `chmod go-w {path}`, or name one of your \
         own with `--data DIR`"
    )]
    OpenFolder {
        /// Which.
        path: String,
    },
    /// A certificate that a connection is to trust.
    #[error("the root certificate {path} of the connection {connection} cannot be read")]
    Certificate {
        /// Whose.
        connection: ConnectionName,
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The store.
    #[error("the store in {path} cannot be opened")]
    Store {
        /// Where.
        path: String,
        /// Why.
        source: StoreError,
    },
    /// The plugin runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A plugin.
    #[error("the plugin {name} cannot be used")]
    Plugin {
        /// Which.
        name: PluginName,
        /// Why.
        source: LoadError,
    },
    /// A plugin of the wrong kind.
    #[error("the plugin {name} cannot be used")]
    Kind {
        /// Which.
        name: PluginName,
        /// Why.
        source: WrongKind,
    },
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A connection of a connector that names no address of its own.
    #[error("the connection {0} has no address; add base_url to it")]
    NoAddress(ConnectionName),
    /// Nothing of that name.
    #[error("there is no sync `{name}`{}", nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    NoSync {
        /// What was asked for.
        name: SyncName,
        /// What comes nearest.
        nearest: Option<String>,
    },
    /// The runner.
    #[error(transparent)]
    Run(Box<Failure>),
}

impl From<Failure> for SessionError {
    fn from(failure: Failure) -> Self {
        SessionError::Run(Box::new(failure))
    }
}

/// Real time and chance.
pub struct RealWorld;

impl World for RealWorld {
    fn now(&self) -> Instant {
        jiff::Timestamp::now().as_millisecond()
    }

    fn random(&self) -> u64 {
        // Each state of the standard hasher is keyed from the system's randomness.
        RandomState::new().build_hasher().finish()
    }

    fn sleep(&self, duration_ms: u64) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(duration_ms)))
    }
}

/// The parts, put together for one configuration.
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// What the steps work with.
    pub context: Context,
    admitted: Admitted,
    runtime: Runtime,
    gateway: Gateway,
    loaded: Mutex<BTreeMap<LoadKey, syncline_wasm::Plugin>>,
    outlets: Mutex<BTreeMap<ConnectionName, Way>>,
}

impl Session {
    /// Reads the configuration, admits its plugins and opens the store. Reaches no application.
    pub fn open(folders: &Folders, listener: Arc<dyn Listener>, stop: Stop) -> Result<Session, SessionError> {
        Session::assemble(folders, listener, stop, |config| open_store(&folders.data, &config.store))
    }

    /// The same on a store that is open already.
    pub fn on(
        folders: &Folders,
        store: Arc<DiskStore>,
        listener: Arc<dyn Listener>,
        stop: Stop,
    ) -> Result<Session, SessionError> {
        Session::assemble(folders, listener, stop, |_| Ok(store))
    }

    fn assemble(
        folders: &Folders,
        listener: Arc<dyn Listener>,
        stop: Stop,
        store: impl FnOnce(&Config) -> Result<Arc<DiskStore>, SessionError>,
    ) -> Result<Session, SessionError> {
        let config = crate::config::load(&folders.config)?;
        let admitted = match admit(&config, &PluginStore::new(folders.plugins())) {
            Ok(admitted) => admitted,
            Err(mut mistakes) => {
                mistakes.extend(secrets::check(&config));
                return Err(mistaken(&config, mistakes));
            }
        };
        let store = store(&config)?;
        let compiler = compiling::compiler().map_err(|error| RuntimeError::Engine(error.to_string()))?;
        let runtime = Runtime::new(RuntimeOptions { cache_dir: folders.data.join("compiled"), compiler })?;
        let context = Context {
            store,
            world: Arc::new(RealWorld),
            stop,
            listener,
            sweep_every_ms: Context::SWEEP_EVERY_MS,
            tasks: TaskLimit { budget: config.tasks.clone(), set_by: whoami() },
        };
        Ok(Session {
            config,
            context,
            admitted,
            runtime,
            gateway: Gateway::new(),
            loaded: Mutex::default(),
            outlets: Mutex::default(),
        })
    }

    /// Returns the way to the network.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Reports every secret that is missing, for commands that reach the applications.
    pub fn check_secrets(&self) -> Result<(), SessionError> {
        Ok(self.config.verdict(secrets::check(&self.config))?)
    }

    /// Refuses what writes to applications while the disk has too little space for it, before anything is written.
    pub async fn make_room(&self) -> Result<(), SessionError> {
        Ok(self.context.store.make_room().await.map_err(Failure::from)?)
    }

    /// Returns the syncs that a command is about: the one named, or every active one.
    pub fn chosen(&self, name: Option<&SyncName>) -> Result<Vec<Sync>, SessionError> {
        let Some(name) = name else {
            return Ok(self.config.syncs.iter().filter(|sync| sync.active).cloned().collect());
        };
        match self.config.sync(name) {
            Some(sync) => Ok(vec![sync.clone()]),
            None => {
                let known = self.config.syncs.iter().map(|sync| sync.name().as_str());
                let nearest = syncline_registry::nearest(name.as_str(), known).map(str::to_owned);
                Err(SessionError::NoSync { name: name.clone(), nearest })
            }
        }
    }

    /// Makes a sync ready to run: connects both sides, reads their schemas where that is due, and makes the rules.
    pub async fn setup(&self, sync: &Sync, lane: Lane) -> Result<SyncSetup, SessionError> {
        let mut left = self.side(&sync.left.endpoint, lane).await?;
        let mut right = self.side(&sync.right.endpoint, lane).await?;
        let known = self.rules(sync, &left, &right, self.context.sweep_every_ms).await;
        let rules = match known {
            // The mistake may lie with what was read of the schemas a while ago.
            Err(SessionError::Config(_)) => self.rules(sync, &left, &right, 0).await?,
            other => other?,
        };
        for (side, setup) in [(Side::Left, &mut left), (Side::Right, &mut right)] {
            setup.fields = rules.fields(side);
            setup.index = rules.index(side);
            setup.sweep_every_ms = sync.sweep.and_then(|sweep| i64::try_from(sweep.every_ms).ok());
            setup.lists = rules.scope.lists(side);
            setup.lists_every_ms = sync.scope.lists_every().every_ms.try_into().unwrap_or(i64::MAX);
            setup.keys = rules.matching.tuples.iter().map(|tuple| tuple.fields(side).to_vec()).collect();
            self.add_asked_keys(side, setup).await?;
        }
        self.join_accounts().await?;
        let transforms = self.transforms(&rules).await?;
        let plugins = self.plugins(sync, &rules);
        let keep_conflicts_ms = sync.conflict.keep_ms;
        let guards = sync.guards;
        let circle = self.config.lies_in_a_circle(sync);
        let name = sync.name().clone();
        Ok(SyncSetup { name, left, right, rules, guards, circle, transforms, plugins, keep_conflicts_ms })
    }

    /// Tells which plugins a sync uses, and in which versions.
    fn plugins(&self, sync: &Sync, rules: &Rules) -> Plugins {
        let version = |plugin: &syncline_registry::Plugin| PluginVersion {
            name: plugin.manifest.name.to_string(),
            version: Some(plugin.manifest.version.clone()),
        };
        let connector = |side| version(&self.admitted.connections[&sync.endpoint(side).connection].plugin);
        let named = |name: &PluginName| rules.components().any(|used| used.name == name.as_str());
        let transforms = self.admitted.transforms.iter().filter(|(name, _)| named(name));
        Plugins {
            left: connector(Side::Left),
            right: connector(Side::Right),
            transforms: transforms.map(|(_, plugin)| version(plugin)).collect(),
        }
    }

    async fn rules(
        &self,
        sync: &Sync,
        left: &SideSetup,
        right: &SideSetup,
        max_age_ms: i64,
    ) -> Result<Rules, SessionError> {
        let left = syncline_runner::describe(&self.context, Side::Left, left, max_age_ms).await?;
        let right = syncline_runner::describe(&self.context, Side::Right, right, max_age_ms).await?;
        let use_of = |choice: &_| self.admitted.transform_use(choice);
        let made = rules(sync, facts(&left), facts(&right), &use_of);
        let made = made.map_err(|mistakes| mistaken(&self.config, mistakes))?;
        let objects = |side| &self.admitted.connections[&sync.endpoint(side).connection].plugin.manifest.objects;
        let mut missed = self.unknown_keys(sync, &made).await?;
        missed.extend(Side::BOTH.into_iter().flat_map(|side| minimum::validate(sync, side, objects(side), &made)));
        if missed.is_empty() { Ok(made) } else { Err(mistaken(&self.config, missed)) }
    }

    /// Connects one endpoint.
    pub async fn side(&self, endpoint: &Endpoint, lane: Lane) -> Result<SideSetup, SessionError> {
        let connector = self.connector(&endpoint.connection, lane).await?;
        let reach = &self.admitted.connections[&endpoint.connection].reach;
        let address = reach.base_url.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(SideSetup {
            endpoint: endpoint.clone(),
            connector,
            address,
            fields: Vec::new(),
            keys: Vec::new(),
            index: Index::Full,
            sweep_every_ms: None,
            lists: Vec::new(),
            lists_every_ms: SideSetup::LISTS_EVERY_MS,
        })
    }

    /// Connects one connection.
    pub async fn connector(&self, name: &ConnectionName, lane: Lane) -> Result<Arc<dyn Connector>, SessionError> {
        let admitted = &self.admitted.connections[name];
        let plugin = self.load(&admitted.plugin, &admitted.limits).await?;
        let outlet = self.outlet(name).await?;
        let settings = serde_json::Value::Object(admitted.settings.clone()).to_string();
        let context =
            ConnectionContext { name: name.to_string(), settings_json: settings, outlet, clock: clock(), lane };
        let kind = |source| SessionError::Kind { name: admitted.plugin.manifest.name.clone(), source };
        Ok(Arc::new(plugin.connector(context).map_err(kind)?))
    }
}

fn facts(described: &Described) -> Facts<'_> {
    Facts { object: &described.object, schema: &described.schema }
}

/// Returns the data folder, made where it is missing, for this user alone.
///
/// Invariant: the permissions of a folder that is there stay as they are; what is made in it is kept from others by its
/// own. One where others could put something else in the place of it is refused.
pub fn data_folder(data: &Path) -> Result<&Path, SessionError> {
    let folder = |source| SessionError::Folder { path: data.display().to_string(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(folder)?;
    let mode = std::fs::metadata(data).map_err(folder)?.mode();
    // In a sticky folder, such as /tmp, others may add entries but not replace ours.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(SessionError::OpenFolder { path: data.display().to_string() });
    }
    Ok(data)
}

/// Opens the store of a data folder, making the folder where it is missing.
pub fn open_store(data: &Path, config: &StoreConfig) -> Result<Arc<DiskStore>, SessionError> {
    let path = data_folder(data)?.join("store");
    DiskStore::open(&path, config.disk_options())
        .map(Arc::new)
        .map_err(|source| SessionError::Store { path: path.display().to_string(), source })
}

/// The name under which somebody works on this machine.
fn whoami() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

fn clock() -> syncline_wasm::Clock {
    Arc::new(|| RealWorld.now())
}

fn mistaken(config: &Config, mistakes: Vec<Mistake>) -> SessionError {
    match config.verdict(mistakes) {
        Err(error) => SessionError::Config(error),
        Ok(()) => unreachable!("whoever calls this has found a mistake"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
