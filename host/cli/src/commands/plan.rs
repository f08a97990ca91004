//! `syncline plan`: what a run would write, record by record and field by field, with the reasons.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use syncline_core::{ChangeKind, PlanItem, Side};
use syncline_runner::{Context, Failure, SyncSetup, planned_items};

use crate::commands::Exit;
use crate::config::Sync;
use crate::output::Output;
use crate::session::{Session, SessionError};

/// Records that are shown in full unless all are asked for.
const SHOWN: u64 = 20;

/// A plan in a file: what `run --plan` carries out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The form of the file; 1.
    pub format: u32,
    /// The sync.
    pub sync: String,
    /// The digest of all items.
    pub digest: String,
    /// The items.
    pub items: Vec<SavedItem>,
}

/// One item of a saved plan.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedItem {
    /// Its digest; this is what counts.
    pub digest: String,
    /// What it says, for people.
    pub item: Value,
}

/// Pulls, plans and shows.
pub async fn plan(session: &Session, syncs: &[Sync], all: bool, out: Option<&Path>) -> Result<Output, SessionError> {
    let mut text = String::new();
    let mut plans = Vec::new();
    for sync in syncs {
        let setup = session.setup(sync).await?;
        let (planned, _) = syncline_runner::plan(&session.context, &setup).await?;
        let shown = show(&session.context, &setup, if all { u64::MAX } else { SHOWN }).await?;
        let _ = writeln!(text, "{}: {} and {}", setup.name, setup.left.endpoint, setup.right.endpoint);
        text.push_str(&shown.text);
        if planned.changes == 0 {
            text.push_str("  nothing to do\n");
        }
        plans.push(SavedPlan { format: 1, sync: setup.name.to_string(), digest: shown.digest, items: shown.items });
    }
    session.keep_budgets().await?;
    if let (Some(path), [plan]) = (out, plans.as_slice()) {
        save(path, plan)?;
        let _ = writeln!(
            text,
            "written to {}; carry out exactly this with `syncline run {} --plan {}`",
            path.display(),
            plan.sync,
            path.display()
        );
    }
    Ok(Output { text, json: json!({ "plans": plans }), exit: Exit::Ok })
}

fn save(path: &Path, plan: &SavedPlan) -> Result<(), SessionError> {
    let text = serde_json::to_vec_pretty(plan).unwrap_or_default();
    std::fs::write(path, text).map_err(|source| SessionError::Folder { path: path.display().to_string(), source })
}

/// A plan in words, and in the form that is saved.
pub struct Shown {
    /// For people.
    pub text: String,
    /// For the file.
    pub items: Vec<SavedItem>,
    /// Of all items in order.
    pub digest: String,
}

/// Reads the current plan of a sync.
pub async fn show(context: &Context, setup: &SyncSetup, limit: u64) -> Result<Shown, Failure> {
    let mut shown = Shown { text: String::new(), items: Vec::new(), digest: String::new() };
    let mut counts = Counts::default();
    let mut digests = String::new();
    let mut after = 0;
    let mut number = 0;
    loop {
        let page = planned_items(context, setup, after).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, item) in page {
            counts.add(&item);
            if number < limit {
                describe(&item, &mut shown.text);
            }
            number += 1;
            let digest = hex(&item.digest());
            digests.push_str(&digest);
            shown.items.push(SavedItem { digest, item: json!(item) });
        }
    }
    if number > limit {
        let _ = writeln!(shown.text, "  ... and {} more records; show them with --all", number - limit);
    }
    shown.text = format!("{}{}", counts.text(), shown.text);
    shown.digest = hex(&digest_of(&digests));
    Ok(shown)
}

#[derive(Default)]
struct Counts {
    sides: [[u64; 6]; 2],
    conflicts: u64,
}

impl Counts {
    fn add(&mut self, item: &PlanItem) {
        self.conflicts += item.conflicts.len() as u64;
        for change in &item.changes {
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
        if self.conflicts > 0 {
            let _ = writeln!(text, "  conflicts: {}", self.conflicts);
        }
        text
    }
}

/// Says what happens to one pair.
fn describe(item: &PlanItem, text: &mut String) {
    for change in &item.changes {
        let record = change.record.as_ref().or(change.side.other().pick(item.left.as_ref(), item.right.as_ref()));
        let from = if change.record.is_none() { "from " } else { "" };
        let id = record.map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {} {} {from}{id}", change.kind.verb(), change.side);
        if matches!(change.kind, ChangeKind::Delete | ChangeKind::Archive) {
            continue;
        }
        for field in &change.fields {
            let before =
                field.before.as_ref().map(|before| format!("{} -> ", short(&before.to_string()))).unwrap_or_default();
            let after = short(&field.after.to_string());
            let why = if change.kind == ChangeKind::Create {
                String::new()
            } else {
                format!("   ({})", field.why.describe())
            };
            let _ = writeln!(text, "      {:<22} {before}{after}{why}", field.field.as_str());
        }
    }
}

/// Values are shown in one line and not without end.
fn short(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let line: String = text.chars().take(SHOWN_MAX).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() { format!("{line}...") } else { line }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(digests: &str) -> [u8; 16] {
    let digest = syncline_registry::Digest::of(digests.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_bytes()[..16]);
    short
}

/// Reads a saved plan.
pub fn load(path: &Path) -> Result<SavedPlan, SessionError> {
    let read = std::fs::read(path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(std::io::Error::from));
    read.map_err(|source| SessionError::Folder { path: path.display().to_string(), source })
}

/// Reads a digest back.
pub fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (text.len() == 32).then_some(digest)
}
