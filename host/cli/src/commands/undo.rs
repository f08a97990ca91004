//! `syncline undo RUN`: the reverse of a run, guarded.

use std::fmt::Write as _;

use serde_json::json;
use syncline_core::{Change, Lane, PlanItem};
use syncline_runner::report::{self, PlannedPair};
use syncline_runner::{Context, Failure, NotUndone, RunOutcome, SyncSetup, Undo, Verified, left_alone, planned_items};

use super::plan::{Costs, headline};

use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{count, plain};
use crate::session::{Session, SessionError};

/// Shows what undoing would do.
pub async fn plan(session: &Session, sync: &Sync, undo: &Undo) -> Result<Output, SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let plan = syncline_runner::plan_undo(&session.context, &setup, undo).await?;
    let records = count(plan.items, "record");
    let mut text = format!("undoing run {} would change {records}\n", undo.run.0);
    let costs = Costs::of(session, &setup, Lane::Interactive).await?;
    let pairs = shown(&session.context, &setup, &costs).await?;
    describe(&pairs, &mut text);
    let left = left(&session.context, &setup).await?;
    describe_left(&left, &mut text);
    Ok(Output::ok(text, json!({ "items": pairs, "skipped": json_of(&left) })))
}

/// Undoes a run, or a part of it.
pub async fn undo(session: &Session, sync: &Sync, undo: &Undo) -> Result<Output, SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let report = syncline_runner::undo(&session.context, &setup, undo).await;
    session.keep_budgets().await?;
    let report = report?;
    let done = matches!(report.record.outcome, Some(RunOutcome::Ok));
    let Verified { held, differing } = report.verified;
    let mut text = format!(
        "run {} is undone as run {}: {} changed back, {} left alone\n",
        undo.run.0,
        report.record.id.0,
        count(report.record.tally.changed, "record"),
        count(report.plan.skipped, "thing")
    );
    let _ = match differing {
        0 => writeln!(text, "  looked at afterwards: {} as they should be", count(held, "write")),
        wrong => writeln!(
            text,
            "  looked at afterwards: {} as they should be, and {} not as they should be",
            count(held, "write"),
            count(wrong, "thing")
        ),
    };
    let left = left(&session.context, &setup).await?;
    describe_left(&left, &mut text);
    let exit = if done && left.is_empty() { Exit::Ok } else { Exit::Rejects };
    let json = json!({
        "record": report.record,
        "verified": { "held": held, "differing": differing },
        "skipped": json_of(&left),
    });
    Ok(Output { text, json, exit })
}

/// Writes that are shown at the most, and as many that are left alone.
const SHOWN_MAX: usize = 50;

/// Returns the items of the plan with names, without what sensitive fields hold, and with what an undo of the undo cannot
/// bring back.
async fn shown(context: &Context, setup: &SyncSetup, costs: &Costs) -> Result<Vec<PlannedPair>, Failure> {
    let lasting = |change: &Change| costs.abilities(change.side).lasting(&change.kind);
    let mut pairs = Vec::new();
    let mut after = 0;
    loop {
        let page = planned_items(context, setup, after).await?;
        let Some((last, _)) = page.last() else { return Ok(pairs) };
        after = *last;
        let items: Vec<PlanItem> = page.into_iter().map(|(_, item)| item).collect();
        pairs.extend(report::planned(context.store.as_ref(), &setup.name, &items, lasting).await?);
    }
}

/// Returns what is left alone.
async fn left(context: &Context, setup: &SyncSetup) -> Result<Vec<NotUndone>, Failure> {
    let mut left = Vec::new();
    let mut after = 0;
    loop {
        let page = left_alone(context, setup, after).await?;
        let Some((last, _)) = page.last() else { return Ok(left) };
        after = *last;
        left.extend(page.into_iter().map(|(_, thing)| thing));
    }
}

fn describe(pairs: &[PlannedPair], text: &mut String) {
    let writes = pairs.iter().flat_map(|pair| pair.changes.iter().map(move |change| (pair, change)));
    let all = writes.clone().count();
    for (pair, change) in writes.take(SHOWN_MAX) {
        headline(pair, change, text);
        if let Some(lasting) = change.lasting {
            let _ = writeln!(text, "      {}", lasting.describe());
        }
        if !change.fields.is_empty() {
            let fields: Vec<String> = change.fields.iter().map(|field| plain(field.field.as_str())).collect();
            let _ = writeln!(text, "      {}", fields.join(", "));
        }
    }
    if all > SHOWN_MAX {
        let _ = writeln!(text, "  ... and {} more; take them all with --json", all - SHOWN_MAX);
    }
}

fn describe_left(left: &[NotUndone], text: &mut String) {
    for NotUndone { side, record, field, reason, .. } in left.iter().take(SHOWN_MAX) {
        let record = record.as_ref().map(ToString::to_string).unwrap_or_default();
        let field = field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        let _ = writeln!(text, "  left alone: {side} {record}{field}: {reason}");
    }
    if left.len() > SHOWN_MAX {
        let _ = writeln!(text, "  ... and {} more; take them all with --json", left.len() - SHOWN_MAX);
    }
}

fn json_of(left: &[NotUndone]) -> Vec<serde_json::Value> {
    left.iter()
        .map(|one| json!({ "side": one.side, "record": one.record, "field": one.field, "reason": one.reason }))
        .collect()
}
