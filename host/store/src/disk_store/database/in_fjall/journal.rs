//! Cuts off what a power cut left of the last batches in fjall's journal.
//!
//! A disk may keep the later sectors of what was not synced and lose earlier ones. fjall takes a batch with such a hole for
//! damage and refuses to open, although nobody was told that the batch is kept. So the hole is looked for before it opens.
//!
//! Invariant: only what was never whole is cut off. A batch with all of its sectors that does not add up is damage, and left for
//! fjall to refuse.

use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// The last bytes of a batch.
const BATCH_END: [u8; 4] = *b"FJL\x03";

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// Cuts the newest journal in `folder` off behind its last whole batch if what follows was written in part.
///
/// Older journals were synced before the newest was begun.
pub(super) fn cut_off_torn_end(folder: &Path) -> io::Result<()> {
    let Some(path) = newest(folder)? else { return Ok(()) };
    let mut input = BufReader::new(File::open(&path)?);
    let mut end = 0;
    while let Some(length) = whole_batch(&mut input)? {
        end += length;
    }
    input.seek(SeekFrom::Start(end))?;
    if !is_torn(&mut input, end)? {
        return Ok(());
    }
    tracing::info!(journal = %path.display(), end, "the last write was cut short and is taken away");
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(end)?;
    file.sync_all()
}

fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
        let number = path.file_stem().and_then(|name| name.to_str()?.parse::<u64>().ok());
        newest = newest.max(number.filter(|_| is_journal).map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// Reads one batch and returns its length; `None` if it is not whole.
fn whole_batch(input: &mut impl Read) -> io::Result<Option<u64>> {
    match read_batch(input) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other,
    }
}

fn read_batch(input: &mut impl Read) -> io::Result<Option<u64>> {
    let ([START, count @ .., _, _, _, _, _, _, _, _], mut length) = (bytes::<13>(input)?, 13) else { return Ok(None) };
    let mut hasher = Xxh3::new();
    for _ in 0..u32::from_le_bytes(count) {
        let [tag] = bytes(input)?;
        Hasher::write(&mut hasher, &[tag]);
        length += 1 + match tag {
            ITEM => {
                let head: [u8; 20] = bytes(input)?;
                Hasher::write(&mut hasher, &head);
                let [_, _, _, _, _, _, _, _, _, _, key_0, key_1, _, _, _, _, stored @ ..] = head;
                let rest = u64::from(u16::from_le_bytes([key_0, key_1])) + u64::from(u32::from_le_bytes(stored));
                let hashed = io::copy(&mut input.take(rest), &mut Hashing(&mut hasher))?;
                if hashed < rest {
                    return Ok(None);
                }
                20 + rest
            }
            CLEAR => {
                Hasher::write(&mut hasher, &bytes::<8>(input)?);
                8
            }
            _ => return Ok(None),
        };
    }
    let [END, checksum @ .., end_0, end_1, end_2, end_3] = bytes::<13>(input)? else { return Ok(None) };
    let is_whole = checksum == hasher.finish().to_le_bytes() && [end_0, end_1, end_2, end_3] == BATCH_END;
    Ok(is_whole.then_some(length + 13))
}

/// Tells whether what follows `at` misses a sector, or ends without the end of a batch. Sectors that were never written are zeros.
fn is_torn(input: &mut impl Read, mut at: u64) -> io::Result<bool> {
    let mut sector = [0; SECTOR_BYTES as usize];
    // Nothing behind the last whole batch is no torn one.
    let (mut has_gap, mut last) = (false, BATCH_END);
    loop {
        let here = &mut sector[..(SECTOR_BYTES - at % SECTOR_BYTES) as usize];
        let read = fill(input, here)?;
        match here[..read].iter().rposition(|byte| *byte != 0) {
            Some(_) if has_gap => return Ok(true),
            Some(position) => {
                last = ending(last, &here[..=position]);
            }
            None => has_gap = true,
        }
        at += read as u64;
        if read < here.len() {
            return Ok(last != BATCH_END);
        }
    }
}

/// Reads until `bytes` is full or nothing is left, and returns how much it read.
fn fill(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match input.read(&mut bytes[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// Returns the last bytes of `before` and `bytes` together.
fn ending(before: [u8; BATCH_END.len()], bytes: &[u8]) -> [u8; BATCH_END.len()] {
    let mut last = before;
    for byte in &bytes[bytes.len().saturating_sub(last.len())..] {
        last.rotate_left(1);
        last[BATCH_END.len() - 1] = *byte;
    }
    last
}

fn bytes<const LENGTH: usize>(input: &mut impl Read) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Hashes what is written to it.
struct Hashing<'hasher>(&'hasher mut Xxh3);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Hasher::write(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const BATCHES: u64 = 5;

    /// Writes batches with fjall itself, and returns the folder, the path and the ends of the batches.
    fn journal() -> (tempfile::TempDir, PathBuf, Vec<u64>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = fjall::Database::builder(dir.path()).open().expect("made");
        let rows = db.keyspace("rows", fjall::KeyspaceCreateOptions::default).expect("made");
        for number in 0..BATCHES {
            let mut batch = db.batch();
            batch.insert(&rows, "long", vec![number as u8 + 1; 4_000]);
            batch.insert(&rows, "short", "x");
            batch.remove(&rows, "gone");
            batch.commit().expect("written");
        }
        db.persist(fjall::PersistMode::SyncAll).expect("kept");
        drop((rows, db));
        let path = newest(dir.path()).expect("read").expect("a journal");
        let mut input = BufReader::new(File::open(&path).expect("the journal"));
        let mut ends = vec![0];
        while let Some(length) = whole_batch(&mut input).expect("read") {
            ends.push(ends[ends.len() - 1] + length);
        }
        (dir, path, ends)
    }

    #[test]
    fn a_batch_with_a_hole_is_cut_off_and_a_garbled_one_is_left() {
        let (dir, path, ends) = journal();
        assert_eq!(ends.len() as u64, BATCHES + 1, "not all of fjall's batches are understood");
        let end = ends[ends.len() - 1];
        let length = || fs::metadata(&path).expect("there").len();
        let whole = length();
        cut_off_torn_end(dir.path()).expect("looked at");
        assert_eq!(length(), whole, "whole batches were cut off");

        let file = OpenOptions::new().write(true).open(&path).expect("the journal");
        file.write_all_at(b"?", end - 2_000).expect("garbled");
        cut_off_torn_end(dir.path()).expect("looked at");
        assert_eq!(length(), whole, "damage was cut off");

        file.write_all_at(&[0; 512], (end - 2_000).next_multiple_of(SECTOR_BYTES)).expect("a hole");
        cut_off_torn_end(dir.path()).expect("looked at");
        assert_eq!(length(), ends[ends.len() - 2]);
        drop(fjall::Database::builder(dir.path()).open().expect("it opens"));
    }

    #[test]
    fn a_batch_without_its_end_is_cut_off() {
        let (dir, path, ends) = journal();
        let file = OpenOptions::new().write(true).open(&path).expect("the journal");
        let end = ends[ends.len() - 1];
        file.write_all_at(&[0; 100], end - 100).expect("a hole");
        cut_off_torn_end(dir.path()).expect("looked at");
        assert_eq!(fs::metadata(&path).expect("there").len(), ends[ends.len() - 2]);
    }
}
