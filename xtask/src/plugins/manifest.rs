//! Reads a plugin's `manifest.json` as far as the build must understand it; the host checks the rest.

use serde::Deserialize;

use super::{Plugin, read};
use crate::error::Error;

/// The version of the contract in `wit/` that plugins here are built against.
const WIT_VERSION: &str = "0.1.0";

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Connector,
    Transform,
}

/// A manifest, checked against its crate.
pub(super) struct Manifest {
    pub(super) kind: Kind,
    /// The bytes to embed: the JSON without its blanks.
    pub(super) bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Head {
    name: String,
    version: String,
    kind: Kind,
    wit: String,
}

/// Reads the manifest of `plugin`.
pub(super) fn of(plugin: &Plugin) -> Result<Manifest, Error> {
    let path = plugin.folder.join("manifest.json");
    let text = read(&path)?;
    let failed = |source| Error::Json { path: path.clone(), source };
    let head: Head = serde_json::from_slice(&text).map_err(failed)?;
    for (key, says, is) in [
        ("name", &head.name, plugin.name.as_str()),
        ("version", &head.version, plugin.version.as_str()),
        ("wit", &head.wit, WIT_VERSION),
    ] {
        if says != is {
            let problem = format!("manifest.json says {key} {says}, but it is {is}");
            return Err(Error::Plugin { plugin: plugin.name.clone(), problem });
        }
    }
    let whole: serde_json::Value = serde_json::from_slice(&text).map_err(failed)?;
    Ok(Manifest { kind: head.kind, bytes: whole.to_string().into_bytes() })
}
