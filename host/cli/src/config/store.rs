//! `store`: how the state is kept.

use syncline_store::{DiskOptions, Engine};

use super::mistake::Mistake;
use super::read::{Item, Reader};

const WORDS: [(&str, Engine); 2] = [("sled", Engine::Sled), ("fjall", Engine::Fjall)];

/// The most that can be kept or asked for: a TiB.
const MIB_MAX: u64 = 1024 * 1024;

/// How the state is kept.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// The database of a new data folder; one that is there must have been made with it.
    pub engine: Engine,
    /// Space that is kept for a full disk, in MiB; none if 0.
    pub reserve_mib: Option<u64>,
    /// What has to be free for a run to begin, in MiB.
    pub free_mib_min: Option<u64>,
}

impl StoreConfig {
    /// Returns it as the store takes it.
    pub fn disk_options(&self) -> DiskOptions {
        let default = DiskOptions::default();
        let bytes = |mib: u64| mib * 1024 * 1024;
        DiskOptions {
            engine: self.engine,
            reserve_bytes: self.reserve_mib.map_or(default.reserve_bytes, bytes),
            free_bytes_min: self.free_mib_min.map(bytes).or(default.free_bytes_min),
            ..default
        }
    }
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> StoreConfig {
    let mut config = StoreConfig::default();
    let Some(mut section) = reader.section(item, "`store`") else { return config };
    if let Some(entry) = section.take("engine") {
        config.engine = reader.word(entry.value, "engine", &WORDS).unwrap_or_default();
    }
    for (name, place) in [("reserve_mib", &mut config.reserve_mib), ("free_mib_min", &mut config.free_mib_min)] {
        *place = section.take(name).and_then(|entry| mib(reader, entry.value, name));
    }
    section.finish(reader, &[]);
    config
}

fn mib(reader: &mut Reader, item: &Item<'_>, name: &str) -> Option<u64> {
    let number = reader.whole(item, &format!("`{name}`"))?;
    if number > MIB_MAX {
        let mistake = Mistake::new(&item.span(), format!("`{name}` is more than {MIB_MAX}"));
        reader.wrong(mistake.mend("it counts MiB; 0 switches it off"));
        return None;
    }
    Some(number)
}
