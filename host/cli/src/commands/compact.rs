//! `syncline store compact`: gives back what the files of the state hold beyond its rows.

use serde_json::json;
use syncline_store::Compacted;

use super::CommandError;
use crate::config::Config;
use crate::output::Output;
use crate::session::{Folders, SessionError};

/// Compacts the store of the data folder. `syncline.compact/1`: `engine`, the files' `before_bytes` and `after_bytes`, and the
/// rows' `live_bytes`, `null` for an engine that frees its space by itself.
pub fn compact(config: &Config, folders: &Folders) -> Result<Output, CommandError> {
    let path = folders.data.join("store");
    let compacted = syncline_store::compact(&path, &config.store.disk_options())
        .map_err(|source| SessionError::Store { path: path.display().to_string(), source })?;
    let Compacted { engine, before_bytes, after_bytes, live_bytes } = compacted;
    let text = match live_bytes {
        Some(live_bytes) => {
            format!("{} before, {} after, for {} of rows\n", mib(before_bytes), mib(after_bytes), mib(live_bytes))
        }
        None => format!("{engine} frees its space by itself: {}, and nothing was done\n", mib(before_bytes)),
    };
    let json = json!({
        "schema": "syncline.compact/1",
        "engine": engine.name(),
        "before_bytes": before_bytes,
        "after_bytes": after_bytes,
        "live_bytes": live_bytes,
    });
    Ok(Output::ok(text, json))
}

/// Shows a size.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
