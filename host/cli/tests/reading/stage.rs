//! Two applications, a sync between them, and a clock that stands still.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use syncline_cli::config::rules::{Facts, rules};
use syncline_cli::config::transform::TransformChoice;
use syncline_cli::config::{self, Config};
use syncline_core::{FieldName, Instant, Side, SyncName, Value};
use syncline_runner::{
    ApproveAll, BoxFuture, Connector, Context, Failure, Fault, PluginVersion, Plugins, RunReport, RunRequest,
    SideSetup, Silent, Stop, SyncSetup, TaskLimit, Transform, TransformedRow, World,
};
use syncline_store::MemoryStore;

use crate::application::{Application, BAD_NUMBER, Links, Sort};

/// 2026-01-31 08:00:00 UTC.
pub(crate) const NOW: Instant = 1_769_846_400_000;

pub(crate) const CONFIG: &str = r#"
[connections.crm]
connector = "left"

[connections.book]
connector = "right"

[syncs.people]
left = { connection = "crm", object = "contacts" }
right = { connection = "book", object = "contacts" }
match = { by = ["email"] }
schedule = "every 15m"
defaults_off = ["phone"]

[[syncs.people.mappings]]
left = "phone"
right = "tel"
conflict = "manual"
"#;

const LEFT: &[Sort] = &[
    ("email", "email", false),
    ("firstname", "name.given", false),
    ("lastname", "name.family", false),
    ("phone", "phone.work", false),
    ("pin", "identity.pin", true),
];

const RIGHT: &[Sort] = &[
    ("email", "email", false),
    ("given", "name.given", false),
    ("family", "name.family", false),
    ("tel", "phone.work", false),
    ("pin", "identity.pin", true),
];

struct Clock(AtomicI64);

impl World for Clock {
    fn now(&self) -> Instant {
        self.0.load(Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        7
    }

    fn sleep(&self, duration_ms: u64) -> BoxFuture<'_, ()> {
        self.0.fetch_add(i64::try_from(duration_ms).expect("short"), Ordering::Relaxed);
        Box::pin(async {})
    }
}

pub(crate) fn parse(config: &str) -> Config {
    config::parse(config.to_owned(), Path::new("syncline.toml")).expect("a fine configuration")
}

fn plugins() -> Plugins {
    let version =
        |name: &str, version: &str| PluginVersion { name: name.to_owned(), version: Some(version.to_owned()) };
    Plugins {
        left: version("left", "1.2.0"),
        right: version("right", "0.3.1"),
        transforms: vec![version("signed", "2.0.0")],
    }
}

pub(crate) struct Stage {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) config: Config,
    pub(crate) left: Arc<Application>,
    pub(crate) right: Arc<Application>,
    pub(crate) plugins: Plugins,
    /// The sync of the configuration that is run.
    sync: SyncName,
    clock: Arc<Clock>,
}

/// A transform that puts a sign before what it gets.
struct Signed;

