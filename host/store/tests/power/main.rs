//! Cuts the power of a process that commits, at many moments: what was acknowledged must be there, the rest whole or absent, and the
//! store must open and go on.
//!
//! The process is recorded once for each engine (`recording`), and what a cut at a moment leaves is made from that (`cut`).
//! Sixty cuts; `SYNCLINE_LONG=1` makes it four thousand. The test starts itself again as the process to record.

#[path = "../shared/by_engine.rs"]
mod by_engine;
mod cut;
mod recording;
#[path = "../shared/rounds.rs"]
mod rounds;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use cut::{Chance, Cut, Loss};
use recording::{Event, Moment, Name, What};
use rounds::Acknowledged;
use syncline_runner::Store;
use syncline_store::{DiskOptions, DiskStore, Engine, compact};
use tempfile::TempDir;

/// Says to a process that it is the one to record, and in which folder its store is.
const FOLDER_VARIABLE: &str = "SYNCLINE_TEST_POWER_FOLDER";

/// Names the engine of the process to record.
const ENGINE_VARIABLE: &str = "SYNCLINE_TEST_POWER_ENGINE";

const CUTS: u32 = 60;

const CUTS_LONG: u32 = 4_000;

/// Rounds of each committer, twice with a restart in between.
const ROUNDS: u32 = 60;

const ROUNDS_LONG: u32 = 300;

/// Space that the store keeps for a full disk: little, since every cut has it anew.
const RESERVE_BYTES: u64 = 1024 * 1024;

/// How much is cut after a snapshot, until well into the first commits.
const EVENTS_AFTER_SNAPSHOT: usize = 40;

/// Rounds of each committer after a cut.
const ROUNDS_AFTER: u64 = 2;

const LOSSES: [Loss; 4] = [Loss::All, Loss::Pages, Loss::Sectors, Loss::Torn];

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let engine = by_engine::of_name(&std::env::var(ENGINE_VARIABLE).expect("an engine"));
        commit_twice(engine, Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    by_engine::run(acknowledged_commits_survive_power_cuts)
}

fn acknowledged_commits_survive_power_cuts(engine: Engine) {
    if !recording::works() {
        println!("skipped: strace is missing or may not follow processes here");
        return;
    }
    let events = recorded(engine);
    let moments = moments_worth_a_cut(&events);
    let mut chance = Chance(0);
    let cuts = by_engine::short_or_long(CUTS, CUTS_LONG);
    let at_random = (0..cuts).zip(LOSSES.into_iter().cycle()).map(|(number, loss)| {
        let moment = moments[chance.below(moments.len() as u64) as usize];
        Cut { moment, loss, seed: u64::from(number) }
    });
    let every: Vec<Cut> = at_random.chain(while_compacting(&events)).chain(while_opening(&events)).collect();
    let cuts = every.len();
    let mut failed = BTreeMap::new();
    for cut in every {
        let loss = cut.loss;
        if let Err(left) = survives(engine, &events, cut) {
            failed.entry(format!("{loss:?}")).or_insert_with(Vec::new).push((cut, left));
        }
    }
    assert!(failed.is_empty(), "{engine}: what these cuts left does not hold: {failed:#?}");
    println!(
        "{engine}: {cuts} power cuts of {} acknowledged commits, all there and none half",
        said(&events, Moment::MAX).total()
    );
}

/// Records a process, and makes sure that nothing it did was overlooked.
fn recorded(engine: Engine) -> Vec<Event> {
    let temporary = in_memory();
    let folder = fs::canonicalize(temporary.path()).expect("its name");
    let mut program = Command::new(std::env::current_exe().expect("this program"));
    program.env(FOLDER_VARIABLE, folder.join("store")).env(ENGINE_VARIABLE, engine.name());
    let events = recording::record(&mut program, &folder);
    let replayed = in_memory();
    cut::rebuild(&events, Cut { moment: Moment::MAX, loss: Loss::Nothing, seed: 0 }, replayed.path());
    assert!(contents(&folder) == contents(replayed.path()), "the recording is not what the process left");
    events
}

/// Returns what is in a folder, by path; folders have none.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = PathBuf::from(entry.file_name());
        if entry.path().is_dir() {
            found.extend(contents(&entry.path()).into_iter().map(|(path, bytes)| (name.join(path), bytes)));
            found.insert(name, None);
        } else {
            found.insert(name, Some(fs::read(entry.path()).expect("a file")));
        }
    }
    found
}

