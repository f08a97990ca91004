//! What a power cut leaves of recorded files.
//!
//! What was synced is kept. Of the rest the disk keeps what it likes (`Loss`). Changes of names are kept in their order, as journals of
//! file systems do: a synced folder keeps its names and all changes before them, and any number of later ones may be kept too.
//! A synced file keeps its length and what is in it, but not its name.
//!
//! Not modelled: a disk that loses what it said was synced, one that garbles a sector it was not writing, and file systems that keep
//! names out of order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::recording::{Event, FileNumber, Moment, Name, What, under};

/// What is lost of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: what a process leaves that just ends.
    Nothing,
    /// All of it.
    All,
    /// Pages of 4,096 bytes at random; one that was written several times may be kept as it was in between.
    Pages,
    /// The same, with sectors of 512 bytes.
    Sectors,
    /// All since some moment, and of the write at that moment what comes after some sector.
    Torn,
}

const PAGE_BYTES: u64 = 4_096;
const SECTOR_BYTES: u64 = 512;

/// A power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// What was asked for before it had been asked for, and what was done before it was done.
    pub(crate) moment: Moment,
    pub(crate) loss: Loss,
    pub(crate) seed: u64,
}

/// Numbers that only their seed decides.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Makes in `folder` what is left of the recorded one after `cut`.
pub(crate) fn rebuild(events: &[Event], cut: Cut, folder: &Path) {
    let mut chance = Chance(cut.seed);
    let asked: Vec<&Event> = events.iter().filter(|event| event.asked < cut.moment).collect();
    let synced = synced_files(&asked, cut.moment);
    let is_synced = |file: &FileNumber, event: &Event| synced.get(file).is_some_and(|sync| event.done < *sync);
    let unsynced: Vec<Moment> = asked
        .iter()
        .filter(|event| matches!(&event.what, What::Written { file, .. } | What::Sized { file, .. } if !is_synced(file, event)))
        .map(|event| event.asked)
        .collect();
    let torn_at = match (cut.loss, unsynced.len() as u64) {
        (Loss::Torn, 1..) => unsynced[chance.below(unsynced.len() as u64) as usize],
        _ => cut.moment,
    };
    let (files, folders) = names(&asked, cut, torn_at, &mut chance);
    for path in &folders {
        fs::create_dir_all(folder.join(path)).expect("a folder");
    }
    for (path, number) in files {
        let file = File::create(folder.join(path)).expect("a file");
        let changes = asked.iter().filter(
            |event| matches!(&event.what, What::Written { file, .. } | What::Sized { file, .. } if *file == number),
        );
        let (kept, open): (Vec<&Event>, Vec<&Event>) = changes.partition(|event| is_synced(&number, event));
        kept.into_iter().for_each(|event| apply(&file, event));
        match cut.loss {
            Loss::Nothing => open.into_iter().for_each(|event| apply(&file, event)),
            Loss::All => {}
            Loss::Pages => apply_blocks(&file, &open, PAGE_BYTES, &mut chance),
            Loss::Sectors => apply_blocks(&file, &open, SECTOR_BYTES, &mut chance),
            Loss::Torn => {
                open.iter().filter(|event| event.asked < torn_at).for_each(|event| apply(&file, event));
                if let Some(event) = open.iter().find(|event| event.asked == torn_at) {
                    apply_torn(&file, event, &mut chance);
                }
            }
        }
    }
}

/// Returns when each file was last asked to be synced by a call that was done in time: what was done before that is kept.
fn synced_files(asked: &[&Event], moment: Moment) -> HashMap<FileNumber, Moment> {
    let mut synced = HashMap::new();
    for event in asked.iter().filter(|event| event.done < moment) {
        if let What::FileSynced(file) = event.what {
            synced.insert(file, event.asked);
        }
    }
    synced
}

