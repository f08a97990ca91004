//! `[notices]`: by which ways people are told what cannot wait until somebody looks. The log is told in any case.

use std::path::PathBuf;

use syncline_net::{MailAddress, MailServer, Url};
use toml::Spanned;

use super::auth::{self, SecretSource};
use super::connection::{is_private, is_private_host, path};
use super::mistake::{Mistake, shown};
use super::read::{Item, Reader, Section};

/// The ways, and what holds for each of them.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// An address that each notice is posted to.
    pub webhook: Option<Webhook>,
    /// Who gets each notice as an e-mail.
    pub email: Option<Email>,
    /// Whether the user's own machine and network may be reached.
    pub allow_private_network: bool,
    /// A file with certificates trusted beside the system's.
    pub root_certificate: Option<Spanned<PathBuf>>,
}

/// An address that is posted to.
#[derive(Clone, Debug)]
pub enum Webhook {
    /// It may be read by everybody who reads the configuration.
    Open(Url),
    /// Who knows it can post, so it is kept elsewhere.
    Kept(SecretSource),
}

/// How e-mail leaves.
#[derive(Clone, Debug)]
pub struct Email {
    /// To whom.
    pub to: Vec<MailAddress>,
    /// From whom.
    pub from: MailAddress,
    /// Where it is handed over.
    pub server: MailServer,
    /// The user's name there, and the password; none where the server asks for none.
    pub login: Option<(String, SecretSource)>,
}

impl Notices {
    /// Returns where the secrets of the ways are kept, and whose each is.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let webhook = self.webhook.iter().filter_map(|webhook| match webhook {
            Webhook::Open(_) => None,
            Webhook::Kept(source) => Some(("the address of the webhook", source)),
        });
        let email = self.email.iter().filter_map(|email| email.login.as_ref());
        webhook.chain(email.map(|(_, source)| ("the password for e-mail", source)))
    }
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Notices {
    let mut notices = Notices::default();
    let Some(mut section) = reader.section(item, "`notices`") else { return notices };
    let allow = section.take("allow_private_network");
    let said = allow.is_some();
    if let Some(allow) = allow.and_then(|entry| reader.boolean(entry.value, "`allow_private_network`")) {
        notices.allow_private_network = allow;
    }
    notices.webhook = section.take("webhook").and_then(|entry| webhook(reader, entry.value, said));
    notices.email = section.take("email").and_then(|entry| email(reader, entry.value, said));
    notices.root_certificate = section.take("root_certificate").and_then(|entry| path(reader, entry.value));
    section.finish(reader, &[]);
    notices
}

fn webhook(reader: &mut Reader, item: &Item<'_>, said: bool) -> Option<Webhook> {
    let text = reader.text(item, "`webhook`")?;
    if ["env:", "file:"].iter().any(|kept| text.get_ref().starts_with(kept)) {
        return auth::secret(reader, item, "`webhook`").map(Webhook::Kept);
    }
    // Whoever knows the address of a webhook can often post to it.
    reader.hidden.push(text.span());
    let url = match address(text.get_ref()) {
        Ok(url) => url,
        Err(why) => {
            let mend = "write it like https://example.org/hook, or keep it as a secret: \"env:NAME\" or \"file:PATH\"";
            reader.wrong(Mistake::new(&text.span(), format!("`webhook` {why}")).mend(mend));
            return None;
        }
    };
    if is_private(&url) && !said {
        reader.wrong(Mistake::new(&text.span(), format!("`webhook` {PRIVATE}")).mend(ALLOW));
        return None;
    }
    Some(Webhook::Open(url))
}

const PRIVATE: &str = "is on your own machine or network, where nothing may reach by default";
const ALLOW: &str = "if that is meant, add `allow_private_network = true` to `notices`";

/// Reads the address of a webhook.
pub fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or("is not an address of a server")?;
    let is_signed = !url.username().is_empty() || url.password().is_some();
    if is_signed { Err("holds a user name or a password") } else { Ok(url) }
}

fn email(reader: &mut Reader, item: &Item<'_>, said: bool) -> Option<Email> {
    let mut section = reader.section(item, "`email`")?;
    let to = section.need(reader, "to", "to = [\"ada@example.org\"]");
    let to = to.and_then(|entry| addresses(reader, entry.value));
    let from = section.need(reader, "from", "from = \"syncline@example.org\"");
    let from = from.and_then(|entry| mail_address(reader, entry.value, "`from`"));
    let server = section.need(reader, "server", "server = \"smtp.example.org:587\"");
    let server = server.and_then(|entry| mail_server(reader, entry.value, said));
    let login = login(reader, &mut section);
    section.finish(reader, &[]);
    Some(Email { to: to?, from: from?, server: server?, login: login? })
}

/// Reads how mail is signed in; none within is no sign-in, and none at all a mistake.
fn login(reader: &mut Reader, section: &mut Section<'_>) -> Option<Option<(String, SecretSource)>> {
    let (user, password) = (section.take("user"), section.take("password"));
    if let Some(password) = &password {
        reader.hidden.push(password.value.span());
    }
    match (user, password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let user = reader.text(user.value, "`user`");
            let password = auth::secret(reader, password.value, "`password`");
            Some(Some((user?.into_inner(), password?)))
        }
        (user, _) => {
            let (has, lacks) = if user.is_some() { ("user", "password") } else { ("password", "user") };
            let message = format!("`email` has a `{has}` and no `{lacks}`");
            reader.wrong(Mistake::new(&section.place, message).mend("write both, or neither"));
            None
        }
    }
}

fn addresses(reader: &mut Reader, item: &Item<'_>) -> Option<Vec<MailAddress>> {
    let list = reader.list(item, "`to`")?;
    if list.is_empty() {
        reader.wrong(Mistake::new(&item.span(), "`to` names nobody"));
        return None;
    }
    let read: Vec<_> = list.into_iter().map(|item| mail_address(reader, item, "`to`")).collect();
    read.into_iter().collect()
}

fn mail_address(reader: &mut Reader, item: &Item<'_>, what: &str) -> Option<MailAddress> {
    let text = reader.text(item, what)?;
    let read = text.get_ref().parse().ok();
    if read.is_none() {
        let mistake = Mistake::new(&text.span(), format!("{what}: {} is no e-mail address", shown(text.get_ref())));
        reader.wrong(mistake.mend("write it like ada@example.org or Ada <ada@example.org>"));
    }
    read
}

fn mail_server(reader: &mut Reader, item: &Item<'_>, said: bool) -> Option<MailServer> {
    let text = reader.text(item, "`server`")?;
    let Ok(server) = text.get_ref().parse::<MailServer>() else {
        let mistake = Mistake::new(&text.span(), format!("{} is no mail server", shown(text.get_ref())));
        reader.wrong(mistake.mend("write its name, and its port unless that is 587: smtp.example.org:465"));
        return None;
    };
    if !said && is_private_host(&server.host) {
        reader.wrong(Mistake::new(&text.span(), format!("`server` {PRIVATE}")).mend(ALLOW));
        return None;
    }
    Some(server)
}
