//! What a plugin says of itself: static JSON in its component, read without running it.
//!
//! Invariant: an unknown key is an error. A wish that is read but not enforced would be worse than none.
//! Invariant: whatever the bytes are, reading them ends in a manifest or in an error.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use syncline_net::{Grant, UsageHeaders};

use crate::limits::Limits;
use crate::name::PluginName;
use crate::section::{MANIFEST_BYTES_MAX, SectionError, read_section};
use crate::settings::{SettingsSchema, SettingsSchemaError};

/// The version of the plugin API that this host speaks.
pub const WIT_VERSION: &str = "0.1.0";

/// Entries that one list of a manifest may have.
const ENTRIES_MAX: usize = 256;

/// Characters that one text of a manifest may have.
const TEXT_LENGTH_MAX: usize = 2_000;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub name: PluginName,
    /// Its own version.
    pub version: String,
    /// Connector or transform.
    pub kind: PluginKind,
    /// The version of the plugin API that it was built for.
    pub wit: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// Where it wants to reach; empty for a transform.
    pub hosts: Vec<HostWish>,
    /// What a path is resolved against.
    pub base_url: Option<BaseUrl>,
    /// How it can be signed in; empty if nothing is needed.
    pub auth: Vec<AuthWish>,
    /// The settings that it takes.
    pub settings: SettingsSchema,
    /// The objects that it is known to have; what counts at run time is what the connector says then.
    pub objects: Vec<ObjectHint>,
    /// What it wants to use up.
    pub limits: Limits,
    /// What the vendor allows to its kinds of accounts.
    pub tiers: Vec<Tier>,
    /// Where the vendor says how its limits stand.
    pub usage: Vec<UsageHeaders>,
}

/// What a vendor allows to one kind of account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// What the vendor calls it, as the configuration names it.
    pub name: String,
    /// What is put over the manifest's own limits.
    pub limits: Limits,
}

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Knows one application.
    Connector,
    /// Changes values.
    Transform,
}

/// A place that a plugin wants to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostWish {
    /// This host, or every host below it; always https.
    Fixed(Grant),
    /// The origin of the address in this setting.
    Setting(String),
}

/// What a path is resolved against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseUrl {
    /// This address.
    Fixed(syncline_net::Url),
    /// The address in this setting.
    Setting(String),
}

/// A way to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthWish {
    /// How the credential is sent.
    pub scheme: AuthScheme,
    /// The name of the header, where the scheme is `header`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// With `basic`: a server may ask for a digest instead, which the host answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// The rights that the credential needs.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// How a credential is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthScheme {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A header of the vendor's own.
    Header,
    /// Not at all.
    None,
}

/// An object that a connector is known to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectHint {
    /// Its name.
    pub name: String,
    /// What it is: `contact`, `company` ...
    #[serde(default)]
    pub kind: String,
    /// What people call it.
    #[serde(default)]
    pub label: String,
    /// Groups of fields; a sync that writes the object maps at least one field of each (F04): `[["email", "sms"]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minimum: Vec<Vec<String>>,
}

/// Why a component has no usable manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No section to read.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// Too large.
    #[error("the manifest is {0} bytes long, and {MANIFEST_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not JSON of the manifest's shape; an unknown key is named here too.
    #[error("the manifest cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The settings schema uses what is not supported, or contradicts itself.
    #[error("the manifest's `settings`: {0}")]
    Settings(#[from] SettingsSchemaError),
    /// Anything else that makes no sense.
    #[error("the manifest's `{key}`: {reason}")]
    Invalid {
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Built for another plugin API.
    #[error(
        "the plugin `{plugin}` was built for plugin API {wit}, and this host speaks {WIT_VERSION}; \
         get a build for {WIT_VERSION}, or the host that fits the plugin"
    )]
    Wit {
        /// The plugin.
        plugin: PluginName,
        /// What it was built for.
        wit: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    kind: PluginKind,
    wit: String,
    summary: String,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    auth: Vec<AuthWish>,
    #[serde(default)]
    settings: Option<serde_json::Value>,
    #[serde(default)]
    objects: Vec<ObjectHint>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default)]
    usage: Vec<UsageHeaders>,
}

impl Manifest {
    /// Reads the manifest of `component` without running it.
    pub fn of_component(component: &[u8]) -> Result<Manifest, ManifestError> {
        Manifest::parse(read_section(component)?)
    }

