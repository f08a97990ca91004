//! What goes wrong around a store on disk: damage, a full disk, a second process. Each ends in an error that says what
//! to do, and nothing acknowledged is lost without a word.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use syncline_runner::{Batch, Key, Space, Store, StoreError, StoreTable};
use syncline_store::{DiskOptions, DiskStore, Engine};

/// Makes a test of each function, once for every engine.
macro_rules! on_every_engine {
    ($($name:ident,)*) => {
        on_every_engine! { in sled = Engine::Sled; $($name,)* }
        on_every_engine! { in fjall = Engine::Fjall; $($name,)* }
    };
    (in $module:ident = $engine:expr; $($name:ident,)*) => {
        mod $module {
            use syncline_store::Engine;
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name($engine).await;
                }
            )*
        }
    };
}

on_every_engine! {
    a_second_process_is_told_that_the_store_is_busy,
    damage_at_the_end_of_the_log_is_never_silent,
    a_lost_database_beside_its_mark_is_not_taken_for_a_new_store,
    an_old_copy_with_a_newer_mark_is_noticed,
    the_mark_follows_while_the_store_is_open,
    a_garbled_row_is_told_with_its_table,
    a_store_of_a_newer_version_is_left_alone,
    a_foreign_database_is_refused,
    a_folder_that_cannot_be_made_is_told,
    a_full_disk_loses_nothing_and_the_store_goes_on_once_there_is_space,
    on_a_full_disk_a_run_ends_and_everything_can_be_read,
    a_folder_remembers_its_engine,
    an_opening_that_takes_too_long_is_told_and_harms_nothing,
}

fn options(engine: Engine) -> DiskOptions {
    DiskOptions { engine, reserve_bytes: 0, ..DiskOptions::default() }
}

fn open(engine: Engine, dir: &Path) -> Result<DiskStore, StoreError> {
    DiskStore::open(dir, options(engine))
}

/// Changes a row, the last one up to `key`, or adds one at `key`, in the database itself.
fn change(engine: Engine, dir: &Path, key: &[u8], value: impl FnOnce(Option<Vec<u8>>) -> Vec<u8>) {
    match engine {
        Engine::Sled => {
            let db = ::sled::open(dir.join("sled")).expect("the database itself");
            let found = db.range(..=key).next_back().map(|found| found.expect("read"));
            let (key, stored) = found.map_or((key.into(), None), |(key, stored)| (key, Some(stored.to_vec())));
            db.insert(key, value(stored)).expect("written");
        }
        Engine::Fjall => {
            let db = ::fjall::Database::builder(dir.join("fjall")).open().expect("the database itself");
            let rows = db.keyspace("rows", ::fjall::KeyspaceCreateOptions::default).expect("its rows");
            let found = rows.range(..=key).next_back().map(|found| found.into_inner().expect("read"));
            let (key, stored) = found.map_or((key.into(), None), |(key, stored)| (key, Some(stored.to_vec())));
            rows.insert(key, value(stored)).expect("written");
            db.persist(::fjall::PersistMode::SyncAll).expect("kept");
        }
    }
}

/// The file at whose end the last commits are.
fn log_file(engine: Engine, dir: &Path) -> PathBuf {
    match engine {
        Engine::Sled => dir.join("sled/db"),
        Engine::Fjall => dir.join("fjall/0.jnl"),
    }
}

fn row(number: u32) -> Key {
    Key::new(Space(1), StoreTable::Replica, number.to_be_bytes())
}

fn body(number: u32) -> Vec<u8> {
    // Not compressible, so that the database's file has the size one expects.
    (0..400_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 7 ^ number) as u8).collect()
}

async fn commit(store: &DiskStore, numbers: std::ops::Range<u32>) -> Result<u64, StoreError> {
    let mut batch = Batch::default();
    for number in numbers {
        batch.put(row(number), body(number));
    }
    Ok(store.commit(batch).await?.number)
}

async fn assert_rows(store: &DiskStore, numbers: std::ops::Range<u32>) {
    let expected: Vec<_> = numbers.clone().map(|number| Some(body(number))).collect();
    let found = store.get(numbers.map(row).collect()).await.expect("read");
    assert!(found == expected, "rows are missing or garbled");
}

/// A store in a folder of its own with ten commits of ten rows, closed.
async fn filled(engine: Engine) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = open(engine, dir.path()).expect("opened");
    for ten in 0..10 {
        commit(&store, ten * 10..ten * 10 + 10).await.expect("committed");
    }
    store.close().await.expect("closed");
    dir
}

fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(dir, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a kind").is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

async fn a_second_process_is_told_that_the_store_is_busy(engine: Engine) {
    let dir = filled(engine).await;
    // The lock belongs to an opened file, so a second open here is refused as another process's would be.
    let store = open(engine, dir.path()).expect("opened");
    assert_eq!(open(engine, dir.path()).err(), Some(StoreError::Busy));
    let lock_file = match engine {
        Engine::Sled => dir.path().join("sled/db"),
        Engine::Fjall => dir.path().join("fjall/lock"),
    };
    let mut other = Command::new("flock");
    other.args(["--nonblock", "--conflict-exit-code", "9"]).arg(lock_file).arg("true");
    assert_eq!(other.status().ok().and_then(|status| status.code()), Some(9), "another process got in");
    assert_rows(&store, 0..100).await;
    drop(store);
    assert_rows(&open(engine, dir.path()).expect("opened once it is free"), 0..100).await;
}

/// The database opens such files without a word, or not at all. Only the mark tells that commits are gone.
async fn damage_at_the_end_of_the_log_is_never_silent(engine: Engine) {
    let dir = filled(engine).await;
    let end = end_of_data(&log_file(engine, dir.path()));
    let mut noticed_by_mark = 0;
    let mut refused = 0;
    for damage in 0..24_u64 {
        let copy = copy_of(dir.path());
        let db = OpenOptions::new().write(true).open(log_file(engine, copy.path())).expect("the file");
        let back = 1 + damage * damage * 37;
        match damage % 3 {
            0 => db.set_len(end - back).expect("cut"),
            1 => db.write_all_at(&vec![0xa5; back as usize], end - back).expect("garbled"),
            _ => db.write_all_at(&[0x5a], end - back).expect("garbled"),
        }
        drop(db);
        match open(engine, copy.path()) {
            Ok(store) => assert_rows(&store, 0..100).await,
            Err(StoreError::Damaged(text)) => {
                noticed_by_mark += u32::from(text.contains("acknowledged data is missing"));
                refused += 1;
                assert!(text.contains("restore the last copy"), "no next step: {text}");
            }
            Err(other) => panic!("{other}"),
        }
        assert!(log_file(engine, copy.path()).exists(), "a damaged store was deleted");
    }
    assert!(noticed_by_mark > 0, "of {refused} refusals none was the mark's");
}

/// The last byte that is not padding.
fn end_of_data(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("the file");
    bytes.iter().rposition(|byte| *byte != 0).expect("data") as u64 + 1
}

async fn a_lost_database_beside_its_mark_is_not_taken_for_a_new_store(engine: Engine) {
    let dir = filled(engine).await;
    for entry in fs::read_dir(dir.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            fs::remove_dir_all(path).expect("removed");
        } else if !["engine", "high-water"].map(|name| dir.path().join(name)).contains(&path) {
            fs::remove_file(path).expect("removed");
        }
    }
    let error = open(engine, dir.path()).err().expect("refused").to_string();
    assert!(error.contains("acknowledged data is missing") && error.contains("high-water"), "{error}");
    // The way out that the message names.
    fs::remove_file(dir.path().join("high-water")).expect("removed");
    let store = open(engine, dir.path()).expect("opened");
    assert_eq!(commit(&store, 0..1).await, Ok(1));
}

async fn an_old_copy_with_a_newer_mark_is_noticed(engine: Engine) {
    let dir = filled(engine).await;
    let copy = copy_of(dir.path());
    let store = open(engine, dir.path()).expect("opened");
    commit(&store, 100..110).await.expect("committed");
    store.close().await.expect("closed");
    fs::copy(dir.path().join("high-water"), copy.path().join("high-water")).expect("copied");
    let error = open(engine, copy.path()).err().expect("refused").to_string();
    assert!(error.contains("commit 11 was kept but the last one found is 10"), "{error}");
}

async fn the_mark_follows_while_the_store_is_open(engine: Engine) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = DiskOptions { high_water_every: Duration::ZERO, ..options(engine) };
    let store = DiskStore::open(dir.path(), options).expect("opened");
    let mark = || fs::read(dir.path().join("high-water")).expect("a mark");
    let before = mark();
    commit(&store, 0..10).await.expect("committed");
    assert_eq!(mark()[..8], 1_u64.to_be_bytes());
    assert_eq!((mark().len(), before[..8].to_vec()), (16, vec![0; 8]));
}

