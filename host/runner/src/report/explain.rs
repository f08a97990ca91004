//! Why a value is what it is: the pair of a record, and for each mapped field both sides, the base, and the writes that
//! set it, each with its run, its rule and the plugins in use then.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_core::{
    BaseCell, Chosen, FieldName, Mapping, MappingRule, Pair, PairId, RecordId, Rules, RunId, Side, SyncName,
};

use super::conflicts::{self, ShownConflict};
use super::kept::KeptSync;
use super::naming::name_references;
use super::records::{RecordLine, line};
use super::runs::{newest_first, record};
use super::{Cell, Moment};
use crate::replica::Known;
use crate::{PluginVersion, Plugins, Store, StoreError};

mod writes;

use writes::Writes;
pub use writes::Written;

/// Writes that are told of each field of a record.
const WRITES_MAX: usize = 4;

/// Writes that are told of a field that is asked for.
const WRITES_OF_FIELD_MAX: usize = 100;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The record with this id, on either side, now or before a merge.
    Record(RecordId),
    /// The pair with this number.
    Pair(PairId),
}

/// One record as it was last observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordNow {
    /// Its id.
    pub id: RecordId,
    /// True if it is there; false if it is confirmed gone, or was never read.
    pub here: bool,
    /// When it was last changed, where the application says so.
    pub modified_at: Option<Moment>,
}

/// One mapped field of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldStory {
    /// The left field.
    pub left_field: Option<FieldName>,
    /// The right field.
    pub right_field: Option<FieldName>,
    /// The rule of the mapping, where the rules are known.
    pub rule: Option<MappingRule>,
    /// True for a default mapping.
    pub default: Option<bool>,
    /// The transforms that make right values, in order.
    pub to_right: Vec<PluginVersion>,
    /// The transforms that make left values, in order.
    pub to_left: Vec<PluginVersion>,
    /// The left value as last observed.
    pub left: Cell,
    /// The right value as last observed.
    pub right: Cell,
    /// The left value when the sides last agreed.
    pub left_base: Cell,
    /// The right value then.
    pub right_base: Cell,
    /// The sides that have changed since.
    pub changed: Vec<Side>,
    /// The run in which they last agreed; none if they never did, or if that was seen while planning without a run.
    pub agreed_in: Option<RunId>,
    /// When that run began.
    pub agreed_at: Option<Moment>,
    /// True if the sides have agreed at some time.
    pub agreed: bool,
    /// What was written to the field, the newest first; nothing of the run above if both sides were found to agree.
    pub written: Vec<Written>,
    /// True if there are older writes.
    pub written_more: bool,
    /// The newest conflict about it.
    pub conflict: Option<ShownConflict>,
}

/// Everything about one pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The pair and where it stands.
    #[serde(flatten)]
    pub record: RecordLine,
    /// What its reason means, and what to do.
    pub meaning: Option<&'static str>,
    /// The side on which the id that was asked for is.
    pub asked_side: Option<Side>,
    /// True if the record now goes by another id.
    pub alias: bool,
    /// True if the next run looks at it.
    pub queued: bool,
    /// The left record.
    pub left_now: Option<RecordNow>,
    /// The right record.
    pub right_now: Option<RecordNow>,
    /// The connector of the left side in the last run.
    pub left_connector: Option<PluginVersion>,
    /// The connector of the right side.
    pub right_connector: Option<PluginVersion>,
    /// The ids that its records had before merges.
    pub aliases: Vec<(Side, RecordId)>,
    /// Why just these records are a pair, where several had their key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// Its mapped fields.
    pub fields: Vec<FieldStory>,
}

/// A record that has been read and belongs to no pair yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// Its side.
    pub side: Side,
    /// What people call it.
    pub label: Option<String>,
    /// True if it is there; false if it is confirmed gone.
    pub here: bool,
}

/// What is known about an id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its pairs: one, or two where an id exists on both sides.
    pub pairs: Vec<Explained>,
    /// Sides on which it was read and no run has looked at it yet.
    pub unpaired: Vec<Unpaired>,
}

/// Explains a record, or one field of it by its name on either side. With `rules` the mappings are told too.
pub async fn explain(
    store: &dyn Store,
    sync: &SyncName,
    asked: &Asked,
    field: Option<&FieldName>,
    rules: Option<&Rules>,
) -> Result<Explanation, StoreError> {
    let mut explanation = Explanation::default();
    let Some(kept) = KeptSync::open(store, sync).await? else { return Ok(explanation) };
    let (newest, _) = newest_first(store, Some(sync), None, 1).await?;
    let plugins = newest.into_iter().next().map(|run| run.plugins);
    let explainer = Explainer { store, kept: &kept, field, rules, plugins };
    match asked {
        Asked::Pair(id) => {
            if let Some(pair) = kept.synced.pair(*id).await? {
                explanation.pairs.push(explainer.pair(*id, &pair, None, false).await?);
            }
        }
        Asked::Record(record) => {
            for side in Side::BOTH {
                explainer.record(side, record, &mut explanation).await?;
            }
        }
    }
    let stories = explanation.pairs.iter_mut().flat_map(|pair| &mut pair.fields);
    name_references(store, &kept, stories.flat_map(cells)).await?;
    Ok(explanation)
}

