//! Finds the secrets that the configuration names, as late as possible.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use syncline_core::ConnectionName;
use syncline_net::Secret;
use syncline_registry::Digest;

use super::auth::{SecretKind, SecretSource};
use super::mistake::Mistake;
use super::{Config, Connection};

/// A file with a secret is refused beyond this size.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Finds the secret of one connection; none if it is not signed in.
pub fn find(connection: &Connection) -> Result<Option<Secret>, Mistake> {
    Ok(find_marked(connection)?.map(|(secret, _)| secret))
}

/// Finds the secret of one connection, with a digest that changes when it does.
pub fn find_marked(connection: &Connection) -> Result<Option<(Secret, Digest)>, Mistake> {
    let whose = || format!("the secret of the connection `{}`", connection.name());
    let text = connection.auth.as_ref().map(|auth| read(&whose(), auth.secret())).transpose()?;
    Ok(text.map(|text| {
        let digest = Digest::of(text.as_bytes());
        (Secret::new(text), digest)
    }))
}

/// Tries every secret, and returns what is missing.
pub fn check(config: &Config) -> Vec<Mistake> {
    let connections = config.connections.iter().filter_map(|connection| find(connection).err());
    let notices = config.notices.secrets().filter_map(|(what, source)| read(what, source).err());
    connections.chain(notices).collect()
}

/// Finds the secrets of every connection, or returns what is missing.
pub fn find_all(config: &Config) -> Result<BTreeMap<ConnectionName, Secret>, Vec<Mistake>> {
    let mut secrets = BTreeMap::new();
    let mut mistakes = Vec::new();
    for connection in &config.connections {
        match find(connection) {
            Ok(secret) => secrets.extend(secret.map(|secret| (connection.name().clone(), secret))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(secrets) } else { Err(mistakes) }
}

/// Finds a secret by the place where it is kept; `what` names it.
pub fn read(what: &str, source: &SecretSource) -> Result<String, Mistake> {
    let (text, mend) = match &source.kind {
        SecretKind::Variable(name) => (variable(name), format!("set it before you start syncline: export {name}=…")),
        SecretKind::File(path) => (file(path), "put the secret, and nothing else, into it".to_owned()),
    };
    text.map_err(|problem| {
        let message = format!("{what} is missing: {} {problem}", source.words());
        Mistake::new(&source.place, message).mend(mend)
    })
}

fn variable(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(text) if text.trim().is_empty() => Err("is empty".to_owned()),
        Ok(text) => Ok(text),
        Err(std::env::VarError::NotPresent) => Err("is not set".to_owned()),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not UTF-8 text".to_owned()),
    }
}

fn file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(length) if length as u64 > SECRET_BYTES_MAX => Err("is larger than 64 KiB".to_owned()),
        // Editors end a file with a line feed, which no secret does.
        Ok(_) => match text.trim_end_matches(['\r', '\n']) {
            "" => Err("is empty".to_owned()),
            secret => Ok(secret.to_owned()),
        },
    }
}
