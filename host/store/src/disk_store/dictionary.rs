//! Dictionaries: what other rows of a table look like, taken from its first ones, so that short values can be packed.
//!
//! zstd alone makes little of a value of some hundred bytes; with other rows of the same table before its eyes it leaves a
//! third. Each space and table has a dictionary of its own, made once: rows as they are, here and there among the first.
//! zstd's own trainer makes none that pack better, takes 10 MB for it, and divides by zero where there are few samples.
//! They lie among the store's own facts, in parts, under their numbers; a packed value names the number of its dictionary.
//!
//! Invariant: a dictionary survives a power cut before the first value that needs it is written, and it never changes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use syncline_runner::StoreError;
use zstd_safe::{CCtx, CDict, CompressionLevel, DCtx, DDict};

use super::database::Batch;
use super::disk::Disk;
use super::row::{self, Kind, Packed, Prefix};

/// The longest dictionary, in bytes. A longer one costs memory for each table and makes blocks hardly smaller.
const LENGTH_MAX: usize = 16 * 1024;

/// Bytes of a dictionary in one stored value, behind the table that it is for.
const PART_LENGTH: usize = 4_000;

/// How many dictionaries a store has at most: each costs 16 kB, and once it is used some 100 kB of memory.
const COUNT_MAX: usize = 128;

/// The quickest level; with a dictionary the next ones leave a hundredth less.
const LEVEL: CompressionLevel = 1;

/// A body that is shorter stays as it is.
const BODY_LENGTH_MIN: usize = 64;

/// The longest body once it is unpacked: far more than a block ever has.
const BODY_LENGTH_MAX: u64 = 64 * 1024;

/// The beginning of the names of dictionaries among the store's own facts, and what comes after all of them.
const NAMES: [&str; 2] = ["dictionary/", "dictionary0"];

/// Rows of a table.
pub(super) struct Dictionary {
    prefix: Prefix,
    bytes: Vec<u8>,
    /// Made ready when the first value is packed with it.
    packing: OnceLock<CDict<'static>>,
    unpacking: OnceLock<DDict<'static>>,
}

impl Dictionary {
    fn new(prefix: Prefix, bytes: Vec<u8>) -> Self {
        Self { prefix, bytes, packing: OnceLock::new(), unpacking: OnceLock::new() }
    }

    /// Adds the dictionary to `batch`, under its number.
    pub(super) fn put(&self, number: u16, batch: &mut Batch) {
        for (part, bytes) in (0..).zip(self.bytes.chunks(PART_LENGTH)) {
            let key = part_key(number, part);
            let stored = row::encode(&key, Kind::Plain, &[&self.prefix, bytes].concat());
            batch.insert(key, stored);
        }
    }
}

fn part_key(number: u16, part: u8) -> Vec<u8> {
    let mut key = row::own_key(NAMES[0]);
    key.extend_from_slice(&number.to_be_bytes());
    key.push(part);
    key
}

/// All dictionaries of a store, by number.
#[derive(Default)]
pub(super) struct Dictionaries {
    all: Vec<Dictionary>,
    newest: HashMap<Prefix, u16>,
    packers: Pool<CCtx<'static>>,
    unpackers: Pool<DCtx<'static>>,
}

impl Dictionaries {
    /// Reads those of a store.
    pub(super) fn read(disk: &Disk) -> Result<Self, StoreError> {
        let mut dictionaries = Self::default();
        let [start, end] = NAMES.map(row::own_key);
        let mut parts: Vec<(u16, Prefix, Vec<u8>)> = Vec::new();
        disk.range(&start, &end, |key, _, body| {
            let number = key.get(start.len()..).and_then(|rest| rest.first_chunk()).copied().map(u16::from_be_bytes);
            let (number, (prefix, bytes)) =
                number.zip(body.split_first_chunk::<5>()).ok_or_else(|| row::garbled(key))?;
            match parts.last_mut().filter(|(last, ..)| *last == number) {
                Some((.., whole)) => whole.extend_from_slice(bytes),
                None => parts.push((number, *prefix, bytes.to_vec())),
            }
            Ok(true)
        })?;
        for (number, prefix, bytes) in parts {
            if number != dictionaries.next_number() {
                return Err(row::garbled(&start));
            }
            dictionaries.add(number, Dictionary::new(prefix, bytes));
        }
        Ok(dictionaries)
    }

