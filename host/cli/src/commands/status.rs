//! `syncline status`: how each sync stands, with reasons; its last and its next run; what connections have used up.
//!
//! `syncline.status/1`: `syncs`, each with `left`, `right`, `active`, `schedule`, `next_run` and everything of
//! [`SyncStatus`]; `tasks` with `used`, `limit`, `ends_at` and the `changes` of the limit; `budgets`, one for each
//! account with the names of its connections in `connection`, `held_until`, and `windows` of `per_s`, `calls` and `of`;
//! `store` with `disk_bytes` and `live_bytes`, only when it should be compacted.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_core::{Instant, Reason, Side};
use syncline_net::BudgetState;
use syncline_runner::report::{self, Moment, RunSummary, SyncStatus};
use syncline_runner::{BudgetOwner, Stats, Store, budget_owner, kept_budget, limit_changes, task_count};

use super::CommandError;
use super::compact::mib;
use super::reading::{failed, syncs_named};
use crate::config::{Config, Sync};
use crate::output::Output;
use crate::render::paint::Style;
use crate::render::table::{Entry, Table};
use crate::render::text::plain;
use crate::render::{View, document, time};

#[derive(Serialize)]
struct Report {
    syncs: Vec<Line>,
    tasks: Tasks,
    budgets: Vec<Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Overgrown>,
}

/// Files that hold much more than rows.
#[derive(Serialize)]
struct Overgrown {
    disk_bytes: u64,
    live_bytes: u64,
}

/// The budget of the month (E7).
#[derive(Serialize)]
struct Tasks {
    used: u64,
    limit: u64,
    ends_at: Moment,
    changes: Vec<LimitChange>,
}

#[derive(Serialize)]
struct LimitChange {
    at: Moment,
    by: String,
    before: u64,
    after: u64,
}

#[derive(Serialize)]
struct Line {
    left: Option<String>,
    right: Option<String>,
    active: bool,
    schedule: Option<String>,
    next_run: Option<Moment>,
    /// How often it is asked who is in its lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<String>,
    #[serde(flatten)]
    status: SyncStatus,
}

#[derive(Serialize)]
struct Budget {
    connection: String,
    held_until: Option<Moment>,
    windows: Vec<Window>,
}

#[derive(Serialize)]
struct Window {
    per_s: u64,
    calls: u64,
    of: u32,
}

/// Tells how one sync or all of them stand.
pub async fn report(
    store: &dyn Store,
    config: &Config,
    sync: Option<&str>,
    view: View,
) -> Result<Output, CommandError> {
    let tasks = tasks(store, config, view.now).await?;
    let overgrown = overgrown(store.stats().await.map_err(failed)?);
    let mut report = Report { syncs: Vec::new(), tasks, budgets: Vec::new(), store: overgrown };
    for name in syncs_named(store, config, sync).await? {
        let status = report::status(store, &name).await.map_err(failed)?;
        report.syncs.push(line(config.sync(&name), status, view.now));
    }
    let mut accounts: BTreeMap<BudgetOwner, Vec<&str>> = BTreeMap::new();
    for connection in &config.connections {
        let name = connection.name().as_str();
        accounts.entry(budget_owner(store, name, None).await.map_err(failed)?).or_default().push(name);
    }
    for (owner, connections) in accounts {
        let kept = kept_budget(store, &owner).await.map_err(failed)?;
        let state: Option<BudgetState> = kept.and_then(|text| serde_json::from_str(&text).ok());
        report.budgets.extend(state.and_then(|state| budget(connections.join(" and "), &state, view.now)));
    }
    Ok(view.output(|| text(&report, view), || document("status", &report)))
}

fn overgrown(stats: Stats) -> Option<Overgrown> {
    let live_bytes = stats.live_bytes.filter(|_| stats.wants_compaction())?;
    Some(Overgrown { disk_bytes: stats.disk_bytes, live_bytes })
}

fn overgrown_text(Overgrown { disk_bytes, live_bytes }: &Overgrown) -> String {
    let (files, rows) = (mib(*disk_bytes), mib(*live_bytes));
    format!("store: {files} of files for {rows} of rows; `syncline store compact` gives most of it back\n")
}

async fn tasks(store: &dyn Store, config: &Config, now: Instant) -> Result<Tasks, CommandError> {
    let count = task_count(store, &config.tasks, now).await.map_err(failed)?;
    let changes = limit_changes(store).await.map_err(failed)?.into_iter();
    let shown = |change: syncline_core::LimitChange| LimitChange {
        at: Moment(change.at),
        by: change.by,
        before: change.before,
        after: change.after,
    };
    Ok(Tasks {
        used: count.used,
        limit: count.limit,
        ends_at: Moment(count.period.ends_at),
        changes: changes.map(shown).collect(),
    })
}

