//! What the plugins' manifests say of the configuration: is there such a plugin, can it be signed in like that, do its
//! settings fit, where would it reach.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};
use syncline_core::{ConnectionName, TransformUse};
use syncline_registry::{
    AuthScheme, HostError, Limits, Manifest, Plugin, PluginError, PluginKind, PluginName, PluginStore, Reach,
    SettingMistake, WrongSetting, reach,
};
use toml::Spanned;

use super::auth::{self, AuthKind};
use super::mistake::{Mistake, listed, shown};
use super::transform::TransformChoice;
use super::{Config, Connection};

/// The plugins that a configuration uses, with what it tells them.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The connections.
    pub connections: BTreeMap<ConnectionName, AdmittedConnection>,
    /// The transforms, by plugin.
    pub transforms: BTreeMap<PluginName, Arc<Plugin>>,
}

/// A connection whose settings fit its connector.
#[derive(Clone, Debug)]
pub struct AdmittedConnection {
    /// The connector.
    pub plugin: Arc<Plugin>,
    /// Its settings, defaults filled in.
    pub settings: Map<String, Value>,
    /// Where it may go.
    pub reach: Reach,
    /// What it may use up: the manifest's limits with the configuration's put over them.
    pub limits: Limits,
}

impl Admitted {
    /// Returns `choice` as the rules hold it, with the defaults of its options filled in.
    pub fn transform_use(&self, choice: &TransformChoice) -> TransformUse {
        let plugin = self.transforms.get(choice.name.get_ref());
        let complete = plugin.and_then(|plugin| plugin.manifest.settings.complete(&choice.options.values).ok());
        choice.with_options(complete.as_ref().unwrap_or(&choice.options.values))
    }
}

/// Finds the plugins of `config` in `store`, or returns every mistake.
pub fn admit(config: &Config, store: &PluginStore) -> Result<Admitted, Vec<Mistake>> {
    let mut finder = Finder { store, found: BTreeMap::new(), mistakes: Vec::new() };
    let mut connections = BTreeMap::new();
    for connection in &config.connections {
        if let Some(admitted) = finder.connection(connection) {
            connections.insert(connection.name().clone(), admitted);
        }
    }
    let mut transforms = BTreeMap::new();
    for choice in config.syncs.iter().flat_map(super::Sync::components) {
        if let Some(plugin) = finder.transform(choice) {
            transforms.insert(choice.name.get_ref().clone(), plugin);
        }
    }
    if finder.mistakes.is_empty() { Ok(Admitted { connections, transforms }) } else { Err(finder.mistakes) }
}

struct Finder<'a> {
    store: &'a PluginStore,
    found: BTreeMap<PluginName, Arc<Plugin>>,
    mistakes: Vec<Mistake>,
}

impl Finder<'_> {
    fn connection(&mut self, connection: &Connection) -> Option<AdmittedConnection> {
        let plugin = self.plugin(&connection.connector, PluginKind::Connector)?;
        let before = self.mistakes.len();
        self.mistakes.extend(auth_mistake(connection, &plugin.manifest));
        let complete = plugin.manifest.settings.complete(&connection.settings.values);
        let wrong_settings = complete.as_ref().err().into_iter().flatten();
        self.mistakes.extend(
            wrong_settings
                .map(|wrong| setting_mistake(wrong, "setting", &plugin, connection.settings.place_of(&wrong.setting))),
        );
        let settings = complete.ok()?;
        let base_url = connection.base_url.as_ref().map(Spanned::get_ref);
        let reach = reach(&plugin.manifest, &settings, base_url)
            .map_err(|error| self.mistakes.push(host_mistake(connection, &error)))
            .ok()?;
        let tier = connection.tier.as_ref().and_then(|tier| {
            let found = plugin.manifest.tier(tier.get_ref());
            if found.is_none() {
                self.mistakes.push(tier_mistake(tier, &plugin.manifest));
            }
            found
        });
        let limits =
            tier.map_or(plugin.manifest.limits.clone(), |tier| plugin.manifest.limits.overridden_by(&tier.limits));
        let limits = limits.overridden_by(&connection.limits);
        (self.mistakes.len() == before).then_some(AdmittedConnection { plugin, settings, reach, limits })
    }

    fn transform(&mut self, choice: &TransformChoice) -> Option<Arc<Plugin>> {
        let plugin = self.plugin(&choice.name, PluginKind::Transform)?;
        let wrong = plugin.manifest.settings.complete(&choice.options.values).err().unwrap_or_default();
        self.mistakes.extend(
            wrong
                .iter()
                .map(|wrong| setting_mistake(wrong, "option", &plugin, choice.options.place_of(&wrong.setting))),
        );
        Some(plugin)
    }

    fn plugin(&mut self, name: &Spanned<PluginName>, kind: PluginKind) -> Option<Arc<Plugin>> {
        let plugin = match self.found.get(name.get_ref()) {
            Some(plugin) => Arc::clone(plugin),
            None => match self.store.find(name.get_ref()) {
                Ok(plugin) => Arc::new(plugin),
                Err(error) => {
                    self.mistakes.push(plugin_mistake(&name.span(), kind, &error));
                    return None;
                }
            },
        };
        self.found.insert(name.get_ref().clone(), Arc::clone(&plugin));
        if plugin.manifest.kind != kind {
            let message = format!(
                "{} is a {}, and a {kind} is needed here",
                shown(name.get_ref().as_str()),
                plugin.manifest.kind
            );
            self.mistakes.push(Mistake::new(&name.span(), message));
            return None;
        }
        Some(plugin)
    }
}

