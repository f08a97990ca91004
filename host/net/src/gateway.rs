//! What all connections share: the resolver and the trusted roots.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;

use crate::error::NetError;
use crate::mail::{MailConfig, Mailer};
use crate::outlet::{Outlet, OutletConfig};
use crate::resolve::{CheckedResolver, Resolve, SystemResolver};
use crate::tls;

/// The process's one way to the network; each connection takes an `Outlet` from it.
#[derive(Clone)]
pub struct Gateway {
    resolver: Arc<dyn Resolve>,
    roots: RootCertStore,
}

impl Gateway {
    /// A gateway that trusts and resolves as the operating system does.
    pub fn new() -> Gateway {
        Gateway::with_resolver(Arc::new(SystemResolver))
    }

    /// A gateway that looks names up with `resolver`.
    pub fn with_resolver(resolver: Arc<dyn Resolve>) -> Gateway {
        Gateway { resolver, roots: tls::native_roots() }
    }

    /// Opens one connection's way out; nothing is sent yet.
    pub fn outlet(&self, config: OutletConfig) -> Result<Outlet, NetError> {
        let roots = match &config.extra_roots_pem {
            None => self.roots.clone(),
            Some(pem) => tls::with_extra_roots(self.roots.clone(), pem)
                .map_err(|reason| NetError::Setting { connection: config.connection.clone(), reason })?,
        };
        let resolver = CheckedResolver {
            inner: self.resolver.clone(),
            allow_private_network: config.allow_private_network,
            private_only: false,
        };
        Outlet::open(config, tls::client_config(roots)?, resolver)
    }

    /// Opens a way to one mail server; nothing is sent yet.
    pub fn mailer(&self, config: MailConfig) -> Mailer {
        Mailer::new(config, self.resolver.clone())
    }
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway::new()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}
