//! The plugins that a run works with, as its record keeps them.

use serde::{Deserialize, Serialize};
use syncline_core::Side;

/// A plugin in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginVersion {
    /// Its name.
    pub name: String,
    /// Its version, where it is known.
    pub version: Option<String>,
}

/// The connectors and transforms of a sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugins {
    /// The connector of the left side.
    pub left: PluginVersion,
    /// The connector of the right side.
    pub right: PluginVersion,
    /// The transforms that the rules name.
    pub transforms: Vec<PluginVersion>,
}

impl Plugins {
    /// Returns the connector of `side`.
    pub fn connector(&self, side: Side) -> &PluginVersion {
        side.pick(&self.left, &self.right)
    }

    /// Returns the transform of that name, without a version if it is not among these.
    pub fn named(&self, name: &str) -> PluginVersion {
        let known = self.transforms.iter().find(|plugin| plugin.name == name).cloned();
        known.unwrap_or_else(|| PluginVersion { name: name.to_owned(), version: None })
    }
}
