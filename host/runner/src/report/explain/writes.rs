//! What was written to one field of a pair, the newest write first: each with the rule, the transforms and the versions of
//! the plugins that its run went by.
//!
//! Each write of the journal names the one before it, so that this costs a look-up a write to the pair, whatever else the
//! runs did.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_core::{ConflictPolicy, FieldName, JournalEntry, Mapping, MappingRule, Pair, RunId, Side, Why};

use super::super::conflicts::ShownConflict;
use super::super::kept::KeptSync;
use super::super::runs::{record, stored};
use super::super::{Cell, Moment};
use super::{Fields, is_about};
use crate::trail::Trail;
use crate::versions::{self, RulesVersion};
use crate::{PluginVersion, RunRecord, Store, StoreError};

/// Writes to one pair that are looked at: more than a week of capped ones.
const ENTRIES_MAX: usize = 4_096;

/// A write that set a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The run.
    pub run: RunId,
    /// The number of the write in it.
    pub number: u32,
    /// When.
    pub at: Moment,
    /// The side that was written.
    pub side: Side,
    /// What stood there before.
    pub before: Cell,
    /// What stood there then.
    pub after: Cell,
    /// Why.
    pub why: Why,
    /// The conflict behind it, if there was one and it is still kept.
    pub conflict: Option<u64>,
    /// The version of the sync's rules that the run went by.
    pub rules_version: u32,
    /// The rule of the mapping then; none if the run went by no mapping of these fields.
    pub rule: Option<MappingRule>,
    /// The transforms that made the value, in order.
    pub transforms: Vec<PluginVersion>,
    /// The connector that wrote it.
    pub connector: Option<PluginVersion>,
}

/// What was written to one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// The newest writes.
    pub(super) newest: Vec<Written>,
    /// True if there were more.
    pub(super) more: bool,
}

/// A run, and the rules that it went by.
struct Then {
    run: RunRecord,
    rules: Option<RulesVersion>,
}

/// Goes back through the writes to `pair` until each of `fields` has `writes_max` of them and one more.
pub(super) async fn read(
    store: &dyn Store,
    kept: &KeptSync<'_>,
    pair: &Pair,
    fields: &[Fields<'_>],
    conflicts: &[ShownConflict],
    writes_max: usize,
) -> Result<Vec<Writes>, StoreError> {
    let mut reader = Reader { store, kept, conflicts, runs: BTreeMap::new() };
    let mut writes = vec![Writes::default(); fields.len()];
    let mut trail = Trail::of(store, pair);
    for _ in 0..ENTRIES_MAX {
        if writes.iter().all(|field| field.more) {
            return Ok(writes);
        }
        let Some(entry) = trail.older().await? else { return Ok(writes) };
        for (fields, writes) in fields.iter().zip(&mut writes).filter(|(_, writes)| !writes.more) {
            if let Some(written) = reader.written(&entry, fields).await? {
                writes.more = writes.newest.len() == writes_max;
                writes.newest.extend(Some(written).filter(|_| !writes.more));
            }
        }
    }
    let is_left = trail.older().await?.is_some();
    writes.iter_mut().for_each(|writes| writes.more |= is_left);
    Ok(writes)
}

struct Reader<'a> {
    store: &'a dyn Store,
    kept: &'a KeptSync<'a>,
    conflicts: &'a [ShownConflict],
    runs: BTreeMap<RunId, Option<Then>>,
}

impl Reader<'_> {
    async fn written(&mut self, entry: &JournalEntry, fields: &Fields<'_>) -> Result<Option<Written>, StoreError> {
        let side = entry.change.side;
        let Some(field) = fields.on(side) else { return Ok(None) };
        // What was not done set nothing.
        let change = entry.change.fields.iter().find(|change| change.field == *field);
        let (Some(after), Some(change)) = (stored(entry, field), change) else { return Ok(None) };
        let then = self.then(entry.run).await?;
        let mapping = then.and_then(|then| then.mapping(field, side, fields));
        let transforms = match (then, mapping) {
            (Some(then), Some(mapping)) => then.transforms(mapping, side, change.why),
            _ => Vec::new(),
        };
        Ok(Some(Written {
            run: entry.run,
            number: entry.number,
            at: Moment(entry.at),
            side,
            rules_version: then.map_or(0, |then| then.run.rules_version),
            rule: mapping.map(|mapping| mapping.rule),
            transforms,
            connector: then.map(|then| then.run.plugins.connector(side).clone()),
            conflict: self.conflict(entry, fields, change.why),
            before: self.kept.cell(side, field, change.before.as_ref()),
            after: self.kept.cell(side, field, Some(after)),
            why: change.why,
        }))
    }

    /// Returns the run, read once.
    async fn then(&mut self, run: RunId) -> Result<Option<&Then>, StoreError> {
        if !self.runs.contains_key(&run) {
            let then = match record(self.store, run).await? {
                Some(run) => {
                    let rules = versions::kept(self.store, self.kept.synced.space, run.rules_version).await?;
                    Some(Then { run, rules })
                }
                None => None,
            };
            self.runs.insert(run, then);
        }
        Ok(self.runs.get(&run).and_then(Option::as_ref))
    }

    /// Returns the newest conflict about the field that this write can have settled.
    fn conflict(&self, entry: &JournalEntry, fields: &Fields<'_>, why: Why) -> Option<u64> {
        let same_run = match why {
            Why::Undo => return None,
            Why::Resolved => false,
            _ => true,
        };
        let fits = |conflict: &&ShownConflict| {
            is_about(conflict, fields) && if same_run { conflict.run == entry.run } else { conflict.run <= entry.run }
        };
        self.conflicts.iter().rev().find(fits).map(|conflict| conflict.number)
    }
}

impl Then {
    /// Returns the mapping that the run wrote the field by.
    fn mapping(&self, field: &FieldName, side: Side, fields: &Fields<'_>) -> Option<&Mapping> {
        let mappings = &self.rules.as_ref()?.rules.mappings;
        let other =
            |mapping: &&Mapping| fields.on(side.other()).is_none_or(|other| mapping.field(side.other()) == other);
        mappings.iter().filter(|mapping| mapping.field(side) == field).find(other)
    }

    /// Returns what made a value for `side`, in order.
    fn transforms(&self, mapping: &Mapping, side: Side, why: Why) -> Vec<PluginVersion> {
        let own = mapping.conflict.as_ref().or(self.rules.as_ref().map(|version| &version.rules.conflict));
        let resolver = own.and_then(ConflictPolicy::resolver).filter(|_| why == Why::Merged);
        // What is put back is what stood there, whatever made it then.
        let steps =
            Some(mapping).filter(|_| why != Why::Undo).into_iter().flat_map(|mapping| mapping.transforms_to(side));
        resolver.into_iter().chain(steps).map(|used| self.run.plugins.named(&used.name)).collect()
    }
}
