//! The whole state as one file, to move it between engines and machines and to keep copies of it.
//!
//! A line with the format's number; the rows in the order of their keys, each a 1, its space, its table, the lengths of
//! its id and value, and both; a 0, the number of rows, and the hash of everything before. Numbers are big-endian.
//! Secrets stay as they are stored: sealed.
//!
//! Invariant: the same rows make the same file, whatever engine kept them.
//! Invariant: a store is filled from a whole file or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use syncline_runner::{Batch, Key, Space, Store, StoreError, StoreTable};

use crate::disk_store::{DiskOptions, DiskStore};
use crate::engine::Engine;
use crate::limits::{ID_LENGTH_MAX, VALUE_LENGTH_MAX};

/// The first line of a file of this format.
const FIRST_LINE: &[u8] = b"syncline state 1\n";

const ROW: u8 = 1;
const END: u8 = 0;

/// Rows read at once.
const PAGE_ROWS: usize = 64;

/// What one commit takes in at most, but for a single row with more.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 1024 * 1024;

/// Why the state could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written or read.
    #[error("the file failed")]
    File(#[from] io::Error),
    /// The file is something else.
    #[error("it is no state that `syncline export` of this version wrote")]
    Foreign,
    /// The file is not what was written.
    #[error("the file is damaged or cut short; nothing was taken from it")]
    Damaged,
    /// Somebody wrote meanwhile.
    #[error("the state changed while it was written out; export it again")]
    Changed,
    /// There is a state already.
    #[error("the store in {} holds a state already; rename that folder aside, or name another data folder", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
}

/// Writes everything in `store` to `out`, and returns the number of rows.
pub async fn export(store: &dyn Store, out: impl Write + Send) -> Result<u64, TransferError> {
    let before = store.stats().await?.last_commit;
    let mut out = Hashed { inner: BufWriter::new(out), hasher: blake3::Hasher::new() };
    out.write_all(FIRST_LINE)?;
    let mut rows = 0_u64;
    let mut table = store.table_after(None).await?;
    while let Some((space, of)) = table {
        let mut after = Vec::new();
        loop {
            let page = store.scan(space, of, after.clone(), PAGE_ROWS).await?;
            for (id, value) in &page {
                write_row(&mut out, space, of, id, value)?;
            }
            rows += page.len() as u64;
            match page.into_iter().last() {
                // A row without an id alone on its page: after it would be from the start again.
                Some((last, _)) if last.is_empty() => break,
                Some((last, _)) => after = last,
                None => break,
            }
        }
        table = store.table_after(Some((space, of))).await?;
    }
    if store.stats().await?.last_commit != before {
        return Err(TransferError::Changed);
    }
    out.write_all(&[END])?;
    out.write_all(&rows.to_be_bytes())?;
    let hash = out.hasher.finalize();
    out.inner.write_all(hash.as_bytes())?;
    out.inner.flush()?;
    Ok(rows)
}

/// Makes a store in `dir` of the state in `file`, and returns the number of rows. `dir` holds an empty store or none. A
/// crash leaves it so, or with everything.
pub async fn import(dir: &Path, options: DiskOptions, file: &Path) -> Result<u64, TransferError> {
    // Once without keeping anything, to know that it is whole.
    read_through(BufReader::new(File::open(file)?))?;
    let dir = std::path::absolute(dir)?;
    let held = hold_empty(&dir, &options).await?;
    let draft = dir.with_extension("importing");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    let store = DiskStore::open(&draft, options)?;
    let rows = fill(&store, BufReader::new(File::open(file)?)).await;
    store.close().await?;
    drop(store);
    let rows = rows?;
    if let Some(held) = held {
        held.close().await?;
        drop(held);
        fs::remove_dir_all(&dir)?;
    }
    fs::rename(&draft, &dir)?;
    dir.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())?;
    Ok(rows)
}

