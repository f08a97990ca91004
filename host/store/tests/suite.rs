//! What every store must do, run against each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use syncline_runner::{Batch, Expect, Key, Space, Store, StoreError, StoreTable, Write};
use syncline_store::{DiskOptions, DiskStore, Engine, ID_LENGTH_MAX, MemoryStore};

type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// One thing the model check does to a store.
#[derive(Clone, Debug)]
enum Step {
    Commit(Batch),
    Get(Vec<Key>),
    Scan { space: Space, table: StoreTable, after: Vec<u8>, limit: usize },
    Reopen,
}

/// The rows a store should have.
#[derive(Default)]
struct Model {
    rows: BTreeMap<Key, Vec<u8>>,
    commits: u64,
}

impl Model {
    fn commit(&mut self, batch: &Batch) -> Result<u64, StoreError> {
        for (position, expect) in batch.expect.iter().enumerate() {
            let holds = match expect {
                Expect::Absent(key) => !self.rows.contains_key(key),
                Expect::Equals(key, value) => self.rows.get(key) == Some(value),
            };
            if !holds {
                return Err(StoreError::Conflict(position));
            }
        }
        for write in &batch.writes {
            match write {
                Write::Put(key, value) => drop(self.rows.insert(key.clone(), value.clone())),
                Write::Delete(key) => drop(self.rows.remove(key)),
                Write::DeleteRange { space, table, from, to } => self.rows.retain(|key, _| {
                    let inside = (key.space, key.table) == (*space, *table)
                        && key.id >= *from
                        && to.as_ref().is_none_or(|to| key.id < *to);
                    !inside
                }),
            }
        }
        self.commits += 1;
        Ok(self.commits)
    }

    fn scan(&self, space: Space, table: StoreTable, after: &[u8], limit: usize) -> Page {
        let of_table = self.rows.iter().filter(|(key, _)| (key.space, key.table) == (space, table));
        let behind = of_table.filter(|(key, _)| after.is_empty() || key.id.as_slice() > after);
        behind.take(limit).map(|(key, value)| (key.id.clone(), value.clone())).collect()
    }
}

fn spaces() -> impl Strategy<Value = Space> {
    prop_oneof![Just(Space::HOST), Just(Space(1)), Just(Space(0x0100)), Just(Space(u32::MAX))]
}

fn tables() -> impl Strategy<Value = StoreTable> {
    prop_oneof![Just(StoreTable::Meta), Just(StoreTable::Replica), Just(StoreTable::Seen)]
}

/// Few ids, so that steps meet; with zeros and 255s at the end, where prefixes and ranges go wrong.
fn ids() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(b'a'), Just(0x80), Just(255)], 0..4)
}

fn keys() -> impl Strategy<Value = Key> {
    (spaces(), tables(), ids()).prop_map(|(space, table, id)| Key::new(space, table, id))
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..50_usize, 1 => 4_090..4_100_usize, 1 => 8_190..8_195_usize, 1 => 0..20_000_usize];
    (length, any::<u8>()).prop_map(|(length, first)| (0..length).map(|at| first.wrapping_add(at as u8)).collect())
}

fn writes() -> impl Strategy<Value = Write> {
    prop_oneof![
        6 => (keys(), values()).prop_map(|(key, value)| Write::Put(key, value)),
        2 => keys().prop_map(Write::Delete),
        1 => (spaces(), tables(), ids(), proptest::option::of(ids()))
            .prop_map(|(space, table, from, to)| Write::DeleteRange { space, table, from, to }),
    ]
}

