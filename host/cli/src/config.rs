//! `syncline.toml`: text becomes types here, in one step, and every mistake is named at once with its place and its mend.
//!
//! One file per setting, below. [`parse`] needs nothing but the text; [`plugins`] adds what the plugins' manifests say,
//! [`fields`] what the applications' schemas say, [`secrets`] what the environment says. Each gives mistakes in the same
//! form, and [`report`] shows them.
//!
//! Invariant: past this module there are enums and newtypes, and no strings to compare.
//! Invariant: a secret that was written into the file by mistake is not shown in any report.

pub mod abilities;
pub mod auth;
mod caps;
mod circles;
pub mod conflict;
pub mod connection;
pub mod cron;
pub mod deletes;
pub mod direction;
pub mod drift;
mod edit_delete;
pub mod endpoint;
pub mod fields;
mod guards;
pub mod index;
mod length;
pub mod limits;
pub mod lists;
pub mod mapping;
pub mod matching;
pub mod minimum;
pub mod mistake;
pub mod notices;
pub mod options;
pub mod plugins;
mod read;
pub mod refers;
pub mod report;
pub mod rules;
pub mod schedule;
pub mod scope;
pub mod secrets;
pub mod settings;
pub mod source;
pub mod store;
pub mod sync;
mod syntax;
pub mod transform;
pub mod workspace;
pub mod zone;

use std::io;
use std::path::Path;

use syncline_core::{ConnectionName, SyncName, TaskBudget};

pub use connection::Connection;
pub use mistake::{Mistake, Mistakes};
pub use notices::Notices;
pub use source::Source;
pub use store::StoreConfig;
pub use sync::Sync;

/// A configuration file is refused beyond this size.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the user configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The text, for reports of later mistakes.
    pub source: Source,
    /// How the state is kept.
    pub store: StoreConfig,
    /// The connections, in the order of the file.
    pub connections: Vec<Connection>,
    /// The syncs, in the order of the file.
    pub syncs: Vec<Sync>,
    /// How many tasks a month may hold, all syncs together.
    pub tasks: TaskBudget,
    /// By which ways people are told.
    pub notices: Notices,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file.
    #[error(
        "there is no configuration at {0}; write a first one with `syncline init`, or name another with `--config FILE`"
    )]
    Missing(String),
    /// Not readable.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Too large or not text.
    #[error("{path} is no configuration: {reason}")]
    NotText {
        /// The file.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// Mistakes in it.
    #[error("{} in {}", mistake::count(.0.list.len()), .0.source.name())]
    Mistakes(Mistakes),
}

impl Config {
    /// Finds a connection.
    pub fn connection(&self, name: &ConnectionName) -> Option<&Connection> {
        self.connections.iter().find(|connection| *connection.name() == *name)
    }

    /// Finds a sync.
    pub fn sync(&self, name: &SyncName) -> Option<&Sync> {
        self.syncs.iter().find(|sync| *sync.name() == *name)
    }

    /// True if values that `sync` writes can come back to it through other syncs (E6.5).
    pub fn lies_in_a_circle(&self, sync: &Sync) -> bool {
        circles::has(&self.syncs, sync)
    }

    /// Gathers `list` into one report, or returns nothing to report.
    pub fn verdict(&self, list: Vec<Mistake>) -> Result<(), ConfigError> {
        if list.is_empty() { Ok(()) } else { Err(ConfigError::Mistakes(Mistakes::new(self.source.clone(), list))) }
    }
}

/// Reads and parses the configuration at `path`.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > CONFIG_BYTES_MAX => {
            return Err(ConfigError::NotText { path: name, reason: "it is larger than 4 MiB" });
        }
        Ok(_) => std::fs::read(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ConfigError::Missing(name)),
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|source| ConfigError::Read { path: name.clone(), source })?;
    let text =
        String::from_utf8(bytes).map_err(|_| ConfigError::NotText { path: name, reason: "it is not UTF-8 text" })?;
    parse(text, path).map_err(ConfigError::Mistakes)
}

/// Parses `text`, the content of `path`; relative paths in it start in the folder of `path`.
pub fn parse(text: String, path: &Path) -> Result<Config, Mistakes> {
    let source = Source::new(path, text);
    let text = source.text_shared();
    let (document, syntax) = syntax::parse(&text);
    let mut reader = read::Reader::new(source.folder().to_owned());
    let read = read_document(&mut reader, &document);
    let mut mistakes = syntax.mistakes;
    if syntax.readable {
        mistakes.append(&mut reader.mistakes);
    } else {
        // What is missing behind a mistake of syntax is not known to be missing; only its secrets matter.
        reader.hidden.push(source::UNREADABLE);
    }
    let source = source.with_hidden(reader.hidden);
    if !mistakes.is_empty() {
        return Err(Mistakes::new(source, mistakes));
    }
    let Document { store, connections, syncs, tasks, notices } = read;
    Ok(Config { source, store, connections, syncs, tasks, notices })
}

/// What the tables of the file say.
#[derive(Default)]
struct Document {
    store: StoreConfig,
    connections: Vec<Connection>,
    syncs: Vec<Sync>,
    tasks: TaskBudget,
    notices: Notices,
}

fn read_document(reader: &mut read::Reader, document: &read::Item<'_>) -> Document {
    let Some(mut root) = reader.section(document, "the file") else { return Document::default() };
    let store = root.take("store").map(|entry| store::read(reader, entry.value)).unwrap_or_default();
    let connection_entries = root.take("connections").and_then(|entry| reader.section(entry.value, "`connections`"));
    let sync_entries = root.take("syncs").and_then(|entry| reader.section(entry.value, "`syncs`"));
    let tasks = root.take("limits").map(|entry| workspace::read(reader, entry.value)).unwrap_or_default();
    let notices = root.take("notices").map(|entry| notices::read(reader, entry.value)).unwrap_or_default();
    root.finish(reader, &[]);
    let mut connections: Vec<Connection> = Vec::new();
    for entry in connection_entries.map(read::Section::rest).unwrap_or_default() {
        match connection::read(reader, &entry) {
            Some(connection) => connections.push(connection),
            None => reader.broken_connections.push(entry.key.to_owned()),
        }
    }
    let names: Vec<&str> = connections.iter().map(|connection| connection.name().as_str()).collect();
    let mut syncs: Vec<Sync> = sync_entries
        .map(|section| section.rest().into_iter().filter_map(|entry| sync::read(reader, &entry, &names)).collect())
        .unwrap_or_default();
    refers::introduce(&mut syncs);
    if reader.mistakes.is_empty() {
        // What syncs make together is asked once each is right by itself.
        reader.mistakes.extend(circles::mistakes(&syncs));
        reader.mistakes.extend(index::mistakes(&syncs));
    }
    Document { store, connections, syncs, tasks, notices }
}
