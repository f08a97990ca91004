//! The whole state goes from any engine to any other, to the byte.

use std::fs;
use std::path::Path;

use syncline_runner::{Batch, Key, Space, Store, StoreTable};
use syncline_store::{DiskOptions, DiskStore, Engine, MemoryStore, TransferError, export, import};

fn options(engine: Engine) -> DiskOptions {
    DiskOptions { engine, ..DiskOptions::default() }
}

/// Rows in every table of several spaces: ids of no bytes, long ones, values in pieces.
async fn fill(store: &dyn Store) -> u64 {
    let mut rows = 0;
    for space in [Space::HOST, Space(1), Space(2), Space(u32::MAX)] {
        for table in StoreTable::ALL {
            let mut batch = Batch::default();
            for number in 0..70_u8 {
                let id = vec![number; usize::from(number) * 3];
                batch.put(Key::new(space, table, id), vec![number; usize::from(number % 7) * 1_500]);
                rows += 1;
            }
            store.commit(batch).await.expect("committed");
        }
    }
    let drop = syncline_runner::Write::DeleteRange { space: Space(2), table: StoreTable::Seen, from: vec![], to: None };
    store.commit(Batch { writes: vec![drop], ..Batch::default() }).await.expect("committed");
    rows - 70
}

async fn exported(store: &dyn Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(store, &mut bytes).await.expect("exported");
    bytes
}

async fn exported_from(dir: &Path, engine: Engine) -> Vec<u8> {
    let store = DiskStore::open(dir, options(engine)).expect("opened");
    let bytes = exported(&store).await;
    store.close().await.expect("closed");
    bytes
}

#[tokio::test]
async fn the_state_is_the_same_to_the_byte_in_every_engine() {
    let memory = MemoryStore::new();
    let rows = fill(&memory).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state");
    let expected = exported(&memory).await;
    fs::write(&file, &expected).expect("written");
    for from in Engine::ALL {
        let dir = folder.path().join(from.name());
        assert_eq!(import(&dir, options(from), &file).await.expect("imported"), rows);
        assert!(exported_from(&dir, from).await == expected, "{from}: another state");
        for to in Engine::ALL {
            let there = folder.path().join(format!("{from}-{to}"));
            fs::write(&file, exported_from(&dir, from).await).expect("written");
            // An empty store is there already, made with the other engine.
            drop(DiskStore::open(&there, options(from)).expect("made"));
            import(&there, options(to), &file).await.expect("imported");
            assert!(exported_from(&there, to).await == expected, "{from} to {to}: another state");
        }
    }
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 1 + Engine::ALL.len() * (Engine::ALL.len() + 1), "something was left behind");
}

#[tokio::test]
async fn a_store_with_rows_takes_nothing_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, file) = (folder.path().join("store"), folder.path().join("state"));
    let memory = MemoryStore::new();
    fs::write(&file, exported(&memory).await).expect("written");
    let store = DiskStore::open(&dir, options(Engine::Sled)).expect("opened");
    let mut batch = Batch::default();
    batch.put(Key::new(Space(1), StoreTable::Meta, "a"), vec![1]);
    store.commit(batch).await.expect("committed");
    store.close().await.expect("closed");
    let before = exported_from(&dir, Engine::Sled).await;
    let refused = import(&dir, options(Engine::Sled), &file).await;
    assert!(matches!(refused, Err(TransferError::NotEmpty { .. })), "{refused:?}");
    assert_eq!(exported_from(&dir, Engine::Sled).await, before);
}

#[tokio::test]
async fn a_damaged_or_foreign_file_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (dir, file) = (folder.path().join("store"), folder.path().join("state"));
    let memory = MemoryStore::new();
    let mut batch = Batch::default();
    for number in 0..20_u8 {
        batch.put(Key::new(Space(1), StoreTable::Pair, [number]), vec![number; 3]);
    }
    memory.commit(batch).await.expect("committed");
    let good = exported(&memory).await;
    for at in 0..good.len() {
        let mut garbled = good.clone();
        garbled[at] ^= 0x40;
        for bad in [&garbled, &good[..at].to_vec()] {
            fs::write(&file, bad).expect("written");
            let refused = import(&dir, options(Engine::Sled), &file).await;
            assert!(matches!(refused, Err(TransferError::Damaged | TransferError::Foreign)), "byte {at}: {refused:?}");
        }
    }
    fs::write(&file, [&good[..], &[0]].concat()).expect("written");
    assert!(matches!(import(&dir, options(Engine::Sled), &file).await, Err(TransferError::Damaged)));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "a store was made");
}