/// Every moment, and those around syncs and changes of names as often as all of the others; but for those when sled has taken a
/// snapshot and its name is not synced yet, in which a cut may leave a store that does not open (README.md).
fn moments_worth_a_cut(events: &[Event]) -> Vec<Moment> {
    let around = |event: &Event| [event.asked, event.asked + 1, event.done, event.done + 1];
    let turns = |event: &&Event| matches!(event.what, What::Named(_) | What::FileSynced(_) | What::FolderSynced(_));
    let mut moments: Vec<Moment> = events.iter().filter(turns).flat_map(around).collect();
    let all: Vec<Moment> = events.iter().flat_map(around).collect();
    let times = moments.len().div_ceil(all.len());
    moments.extend(all.iter().cycle().take(all.len() * times));
    let open_moments: Vec<RangeInclusive<Moment>> = snapshots(events)
        .map(|taken| {
            let synced = events[taken..].iter().find(|event| is_folder_synced(event));
            events[taken].asked..=synced.map_or(Moment::MAX, |event| event.done)
        })
        .collect();
    moments.retain(|moment| !open_moments.iter().any(|open| open.contains(moment)));
    moments
}

/// Where sled gives a snapshot that it takes when it is opened its name.
fn snapshots(events: &[Event]) -> impl Iterator<Item = usize> {
    let is_snapshot = |event: &Event| {
        let What::Named(Name::Renamed { to, .. }) = &event.what else { return false };
        to.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap."))
    };
    (0..events.len()).filter(move |at| is_snapshot(&events[*at]))
}

fn is_folder_synced(event: &Event) -> bool {
    matches!(&event.what, What::FolderSynced(folder) if folder.ends_with("sled"))
}

/// What follows a snapshot that sled takes when it is opened, as soon as its name is synced: it clears what only the snapshot before
/// needed.
fn while_opening(events: &[Event]) -> impl Iterator<Item = Cut> {
    let after = snapshots(events).flat_map(move |taken| {
        events[taken..].iter().skip_while(|event| !is_folder_synced(event)).take(EVENTS_AFTER_SNAPSHOT)
    });
    after.map(|event| Cut { moment: event.done + 1, loss: Loss::All, seed: 0 })
}

/// Every step of a compaction that changes which database there is, with every loss.
fn while_compacting(events: &[Event]) -> impl Iterator<Item = Cut> {
    let is_swapped = |path: &Path| ["store/sled", "store/sled.copy", "store/sled.old"].iter().any(|name| path == *name);
    let is_step = move |event: &&Event| match &event.what {
        What::Named(Name::Renamed { from, to }) => is_swapped(from) || is_swapped(to),
        What::Named(Name::Removed { path }) => path.starts_with("store/sled.old"),
        _ => false,
    };
    let moments = events.iter().filter(is_step).flat_map(|event| [event.asked, event.asked + 1, event.done + 1]);
    moments.flat_map(|moment| LOSSES.map(|loss| Cut { moment, loss, seed: moment as u64 }))
}

/// Returns what the process had said was acknowledged.
fn said(events: &[Event], moment: Moment) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for event in events.iter().filter(|event| event.asked < moment) {
        if let What::Said(text) = &event.what {
            text.lines().for_each(|line| acknowledged.note(line));
        }
    }
    acknowledged
}

/// Makes what a cut leaves and tells whether it holds; what does not is kept to look at.
fn survives(engine: Engine, events: &[Event], cut: Cut) -> Result<(), PathBuf> {
    let folder = in_memory();
    cut::rebuild(events, cut, folder.path());
    let acknowledged = said(events, cut.moment);
    let goes_on = || rounds::runtime().block_on(check(engine, &folder.path().join("store"), &acknowledged));
    catch_unwind(AssertUnwindSafe(goes_on)).map_err(|_| {
        let kept = tempfile::tempdir().expect("a temporary folder").keep();
        cut::rebuild(events, cut, &kept);
        kept
    })
}

/// A folder in memory where the system has one: syncs cost nothing there, and what was recorded is no matter of where it lies.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

async fn check(engine: Engine, folder: &Path, acknowledged: &Acknowledged) {
    let store = Arc::new(open(engine, folder));
    assert_eq!(databases(folder), [engine.name()], "more than one database, or a half one");
    rounds::check(&store, acknowledged).await;
    let later = rounds::commit(&store, ROUNDS_AFTER, |_, _| ()).await;
    store.close().await.expect("closed");
    drop(store);
    rounds::check(&open(engine, folder), &later).await;
}

/// Returns the folders in that of the store.
fn databases(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().expect("text")).collect()
}

fn commit_twice(engine: Engine, folder: &Path) {
    let rounds = by_engine::short_or_long(ROUNDS, ROUNDS_LONG).into();
    for is_first in [true, false] {
        if !is_first {
            compact(folder, &options(engine)).expect("compacted");
        }
        let store = Arc::new(open(engine, folder));
        rounds::runtime().block_on(async {
            rounds::commit(&store, rounds, rounds::say).await;
            store.close().await.expect("closed");
        });
    }
}

fn open(engine: Engine, folder: &Path) -> DiskStore {
    DiskStore::open(folder, options(engine)).expect("the store opens")
}

fn options(engine: Engine) -> DiskOptions {
    DiskOptions {
        engine,
        high_water_every: Duration::from_millis(20),
        range_rows_max: rounds::RANGE_ROWS_MAX,
        samples_bytes: rounds::SAMPLES_BYTES,
        reserve_bytes: RESERVE_BYTES,
        ..DiskOptions::default()
    }
}