/// Opens the store in `dir` where there is one, and refuses one with rows.
async fn hold_empty(dir: &Path, options: &DiskOptions) -> Result<Option<DiskStore>, TransferError> {
    if !dir.exists() {
        return Ok(None);
    }
    let engine = Engine::of_folder(dir)?.unwrap_or(options.engine);
    let store = DiskStore::open(dir, DiskOptions { engine, ..options.clone() })?;
    if store.table_after(None).await?.is_some() {
        return Err(TransferError::NotEmpty { path: dir.to_owned() });
    }
    Ok(Some(store))
}

async fn fill(store: &dyn Store, input: impl Read + Send) -> Result<u64, TransferError> {
    let mut rows = Rows::start(input)?;
    let (mut batch, mut bytes) = (Batch::default(), 0);
    while let Some((key, value)) = rows.next()? {
        bytes += key.id.len() + value.len();
        batch.put(key, value);
        if batch.writes.len() == BATCH_ROWS || bytes >= BATCH_BYTES {
            bytes = 0;
            store.commit(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.writes.is_empty() {
        store.commit(batch).await?;
    }
    Ok(rows.count)
}

fn read_through(input: impl Read) -> Result<u64, TransferError> {
    let mut rows = Rows::start(input)?;
    while rows.next()?.is_some() {}
    Ok(rows.count)
}

fn write_row(out: &mut impl Write, space: Space, table: StoreTable, id: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&[ROW])?;
    out.write_all(&space.0.to_be_bytes())?;
    out.write_all(&[table as u8])?;
    // The limits keep both lengths below 4 GB.
    out.write_all(&(id.len() as u32).to_be_bytes())?;
    out.write_all(&(value.len() as u32).to_be_bytes())?;
    out.write_all(id)?;
    out.write_all(value)
}

/// The rows of a file, one after the other.
struct Rows<R> {
    input: Hashed<R>,
    count: u64,
    last: Option<Key>,
}

impl<R: Read> Rows<R> {
    fn start(input: R) -> Result<Self, TransferError> {
        let mut input = Hashed { inner: input, hasher: blake3::Hasher::new() };
        let mut line = [0; FIRST_LINE.len()];
        match input.read_exact(&mut line) {
            Ok(()) if line == FIRST_LINE => Ok(Self { input, count: 0, last: None }),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Err(TransferError::Foreign),
        }
    }

    /// Returns the next row; `None` at the end of a file that is whole.
    fn next(&mut self) -> Result<Option<(Key, Vec<u8>)>, TransferError> {
        match self.bytes::<1>()? {
            [ROW] => {}
            [END] => return self.end().map(|()| None),
            _ => return Err(TransferError::Damaged),
        }
        let space = Space(u32::from_be_bytes(self.bytes()?));
        let [number] = self.bytes()?;
        let table = StoreTable::of(number).ok_or(TransferError::Damaged)?;
        let (id, value) = (u32::from_be_bytes(self.bytes()?), u32::from_be_bytes(self.bytes()?));
        let id = self.run(id as usize, ID_LENGTH_MAX)?;
        let value = self.run(value as usize, VALUE_LENGTH_MAX)?;
        let key = Key::new(space, table, id);
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(TransferError::Damaged);
        }
        self.last = Some(key.clone());
        self.count += 1;
        Ok(Some((key, value)))
    }

    fn end(&mut self) -> Result<(), TransferError> {
        let count = u64::from_be_bytes(self.bytes()?);
        let hash = self.input.hasher.finalize();
        let written: [u8; 32] = self.bytes()?;
        let is_last = self.input.inner.read(&mut [0])? == 0;
        if count == self.count && hash == written && is_last { Ok(()) } else { Err(TransferError::Damaged) }
    }

    fn run(&mut self, length: usize, length_max: usize) -> Result<Vec<u8>, TransferError> {
        if length > length_max {
            return Err(TransferError::Damaged);
        }
        // What a damaged length promises is not set aside before it is there.
        let mut bytes = Vec::new();
        (&mut self.input).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes) } else { Err(TransferError::Damaged) }
    }

    fn bytes<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], TransferError> {
        let mut bytes = [0; LENGTH];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(TransferError::Damaged),
            Err(error) => Err(error.into()),
        }
    }
}

/// Hashes what passes through.
struct Hashed<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hasher.update(&bytes[..read]);
        Ok(read)
    }
}