/// Returns the values of a field's story.
fn cells(story: &mut FieldStory) -> impl Iterator<Item = (Side, &mut Cell)> {
    let left = [&mut story.left, &mut story.left_base].map(|cell| (Side::Left, cell));
    let right = [&mut story.right, &mut story.right_base].map(|cell| (Side::Right, cell));
    let written = story.written.iter_mut().flat_map(|it| [&mut it.before, &mut it.after].map(|cell| (it.side, cell)));
    let conflict = story.conflict.iter_mut().flat_map(conflicts::cells);
    left.into_iter().chain(right).chain(written).chain(conflict)
}

struct Explainer<'a> {
    store: &'a dyn Store,
    kept: &'a KeptSync<'a>,
    field: Option<&'a FieldName>,
    rules: Option<&'a Rules>,
    /// Those of the last run.
    plugins: Option<Plugins>,
}

/// The two fields of a story.
struct Fields<'a> {
    left: Option<&'a FieldName>,
    right: Option<&'a FieldName>,
    mapping: Option<&'a Mapping>,
}

impl<'a> Fields<'a> {
    fn on(&self, side: Side) -> Option<&'a FieldName> {
        side.pick(self.left, self.right)
    }
}

impl Explainer<'_> {
    async fn record(&self, side: Side, id: &RecordId, explanation: &mut Explanation) -> Result<(), StoreError> {
        let found = self.kept.synced.pairs_of(side, std::slice::from_ref(id)).await?.pop().flatten();
        if let Some(number) = found
            && let Some(pair) = self.kept.synced.pair(number).await?
        {
            if explanation.pairs.iter().all(|known| known.record.pair != number) {
                let alias = pair.id(side) != Some(id);
                explanation.pairs.push(self.pair(number, &pair, Some(side), alias).await?);
            }
            return Ok(());
        }
        let rows = self.kept.rows(side, [id.clone()]).await?;
        if let Some(known) = rows.get(id) {
            let here = matches!(known, Known::Here(_));
            explanation.unpaired.push(Unpaired { side, label: self.kept.label(side, Some(known)), here });
        }
        Ok(())
    }

    async fn pair(
        &self,
        id: PairId,
        pair: &Pair,
        asked_side: Option<Side>,
        alias: bool,
    ) -> Result<Explained, StoreError> {
        let left = self.known(Side::Left, pair).await?;
        let right = self.known(Side::Right, pair).await?;
        let label =
            Side::BOTH.into_iter().find_map(|side| self.kept.label(side, side.pick(left.as_ref(), right.as_ref())));
        let fields: Vec<Fields<'_>> = self.fields(pair).into_iter().filter(|fields| self.is_asked(fields)).collect();
        let began = self.began(fields.iter().filter_map(|fields| agreed_in(agreed(pair, fields)))).await?;
        let conflicts = self.conflicts(id, pair).await?;
        let writes_max = if self.field.is_some() { WRITES_OF_FIELD_MAX } else { WRITES_MAX };
        let writes = writes::read(self.store, self.kept, pair, &fields, &conflicts, writes_max).await?;
        let stories = fields.iter().zip(writes).map(|(fields, Writes { newest, more })| {
            let mut story = self.story(pair, fields, [left.as_ref(), right.as_ref()]);
            (story.written, story.written_more) = (newest, more);
            story.agreed_at = story.agreed_in.and_then(|run| began.get(&run).copied());
            story.conflict = conflicts.iter().rev().find(|conflict| is_about(conflict, fields)).cloned();
            story
        });
        Ok(Explained {
            record: line(self.kept, id, pair, label).await?,
            meaning: pair.reason().map(syncline_core::Reason::describe),
            asked_side,
            alias,
            queued: self.kept.is_queued(id).await?,
            fields: stories.collect(),
            left_now: record_now(pair.left.as_ref(), left.as_ref()),
            right_now: record_now(pair.right.as_ref(), right.as_ref()),
            left_connector: self.plugins.as_ref().map(|plugins| plugins.left.clone()),
            right_connector: self.plugins.as_ref().map(|plugins| plugins.right.clone()),
            aliases: pair.aliases.clone(),
            chosen: pair.chosen.clone(),
        })
    }

    async fn known(&self, side: Side, pair: &Pair) -> Result<Option<Known>, StoreError> {
        let Some(id) = pair.id(side) else { return Ok(None) };
        Ok(self.kept.rows(side, [id.clone()]).await?.remove(id))
    }

    /// The fields of the mappings; without rules, those of the base, each on its own.
    fn fields<'p>(&'p self, pair: &'p Pair) -> Vec<Fields<'p>> {
        match self.rules {
            Some(rules) => {
                let mapped = rules.mappings.iter().filter(|mapping| mapping.rule != MappingRule::Off);
                mapped
                    .map(|mapping| Fields {
                        left: Some(&mapping.left),
                        right: Some(&mapping.right),
                        mapping: Some(mapping),
                    })
                    .collect()
            }
            None => {
                let agreed = pair.base.cells().iter();
                let fields = agreed.map(|cell| (Some(&cell.left_field), Some(&cell.right_field)));
                fields.map(|(left, right)| Fields { left, right, mapping: None }).collect()
            }
        }
    }

    fn is_asked(&self, fields: &Fields<'_>) -> bool {
        self.field.is_none_or(|field| fields.left == Some(field) || fields.right == Some(field))
    }

    /// Reads when runs began.
    async fn began(&self, runs: impl Iterator<Item = RunId>) -> Result<BTreeMap<RunId, Moment>, StoreError> {
        let mut began = BTreeMap::new();
        for run in runs {
            if !began.contains_key(&run)
                && let Some(record) = record(self.store, run).await?
            {
                began.insert(run, Moment(record.started_at));
            }
        }
        Ok(began)
    }

    /// Reads every conflict of the pair.
    async fn conflicts(&self, id: PairId, pair: &Pair) -> Result<Vec<ShownConflict>, StoreError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = conflicts::page(self.kept, after).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.number);
            let own = page.iter().filter(|conflict| conflict.pair == id);
            found.extend(own.map(|conflict| conflicts::shown(self.kept, conflict, Some(pair), None)));
        }
    }

    fn story(&self, pair: &Pair, fields: &Fields<'_>, known: [Option<&Known>; 2]) -> FieldStory {
        let now = |side: Side| match (known[side.pick(0, 1)], fields.on(side)) {
            (Some(Known::Here(record)), Some(field)) => record.get(field),
            _ => None,
        };
        let agreed = agreed(pair, fields);
        let base = |side: Side| agreed.map(|cell| cell.value(side));
        let cell =
            |side: Side, value| fields.on(side).map_or(Cell::Unknown, |field| self.kept.cell(side, field, value));
        let moved = |side: Side| match (now(side), base(side)) {
            (Some(now), Some(base)) => now != base,
            _ => false,
        };
        let transforms = |side: Side| {
            let used = fields.mapping.into_iter().flat_map(move |mapping| mapping.transforms_to(side));
            used.map(|used| self.transform(&used.name)).collect()
        };
        FieldStory {
            left_field: fields.left.cloned(),
            right_field: fields.right.cloned(),
            rule: fields.mapping.map(|mapping| mapping.rule),
            default: fields.mapping.map(|mapping| mapping.default),
            to_right: transforms(Side::Right),
            to_left: transforms(Side::Left),
            left: cell(Side::Left, now(Side::Left)),
            right: cell(Side::Right, now(Side::Right)),
            left_base: cell(Side::Left, base(Side::Left)),
            right_base: cell(Side::Right, base(Side::Right)),
            changed: Side::BOTH.into_iter().filter(|side| moved(*side)).collect(),
            agreed_in: agreed_in(agreed),
            agreed_at: None,
            agreed: agreed.is_some(),
            written: Vec::new(),
            written_more: false,
            conflict: None,
        }
    }

    /// Returns a transform in the version that the last run used.
    fn transform(&self, name: &str) -> PluginVersion {
        self.plugins.as_ref().map_or_else(|| Plugins::default().named(name), |plugins| plugins.named(name))
    }
}

/// Returns what the sides agreed on under a mapping.
fn agreed<'p>(pair: &'p Pair, fields: &Fields<'_>) -> Option<&'p BaseCell> {
    pair.base.get(fields.left?, fields.right?)
}

/// The run in which they did. A plan without a run has no number.
fn agreed_in(agreed: Option<&BaseCell>) -> Option<RunId> {
    agreed.map(|cell| cell.run).filter(|run| *run != RunId(0))
}

fn is_about(conflict: &ShownConflict, fields: &Fields<'_>) -> bool {
    conflict
        .fields
        .iter()
        .any(|field| fields.left == Some(&field.left_field) || fields.right == Some(&field.right_field))
}

fn record_now(id: Option<&RecordId>, known: Option<&Known>) -> Option<RecordNow> {
    let record = match known {
        Some(Known::Here(record)) => Some(record),
        Some(Known::Gone(_)) | None => None,
    };
    let modified_at = record.and_then(|record| record.modified_at).map(Moment);
    Some(RecordNow { id: id?.clone(), here: record.is_some(), modified_at })
}
