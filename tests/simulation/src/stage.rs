//! Where a history takes place: both applications, their people, time and chance, and the sync between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use syncline_core::{
    Caps, ConflictPolicy, DeletePolicy, Direction, EditDelete, Endpoint, FieldName, Index, Instant, KeyField, KeyForm,
    KeyTuple, Leave, Mapping, MappingRule, Matching, Pair, PairId, RecordId, Rules, RunId, Scope, Side, SyncName,
    Times, Value,
};
use syncline_runner::report::{self, RunSummary};
use syncline_runner::{
    Answer, ApproveAll, BoxFuture, Context, Failure, KeptConflict, Plugins, RunReport, RunRequest, SideSetup, Silent,
    Stop, Store, StoreError, StoreTable, SyncSetup, TaskLimit, Totals, World, endpoint_space, run, sync_space,
};

use crate::application::{Application, Entry, Manner};
use crate::automation::{Automation, SyncWrite};
use crate::chance::Chance;
use crate::connector::Client;
use crate::crash::CrashStore;
use crate::doubles::Second;
use crate::operator::{self, Agreed};
use crate::people::Edit;
use crate::steps::wait;
use crate::tidy;

/// The fields of both applications.
pub(crate) const FIELDS: [&str; 8] =
    ["email", "name", "street", "city", "note", "phone", "left-serial", "right-serial"];

/// The field in which records of both applications refer to others; no sync maps it unless its rules do.
pub const LINKS: &str = "links";

/// Something that goes wrong with the next write to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is not done, and nobody can tell.
    LoseRequest,
    /// The outcome of the first operation is said to be unknown although it was done.
    UnknownOutcome,
    /// A passing failure before anything was done.
    Fail,
    /// It is done and answered, and then the day's budget is used up: the next look by id fails.
    LastCall,
}

/// Everything there is.
#[derive(Debug)]
pub struct State {
    /// The time.
    pub now: Instant,
    /// Chance.
    pub chance: Chance,
    /// How many of a hundred calls go wrong.
    pub fault_percent: usize,
    /// How many of a hundred calls meet somebody at work.
    pub people_percent: usize,
    /// True if people delete and merge.
    pub deletes: bool,
    /// What people wrote.
    pub edits: Vec<Edit>,
    /// What happened, for people to read.
    pub story: Vec<String>,
    /// Calls of connectors so far.
    pub calls: u64,
    /// What somebody does as soon as possible: asked at every call until it is done.
    pub meanwhile: Option<fn(&mut State) -> bool>,
    /// What goes wrong next.
    pub tricks: Vec<(Side, Trick)>,
    /// True while look-ups cannot tell what creates made.
    pub blind: bool,
    /// The side that cannot tell by id what became of a record.
    pub vague: Option<Side>,
    /// The next call to this side fails.
    pub failing: Option<Side>,
    /// The next look by id on this side fails for the day.
    pub(crate) spent: Option<Side>,
    /// The side whose next cursor is too old.
    pub expiring: Option<Side>,
    /// True while the lists are being computed.
    pub computing: bool,
    /// True while lists break off after their first page, to be computed.
    pub breaking_off: bool,
    /// Breaches noticed while they happened.
    pub breaches: Vec<String>,
    /// Runs so far.
    pub runs: u64,
    /// Calls that went wrong so far.
    pub faults: u64,
    /// Things that people did and that went wrong so far.
    pub happenings: u64,
    /// Automations of the applications, which set values whenever they like.
    pub automations: Vec<Automation>,
    /// What the sync wrote: when, where, and which fields.
    pub writes: Vec<SyncWrite>,
    /// What the sync sent to a field last, as it was sent.
    pub(crate) given: BTreeMap<(Side, RecordId, FieldName), Value>,
    /// Records that were made although their sources had some, by the write that is under way.
    pub(crate) seconds: Vec<Second>,
    /// Fields that an automation ever set.
    pub(crate) automated: BTreeSet<FieldName>,
    /// Numbers of happenings that do not happen after all.
    pub skipped: BTreeSet<u64>,
    /// Which way the sync goes.
    pub(crate) direction: Direction,
    /// True if somebody ever changed the rules.
    pub(crate) rules_changed: bool,
    /// True once it was unknown what a write left behind: what is found then may be somebody's edit.
    pub(crate) in_doubt: bool,
    /// True if a transform of the rules rewrites values.
    pub(crate) tidies: bool,
    /// Who leaves the scope is unpaired, and meets as if for the first time when it comes back (E5.5).
    pub(crate) unpairs: bool,
    pub(crate) agreed: Agreed,
    pub(crate) apps: [Application; 2],
    pub(crate) tags: Vec<(Side, RecordId, String)>,
    pub(crate) serial: u64,
    pub(crate) word: u64,
}

