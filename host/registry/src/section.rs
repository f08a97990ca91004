//! The custom section of a component that holds its manifest.
//!
//! Not here: what the manifest says (`manifest`).

use std::borrow::Cow;

use wasm_encoder::{CustomSection, Encode, Section};
use wasmparser::{Encoding, Parser, Payload};

/// The section's name.
pub const SECTION_NAME: &str = "syncline-manifest";

/// Bytes of a manifest at the most.
pub(crate) const MANIFEST_BYTES_MAX: usize = 256 * 1024;

/// Why a file has no readable manifest section.
#[derive(Debug, thiserror::Error)]
pub enum SectionError {
    /// Not WebAssembly at all, or damaged.
    #[error("the file is not a WebAssembly component, or it is damaged")]
    NotWasm(#[source] wasmparser::BinaryReaderError),
    /// A core module.
    #[error("the file is a WebAssembly module, not a component; `cargo xtask plugins` makes components")]
    Module,
    /// No manifest.
    #[error("the component has no `{SECTION_NAME}` section, so it is not a Syncline plugin")]
    Missing,
    /// More than one manifest.
    #[error("the component has more than one `{SECTION_NAME}` section")]
    Doubled,
    /// Too large.
    #[error("the manifest is {bytes} bytes long, and {MANIFEST_BYTES_MAX} are allowed")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}

/// Returns the manifest's bytes from `component`, without running anything.
pub fn read_section(component: &[u8]) -> Result<&[u8], SectionError> {
    let mut depth = 0usize;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(SectionError::NotWasm)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(SectionError::Module),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // A manifest inside a nested component is that component's own and says nothing of this one.
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION_NAME => {
                found.push(section.data())
            }
            _ => {}
        }
    }
    let data = match found.as_slice() {
        [] => return Err(SectionError::Missing),
        [data] => *data,
        _ => return Err(SectionError::Doubled),
    };
    if data.len() > MANIFEST_BYTES_MAX {
        return Err(SectionError::TooLarge { bytes: data.len() });
    }
    Ok(data)
}

/// Returns `component` with `manifest` embedded; a component that has one already is refused.
pub fn embed(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>, SectionError> {
    match read_section(component) {
        Err(SectionError::Missing) => {}
        Ok(_) => return Err(SectionError::Doubled),
        Err(error) => return Err(error),
    }
    if manifest.len() > MANIFEST_BYTES_MAX {
        return Err(SectionError::TooLarge { bytes: manifest.len() });
    }
    let section = CustomSection { name: Cow::Borrowed(SECTION_NAME), data: Cow::Borrowed(manifest) };
    let mut bytes = component.to_vec();
    bytes.push(section.id());
    section.encode(&mut bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{MANIFEST_BYTES_MAX, SectionError, embed, read_section};
    use wasm_encoder::{Component, Module, NestedComponentSection};

    #[test]
    fn what_is_embedded_is_read_back() {
        let component = embed(&Component::new().finish(), b"{}").expect("embeds");
        assert_eq!(read_section(&component).expect("reads"), b"{}");
        assert!(matches!(embed(&component, b"{}"), Err(SectionError::Doubled)));
    }

    #[test]
    fn a_nested_manifest_is_not_the_components_own() {
        let inner = embed(&Component::new().finish(), b"{}").expect("embeds");
        let mut outer = Component::new();
        let mut nested = Component::new();
        nested.section(&wasm_encoder::RawSection { id: 0, data: &raw_manifest() });
        outer.section(&NestedComponentSection(&nested));
        assert!(matches!(read_section(&outer.finish()), Err(SectionError::Missing)));
        assert!(read_section(&inner).is_ok());
    }

    fn raw_manifest() -> Vec<u8> {
        let mut data = vec![super::SECTION_NAME.len() as u8];
        data.extend_from_slice(super::SECTION_NAME.as_bytes());
        data.extend_from_slice(b"{}");
        data
    }

    #[test]
    fn hostile_bytes_are_refused_and_never_panic() {
        assert!(matches!(read_section(&Module::new().finish()), Err(SectionError::Module)));
        assert!(matches!(read_section(&Component::new().finish()), Err(SectionError::Missing)));
        assert!(matches!(read_section(b""), Err(SectionError::NotWasm(_))));
        assert!(matches!(read_section(b"#!/bin/sh"), Err(SectionError::NotWasm(_))));
        let large = vec![b' '; MANIFEST_BYTES_MAX + 1];
        assert!(matches!(embed(&Component::new().finish(), &large), Err(SectionError::TooLarge { .. })));
        let good = embed(&Component::new().finish(), b"{\"name\":\"a\"}").expect("embeds");
        for cut in 0..good.len() {
            let _ = read_section(&good[..cut]);
            for bit in 0..8 {
                let mut flipped = good.clone();
                flipped[cut] ^= 1 << bit;
                let _ = read_section(&flipped);
            }
        }
    }
}
