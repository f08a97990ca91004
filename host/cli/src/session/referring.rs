//! What the syncs of a configuration know of each other for the sake of references (E10.1).

use std::collections::BTreeMap;

use syncline_core::{Endpoint, KeyField, Rules, Side, Way};
use syncline_runner::{Failure, SideSetup, SyncSetup, report};

use super::{Session, SessionError};
use crate::config::rules::{Unrouted, unrouted_defaults};
use crate::config::{Mistake, Sync, refers};

impl Session {
    /// Returns the default mappings of a sync that are off since nobody knows whom their references mean.
    pub async fn unrouted(&self, sync: &Sync, setup: &SyncSetup) -> Result<Vec<Unrouted>, SessionError> {
        let (max_age_ms, context) = (self.context.sweep_every_ms, &self.context);
        let left = syncline_runner::describe(context, Side::Left, &setup.left, max_age_ms).await?;
        let right = syncline_runner::describe(context, Side::Right, &setup.right, max_age_ms).await?;
        Ok(unrouted_defaults(sync, &left.schema, &right.schema))
    }

    /// Has a side know the keys by which other syncs look its records up (E10.1).
    pub(super) async fn add_asked_keys(&self, side: Side, setup: &mut SideSetup) -> Result<(), SessionError> {
        if !self.config.syncs.iter().any(Sync::looks_up) {
            return Ok(());
        }
        let described = syncline_runner::describe(&self.context, side, setup, self.context.sweep_every_ms).await?;
        for key in refers::asked_keys(&self.config.syncs, &setup.endpoint, &described.schema) {
            if !setup.fields.contains(&key.field) {
                setup.fields.push(key.field.clone());
            }
            let is_it = |known: &Vec<KeyField>| matches!(&known[..], [only] if only.field == key.field);
            if !setup.keys.iter().any(is_it) {
                setup.keys.push(vec![key]);
            }
        }
        Ok(())
    }

    /// Returns the keys of references that are no fields where they lead, as far as those objects have been described.
    pub(super) async fn unknown_keys(&self, sync: &Sync, rules: &Rules) -> Result<Vec<Mistake>, SessionError> {
        let mut known = BTreeMap::new();
        for route in rules.mappings.iter().flat_map(|mapping| &mapping.routes) {
            if let Way::Key { left, right, .. } = &route.way {
                for endpoint in [left, right] {
                    let described = report::described(self.context.store.as_ref(), endpoint).await;
                    known.insert(endpoint.clone(), described.map_err(Failure::from)?);
                }
            }
        }
        let schema_of = |endpoint: &Endpoint| known.get(endpoint)?.as_ref().map(|described| &described.schema);
        Ok(refers::unknown_keys(sync, rules, &schema_of))
    }
}
