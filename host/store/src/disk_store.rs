//! The embedded store: a database (`database`), made to survive power cuts, damage and full disks.
//!
//! One ordered space of rows, one writing thread (`writer`), one batch for the commits that wait together (`stage`), synced by us before
//! anyone is told (`disk`). Reads go straight to the database.
//!
//! Invariant: a page shows all of a commit or nothing of it. sled alone does not promise that, since a scan takes
//! its lock anew for each row; so a read holds a lock that the writer takes alone while it applies a batch.

mod blocks;
mod compaction;
mod database;
mod dictionary;
mod disk;
mod dropping;
mod failure;
mod format;
mod high_water;
mod live;
mod reserve;
mod row;
mod stage;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use syncline_runner::BoxFuture;
use syncline_runner::{Batch, Committed, Key, Space, Stats, Store, StoreError, StoreTable};
use tokio::sync::{Semaphore, oneshot};

pub use self::compaction::{Compacted, compact};
use self::database::Batch as Rows;
use self::disk::Disk;
use self::failure::Failure;
use self::format::Migration;
use self::high_water::HighWater;
use self::reserve::Reserve;
use self::writer::{Commit, Request, Writer};
use crate::engine::Engine;
use crate::limits;

/// Commits that may wait for the writer; further ones wait to be let in.
const QUEUE_LENGTH_MAX: usize = 64;

/// Rows that are read right where they are asked for: 3 to 5 microseconds each, where handing the read to another
/// thread costs 20 to 70. More rows, or a lock that is taken, go to a thread that may block.
const INLINE_ROWS_MAX: usize = 64;

/// How a [`DiskStore`] is run.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// The database. A folder that has a store remembers its own, and is not opened with another.
    pub engine: Engine,
    /// What the database caches, in bytes; sled really uses about twice that.
    pub cache_bytes: u64,
    /// How long opening may take.
    pub open_time_max: Duration,
    /// How often the number of the last commit is kept beside the database: what is lost to a damaged file within that
    /// time may go unnoticed.
    pub high_water_every: Duration,
    /// How many rows a dropped range may have to be deleted within its commit. More are hidden by the commit and
    /// deleted after it, before the next, so that memory does not grow with them.
    pub range_rows_max: usize,
    /// How many bytes of a table are written before a dictionary is made of them, with which its values are packed from
    /// then on; none is made if 0. Of the databases that pack their values by themselves no table has one.
    pub samples_bytes: usize,
    /// Space that is kept for a full disk, in bytes; none if 0.
    pub reserve_bytes: u64,
    /// What has to be free for a run to begin, in bytes; without it the smaller of a tenth of the disk and 1 GiB.
    pub free_bytes_min: Option<u64>,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            cache_bytes: 8 * 1024 * 1024,
            open_time_max: Duration::from_secs(300),
            high_water_every: Duration::from_secs(2),
            range_rows_max: 1_000,
            samples_bytes: 128 * 1024,
            reserve_bytes: 64 * 1024 * 1024,
            free_bytes_min: None,
        }
    }
}

/// A durable store in a folder of its own.
///
/// Reads and commits need a running tokio runtime. A commit whose future is dropped may still happen.
pub struct DiskStore {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    places: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What readers and the writer share.
struct Shared {
    state: RwLock<State>,
    last_commit: AtomicU64,
    dir: PathBuf,
    options: DiskOptions,
    reserve: Reserve,
}

/// The database, or why there is none.
enum State {
    Open(Disk),
    /// It failed. With `reopen`, it is opened again when it is next asked for.
    Down {
        error: StoreError,
        reopen: bool,
    },
    Closed,
}

impl DiskStore {
    /// Opens the store in `dir`, or makes it. Blocks for as long as the database needs to recover.
    ///
    /// Nothing is deleted when it fails; the error says what to do next.
    pub fn open(dir: &Path, options: DiskOptions) -> Result<Self, StoreError> {
        Self::open_migrating(dir, options, format::MIGRATIONS)
    }

