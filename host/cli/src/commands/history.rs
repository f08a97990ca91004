//! `syncline history`: what runs did, the newest first.
//!
//! `syncline.history/1`: `runs` (each a [`RunSummary`]), and `next`, the run before which there are more.

use syncline_runner::report::{self, History, RunSummary};
use syncline_runner::{SideTally, Store};

use super::CommandError;
use super::reading::{failed, sync_named};
use crate::config::Config;
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::{Entry, Table};
use crate::render::text::{plain, shortened};
use crate::render::{View, document, time};

/// Lists the last `limit` runs of one sync or of all.
pub async fn report(
    store: &dyn Store,
    config: &Config,
    sync: Option<&str>,
    limit: usize,
    view: View,
) -> Result<Output, CommandError> {
    let sync = match sync {
        Some(name) => Some(sync_named(store, config, name).await?),
        None => None,
    };
    let history = report::history(store, sync.as_ref(), None, limit).await.map_err(failed)?;
    Ok(view.output(|| text(&history, view), || document("history", &history)))
}

fn text(history: &History, view: View) -> String {
    if history.runs.is_empty() {
        return "nothing has run yet\n".to_owned();
    }
    let mut table = Table::with_heading(&["RUN", "SYNC", "BEGAN", "", "TOOK", "OUTCOME", "LEFT", "RIGHT", "WHY"]);
    for run in &history.runs {
        table.row([
            Entry::from(run.run.0),
            plain(run.sync.as_str()).into(),
            time::absolute(run.started_at.0).into(),
            time::relative(view.now, run.started_at.0).into(),
            run.ended_at.map(|end| time::length(run.started_at.0, end.0)).unwrap_or_default().into(),
            Entry::painted(Style::of_outcome(run.outcome), outcome(run)),
            writes(&run.tally.left).into(),
            writes(&run.tally.right).into(),
            why(run, view).into(),
        ]);
    }
    let mut text = table.draw(view.paint(), 0);
    if history.next.is_some() {
        text.push_str("there are older ones; see more with --limit\n");
    }
    text
}

/// Says how a run ended, in a word.
pub(super) fn outcome(run: &RunSummary) -> &'static str {
    run.outcome.unwrap_or("no end")
}

fn why(run: &RunSummary, view: View) -> String {
    let kind = match (run.kind, run.undoes) {
        ("undo", Some(of)) => Some(format!("takes run {} back", of.0)),
        ("resolve", _) => Some("a person's decision".to_owned()),
        _ => None,
    };
    let why = run.why.as_ref().map(|why| shortened(why, 80));
    let until = run.waits_until.map(|until| format!("goes on {}", time::relative(view.now, until.0)));
    kind.into_iter().chain(why).chain(until).collect::<Vec<_>>().join("; ")
}

/// Says what was written to a side: `+2 ~1 -1`.
pub(super) fn writes(tally: &SideTally) -> String {
    let parts = [("+", tally.created), ("~", tally.updated), ("-", tally.deleted), ("*", tally.other)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}")).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(" ") }
}
