//! Makes a component of a core module, and puts the manifest inside.

use std::borrow::Cow;

use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};

use super::manifest::{self, Kind};
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
    let mut imports = world.imports.keys().map(|key| resolve.name_world_key(key));
    if let Some(import) = imports.find(|import| !import.starts_with(IMPORT_PREFIX)) {
        return Err(format!("it imports {import}, which no host offers"));
    }
    let exports: Vec<_> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let needed: &[&str] = match kind {
        Kind::Connector => &["syncline:connector/discovery@", "syncline:connector/source@"],
        Kind::Transform => &["syncline:transform/rows@"],
    };
    match needed.iter().find(|needed| !exports.iter().any(|export| export.starts_with(**needed))) {
        Some(missing) => Err(format!("its manifest says {kind:?}, but it does not export {missing}0.1.0")),
        None => Ok(()),
    }
}
