//! `syncline undo RUN`: the reverse of a run, guarded.

use std::fmt::Write as _;

use serde_json::json;
use syncline_core::RunId;
use syncline_runner::report::{self, PlannedPair};
use syncline_runner::{Failure, NotUndone, RunOutcome, UndoPlan};

use super::plan::headline;

use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{count, plain};
use crate::session::{Session, SessionError};

/// Shows what undoing a run would do.
pub async fn plan(session: &Session, sync: &Sync, run: RunId) -> Result<Output, SessionError> {
    let setup = session.setup(sync).await?;
    let plan = syncline_runner::plan_undo(&session.context, &setup, run).await?;
    let pairs = shown(session, sync, &plan).await?;
    let records = count(pairs.len() as u64, "record");
    let mut text = format!("undoing run {} would change {records}\n", run.0);
    describe(&pairs, &plan, &mut text);
    Ok(Output::ok(text, json!({ "items": pairs, "skipped": skipped(&plan) })))
}

/// Undoes a run.
pub async fn undo(session: &Session, sync: &Sync, run: RunId) -> Result<Output, SessionError> {
    let setup = session.setup(sync).await?;
    let report = syncline_runner::undo(&session.context, &setup, run).await;
    session.keep_budgets().await?;
    let report = report?;
    let done = matches!(report.record.outcome, Some(RunOutcome::Ok));
    let mut text = format!(
        "run {} is undone as run {}: {} changed back, {} left alone\n",
        run.0,
        report.record.id.0,
        count(report.record.tally.changed, "record"),
        count(report.plan.skipped.len() as u64, "thing")
    );
    describe_skipped(&report.plan, &mut text);
    let exit = if done && report.plan.skipped.is_empty() { Exit::Ok } else { Exit::Rejects };
    let pairs = shown(session, sync, &report.plan).await?;
    let json = json!({ "record": report.record, "items": pairs, "skipped": skipped(&report.plan) });
    Ok(Output { text, json, exit })
}

/// Writes that are shown at the most, and as many that are left alone.
const SHOWN_MAX: usize = 50;

/// Returns the items with names, and without what sensitive fields hold.
async fn shown(session: &Session, sync: &Sync, plan: &UndoPlan) -> Result<Vec<PlannedPair>, Failure> {
    Ok(report::planned(session.context.store.as_ref(), sync.name(), &plan.items).await?)
}

fn describe(pairs: &[PlannedPair], plan: &UndoPlan, text: &mut String) {
    let writes = pairs.iter().flat_map(|pair| pair.changes.iter().map(move |change| (pair, change)));
    let all = writes.clone().count();
    for (pair, change) in writes.take(SHOWN_MAX) {
        headline(pair, change, text);
        if !change.fields.is_empty() {
            let fields: Vec<String> = change.fields.iter().map(|field| plain(field.field.as_str())).collect();
            let _ = writeln!(text, "      {}", fields.join(", "));
        }
    }
    if all > SHOWN_MAX {
        let _ = writeln!(text, "  ... and {} more; take them all with --json", all - SHOWN_MAX);
    }
    describe_skipped(plan, text);
}

fn describe_skipped(plan: &UndoPlan, text: &mut String) {
    for NotUndone { side, record, field, reason, .. } in plan.skipped.iter().take(SHOWN_MAX) {
        let record = record.as_ref().map(ToString::to_string).unwrap_or_default();
        let field = field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        let _ = writeln!(text, "  left alone: {side} {record}{field}: {reason}");
    }
}

fn skipped(plan: &UndoPlan) -> Vec<serde_json::Value> {
    let rows = plan.skipped.iter();
    rows.map(|one| json!({ "side": one.side, "record": one.record, "field": one.field, "reason": one.reason }))
        .collect()
}
