//! The ways by which a notice reaches people: a webhook and e-mail.

use serde_json::{Value, json};
use syncline_net::{Body, Mail, MailConfig, Mailer, Outlet, OutletConfig, Request, Secret, Url};
use syncline_runner::outbox::Notice;
use syncline_runner::report::Moment;

use crate::commands::sentence;
use crate::config::notices::{Email, Webhook, address};
use crate::config::{Mistake, secrets};
use crate::render::document;
use crate::render::time;
use crate::session::Session;

/// How long a webhook may take to answer.
const ANSWER_MAX_MS: u64 = 10_000;

/// One way to people.
pub(super) enum Way {
    /// Posts to an address.
    Webhook(Outlet, Url),
    /// Sends an e-mail.
    Email(Mailer),
    /// Does neither, since its secret is missing or it cannot be set up.
    Broken(&'static str, String),
}

/// Opens every way of the configuration; secrets are read now, so that a renewed one counts.
pub(super) fn open(session: &Session) -> Vec<Way> {
    let notices = &session.config.notices;
    let roots = notices.root_certificate.as_ref().map(|path| read_roots(path.get_ref())).transpose();
    let broken = |name| move |why| Way::Broken(name, why);
    let webhook = notices.webhook.as_ref().map(|webhook| {
        let opened = roots.clone().and_then(|roots| open_webhook(session, webhook, roots));
        opened.unwrap_or_else(broken(WEBHOOK))
    });
    let email = notices.email.as_ref().map(|email| {
        let config =
            roots.clone().and_then(|roots| mail_config(session, email, roots).map_err(|mistake| mistake.message));
        config.map_or_else(broken(EMAIL), |config| Way::Email(session.gateway().mailer(config)))
    });
    webhook.into_iter().chain(email).collect()
}

const WEBHOOK: &str = "webhook";
const EMAIL: &str = "email";

fn read_roots(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("the `root_certificate` {} cannot be read: {error}", path.display()))
}

fn open_webhook(session: &Session, webhook: &Webhook, roots: Option<String>) -> Result<Way, String> {
    let url = match webhook {
        Webhook::Open(url) => url.clone(),
        Webhook::Kept(source) => {
            let what = "the address of the webhook";
            let text = secrets::read(what, source).map_err(|mistake| mistake.message)?;
            address(text.trim()).map_err(|why| format!("{what} {why}"))?
        }
    };
    let mut config = OutletConfig::new(WEBHOOK, url.clone()).map_err(|error| sentence(&error))?;
    config.allow_private_network = session.config.notices.allow_private_network;
    config.extra_roots_pem = roots;
    config.limits.total_timeout_ms = ANSWER_MAX_MS;
    // Whoever knows the path can often post to it.
    config.other_secrets = [url.path(), url.query().unwrap_or_default()].map(Secret::new).to_vec();
    let outlet = session.gateway().outlet(config).map_err(|error| sentence(&error))?;
    Ok(Way::Webhook(outlet, url))
}

fn mail_config(session: &Session, email: &Email, roots: Option<String>) -> Result<MailConfig, Mistake> {
    let login = email.login.as_ref().map(|(user, source)| {
        let password = secrets::read("the password for e-mail", source)?;
        Ok((user.clone(), Secret::new(password)))
    });
    Ok(MailConfig {
        server: email.server.clone(),
        from: email.from.clone(),
        to: email.to.clone(),
        login: login.transpose()?,
        allow_private_network: session.config.notices.allow_private_network,
        extra_roots_pem: roots,
    })
}

impl Way {
    /// Returns the key of the configuration that opens it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Way::Webhook(..) => WEBHOOK,
            Way::Email(_) => EMAIL,
            Way::Broken(name, _) => name,
        }
    }

    /// Gives a notice to the other end; an error says why it did not take it, and holds no secret.
    pub(super) async fn give(&self, notice: &Notice) -> Result<(), String> {
        match self {
            Way::Webhook(outlet, url) => post(outlet, url, notice).await,
            Way::Email(mailer) => mailer.send(&mail(notice)).await.map_err(|error| error.to_string()),
            Way::Broken(_, why) => Err(why.clone()),
        }
    }
}

async fn post(outlet: &Outlet, url: &Url, notice: &Notice) -> Result<(), String> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: "POST".to_owned(),
        url: url.to_string(),
        headers: vec![header("content-type", "application/json"), header("idempotency-key", &notice.id())],
        body: Some(Body::Text(body(notice).to_string())),
        ..Request::default()
    };
    let response = outlet.send(request).await.map_err(|error| sentence(&error))?;
    match response.status {
        200..=299 => Ok(()),
        status => Err(format!("it answered with the status {status}")),
    }
}

/// What a webhook is given: `syncline.notice/1`.
fn body(notice: &Notice) -> Value {
    let Notice { kind, at, about, text, until, .. } = notice;
    let fields = json!({
        "id": notice.id(),
        "kind": kind,
        "at": Moment(*at),
        "about": about,
        "text": text,
        "until": until.map(Moment),
    });
    document("notice", &fields)
}

fn mail(notice: &Notice) -> Mail {
    let about = if notice.about.is_empty() { String::new() } else { format!(" {}", notice.about) };
    let subject = format!("Syncline: {}{about}", notice.kind.word());
    let until = notice.until.map(|until| format!("Until: {}\n", time::absolute(until))).unwrap_or_default();
    let Notice { at, text, .. } = notice;
    let text = format!(
        "{}{about}\n\n{text}\n\nSince: {}\n{until}Notice: {}\n",
        notice.kind.word(),
        time::absolute(*at),
        notice.id()
    );
    Mail { id: notice.id(), subject, text }
}
