//! Looks at a component before it is compiled: may it run here, and as what?
//!
//! Invariant: nothing but `syncline:*`, in a version that this host speaks, gets past here. What a person is told is one
//! sentence.

use wasmparser::{Encoding, Parser, Payload};

use crate::state::{STATE_BYTES_MAX, state_bytes};

/// A larger file is no plugin.
const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Every interface of `wit/`, with the version spoken here.
const SPOKEN: [(&str, &str); 11] = [
    ("syncline:values/data", "0.1.0"),
    ("syncline:values/model", "0.1.0"),
    ("syncline:host/log", "0.1.0"),
    ("syncline:host/settings", "0.1.0"),
    ("syncline:host/clock", "0.1.0"),
    ("syncline:host/http", "0.1.0"),
    ("syncline:connector/records", "0.1.0"),
    ("syncline:connector/discovery", "0.1.0"),
    ("syncline:connector/source", "0.1.0"),
    ("syncline:connector/sink", "0.1.0"),
    ("syncline:transform/rows", "0.1.0"),
];

/// What a transform may import: with the time or the network it would not be a function of its rows.
const TRANSFORM_IMPORTS: [&str; 2] = ["syncline:values/data", "syncline:host/log"];

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    /// Speaks to one application, and may write.
    Connector,
    /// Speaks to one application, and only reads.
    Reader,
    /// Changes values.
    Transform,
}

/// Why a component cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Larger than any plugin.
    #[error(
        "the component is {bytes} bytes large, more than the limit of {COMPONENT_BYTES_MAX}; ask the plugin's author for a \
         smaller component"
    )]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// Larger once it runs than any plugin.
    #[error(
        "the component's instances take {} MiB beside their memory, more than the limit of {}; ask the plugin's author for \
         fewer functions, globals and imports, or fewer modules",
        mebibytes(*bytes),
        mebibytes(STATE_BYTES_MAX)
    )]
    State {
        /// How much they take.
        bytes: u64,
    },
    /// A plain module.
    #[error(
        "this is a WebAssembly module, not a component; build the plugin with `cargo xtask plugins` or its SDK's build command"
    )]
    Module,
    /// Something else.
    #[error("this is not a WebAssembly component ({0})")]
    NotWasm(String),
    /// Something that is not offered.
    #[error(
        "the component imports `{0}`, which Syncline offers to no plugin; build it without WASI (Rust: target \
         wasm32-unknown-unknown, JavaScript: --backend-qjs-stub-wasi, Python: componentize-py -s)"
    )]
    Foreign(String),
    /// Another version of the plugin API.
    #[error(
        "the component was built for `{interface}` {theirs}, this Syncline speaks {ours}; {}",
        remedy(theirs, ours)
    )]
    Version {
        /// Which interface.
        interface: String,
        /// The component's version.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// An interface of ours that we do not know.
    #[error(
        "the component uses `{0}`, which this Syncline does not know; update Syncline, or rebuild the plugin with this version's SDK"
    )]
    Unknown(String),
    /// Neither of the worlds.
    #[error("the component is neither a connector nor a transform: it exports {0}")]
    World(String),
    /// A connector with a part missing.
    #[error(
        "the component is no connector: it exports `syncline:connector/source` but not `syncline:connector/discovery`"
    )]
    HalfConnector,
    /// A transform that wants more than rows.
    #[error("the component is a transform and may import nothing but the log, yet it imports `{0}`")]
    TransformImports(String),
}

