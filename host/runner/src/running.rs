//! One sync during one run: its two endpoints, its pairs, and the record of the run itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline_core::{Instant, Pair, PairId, Reason, Record, RunId, Scope, Side, Standing, SyncName};

use crate::endpoint::EndpointAccess;
use crate::left_over::LeftOver;
use crate::replica::Known;
use crate::setup::{Context, SyncSetup};
use crate::synced::{SyncState, Synced};
use crate::tally::{Class, Tally};
use crate::{Batch, Failure, Key, Plugins, Space, Store, StoreError, StoreTable, codec, recover, versions};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Brings the sides in step.
    Sync,
    /// Takes back another run.
    Undo {
        /// The run that is taken back.
        of: RunId,
    },
    /// Carries out a person's decision.
    Resolve,
}

/// How a run ended (E8.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Everything that was planned is done.
    Ok,
    /// Some records were refused.
    OkWithRejects {
        /// How many.
        rejects: u64,
    },
    /// A guard stopped it before anything was written (E4.6).
    Blocked {
        /// Which.
        breaker: String,
        /// Why, and what releases it.
        why: String,
    },
    /// Something is left for the next run.
    Partial {
        /// Why.
        why: String,
    },
    /// A budget asks to wait.
    Waiting {
        /// Until when.
        until: Instant,
        /// For which budget: `quota` is the month's tasks or the application's own, `provider-budget` its calls.
        reason: Reason,
        /// For what.
        why: String,
    },
    /// It could not go on.
    Failed {
        /// Why.
        why: String,
    },
}

impl RunOutcome {
    /// Returns the word for it.
    pub fn word(&self) -> &'static str {
        match self {
            RunOutcome::Ok => "ok",
            RunOutcome::OkWithRejects { .. } => "ok-with-rejects",
            RunOutcome::Blocked { .. } => "blocked",
            RunOutcome::Partial { .. } => "partial",
            RunOutcome::Waiting { .. } => "waiting",
            RunOutcome::Failed { .. } => "failed",
        }
    }
}

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its number.
    pub id: RunId,
    /// The sync.
    pub sync: SyncName,
    /// What it is for.
    pub kind: RunKind,
    /// When it began.
    pub started_at: Instant,
    /// When it ended; none while it is under way or was interrupted.
    pub ended_at: Option<Instant>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// What it did.
    pub tally: Tally,
    /// Journal entries so far.
    pub entries: u32,
    /// What cannot be right about what was read, or about these numbers (E8.2).
    pub anomalies: Vec<String>,
    /// The version of the rules that it goes by (B13).
    pub rules_version: u32,
    /// The plugins that it works with.
    pub plugins: Plugins,
}

/// Reads the record of a run.
pub async fn run_record(store: &dyn Store, run: RunId) -> Result<Option<RunRecord>, Failure> {
    Ok(codec::load(store, codec::run(run)).await?)
}

fn next_run_key() -> Key {
    codec::meta(Space::HOST, "next-run")
}

async fn next_run(store: &dyn Store) -> Result<RunId, StoreError> {
    Ok(RunId(codec::load(store, next_run_key()).await?.unwrap_or(1)))
}

/// One sync during one run.
pub(crate) struct Running<'a> {
    pub(crate) context: &'a Context,
    pub(crate) setup: &'a SyncSetup,
    pub(crate) synced: Synced<'a>,
    pub(crate) left: EndpointAccess<'a>,
    pub(crate) right: EndpointAccess<'a>,
    pub(crate) state: SyncState,
    pub(crate) run: RunRecord,
    /// The number that the next run had when this one was opened.
    next: RunId,
    /// Pairs of two records when the run began.
    pub(crate) pairs_before: u64,
    /// The pairs that this run has counted as not in step, and as what: a later round may bring them further.
    left_over: LeftOver,
    /// What a budget asks to wait for before the rest can be written, and until when.
    pub(crate) budget: Option<BudgetWait>,
}

/// A budget that is used up.
#[derive(Clone, Debug)]
pub(crate) struct BudgetWait {
    /// Whose.
    pub(crate) side: Side,
    /// Until when.
    pub(crate) until: Instant,
    /// Which.
    pub(crate) reason: Reason,
    /// In the application's words.
    pub(crate) why: String,
}

