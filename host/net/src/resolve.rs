//! Names to addresses, ours and not the client's: so that what was checked is what is connected to.
//!
//! Invariant: the client is only ever given addresses that the connection may reach.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use crate::address::{AddressClass, classify};

/// The addresses of a name, some time later.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks a name up.
pub trait Resolve: Send + Sync {
    /// Returns every address of `name`.
    fn resolve(&self, name: &str) -> Resolving;
}

/// Asks the operating system, as every other program on the machine does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a name gave no address to connect to.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{name}` has only addresses that are not allowed: {address} is {class}")]
    Refused { name: String, address: IpAddr, class: AddressClass },
    #[error("`{name}` has no address inside the private network: {address} is outside")]
    Exposed { name: String, address: IpAddr },
    #[error("the name `{name}` has no address ({reason})")]
    NotFound { name: String, reason: String },
}

/// The resolver that the client is given: it keeps allowed addresses only.
#[derive(Clone)]
pub(crate) struct CheckedResolver {
    pub(crate) inner: Arc<dyn Resolve>,
    pub(crate) allow_private_network: bool,
    /// Nothing but the private network: for a credential in clear text.
    pub(crate) private_only: bool,
}

impl CheckedResolver {
    fn is_allowed(&self, address: IpAddr) -> bool {
        let class = classify(address);
        class.is_allowed(self.allow_private_network)
            && (!self.private_only || matches!(class, AddressClass::Private(_)))
    }

    pub(crate) async fn allowed(self, name: String) -> Result<Vec<SocketAddr>, ResolveError> {
        let not_found = |reason: String| ResolveError::NotFound { name: name.clone(), reason };
        let found = self.inner.resolve(&name).await.map_err(|error| not_found(error.to_string()))?;
        let allowed = found.iter().filter(|&&address| self.is_allowed(address));
        let allowed: Vec<SocketAddr> = allowed.map(|&address| SocketAddr::new(address, 0)).collect();
        match found.first() {
            Some(_) if !allowed.is_empty() => Ok(allowed),
            Some(&first) => {
                let outside = found.iter().find(|&&address| classify(address) == AddressClass::Public);
                Err(match outside {
                    Some(&address) if self.private_only => ResolveError::Exposed { name, address },
                    _ => ResolveError::Refused { name, address: first, class: classify(first) },
                })
            }
            None => Err(not_found("an empty answer".to_owned())),
        }
    }
}

impl reqwest::dns::Resolve for CheckedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let checked = self.clone();
        Box::pin(async move {
            let allowed = checked.allowed(name.as_str().to_owned()).await?;
            Ok(Box::new(allowed.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
