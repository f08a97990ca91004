//! Values are packed with what their table has in common, and nobody who reads them can tell.

use std::fs;
use std::path::Path;

use syncline_runner::{Batch, Key, Space, Store, StoreTable, Write};
use syncline_store::{DiskOptions, DiskStore, Engine, MemoryStore, compact, export, import};

const ROWS: u32 = 3_000;

const ROWS_PER_COMMIT: u32 = 100;

fn options(samples_bytes: usize) -> DiskOptions {
    DiskOptions { reserve_bytes: 0, samples_bytes, ..DiskOptions::default() }
}

/// A contact as people keep them, with something of its own in each field.
fn contact(number: u32, version: u32) -> Vec<u8> {
    const NAMES: [&str; 8] = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Niklaus"];
    let (first, last) = (NAMES[number as usize % 8], number.wrapping_mul(2_654_435_761));
    format!(
        r#"{{"id":"{number}","properties":{{"firstname":"{first}","lastname":"N{last:x}","email":"{first}.n{last:x}@host{}.example","phone":"+44 20 {:08}","company":"Company {}","lifecyclestage":"{}","version":"{version}"}}}}"#,
        number % 97,
        last % 100_000_000,
        number % 311,
        if number.is_multiple_of(3) { "customer" } else { "subscriber" },
    )
    .into_bytes()
}

fn key(number: u32) -> Key {
    Key::new(Space(1), StoreTable::Replica, number.wrapping_mul(40_503).to_be_bytes())
}

fn rows(from: u32, version: u32) -> Batch {
    let mut batch = Batch::default();
    for number in from..from + ROWS_PER_COMMIT {
        batch.put(key(number), contact(number, version));
        batch.put(Key::new(Space(1), StoreTable::Seen, key(number).id), number.to_be_bytes().to_vec());
    }
    batch
}

async fn fill(store: &dyn Store, version: u32) {
    for from in (0..ROWS).step_by(ROWS_PER_COMMIT as usize) {
        store.commit(rows(from, version)).await.expect("committed");
    }
}

/// Changes rows, takes single ones away and a whole range of them.
async fn change(store: &dyn Store) {
    let mut batch = rows(700, 2);
    (0..ROWS).step_by(9).for_each(|number| batch.delete(key(number)));
    store.commit(batch).await.expect("committed");
    let (space, table) = (Space(1), StoreTable::Replica);
    let dropped = Write::DeleteRange { space, table, from: vec![0x20], to: Some(vec![0x60]) };
    store.commit(Batch { writes: vec![dropped], ..Batch::default() }).await.expect("committed");
    store.commit(rows(0, 3)).await.expect("committed");
}

async fn exported(store: &dyn Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(store, &mut bytes).await.expect("exported");
    bytes
}

async fn live_bytes(store: &DiskStore) -> u64 {
    store.stats().await.expect("measured").live_bytes.expect("sled's are counted")
}

fn open(dir: &Path, samples_bytes: usize) -> DiskStore {
    DiskStore::open(dir, options(samples_bytes)).expect("opened")
}

#[tokio::test]
async fn packed_rows_take_a_third_and_read_the_same() {
    let memory = MemoryStore::new();
    fill(&memory, 1).await;
    let expected = exported(&memory).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut live = Vec::new();
    for samples_bytes in [0, 32 * 1024] {
        let dir = folder.path().join(samples_bytes.to_string());
        let store = open(&dir, samples_bytes);
        fill(&store, 1).await;
        assert!(exported(&store).await == expected, "{samples_bytes}: rows are missing or garbled");
        // What was written before there was a dictionary is packed when it is written again.
        fill(&store, 1).await;
        live.push(live_bytes(&store).await);
        store.close().await.expect("closed");
    }
    let [plain, packed] = live[..] else { panic!("{live:?}") };
    assert!(packed * 5 < plain * 2, "{plain} bytes became {packed}");

    // With a store that makes no dictionaries of its own what others packed is read, and packed again.
    let dir = folder.path().join((32 * 1024).to_string());
    for samples_bytes in [0, 32 * 1024] {
        let store = open(&dir, samples_bytes);
        assert!(exported(&store).await == expected, "rows are missing or garbled after opening");
        assert_eq!(live_bytes(&store).await, packed);
        fill(&store, 1).await;
        assert_eq!(live_bytes(&store).await, packed, "the same rows became other bytes");
        store.close().await.expect("closed");
    }
    compact(&dir, &options(0)).expect("compacted");
    let store = open(&dir, 0);
    assert!(exported(&store).await == expected, "rows are missing or garbled after compaction");

    change(&memory).await;
    change(&store).await;
    assert!(exported(&store).await == exported(&memory).await, "changes are missing or garbled");
    let keys: Vec<_> = (0..ROWS).map(key).collect();
    assert!(store.get(keys.clone()).await == memory.get(keys).await, "rows by key are others");
}

#[tokio::test]
async fn a_packed_state_goes_to_any_engine_and_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = open(&folder.path().join("first"), 32 * 1024);
    fill(&first, 1).await;
    let expected = exported(&first).await;
    let file = folder.path().join("state");
    for (name, engine) in [("second", Engine::Fjall), ("third", Engine::Sled)] {
        fs::write(&file, &expected).expect("written");
        let dir = folder.path().join(name);
        let options = DiskOptions { engine, ..options(32 * 1024) };
        import(&dir, options.clone(), &file).await.expect("imported");
        let store = DiskStore::open(&dir, options).expect("opened");
        assert!(exported(&store).await == expected, "{engine}: another state");
        store.close().await.expect("closed");
    }
}

/// What a process leaves that is gone after any acknowledged commit: before there is a dictionary, with one that no value needs
/// yet, and later.
#[tokio::test]
async fn a_crash_after_any_commit_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, left) = (folder.path().join("store"), folder.path().join("left"));
    let store = open(&dir, 16 * 1024);
    let memory = MemoryStore::new();
    for from in (0..1_000).step_by(ROWS_PER_COMMIT as usize) {
        memory.commit(rows(from, 1)).await.expect("committed");
        store.commit(rows(from, 1)).await.expect("committed");
        copy(&dir, &left);
        let reopened = open(&left, 16 * 1024);
        assert!(exported(&reopened).await == exported(&memory).await, "after the rows from {from} on");
        // It goes on as the other does.
        fill(&reopened, 1).await;
        assert!(exported(&reopened).await.len() > 500_000);
        drop(reopened);
        fs::remove_dir_all(&left).expect("removed");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}