impl State {
    /// Returns one application.
    pub fn app(&self, side: Side) -> &Application {
        side.pick(&self.apps[0], &self.apps[1])
    }

    /// Returns one application to change it.
    pub fn app_mut(&mut self, side: Side) -> &mut Application {
        let [left, right] = &mut self.apps;
        side.pick(left, right)
    }

    /// Lets a moment pass and returns the time.
    pub fn tick(&mut self) -> Instant {
        self.now += 1;
        self.now
    }

    /// Draws whether something happens now, in `percent` of a hundred cases. What happens has a number, so that a
    /// smaller history can leave it out.
    pub(crate) fn happens(&mut self, percent: usize) -> bool {
        if !self.chance.percent(percent) {
            return false;
        }
        self.happenings += 1;
        !self.skipped.contains(&self.happenings)
    }

    pub(crate) fn tell(&mut self, line: String) {
        self.story.push(format!("{:>9} {line}", self.now));
    }

    /// Returns a value as it is now.
    pub fn value(&self, side: Side, id: &RecordId, field: &str) -> Option<Value> {
        let cells = self.app(side).entries.get(id)?.cells()?;
        Some(cells.get(field).cloned().unwrap_or(Value::Clear))
    }

    /// Returns the tags that the sync gave a record.
    pub fn tags(&self, side: Side, id: &RecordId) -> Vec<String> {
        let own = self.tags.iter().filter(|(on, tagged, _)| *on == side && tagged == id);
        own.map(|(.., tag)| tag.clone()).collect()
    }

    /// Returns the ids of the records that are there, in order.
    pub fn ids(&self, side: Side) -> Vec<RecordId> {
        self.app(side).live().map(|entry: &Entry| entry.id.clone()).collect()
    }
}

/// The field whose value a record of `side` keeps, whatever its id.
pub(crate) fn identity(side: Side) -> &'static str {
    side.pick("left-serial", "right-serial")
}

/// Rows of a table: id and value.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Both applications, time and chance, shared by connectors and people.
#[derive(Debug)]
pub struct Stage(Mutex<State>);

impl Stage {
    /// Opens the state.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl World for Stage {
    fn now(&self) -> Instant {
        self.lock().now
    }

    fn random(&self) -> u64 {
        self.lock().chance.next_number()
    }

    fn sleep(&self, duration_ms: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.lock().now += i64::try_from(duration_ms).unwrap_or(0) })
    }
}

/// Makes a text value.
pub fn text(value: &str) -> Value {
    Value::Text(value.to_owned()).canonical().expect("a text is always a value")
}

/// Two-way contacts matched by e-mail address; `note` goes to the right only, street and city are one group.
pub fn default_rules() -> Rules {
    let mapping = |field: &str, rule: MappingRule| Mapping {
        group: matches!(field, "street" | "city").then(|| "address".to_owned()),
        ..Mapping::new(field.into(), field.into(), rule)
    };
    let rule = |field: &str| match field {
        "note" | "left-serial" => MappingRule::ToRight,
        "right-serial" => MappingRule::ToLeft,
        _ => MappingRule::TwoWay,
    };
    let key = vec![KeyField { field: FieldName::from("email"), form: KeyForm::Email }];
    Rules {
        direction: Direction::Both,
        matching: Matching { tuples: vec![KeyTuple { left: key.clone(), right: key }], ..Matching::default() },
        left_index: Index::Full,
        right_index: Index::Full,
        mappings: FIELDS.iter().map(|field| mapping(field, rule(field))).collect(),
        conflict: ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord },
        deletes_to_left: DeletePolicy::Ignore,
        deletes_to_right: DeletePolicy::Ignore,
        edit_delete: EditDelete::Hold,
        record_atomic: false,
        scope: Scope::default(),
        leave: Leave::Freeze,
        skew_tolerance_ms: Rules::SKEW_TOLERANCE_MS,
        caps: Caps::default(),
    }
}

/// A sync between two applications.
pub struct Simulation {
    /// The applications.
    pub stage: Arc<Stage>,
    /// The store.
    pub store: Arc<CrashStore>,
    /// The sync.
    pub setup: SyncSetup,
    /// What runs work with.
    pub context: Context,
}

