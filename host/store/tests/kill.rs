//! Kills a process that commits, at random moments: what it was told is kept must be there, and nothing half.
//!
//! Twenty times with each engine; `SYNCLINE_LONG=1` makes it five hundred. The test starts itself again as the process to kill, so it
//! has no test harness.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use syncline_runner::{Batch, Key, Space, Store, StoreTable};
use syncline_store::{DiskOptions, DiskStore, Engine};

/// Says to a process that it is the one to kill, and in which folder its store is.
const FOLDER_VARIABLE: &str = "SYNCLINE_TEST_KILL_FOLDER";

/// Names the engine of the process to kill.
const ENGINE_VARIABLE: &str = "SYNCLINE_TEST_KILL_ENGINE";

const KILLS: u32 = 20;

const KILLS_LONG: u32 = 500;

/// Commits at work at one time in the killed process.
const COMMITTERS: u64 = 4;

/// How often a committer drops the rows it noted in one table, by a range that is deleted after its commit.
const ROUNDS_PER_DROP: u64 = 10;

const SEEN_PER_ROUND: u64 = 20;

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let name = std::env::var(ENGINE_VARIABLE).expect("an engine");
        let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name).expect("a known engine");
        commit_until_killed(engine, Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    // What a harness would be asked, as `cargo test -- --list` does; a list of ignored tests is empty, or else nextest
    // takes this one for ignored and never runs it.
    let is_asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    if is_asked("--list") {
        if !is_asked("--ignored") {
            println!("acknowledged_commits_survive_kills: test");
        }
        return ExitCode::SUCCESS;
    }
    let kills = if std::env::var_os("SYNCLINE_LONG").is_some() { KILLS_LONG } else { KILLS };
    for engine in Engine::ALL {
        acknowledged_commits_survive_kills(engine, kills);
    }
    ExitCode::SUCCESS
}

fn acknowledged_commits_survive_kills(engine: Engine, kills: u32) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut acknowledged = [0; COMMITTERS as usize];
    for kill in 0..kills {
        let child = start_child(engine, folder.path());
        // From before the store is open to well into its work, spread evenly without a pattern.
        let moment = Duration::from_micros(u64::from(kill) * 7_919 % 300 * 1_000);
        kill_after(child, moment, &mut acknowledged);
        runtime().block_on(check(engine, folder.path(), &acknowledged));
    }
    let total: u64 = acknowledged.iter().sum();
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
fn kill_after(mut child: Child, moment: Duration, acknowledged: &mut [u64]) {
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
    // A last line without an end was cut by the kill.
    for line in lines.map_while(Result::ok) {
        if let Some((committer, number)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) {
            let committer: usize = committer.parse().expect("a committer");
            acknowledged[committer] = number.parse().expect("a number");
        }
    }
    killer.join().expect("the killer ends");
}

/// Each committer writes rounds, one commit each: a short row, a long row, and the number of the round.
async fn check(engine: Engine, folder: &Path, acknowledged: &[u64]) {
    let store = DiskStore::open(folder, DiskOptions { engine, ..DiskOptions::default() })
        .expect("the store opens after a kill");
    for (committer, acknowledged) in acknowledged.iter().enumerate() {
        let space = Space(committer as u32 + 1);
        let round = round_of(&store, space).await;
        assert!(round >= *acknowledged, "committer {committer}: round {round} found, {acknowledged} acknowledged");
        let mut after = Vec::new();
        let mut rows = 0;
        loop {
            let page = store.scan(space, StoreTable::Replica, after, 500).await.expect("a page");
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for (id, value) in page {
                rows += 1;
                let number = u64::from_be_bytes(id.as_slice().try_into().expect("a number"));
                assert_eq!(rows, number, "a round is missing");
                assert_eq!(value, body(number, 300), "a garbled row");
            }
        }
        assert_eq!(rows, round, "a half commit");
        let seen = store.scan(space, StoreTable::Seen, vec![], 1_000).await.expect("a page").len() as u64;
        assert_eq!(seen, round % ROUNDS_PER_DROP * SEEN_PER_ROUND, "part of a dropped range");
        let long = store.get(vec![Key::new(space, StoreTable::Meta, "long")]).await.expect("read").remove(0);
        let expected = (round > 0).then(|| body(round, long_length(round)));
        assert!(long == expected, "the long row is not that of round {round}");
    }
}

fn commit_until_killed(engine: Engine, folder: &Path) {
    println!("started");
    let options = DiskOptions {
        engine,
        high_water_every: Duration::from_millis(20),
        range_rows_max: 5,
        ..DiskOptions::default()
    };
    let store = DiskStore::open(folder, options).expect("the store opens");
    let store: &'static DiskStore = Box::leak(Box::new(store));
    runtime().block_on(async {
        let committers: Vec<_> =
            (0..COMMITTERS).map(|committer| tokio::spawn(commit_rounds(store, committer))).collect();
        for committer in committers {
            committer.await.expect("it never ends");
        }
    });
}

async fn commit_rounds(store: &DiskStore, committer: u64) {
    let space = Space(committer as u32 + 1);
    let mut round = round_of(store, space).await;
    loop {
        round += 1;
        let mut batch = Batch::default();
        batch.put(Key::new(space, StoreTable::Replica, round.to_be_bytes()), body(round, 300));
        batch.put(Key::new(space, StoreTable::Meta, "long"), body(round, long_length(round)));
        batch.put(Key::new(space, StoreTable::Meta, "round"), round.to_be_bytes().to_vec());
        if round.is_multiple_of(ROUNDS_PER_DROP) {
            batch.writes.push(syncline_runner::Write::DeleteRange {
                space,
                table: StoreTable::Seen,
                from: vec![],
                to: None,
            });
        } else {
            for number in 0..SEEN_PER_ROUND {
                batch.put(
                    Key::new(space, StoreTable::Seen, [round.to_be_bytes(), number.to_be_bytes()].concat()),
                    vec![],
                );
            }
        }
        store.commit(batch).await.expect("committed");
        let mut output = std::io::stdout().lock();
        writeln!(output, "{committer} {round}.").expect("told");
        output.flush().expect("told");
    }
}

async fn round_of(store: &DiskStore, space: Space) -> u64 {
    let stored = store.get(vec![Key::new(space, StoreTable::Meta, "round")]).await.expect("read").remove(0);
    stored.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

/// Long and short values in turn, so that pieces come and go.
fn long_length(round: u64) -> usize {
    (round as usize * 3_001) % 16_000
}

fn body(round: u64, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u64 ^ round) as u8).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}