    /// Returns the number of the next dictionary.
    pub(super) fn next_number(&self) -> u16 {
        self.all.len() as u16
    }

    /// Uses a dictionary from now on, unless it is known by its number already.
    pub(super) fn add(&mut self, number: u16, dictionary: Dictionary) {
        if number == self.next_number() {
            self.newest.insert(dictionary.prefix, number);
            self.all.push(dictionary);
        }
    }

    fn has(&self, prefix: Prefix) -> bool {
        self.newest.contains_key(&prefix)
    }

    /// Packs the body of a stored value; none if that makes it no shorter.
    pub(super) fn pack(&self, prefix: Prefix, body: &[u8]) -> Option<Packed<Vec<u8>>> {
        let number = *self.newest.get(&prefix).filter(|_| body.len() >= BODY_LENGTH_MIN)?;
        let dictionary = self.all.get(usize::from(number))?;
        let packing = dictionary.packing.get_or_init(|| CDict::create(&dictionary.bytes, LEVEL));
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(body.len()));
        self.packers.with(CCtx::create, |packer| packer.compress_using_cdict(&mut frame, body, packing)).ok()?;
        (frame.len() + row::NUMBER_LENGTH < body.len()).then_some(Packed { dictionary: number, frame })
    }

    /// Unpacks the body of the value at `key`.
    pub(super) fn unpack(&self, key: &[u8], packed: Packed<&[u8]>) -> Result<Bytes, StoreError> {
        let garbled = || row::garbled(key);
        let dictionary = self.all.get(usize::from(packed.dictionary)).ok_or_else(garbled)?;
        let length = zstd_safe::get_frame_content_size(packed.frame).ok().flatten().ok_or_else(garbled)?;
        if length > BODY_LENGTH_MAX {
            return Err(garbled());
        }
        let unpacking = dictionary.unpacking.get_or_init(|| DDict::create(&dictionary.bytes));
        let mut body = Vec::with_capacity(length as usize);
        let unpacked = self
            .unpackers
            .with(DCtx::create, |unpacker| unpacker.decompress_using_ddict(&mut body, packed.frame, unpacking));
        unpacked.map(|_| body.into()).map_err(|_| garbled())
    }
}

/// Things that cost some ten thousand bytes each, used by one thread at a time.
struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    fn with<R>(&self, make: impl FnOnce() -> T, act: impl FnOnce(&mut T) -> R) -> R {
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut thing = taken.unwrap_or_else(make);
        let result = act(&mut thing);
        idle().push(thing);
        result
    }
}

/// What a dictionary begins with: otherwise a row could begin as those of zstd's trainer do, and would be taken for one.
const BEGINNING: u8 = 0;

/// Bodies of one table.
struct Samples {
    /// How many bytes were written.
    seen: usize,
    /// Some of the bodies, one behind the other.
    kept: Vec<u8>,
}

/// Gathers what is written to tables that have no dictionary yet.
pub(super) struct Learner {
    /// How many bytes of a table make a dictionary; 0: none is made.
    enough: usize,
    samples: HashMap<Prefix, Samples>,
    /// Tables whose dictionary was made, though perhaps it is not in use yet.
    done: HashSet<Prefix>,
}

impl Learner {
    pub(super) fn new(enough: usize) -> Self {
        Self { enough, samples: HashMap::new(), done: HashSet::new() }
    }

