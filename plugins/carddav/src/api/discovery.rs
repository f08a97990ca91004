//! Finds the address books behind the one address that a user gave.

use syncline_sdk::http::{HttpError, Response};
use syncline_sdk::value::Fault;

use crate::api::{fault_of, fault_of_error, multistatus, request};
use crate::dav;
use crate::dav::answer::{Member, Properties};
use crate::dav::href::{Collection, split_origin};

/// Redirects that are followed here, where the host has not followed them.
const REDIRECTS_MAX: usize = 3;

/// The one setting.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Settings {
    /// The address of an address book, or of a server.
    pub(crate) url: String,
}

/// One address book.
#[derive(Debug)]
pub(crate) struct Book {
    /// Where it is.
    pub(crate) collection: Collection,
    /// What it says about itself.
    pub(crate) properties: Properties,
}

/// What is behind an address.
#[derive(Debug)]
pub(crate) struct Site {
    /// The principal of who is signed in, where the server tells.
    pub(crate) principal: Option<String>,
    /// What people call the principal.
    pub(crate) label: Option<String>,
    /// The address books.
    pub(crate) books: Vec<Book>,
    /// True if the address is that of the one address book.
    pub(crate) is_direct: bool,
}

impl Book {
    /// True if the server lets us write into it, or does not say.
    pub(crate) fn is_writable(&self) -> bool {
        const WRITING: &[&str] = &["D:all", "D:write", "D:write-content", "D:bind"];
        let privileges = self.properties.privileges.as_deref();
        privileges.is_none_or(|names| names.iter().any(|name| WRITING.contains(&name.as_str())))
    }

    /// True if the server tells what has changed since a token.
    pub(crate) fn has_sync(&self) -> bool {
        has_sync(&self.properties)
    }
}

/// True if a collection with these properties answers `sync-collection`.
pub(crate) fn has_sync(properties: &Properties) -> bool {
    let reports = properties.reports.as_deref();
    reports.map_or(properties.sync_token.is_some(), |names| names.iter().any(|name| name == "D:sync-collection"))
}

/// The setting, as an address that requests can use: a path where it is on the connection's own host.
pub(crate) fn setting() -> Result<String, Fault> {
    let settings: Settings = syncline_sdk::settings()?;
    let (origin, path) = split_origin(settings.url.trim());
    if origin.is_empty() {
        return Err(Fault::misconfigured("url", "no-address", "url must begin with https:// or http://"));
    }
    Ok(path.to_owned())
}

/// Looks for address books: at the address itself, then by the principal, then where `.well-known/carddav` leads.
pub(crate) fn discover() -> Result<Site, Fault> {
    let own = setting()?;
    let mut first_fault = None;
    for start in [own.as_str(), "/.well-known/carddav"] {
        match describe(start, "0") {
            Ok((address, mut members)) => {
                let Some(member) = (!members.is_empty()).then(|| members.swap_remove(0)) else { continue };
                if member.properties.is_addressbook {
                    return Ok(direct(&address, member.properties));
                }
                if let Some(site) = from_principal(&address, member.properties)? {
                    return Ok(site);
                }
            }
            Err(fault @ (Fault::Auth(_) | Fault::Transient(_) | Fault::RetryLater(_))) => return Err(fault),
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    let found_nothing = || Fault::misconfigured("url", "no-address-book", "no address book was found at this address");
    Err(match first_fault {
        Some(Fault::NotFound(_) | Fault::Protocol(_)) | None => found_nothing(),
        Some(fault) => fault,
    })
}

fn direct(address: &str, properties: Properties) -> Site {
    let principal = properties.principal.clone();
    let book = Book { collection: Collection::new(address), properties };
    Site { principal, label: None, books: vec![book], is_direct: true }
}

/// Goes from what a resource says to the principal, from there to its home, and lists that.
fn from_principal(address: &str, properties: Properties) -> Result<Option<Site>, Fault> {
    let (mut homes, principal) = (properties.home_sets, properties.principal);
    let mut label = properties.display_name;
    if let Some(principal) = principal.as_deref().filter(|_| homes.is_empty()) {
        let (_, members) = describe(&resolve(address, principal), "0")?;
        for member in members {
            homes.extend(member.properties.home_sets);
            label = member.properties.display_name.or(label);
        }
    }
    let mut books = Vec::new();
    for home in &homes {
        let home = resolve(address, home);
        let (home, members) = describe(&home, "1")?;
        for member in members.into_iter().filter(|member| member.properties.is_addressbook) {
            let collection = Collection::new(&resolve(&home, &member.href));
            books.push(Book { collection, properties: member.properties });
        }
    }
    Ok((!homes.is_empty()).then_some(Site { principal, label, books, is_direct: false }))
}

/// Asks a resource what it is; returns where it was found at last, and what it said.
fn describe(address: &str, depth: &'static str) -> Result<(String, Vec<Member>), Fault> {
    let mut address = address.to_owned();
    for _ in 0..REDIRECTS_MAX {
        let sent = request(&address, dav::describe(depth)).send();
        let response = sent.map_err(|error| fault_of_refusal(&address, error))?;
        let Some(target) = redirect(&response) else {
            if !response.url().is_empty() {
                address = resolve(&address, response.url());
            }
            return Ok((address, multistatus(&response)?.members));
        };
        let next = resolve(&address, target);
        if next == address {
            return Err(fault_of(&response));
        }
        address = next;
    }
    Err(Fault::misconfigured("url", "redirect", "the server redirects without end"))
}

/// What the host lets nobody ask is a matter of the setting: it alone says to which host a connection and its password go.
fn fault_of_refusal(address: &str, error: HttpError) -> Fault {
    match (error, split_origin(address).0) {
        (HttpError::Denied(reason), "") => Fault::misconfigured("url", "redirect", reason),
        (HttpError::Denied(_), origin) => {
            let message = format!(
                "this account has its address books on another host, {origin}, where the password does not go unasked; \
                 if that is the right server, set url = \"{address}\", and agree to that host"
            );
            Fault::misconfigured("url", "other-host", message)
        }
        (error, _) => fault_of_error(error),
    }
}

fn redirect(response: &Response) -> Option<&str> {
    matches!(response.status(), 301 | 302 | 303 | 307 | 308).then(|| response.header("Location")).flatten()
}

/// An href or a URL from an answer as an address for requests: a path on our own host, else the whole address.
fn resolve(from: &str, href: &str) -> String {
    let (origin, path) = split_origin(href);
    let (from_origin, from_path) = split_origin(from);
    let own = syncline_sdk::settings::<Settings>().map(|settings| settings.url).unwrap_or_default();
    if origin.eq_ignore_ascii_case(split_origin(own.trim()).0) {
        return path.to_owned();
    }
    if !origin.is_empty() {
        return href.to_owned();
    }
    if path.starts_with('/') {
        return format!("{from_origin}{path}");
    }
    let folder = from_path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{from_origin}{folder}/{path}")
}
