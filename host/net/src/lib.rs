//! Reaches: the only crate that names an HTTP or a mail client, and a plugin's only way out.
//!
//! Start with `outlet.rs`: what one connection may reach, and how its requests leave. A request passes, in this order,
//! `target` (one reading of the URL), `grant` (is the host agreed to), `request` (which headers a plugin may set), `rate`
//! (the connection's budget), `resolve` and `address` (which network addresses are never reached), `credential` (added
//! here, never by a plugin), then the client; its answer comes back through `redirect`, `response` (bounded) and `redact`,
//! or as a `failure` that says whether anything was sent. `send.rs` tells that story from top to bottom.
//!
//! Invariant: nothing that leaves this crate towards a plugin, a log or an error contains a secret it was given.
//! Invariant: an address is judged after every name resolution, and literal addresses are judged too.
//! Not here: who is asked for consent, where secrets are stored, retries that take longer than a moment.

mod address;
mod audit;
mod counters;
mod credential;
mod digest;
mod error;
mod failure;
mod gateway;
mod grant;
mod mail;
mod outlet;
mod rate;
mod redact;
mod redirect;
mod request;
mod resolve;
mod response;
mod scope;
mod secret;
mod send;
mod target;
mod tls;

pub use address::{AddressClass, classify};
pub use counters::CountersSnapshot;
pub use credential::Credential;
pub use error::{NetError, NotSentCause, SendError};
pub use gateway::Gateway;
pub use grant::{Grant, GrantError, HostPattern};
pub use mail::{Mail, MailAddress, MailConfig, MailError, MailServer, Mailer};
pub use outlet::{Errand, Limits, Outlet, OutletConfig};
pub use rate::{BudgetState, RateLimit, Spending, UsageHeaders};
pub use redact::Redactor;
pub use request::{Body, Request};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use response::Response;
pub use scope::RateScope;
pub use secret::Secret;
pub use url::Url;

/// What every request names as its sender.
pub const USER_AGENT: &str = concat!("syncline/", env!("CARGO_PKG_VERSION"));
