//! `syncline run`: one run of each chosen sync, with the plan shown and agreed to first where a person is there to ask.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use syncline_runner::{Approve, ApproveAll, BoxFuture, Context, Planned, RunOutcome, RunReport, RunRequest, SyncSetup};

use super::perform::nobody;
use super::plan;
use crate::commands::{CommandError, Exit};
use crate::config::Sync;
use crate::output::Output;
use crate::session::{Session, SessionError};
use crate::terminal::Terminal;

/// How a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Only what this saved plan holds.
    pub plan: Option<&'a Path>,
    /// Nobody is asked.
    pub yes: bool,
    /// Where somebody can be asked.
    pub terminal: Option<Terminal>,
    /// What is known of the sync is forgotten first.
    pub reset: bool,
}

/// Runs.
pub async fn run(session: &Session, syncs: &[Sync], options: Options<'_>) -> Result<Output, CommandError> {
    if !options.yes && options.plan.is_none() && options.terminal.is_none() {
        return Err(nobody("syncline plan"));
    }
    let only = options.plan.map(only).transpose()?;
    let mut text = String::new();
    let mut reports = Vec::new();
    let mut exit = Exit::Ok;
    for sync in syncs {
        let setup = session.setup(sync).await?;
        if options.reset {
            syncline_runner::forget(session.context.store.as_ref(), sync.name()).await.map_err(store_failed)?;
        }
        let asks = Ask { context: &session.context, setup: &setup, terminal: options.terminal };
        let approve: &dyn Approve = if options.yes || only.is_some() { &ApproveAll } else { &asks };
        let request = RunRequest { approve, only: only.clone() };
        let report = syncline_runner::run(&session.context, &setup, &request).await;
        session.keep_budgets().await?;
        let report = report.map_err(SessionError::from)?;
        exit = exit.max(exit_of(&report));
        describe(&setup, &report, &mut text);
        reports.push(json!({ "record": report.record, "drifted": report.drifted, "skipped": skipped(&report) }));
    }
    Ok(Output { text, json: json!({ "runs": reports }), exit })
}

fn store_failed(error: syncline_runner::StoreError) -> SessionError {
    syncline_runner::Failure::from(error).into()
}

fn only(path: &Path) -> Result<BTreeSet<[u8; 16]>, SessionError> {
    Ok(plan::load(path)?.items.iter().filter_map(|item| plan::unhex(&item.digest)).collect())
}

/// Shows the plan on a terminal and asks.
struct Ask<'a> {
    context: &'a Context,
    setup: &'a SyncSetup,
    terminal: Option<Terminal>,
}

impl Approve for Ask<'_> {
    fn approve<'a>(&'a self, planned: Planned) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Ok(shown) = plan::show(self.context, self.setup, 20).await else { return false };
            eprintln!("{}: {} changes to {} records", self.setup.name, planned.changes, planned.items);
            eprint!("{}", shown.text);
            self.terminal.is_some_and(|terminal| terminal.agrees("write this?").unwrap_or(false))
        })
    }
}

/// Returns how a run went as an exit code.
pub fn exit_of(report: &RunReport) -> Exit {
    match &report.record.outcome {
        Some(RunOutcome::Ok) if report.skipped.is_empty() => Exit::Ok,
        Some(RunOutcome::Ok | RunOutcome::OkWithRejects { .. } | RunOutcome::Partial { .. }) => Exit::Rejects,
        Some(RunOutcome::Waiting { .. }) => Exit::Waiting,
        Some(RunOutcome::Failed { .. }) | None => Exit::Failed,
    }
}

/// Says what a run did.
pub fn describe(setup: &SyncSetup, report: &RunReport, text: &mut String) {
    let record = &report.record;
    let tally = record.tally;
    let seconds = record.ended_at.map_or(0, |end| end - record.started_at).max(0) as f64 / 1000.0;
    let outcome = record.outcome.as_ref().map_or("interrupted", RunOutcome::word);
    let _ = writeln!(text, "{}: {outcome} (run {}, {seconds:.1} s)", setup.name, record.id.0);
    for (name, side) in [("left", tally.left), ("right", tally.right)] {
        let _ = writeln!(
            text,
            "  {name:<6} {} read, {} created, {} updated, {} deleted",
            side.read, side.created, side.updated, side.deleted
        );
    }
    let classes = [
        (tally.in_sync, "in sync"),
        (tally.changed, "changed"),
        (tally.excluded, "excluded"),
        (tally.ambiguous, "ambiguous"),
        (tally.held, "held"),
        (tally.rejected, "rejected"),
        (tally.failed, "failed"),
        (tally.uncertain, "uncertain"),
    ];
    let parts: Vec<String> =
        classes.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let parts = if parts.is_empty() { "nothing had changed".to_owned() } else { parts.join(", ") };
    let _ = writeln!(text, "  {} looked at: {parts}", tally.seen);
    if !tally.adds_up() {
        let _ = writeln!(text, "  these numbers do not add up, which is a mistake in Syncline; please report it");
    }
    if tally.conflicts > 0 {
        let _ =
            writeln!(text, "  {} conflicts decided by rule: syncline conflicts {} --all", tally.conflicts, setup.name);
    }
    if tally.held + tally.rejected + tally.failed + tally.ambiguous + tally.uncertain > 0 {
        let _ = writeln!(text, "  what is left and why: syncline records {}", setup.name);
    }
    if report.drifted > 0 {
        let _ = writeln!(text, "  {} items were not as in the saved plan and were left alone", report.drifted);
    }
    for (side, skipped) in report.skipped.iter().take(5) {
        let _ = writeln!(text, "  {side} record {} could not be read: {}", skipped.id, skipped.reason);
    }
    if let Some(why) = why(record.outcome.as_ref()) {
        let _ = writeln!(text, "  {why}");
    }
}

fn why(outcome: Option<&RunOutcome>) -> Option<&str> {
    match outcome? {
        RunOutcome::Ok | RunOutcome::OkWithRejects { .. } => None,
        RunOutcome::Partial { why } | RunOutcome::Waiting { why, .. } | RunOutcome::Failed { why } => Some(why),
    }
}

fn skipped(report: &RunReport) -> Vec<serde_json::Value> {
    let rows = report.skipped.iter();
    rows.map(|(side, skipped)| json!({ "side": side, "record": skipped.id, "reason": skipped.reason })).collect()
}