    fn open_migrating(dir: &Path, options: DiskOptions, migrations: &[Migration]) -> Result<Self, StoreError> {
        let dir = std::path::absolute(dir)
            .map_err(|error| failure::from_io(&format!("finding {}", dir.display()), &error).error)?;
        let held = hold(&dir, options.engine)?;
        let reserve = Reserve::of(&dir, &options);
        let disk = match open_or_create(&held, &options, migrations) {
            Err(StoreError::Full) if reserve.give_up() => {
                open_or_create(&held, &options, migrations).inspect_err(|_| reserve.take_back())?
            }
            opened => opened?,
        };
        reserve.settle();
        let last_commit = format::last_commit(&disk)?.unwrap_or(0);
        let high_water = HighWater::of(&dir);
        let shared = Arc::new(Shared {
            state: RwLock::new(State::Open(disk)),
            last_commit: AtomicU64::new(last_commit),
            dir,
            options,
            reserve,
        });
        let (requests, received) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), received, high_water, held);
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| failure::from_io("starting the store's writer", &error).error)?;
        let places = Arc::new(Semaphore::new(QUEUE_LENGTH_MAX));
        Ok(Self { shared, requests, places, writer: Mutex::new(Some(writer)) })
    }

    /// Asks the writer and waits for its answer.
    async fn ask<T>(&self, request: impl FnOnce(writer::Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Reads about `rows` rows with `act`, here or in a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        rows: usize,
        act: impl Fn(&Disk) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        if rows <= INLINE_ROWS_MAX
            && let Ok(state) = self.shared.state.try_read()
            && let State::Open(disk) = &*state
        {
            match act(disk) {
                Err(error) if writer::gives_up(&error) => {}
                result => return result,
            }
        }
        let act = Arc::new(act);
        match self.read_blocking(Arc::clone(&act)).await {
            Err(error) if writer::gives_up(&error) => {
                self.ask(Request::Revive).await?;
                self.read_blocking(act).await
            }
            result => result,
        }
    }

    async fn read_blocking<T: Send + 'static>(
        &self,
        act: Arc<impl Fn(&Disk) -> Result<T, StoreError> + Send + Sync + 'static>,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let reading = tokio::task::spawn_blocking(move || act(shared.state_to_read().disk()?));
        reading.await.map_err(|error| StoreError::Unavailable(format!("a read was cut short: {error}")))?
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        // The writer is gone already when the store was closed.
        drop(self.requests.send(Request::Close(None)));
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the store's writer ended with a panic");
        }
    }
}

impl Store for DiskStore {
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move {
            limits::check(&batch)?;
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
            self.ask(|reply| Request::Commit(Commit { batch, place, reply })).await
        })
    }

    fn get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(self.read(keys.len(), move |disk| get(disk, &keys)))
    }

    fn scan(
        &self,
        space: Space,
        table: StoreTable,
        after: Vec<u8>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        Box::pin(self.read(limit, move |disk| scan(disk, row::prefix(space, table), &after, limit)))
    }

    fn table_after(
        &self,
        after: Option<(Space, StoreTable)>,
    ) -> BoxFuture<'_, Result<Option<(Space, StoreTable)>, StoreError>> {
        Box::pin(self.read(1, move |disk| table_after(disk, after)))
    }

    fn make_room(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let making = tokio::task::spawn_blocking(move || shared.reserve.make_room());
            making.await.map_err(|error| StoreError::Unavailable(format!("making room was cut short: {error}")))?
        })
    }

    fn check_room(&self) -> Result<(), StoreError> {
        if self.shared.reserve.is_given_up() { Err(StoreError::Full) } else { Ok(()) }
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        Box::pin(async move {
            let last_commit = self.shared.last_commit();
            let kept = self.shared.reserve.held_bytes();
            let measure = move |disk: &Disk| {
                let disk_bytes = disk.disk_bytes()?.saturating_sub(kept);
                Ok(Stats { disk_bytes, live_bytes: disk.live_bytes(), free_bytes: disk.free_bytes(), last_commit })
            };
            self.read(usize::MAX, measure).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(|reply| Request::Close(Some(reply))))
    }
}