impl Simulation {
    /// Sets a sync up.
    pub fn new(seed: u64, left: Manner, right: Manner, rules: Rules) -> Self {
        Self::on(CrashStore::default(), seed, [left, right], rules)
    }

    /// Sets a sync up on this store.
    pub(crate) fn on(store: CrashStore, seed: u64, [left, right]: [Manner; 2], rules: Rules) -> Self {
        let apps = [Application::new(left, "L"), Application::new(right, "R")];
        Self::of(seed, "contacts", apps, rules, Arc::new(store))
    }

    /// Sets a sync of another object up, on the same store; time and people go their own way there.
    pub fn beside(&self, object: &'static str, [left, right]: [Manner; 2], rules: Rules) -> Self {
        let seed = self.stage.lock().chance.next_number();
        let apps = [Application::new(left, "Left-"), Application::new(right, "Right-")];
        Self::of(seed, object, apps, rules, self.store.clone())
    }

    fn of(seed: u64, object: &'static str, apps: [Application; 2], rules: Rules, store: Arc<CrashStore>) -> Self {
        let state = State {
            now: 1_000_000_000,
            chance: Chance::new(seed),
            fault_percent: 0,
            people_percent: 0,
            deletes: true,
            edits: Vec::new(),
            story: Vec::new(),
            calls: 0,
            meanwhile: None,
            tricks: Vec::new(),
            blind: false,
            failing: None,
            spent: None,
            expiring: None,
            vague: None,
            computing: false,
            breaking_off: false,
            breaches: Vec::new(),
            runs: 0,
            faults: 0,
            happenings: 0,
            automations: Vec::new(),
            writes: Vec::new(),
            given: BTreeMap::new(),
            seconds: Vec::new(),
            automated: BTreeSet::new(),
            skipped: BTreeSet::new(),
            direction: rules.direction,
            rules_changed: false,
            in_doubt: false,
            unpairs: rules.leave == Leave::Unpair && rules.scope != Scope::default(),
            tidies: rules.mappings.iter().any(|mapping| !mapping.to_left.is_empty() || !mapping.to_right.is_empty()),
            agreed: Agreed::default(),
            apps,
            tags: Vec::new(),
            serial: 0,
            word: 0,
        };
        let stage = Arc::new(Stage(Mutex::new(state)));
        let side = |side: Side| SideSetup {
            index: rules.index(side),
            sweep_every_ms: None,
            address: String::new(),
            endpoint: Endpoint { connection: side.to_string().into(), object: object.into(), container: None },
            connector: Arc::new(Client { stage: stage.clone(), store: store.clone(), object, side }),
            fields: rules.fields(side),
            keys: rules.matching.tuples.iter().map(|tuple| tuple.fields(side).to_vec()).collect(),
            lists: rules.scope.lists(side),
            lists_every_ms: 5 * 60_000,
        };
        let mut setup = SyncSetup {
            name: SyncName::from(object),
            left: side(Side::Left),
            right: side(Side::Right),
            rules: rules.clone(),
            guards: operator::lenient(),
            circle: false,
            transforms: BTreeMap::new(),
            plugins: Plugins::default(),
            keep_conflicts_ms: SyncSetup::KEEP_CONFLICTS_MS,
        };
        tidy::install(&mut setup);
        let context = Context {
            store: store.clone(),
            world: stage.clone(),
            stop: Stop::default(),
            listener: Arc::new(Silent),
            sweep_every_ms: Context::SWEEP_EVERY_MS,
            tasks: TaskLimit::default(),
        };
        Self { stage, store, setup, context }
    }

    /// Changes the scope, as somebody who edits the configuration.
    pub fn rescope(&mut self, scope: Scope) {
        self.stage.lock().tell(format!("the scope is now {scope:?}"));
        self.setup.rules.scope = scope;
        self.read_for_rules();
    }

    /// Reads what the rules ask for now.
    pub(crate) fn read_for_rules(&mut self) {
        let rules = &self.setup.rules;
        for (side, setup) in [(Side::Left, &mut self.setup.left), (Side::Right, &mut self.setup.right)] {
            setup.fields = rules.fields(side);
            setup.lists = rules.scope.lists(side);
            setup.index = rules.index(side);
        }
    }

    /// Runs the sync once.
    pub fn run(&self) -> Result<RunReport, Box<Failure>> {
        self.run_with(None)
    }

