//! `syncline resolve`: a person's decision about open conflicts, or the flip of one that a rule decided.

use serde_json::json;
use syncline_core::{FieldName, Lane, RecordId, Side};
use syncline_runner::{Dispute, Failure, RunOutcome, find_conflicts};

use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::session::{Session, SessionError};

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The record, by its id on either side.
    pub record: RecordId,
    /// The field, where the record has several conflicts.
    pub field: Option<FieldName>,
    /// The side to take, also against a past decision; none turns a past decision round.
    pub take: Option<Side>,
}

/// Decides, and writes what was decided.
pub async fn resolve(session: &Session, sync: &Sync, decision: &Decision) -> Result<Output, SessionError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let store = session.context.store.as_ref();
    let find = |which| find_conflicts(store, &setup.name, &decision.record, decision.field.as_ref(), which);
    let open = if decision.take.is_some() { find(Dispute::Open).await.ok() } else { None };
    let found = match open {
        Some(open) => open,
        // A side can be taken against a past decision too (E3.4).
        None => find(Dispute::Decided).await?,
    };
    let keep = match (decision.take, found.iter().find_map(|kept| kept.conflict.decided.winner())) {
        (Some(side), _) => side,
        (None, Some(winner)) => winner.other(),
        (None, None) => {
            return Err(Failure::Request("there is no one side that lost; say --take left or right".to_owned()).into());
        }
    };
    let numbers: Vec<u64> = found.iter().map(|kept| kept.number).collect();
    let record = syncline_runner::resolve(&session.context, &setup, &numbers, keep).await;
    session.keep_budgets().await?;
    let record = record?;
    let done = matches!(record.outcome, Some(RunOutcome::Ok));
    let text = match done {
        true => format!("the {keep} value stands on both sides now (run {})\n", record.id.0),
        false => format!("it could not be written; see `syncline show {}`\n", record.id.0),
    };
    Ok(Output { text, json: json!({ "record": record }), exit: if done { Exit::Ok } else { Exit::Rejects } })
}
