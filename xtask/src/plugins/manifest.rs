//! Reads a plugin's `manifest.json` as far as the build must understand it; the host checks the rest.

use serde::Deserialize;

use super::{Plugin, read};
use crate::error::Error;

/// The version of the contract in `wit/` that plugins here are built against.
pub(super) const WIT_VERSION: &str = "0.1.0";

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

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Result<Manifest, Error> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("manifest.json"), text).expect("a file can be written there");
        of(&Plugin {
            name: "upper-case".to_owned(),
            package: "syncline-plugin-upper-case".to_owned(),
            version: "0.3.0".to_owned(),
            library: "syncline_plugin_upper_case".to_owned(),
            folder: folder.path().to_owned(),
        })
    }

    #[test]
    fn a_manifest_is_embedded_without_blanks_and_in_its_order() {
        let text = r#"{ "wit": "0.1.0", "name": "upper-case", "kind": "transform", "version": "0.3.0", "hosts": [] }"#;
        let manifest = manifest(text).expect("it fits");
        assert_eq!(manifest.kind, Kind::Transform);
        let embedded = r#"{"wit":"0.1.0","name":"upper-case","kind":"transform","version":"0.3.0","hosts":[]}"#;
        assert_eq!(String::from_utf8_lossy(&manifest.bytes), embedded);
    }

    #[test]
    fn a_manifest_that_contradicts_its_crate_is_named() {
        for (text, part) in [
            (r#"{"name":"lower-case","version":"0.3.0","kind":"transform","wit":"0.1.0"}"#, "says name lower-case"),
            (r#"{"name":"upper-case","version":"0.2.0","kind":"transform","wit":"0.1.0"}"#, "says version 0.2.0"),
            (r#"{"name":"upper-case","version":"0.3.0","kind":"transform","wit":"0.2.0"}"#, "says wit 0.2.0"),
            (r#"{"name":"upper-case","version":"0.3.0","kind":"thing","wit":"0.1.0"}"#, "unknown variant `thing`"),
            (r#"{"name":"upper-case","kind":"transform","wit":"0.1.0"}"#, "missing field `version`"),
            ("", "EOF"),
        ] {
            let Err(error) = manifest(text) else { panic!("taken: {text}") };
            let message = crate::error::with_causes(&error);
            assert!(message.contains(part), "{message}");
        }
    }
}