impl<'a> Running<'a> {
    /// Opens both endpoints and the sync, and starts the record of a run.
    ///
    /// A crash right after it leaves a run without end, which the next one takes up.
    pub(crate) async fn open(context: &'a Context, setup: &'a SyncSetup, kind: RunKind) -> Result<Self, Failure> {
        let store = context.store.as_ref();
        let synced = Synced::open(store, &setup.name).await?;
        let mut state = synced.state().await?;
        let endpoints = [setup.left.endpoint.clone(), setup.right.endpoint.clone()];
        match &state.endpoints {
            Some(before) if *before != endpoints => {
                return Err(Failure::Request(format!(
                    "the sync {} joined {} and {} so far; now its configuration names {} and {}; give it a new name, or \
                     forget its pairs with --reset",
                    setup.name, before[0], before[1], endpoints[0], endpoints[1]
                )));
            }
            _ => state.endpoints = Some(endpoints),
        }
        let (left, right) = tokio::try_join!(
            EndpointAccess::open(context, Side::Left, &setup.left),
            EndpointAccess::open(context, Side::Right, &setup.right)
        )?;
        let run = RunRecord {
            id: RunId(0),
            sync: setup.name.clone(),
            kind,
            started_at: context.world.now(),
            ended_at: None,
            outcome: None,
            tally: Tally::default(),
            entries: 0,
            anomalies: Vec::new(),
            rules_version: 0,
            plugins: setup.plugins.clone(),
        };
        let pairs_before = state.totals.joined;
        Ok(Self {
            context,
            setup,
            synced,
            left,
            right,
            state,
            run,
            next: next_run(store).await?,
            pairs_before,
            left_over: LeftOver::default(),
            budget: None,
        })
    }

    /// Returns the number under which what is found now is kept: a dry run has none, what it finds counts from the next
    /// run on.
    pub(crate) fn counts_from(&self) -> RunId {
        match self.run.id {
            RunId(0) => self.next,
            run => run,
        }
    }

