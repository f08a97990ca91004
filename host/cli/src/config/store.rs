//! `store`: how the state is kept.

use syncline_store::Engine;

use super::read::{Item, Reader};

const WORDS: [(&str, Engine); 2] = [("sled", Engine::Sled), ("fjall", Engine::Fjall)];

/// How the state is kept.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig {
    /// The database of a new data folder; one that is there must have been made with it.
    pub engine: Engine,
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> StoreConfig {
    let mut config = StoreConfig::default();
    let Some(mut section) = reader.section(item, "`store`") else { return config };
    if let Some(entry) = section.take("engine") {
        config.engine = reader.word(entry.value, "engine", &WORDS).unwrap_or_default();
    }
    section.finish(reader, &[]);
    config
}
