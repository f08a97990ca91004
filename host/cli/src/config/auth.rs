//! `auth`: how a connection is signed in, and where its secret is to be found.
//!
//! Invariant: a secret is never part of the configuration, only the place where it is kept. One that was written into the
//! file is refused, and its text is not shown.

use std::ops::Range;
use std::path::PathBuf;

use syncline_net::{Credential, Secret};
use syncline_registry::{AuthScheme, AuthWish};

use super::mistake::{Mistake, shown};
use super::read::{Entry, Item, Reader, Section};

/// How a connection is signed in.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Where it stands.
    pub place: Range<usize>,
    /// How.
    pub kind: AuthKind,
}

/// The ways to sign in.
#[derive(Clone, Debug)]
pub enum AuthKind {
    /// `{ token = … }`
    Token(SecretSource),
    /// `{ user = …, password = … }`
    Login {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// `{ key = … }`, sent in a header.
    Key {
        /// The header's name, unless the manifest says it.
        header: Option<String>,
        /// The key.
        key: SecretSource,
    },
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource {
    /// Where this is said.
    pub place: Range<usize>,
    /// Where the secret is.
    pub kind: SecretKind,
}

/// The places where a secret can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// A variable of the environment.
    Variable(String),
    /// A file that holds nothing else.
    File(PathBuf),
}

impl Auth {
    /// Returns the scheme that this is in a manifest.
    pub fn scheme(&self) -> AuthScheme {
        match self.kind {
            AuthKind::Token(_) => AuthScheme::Bearer,
            AuthKind::Login { .. } => AuthScheme::Basic,
            AuthKind::Key { .. } => AuthScheme::Header,
        }
    }

    /// Returns where the secret is kept.
    pub fn secret(&self) -> &SecretSource {
        match &self.kind {
            AuthKind::Token(secret) | AuthKind::Login { password: secret, .. } | AuthKind::Key { key: secret, .. } => {
                secret
            }
        }
    }

    /// Makes the credential of it, now that the secret is known; `wish` is what the manifest says of the scheme.
    pub fn credential(&self, secret: Secret, wish: Option<&AuthWish>) -> Credential {
        match &self.kind {
            AuthKind::Token(_) => Credential::Bearer(secret),
            AuthKind::Login { user, .. } if wish.is_some_and(|wish| wish.digest) => {
                Credential::BasicOrDigest { user: user.clone(), password: secret }
            }
            AuthKind::Login { user, .. } => Credential::Basic { user: user.clone(), password: secret },
            AuthKind::Key { header, .. } => {
                let name = wish.and_then(|wish| wish.header.clone()).or_else(|| header.clone()).unwrap_or_default();
                Credential::Header { name, value: secret }
            }
        }
    }
}

/// Says how `scheme` is written.
pub(super) fn example(scheme: AuthScheme) -> &'static str {
    match scheme {
        AuthScheme::Bearer => "auth = { token = \"env:NAME\" }",
        AuthScheme::Basic => "auth = { user = \"ada\", password = \"env:NAME\" }",
        AuthScheme::Header => "auth = { key = \"env:NAME\" }",
        AuthScheme::None => "no `auth` at all",
    }
}

const HOW: &str =
    "write { token = \"env:NAME\" }, { user = \"ada\", password = \"env:NAME\" } or { key = \"env:NAME\" }";