    /// Gives the run its number and writes it down.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        // Another sync may have taken the number that this one was opened with.
        self.run.id = next_run(self.synced.store).await?;
        let next = self.run.id.0;
        self.state.open_run = Some(self.run.id);
        (self.left.run, self.right.run) = (Some(self.run.id), Some(self.run.id));
        let mut batch = Batch::default();
        versions::note(self, &mut batch);
        codec::put(&mut batch, next_run_key(), &(next + 1));
        codec::put(&mut batch, codec::run(self.run.id), &self.run);
        codec::put(&mut batch, self.synced.state_key(), &self.state);
        self.synced.store.commit(batch).await?;
        Ok(())
    }

    /// Returns the scope that the last run went by, if the rules have another one now.
    pub(crate) fn scope_before(&self) -> Option<&Scope> {
        self.state.scope.as_ref().filter(|scope| **scope != self.setup.rules.scope)
    }

    /// Goes by the scope of the rules from now on.
    pub(crate) fn take_scope(&mut self) {
        self.state.scope = Some(self.setup.rules.scope.clone());
    }

    /// Ends the record of the run. With `clean` no write of it is left without an outcome.
    pub(crate) async fn end(&mut self, outcome: RunOutcome, clean: bool) -> Result<(), Failure> {
        self.run.ended_at = Some(self.context.world.now());
        self.run.outcome = Some(self.audited(outcome));
        if clean {
            self.state.open_run = None;
        }
        let mut batch = Batch::default();
        codec::put(&mut batch, codec::run(self.run.id), &self.run);
        codec::put(&mut batch, self.synced.state_key(), &self.state);
        self.synced.store.commit(batch).await?;
        Ok(())
    }

    /// Checks that every pair that the run looked at is in one class (E8.2).
    fn audited(&mut self, outcome: RunOutcome) -> RunOutcome {
        let tally = &self.run.tally;
        if tally.adds_up() {
            return outcome;
        }
        let (seen, classed) = (tally.seen, tally.classed());
        let why = format!(
            "{seen} records were looked at and {classed} counted, which is a mistake in Syncline; please report it"
        );
        self.run.anomalies.push(why.clone());
        match outcome {
            RunOutcome::Ok | RunOutcome::OkWithRejects { .. } => RunOutcome::Partial { why },
            told => told,
        }
    }

    /// Goes on with the record of another run, and returns the one so far.
    pub(crate) fn swap_run(&mut self, record: RunRecord) -> RunRecord {
        // What was counted in one record is not taken out of the other.
        self.left_over.clear();
        std::mem::replace(&mut self.run, record)
    }

    /// Notes that the run looks at a pair: once a run, however often it comes back.
    ///
    /// Invariant: it is counted in one class by the end of the run (E8.2): by [`Running::count`] where it is settled, by
    /// [`Running::set_down`] where it is left in the plan.
    pub(crate) fn see(&mut self, id: PairId) {
        if !self.left_over.contains(id) {
            self.run.tally.seen += 1;
        }
    }

    /// Counts a pair that is not brought further in this run under where it stands.
    pub(crate) fn leave(&mut self, id: PairId, standing: Standing) {
        if !self.left_over.contains(id) {
            self.run.tally.count(standing);
        }
    }

    /// Counts a pair that was seen under where it stands, or as changed.
    pub(crate) fn count(&mut self, id: PairId, standing: Option<Standing>) {
        if let Some(before) = self.left_over.remove(id) {
            self.run.tally.uncount(before);
        }
        let Some(standing) = standing else { return self.run.tally.changed += 1 };
        self.run.tally.count(standing);
        if !matches!(standing, Standing::InSync | Standing::Ended) {
            self.left_over.insert(id, Class::of(standing));
        }
    }

    /// Returns the record that a pair has on `side`, as it was read last.
    pub(crate) async fn record_of(&self, pair: &Pair, side: Side) -> Result<Option<Record>, Failure> {
        let Some(id) = pair.id(side) else { return Ok(None) };
        let known = self.endpoint(side).replica().get(std::slice::from_ref(id)).await?.pop().flatten();
        Ok(known.and_then(|known| if let Known::Here(record) = known { Some(record) } else { None }))
    }

    pub(crate) fn endpoint(&self, side: Side) -> &EndpointAccess<'a> {
        side.pick(&self.left, &self.right)
    }

    pub(crate) fn endpoint_mut(&mut self, side: Side) -> &mut EndpointAccess<'a> {
        side.pick(&mut self.left, &mut self.right)
    }

    /// Counts what is still in the plan, at the end of a run: as `standing`, and what may have been sent as uncertain.
    pub(crate) async fn set_down(&mut self, standing: Standing) -> Result<(), Failure> {
        let open = match self.run.id {
            RunId(0) => BTreeMap::new(),
            id => recover::open_entries(self, id).await?,
        };
        let open: BTreeSet<PairId> = open.into_keys().map(|(pair, _)| pair).collect();
        let mut after = Vec::new();
        loop {
            let rows = self.synced.store.scan(self.synced.space, StoreTable::Plan, after, codec::PAGE_ROWS).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = last.clone();
            for (id, bytes) in rows {
                let key = codec::plan(self.synced.space, codec::number(&id));
                let item: syncline_core::PlanItem = codec::decode(&key, &bytes)?;
                match open.contains(&item.pair) {
                    true => self.count(item.pair, Some(Standing::Uncertain)),
                    false => self.leave(item.pair, standing),
                }
            }
        }
    }

    /// Takes up pairs that an earlier run has counted as uncertain.
    pub(crate) fn take_up(&mut self, pairs: impl Iterator<Item = PairId>) {
        pairs.for_each(|pair| self.left_over.insert(pair, Class::Uncertain));
    }

    /// Puts what is planned and not done back on the list of pairs to look at.
    pub(crate) async fn unplan(&self) -> Result<(), Failure> {
        loop {
            let rows =
                self.synced.store.scan(self.synced.space, StoreTable::Plan, Vec::new(), codec::PAGE_ROWS).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for (id, bytes) in rows {
                let key = codec::plan(self.synced.space, codec::number(&id));
                let item: syncline_core::PlanItem = codec::decode(&key, &bytes)?;
                self.synced.queue(&mut batch, 0, item.pair);
                batch.delete(key);
            }
            self.synced.store.commit(batch).await?;
        }
    }
}
