//! `syncline resolve --recreate | --unpair | --delete`: what becomes of a record whose counterpart was deleted.

use serde_json::json;
use syncline_core::{Lane, PairId, Reason, SyncName};
use syncline_runner::report::{self, Asked};
use syncline_runner::{Failure, Remedy, RemedyPlan, RunOutcome};

use super::plan::describe;
use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{self, plain};
use crate::session::{Session, SessionError};

/// Returns the flag that says it on the command line.
pub fn flag(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Recreate => "--recreate",
        Remedy::Unpair => "--unpair",
        Remedy::Delete => "--delete",
    }
}

/// Returns the commands that decide about the record of a pair, if its counterpart was deleted.
pub fn next_step(sync: &SyncName, pair: PairId, reason: Option<Reason>) -> Option<String> {
    let waits = matches!(reason, Some(Reason::CounterpartDeleted | Reason::EditDelete));
    waits.then(|| format!("syncline resolve {sync} '{}' --recreate|--unpair|--delete", text::pair(pair)))
}

/// Shows what a decision would do.
pub async fn show(
    session: &Session,
    sync: &Sync,
    asked: &Asked,
    remedy: Remedy,
) -> Result<(RemedyPlan, Output), SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let plan = syncline_runner::plan_remedy(&session.context, &setup, asked, remedy).await;
    session.keep_budgets().await?;
    let plan = plan?;
    let items: Vec<_> = plan.item.iter().cloned().collect();
    let pairs =
        report::planned(session.context.store.as_ref(), &setup.name, &items, |_| None).await.map_err(Failure::from)?;
    let side = plan.side;
    let gone = plan.gone.as_ref().map(|id| plain(id.as_str()));
    let mut text = format!(
        "{}: {} on the {side} side; its counterpart {}was deleted on the {} side\n",
        setup.name,
        plain(plan.record.as_str()),
        gone.map(|id| format!("{id} ")).unwrap_or_default(),
        side.other()
    );
    pairs.iter().for_each(|pair| describe(pair, &mut text));
    if remedy == Remedy::Unpair {
        text.push_str("  nothing is written; it stays, and its counterpart is forgotten\n");
    }
    let json = json!({ "side": side, "record": plan.record, "gone": plan.gone, "items": pairs });
    Ok((plan, Output::ok(text, json)))
}

/// Carries a decision out, and nothing but what was shown, if it was.
pub async fn carry_out(
    session: &Session,
    sync: &Sync,
    asked: &Asked,
    remedy: Remedy,
    shown: Option<&RemedyPlan>,
) -> Result<Output, SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let record = syncline_runner::remedy(&session.context, &setup, asked, remedy, shown).await;
    session.keep_budgets().await?;
    let record = record?;
    let run = record.id.0;
    let done = matches!(record.outcome, Some(RunOutcome::Ok));
    let text = match remedy {
        _ if !done => format!("it could not be written; see `syncline show {run}`\n"),
        Remedy::Recreate => format!("it was created again (run {run})\n"),
        Remedy::Unpair => format!("it stays as it is, and its counterpart is forgotten (run {run})\n"),
        Remedy::Delete => format!("it was deleted too (run {run})\n"),
    };
    Ok(Output { text, json: json!({ "record": record }), exit: if done { Exit::Ok } else { Exit::Rejects } })
}
