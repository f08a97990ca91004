//! `syncline run`: one run of each chosen sync, with the plan shown and agreed to first where a person is there to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use syncline_core::{Lane, SyncName};
use syncline_runner::{
    Answer, Approve, BoxFuture, Context, Failure, Impact, Planned, RunOutcome, RunReport, RunRequest, Stop, SyncSetup,
    Tally, WaitingDeletes,
};

use super::perform::nobody;
use super::several::Several;
use super::{impact, notices, plan};
use crate::commands::{CommandError, Exit};
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{count, plain};
use crate::session::Session;
use crate::terminal::{Terminal, tell, tell_line};

/// The digest of each plan that was shown and agreed to.
pub type Agreed = BTreeMap<SyncName, String>;

/// How a run is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only these items, by digest.
    pub only: Option<BTreeSet<[u8; 16]>>,
    /// What a person says about the plan.
    pub answer: Option<Answer>,
    /// Nobody is asked.
    pub yes: bool,
    /// Where somebody can be asked.
    pub terminal: Option<Terminal>,
    /// The plans that were agreed to elsewhere.
    pub agreed: Option<Agreed>,
    /// What is known of the sync is forgotten first; with `agreed`, that is all.
    pub reset: bool,
    /// How urgent it is.
    pub lane: Lane,
}

/// Runs.
pub async fn run(session: &Session, syncs: &[Sync], options: &Options) -> Result<Output, CommandError> {
    if !options.yes && options.only.is_none() && options.answer.is_none() && options.terminal.is_none() {
        return Err(nobody("syncline plan"));
    }
    let mut several = Several::new("runs", syncs);
    for sync in syncs {
        // What was not begun is told, and the command does not end as if it were.
        let ended = match session.context.stop.is_asked() {
            true => Err(Failure::Stopped.into()),
            false => session.keeping_budgets(run_one(session, sync, options)).await?,
        };
        several.add(sync, notices::note_failure(session, ended).await)?;
    }
    Ok(several.output())
}

async fn run_one(session: &Session, sync: &Sync, options: &Options) -> Result<Output, CommandError> {
    session.make_room().await?;
    // Before the connection is looked at: that it leads elsewhere now may be the reason for the fresh start.
    if options.reset {
        if !options.yes && !agrees_to_reset(sync, options.terminal, &session.context.stop).await? {
            return Ok(Output::ok("nothing was written\n", json!({ "sync": sync.name(), "written": false })));
        }
        let endpoints = [&sync.left.endpoint, &sync.right.endpoint];
        let store = session.context.store.as_ref();
        syncline_runner::forget(store, sync.name(), endpoints).await.map_err(Failure::from)?;
        if options.agreed.is_some() {
            return Ok(Output::ok("forgotten\n", json!({ "sync": sync.name(), "forgotten": true })));
        }
    }
    let shown = options.agreed.as_ref().map(|agreed| agreed.get(sync.name()).ok_or_else(not_shown)).transpose()?;
    let setup = session.setup(sync, options.lane).await?;
    let costs = plan::Costs::of(session, &setup, options.lane).await?;
    let is_agreed = options.yes || options.only.is_some() || options.answer.is_some();
    let (context, shortage) = (&session.context, Mutex::default());
    let asks = Ask { context, setup: &setup, terminal: options.terminal, costs, is_agreed, shown, shortage };
    let approve: &dyn Approve = &asks;
    let request = RunRequest { approve, only: options.only.clone(), answer: options.answer.clone() };
    let report = syncline_runner::run(&session.context, &setup, &request).await?;
    notices::note(session, sync, &report).await?;
    let shortage = asks.shortage.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    describe(&setup, &report, &mut text);
    text.push_str(&shortage);
    let json = json!({
        "record": report.record,
        "drifted": report.drifted,
        "left_alone": report.left_alone,
        "guarded": report.guarded,
        "skipped": skipped(&report),
        "declined": report.declined,
        "shortage": (!shortage.is_empty()).then(|| shortage.trim()),
    });
    Ok(Output { text, json, exit: exit_of(&report) })
}

/// The question before what is known of a sync is forgotten.
pub fn reset_question(sync: &str) -> String {
    format!("forget what is known of {}, and read and match both sides anew?", plain(sync))
}

fn not_shown() -> CommandError {
    CommandError::Failed("its plan could not be shown, and nothing was written".to_owned())
}

async fn agrees_to_reset(sync: &Sync, terminal: Option<Terminal>, stop: &Stop) -> Result<bool, CommandError> {
    let terminal = terminal.ok_or_else(|| nobody("syncline status"))?;
    Ok(terminal.agrees_unless(stop, &reset_question(sync.name().as_str())).await?)
}

/// Shows the plan on a terminal and asks.
struct Ask<'a> {
    context: &'a Context,
    setup: &'a SyncSetup,
    terminal: Option<Terminal>,
    costs: plan::Costs,
    /// Nobody is asked: what the budgets do not hold waits for them, and is told with how the run went.
    is_agreed: bool,
    /// The plan that was agreed to.
    shown: Option<&'a String>,
    shortage: Mutex<String>,
}

