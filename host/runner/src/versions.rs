//! Every version of a sync's rules that a run went by (B13).
//!
//! Invariant: a version is kept before the first write under it, and never changes.

use serde::{Deserialize, Serialize};
use syncline_core::{Instant, Rules, SyncName};

use crate::running::Running;
use crate::{Batch, Failure, Key, Space, Store, StoreError, codec, spaces};

/// A version of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesVersion {
    /// Its number, from 1.
    pub number: u32,
    /// When a run first went by it.
    pub since: Instant,
    /// The rules.
    pub rules: Rules,
}

/// Reads a version of a sync's rules.
pub async fn rules_version(store: &dyn Store, sync: &SyncName, number: u32) -> Result<Option<RulesVersion>, Failure> {
    match spaces::known_sync_space(store, sync).await? {
        Some(space) => Ok(kept(store, space, number).await?),
        None => Ok(None),
    }
}

/// Reads a version of the rules of the sync with this space.
pub(crate) async fn kept(store: &dyn Store, space: Space, number: u32) -> Result<Option<RulesVersion>, StoreError> {
    codec::load(store, key(space, number)).await
}

/// Adds the rules of a run that begins to `batch`, unless the last run went by the same.
pub(crate) fn note(running: &mut Running<'_>, batch: &mut Batch) {
    let digest = running.setup.rules.digest();
    if running.state.rules_version == 0 || running.state.rules_run != digest {
        running.state.rules_version += 1;
        running.state.rules_run = digest;
        let version = RulesVersion {
            number: running.state.rules_version,
            since: running.context.world.now(),
            rules: running.setup.rules.clone(),
        };
        codec::put(batch, key(running.synced.space, version.number), &version);
    }
    running.run.rules_version = running.state.rules_version;
}

fn key(space: Space, number: u32) -> Key {
    codec::meta(space, &format!("rules/{number:08}"))
}
