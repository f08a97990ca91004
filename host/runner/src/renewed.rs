//! Since which run each mapping is what it is now: pairs that were in step before are compared anew (E2.9).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_core::{FieldName, Rules, RunId};

/// The mappings that a sync's pairs were last planned with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownMappings(Vec<Known>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    left: FieldName,
    right: FieldName,
    form: [u8; 16],
    since: RunId,
}

impl KnownMappings {
    /// Takes over the mappings of `rules`; those that are new or have another form count from `run` on.
    ///
    /// The first mappings of a sync are not new: there is nothing that they could change afterwards.
    pub(crate) fn renew(&mut self, rules: &Rules, run: RunId) {
        let is_first = self.0.is_empty();
        let known = rules.mappings.iter().map(|mapping| {
            let form = mapping.form();
            let same =
                |known: &&Known| known.left == mapping.left && known.right == mapping.right && known.form == form;
            let since = match self.0.iter().find(same) {
                Some(known) => known.since,
                None => {
                    if is_first {
                        RunId(0)
                    } else {
                        run
                    }
                }
            };
            Known { left: mapping.left.clone(), right: mapping.right.clone(), form, since }
        });
        self.0 = known.collect();
    }

    /// Returns since when each mapping of `rules` counts, in their order.
    pub(crate) fn since(&self, rules: &Rules) -> Arc<[RunId]> {
        let since = rules.mappings.iter().map(|mapping| {
            let same = |known: &&Known| known.left == mapping.left && known.right == mapping.right;
            self.0.iter().find(same).map_or(RunId(0), |known| known.since)
        });
        since.collect()
    }
}
