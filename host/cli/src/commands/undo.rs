//! `syncline undo RUN`: the reverse of a run, guarded.

use std::fmt::Write as _;

use serde_json::json;
use syncline_core::{Change, Lane, PlanItem};
use syncline_runner::report::{self, PlannedPair};
use syncline_runner::{Context, Failure, NotUndone, RunOutcome, SyncSetup, Undo, Verified, left_alone, planned_items};

use super::plan::{Costs, describe};
use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{count, plain};
use crate::session::{Session, SessionError};

/// Shows what undoing would do; only with `json` is all of it kept in memory.
pub async fn plan(session: &Session, sync: &Sync, undo: &Undo, json: bool) -> Result<Output, SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let plan = syncline_runner::plan_undo(&session.context, &setup, undo).await?;
    let records = count(plan.items, "record");
    let mut text = format!("undoing run {} would change {records}\n", undo.run.0);
    let costs = Costs::of(session, &setup, Lane::Interactive).await?;
    let items = planned(&session.context, &setup, &costs, json, &mut text).await?;
    let (skipped, _) = skipped(&session.context, &setup, json, &mut text).await?;
    Ok(Output::ok(text, json!({ "items": items, "skipped": skipped })))
}

/// Undoes a run, or a part of it.
pub async fn undo(session: &Session, sync: &Sync, undo: &Undo, json: bool) -> Result<Output, SessionError> {
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
    let (skipped, all) = skipped(&session.context, &setup, json, &mut text).await?;
    let exit = if done && all == 0 { Exit::Ok } else { Exit::Rejects };
    let json = json!({
        "record": report.record,
        "verified": { "held": held, "differing": differing },
        "skipped": skipped,
    });
    Ok(Output { text, json, exit })
}

/// Records that are shown at the most, and as many things that are left alone.
const SHOWN_MAX: u64 = 50;

/// Describes what would be taken back, with names, without what sensitive fields hold, and with what an undo of the undo
/// cannot bring back. Returns all of it if it is `wanted`.
async fn planned(
    context: &Context,
    setup: &SyncSetup,
    costs: &Costs,
    wanted: bool,
    text: &mut String,
) -> Result<Vec<PlannedPair>, Failure> {
    let lasting = |change: &Change| costs.abilities(change.side).lasting(&change.kind);
    let (mut pairs, mut all, mut after) = (Vec::new(), 0, 0);
    loop {
        let page = planned_items(context, setup, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let items: Vec<PlanItem> = page.into_iter().map(|(_, item)| item).collect();
        let room = room(all);
        all += items.len() as u64;
        let told = if wanted { items.len() } else { room.min(items.len()) };
        let page = report::planned(context.store.as_ref(), &setup.name, &items[..told], lasting).await?;
        page.iter().take(room).for_each(|pair| describe(pair, text));
        if wanted {
            pairs.extend(page);
        }
    }
    tell_more(all, text);
    Ok(pairs)
}

/// Describes what is left alone and what did not turn out as it should; returns all of it if it is `wanted`, and how much
/// there is.
async fn skipped(
    context: &Context,
    setup: &SyncSetup,
    wanted: bool,
    text: &mut String,
) -> Result<(Vec<serde_json::Value>, u64), Failure> {
    let (mut skipped, mut all, mut after) = (Vec::new(), 0, 0);
    loop {
        let page = left_alone(context, setup, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, NotUndone { side, record, field, reason, .. }) in page.iter().take(room(all)) {
            let record = record.as_ref().map(|record| plain(record.as_str())).unwrap_or_default();
            let field = field.as_ref().map(|field| format!(" {}", plain(field.as_str()))).unwrap_or_default();
            let _ = writeln!(text, "  left alone: {side} {record}{field}: {reason}");
        }
        all += page.len() as u64;
        let json = |one: NotUndone| json!({ "side": one.side, "record": one.record, "field": one.field, "reason": one.reason });
        skipped.extend(page.into_iter().filter(|_| wanted).map(|(_, one)| json(one)));
    }
    tell_more(all, text);
    Ok((skipped, all))
}

/// Says how many more are shown after so many.
fn room(shown: u64) -> usize {
    usize::try_from(SHOWN_MAX.saturating_sub(shown)).unwrap_or(usize::MAX)
}

fn tell_more(all: u64, text: &mut String) {
    if all > SHOWN_MAX {
        let _ = writeln!(text, "  ... and {} more; take them all with --json", all - SHOWN_MAX);
    }
}
