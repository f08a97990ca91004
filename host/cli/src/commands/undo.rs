//! `syncline undo RUN`: the reverse of a run, guarded.

use std::fmt::Write as _;

use serde_json::json;
use syncline_core::RunId;
use syncline_runner::{NotUndone, RunOutcome, UndoPlan};

use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::session::{Session, SessionError};

/// Shows what undoing a run would do.
pub async fn plan(session: &Session, sync: &Sync, run: RunId) -> Result<Output, SessionError> {
    let setup = session.setup(sync).await?;
    let plan = syncline_runner::plan_undo(&session.context, &setup, run).await?;
    let count = plan.items.len();
    let mut text = format!("undoing run {} would change {count} record{}\n", run.0, if count == 1 { "" } else { "s" });
    describe(&plan, &mut text);
    Ok(Output::ok(text, json!({ "items": plan.items, "skipped": skipped(&plan) })))
}

/// Undoes a run.
pub async fn undo(session: &Session, sync: &Sync, run: RunId) -> Result<Output, SessionError> {
    let setup = session.setup(sync).await?;
    let report = syncline_runner::undo(&session.context, &setup, run).await;
    session.keep_budgets().await?;
    let report = report?;
    let done = matches!(report.record.outcome, Some(RunOutcome::Ok));
    let mut text = format!(
        "run {} is undone as run {}: {} records changed back, {} things left alone\n",
        run.0,
        report.record.id.0,
        report.record.tally.changed,
        report.plan.skipped.len()
    );
    describe_skipped(&report.plan, &mut text);
    let exit = if done && report.plan.skipped.is_empty() { Exit::Ok } else { Exit::Rejects };
    let json = json!({ "record": report.record, "items": report.plan.items, "skipped": skipped(&report.plan) });
    Ok(Output { text, json, exit })
}

fn describe(plan: &UndoPlan, text: &mut String) {
    for change in plan.items.iter().flat_map(|item| &item.changes).take(50) {
        let record = change.record.as_ref().map(ToString::to_string).unwrap_or_default();
        let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
        let _ = writeln!(text, "  {} {} {record}: {}", change.kind.verb(), change.side, fields.join(", "));
    }
    describe_skipped(plan, text);
}

fn describe_skipped(plan: &UndoPlan, text: &mut String) {
    for NotUndone { side, record, field, reason, .. } in plan.skipped.iter().take(50) {
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