impl Approve for Ask<'_> {
    fn shown(&self) -> Option<&str> {
        self.shown.map(String::as_str)
    }

    fn approve<'a>(&'a self, planned: Planned, impact: Option<&'a Impact>) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            if self.is_agreed {
                let short = plan::shortage(self.context, self.setup, &self.costs, planned.changes).await?;
                *self.shortage.lock().unwrap_or_else(PoisonError::into_inner) = short;
                return Ok(true);
            }
            let shown = plan::show(self.context, self.setup, plan::Wanted::glance(&self.costs), |_| {}).await?;
            let (changes, records) = (count(planned.changes, "change"), count(planned.items, "record"));
            tell_line(format_args!("{}: {changes} to {records}", self.setup.name));
            tell(&impact.map(impact::text).unwrap_or_default());
            tell(&shown.text);
            // An answer that cannot be read is no yes.
            let Some(terminal) = self.terminal else { return Ok(false) };
            Ok(terminal.agrees_unless(&self.context.stop, "write this?").await.unwrap_or(false))
        })
    }
}

/// Returns how a run went as an exit code.
pub fn exit_of(report: &RunReport) -> Exit {
    match &report.record.outcome {
        Some(_) if report.declined => Exit::Ok,
        Some(RunOutcome::Ok) if report.skipped.is_empty() => Exit::Ok,
        Some(RunOutcome::Ok | RunOutcome::OkWithRejects { .. } | RunOutcome::Partial { .. }) => Exit::Rejects,
        Some(RunOutcome::Waiting { .. } | RunOutcome::Blocked { .. }) => Exit::Waiting,
        Some(RunOutcome::Failed { .. }) | None => Exit::Failed,
    }
}

/// Says what a run did.
pub fn describe(setup: &SyncSetup, report: &RunReport, text: &mut String) {
    let record = &report.record;
    if report.declined {
        let _ = writeln!(text, "{}: nothing was written", setup.name);
        return;
    }
    let seconds = record.ended_at.map_or(0, |end| end - record.started_at).max(0) as f64 / 1000.0;
    let outcome = record.outcome.as_ref().map_or("interrupted", RunOutcome::word);
    let _ = writeln!(text, "{}: {outcome} (run {}, {seconds:.1} s)", setup.name, record.id.0);
    for (name, side) in [("left", record.tally.left), ("right", record.tally.right)] {
        let _ = writeln!(
            text,
            "  {name:<6} {} read, {} created, {} updated, {} deleted",
            side.read, side.created, side.updated, side.deleted
        );
    }
    describe_tally(setup, &record.tally, text);
    describe_rest(report, text);
}

fn describe_tally(setup: &SyncSetup, tally: &Tally, text: &mut String) {
    let there = tally.classes().into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = there.map(|(class, count)| format!("{count} {}", class.replace('-', " "))).collect();
    let parts = if parts.is_empty() { "nothing had changed".to_owned() } else { parts.join(", ") };
    let _ = writeln!(text, "  {} looked at: {parts}", tally.seen);
    if !tally.adds_up() {
        let _ = writeln!(text, "  these numbers do not add up, which is a mistake in Syncline; please report it");
    }
    if tally.conflicts > 0 {
        let conflicts = count(tally.conflicts, "conflict");
        let _ = writeln!(text, "  {conflicts} decided by rule: syncline conflicts {} --all", setup.name);
    }
    if tally.held + tally.rejected + tally.failed + tally.ambiguous + tally.uncertain > 0 {
        let _ = writeln!(text, "  what is left and why: syncline records {}", setup.name);
    }
}

/// Says which deletes wait for a person, and what releases them.
pub fn waiting_text(sync: &SyncName, waiting: &WaitingDeletes) -> String {
    let WaitingDeletes { deletes, digest } = waiting;
    let deletes = if *deletes == 1 { "1 delete waits".to_owned() } else { format!("{deletes} deletes wait") };
    format!("{deletes} for approval: `syncline run {sync} --approve {digest}`, or `--reject {digest}` to leave them")
}

/// Says what a run did not do.
fn describe_rest(report: &RunReport, text: &mut String) {
    if report.drifted > 0 {
        let items = count(report.drifted, "item");
        let _ = writeln!(text, "  {items} of the saved plan left alone: what it was made from has drifted");
    }
    if report.left_alone > 0 {
        let items = count(report.left_alone, "item");
        let _ = writeln!(text, "  {items} not as in the saved plan: left for the next run");
    }
    if let (Some(waiting), false) = (&report.guarded.waiting, report.guarded.stops()) {
        let _ = writeln!(text, "  {}", waiting_text(&report.record.sync, waiting));
    }
    for (side, skipped) in report.skipped.iter().take(5) {
        let (id, reason) = (plain(skipped.id.as_str()), plain(&skipped.reason));
        let _ = writeln!(text, "  {side} record {id} could not be read: {reason}");
    }
    if let Some(why) = why(report.record.outcome.as_ref()) {
        let _ = writeln!(text, "  {}", plain(why));
    }
}

fn why(outcome: Option<&RunOutcome>) -> Option<&str> {
    match outcome? {
        RunOutcome::Ok | RunOutcome::OkWithRejects { .. } => None,
        RunOutcome::Partial { why }
        | RunOutcome::Blocked { why, .. }
        | RunOutcome::Waiting { why, .. }
        | RunOutcome::Failed { why } => Some(why),
    }
}

fn skipped(report: &RunReport) -> Vec<serde_json::Value> {
    let rows = report.skipped.iter();
    rows.map(|(side, skipped)| json!({ "side": side, "record": skipped.id, "reason": skipped.reason })).collect()
}
