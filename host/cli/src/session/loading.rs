//! The components of a sync, loaded once for each set of limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::{Rules, TransformUse};
use syncline_registry::{Limits, PluginName};
use syncline_runner::Transform;

use super::{Session, SessionError, clock, lock};

/// What a loaded plugin depends on: two connections of one plugin may have limits of their own.
pub(super) type LoadKey = (PluginName, syncline_wasm::Limits);

impl Session {
    pub(super) async fn transforms(
        &self,
        rules: &Rules,
    ) -> Result<BTreeMap<TransformUse, Arc<dyn Transform>>, SessionError> {
        let mut transforms: BTreeMap<_, Arc<dyn Transform>> = BTreeMap::new();
        for used in rules.components() {
            let found = self.admitted.transforms.values().find(|plugin| plugin.manifest.name.as_str() == used.name);
            let Some(plugin) = found else { continue };
            let loaded = self.load(plugin, &plugin.manifest.limits).await?;
            let kind = |source| SessionError::Kind { name: plugin.manifest.name.clone(), source };
            let transform = loaded.transform(used.name.clone(), clock()).map_err(kind)?;
            transforms.insert(used.clone(), Arc::new(transform));
        }
        Ok(transforms)
    }

    pub(super) async fn load(
        &self,
        plugin: &syncline_registry::Plugin,
        limits: &Limits,
    ) -> Result<syncline_wasm::Plugin, SessionError> {
        let name = &plugin.manifest.name;
        let key = load_key(name, limits);
        if let Some(loaded) = lock(&self.loaded).get(&key) {
            return Ok(loaded.clone());
        }
        let failed = |source| SessionError::Plugin { name: name.clone(), source };
        let loaded = self.runtime.load(plugin.bytes.clone(), key.1).await.map_err(failed)?;
        lock(&self.loaded).insert(key, loaded.clone());
        Ok(loaded)
    }
}

fn load_key(name: &PluginName, limits: &Limits) -> LoadKey {
    (name.clone(), wasm_limits(limits))
}

fn wasm_limits(limits: &Limits) -> syncline_wasm::Limits {
    let default = syncline_wasm::Limits::default();
    syncline_wasm::Limits {
        memory_mib: limits.memory_mib.unwrap_or(default.memory_mib),
        cpu_ms: limits.cpu_ms.unwrap_or(default.cpu_ms),
        wall_ms: limits.wall_ms.unwrap_or(default.wall_ms),
        http_calls: limits.http_calls.unwrap_or(default.http_calls),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, load_key};

    #[test]
    fn connections_of_one_plugin_keep_their_own_limits() {
        let name = "carddav".parse().expect("a name");
        let key = |memory_mib| load_key(&name, &Limits { memory_mib, ..Limits::default() });
        assert_ne!(key(Some(128)), key(Some(256)));
        assert_ne!(key(Some(128)), key(None));
        assert_eq!(key(Some(64)), key(None), "the default by another name");
        assert_eq!(key(Some(128)).1.memory_mib, 128);
    }
}