impl State {
    fn disk(&self) -> Result<&Disk, StoreError> {
        match self {
            State::Open(disk) => Ok(disk),
            State::Down { error, .. } => Err(error.clone()),
            State::Closed => Err(closed()),
        }
    }

    fn disk_mut(&mut self) -> Result<&mut Disk, StoreError> {
        match self {
            State::Open(disk) => Ok(disk),
            State::Down { error, .. } => Err(error.clone()),
            State::Closed => Err(closed()),
        }
    }
}

impl Shared {
    fn state_to_read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_to_write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace_state(&self, state: State) -> State {
        std::mem::replace(&mut *self.state_to_write(), state)
    }

    /// Runs `act` while nobody reads.
    fn with_disk_alone<T>(&self, act: impl FnOnce(&mut Disk) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.state_to_write();
        act(state.disk_mut().map_err(|error| Failure { error, reopen: false })?)
    }

    /// Deletes the rows of dropped ranges and then their marks, letting readers in between batches.
    fn delete_dropped(&self) -> Result<(), Failure> {
        let failed = |error| Failure { error, reopen: true };
        let mut ranges = self.state_to_read().disk().map_err(failed)?.dropping().to_vec();
        for range in &mut ranges {
            while let Some(batch) = {
                let state = self.state_to_read();
                dropping::next_batch(state.disk().map_err(failed)?, range).map_err(failed)?
            } {
                self.with_disk_alone(|disk| disk.apply(&batch))?;
            }
        }
        if ranges.is_empty() {
            return Ok(());
        }
        self.with_disk_alone(|disk| {
            disk.apply(&dropping::last_batch(ranges.len()))?;
            disk.set_dropping(Vec::new());
            Ok(())
        })
    }

    fn persist(&self) -> Result<(), Failure> {
        let state = self.state_to_read();
        state.disk().map_err(|error| Failure { error, reopen: false })?.persist()
    }

    /// The number of the last commit that is kept for sure.
    fn last_commit(&self) -> u64 {
        self.last_commit.load(Ordering::Acquire)
    }

    fn set_last_commit(&self, number: u64) {
        self.last_commit.store(number, Ordering::Release);
    }
}

/// Rows of a table, by id.
type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// A folder that only this process has, from before its database is opened until after it is closed.
struct Held {
    dir: PathBuf,
    /// The nearest folder that was there already; what was made below it must be synced into it.
    above: PathBuf,
    /// The file that names the engine, locked.
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")]
    lock: File,
}

/// Makes `dir`, an absolute path, where it is missing, and keeps others out of it.
fn hold(dir: &Path, engine: Engine) -> Result<Held, StoreError> {
    let above = dir.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
    // It holds records of the applications: nobody else's business, whoever may look into the folder above.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| failure::from_io(&format!("making {}", dir.display()), &error).error)?;
    choose_engine(dir, engine)?;
    let lock = Engine::lock(dir).map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::Busy,
        TryLockError::Error(error) => failure::from_io(&format!("locking {}", dir.display()), &error).error,
    })?;
    Ok(Held { dir: dir.to_owned(), above, lock })
}

/// Opens the database in a folder, or makes it.
fn open_or_create(held: &Held, options: &DiskOptions, migrations: &[Migration]) -> Result<Disk, StoreError> {
    let Held { dir, above, .. } = held;
    let tidying = |error| failure::from_io("tidying up after a compaction", &error).error;
    compaction::settle(dir, options.engine).map_err(tidying)?;
    let mut disk = Disk::open(options.engine, dir, options)?;
    let prepared = prepare(&mut disk, dir, above, migrations);
    match prepared.and_then(|()| compaction::forget_old(dir, options.engine).map_err(tidying)) {
        Ok(()) => Ok(disk),
        Err(error) => {
            disk.close();
            Err(error)
        }
    }
}

