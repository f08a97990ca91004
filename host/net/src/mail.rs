//! E-mail, through a server that the user names: under the same rules on addresses and secrets as everything that leaves.
//!
//! Invariant: outside the private network nothing is sent but over TLS, with a certificate for the server's name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::Url;

use crate::address::{AddressClass, classify};
use crate::credential::Credential;
use crate::redact::Redactor;
use crate::resolve::{CheckedResolver, ResolveError};
use crate::secret::Secret;

/// Where mail is handed over, unless the user says otherwise: submission, with STARTTLS.
const PORT: u16 = 587;

/// Submission in TLS from the first byte.
const PORT_TLS: u16 = 465;

/// Each step of a conversation with the server may take this long.
const STEP_MAX: Duration = Duration::from_secs(10);

/// An e-mail address, with or without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAddress(Mailbox);

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A text that is no address of somebody or of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address")]
pub struct NoAddress;

impl FromStr for MailAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        text.parse().map(MailAddress).map_err(|_| NoAddress)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for MailServer {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let url = Url::parse(&format!("smtp://{text}")).map_err(|_| NoAddress)?;
        let rest = url.username().is_empty() && url.path().is_empty() && url.query().is_none();
        let host = url.host_str().filter(|host| rest && !host.is_empty() && url.fragment().is_none());
        let host = host.ok_or(NoAddress)?.trim_matches(['[', ']']).to_owned();
        Ok(MailServer { host, port: url.port().unwrap_or(PORT) })
    }
}

/// How mail leaves.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Where it is handed over.
    pub server: MailServer,
    /// Whom it is from.
    pub from: MailAddress,
    /// To whom it goes.
    pub to: Vec<MailAddress>,
    /// The user's name and password; none where the server asks for none.
    pub login: Option<(String, Secret)>,
    /// Whether the user's own machine and network may be reached.
    pub allow_private_network: bool,
    /// Certificates trusted beside the system's.
    pub extra_roots_pem: Option<String>,
}

/// One e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What tells it from every other one; letters, digits and hyphens.
    pub id: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Why a mail was not taken by its server; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MailError(String);

/// Hands mail to one server.
#[derive(Clone)]
pub struct Mailer {
    config: MailConfig,
    resolver: CheckedResolver,
    redactor: Redactor,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Mailer {
    pub(crate) fn new(config: MailConfig, resolver: Arc<dyn crate::resolve::Resolve>) -> Mailer {
        let allow_private_network = config.allow_private_network;
        let resolver = CheckedResolver { inner: resolver, allow_private_network, private_only: false };
        let credential =
            config.login.clone().map_or(Credential::None, |(user, password)| Credential::Basic { user, password });
        Mailer { redactor: Redactor::new(&credential, &[]), config, resolver }
    }

    /// Hands one mail over. After an error it may have been taken all the same; its `Message-ID` tells doubles.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let sent = self.hand_over(mail).await;
        sent.map_err(|MailError(text)| MailError(self.redactor.short(text)))
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let mut failed = None;
        for address in self.addresses().await? {
            let transport = self.transport(address)?;
            match transport.send(message.clone()).await {
                Ok(_) => return Ok(()),
                // It was reached and said no; another of its addresses would say the same.
                Err(error) if error.is_response() || error.is_permanent() || error.is_transient() => {
                    return Err(self.refused(&error));
                }
                Err(error) => failed = Some(self.refused(&error)),
            }
        }
        Err(failed.unwrap_or_else(|| MailError(format!("`{}` has no address", self.config.server.host))))
    }

