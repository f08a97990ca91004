//! `syncline conflicts`: the fields on which two sides disagree, and how such were decided.
//!
//! `syncline.conflicts/1`: `syncs`, each with `sync`, `conflicts` (each a [`ShownConflict`], the newest first), and
//! `next`, the number below which there are more, and `edit_deletes`, the number of records that were deleted on one side
//! and edited on the other and wait for a decision.

use syncline_core::{Reason, Side, SyncName};
use syncline_runner::Store;
use syncline_runner::report::{self, ConflictPage, ConflictStatus, Moment, ShownConflict};

use super::CommandError;
use super::reading::{failed, syncs_named};
use crate::config::Config;
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::Table;
use crate::render::text::{self, LINE_WIDTH_MAX, plain, short_id, shortened};
use crate::render::{View, document, time};

#[derive(serde::Serialize)]
struct Report {
    syncs: Vec<Section>,
}

#[derive(serde::Serialize)]
struct Section {
    sync: SyncName,
    edit_deletes: u64,
    #[serde(flatten)]
    page: ConflictPage,
}

/// Lists the newest `limit` conflicts of each sync: the open ones, or `all`.
pub async fn report(
    store: &dyn Store,
    config: &Config,
    sync: Option<&str>,
    all: bool,
    limit: usize,
    view: View,
) -> Result<Output, CommandError> {
    let mut report = Report { syncs: Vec::new() };
    for sync in syncs_named(store, config, sync).await? {
        let page = report::conflicts(store, &sync, all, None, limit).await.map_err(failed)?;
        let totals = report::totals(store, &sync).await.map_err(failed)?;
        let edit_deletes = totals.with_reason(Reason::EditDelete);
        report.syncs.push(Section { sync, edit_deletes, page });
    }
    Ok(view.output(|| text(&report, all, view), || document("conflicts", &report)))
}

fn text(report: &Report, all: bool, view: View) -> String {
    let mut text = String::new();
    for section in &report.syncs {
        for conflict in &section.page.conflicts {
            text.push_str(&conflict_text(&section.sync, conflict, view));
            text.push('\n');
        }
        if section.page.next.is_some() {
            text.push_str("there are more; take them all with --json\n");
        }
        if section.edit_deletes > 0 {
            let (records, sync) = (text::count(section.edit_deletes, "record"), &section.sync);
            text.push_str(&format!(
                "{sync}: {records} deleted on one side and edited on the other; decide: syncline records {sync} --reason \
                 edit-delete\n"
            ));
        }
    }
    if text.is_empty() {
        text.push_str(if all { "there was no conflict yet\n" } else { "no conflict waits for a decision\n" });
    }
    text
}

fn conflict_text(sync: &SyncName, conflict: &ShownConflict, view: View) -> String {
    let label = conflict.label.as_deref().unwrap_or("a record");
    let heading = view.paint().paint(Style::Bold, &shortened(label, text::VALUE_WIDTH_MAX));
    let mut text = format!(
        "{sync} conflict {}: {heading}  {}  left {}, right {}\n",
        conflict.number,
        text::pair(conflict.pair),
        short_id(conflict.left.as_ref()),
        short_id(conflict.right.as_ref()),
    );
    let mut table = Table::default();
    for field in &conflict.fields {
        let left = text::value(&field.left, LINE_WIDTH_MAX);
        let right = text::value(&field.right, LINE_WIDTH_MAX);
        let (left_base, right_base) = (&field.left_base, &field.right_base);
        let sides =
            [(Side::Left, &field.left_field, left, left_base), (Side::Right, &field.right_field, right, right_base)];
        for (side, name, value, base) in sides {
            let time = side.pick(conflict.left_time, conflict.right_time);
            table.row([
                side.to_string().into(),
                plain(name.as_str()).into(),
                value.into(),
                was(base).into(),
                set_at(time, view).into(),
            ]);
        }
    }
    text.push_str(&table.draw(view.paint(), 2));
    text.push_str(&format!(
        "  {}, found by run {} {}\n",
        ended(conflict),
        conflict.run.0,
        time::both(view.now, conflict.at.0)
    ));
    if let (ConflictStatus::Open, Some(record), Some(field)) =
        (conflict.status, conflict.left.as_ref().or(conflict.right.as_ref()), conflict.fields.first())
    {
        let (record, field) = (plain(record.as_str()), plain(field.left_field.as_str()));
        text.push_str(&format!("  decide: syncline resolve {sync} {record} {field} --take left|right\n"));
    }
    text
}

fn was(base: &report::Cell) -> String {
    match base {
        report::Cell::Unknown => "no common value before".to_owned(),
        known => format!("was {}", text::value(known, text::VALUE_WIDTH_MAX)),
    }
}

fn set_at(at: Option<Moment>, view: View) -> String {
    at.map(|at| format!("set {}", time::both(view.now, at.0))).unwrap_or_default()
}

/// Tells how a conflict ended, in a phrase.
pub(super) fn ended(conflict: &ShownConflict) -> String {
    let winner = conflict.winner.map(|side| side.to_string()).unwrap_or_default();
    match (conflict.status, conflict.rule) {
        (ConflictStatus::Open, _) => {
            let detail = conflict.detail.as_deref().map(|detail| format!(": {}", plain(detail)));
            format!("waits for a decision{}", detail.unwrap_or_default())
        }
        (ConflictStatus::Settled, _) => "went away by itself".to_owned(),
        (ConflictStatus::DecidedByPerson, _) => format!("a person took the {winner} value"),
        (ConflictStatus::Decided, "newest") => format!("the {winner} value won: it is newer"),
        (ConflictStatus::Decided, "in-doubt") => format!("the {winner} value won: the times do not tell"),
        (ConflictStatus::Decided, "resolver") => format!("the {winner} value won: the resolver took it"),
        (ConflictStatus::Decided, "merged") => "the resolver made a value of both".to_owned(),
        (ConflictStatus::Decided, _) => format!("the {winner} value won: its side is preferred"),
    }
}