/// Refuses a store that another engine made; a folder without one remembers `asked` from now on.
fn choose_engine(dir: &Path, asked: Engine) -> Result<(), StoreError> {
    let failed = |error| failure::from_io(&format!("finding the engine of {}", dir.display()), &error).error;
    match Engine::of_folder(dir).map_err(failed)? {
        Some(found) if found == asked => Ok(()),
        Some(found) => Err(StoreError::OtherEngine { found: found.name(), asked: asked.name() }),
        None => asked.remember_in(dir).map_err(failed),
    }
}

/// Brings the store to the newest format and makes sure that nothing is missing.
fn prepare(disk: &mut Disk, dir: &Path, above: &Path, migrations: &[Migration]) -> Result<(), StoreError> {
    let high_water = HighWater::of(dir);
    match format::read(disk)? {
        Some(found) => {
            format::check_known(found, migrations)?;
            high_water.check(format::last_commit(disk)?.unwrap_or(0))?;
            disk.set_dropping(dropping::marked(disk)?);
            format::migrate(disk, found, migrations)?;
        }
        None if disk.is_empty()? => {
            if let Some(mark) = high_water.read()?.filter(|mark| *mark > 0) {
                return Err(high_water.missing(mark, 0));
            }
            disk::warn_of_file_system(dir);
            disk.count_from_nothing();
            create(disk, above, format::newest(migrations))?;
        }
        None => {
            return Err(StoreError::Damaged(format!(
                "{} holds rows but no format number, so it is not a store of this program or has lost its beginning; \
                 rename it aside and restore its last copy in its place",
                dir.display()
            )));
        }
    }
    // What was found may have been in memory only when the process before was killed.
    disk.persist()?;
    high_water
        .write(format::last_commit(disk)?.unwrap_or(0))
        .map_err(|error| failure::from_io("writing the high-water mark", &error).error)
}

/// Makes a new store that survives a power cut from its first moment.
fn create(disk: &Disk, above: &Path, newest: u32) -> Result<(), StoreError> {
    let mut batch = Rows::default();
    format::put_format(&mut batch, newest);
    format::put_last_commit(&mut batch, 0);
    disk.apply(&batch)?;
    disk.persist()?;
    disk.sync_creation(above)
}

fn get(disk: &Disk, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut near = None;
    let value_of = |key: &Key| {
        let key = row::row_key(key);
        let Some(row::Value { kind, body }) = disk.read_near(&key, &mut near)? else { return Ok(None) };
        row::whole_value(&key, kind, &body, |piece| disk.read(piece)).map(Some)
    };
    keys.iter().map(value_of).collect()
}

fn scan(disk: &Disk, prefix: row::Prefix, after: &[u8], limit: usize) -> Result<Page, StoreError> {
    let mut rows = Page::new();
    if limit == 0 {
        return Ok(rows);
    }
    let mut start = row::in_table(prefix, after);
    if !after.is_empty() {
        // The first key past `after`.
        start.push(0);
    }
    disk.range(&start, &row::prefix_end(prefix), |key, kind, body| {
        let value = row::whole_value(key, kind, body, |piece| disk.read(piece))?;
        rows.push((row::id_of(key).to_vec(), value));
        Ok(rows.len() < limit)
    })?;
    Ok(rows)
}

fn table_after(disk: &Disk, after: Option<(Space, StoreTable)>) -> Result<Option<(Space, StoreTable)>, StoreError> {
    let mut start = after.map_or(row::prefix(Space::HOST, StoreTable::Meta), |(space, table)| {
        row::prefix_end(row::prefix(space, table))
    });
    loop {
        let mut found = None;
        disk.range(&start, &row::END, |key, _, _| {
            found = Some(key.to_vec());
            Ok(false)
        })?;
        let Some(key) = found else { return Ok(None) };
        let Some((space, number)) = row::table_of(&key) else {
            // Behind the tables are the pieces of their values, a table at a time.
            start = row::prefix_of(&key).map_or(start, row::prefix_end);
            continue;
        };
        let unknown = || StoreError::Damaged(format!("it has rows in table {number}, which is none of this version"));
        return StoreTable::of(number).map(|table| Some((space, table))).ok_or_else(unknown);
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed".into())
}
