//! Measures the store: `cargo run --release -p syncline-store --example throughput [engine] [rows] [cache MB] [folder]`.
//!
//! Commits of 1,000 rows of 400 bytes, one after the other as a run makes them; then the same rows again, changed; then
//! pages, single reads, small commits one by one and side by side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use syncline_runner::{Batch, Key, Space, Store, StoreError, StoreTable, Write};
use syncline_store::{DiskOptions, DiskStore, Engine};

const ROWS_PER_COMMIT: u32 = 1_000;
const VALUE_LENGTH: usize = 400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| Engine::default().name().to_owned());
    let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name).ok_or("no such engine")?;
    let rows: u32 = arguments.next().map_or(Ok(200_000), |rows| rows.parse())?;
    let cache_mb: u64 = arguments.next().map_or(Ok(24), |cache| cache.parse())?;
    let above = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = above.join(format!("syncline-throughput-{}", std::process::id()));
    let outcome = measure(engine, &folder, rows, cache_mb).await;
    std::fs::remove_dir_all(&folder)?;
    Ok(outcome?)
}

async fn measure(engine: Engine, folder: &Path, rows: u32, cache_mb: u64) -> Result<(), StoreError> {
    println!("{engine}");
    let options = DiskOptions { engine, cache_bytes: cache_mb * 1024 * 1024, ..DiskOptions::default() };
    let store = Arc::new(DiskStore::open(folder, options.clone())?);
    for round in 0..2 {
        let start = Start::now();
        for first in (0..rows).step_by(ROWS_PER_COMMIT as usize) {
            let mut batch = Batch::default();
            for number in first..first + ROWS_PER_COMMIT {
                batch.put(row(number), value(number, round));
            }
            store.commit(batch).await?;
        }
        start.tell(if round == 0 { "rows put" } else { "rows put again" }, rows);
    }
    println!("disk {} MB", store.stats().await?.disk_bytes / 1_000_000);
    read(&store, rows).await?;
    commit_small(&store).await?;

    let start = Start::now();
    let write = Write::DeleteRange { space: Space(1), table: StoreTable::Replica, from: vec![], to: None };
    store.commit(Batch { writes: vec![write], ..Batch::default() }).await?;
    start.tell("rows dropped as one range", rows);
    let start = Start::now();
    store.close().await?;
    drop(store);
    start.tell("close", 1);
    let start = Start::now();
    let store = DiskStore::open(folder, options)?;
    start.tell("open", 1);
    store.close().await
}

async fn read(store: &DiskStore, rows: u32) -> Result<(), StoreError> {
    let start = Start::now();
    let (mut after, mut found) = (Vec::new(), 0);
    loop {
        let page = store.scan(Space(1), StoreTable::Replica, after, 1_000).await?;
        let Some((last, _)) = page.last() else { break };
        after = last.clone();
        found += page.len();
    }
    assert_eq!(found, rows as usize, "rows are missing");
    start.tell("rows in pages of 1,000", rows);

    for keys in [1, 10, 100] {
        let start = Start::now();
        for number in 0..20_000 {
            let asked = (0..keys).map(|key| row((number * 7_919 + key) % 1_000)).collect();
            store.get(asked).await?;
        }
        start.tell(&format!("gets of {keys} keys nearby"), 20_000);
    }
    let start = Start::now();
    for number in 0..20_000_u32 {
        store.get(vec![row(number.wrapping_mul(2_654_435_761) % rows)]).await?;
    }
    start.tell("gets of 1 key anywhere", 20_000);
    Ok(())
}

async fn commit_small(store: &Arc<DiskStore>) -> Result<(), StoreError> {
    let small = |number: u32| {
        let mut batch = Batch::default();
        batch.put(Key::new(Space::HOST, StoreTable::Journal, number.to_be_bytes()), value(number, 0));
        batch
    };
    let start = Start::now();
    for number in 0..500 {
        store.commit(small(number)).await?;
    }
    start.tell("commits of 1 row, one by one", 500);

    let start = Start::now();
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in 0..100 {
                    store.commit(small(task * 100 + number)).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|error| StoreError::Unavailable(error.to_string()))??;
    }
    start.tell("commits of 1 row, 50 at once", 5_000);
    Ok(())
}

fn row(number: u32) -> Key {
    // Ids do not come in order.
    Key::new(Space(1), StoreTable::Replica, format!("{:08x}-{number}", number.wrapping_mul(2_654_435_761)))
}

fn value(number: u32, round: u32) -> Vec<u8> {
    (0..VALUE_LENGTH as u32).map(|at| (at.wrapping_mul(40_503) >> 5 ^ number ^ round) as u8).collect()
}

/// The moment a measurement began.
struct Start {
    wall: Instant,
    cpu_s: f64,
}

impl Start {
    fn now() -> Self {
        Self { wall: Instant::now(), cpu_s: cpu_s() }
    }

    fn tell(&self, what: &str, count: u32) {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_s() - self.cpu_s);
        println!(
            "{count} {what}: {wall:.2} s, {:.0}/s, {cpu:.2} CPU s, {:.1} µs each, peak {} MB",
            f64::from(count) / wall,
            wall * 1e6 / f64::from(count),
            peak_memory_mb()
        );
    }
}

/// User and system time of this process so far.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // The 14th and 15th field of the file, in hundredths of a second.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn peak_memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_000
}