    /// Reads a manifest's JSON.
    pub fn parse(json: &[u8]) -> Result<Manifest, ManifestError> {
        if json.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(json.len()));
        }
        let raw: Raw = serde_json::from_slice(json)?;
        let name = raw.name.parse::<PluginName>().map_err(|error| invalid("name", error.to_string()))?;
        for (key, text) in [("version", &raw.version), ("wit", &raw.wit), ("summary", &raw.summary)] {
            check_text(key, text)?;
        }
        check_versions(&name, &raw)?;
        let settings = match raw.settings {
            Some(schema) => SettingsSchema::parse(&schema)?,
            None => SettingsSchema::default(),
        };
        check_lists(&raw.hosts, &raw.auth, &raw.objects)?;
        let hosts = raw.hosts.iter().map(|text| host_wish(text, &settings)).collect::<Result<Vec<_>, _>>()?;
        let base_url = raw.base_url.as_deref().map(|text| base_url(text, &settings)).transpose()?;
        if let Some((limit, reason)) = raw.limits.faults().into_iter().next() {
            return Err(invalid("limits", format!("`{limit}`: {reason}")));
        }
        check_tiers(&raw.tiers)?;
        check_usage(&raw.usage)?;
        if raw.kind == PluginKind::Transform && !(hosts.is_empty() && base_url.is_none() && raw.auth.is_empty()) {
            return Err(invalid(
                "kind",
                "a transform has no network, so it takes no hosts, base_url or auth".to_owned(),
            ));
        }
        Ok(Manifest {
            name,
            version: raw.version,
            kind: raw.kind,
            wit: raw.wit,
            summary: raw.summary,
            hosts,
            base_url,
            auth: raw.auth,
            settings,
            objects: raw.objects,
            limits: raw.limits,
            tiers: raw.tiers,
            usage: raw.usage,
        })
    }

    /// Returns the wish for `scheme`, if the plugin can be signed in that way.
    pub fn auth_wish(&self, scheme: AuthScheme) -> Option<&AuthWish> {
        self.auth.iter().find(|wish| wish.scheme == scheme)
    }

    /// Returns what the vendor allows to the kind of account that is called `name`.
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// Says whether the plugin can be used without signing in.
    pub fn works_without_auth(&self) -> bool {
        self.auth.is_empty() || self.auth_wish(AuthScheme::None).is_some()
    }
}

fn check_versions(name: &PluginName, raw: &Raw) -> Result<(), ManifestError> {
    let digits = |text: &str| -> Option<[u32; 3]> {
        let parts: Vec<u32> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let core = raw.version.split(['-', '+']).next().unwrap_or_default();
    if digits(core).is_none() {
        return Err(invalid("version", format!("{:?} is not a version such as 1.4.0", raw.version)));
    }
    let wit = digits(&raw.wit)
        .ok_or_else(|| invalid("wit", format!("{:?} is not a version such as {WIT_VERSION}", raw.wit)))?;
    // Below 1.0.0 a new minor version may break; a patch may not.
    let host = digits(WIT_VERSION).expect("the host's own version is one");
    if wit[..2] != host[..2] {
        return Err(ManifestError::Wit { plugin: name.clone(), wit: raw.wit.clone() });
    }
    Ok(())
}

fn check_lists(hosts: &[String], auth: &[AuthWish], objects: &[ObjectHint]) -> Result<(), ManifestError> {
    for (key, length) in [("hosts", hosts.len()), ("auth", auth.len()), ("objects", objects.len())] {
        if length > ENTRIES_MAX {
            return Err(invalid(key, format!("{length} entries, and {ENTRIES_MAX} are allowed")));
        }
    }
    let mut schemes = BTreeSet::new();
    for wish in auth {
        if !schemes.insert(wish.scheme) {
            return Err(invalid("auth", format!("`{}` is there twice", wish.scheme)));
        }
        if wish.digest && wish.scheme != AuthScheme::Basic {
            return Err(invalid("auth", format!("the scheme `{}` takes no `digest`", wish.scheme)));
        }
        match (wish.scheme, &wish.header) {
            (AuthScheme::Header, None) => {
                return Err(invalid("auth", "the scheme `header` needs a `header`".to_owned()));
            }
            (AuthScheme::Header, Some(header)) => check_header("auth", header)?,
            (_, Some(_)) => return Err(invalid("auth", format!("the scheme `{}` takes no `header`", wish.scheme))),
            (_, None) => {}
        }
        if wish.scopes.len() > ENTRIES_MAX {
            return Err(invalid("auth", format!("more than {ENTRIES_MAX} scopes")));
        }
        wish.scopes.iter().try_for_each(|scope| check_text("auth", scope))?;
    }
    for object in objects {
        [&object.name, &object.kind, &object.label].into_iter().try_for_each(|text| check_text("objects", text))?;
        if object.minimum.len() > ENTRIES_MAX || object.minimum.iter().any(|group| group.len() > ENTRIES_MAX) {
            return Err(invalid("objects", format!("a `minimum` of more than {ENTRIES_MAX} entries")));
        }
        if object.minimum.iter().any(Vec::is_empty) {
            return Err(invalid("objects", "a group of `minimum` without fields can never be met".to_owned()));
        }
        object.minimum.iter().flatten().try_for_each(|field| check_text("objects", field))?;
    }
    Ok(())
}

fn check_tiers(tiers: &[Tier]) -> Result<(), ManifestError> {
    let mut names = BTreeSet::new();
    for tier in tiers {
        check_text("tiers", &tier.name)?;
        if tier.name.is_empty() || names.len() == ENTRIES_MAX || !names.insert(&tier.name) {
            return Err(invalid("tiers", format!("`{}` has no name, is there twice, or is one too many", tier.name)));
        }
        if let Some((limit, reason)) = tier.limits.faults().into_iter().next() {
            return Err(invalid("tiers", format!("`{}`: `{limit}`: {reason}", tier.name)));
        }
    }
    Ok(())
}

fn check_usage(usage: &[UsageHeaders]) -> Result<(), ManifestError> {
    if usage.len() > ENTRIES_MAX {
        return Err(invalid("usage", format!("more than {ENTRIES_MAX} entries")));
    }
    let headers = usage.iter().flat_map(|usage| [&usage.limit, &usage.left]).flatten();
    headers.into_iter().try_for_each(|header| check_header("usage", header))
}

fn check_header(key: &'static str, name: &str) -> Result<(), ManifestError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
        return Err(invalid(key, format!("{name:?} is not the name of a header")));
    }
    Ok(())
}