fn remedy(theirs: &str, ours: &str) -> &'static str {
    let numbers =
        |version: &str| -> Vec<u64> { version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    if numbers(theirs) > numbers(ours) {
        "update Syncline, or rebuild the plugin with this version's SDK"
    } else {
        "update the plugin, or rebuild it with this version's SDK"
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

/// Says what `wasm` is, or why it cannot run here.
pub fn audit(wasm: &[u8]) -> Result<PluginKind, AuditError> {
    if wasm.len() > COMPONENT_BYTES_MAX {
        return Err(AuditError::TooLarge { bytes: wasm.len() });
    }
    let names = outer_names(wasm)?;
    let bytes = state_bytes(wasm).map_err(broken)?;
    if bytes > STATE_BYTES_MAX {
        return Err(AuditError::State { bytes });
    }
    let mut imports = Vec::new();
    for name in &names.imports {
        imports.push(spoken(name)?.ok_or_else(|| AuditError::Foreign(printed(name)))?);
    }
    let mut exports = Vec::new();
    for name in &names.exports {
        exports.extend(spoken(name)?);
    }
    let kind = kind_of(&exports, &names.exports)?;
    let refused = imports.iter().find(|import| !TRANSFORM_IMPORTS.contains(import));
    match (kind, refused) {
        (PluginKind::Transform, Some(import)) => Err(AuditError::TransformImports((*import).to_owned())),
        _ => Ok(kind),
    }
}

fn kind_of(exports: &[&str], written: &[String]) -> Result<PluginKind, AuditError> {
    let has = |interface: &str| exports.contains(&interface);
    match (has("syncline:connector/source"), has("syncline:transform/rows")) {
        (true, false) if !has("syncline:connector/discovery") => Err(AuditError::HalfConnector),
        (true, false) if has("syncline:connector/sink") => Ok(PluginKind::Connector),
        (true, false) => Ok(PluginKind::Reader),
        (false, true) => Ok(PluginKind::Transform),
        (true, true) | (false, false) => {
            let mut written = written.to_vec();
            written.sort();
            let names: Vec<String> = written.iter().take(5).map(|name| format!("`{}`", printed(name))).collect();
            Err(AuditError::World(if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }))
        }
    }
}

/// Returns the interface of ours that `name` means, or `None` if it is nobody of ours.
fn spoken(name: &str) -> Result<Option<&'static str>, AuditError> {
    if !name.starts_with("syncline:") {
        return Ok(None);
    }
    let (interface, theirs) = name.split_once('@').unwrap_or((name, ""));
    let Some((known, ours)) = SPOKEN.iter().find(|(known, _)| *known == interface) else {
        return Err(AuditError::Unknown(printed(name)));
    };
    if track(theirs) != track(ours) {
        let theirs = if theirs.is_empty() { "(no version)".to_owned() } else { printed(theirs) };
        return Err(AuditError::Version { interface: interface.to_owned(), theirs, ours });
    }
    Ok(Some(known))
}

/// The part of a version that must be equal: up to the first number that is not zero, and none for a pre-release.
fn track(version: &str) -> Option<Vec<u64>> {
    let numbers: Vec<u64> =
        version.split('+').next()?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let first = numbers.iter().position(|&number| number != 0)?;
    (numbers.len() == 3).then(|| numbers[..=first].to_vec())
}

fn printed(name: &str) -> String {
    crate::text::printable_up_to(name, 120)
}

fn broken(error: wasmparser::BinaryReaderError) -> AuditError {
    AuditError::NotWasm(printed(error.message()))
}

#[derive(Default)]
struct OuterNames {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Reads what the outermost component imports and exports; what its parts trade among themselves is their business.
fn outer_names(wasm: &[u8]) -> Result<OuterNames, AuditError> {
    let mut names = OuterNames::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(broken)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(AuditError::Module),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{AuditError, audit, spoken, track};

    #[test]
    fn a_version_matches_within_its_track() {
        for (left, right, same) in [
            ("0.1.0", "0.1.7", true),
            ("0.1.0", "0.2.0", false),
            ("1.2.0", "1.9.0", true),
            ("1.0.0", "2.0.0", false),
            ("0.1.0", "0.1.0-rc.1", false),
            ("0.1.0", "", false),
        ] {
            assert_eq!(track(left) == track(right), same, "{left} {right}");
        }
    }

    #[test]
    fn another_version_says_what_to_update() {
        let text = |name: &str| spoken(name).map_err(|error| error.to_string());
        let newer = text("syncline:host/http@0.2.0").expect_err("newer");
        assert!(
            newer.contains("built for `syncline:host/http` 0.2.0, this Syncline speaks 0.1.0; update Syncline"),
            "{newer}"
        );
        let older = text("syncline:host/http@0.0.9").expect_err("older");
        assert!(older.contains("update the plugin"), "{older}");
        assert_eq!(text("wasi:sockets/tcp@0.2.0"), Ok(None));
        assert!(text("syncline:host/files@0.1.0").is_err());
    }

    #[test]
    fn a_component_too_large_is_not_even_looked_at() {
        let large = vec![0; super::COMPONENT_BYTES_MAX + 1];
        let refused = audit(&large).expect_err("too large");
        assert_eq!(
            refused.to_string(),
            "the component is 67108865 bytes large, more than the limit of 67108864; ask the plugin's author for a smaller \
             component"
        );
        assert!(matches!(audit(&large[1..]), Err(AuditError::NotWasm(_))), "as large as it may be");
    }

    #[test]
    fn what_is_no_component_says_so() {
        assert_eq!(audit(b"\0asm\x01\0\0\0"), Err(AuditError::Module));
        for bytes in [b"".as_slice(), b"\0asm", b"#!/bin/sh\n", b"\0asm\x0d\0\x01\0\xff\xff\xff"] {
            assert!(matches!(audit(bytes), Err(AuditError::NotWasm(_))), "{bytes:?}: {:?}", audit(bytes));
        }
        assert!(matches!(audit(b"\0asm\x0d\0\x01\0"), Err(AuditError::World(_))));
    }
}