fn expects() -> impl Strategy<Value = Expect> {
    prop_oneof![
        3 => keys().prop_map(Expect::Absent),
        1 => (keys(), values()).prop_map(|(key, value)| Expect::Equals(key, value)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (vec(expects(), 0..2), vec(writes(), 0..12))
            .prop_map(|(expect, writes)| Step::Commit(Batch { expect, writes })),
        2 => vec(keys(), 0..20).prop_map(Step::Get),
        3 => (spaces(), tables(), ids(), 0..30_usize)
            .prop_map(|(space, table, after, limit)| Step::Scan { space, table, after, limit }),
        1 => Just(Step::Reopen),
    ]
}

/// Enough rows that what is put behind them is packed, on disks that pack: they are learned from when they were put, what was
/// learned is kept when they are put again.
fn beginning() -> Batch {
    let mut batch = Batch::default();
    for space in [Space::HOST, Space(1)] {
        for table in [StoreTable::Replica, StoreTable::Seen] {
            for number in 0..150_u8 {
                let value = (0..100).map(|at| number.wrapping_add(at)).collect::<Vec<u8>>();
                batch.put(Key::new(space, table, [b'a', 0x80, 0, number]), value);
            }
        }
    }
    batch
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// Runs random steps against a store and the model. `open` opens the store again after it was closed.
fn behaves_like_the_model(cases: u32, fresh: impl Fn() -> Box<dyn Fn(Option<Box<dyn Store>>) -> Box<dyn Store>>) {
    let runtime = runtime();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&vec(steps(), 1..40), |steps| {
        let open = fresh();
        let mut store = open(None);
        let mut model = Model::default();
        for _ in 0..3 {
            commit_both(&runtime, &*store, &mut model, beginning())?;
        }
        for step in steps {
            match step {
                Step::Commit(batch) => commit_both(&runtime, &*store, &mut model, batch)?,
                Step::Get(keys) => {
                    let expected: Vec<_> = keys.iter().map(|key| model.rows.get(key).cloned()).collect();
                    prop_assert_eq!(runtime.block_on(store.get(keys)), Ok(expected));
                }
                Step::Scan { space, table, after, limit } => {
                    let expected = model.scan(space, table, &after, limit);
                    prop_assert_eq!(runtime.block_on(store.scan(space, table, after, limit)), Ok(expected));
                }
                Step::Reopen => store = open(Some(store)),
            }
        }
        let last = runtime.block_on(store.stats()).map(|stats| stats.last_commit);
        prop_assert_eq!(last, Ok(model.commits));
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}

fn commit_both(
    runtime: &tokio::runtime::Runtime,
    store: &dyn Store,
    model: &mut Model,
    mut batch: Batch,
) -> Result<(), TestCaseError> {
    // Values are drawn at random and so seldom equal: expect what is there for every second one.
    for expect in &mut batch.expect {
        if let Expect::Equals(key, value) = expect
            && value.len().is_multiple_of(2)
            && let Some(there) = model.rows.get(key)
        {
            value.clone_from(there);
        }
    }
    let expected = model.commit(&batch);
    let committed = runtime.block_on(store.commit(batch)).map(|committed| committed.number);
    prop_assert_eq!(committed, expected);
    Ok(())
}

/// The parts of the suite that need no reopening.
fn suite(store: Arc<dyn Store>) {
    let runtime = runtime();
    runtime.block_on(async {
        joined_commits_see_each_other(&store).await;
        pages_show_whole_commits(&store).await;
        dropped_ranges_are_gone_at_once(&store).await;
        many_small_rows_come_and_go(&store).await;
        odd_input_is_refused_or_kept(&store).await;
        closed_stores_say_so(&store).await;
    });
}

/// Of many commits that race for one row, sent at once so that they are joined, exactly one wins.
async fn joined_commits_see_each_other(store: &Arc<dyn Store>) {
    let key = Key::new(Space(9), StoreTable::Pair, "race");
    let racers: Vec<_> = (0..100_u8)
        .map(|racer| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let mut batch = Batch { expect: vec![Expect::Absent(key.clone())], ..Batch::default() };
                batch.put(key, vec![racer; 5_000]);
                store.commit(batch).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (racer, task) in racers.into_iter().enumerate() {
        match task.await.expect("a racer ends") {
            Ok(_) => winners.push(racer as u8),
            Err(error) => assert_eq!(error, StoreError::Conflict(0)),
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?} won") };
    assert_eq!(store.get(vec![key]).await, Ok(vec![Some(vec![winner; 5_000])]));
}

/// Rows that always change together are never read apart, also when each value lies in pieces.
async fn pages_show_whole_commits(store: &Arc<dyn Store>) {
    const ROWS: usize = 40;
    let done = Arc::new(AtomicBool::new(false));
    let round = |number: u8| {
        let mut batch = Batch::default();
        for row in 0..ROWS as u8 {
            let length = if row % 8 == 0 { 9_000 + usize::from(number) } else { 20 };
            batch.put(Key::new(Space(3), StoreTable::Replica, [row]), vec![number; length]);
        }
        batch
    };
    store.commit(round(0)).await.expect("committed");
    let readers: Vec<_> = [3, 40, 1_000]
        .map(|limit| {
            let (store, done) = (Arc::clone(store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut pages = 0;
                while !done.load(Ordering::Relaxed) || pages == 0 {
                    let page = store.scan(Space(3), StoreTable::Replica, vec![], limit).await.expect("a page");
                    assert_eq!(page.len(), limit.min(ROWS));
                    let number = page[0].1[0];
                    assert!(page.iter().all(|(_, value)| value.iter().all(|byte| *byte == number)), "a torn page");
                    pages += 1;
                    tokio::task::yield_now().await;
                }
            })
        })
        .into();
    for number in 1..60 {
        store.commit(round(number)).await.expect("committed");
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("no torn page");
    }
}

/// Readers never see part of a large range that a commit dropped, whenever its rows are deleted.
async fn dropped_ranges_are_gone_at_once(store: &Arc<dyn Store>) {
    const ROWS: u32 = 5_000;
    for round in 0..3_u8 {
        let mut batch = Batch::default();
        for row in 0..ROWS {
            batch.put(Key::new(Space(4), StoreTable::Seen, row.to_be_bytes()), vec![round]);
        }
        store.commit(batch).await.expect("committed");
        let all = Write::DeleteRange { space: Space(4), table: StoreTable::Seen, from: vec![], to: None };
        // Sent at once, so that they may be joined: the later one sees what the first one dropped and stays.
        let last = Key::new(Space(4), StoreTable::Seen, (ROWS - 1).to_be_bytes());
        let mut behind = Batch { expect: vec![Expect::Absent(last.clone())], ..Batch::default() };
        behind.put(last.clone(), vec![9]);
        let dropping = store.commit(Batch { writes: vec![all], ..Batch::default() });
        let (dropped, put) = tokio::join!(dropping, store.commit(behind));
        assert_eq!(put.expect("committed").number, dropped.expect("committed").number + 1);
        let page = store.scan(Space(4), StoreTable::Seen, vec![], 10).await.expect("a page");
        assert_eq!(page, [(last.id, vec![9])]);
    }
}

/// Enough rows to be stored together, divided, and taken apart again: in order, anywhere, and from the front.
async fn many_small_rows_come_and_go(store: &Arc<dyn Store>) {
    let space = Space(7);
    let mut model = Model::default();
    let mut chance = 1_u32;
    let mut draw = |below: u32| {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (chance >> 8) % below
    };
    for round in 0..40_u32 {
        let mut batch = Batch::default();
        for at in 0..200 {
            let number = if round < 10 { round * 200 + at } else { draw(3_000) };
            let table = if draw(2) == 0 { StoreTable::Seen } else { StoreTable::Change };
            let key = Key::new(space, table, format!("{number:05}"));
            match draw(if round < 20 { 8 } else { 3 }) {
                0 => batch.delete(key),
                length => batch.put(key, vec![round as u8; (length * draw(80)) as usize]),
            }
        }
        if round % 8 == 7 {
            let to = Some(format!("{:05}", round * 20).into_bytes());
            let (table, from) = (StoreTable::Seen, Vec::new());
            batch.writes.push(Write::DeleteRange { space, table, from, to });
        }
        model.commit(&batch).expect("nothing is expected");
        store.commit(batch).await.expect("committed");
        for table in [StoreTable::Seen, StoreTable::Change] {
            let (mut after, limit) = (Vec::new(), 1 + draw(400) as usize);
            loop {
                let page = store.scan(space, table, after.clone(), limit).await.expect("read");
                assert!(page == model.scan(space, table, &after, limit), "round {round}, {table:?} after {after:?}");
                let Some((last, _)) = page.last() else { break };
                after.clone_from(last);
            }
            let keys: Vec<Key> = (0..50).map(|_| Key::new(space, table, format!("{:05}", draw(3_000)))).collect();
            let expected: Vec<_> = keys.iter().map(|key| model.rows.get(key).cloned()).collect();
            assert!(store.get(keys).await.expect("read") == expected, "round {round}, {table:?}");
        }
    }
}

async fn odd_input_is_refused_or_kept(store: &Arc<dyn Store>) {
    let mut batch = Batch::default();
    batch.put(Key::new(Space(5), StoreTable::Meta, "before"), vec![1]);
    batch.put(Key::new(Space(5), StoreTable::Meta, vec![7; ID_LENGTH_MAX + 1]), vec![1]);
    assert!(matches!(store.commit(batch).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.get(vec![Key::new(Space(5), StoreTable::Meta, "before")]).await, Ok(vec![None]));

    let long = Key::new(Space(5), StoreTable::Meta, vec![7; ID_LENGTH_MAX]);
    let mut batch = Batch::default();
    batch.put(long.clone(), vec![]);
    let number = store.commit(batch).await.expect("committed").number;
    assert_eq!(store.get(vec![long.clone(), long]).await, Ok(vec![Some(vec![]), Some(vec![])]));
    assert_eq!(store.stats().await.map(|stats| stats.last_commit), Ok(number));
}

async fn closed_stores_say_so(store: &Arc<dyn Store>) {
    let closed = |error: Option<StoreError>| matches!(error, Some(StoreError::Unavailable(_)));
    store.close().await.expect("closed");
    assert!(closed(store.commit(Batch::default()).await.err()));
    assert!(closed(store.get(vec![Key::new(Space(5), StoreTable::Meta, "a")]).await.err()));
    assert!(closed(store.scan(Space(5), StoreTable::Meta, vec![], 10).await.err()));
    assert!(closed(store.stats().await.err()));
}

fn disk_in(dir: &Path, options: &DiskOptions) -> DiskStore {
    DiskStore::open(dir, options.clone()).expect("an opened store")
}

/// What is put behind two drops of one range, in one batch, is what is there.
fn keeps_what_is_put_behind_two_drops(store: &DiskStore) {
    let key = |id: &str| Key::new(Space(1), StoreTable::Meta, id);
    let every = || Write::DeleteRange { space: Space(1), table: StoreTable::Meta, from: Vec::new(), to: None };
    runtime().block_on(async {
        let first = Batch { writes: vec![Write::Put(key("old"), vec![1])], ..Batch::default() };
        store.commit(first).await.expect("it is committed");
        let second = Batch { writes: vec![every(), every(), Write::Put(key("new"), vec![2])], ..Batch::default() };
        store.commit(second).await.expect("it is committed");
        assert_eq!(store.get(vec![key("old"), key("new")]).await, Ok(vec![None, Some(vec![2])]));
    });
}

fn disk_behaves_like_the_model(options: &DiskOptions) {
    behaves_like_the_model(40, || {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options = options.clone();
        Box::new(move |store| {
            drop(store);
            Box::new(disk_in(dir.path(), &options))
        })
    });
}

#[test]
fn memory_behaves_like_the_model() {
    behaves_like_the_model(200, || Box::new(|store| store.unwrap_or_else(|| Box::new(MemoryStore::new()))));
}

#[test]
fn memory_passes_the_suite() {
    suite(Arc::new(MemoryStore::new()));
}

/// The tests of an engine on disk.
macro_rules! engine {
    ($module:ident, $engine:expr) => {
        mod $module {
            use super::*;

            /// So few samples that values are packed soon.
            fn options() -> DiskOptions {
                DiskOptions { engine: $engine, samples_bytes: 2_048, ..DiskOptions::default() }
            }

            #[test]
            fn behaves_like_the_model() {
                disk_behaves_like_the_model(&options());
            }

            /// As if every dropped range were a large one.
            #[test]
            fn behaves_like_the_model_when_ranges_are_dropped_later() {
                disk_behaves_like_the_model(&DiskOptions { range_rows_max: 0, ..options() });
            }

            #[test]
            fn keeps_what_is_put_behind_two_dropped_ranges() {
                let dir = tempfile::tempdir().expect("a temporary folder");
                let options = DiskOptions { range_rows_max: 0, ..options() };
                keeps_what_is_put_behind_two_drops(&disk_in(dir.path(), &options));
            }

            #[test]
            fn passes_the_suite() {
                let dir = tempfile::tempdir().expect("a temporary folder");
                suite(Arc::new(disk_in(dir.path(), &options())));
            }
        }
    };
}

engine!(sled, Engine::Sled);
engine!(fjall, Engine::Fjall);

#[test]
fn memory_goes_back_to_a_snapshot() {
    let runtime = runtime();
    let store = MemoryStore::new();
    let key = Key::new(Space(1), StoreTable::Meta, "a");
    let put = |value: u8| {
        let mut batch = Batch::default();
        batch.put(key.clone(), vec![value]);
        runtime.block_on(store.commit(batch)).map(|committed| committed.number)
    };
    assert_eq!(put(1), Ok(1));
    let snapshot = store.snapshot();
    assert_eq!(put(2), Ok(2));
    runtime.block_on(store.close()).expect("closed");
    store.restore(snapshot);
    assert_eq!(runtime.block_on(store.get(vec![key.clone()])), Ok(vec![Some(vec![1])]));
    assert_eq!(put(3), Ok(2));
}