async fn a_garbled_row_is_told_with_its_table(engine: Engine) {
    let dir = filled(engine).await;
    let key = [&[0, 0, 0, 1, StoreTable::Replica as u8][..], &7_u32.to_be_bytes()].concat();
    // Small rows may lie together, under the key of one of them.
    change(engine, dir.path(), &key, |stored| {
        let mut stored = stored.expect("there");
        stored[20] ^= 1;
        stored
    });
    let store = open(engine, dir.path()).expect("opened");
    let error = store.get(vec![row(7)]).await.expect_err("refused").to_string();
    assert!(error.contains("table replica of space 1"), "{error}");
    let page = store.scan(Space(1), StoreTable::Replica, vec![], 1_000).await;
    assert!(matches!(page, Err(StoreError::Damaged(_))));
    // The rest is readable. What lies with a garbled row in one block is not written over, since that would lose it for good.
    assert_rows(&store, 8..100).await;
    if engine == Engine::Sled {
        let refused = commit(&store, 7..8).await.expect_err("refused").to_string();
        assert!(refused.contains("table replica of space 1"), "{refused}");
    }
}

async fn a_store_of_a_newer_version_is_left_alone(engine: Engine) {
    let dir = filled(engine).await;
    let key = [&[0; 5][..], b"format"].concat();
    let mut hasher = crc32fast::Hasher::new();
    for part in [&key[..], &[0], &9_u32.to_be_bytes()] {
        hasher.update(part);
    }
    let nine = [&[0][..], &hasher.finalize().to_be_bytes(), &9_u32.to_be_bytes()].concat();
    change(engine, dir.path(), &key, |_| nine);
    assert_eq!(open(engine, dir.path()).err(), Some(StoreError::TooNew { found: 9, known: 2 }));
}

async fn a_foreign_database_is_refused(engine: Engine) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    change(engine, dir.path(), b"a", |_| b"b".to_vec());
    let error = open(engine, dir.path()).err().expect("refused").to_string();
    assert!(error.contains("no format number"), "{error}");
}

async fn a_folder_that_cannot_be_made_is_told(engine: Engine) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let error = open(engine, &file.join("store")).err().expect("refused").to_string();
    assert!(error.contains("file/store") && error.contains("permissions"), "{error}");
}

async fn a_folder_remembers_its_engine(engine: Engine) {
    let dir = filled(engine).await;
    let other = Engine::ALL.into_iter().find(|other| *other != engine).expect("another one");
    let refused = StoreError::OtherEngine { found: engine.name(), asked: other.name() };
    assert_eq!(open(other, dir.path()).err(), Some(refused));
    assert_eq!(Engine::of_folder(dir.path()).expect("read"), Some(engine));
    assert_rows(&open(engine, dir.path()).expect("opened"), 0..100).await;
}

/// A small disk of its own, given back when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(folder).expect("made");
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output().ok()?;
        mounted.status.success().then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a failed test may still have the store open.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

async fn a_full_disk_loses_nothing_and_the_store_goes_on_once_there_is_space(engine: Engine) {
    for megabytes in [4, 5, 7] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = (megabytes + ballast_megabytes(engine)) * 1024 * 1024;
        let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), size) else {
            println!("skipped: mounting a small disk is not permitted here");
            return;
        };
        fill_and_free(engine, &disk.0).await;
    }
}

/// What is freed for the store to go on. fjall first writes out in order what its journal holds.
fn ballast_megabytes(engine: Engine) -> u64 {
    match engine {
        Engine::Sled => 2,
        Engine::Fjall => 12,
    }
}

async fn fill_and_free(engine: Engine, disk: &Path) {
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).expect("made");
    file.write_all(&vec![1; ballast_megabytes(engine) as usize * 1024 * 1024]).expect("written");
    let dir = disk.join("store");
    let store = open(engine, &dir).expect("opened");
    let (mut kept, mut commits) = (0, 0);
    let error = loop {
        match commit(&store, kept..kept + 100).await {
            Ok(_) => (kept, commits) = (kept + 100, commits + 1),
            Err(error) => break error,
        }
        assert!(kept < 1_000_000, "the disk never fills");
    };
    assert_eq!(error, StoreError::Full);
    // Still full: the same answer, but where the database has found some space of its own meanwhile.
    match commit(&store, kept..kept + 4_000).await {
        Ok(_) => (kept, commits) = (kept + 4_000, commits + 1),
        Err(error) => assert_eq!(error, StoreError::Full),
    }
    match store.get(vec![row(0)]).await {
        Ok(found) => assert_eq!(found, [Some(body(0))]),
        Err(error) => assert_eq!(error, StoreError::Full),
    }

    file.set_len(0).expect("space again");
    let number = loop {
        // It is opened again at most twice a second.
        match commit(&store, kept..kept + 10).await {
            Err(StoreError::Full) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => break other.expect("goes on"),
        }
    };
    assert_rows(&store, 0..kept + 10).await;
    assert_eq!(commits + 1, number, "a refused commit was counted");
    assert_eq!(store.get(vec![row(kept + 10), row(kept + 99)]).await, Ok(vec![None, None]), "half of a refused commit");
    store.close().await.expect("closed");
    assert_rows(&open(engine, &dir).expect("opened"), 0..kept + 10).await;
}