    /// Runs the sync once, with what a person says about the plan.
    pub fn run_with(&self, answer: Option<Answer>) -> Result<RunReport, Box<Failure>> {
        {
            let mut state = self.stage.lock();
            state.runs += 1;
            state.direction = self.setup.rules.direction;
            state.automations_act();
            state.tell("a run begins".to_owned());
        }
        let request = RunRequest { approve: &ApproveAll, only: None, answer };
        let report = wait(run(&self.context, &self.setup, &request));
        let mut state = self.stage.lock();
        match &report {
            Ok(report) => {
                let line = format!("it ends: {:?}, {:?}", report.record.outcome, report.record.tally);
                state.tell(line);
                if !report.record.tally.adds_up() {
                    state.breaches.push(format!("E8.2: {:?} does not add up", report.record.tally));
                }
            }
            Err(failure) => {
                let line = format!("it fails: {failure}: {:?}", std::error::Error::source(failure));
                state.tell(line);
            }
        }
        drop(state);
        report.map_err(Box::new)
    }

    /// Plans and writes nothing.
    pub fn plan(&self) -> RunReport {
        wait(syncline_runner::plan(&self.context, &self.setup)).expect("nothing goes wrong while planning").1
    }

    /// Runs until a run writes nothing, letting time pass between runs.
    pub fn settle(&self) -> Option<RunReport> {
        for round in 0..40 {
            self.stage.lock().now += if round < 8 { 10 * 60_000 } else { 25 * 60 * 60_000 };
            match self.run() {
                Ok(report) if report.record.tally.writes() == 0 && round > 10 => return Some(report),
                _ => {}
            }
        }
        None
    }

    /// Returns every pair of the sync.
    pub fn pairs(&self) -> Vec<(PairId, Pair)> {
        let rows = self.rows(StoreTable::Pair);
        let number = |id: &[u8]| id.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        rows.into_iter()
            .map(|(id, bytes)| (PairId(number(&id)), postcard::from_bytes(&bytes).expect("a pair reads back")))
            .collect()
    }

    /// Returns the pairs in numbers, as the sync keeps them.
    pub fn totals(&self) -> Totals {
        wait(report::totals(self.store.as_ref(), &self.setup.name)).expect("the store is up")
    }

    /// Returns every run, newest first.
    pub fn runs(&self) -> Vec<RunSummary> {
        wait(report::history(self.store.as_ref(), None, None, usize::MAX)).expect("the store is up").runs
    }

    /// Returns the runs that have ended and wrote something, unless the power is out.
    pub(crate) fn written_runs_if_up(&self) -> Result<Vec<RunId>, StoreError> {
        let runs = wait(report::history(self.store.as_ref(), None, None, usize::MAX))?.runs.into_iter();
        Ok(runs.filter(|run| run.ended_at.is_some() && run.tally.writes() > 0).map(|run| run.run).collect())
    }

    /// Returns the pair of a record.
    pub fn pair_of(&self, side: Side, id: &RecordId) -> Option<Pair> {
        let of = |pair: &Pair| pair.id(side) == Some(id) || pair.aliases.contains(&(side, id.clone()));
        self.pairs().into_iter().map(|(_, pair)| pair).find(of)
    }

    /// Returns every conflict of the sync.
    pub fn conflicts(&self) -> Vec<KeptConflict> {
        self.conflicts_if_up().expect("the store is up")
    }

    /// Returns every conflict of the sync, unless the power is out.
    pub(crate) fn conflicts_if_up(&self) -> Result<Vec<KeptConflict>, StoreError> {
        let rows = self.rows_if_up(StoreTable::Conflict)?.into_iter();
        Ok(rows.map(|(_, bytes)| postcard::from_bytes(&bytes).expect("a conflict reads back")).collect())
    }

    /// Returns a table of one of its endpoints.
    pub fn rows_of(&self, side: Side, table: StoreTable) -> Rows {
        wait(async {
            let store: &dyn Store = self.store.as_ref();
            let space = endpoint_space(store, &self.setup.side(side).endpoint).await.expect("the store is up");
            store.scan(space, table, Vec::new(), usize::MAX).await.expect("the store is up")
        })
    }

    /// Returns a table of the sync.
    pub fn rows(&self, table: StoreTable) -> Rows {
        self.rows_if_up(table).expect("the store is up")
    }

    fn rows_if_up(&self, table: StoreTable) -> Result<Rows, StoreError> {
        wait(async {
            let store: &dyn Store = self.store.as_ref();
            let space = sync_space(store, &self.setup.name).await?;
            store.scan(space, table, Vec::new(), usize::MAX).await
        })
    }
}