fn tasks_text(tasks: &Tasks, view: View) -> String {
    let Tasks { used, limit, ends_at, changes } = tasks;
    let mut text = format!("tasks: {used} of {limit} this month, which ends {}", time::relative(view.now, ends_at.0));
    if let Some(LimitChange { at, by, before, .. }) = changes.last() {
        let when = time::relative(view.now, at.0);
        text.push_str(&format!("; the limit was {before} before {} changed it {when}", plain(by)));
    }
    text.push('\n');
    text
}

fn line(sync: Option<&Sync>, status: SyncStatus, now: Instant) -> Line {
    let active = sync.is_some_and(|sync| sync.active);
    let schedule = sync.and_then(|sync| sync.schedule.as_ref());
    let last = status.last_run.as_ref().map(|run| run.started_at.0);
    Line {
        left: sync.map(|sync| sync.endpoint(Side::Left).to_string()),
        right: sync.map(|sync| sync.endpoint(Side::Right).to_string()),
        active,
        schedule: schedule.map(|schedule| schedule.to_string()),
        next_run: schedule.filter(|_| active).and_then(|schedule| schedule.due(last, now)).map(Moment),
        lists: sync.filter(|sync| sync.scope.asks_for_lists()).map(|sync| sync.scope.lists_every().to_string()),
        status,
    }
}

/// What is used up now of what was when it was written down.
fn budget(connection: String, state: &BudgetState, now: Instant) -> Option<Budget> {
    let passed_ms = now.saturating_sub_unsigned(state.at_ms).max(0).unsigned_abs();
    let held_until =
        (state.held_ms > passed_ms).then(|| Moment(now.saturating_add_unsigned(state.held_ms - passed_ms)));
    let windows = state.windows.iter().map(|window| Window {
        per_s: window.limit.per_ms / 1000,
        of: window.calls,
        calls: window
            .counted
            .spent
            .iter()
            .filter(|(free_ms, _)| *free_ms > passed_ms)
            .map(|(_, calls)| u64::from(*calls))
            .sum(),
    });
    let windows: Vec<Window> = windows.filter(|window| window.calls > 0).collect();
    (held_until.is_some() || !windows.is_empty()).then_some(Budget { connection, held_until, windows })
}

fn text(report: &Report, view: View) -> String {
    let mut text = String::new();
    for line in &report.syncs {
        sync_text(&mut text, line, view);
        text.push('\n');
    }
    text.push_str(&tasks_text(&report.tasks, view));
    for budget in &report.budgets {
        let calls = budget
            .windows
            .iter()
            .map(|window| format!("{} of {} calls in {} s", window.calls, window.of, window.per_s));
        let held =
            budget.held_until.map(|until| format!("asks to wait, goes on {}", time::relative(view.now, until.0)));
        let parts: Vec<String> = calls.chain(held).collect();
        text.push_str(&format!("{}: {}\n", plain(&budget.connection), parts.join(", ")));
    }
    if let Some(overgrown) = &report.store {
        text.push_str(&overgrown_text(overgrown));
    }
    if report.syncs.is_empty() {
        text.push_str("there is no sync in the configuration\n");
    }
    text
}

