//! The ways out of the connections: where each may go, with which secret, and how fast.
//!
//! Not here: whose budget the calls go by, and how it is kept (`budgets`).

use std::collections::BTreeMap;

use syncline_core::ConnectionName;
use syncline_net::{Outlet, OutletConfig, Secret, Url};
use syncline_registry::{Digest, Limits};
use syncline_runner::BudgetOwner;

use super::{Session, SessionError, lock, mistaken};
use crate::config::{Connection, secrets};

/// The way out of a connection.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) outlet: Outlet,
    /// Of the secret it signs in with.
    mark: Option<Digest>,
    /// Whose budget it goes by.
    pub(super) owner: BudgetOwner,
}

impl Session {
    /// Returns how many requests each connection has made so far.
    pub fn requests(&self) -> BTreeMap<ConnectionName, u64> {
        lock(&self.outlets).iter().map(|(name, way)| (name.clone(), way.outlet.counters().requests)).collect()
    }

    pub(super) async fn outlet(&self, name: &ConnectionName) -> Result<Outlet, SessionError> {
        let connection = self.config.connection(name).expect("only connections of the configuration are admitted");
        let found = secrets::find_marked(connection).map_err(|mistake| mistaken(&self.config, vec![mistake]))?;
        let (secret, mark) = found.unzip();
        let known = lock(&self.outlets).get(name).cloned();
        if let Some(way) = known.as_ref().filter(|way| way.mark == mark) {
            // A secret that was renewed in its file counts from the next command on.
            return Ok(way.outlet.clone());
        }
        let outlet = self.gateway.outlet(self.outlet_config(connection, secret)?)?;
        let owner = self.budget_owner(name).await?;
        match known {
            Some(way) => outlet.share(&way.outlet),
            None => self.take_up_budget(&outlet, &owner).await?,
        }
        lock(&self.outlets).insert(name.clone(), Way { outlet: outlet.clone(), mark, owner });
        Ok(outlet)
    }

    fn outlet_config(&self, connection: &Connection, secret: Option<Secret>) -> Result<OutletConfig, SessionError> {
        let name = connection.name();
        let admitted = &self.admitted.connections[name];
        let base_url: Url = admitted.reach.base_url.clone().ok_or_else(|| SessionError::NoAddress(name.clone()))?;
        let mut config = OutletConfig::new(name.as_str(), base_url)?;
        config.grants = admitted.reach.grants.clone();
        config.credential_grants = admitted.reach.grants.clone();
        config.allow_private_network = connection.allow_private_network;
        if let Some(auth) = &connection.auth {
            let wish = admitted.plugin.manifest.auth_wish(auth.scheme());
            config.credential = secret.map(|secret| auth.credential(secret, wish)).unwrap_or_default();
        }
        if let Some(path) = &connection.root_certificate {
            let path = path.get_ref();
            let read = std::fs::read_to_string(path);
            config.extra_roots_pem = Some(read.map_err(|source| {
                let path = path.display().to_string();
                SessionError::Certificate { connection: name.clone(), path, source }
            })?);
        }
        let limits = &admitted.limits;
        config.limits.rates = limits.windows();
        config.limits.usage = Limits::usage(&admitted.plugin.manifest.usage, &connection.limits);
        if let Some(share_percent) = limits.share_percent {
            config.limits.share_percent = share_percent;
        }
        if let Some(concurrent) = limits.concurrent {
            config.limits.at_once_max = concurrent as usize;
        }
        if let Some(response_mib) = limits.response_mib {
            config.limits.response_bytes_max = u64::from(response_mib) * 1024 * 1024;
        }
        if let Some(calls) = limits.http_calls {
            config.limits.calls_per_errand_max = calls;
        }
        Ok(config)
    }
}
