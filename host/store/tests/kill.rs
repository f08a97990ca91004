//! Kills a process that commits, at random moments: what it was told is kept must be there, and nothing half.
//!
//! Twenty times with each engine; `SYNCLINE_LONG=1` makes it five hundred. The test starts itself again as the
//! process to kill.

#[path = "shared/by_engine.rs"]
mod by_engine;
#[path = "shared/rounds.rs"]
mod rounds;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rounds::Acknowledged;
use syncline_store::{DiskOptions, DiskStore, Engine};

/// Says to a process that it is the one to kill, and in which folder its store is.
const FOLDER_VARIABLE: &str = "SYNCLINE_TEST_KILL_FOLDER";

/// Names the engine of the process to kill.
const ENGINE_VARIABLE: &str = "SYNCLINE_TEST_KILL_ENGINE";

const KILLS: u32 = 20;

const KILLS_LONG: u32 = 500;

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let engine = by_engine::of_name(&std::env::var(ENGINE_VARIABLE).expect("an engine"));
        commit_until_killed(engine, Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    by_engine::run(acknowledged_commits_survive_kills)
}

fn acknowledged_commits_survive_kills(engine: Engine) {
    let kills = by_engine::short_or_long(KILLS, KILLS_LONG);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut acknowledged = Acknowledged::default();
    for kill in 0..kills {
        let child = start_child(engine, folder.path());
        // From before the store is open to well into its work, spread evenly without a pattern.
        let moment = Duration::from_micros(u64::from(kill) * 7_919 % 300 * 1_000);
        kill_after(child, moment, &mut acknowledged);
        rounds::runtime().block_on(check(engine, folder.path(), &acknowledged));
    }
    let total = acknowledged.total();
    assert!(total > u64::from(kills), "only {total} commits in {kills} kills: the test tests nothing");
    println!("{engine}: {kills} kills, {total} acknowledged commits, all there and none half");
}

fn start_child(engine: Engine, folder: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.env(FOLDER_VARIABLE, folder).env(ENGINE_VARIABLE, engine.name()).stdout(Stdio::piped());
    command.spawn().expect("a process to kill")
}

/// Kills the process `moment` after its first line, and notes what it said was acknowledged.
fn kill_after(mut child: Child, moment: Duration, acknowledged: &mut Acknowledged) {
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut lines = output.lines();
    let started = lines.next().expect("a first line").expect("readable");
    assert_eq!(started, "started");
    // Not to wait for anything: the moment itself is what varies.
    let killer = thread::spawn(move || {
        thread::sleep(moment);
        child.kill().expect("killed");
        child.wait().expect("ended");
    });
    for line in lines.map_while(Result::ok) {
        acknowledged.note(&line);
    }
    killer.join().expect("the killer ends");
}

async fn check(engine: Engine, folder: &Path, acknowledged: &Acknowledged) {
    let store = DiskStore::open(folder, DiskOptions { engine, ..DiskOptions::default() });
    rounds::check(&store.expect("the store opens after a kill"), acknowledged).await;
}

fn commit_until_killed(engine: Engine, folder: &Path) {
    println!("started");
    let options = DiskOptions {
        engine,
        high_water_every: Duration::from_millis(20),
        range_rows_max: rounds::RANGE_ROWS_MAX,
        samples_bytes: rounds::SAMPLES_BYTES,
        ..DiskOptions::default()
    };
    let store = DiskStore::open(folder, options).expect("the store opens");
    rounds::runtime().block_on(rounds::commit(&Arc::new(store), u64::MAX, rounds::say));
}
