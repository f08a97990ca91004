//! `syncline plan`: what a run would write, record by record and field by field, with the reasons.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;
use syncline_core::{Change, ChangeKind, Lane, Lasting, PlanDigest, PlanItem, Side, SyncName, Why};
use syncline_runner::report::{self, Cell, PlannedChange, PlannedPair};
use syncline_runner::{Context, Failure, Guarded, SyncSetup, planned_items};

use super::impact;
use super::run::waiting_text;
use super::several::Several;
use crate::commands::CommandError;
use crate::config::Sync;
use crate::output::Output;
use crate::render::text::{self, VALUE_WIDTH_MAX, plain};
use crate::session::Session;

mod estimate;
pub mod saved;

pub use estimate::Costs;
use estimate::Estimate;
use saved::{SavedItem, Saving, hex};

/// Records that are shown in full unless all are asked for.
const SHOWN: u64 = 20;

/// What is wanted of a plan. Without what needs every item, memory does not grow with their number.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// How many records are shown in words.
    pub shown_max: u64,
    /// Every item, for a file or a program.
    pub items: bool,
    /// What the estimate is made from.
    pub costs: &'a Costs,
}

impl<'a> Wanted<'a> {
    /// A glance, for people.
    pub fn glance(costs: &'a Costs) -> Wanted<'a> {
        Wanted { shown_max: SHOWN, items: false, costs }
    }
}

/// Pulls, plans and shows; with `json` every item is in the answer, with `out` in that file.
pub async fn plan(
    session: &Session,
    syncs: &[Sync],
    all: bool,
    json: bool,
    out: Option<&Path>,
) -> Result<Output, CommandError> {
    if out.is_some() && syncs.len() > 1 {
        return Err(CommandError::Usage(
            "a file keeps the plan of one sync; name it: `syncline plan SYNC --out FILE`".to_owned(),
        ));
    }
    let mut several = Several::new("plans", syncs);
    for sync in syncs {
        let planned = session.keeping_budgets(plan_one(session, sync, all, json, out)).await?;
        several.add(sync, planned)?;
    }
    Ok(several.output())
}

async fn plan_one(
    session: &Session,
    sync: &Sync,
    all: bool,
    json: bool,
    out: Option<&Path>,
) -> Result<Output, CommandError> {
    let setup = session.setup(sync, Lane::Interactive).await?;
    let shown_max = if all { u64::MAX } else { SHOWN };
    let costs = Costs::of(session, &setup, Lane::Interactive).await?;
    let wanted = Wanted { shown_max, items: json || out.is_some(), costs: &costs };
    let (planned, report) = syncline_runner::plan(&session.context, &setup).await?;
    let mut text = format!("{}: {} and {}\n", setup.name, setup.left.endpoint, setup.right.endpoint);
    let mut items = Vec::new();
    let mut saving = out.map(|path| Saving::begin(path, &setup.name)).transpose()?;
    let shown = show(&session.context, &setup, wanted, |item| {
        if let Some(saving) = &mut saving {
            saving.add(&item);
        }
        if json {
            items.push(item);
        }
    })
    .await?;
    text.push_str(&report.impact.as_ref().map(impact::text).unwrap_or_default());
    text.push_str(&shown.text);
    if planned.changes == 0 {
        text.push_str("  nothing to do\n");
    }
    guarded_text(&setup.name, &report.guarded, &mut text);
    if let (Some(saving), Some(path)) = (saving, out) {
        saving.end(&shown.digest)?;
        let path = path.display();
        let _ = writeln!(
            text,
            "written to {path}; carry out exactly this with `syncline run {} --plan {path}`",
            setup.name
        );
    }
    let mut json = json!({
        "format": saved::FORMAT,
        "sync": setup.name,
        "digest": shown.digest,
        "guarded": report.guarded,
        "estimate": shown.estimate,
        "items": items,
    });
    // Only where a filter or list has changed.
    if let Some(impact) = &report.impact {
        json["impact"] = json!(impact);
    }
    Ok(Output::ok(text, json))
}

/// Says by which digest a plan is approved, and what the guards make of it.
fn guarded_text(sync: &SyncName, guarded: &Guarded, text: &mut String) {
    for breaker in &guarded.breakers {
        let _ = writeln!(text, "  a run would stop at the guard `{}`: {breaker}", breaker.name());
    }
    if !guarded.breakers.is_empty() {
        let _ = writeln!(text, "  carry it out with `syncline run {sync} --approve {}`", guarded.digest);
    } else if let Some(waiting) = &guarded.waiting {
        let _ = writeln!(text, "  {}", waiting_text(sync, waiting));
    }
}

/// Returns what the budgets do not hold of a plan of `changes`, in words; nothing if they hold it.
pub async fn shortage(context: &Context, setup: &SyncSetup, costs: &Costs, changes: u64) -> Result<String, Failure> {
    if !costs.may_not_hold(context, changes).await? {
        return Ok(String::new());
    }
    let shown = show(context, setup, Wanted { shown_max: 0, items: false, costs }, |_| {}).await?;
    Ok(shown.estimate.shortage())
}

/// A plan in words.
pub struct Shown {
    /// For people.
    pub text: String,
    /// The digest of the plan.
    pub digest: String,
    /// What carrying it out will cost.
    pub estimate: Estimate,
}

/// Reads the current plan of a sync, and gives every item away if they are wanted.
pub async fn show(
    context: &Context,
    setup: &SyncSetup,
    wanted: Wanted<'_>,
    mut each: impl FnMut(SavedItem),
) -> Result<Shown, Failure> {
    let store = context.store.as_ref();
    let mut shown = Shown { text: String::new(), digest: String::new(), estimate: Estimate::default() };
    let lasting = |change: &Change| wanted.costs.abilities(change.side).lasting(&change.kind);
    let mut counts = Counts::default();
    let mut digest = PlanDigest::default();
    let mut after = 0;
    let mut number = 0;
    loop {
        let page = planned_items(context, setup, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let items: Vec<PlanItem> = page.into_iter().map(|(_, item)| item).collect();
        for item in &items {
            counts.add(item, &lasting);
            digest.add(&item.digest());
        }
        let room = usize::try_from(wanted.shown_max.saturating_sub(number)).unwrap_or(usize::MAX);
        number += items.len() as u64;
        let told = if wanted.items { items.len() } else { room.min(items.len()) };
        let pairs = report::planned(store, &setup.name, &items[..told], lasting).await?;
        for pair in pairs.iter().take(room) {
            describe(pair, &mut shown.text);
        }
        if wanted.items {
            for (item, pair) in items.iter().zip(pairs) {
                each(SavedItem { digest: hex(&item.digest()), item: json!(pair) });
            }
        }
    }
    if number > wanted.shown_max {
        let more = number - wanted.shown_max;
        let _ = writeln!(shown.text, "  ... and {}; show them with --all", text::count(more, "more record"));
    }
    shown.digest = digest.to_string();
    shown.estimate = Estimate::of(context, setup, wanted.costs, counts.sides).await?;
    shown.text = format!("{}{}{}", counts.text(), shown.estimate.text(), shown.text);
    Ok(shown)
}

#[derive(Default)]
struct Counts {
    sides: [[u64; 6]; 2],
    conflicts: u64,
    retroactive: u64,
    lasting: BTreeMap<(Side, Lasting), u64>,
}

impl Counts {
    fn add(&mut self, item: &PlanItem, lasting: &impl Fn(&Change) -> Option<Lasting>) {
        self.conflicts += item.conflicts.len() as u64;
        self.retroactive += u64::from(item.is_retroactive());
        for change in &item.changes {
            if let Some(lasting) = lasting(change) {
                *self.lasting.entry((change.side, lasting)).or_default() += 1;
            }
            let kind = match change.kind {
                ChangeKind::Create => 0,
                ChangeKind::Update => 1,
                ChangeKind::Delete => 2,
                ChangeKind::Archive => 3,
                ChangeKind::Tag => 4,
                ChangeKind::Restore { .. } => 5,
            };
            self.sides[change.side.pick(0, 1)][kind] += 1;
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let words = ["to create", "to update", "to delete", "to archive", "to tag", "to restore"];
        for side in Side::BOTH {
            let counts = self.sides[side.pick(0, 1)];
            let parts: Vec<String> = words
                .iter()
                .zip(counts)
                .filter(|(_, count)| *count > 0)
                .map(|(word, count)| format!("{count} {word}"))
                .collect();
            if !parts.is_empty() {
                let _ = writeln!(text, "  {side}: {}", parts.join(", "));
            }
        }
        for ((side, lasting), count) in &self.lasting {
            let _ = writeln!(text, "  {count} on the {side} {}", lasting.describe());
        }
        if self.retroactive > 0 {
            let records = text::count(self.retroactive, "record");
            let _ = writeln!(text, "  because a mapping is new or was changed: {records}");
        }
        if self.conflicts > 0 {
            let _ = writeln!(text, "  conflicts: {}", self.conflicts);
        }
        text
    }
}

/// Says what happens to one pair.
pub(super) fn describe(pair: &PlannedPair, text: &mut String) {
    for change in &pair.changes {
        headline(pair, change, text);
        if let Some(lasting) = change.lasting {
            let _ = writeln!(text, "      {}", lasting.describe());
        }
        if let Some(chosen) = &pair.chosen {
            let _ = writeln!(text, "      taken as {}", chosen.describe());
        }
        if matches!(change.does, "delete" | "archive") {
            continue;
        }
        for field in &change.fields {
            let after = text::value(&field.after, VALUE_WIDTH_MAX);
            let before = match &field.before {
                Cell::Unknown => String::new(),
                known => format!("{} -> ", text::value(known, VALUE_WIDTH_MAX)),
            };
            let why = match (change.does, field.why) {
                // Said once, by what is shown.
                ("create", _) | (_, Why::Undo) => String::new(),
                (_, why) => format!("   ({})", why.describe()),
            };
            let _ = writeln!(text, "      {:<22} {before}{after}{why}", plain(field.field.as_str()));
        }
    }
}

/// Names a write: what it does to which record.
fn headline(pair: &PlannedPair, change: &PlannedChange, text: &mut String) {
    let origin = change.side.other().pick(pair.left.as_ref(), pair.right.as_ref());
    let from = if change.record.is_none() { "from " } else { "" };
    let id = change.record.as_ref().or(origin).map(|id| plain(id.as_str())).unwrap_or_default();
    let label = pair.label.as_deref().map(|label| format!("  {}", text::shortened(label, VALUE_WIDTH_MAX)));
    let _ = writeln!(text, "  {} {} {from}{id}{}", change.does, change.side, label.unwrap_or_default());
}

#[cfg(test)]
mod tests;