impl Transform for Signed {
    fn apply(
        &self,
        _options: String,
        _columns: Vec<FieldName>,
        rows: Vec<Vec<Option<Value>>>,
    ) -> BoxFuture<'_, Result<Vec<TransformedRow>, Fault>> {
        let signed = rows
            .into_iter()
            .map(|row| Ok(row.into_iter().map(|cell| cell.map(|value| Value::Text(format!("+{value}")))).collect()));
        let signed = signed.collect();
        Box::pin(async move { Ok(signed) })
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(CONFIG)
    }

    /// The same with another configuration, which may use the transform `signed`.
    pub(crate) fn with(config: &str) -> Self {
        let stage = Self {
            store: Arc::new(MemoryStore::new()),
            config: parse(config),
            left: Arc::new(Application::new("left", LEFT)),
            right: Arc::new(Application::new("right", RIGHT)),
            plugins: plugins(),
            sync: SyncName::from("people"),
            clock: Arc::new(Clock(AtomicI64::new(0))),
        };
        stage.set_time(NOW);
        stage
    }

    /// The same whose people refer to other records.
    pub(crate) fn linking(config: &str, left: Links, right: Links) -> Self {
        let mut stage = Self::with(config);
        stage.left = Arc::new(Application::new("left", LEFT).linking(left));
        stage.right = Arc::new(Application::new("right", RIGHT).linking(right));
        stage.set_time(NOW);
        stage
    }

    /// Another sync of the same configuration, store and clock.
    pub(crate) fn beside(&self, sync: &str, left: Application, right: Application) -> Self {
        let stage = Self {
            store: self.store.clone(),
            config: self.config.clone(),
            left: Arc::new(left),
            right: Arc::new(right),
            plugins: plugins(),
            sync: SyncName::from(sync),
            clock: self.clock.clone(),
        };
        stage.set_time(NOW);
        stage
    }

    pub(crate) fn set_time(&self, now: Instant) {
        self.clock.0.store(now, Ordering::Relaxed);
        self.left.set_time(now);
        self.right.set_time(now);
    }

    pub(crate) fn setup(&self) -> SyncSetup {
        let sync = self.config.sync(&self.sync).expect("a sync of the configuration");
        let described = [&self.left, &self.right].map(|app| (app.object(), app.schema()));
        let facts = |side: Side| {
            let (object, schema) = side.pick(&described[0], &described[1]);
            Facts { object, schema }
        };
        let used = &|choice: &TransformChoice| choice.with_options(&choice.options.values);
        let rules = rules(sync, facts(Side::Left), facts(Side::Right), used).expect("fine rules");
        let signed = || Arc::new(Signed) as Arc<dyn Transform>;
        let transforms = rules.components().map(|used| (used.clone(), signed())).collect();
        let side = |side: Side, connector: Arc<dyn Connector>| SideSetup {
            index: rules.index(side),
            lists_every_ms: SideSetup::LISTS_EVERY_MS,
            sweep_every_ms: None,
            address: String::new(),
            endpoint: sync.endpoint(side).clone(),
            connector,
            fields: rules.fields(side),
            keys: rules.matching.tuples.iter().map(|tuple| tuple.fields(side).to_vec()).collect(),
            lists: rules.scope.lists(side),
        };
        SyncSetup {
            name: sync.name().clone(),
            left: side(Side::Left, self.left.clone()),
            right: side(Side::Right, self.right.clone()),
            transforms,
            plugins: self.plugins.clone(),
            keep_conflicts_ms: SyncSetup::KEEP_CONFLICTS_MS,
            rules,
            guards: sync.guards,
            circle: false,
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            store: self.store.clone(),
            world: self.clock.clone(),
            stop: Stop::default(),
            listener: Arc::new(Silent),
            sweep_every_ms: Context::SWEEP_EVERY_MS,
            tasks: TaskLimit::default(),
        }
    }

    pub(crate) async fn run(&self) -> Result<RunReport, Failure> {
        let request = RunRequest { approve: &ApproveAll, only: None, answer: None };
        syncline_runner::run(&self.context(), &self.setup(), &request).await
    }
}

/// Two runs, in which about everything happens that can be told.
pub(crate) async fn story() -> Stage {
    let stage = Stage::new();
    stage.left.add(&[("email", "ada@example.org"), ("firstname", "Ada"), ("lastname", "Lovelace"), ("pin", "4711")]);
    stage.left.add(&[("firstname", "No\u{1b}[31mbody")]);
    stage.left.add(&[("email", "cy@example.org"), ("firstname", "Cy")]);
    stage.left.add(&[("email", "grace@example.org"), ("firstname", "Grace"), ("phone", BAD_NUMBER), ("pin", "4711")]);
    stage.left.add(&[("email", "joan@example.org"), ("firstname", "Joan"), ("lastname", "Clarke"), ("phone", "7")]);
    stage.right.add(&[("email", "ADA@example.org"), ("given", "Ada"), ("tel", "1")]);
    stage.right.add(&[("email", "cy@example.org"), ("given", "Cyrus")]);
    stage.right.add(&[("email", "cy@example.org"), ("given", "Cyril")]);
    stage.run().await.expect("a run");

    stage.set_time(NOW + 60_000);
    stage.left.edit("left-1", "firstname", "Augusta");
    stage.left.edit("left-1", "phone", "2");
    stage.set_time(NOW + 120_000);
    stage.right.edit("right-1", "given", "Ada Augusta");
    stage.right.edit("right-1", "tel", "3");
    stage.left.edit("left-5", "phone", "8");
    stage.set_time(NOW + 300_000);
    stage.run().await.expect("a run");
    stage
}