fn plugin_mistake(place: &Range<usize>, kind: PluginKind, error: &PluginError) -> Mistake {
    match error {
        PluginError::NotFound { name, nearest } => {
            let mistake = Mistake::new(place, format!("there is no {kind} {}", shown(name.as_str())));
            mistake.mend(match nearest {
                Some(nearest) => format!("did you mean {}?", shown(nearest)),
                None => "`syncline plugin list` shows what there is; `syncline plugin add FILE` adds one".to_owned(),
            })
        }
        other => match other.to_string().split_once("; ") {
            Some((message, mend)) => Mistake::new(place, message).mend(mend),
            None => Mistake::new(place, other.to_string()),
        },
    }
}

fn auth_mistake(connection: &Connection, manifest: &Manifest) -> Option<Mistake> {
    let takes: Vec<&str> = manifest
        .auth
        .iter()
        .map(|wish| wish.scheme)
        .filter(|scheme| *scheme != AuthScheme::None)
        .map(auth::example)
        .collect();
    let name = shown(manifest.name.as_str());
    match &connection.auth {
        None if manifest.works_without_auth() => None,
        None => {
            let mistake =
                Mistake::new(&connection.place(), format!("{name} must be signed in, and there is no `auth`"));
            Some(mistake.mend(format!("add {}", takes.join(" or "))))
        }
        Some(auth) => match manifest.auth_wish(auth.scheme()) {
            None if takes.is_empty() => {
                Some(Mistake::new(&auth.place, format!("{name} is not signed in")).mend("take `auth` out"))
            }
            None => {
                let mistake =
                    Mistake::new(&auth.place, format!("{name} is not signed in by a {} credential", auth.scheme()));
                Some(mistake.mend(format!("write {}", takes.join(" or "))))
            }
            Some(wish) => match (&auth.kind, &wish.header) {
                (AuthKind::Key { header: Some(ours), .. }, Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) => {
                    let mistake =
                        Mistake::new(&auth.place, format!("{name} takes its key in the header {}", shown(theirs)));
                    Some(mistake.mend("take `header` out"))
                }
                _ => None,
            },
        },
    }
}

fn tier_mistake(tier: &Spanned<String>, manifest: &Manifest) -> Mistake {
    let message = format!("{} knows no tier {}", shown(manifest.name.as_str()), shown(tier.get_ref()));
    let mistake = Mistake::new(&tier.span(), message);
    mistake.mend(match manifest.tiers.as_slice() {
        [] => "it has none; take this out, and set `limits`".to_owned(),
        tiers => format!("there are {}", listed(tiers.iter().map(|tier| tier.name.as_str()))),
    })
}

fn setting_mistake(wrong: &SettingMistake, what: &str, plugin: &Plugin, place: Range<usize>) -> Mistake {
    let (name, setting) = (shown(plugin.manifest.name.as_str()), shown(&wrong.setting));
    match &wrong.wrong {
        WrongSetting::Unknown { nearest, known } => {
            let mistake = Mistake::new(&place, format!("{name} has no {what} {setting}"));
            mistake.mend(match (nearest, known.as_slice()) {
                _ if sounds_secret(&wrong.setting) => {
                    "secrets belong into `auth`, and never into `settings`".to_owned()
                }
                (Some(nearest), _) => format!("did you mean {}?", shown(nearest)),
                (None, []) => format!("it has no {what}s; take this out"),
                (None, known) => format!("there are {}", listed(known.iter().map(String::as_str))),
            })
        }
        WrongSetting::Missing { description } => {
            let mistake = Mistake::new(&place, format!("{name} needs the {what} {setting}"));
            match description {
                Some(description) => mistake.mend(format!("{setting}: {description}")),
                None => mistake,
            }
        }
        WrongSetting::Value(sentence) => Mistake::new(&place, format!("the {what} {setting} does not fit: {sentence}")),
    }
}

fn sounds_secret(setting: &str) -> bool {
    let lower = setting.to_ascii_lowercase();
    ["password", "token", "secret", "apikey", "api_key", "api-key"].iter().any(|word| lower.contains(word))
}

fn host_mistake(connection: &Connection, error: &HostError) -> Mistake {
    let place = match error {
        HostError::SettingMissing(setting) | HostError::SettingInvalid { setting, .. } => {
            connection.settings.place_of(setting)
        }
        HostError::BaseUrl(_) => connection.base_url.as_ref().map_or(connection.place(), Spanned::span),
    };
    Mistake::new(&place, error.to_string())
}