fn sync_text(text: &mut String, line: &Line, view: View) {
    let paint = view.paint();
    let status = &line.status;
    let ends = match (&line.left, &line.right) {
        (Some(left), Some(right)) => format!("{} <-> {}", plain(left), plain(right)),
        _ => "not in the configuration any more".to_owned(),
    };
    let mut facts = vec![ends];
    facts.extend(line.schedule.clone());
    facts.extend(line.lists.as_ref().map(|lists| format!("lists {lists}")));
    if !line.active && line.left.is_some() {
        facts.push("a draft: it does not run by itself".to_owned());
    }
    text.push_str(&format!("{}  {}\n", paint.paint(Style::Bold, status.sync.as_str()), facts.join(", ")));
    let mut table = Table::default();
    runs(&mut table, line, view);
    let waiting = [
        (status.planned > 0).then(|| format!("{} planned", status.planned)),
        (status.queued > 0).then(|| format!("{} for the next run", status.queued)),
        status.next_retry.map(|at| {
            format!("{} looked at again later, the first {}", status.retries, time::relative(view.now, at.0))
        }),
    ];
    let waiting: Vec<String> = waiting.into_iter().flatten().collect();
    if !waiting.is_empty() {
        table.row(["waiting".into(), waiting.join(", ").into()]);
    }
    if let Some(run) = status.last_run.as_ref().filter(|run| run.waits_for == Some(Reason::Quota)) {
        let until = run.waits_until.map(|until| format!(", goes on {}", time::relative(view.now, until.0)));
        let text = format!("paused: quota{}", until.unwrap_or_default());
        table.row(["state".into(), Entry::painted(Style::Yellow, text)]);
    }
    if let Some(waiting) = &status.waiting_deletes {
        let text = super::run::waiting_text(&status.sync, waiting);
        table.row(["approval".into(), Entry::painted(Style::Yellow, text)]);
    }
    if status.open_conflicts > 0 {
        let open = format!("{} open; see `syncline conflicts {}`", status.open_conflicts, status.sync);
        table.row(["conflicts".into(), Entry::painted(Style::Yellow, open)]);
    }
    table.row(["records".into(), status.pairs.to_string().into()]);
    text.push_str(&table.draw(paint, 2));
    let mut counts = Table::default();
    for count in &status.counts {
        counts.row([
            Entry::from(count.pairs),
            Entry::painted(Style::of(count.standing), count.standing.word()),
            count.reason.map_or("", |reason| reason.code()).into(),
            count.meaning.unwrap_or_default().into(),
        ]);
    }
    text.push_str(&counts.draw(paint, 4));
}

fn runs(table: &mut Table, line: &Line, view: View) {
    match &line.status.last_run {
        Some(run) => {
            let style = Style::of_outcome(run.outcome);
            table.row(["last run".into(), Entry::painted(style, last_run(run, view))]);
        }
        None => table.row(["last run".into(), "never".into()]),
    }
    if let Some(open) = &line.status.open_run {
        let what = match (open.ended, view.serving) {
            (true, _) => "ended early; the next run takes up what it left",
            (false, true) => "is under way",
            (false, false) => "was interrupted; the next run takes it up",
        };
        table.row(["open".into(), Entry::painted(Style::Yellow, format!("run {} {what}", open.run.0))]);
    }
    if let Some(at) = line.next_run {
        let when = if at.0 <= view.now { "due".to_owned() } else { time::relative(view.now, at.0) };
        let how = if view.serving { "" } else { ", while `syncline serve` runs" };
        table.row(["next run".into(), format!("{when}{how}").into()]);
    }
}

fn last_run(run: &RunSummary, view: View) -> String {
    let outcome = run.outcome.unwrap_or("without an end");
    let why = run.why.as_ref().map(|why| format!(" ({})", plain(why))).unwrap_or_default();
    format!("run {}: {outcome}{why}, {}", run.run.0, time::both(view.now, run.started_at.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Counted;
    use syncline_net::{RateLimit, Spending};

    #[test]
    fn a_store_is_told_of_only_when_a_copy_is_worth_its_while() {
        let told = |disk_mib: u64, live_mib: Option<u64>| {
            let live_bytes = live_mib.map(|mib| mib << 20);
            overgrown(Stats { disk_bytes: disk_mib << 20, live_bytes, ..Stats::default() })
        };
        for (disk_mib, live_mib) in [(1_000, Some(1)), (3_000, Some(1_000)), (5_000, None)] {
            assert!(told(disk_mib, live_mib).is_none(), "{disk_mib} MiB for {live_mib:?}");
        }
        let text = overgrown_text(&told(3_001, Some(1_000)).expect("told"));
        assert_eq!(
            text,
            "store: 3001.0 MiB of files for 1000.0 MiB of rows; `syncline store compact` gives most of it back\n"
        );
    }

    #[test]
    fn a_budget_is_told_as_it_is_now() {
        let spent = vec![(1_000, 5), (60_000, 7)];
        let state = BudgetState {
            at_ms: 1_000_000,
            held_ms: 20_000,
            windows: vec![Spending {
                limit: RateLimit::new(100, 86_400_000),
                calls: 100,
                counted: Counted { spent, told: None },
            }],
        };
        let now = budget("crm".to_owned(), &state, 1_010_000).expect("something is used up");
        assert_eq!((now.held_until, now.windows[0].per_s, now.windows[0].calls), (Some(Moment(1_020_000)), 86_400, 7));
        assert!(budget("crm".to_owned(), &state, 2_000_000).is_none(), "everything is free again");
    }
}
