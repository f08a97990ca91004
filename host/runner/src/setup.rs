//! What a run is given: the sync's two sides with their connectors, its rules and its transforms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use syncline_core::{Endpoint, FieldName, Guards, Index, KeyField, ListId, Rules, Side, SyncName, TransformUse};
use tokio::sync::Notify;

use crate::{Connector, Plugins, Store, Target, TaskLimit, Transform, World};

/// One side of a sync.
#[derive(Clone)]
pub struct SideSetup {
    /// Where its records live.
    pub endpoint: Endpoint,
    /// How it is reached.
    pub connector: Arc<dyn Connector>,
    /// Where the connection leads: what was read from elsewhere is not taken for it.
    pub address: String,
    /// The fields that this sync needs; what other syncs have needed so far stays.
    pub fields: Vec<FieldName>,
    /// The key tuples by which this sync matches.
    pub keys: Vec<Vec<KeyField>>,
    /// What of its records is kept; the same for every sync of this endpoint.
    pub index: Index,
    /// How often what its feed does not tell is looked for; none for as often as [`Context::sweep_every_ms`] says.
    pub sweep_every_ms: Option<i64>,
    /// The lists whose members this sync asks for.
    pub lists: Vec<ListId>,
    /// How often these are read anew, in milliseconds.
    pub lists_every_ms: i64,
}

impl SideSetup {
    /// How often lists are read anew unless the user says otherwise: every quarter of an hour.
    pub const LISTS_EVERY_MS: i64 = 15 * 60 * 1000;

    /// Returns the endpoint as its connector knows it.
    pub fn target(&self) -> Target {
        Target { object: self.endpoint.object.clone(), container: self.endpoint.container.clone() }
    }
}

/// A sync, ready to run.
#[derive(Clone)]
pub struct SyncSetup {
    /// Its name, which is its identity.
    pub name: SyncName,
    /// The left side.
    pub left: SideSetup,
    /// The right side.
    pub right: SideSetup,
    /// Its rules.
    pub rules: Rules,
    /// What its plans are held against.
    pub guards: Guards,
    /// True if it lies in a circle of syncs: then it keeps where values came from (E6.5).
    pub circle: bool,
    /// The transforms that the rules name.
    pub transforms: BTreeMap<TransformUse, Arc<dyn Transform>>,
    /// The versions of the connectors and of these.
    pub plugins: Plugins,
    /// How long decided conflicts are kept, with the values that lost, in milliseconds.
    pub keep_conflicts_ms: i64,
}

impl SyncSetup {
    /// How long decided conflicts are kept unless the user says otherwise (E3.4): 90 days.
    pub const KEEP_CONFLICTS_MS: i64 = 90 * 24 * 60 * 60 * 1000;

    /// Returns one side.
    pub fn side(&self, side: Side) -> &SideSetup {
        side.pick(&self.left, &self.right)
    }
}

/// What every step works with.
#[derive(Clone)]
pub struct Context {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub world: Arc<dyn World>,
    /// Asks the run to end between batches.
    pub stop: Stop,
    /// Hears how the run is getting on.
    pub listener: Arc<dyn Listener>,
    /// How often schemas, what is ambiguous, and what a feed does not tell are looked at again, in milliseconds.
    pub sweep_every_ms: i64,
    /// How many tasks a month may hold, all syncs together.
    pub tasks: TaskLimit,
}

impl Context {
    /// How often sweeps and schema reads are due unless the user says otherwise (E8.4, E10.4): daily.
    pub const SWEEP_EVERY_MS: i64 = 24 * 60 * 60 * 1000;

    pub(crate) fn say(&self, event: Event) {
        self.listener.hear(event);
    }
}

/// Asks a run to end between batches, from another thread or a signal.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Asking>);

#[derive(Debug, Default)]
struct Asking {
    asked: AtomicBool,
    told: Notify,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.told.notify_waiters();
    }

    /// True if somebody asked.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Returns once somebody asked.
    pub async fn asked(&self) {
        // Listening begins before the look, so that nothing falls between the two.
        let told = self.0.told.notified();
        if !self.is_asked() {
            told.await;
        }
    }
}

/// Something that a person may want to see while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Records were read from a side; the total, where it is known.
    Read {
        /// The side's endpoint.
        endpoint: Endpoint,
        /// Records so far in this run.
        records: u64,
        /// Records that there will be.
        total: Option<u64>,
    },
    /// All of a side is read anew, and why.
    Rescan {
        /// The side's endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// Pairs were planned.
    Planned {
        /// Pairs looked at so far.
        pairs: u64,
        /// Changes planned so far.
        changes: u64,
    },
    /// Changes were written.
    Written {
        /// Changes done so far.
        done: u64,
        /// Changes that are planned.
        total: u64,
    },
    /// The run waits.
    Waiting {
        /// How long.
        for_ms: u64,
        /// For what.
        reason: String,
    },
}

/// Hears what happens during a run.
pub trait Listener: Send + Sync {
    /// Called in order, from one task.
    fn hear(&self, event: Event);
}

/// Hears nothing.
pub struct Silent;

impl Listener for Silent {
    fn hear(&self, _event: Event) {}
}