    fn refused(&self, error: &lettre::transport::smtp::Error) -> MailError {
        let MailServer { host, port } = &self.config.server;
        let said = error.to_string();
        // The library tells a failed handshake from other failed connections by its words alone.
        let is_distrusted = said.contains("certificate");
        let mend = if is_distrusted { "; if the server is yours, name its root in `root_certificate`" } else { "" };
        MailError(format!("`{host}:{port}`: {said}{mend}"))
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, MailError> {
        let host = &self.config.server.host;
        let Ok(address) = host.parse::<IpAddr>() else {
            let found =
                self.resolver.clone().allowed(host.clone()).await.map_err(|error| MailError(error.to_string()))?;
            return Ok(found.into_iter().map(|address| address.ip()).collect());
        };
        let class = classify(address);
        match class.is_allowed(self.config.allow_private_network) {
            true => Ok(vec![address]),
            false => Err(MailError(ResolveError::Refused { name: host.clone(), address, class }.to_string())),
        }
    }

    fn transport(&self, address: IpAddr) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
        let MailServer { host, port } = &self.config.server;
        let is_private = matches!(classify(address), AddressClass::Private(_));
        let parameters = self.tls_parameters()?;
        let tls = match *port {
            PORT_TLS => Tls::Wrapper(parameters),
            _ if is_private => Tls::Opportunistic(parameters),
            _ => Tls::Required(parameters),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.to_string());
        let mut builder = builder.port(*port).tls(tls).timeout(Some(STEP_MAX));
        if let Some((user, password)) = &self.config.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        tracing::debug!(%host, port, %address, "handing a mail over");
        Ok(builder.build())
    }

    fn tls_parameters(&self) -> Result<TlsParameters, MailError> {
        let unusable = |error: lettre::transport::smtp::Error| MailError(format!("TLS cannot be set up: {error}"));
        let mut builder = TlsParameters::builder(self.config.server.host.clone());
        if let Some(pem) = &self.config.extra_roots_pem {
            builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(unusable)?);
        }
        builder.build().map_err(unusable)
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let MailConfig { from, to, .. } = &self.config;
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let id = format!("<{}@{}>", mail.id, from.0.email.domain());
        let builder = Message::builder().from(from.0.clone()).subject(mail.subject.clone()).message_id(Some(id));
        let builder = to.iter().fold(builder, |builder, to| builder.to(to.0.clone())).raw_header(automatic);
        let message = builder.header(ContentType::TEXT_PLAIN).body(mail.text.clone());
        message.map_err(|error| MailError(format!("the mail cannot be written: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Gateway;

    fn config(server: &str) -> MailConfig {
        MailConfig {
            server: server.parse().expect("a server"),
            from: "syncline@example.org".parse().expect("an address"),
            to: vec!["Ada <ada@example.org>".parse().expect("an address")],
            login: Some(("ada".to_owned(), Secret::new("hunter2-hunter2"))),
            allow_private_network: false,
            extra_roots_pem: None,
        }
    }

    fn mail() -> Mail {
        Mail { id: "0a1b".to_owned(), subject: "a\r\nBcc: eve@example.org".to_owned(), text: "text".to_owned() }
    }

    #[test]
    fn a_server_has_a_name_and_a_port() {
        for (text, expected) in [
            ("smtp.example.org", Some(("smtp.example.org", 587))),
            ("smtp.example.org:465", Some(("smtp.example.org", 465))),
            ("127.0.0.1:25", Some(("127.0.0.1", 25))),
            ("[::1]:2525", Some(("::1", 2525))),
            ("", None),
            (":25", None),
            ("a b", None),
            ("ada@smtp.example.org", None),
            ("smtp.example.org/x", None),
            ("smtp.example.org:99999", None),
        ] {
            let read = text.parse::<MailServer>().ok();
            let read = read.as_ref().map(|server| (server.host.as_str(), server.port));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[tokio::test]
    async fn the_private_network_is_refused_unless_it_is_allowed() {
        for server in ["127.0.0.1:2525", "localhost:2525", "10.0.0.1", "[::1]:25", "169.254.169.254"] {
            let refused = Gateway::new().mailer(config(server)).send(&mail()).await.expect_err(server);
            assert!(refused.to_string().contains("not allowed"), "{server}: {refused}");
        }
    }

    #[tokio::test]
    async fn a_line_break_makes_no_header_and_doubles_can_be_told() {
        let mailer = Gateway::new().mailer(config("127.0.0.1:1"));
        let written = mailer.message(&mail()).map(|message| String::from_utf8_lossy(&message.formatted()).into_owned());
        let written = written.expect("a message");
        assert!(!written.lines().any(|line| line.starts_with("Bcc")), "{written}");
        assert!(written.contains("Message-ID: <0a1b@example.org>"), "{written}");
        assert!(!format!("{mailer:?}").contains("hunter2"), "{mailer:?}");
    }
}