/// The space that is kept makes room for what ends a run, and for opening once more; nobody else gets it.
async fn on_a_full_disk_a_run_ends_and_everything_can_be_read(engine: Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), 64 * MIB) else {
        println!("skipped: mounting a small disk is not permitted here");
        return;
    };
    let dir = disk.0.join("store");
    let options = DiskOptions { reserve_bytes: 24 * MIB, free_bytes_min: Some(4 * MIB), ..options(engine) };
    let open = || DiskStore::open(&dir, options.clone());
    let store = open().expect("opened");
    assert_eq!(store.make_room().await, Ok(()));
    let mut kept = 0;
    while store.check_room().is_ok() {
        // Also the commit that finds the disk full is kept.
        commit(&store, kept..kept + 500).await.expect("committed");
        kept += 500;
        assert!(kept < 1_000_000, "the disk never fills");
    }
    // Whoever goes on all the same is stopped while what ends a run still fits.
    let mut kept = 0..kept;
    while commit(&store, kept.end..kept.end + 500).await.is_ok() {
        kept.end += 500;
    }
    commit(&store, kept.end..kept.end + 50).await.expect("how the run ended");
    kept.end += 50;
    store.close().await.expect("closed");

    let others = disk.0.join("others");
    for _ in 0..4 {
        let filled =
            Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", others.display())).output();
        assert!(filled.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("No space")), "not full");
        let store = open().expect("opened on a full disk");
        assert_rows(&store, kept.clone()).await;
        let told = store.make_room().await.expect_err("refused").to_string();
        assert!(told.contains(dir.to_str().expect("a path")), "{told}");
        commit(&store, kept.end..kept.end + 10).await.expect("something small");
        kept.end += 10;
        store.close().await.expect("closed");
    }
    fs::remove_file(&others).expect("space again");
    fs::remove_file(dir.join("reserve")).expect("what was left of it");
    let store = open().expect("opened");
    assert_rows(&store, kept).await;
}

const MIB: u64 = 1024 * 1024;

async fn an_opening_that_takes_too_long_is_told_and_harms_nothing(engine: Engine) {
    let dir = filled(engine).await;
    let file = file_read_on_opening(engine, dir.path());
    let aside = dir.path().join("aside");
    fs::rename(&file, &aside).expect("set aside");
    // Opening goes on only once somebody writes into it.
    assert!(Command::new("mkfifo").arg(&file).status().is_ok_and(|status| status.success()), "no pipe");
    let (reply, answer) = std::sync::mpsc::channel();
    let (folder, hurried) =
        (dir.path().to_owned(), DiskOptions { open_time_max: Duration::from_millis(100), ..options(engine) });
    std::thread::spawn(move || reply.send(DiskStore::open(&folder, hurried).err()));
    let told = answer.recv_timeout(Duration::from_secs(60)).expect("an answer in time").expect("refused").to_string();
    let expected = [dir.path().to_str().expect("a path"), "took longer than 0 seconds; start again", "the last copy"];
    assert!(expected.iter().all(|part| told.contains(part)), "{told}");

    let content = fs::read(&aside).expect("read");
    let mut pipe = OpenOptions::new().write(true).open(&file).expect("it is still being opened");
    fs::rename(&aside, &file).expect("put back");
    pipe.write_all(&content).expect("goes on");
    drop(pipe);
    // What was opened too late is closed by the thread that opened it.
    let store = loop {
        match open(engine, dir.path()) {
            Err(StoreError::Busy) => std::thread::yield_now(),
            opened => break opened.expect("opened"),
        }
    };
    assert_rows(&store, 0..100).await;
}

/// A file that opening reads from its beginning to its end.
fn file_read_on_opening(engine: Engine, dir: &Path) -> PathBuf {
    match engine {
        Engine::Sled => {
            let entries = fs::read_dir(dir.join("sled")).expect("a folder");
            let snapshots = entries.map(|entry| entry.expect("an entry").path());
            let is_snapshot = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == "snap");
            snapshots.filter(is_snapshot).max().expect("a snapshot")
        }
        Engine::Fjall => dir.join("fjall/version"),
    }
}
