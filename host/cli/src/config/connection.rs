//! `[connections.NAME]`: a connector with one user's settings and credential.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use syncline_core::ConnectionName;
use syncline_net::{AddressClass, Url, classify};
use syncline_registry::{Limits, PluginName};
use toml::Spanned;

use super::auth::{self, Auth};
use super::mistake::{Mistake, shown};
use super::read::{Entry, Item, Reader};
use super::settings::{self, Settings};
use super::{limits, sync};

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    name: Spanned<ConnectionName>,
    /// The connector's name.
    pub connector: Spanned<PluginName>,
    /// What the connector is told.
    pub settings: Settings,
    /// How it is signed in; none if it is not.
    pub auth: Option<Auth>,
    /// What takes the place of the connector's own address.
    pub base_url: Option<Spanned<Url>>,
    /// Whether the user's own machine and network may be reached.
    pub allow_private_network: bool,
    /// A file with certificates trusted beside the system's.
    pub root_certificate: Option<Spanned<PathBuf>>,
    /// The kind of account, as the connector's manifest names it.
    pub tier: Option<Spanned<String>>,
    /// What is put over the limits of the connector's manifest.
    pub limits: Limits,
}

impl Connection {
    /// Its name.
    pub fn name(&self) -> &ConnectionName {
        self.name.get_ref()
    }

    /// Where its name stands.
    pub fn place(&self) -> Range<usize> {
        self.name.span()
    }
}

pub(super) fn read(reader: &mut Reader, entry: &Entry<'_>) -> Option<Connection> {
    let what = format!("the connection {}", shown(entry.key));
    let mut section = reader.section(entry.value, &what)?;
    section.place = entry.key_place.clone();
    let name = sync::name(reader, entry, "connection").map(ConnectionName::new);
    let connector = section
        .need(reader, "connector", "connector = \"hubspot\"")
        .and_then(|entry| plugin_name(reader, entry.value, "`connector`"));
    let settings = match section.take("settings") {
        Some(entry) => settings::read(reader, entry.value),
        None => Some(Settings::none_at(&entry.key_place)),
    };
    let auth = section.take("auth").map(|entry| auth::read(reader, &entry));
    let base_url_entry = section.take("base_url");
    let allow = section.take("allow_private_network");
    let allow_private_network =
        allow.as_ref().and_then(|entry| reader.boolean(entry.value, "`allow_private_network`")).unwrap_or(false);
    let base_url =
        base_url_entry.as_ref().map(|entry| base_url(reader, entry.value, allow.is_some(), allow_private_network));
    let root_certificate = section.take("root_certificate").map(|entry| path(reader, entry.value));
    let tier = section.take("tier").map(|entry| reader.text(entry.value, "`tier`"));
    let limits = section.take("limits").map(|entry| limits::read(reader, entry.value)).unwrap_or_default();
    section.finish(reader, &[]);
    Some(Connection {
        name: Spanned::new(entry.key_place.clone(), name?),
        connector: connector?,
        settings: settings?,
        auth: flatten(auth)?,
        base_url: flatten(base_url)?,
        allow_private_network,
        root_certificate: flatten(root_certificate)?,
        tier: flatten(tier)?,
        limits,
    })
}

/// Not there is fine; there and wrong is not.
fn flatten<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

/// Reads the name of a plugin.
pub(super) fn plugin_name(reader: &mut Reader, item: &Item<'_>, what: &str) -> Option<Spanned<PluginName>> {
    let text = reader.text(item, what)?;
    match text.get_ref().parse() {
        Ok(name) => Some(Spanned::new(text.span(), name)),
        Err(_) => {
            let mistake = Mistake::new(&text.span(), format!("{} cannot name a plugin", shown(text.get_ref())));
            reader.wrong(mistake.mend("a plugin is named like `hubspot`: small letters, digits and hyphens"));
            None
        }
    }
}

fn base_url(reader: &mut Reader, item: &Item<'_>, said: bool, allow: bool) -> Option<Spanned<Url>> {
    let text = reader.text(item, "`base_url`")?;
    if text.get_ref().contains('@') {
        reader.hidden.push(text.span());
    }
    let mut wrong = |message: &str, mend: &str| {
        reader.wrong(Mistake::new(&text.span(), message).mend(mend));
        None
    };
    let example = "write it like https://api.example.com/ or http://127.0.0.1:8081";
    let url = match Url::parse(text.get_ref()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        Ok(_) | Err(_) => return wrong("`base_url` is not an address of a server", example),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("`base_url` holds a user name or a password", "move them into `auth`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("`base_url` holds a `?` or a `#`", "leave them and what follows out");
    }
    if is_private(&url) && !allow && !said {
        let message = "`base_url` is on your own machine or network, where plugins may not reach by default";
        return wrong(message, "if that is meant, add `allow_private_network = true` to the connection");
    }
    Some(Spanned::new(text.span(), url))
}

/// True for an address of the user's own machine or network.
pub(super) fn is_private(url: &Url) -> bool {
    is_private_host(url.host_str().unwrap_or_default().trim_matches(['[', ']']))
}

/// The same for a name or an address without brackets.
pub(super) fn is_private_host(host: &str) -> bool {
    let is_private_address = |address: IpAddr| matches!(classify(address), AddressClass::Private(_));
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(is_private_address)
}

/// Reads the path of a file with certificates.
pub(super) fn path(reader: &mut Reader, item: &Item<'_>) -> Option<Spanned<PathBuf>> {
    let text = reader.text(item, "`root_certificate`")?;
    let path = reader.folder.join(text.get_ref());
    if !path.is_file() {
        let message = format!("there is no file {}", shown(&path.display().to_string()));
        reader.wrong(
            Mistake::new(&text.span(), message)
                .mend("name a file with certificates in PEM form; relative paths start beside the configuration"),
        );
        return None;
    }
    Some(Spanned::new(text.span(), path))
}
