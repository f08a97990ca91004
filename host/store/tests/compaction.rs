//! Compaction keeps every row and gives space back; what stands in its way changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use syncline_runner::{Batch, Key, Space, Store, StoreError, StoreTable};
use syncline_store::{Compacted, DiskOptions, DiskStore, Engine, compact, export};

const MIB: u64 = 1024 * 1024;

fn options(engine: Engine) -> DiskOptions {
    DiskOptions { engine, reserve_bytes: MIB, ..DiskOptions::default() }
}

/// Bytes that no compression makes fewer.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut chance = u64::from(seed);
    let mut draw = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 56) as u8
    };
    (0..length).map(|_| draw()).collect()
}

/// Rows that no compression makes small, others in each round.
async fn put(store: &DiskStore, rows: u32, round: u8) {
    for first in (0..rows).step_by(500) {
        let mut batch = Batch::default();
        for number in first..(first + 500).min(rows) {
            let body = noise(number, 600).into_iter().map(|byte| byte ^ round);
            let table = if number % 7 == 0 { StoreTable::Meta } else { StoreTable::Replica };
            batch.put(Key::new(Space(1), table, number.wrapping_mul(40_503).to_be_bytes()), body.collect());
        }
        batch.put(Key::new(Space(2), StoreTable::Meta, "long"), vec![round; 30_000]);
        store.commit(batch).await.expect("committed");
    }
}

/// Fills a store, closes it, and returns what it holds.
async fn filled(dir: &Path, engine: Engine, rows: u32) -> Vec<u8> {
    let store = DiskStore::open(dir, options(engine)).expect("opened");
    put(&store, rows, 1).await;
    store.close().await.expect("closed");
    contents(dir, engine).await
}

async fn contents(dir: &Path, engine: Engine) -> Vec<u8> {
    let store = DiskStore::open(dir, options(engine)).expect("opened");
    let mut bytes = Vec::new();
    export(&store, &mut bytes).await.expect("exported");
    store.close().await.expect("closed");
    bytes
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn sled_gives_space_back_and_keeps_every_row() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = DiskStore::open(dir.path(), options(Engine::Sled)).expect("opened");
    put(&store, 8_000, 1).await;
    let mut gone = Batch::default();
    gone.writes.push(syncline_runner::Write::DeleteRange {
        space: Space(1),
        table: StoreTable::Replica,
        from: vec![],
        to: None,
    });
    store.commit(gone).await.expect("committed");
    // The dropped rows are deleted before the next commit.
    put(&store, 1, 1).await;
    assert_eq!(compact(dir.path(), &options(Engine::Sled)), Err(StoreError::Busy), "somebody has it open");
    let stats = store.stats().await.expect("measured");
    store.close().await.expect("closed");

    let before = contents(dir.path(), Engine::Sled).await;
    let Compacted { engine, before_bytes, after_bytes, live_bytes } =
        compact(dir.path(), &options(Engine::Sled)).expect("compacted");
    assert_eq!(engine, Engine::Sled);
    assert!(after_bytes * 2 < before_bytes, "{before_bytes} bytes became {after_bytes}");
    assert_eq!(live_bytes, stats.live_bytes);
    assert!(contents(dir.path(), Engine::Sled).await == before, "rows are missing or garbled");
    assert_eq!(names(dir.path()), ["engine", "high-water", "reserve", "sled"]);

    // It goes on, counts on, and can be compacted again.
    let store = DiskStore::open(dir.path(), options(Engine::Sled)).expect("opened");
    put(&store, 500, 2).await;
    let counted = store.stats().await.expect("measured").live_bytes;
    store.close().await.expect("closed");
    assert_eq!(compact(dir.path(), &options(Engine::Sled)).expect("compacted").live_bytes, counted);
}

#[tokio::test]
async fn fjall_frees_its_space_by_itself() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let before = filled(dir.path(), Engine::Fjall, 500).await;
    // Whatever engine is asked for: the folder knows its own.
    let compacted = compact(dir.path(), &options(Engine::Sled)).expect("looked at");
    assert_eq!((compacted.engine, compacted.live_bytes), (Engine::Fjall, None));
    assert_eq!(compacted.before_bytes, compacted.after_bytes);
    assert!(contents(dir.path(), Engine::Fjall).await == before, "rows are missing or garbled");
}

#[tokio::test]
async fn what_stands_in_the_way_changes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nowhere = compact(&folder.path().join("nothing"), &options(Engine::Sled)).expect_err("refused").to_string();
    assert!(nowhere.contains("there is none in"), "{nowhere}");
    assert!(!folder.path().join("nothing").exists());

    let dir = folder.path().join("disk");
    fs::create_dir_all(&dir).expect("made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(&dir).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return println!("skipped: mounting a small disk is not permitted here");
    }
    let before = filled(&dir.join("store"), Engine::Sled, 20_000).await;
    let refused = compact(&dir.join("store"), &options(Engine::Sled));
    let is_kept = contents(&dir.join("store"), Engine::Sled).await == before;
    let left = names(&dir.join("store"));
    let unmounted = Command::new("umount").arg("--lazy").arg(&dir).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", dir.display());
    let told = refused.expect_err("refused").to_string();
    assert!(told.contains("a copy of the store needs"), "{told}");
    assert!(is_kept, "rows are missing or garbled");
    assert_eq!(left, ["engine", "high-water", "reserve", "sled"]);
}

#[tokio::test]
async fn what_a_crash_leaves_is_taken_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let before = filled(dir.path(), Engine::Sled, 300).await;
    let at = |name: &str| dir.path().join(name);
    let rename = |from: &str, to: &str| fs::rename(at(from), at(to)).expect("renamed");
    let half = |name: &str| fs::create_dir_all(at(name).join("sled")).expect("made");
    let steps: [&dyn Fn(); 4] = [
        &|| half("compacting"),
        &|| half("sled.copy"),
        // Between the two renames.
        &|| {
            rename("sled", "sled.old");
            half("sled.copy");
        },
        // The new one is in its place.
        &|| half("sled.old"),
    ];
    for (number, step) in steps.iter().enumerate() {
        step();
        assert!(contents(dir.path(), Engine::Sled).await == before, "step {number}: rows are missing or garbled");
        assert_eq!(names(dir.path()), ["engine", "high-water", "reserve", "sled"], "step {number}");
    }
}