    /// Takes note of a body that is written to a table.
    pub(super) fn note(&mut self, known: &Dictionaries, prefix: Prefix, body: &[u8]) {
        let is_useful = body.len() >= BODY_LENGTH_MIN && !known.has(prefix) && !self.done.contains(&prefix);
        if self.enough == 0 || !is_useful {
            return;
        }
        let count = known.all.len() + self.samples.len();
        let samples = match self.samples.entry(prefix) {
            Entry::Occupied(samples) => samples.into_mut(),
            Entry::Vacant(_) if count >= COUNT_MAX => return,
            Entry::Vacant(place) => place.insert(Samples { seen: 0, kept: vec![BEGINNING] }),
        };
        // Here and there among what makes a dictionary, since rows that were written together may be much alike.
        let is_due = samples.kept.len().saturating_mul(self.enough) <= (samples.seen + body.len()) * LENGTH_MAX;
        if is_due && samples.kept.len() + body.len() <= LENGTH_MAX {
            samples.kept.extend_from_slice(body);
        }
        samples.seen += body.len();
    }

    /// Returns a new dictionary for one of the tables of which enough was written.
    pub(super) fn learned(&mut self) -> Option<Dictionary> {
        let prefix = *self.samples.iter().find(|(_, samples)| samples.seen >= self.enough)?.0;
        self.done.insert(prefix);
        Some(Dictionary::new(prefix, self.samples.remove(&prefix)?.kept))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: Prefix = [0, 0, 0, 7, 3];

    fn body(number: usize) -> Vec<u8> {
        let row = |number: usize| {
            let (first, domain) = (number % 37, number % 11);
            format!(
                "{{\"id\":\"contact-{number}\",\"email\":\"first{first}.last{number}@domain{domain}.example\",\"phone\":\"+44 20 7{number:07}\"}}"
            )
        };
        (0..8).map(|at| row(number * 8 + at)).collect::<String>().into_bytes()
    }

    fn learned() -> Dictionaries {
        let mut dictionaries = Dictionaries::default();
        let mut learner = Learner::new(64 * 1024);
        let mut bodies = 0;
        let dictionary = loop {
            learner.note(&dictionaries, TABLE, &body(bodies));
            bodies += 1;
            if let Some(dictionary) = learner.learned() {
                break dictionary;
            }
        };
        assert!((60..120).contains(&bodies), "learned from {bodies} bodies");
        dictionaries.add(0, dictionary);
        learner.note(&dictionaries, TABLE, &body(0));
        assert!(learner.samples.is_empty(), "it has one already");
        dictionaries
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let dictionaries = learned();
        for number in 5_000..5_020 {
            let body = body(number);
            let Packed { dictionary, frame } = dictionaries.pack(TABLE, &body).expect("it has a dictionary");
            assert!(frame.len() * 3 < body.len(), "{} of {} bytes", frame.len(), body.len());
            assert_eq!(dictionaries.unpack(b"k", Packed { dictionary, frame: &frame }), Ok(body.into()));
            let unknown = Packed { dictionary: 1, frame: frame.as_slice() };
            assert!(dictionaries.unpack(b"k", unknown).is_err(), "nobody has that dictionary");
            for length in 0..frame.len() {
                assert!(dictionaries.unpack(b"k", Packed { dictionary, frame: &frame[..length] }).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn what_would_grow_or_has_no_dictionary_stays_as_it_is() {
        let dictionaries = learned();
        let mut chance = 1_u64;
        let noise: Vec<u8> = (0..400)
            .map(|_| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (chance >> 56) as u8
            })
            .collect();
        assert!(dictionaries.pack(TABLE, &noise).is_none());
        assert!(dictionaries.pack(TABLE, &body(1)[..40]).is_none());
        assert!(dictionaries.pack([0, 0, 0, 8, 3], &body(1)).is_none());
    }

    #[test]
    fn a_table_is_learned_from_once() {
        let (mut learner, mut dictionaries) = (Learner::new(8_000), Dictionaries::default());
        let fill = |learner: &mut Learner, known: &Dictionaries| {
            (0..20).for_each(|number| learner.note(known, TABLE, &body(number)));
            learner.learned()
        };
        let dictionary = fill(&mut learner, &dictionaries).expect("it is enough");
        assert!(fill(&mut learner, &dictionaries).is_none(), "it is learned but not in use yet");
        dictionaries.add(0, dictionary);
        assert!(fill(&mut learner, &dictionaries).is_none());
        assert!(fill(&mut Learner::new(8_000), &dictionaries).is_none(), "it was there when the store was opened");
        assert!(learner.samples.is_empty());
    }

    #[test]
    fn there_are_only_so_many() {
        let mut dictionaries = Dictionaries::default();
        let mut learner = Learner::new(4_000);
        for number in 0..2 * COUNT_MAX {
            let table = [0, 0, number as u8, 7, 3];
            (0..20).for_each(|number| learner.note(&dictionaries, table, &body(number)));
            if let Some(dictionary) = learner.learned() {
                dictionaries.add(dictionaries.next_number(), dictionary);
            }
        }
        assert_eq!(dictionaries.all.len(), COUNT_MAX);
        assert!(learner.samples.is_empty(), "nothing is gathered any more");
    }

    #[test]
    fn samples_take_little_memory_and_lie_here_and_there() {
        let (mut learner, dictionaries) = (Learner::new(128 * 1024), Dictionaries::default());
        let mut written = Vec::new();
        let dictionary = loop {
            let body = body(written.len());
            learner.note(&dictionaries, TABLE, &body);
            written.push(body);
            if let Some(dictionary) = learner.learned() {
                break dictionary;
            }
            assert!(learner.samples[&TABLE].kept.len() <= LENGTH_MAX);
        };
        let holds = |body: &Vec<u8>| dictionary.bytes.windows(body.len()).any(|kept| kept == body);
        let kept: Vec<usize> = (0..written.len()).filter(|at| holds(&written[*at])).collect();
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] > 5), "{kept:?} of {}", written.len());
        assert!(kept.len() > 15 && written.len() - kept[kept.len() - 1] < 20, "{kept:?} of {}", written.len());
    }

    /// zstd would take it for a dictionary of its trainer, and find it garbled.
    #[test]
    fn rows_may_begin_as_a_trained_dictionary_does() {
        let (mut learner, mut dictionaries) = (Learner::new(100), Dictionaries::default());
        let body = [&0xEC30_A437_u32.to_le_bytes()[..], &[7; 200]].concat();
        learner.note(&dictionaries, TABLE, &body);
        dictionaries.add(0, learner.learned().expect("it is enough"));
        let Packed { dictionary, frame } = dictionaries.pack(TABLE, &body).expect("it has a dictionary");
        assert!(frame.len() < 30, "{} bytes", frame.len());
        assert_eq!(dictionaries.unpack(b"k", Packed { dictionary, frame: &frame }), Ok(body.into()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn whatever_is_written_is_learned_from_packed_and_unpacked(
            bodies in prop::collection::vec((0..5_000_usize, 1..=255_u8, any::<u32>()), 1..40),
            enough in 1..8_000_usize,
        ) {
            let bodies = bodies.iter().map(|(length, symbols, seed)| {
                let at = |at: usize| (at as u32 ^ seed).wrapping_mul(2_654_435_761) >> 13;
                (0..*length).map(|number| (at(number) % u32::from(*symbols)) as u8).collect::<Vec<u8>>()
            });
            let (mut learner, mut dictionaries) = (Learner::new(enough), Dictionaries::default());
            for body in bodies {
                if let Some(Packed { dictionary, frame }) = dictionaries.pack(TABLE, &body) {
                    let packed = Packed { dictionary, frame: frame.as_slice() };
                    prop_assert_eq!(dictionaries.unpack(b"k", packed), Ok(body.into()));
                    continue;
                }
                learner.note(&dictionaries, TABLE, &body);
                if let Some(dictionary) = learner.learned() {
                    dictionaries.add(0, dictionary);
                }
            }
        }
    }
}