/// Texts of a manifest are shown to people, so nothing in them may steer a terminal or hide a line.
fn check_text(key: &'static str, text: &str) -> Result<(), ManifestError> {
    let hides = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().count() > TEXT_LENGTH_MAX {
        return Err(invalid(key, format!("a text of more than {TEXT_LENGTH_MAX} characters")));
    }
    if text.chars().any(hides) {
        return Err(invalid(key, "a text with control or invisible characters".to_owned()));
    }
    Ok(())
}

fn host_wish(text: &str, settings: &SettingsSchema) -> Result<HostWish, ManifestError> {
    if let Some(setting) = text.strip_prefix("setting:") {
        return Ok(HostWish::Setting(url_setting("hosts", setting, settings)?));
    }
    if text.starts_with("token-answer:") {
        return Err(invalid("hosts", format!("`{text}` is not supported yet")));
    }
    let grant: Grant = text.parse().map_err(|error: syncline_net::GrantError| invalid("hosts", error.to_string()))?;
    if grant.scheme != "https" {
        return Err(invalid("hosts", format!("`{text}`: a fixed host is reached by https only")));
    }
    Ok(HostWish::Fixed(grant))
}

fn base_url(text: &str, settings: &SettingsSchema) -> Result<BaseUrl, ManifestError> {
    if let Some(setting) = text.strip_prefix("setting:") {
        return Ok(BaseUrl::Setting(url_setting("base_url", setting, settings)?));
    }
    let url = syncline_net::Url::parse(text).map_err(|error| invalid("base_url", format!("{text:?}: {error}")))?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if url.scheme() != "https" || !url.has_host() || !bare {
        return Err(invalid("base_url", format!("{text:?} is not a plain https address")));
    }
    Ok(BaseUrl::Fixed(url))
}

fn url_setting(key: &'static str, setting: &str, settings: &SettingsSchema) -> Result<String, ManifestError> {
    if settings.is_text(setting) {
        Ok(setting.to_owned())
    } else {
        Err(invalid(key, format!("`setting:{setting}` names no setting of type string")))
    }
}

fn invalid(key: &'static str, reason: String) -> ManifestError {
    ManifestError::Invalid { key, reason }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PluginKind::Connector => "connector",
            PluginKind::Transform => "transform",
        })
    }
}

impl fmt::Display for AuthScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AuthScheme::Bearer => "bearer",
            AuthScheme::Basic => "basic",
            AuthScheme::Header => "header",
            AuthScheme::None => "none",
        })
    }
}

impl fmt::Display for HostWish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostWish::Fixed(grant) => grant.fmt(formatter),
            HostWish::Setting(name) => write!(formatter, "setting:{name}"),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BaseUrl::Fixed(url) => url.fmt(formatter),
            BaseUrl::Setting(name) => write!(formatter, "setting:{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
