//! Makes a component of a core module, and puts the manifest inside.

use std::borrow::Cow;

use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};

use super::manifest::{self, Kind, WIT_VERSION};
use super::{Error, Plugin};

/// The custom section that holds the manifest.
const MANIFEST_SECTION: &str = "syncline-manifest";

/// The only names that a plugin may import from.
const IMPORT_PREFIX: &str = "syncline:";

/// Returns the component of a plugin's module.
pub(super) fn of_module(plugin: &Plugin, module: &[u8]) -> Result<Vec<u8>, Error> {
    let manifest = manifest::of(plugin)?;
    let problem = |problem: String| Error::Plugin { plugin: plugin.name.clone(), problem };
    let mut component = encode(module).map_err(problem)?;
    check(&component, manifest.kind).map_err(problem)?;
    let section = CustomSection { name: Cow::Borrowed(MANIFEST_SECTION), data: Cow::Owned(manifest.bytes) };
    section.append_to_component(&mut component);
    Ok(component)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(module).and_then(ComponentEncoder::encode);
    component.map_err(|error| format!("not to be made a component: {error:#}"))
}

/// Says what keeps a component from being a plugin of this kind.
fn check(component: &[u8], kind: Kind) -> Result<(), String> {
    let decoded = wit_component::decode(component).map_err(|error| format!("not a component: {error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("not a component but a WIT package".to_owned());
    };
    let world = &resolve.worlds[world];
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let exports: Vec<_> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    check_names(&imports, &exports, kind)
}

fn check_names(imports: &[String], exports: &[String], kind: Kind) -> Result<(), String> {
    if let Some(import) = imports.iter().find(|import| !import.starts_with(IMPORT_PREFIX)) {
        return Err(format!("it imports {import}, which no host offers"));
    }
    let needed: &[&str] = match kind {
        Kind::Connector => &["syncline:connector/discovery@", "syncline:connector/source@"],
        Kind::Transform => &["syncline:transform/rows@"],
    };
    match needed.iter().find(|needed| !exports.iter().any(|export| export.starts_with(**needed))) {
        Some(missing) => Err(format!("its manifest says {kind:?}, but it does not export {missing}{WIT_VERSION}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contract_is_imported_and_the_kind_is_exported() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let check = |imports: &[&str], exports: &[&str], kind| check_names(&names(imports), &names(exports), kind);
        let connector = ["syncline:connector/discovery@0.1.0", "syncline:connector/source@0.1.0"];
        let transform = ["syncline:transform/rows@0.1.0"];
        assert_eq!(check(&["syncline:host/log@0.1.0"], &connector, Kind::Connector), Ok(()));
        assert_eq!(check(&[], &transform, Kind::Transform), Ok(()));
        for (imports, exports, kind, part) in [
            (&["wasi:cli/environment@0.2.0"][..], &transform[..], Kind::Transform, "wasi:cli/environment"),
            (&[], &connector[..1], Kind::Connector, "syncline:connector/source@0.1.0"),
            (&[], &connector, Kind::Transform, "syncline:transform/rows@0.1.0"),
        ] {
            let problem = check(imports, exports, kind).expect_err(part);
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn what_is_no_module_is_a_problem_and_no_panic() {
        for bytes in [&b""[..], b"\0asm", b"text", b"\0asm\x01\0\0\0"] {
            let component = encode(bytes);
            assert!(component.is_err() || check(&component.unwrap_or_default(), Kind::Transform).is_err());
        }
    }
}