pub(super) fn read(reader: &mut Reader, entry: &Entry<'_>) -> Option<Auth> {
    // Whatever stands here may be a secret, as long as it is not known to be none.
    hide_texts(reader, entry.value);
    if entry.value.get_ref().is_str() {
        reader.wrong(Mistake::new(&entry.value.span(), "`auth` should be a table, and this is a text").mend(HOW));
        return None;
    }
    let mut section = reader.section(entry.value, "`auth`")?;
    let place = entry.key_place.start..entry.value.span().end;
    let token = section.take("token");
    let password = section.take("password");
    let key = section.take("key");
    let user = section.take("user");
    let header = section.take("header");
    let kind = match (token, password, key) {
        (Some(token), None, None) => secret(reader, token.value, "`token`").map(AuthKind::Token),
        (None, Some(password), None) => login(reader, &section, user.as_ref(), &password),
        (None, None, Some(key)) => {
            let header = header.as_ref().and_then(|header| plain(reader, header.value, "`header`"));
            secret(reader, key.value, "`key`").map(|key| AuthKind::Key { header, key })
        }
        (None, None, None) => {
            // A key that is left over is named as unknown, with its neighbour; that says it better.
            if section.is_empty() {
                reader.wrong(
                    Mistake::new(&section.place, "`auth` says neither `token` nor `password` nor `key`").mend(HOW),
                );
            }
            None
        }
        _ => {
            reader.wrong(Mistake::new(&section.place, "`auth` says more than one way to sign in").mend(HOW));
            None
        }
    };
    section.finish(reader, &[]);
    kind.map(|kind| Auth { place, kind })
}

fn login(
    reader: &mut Reader,
    section: &Section<'_>,
    user: Option<&Entry<'_>>,
    password: &Entry<'_>,
) -> Option<AuthKind> {
    let password = secret(reader, password.value, "`password`");
    let Some(user) = user else {
        reader.wrong(Mistake::new(&section.place, "`auth` has a `password` and no `user`").mend("add user = \"ada\""));
        return None;
    };
    let name = plain(reader, user.value, "`user`")?;
    if name.contains(':') {
        reader.wrong(Mistake::new(&user.value.span(), "a user's name cannot contain a colon"));
        return None;
    }
    Some(AuthKind::Login { user: name, password: password? })
}

/// Reads a text of `auth` that is no secret, and lets it be shown.
fn plain(reader: &mut Reader, item: &Item<'_>, what: &str) -> Option<String> {
    let text = reader.text(item, what)?;
    reader.hidden.retain(|place| *place != text.span());
    Some(text.into_inner())
}

/// Reads where a secret is kept.
pub(super) fn secret(reader: &mut Reader, item: &Item<'_>, what: &str) -> Option<SecretSource> {
    let text = reader.text(item, what)?;
    let place = text.span();
    let kind = match text.get_ref().split_once(':') {
        Some(("env", name)) if is_variable(name) => SecretKind::Variable(name.to_owned()),
        Some(("env", _)) => {
            let mistake = Mistake::new(&place, format!("{what} names no variable of the environment behind `env:`"));
            reader.wrong(mistake.mend("a variable is named like HUBSPOT_TOKEN: letters, digits and `_`"));
            return None;
        }
        Some(("file", path)) if !path.is_empty() => SecretKind::File(reader.folder.join(path)),
        _ => {
            let mistake = Mistake::new(&place, format!("{what} is written into the file, where others can read it"));
            reader.wrong(mistake.mend(
                "write \"env:NAME\" and set the variable NAME, or \"file:PATH\" and put it into a file that only you can \
                 read; if this file was ever shared, have a new secret made",
            ));
            return None;
        }
    };
    reader.hidden.retain(|hidden| *hidden != place);
    Some(SecretSource { place, kind })
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn hide_texts(reader: &mut Reader, item: &Item<'_>) {
    match item.get_ref() {
        toml::de::DeValue::Table(table) => table.values().for_each(|item| hide_texts(reader, item)),
        toml::de::DeValue::Array(array) => array.iter().for_each(|item| hide_texts(reader, item)),
        _ => reader.hidden.push(item.span()),
    }
}

impl SecretSource {
    /// Returns the place where the secret is kept, for messages.
    pub fn words(&self) -> String {
        match &self.kind {
            SecretKind::Variable(name) => format!("the variable {}", shown(name)),
            SecretKind::File(path) => format!("the file {}", shown(&path.display().to_string())),
        }
    }
}
