//! `syncline show`: one run, change by change.
//!
//! `syncline.run/1`: everything of [`RunSummary`](report::RunSummary), `changes` (each a [`ShownChange`]), and `next`, the
//! number after which there are more.

use syncline_core::RunId;
use syncline_runner::report::{self, RunPage, ShownChange, ShownField};
use syncline_runner::{Store, Tally};

use super::CommandError;
use super::history::{outcome, writes};
use super::reading::failed;
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::Table;
use crate::render::text::{self, VALUE_WIDTH_MAX, plain, short_id, shortened};
use crate::render::{View, document, time};

/// Shows a run with its first `limit` changes.
pub async fn report(store: &dyn Store, run: RunId, limit: usize, view: View) -> Result<Output, CommandError> {
    let page = report::show(store, run, None, limit).await.map_err(failed)?;
    let page = page.ok_or_else(|| no_run(run))?;
    Ok(view.output(|| text(&page, view), || document("run", &page)))
}

/// Says that there is no such run.
pub(super) fn no_run(run: RunId) -> CommandError {
    CommandError::Usage(format!("there is no run {}; `syncline history` lists them", run.0))
}

fn text(page: &RunPage, view: View) -> String {
    let paint = view.paint();
    let run = &page.run;
    let kind = match (run.kind, run.undoes) {
        ("undo", Some(of)) => format!(", takes run {} back", of.0),
        ("resolve", _) => ", a person's decision".to_owned(),
        _ => String::new(),
    };
    let mut text = format!("{}  {}{kind}\n", paint.paint(Style::Bold, &format!("run {}", run.run.0)), run.sync);
    let mut table = Table::default();
    let took = run.ended_at.map(|end| format!(", took {}", time::length(run.started_at.0, end.0))).unwrap_or_default();
    table.row(["began".into(), format!("{}{took}", time::both(view.now, run.started_at.0)).into()]);
    let why = run.why.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
    table.row(["outcome".into(), format!("{}{why}", outcome(run)).into()]);
    table.row([
        "written".into(),
        format!("left {}, right {}", writes(&run.tally.left), writes(&run.tally.right)).into(),
    ]);
    table.row(["counted".into(), identity(&run.tally, run.adds_up).into()]);
    text.push_str(&table.draw(paint, 2));
    for change in &page.changes {
        text.push('\n');
        text.push_str(&change_text(change, view));
    }
    if page.next.is_some() {
        text.push_str("\nthere are more changes; take them all with --json\n");
    }
    text
}

/// The sum of E8.2, with what is not zero.
fn identity(tally: &Tally, adds_up: bool) -> String {
    let there = tally.classes().into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = there.map(|(class, count)| format!("{count} {class}")).collect();
    let sum = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
    let verdict = if adds_up { "" } else { "  THIS DOES NOT ADD UP" };
    format!("{} seen = {sum}{verdict}", tally.seen)
}

fn change_text(change: &ShownChange, view: View) -> String {
    let paint = view.paint();
    let label = change.label.as_deref().map(|label| shortened(label, VALUE_WIDTH_MAX)).unwrap_or_default();
    let mut text = format!(
        "{} {} {} {}  {}\n",
        change.side,
        change.does,
        short_id(change.record.as_ref()),
        paint.paint(Style::Bold, &label),
        paint.paint(Style::Dim, &text::pair(change.pair)),
    );
    if change.outcome != "written" {
        let (style, what) = match change.outcome {
            "open" => (Style::Yellow, "the outcome is not known yet".to_owned()),
            _ => {
                let reason = change.reason.map_or("", |reason| reason.code());
                let detail = change.detail.as_deref().map(|detail| shortened(detail, text::LINE_WIDTH_MAX));
                (Style::Red, format!("not done: {reason}: {}", detail.unwrap_or_default()))
            }
        };
        text.push_str(&format!("  {}\n", paint.paint(style, &what)));
    }
    let mut table = Table::default();
    for field in &change.fields {
        let name = plain(field.field.as_str());
        table.row([name.into(), values(field).into(), field.why.describe().into()]);
    }
    text.push_str(&table.draw(paint, 2));
    text
}

fn values(field: &ShownField) -> String {
    let after = text::value(&field.after, VALUE_WIDTH_MAX);
    let stored = field.stored.as_ref().map(|stored| format!(", stored as {}", text::value(stored, VALUE_WIDTH_MAX)));
    let stored = stored.unwrap_or_default();
    match &field.before {
        report::Cell::Unknown => format!("{after}{stored}"),
        before => format!("{} -> {after}{stored}", text::value(before, VALUE_WIDTH_MAX)),
    }
}