/// Returns the files and the folders that there are.
fn names(
    asked: &[&Event],
    cut: Cut,
    torn_at: Moment,
    chance: &mut Chance,
) -> (BTreeMap<PathBuf, FileNumber>, BTreeSet<PathBuf>) {
    let changes: Vec<(&Event, &Name)> = asked
        .iter()
        .filter_map(|event| if let What::Named(name) = &event.what { Some((*event, name)) } else { None })
        .collect();
    let is_kept_by = |change: &Event, name: &Name, sync: &Event| {
        let What::FolderSynced(folder) = &sync.what else { return false };
        change.done < sync.asked && sync.done < cut.moment && name.is_in(folder)
    };
    let kept = changes
        .iter()
        .rposition(|(change, name)| asked.iter().any(|sync| is_kept_by(change, name, sync)))
        .map_or(0, |last| last + 1);
    let count = match cut.loss {
        Loss::Nothing => changes.len(),
        Loss::All => kept,
        Loss::Pages | Loss::Sectors => kept + chance.below((changes.len() - kept) as u64 + 1) as usize,
        Loss::Torn => changes.iter().filter(|(change, _)| change.asked < torn_at).count().max(kept),
    };
    let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
    for (_, name) in &changes[..count] {
        match name {
            Name::FileMade { path, file } => drop(files.insert(path.clone(), *file)),
            Name::FolderMade { path } => drop(folders.insert(path.clone())),
            Name::Removed { path } => {
                files.remove(path);
                folders.remove(path);
            }
            Name::Renamed { from, to } => {
                files.remove(to);
                files = files.into_iter().map(|(path, file)| (under(&path, from, to), file)).collect();
                folders = folders.iter().map(|path| under(path, from, to)).collect();
            }
        }
    }
    (files, folders)
}

impl Name {
    /// Tells whether the change is one of `folder`.
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Name::FileMade { path, .. } | Name::FolderMade { path } | Name::Removed { path } => {
                path.parent() == Some(folder)
            }
            Name::Renamed { from, to } => [from, to].iter().all(|path| path.parent() == Some(folder)),
        }
    }
}

fn apply(file: &File, event: &Event) {
    match &event.what {
        What::Written { at, bytes, .. } => file.write_all_at(bytes, *at).expect("written"),
        What::Sized { length, .. } => file.set_len(*length).expect("sized"),
        What::Named(_) | What::FileSynced(_) | What::FolderSynced(_) | What::Said(_) => {}
    }
}

/// Applies a write up to a border of sectors.
fn apply_torn(file: &File, event: &Event, chance: &mut Chance) {
    let What::Written { at, bytes, .. } = &event.what else { return };
    let sectors = (at + bytes.len() as u64) / SECTOR_BYTES - at / SECTOR_BYTES;
    let border = (at / SECTOR_BYTES + chance.below(sectors + 1)) * SECTOR_BYTES;
    let kept = border.saturating_sub(*at) as usize;
    file.write_all_at(&bytes[..kept], *at).expect("written");
}

/// Applies to each block of the file the first few of the changes, as many as chance wants, and sets a length that it had.
fn apply_blocks(file: &File, changes: &[&Event], block_bytes: u64, chance: &mut Chance) {
    let mut writes: BTreeMap<u64, Vec<(u64, &[u8])>> = BTreeMap::new();
    let mut length = file.metadata().expect("a file").len();
    let mut lengths = vec![length];
    for event in changes {
        match &event.what {
            What::Written { at, bytes, .. } => {
                let (mut at, mut rest) = (*at, bytes.as_slice());
                while !rest.is_empty() {
                    let here = rest.len().min((block_bytes - at % block_bytes) as usize);
                    writes.entry(at / block_bytes).or_default().push((at, &rest[..here]));
                    (at, rest) = (at + here as u64, &rest[here..]);
                }
                length = length.max(at);
            }
            What::Sized { length: set, .. } => length = *set,
            What::Named(_) | What::FileSynced(_) | What::FolderSynced(_) | What::Said(_) => {}
        }
        lengths.push(length);
    }
    for writes in writes.values() {
        let kept = chance.below(writes.len() as u64 + 1) as usize;
        for (at, bytes) in &writes[..kept] {
            file.write_all_at(bytes, *at).expect("written");
        }
    }
    let length = lengths[chance.below(lengths.len() as u64) as usize];
    file.set_len(length).expect("sized");
}
