//! `transform`: a component that changes values on their way to one side.

use syncline_core::TransformUse;
use toml::Spanned;

use super::connection::plugin_name;
use super::mistake::Mistake;
use super::read::{Item, Reader};
use super::settings::{self, Settings};

/// A transform in use.
#[derive(Clone, Debug)]
pub struct TransformChoice {
    /// The plugin.
    pub name: Spanned<syncline_registry::PluginName>,
    /// What it is told.
    pub options: Settings,
}

impl TransformChoice {
    /// Returns it as the rules hold it; `options` are those with the manifest's defaults filled in.
    pub fn with_options(&self, options: &serde_json::Map<String, serde_json::Value>) -> TransformUse {
        let options = serde_json::Value::Object(options.clone()).to_string();
        TransformUse { name: self.name.get_ref().to_string(), options }
    }
}

/// Reads a chain of transforms: one, or a list that is applied from left to right.
pub(super) fn read_chain(reader: &mut Reader, item: &Item<'_>) -> Vec<TransformChoice> {
    let Some(list) = item.get_ref().as_array() else { return read(reader, item).into_iter().collect() };
    if list.is_empty() {
        let mistake = Mistake::new(&item.span(), "this chain of transforms is empty");
        reader.wrong(mistake.mend("name at least one, or take the key out"));
    }
    list.iter().filter_map(|item| read(reader, item)).collect()
}

/// Reads a transform: its name, or a table with options.
pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<TransformChoice> {
    if item.get_ref().is_str() {
        let name = plugin_name(reader, item, "a transform")?;
        return Some(TransformChoice { options: Settings::none_at(&name.span()), name });
    }
    let mut section = reader.section(item, "a transform")?;
    let example = "{ name = \"normalize-phone\", options = { default_country = \"FR\" } }";
    let name = section.need(reader, "name", example).and_then(|entry| plugin_name(reader, entry.value, "`name`"));
    let options = match section.take("options") {
        Some(entry) => settings::read(reader, entry.value),
        None => Some(Settings::none_at(&section.place)),
    };
    section.finish(reader, &[]);
    Some(TransformChoice { name: name?, options: options? })
}
