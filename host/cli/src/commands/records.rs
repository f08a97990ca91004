//! `syncline records`: the records behind the counts of `status`.
//!
//! `syncline.records/1`: `sync`, `records` (each a [`RecordLine`]), and `next`, the pair after which there is more.

use syncline_core::SyncName;
use syncline_runner::Store;
use syncline_runner::report::{self, Filter, RecordLine, RecordPage};

use super::CommandError;
use super::reading::{failed, sync_named};
use super::remedy::next_step;
use crate::config::Config;
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::{Entry, Table};
use crate::render::text::{self, VALUE_WIDTH_MAX, short_id, shortened};
use crate::render::{View, document, time};

#[derive(serde::Serialize)]
struct Report {
    sync: SyncName,
    #[serde(flatten)]
    page: RecordPage,
}

/// Lists the first `limit` records that the filter wants.
pub async fn report(
    store: &dyn Store,
    config: &Config,
    sync: &str,
    filter: Filter,
    limit: usize,
    view: View,
) -> Result<Output, CommandError> {
    let sync = sync_named(store, config, sync).await?;
    let page = report::records(store, &sync, filter, None, limit).await.map_err(failed)?;
    let report = Report { sync, page };
    Ok(view.output(|| text(&report, view), || document("records", &report)))
}

fn text(report: &Report, view: View) -> String {
    if report.page.records.is_empty() {
        return "no records\n".to_owned();
    }
    let mut table = Table::with_heading(&["PAIR", "NAME", "LEFT", "RIGHT", "STATE", "REASON", "MORE"]);
    for line in &report.page.records {
        table.row([
            text::pair(line.pair).into(),
            shortened(line.label.as_deref().unwrap_or_default(), VALUE_WIDTH_MAX).into(),
            short_id(line.left.as_ref()).into(),
            short_id(line.right.as_ref()).into(),
            Entry::painted(Style::of(line.standing), line.standing.word()),
            line.reason.map_or("", |reason| reason.code()).into(),
            more(line, view).into(),
        ]);
    }
    let mut text = table.draw(view.paint(), 0);
    if report.page.next.is_some() {
        text.push_str("there are more; narrow them with --state or --reason, or take them all with --json\n");
    }
    let decisions = report.page.records.iter().find_map(|line| next_step(&report.sync, line.pair, line.reason));
    if let Some(command) = decisions {
        text.push_str(&format!("a counterpart was deleted; decide, such as: {command}\n"));
    }
    let first = &report.page.records[0];
    text.push_str(&format!("`syncline explain {} '{}'` tells more about one\n", report.sync, text::pair(first.pair)));
    text
}

/// What was said about a record, and what comes next.
pub(super) fn more(line: &RecordLine, view: View) -> String {
    let mut parts = Vec::new();
    if let Some(detail) = &line.detail {
        let field = line.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
        let field = if detail.starts_with(&field) { "" } else { &field };
        parts.push(shortened(&format!("{field}{detail}"), 80));
    }
    for (side, ids) in [("left", &line.left_candidates), ("right", &line.right_candidates)] {
        if !ids.is_empty() {
            let ids: Vec<String> = ids.iter().take(4).map(|id| short_id(Some(id))).collect();
            parts.push(format!("{side} {}", ids.join(", ")));
        }
    }
    if !line.open_conflicts.is_empty() {
        parts.push(text::count(line.open_conflicts.len() as u64, "open conflict"));
    }
    if line.attempts > 0 {
        parts.push(text::count(line.attempts.into(), "attempt"));
    }
    if let Some(at) = line.next_at {
        parts.push(match at.0 {
            0 => "again in the next run".to_owned(),
            at => format!("again {}", time::relative(view.now, at)),
        });
    }
    parts.join("; ")
}
