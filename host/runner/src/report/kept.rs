//! A sync and its two endpoints as they are kept, opened for reading only.

use std::collections::BTreeMap;

use syncline_core::{Change, Conflict, Endpoint, FieldName, Pair, PairId, RecordId, Side, SyncName, Value};

use super::Cell;
use crate::endpoint::{self, Described, State};
use crate::replica::{Known, Replica};
use crate::spaces::{known_endpoint_space, known_sync_space};
use crate::synced::{SyncState, Synced};
use crate::{Space, Store, StoreError, masking};

/// Returns what the application last said of an endpoint, if it was ever asked.
pub async fn described(store: &dyn Store, endpoint: &Endpoint) -> Result<Option<Described>, StoreError> {
    match known_endpoint_space(store, endpoint).await? {
        Some(space) => endpoint::kept_description(store, space).await,
        None => Ok(None),
    }
}

/// True if anything is kept about a sync of that name.
pub async fn is_known(store: &dyn Store, sync: &SyncName) -> Result<bool, StoreError> {
    Ok(known_sync_space(store, sync).await?.is_some())
}

/// One side, as it is kept.
pub(crate) struct KeptSide<'a> {
    store: &'a dyn Store,
    space: Space,
    pub(crate) endpoint: Endpoint,
    state: Option<State>,
    described: Option<Described>,
}

impl<'a> KeptSide<'a> {
    pub(super) async fn open(store: &'a dyn Store, endpoint: Endpoint) -> Result<Option<Self>, StoreError> {
        let Some(space) = known_endpoint_space(store, &endpoint).await? else { return Ok(None) };
        let state = endpoint::kept_state(store, space).await?;
        let described = endpoint::kept_description(store, space).await?;
        Ok(Some(Self { store, space, endpoint, state, described }))
    }

    pub(super) async fn get(&self, ids: &[RecordId]) -> Result<Vec<Option<Known>>, StoreError> {
        match &self.state {
            Some(state) => Replica::new(self.store, self.space, &state.layout, false).get(ids).await,
            None => Ok(vec![None; ids.len()]),
        }
    }

    /// Without its schema nobody knows what is sensitive, so everything is.
    fn is_sensitive(&self, field: &FieldName) -> bool {
        self.described.as_ref().is_none_or(|described| masking::is_sensitive(&described.schema, field))
    }

    fn has_sensitive(&self) -> bool {
        let described = self.described.as_ref();
        described.is_none_or(|described| described.schema.fields.iter().any(|field| field.traits.sensitive))
    }

    fn meaning(&self, field: &FieldName) -> Option<&str> {
        self.described.as_ref()?.schema.field(field)?.meaning.as_deref()
    }

    /// Returns what people call a record that is there: its name, else its address, else whatever is called a name or
    /// title.
    pub(super) fn label(&self, known: &Known) -> Option<String> {
        let Known::Here(record) = known else { return None };
        let texts: Vec<(&FieldName, &str)> = record
            .columns
            .names()
            .iter()
            .filter(|field| !self.is_sensitive(field))
            .filter_map(|field| match record.get(field)? {
                Value::Text(text) => Some((field, text.as_str())),
                _ => None,
            })
            .collect();
        let meaning =
            |wanted: &str| texts.iter().find(|(field, _)| self.meaning(field) == Some(wanted)).map(|(_, text)| *text);
        let called = |word: &str| {
            let named = texts.iter().find(|(field, _)| field.as_str().to_ascii_lowercase().contains(word));
            named.map(|(_, text)| *text)
        };
        let parts: Vec<&str> = [meaning("name.given"), meaning("name.family")].into_iter().flatten().collect();
        let whole = ["name", "name.full", "title"].into_iter().find_map(meaning).map(str::to_owned);
        whole
            .or_else(|| (!parts.is_empty()).then(|| parts.join(" ")))
            .or_else(|| meaning("email").map(str::to_owned))
            .or_else(|| ["name", "title", "subject", "mail"].into_iter().find_map(called).map(str::to_owned))
    }
}

/// A sync, as it is kept.
pub(crate) struct KeptSync<'a> {
    pub(crate) synced: Synced<'a>,
    pub(crate) state: SyncState,
    sides: [Option<KeptSide<'a>>; 2],
}

impl<'a> KeptSync<'a> {
    /// Opens a sync; none if it has never run.
    pub(crate) async fn open(store: &'a dyn Store, name: &SyncName) -> Result<Option<Self>, StoreError> {
        let Some(space) = known_sync_space(store, name).await? else { return Ok(None) };
        let synced = Synced { store, space };
        let state = synced.state().await?;
        let sides = match state.endpoints.clone() {
            Some([left, right]) => [KeptSide::open(store, left).await?, KeptSide::open(store, right).await?],
            None => [None, None],
        };
        Ok(Some(Self { synced, state, sides }))
    }

    pub(crate) fn side(&self, side: Side) -> Option<&KeptSide<'a>> {
        self.sides[side.pick(0, 1)].as_ref()
    }

    /// Reads the records of one side, those that were ever seen.
    pub(crate) async fn rows(
        &self,
        side: Side,
        ids: impl IntoIterator<Item = RecordId>,
    ) -> Result<BTreeMap<RecordId, Known>, StoreError> {
        let ids: Vec<RecordId> = ids.into_iter().collect();
        let Some(kept) = self.side(side) else { return Ok(BTreeMap::new()) };
        let known = kept.get(&ids).await?;
        Ok(ids.into_iter().zip(known).filter_map(|(id, known)| Some((id, known?))).collect())
    }

    /// Returns what people call a record.
    pub(crate) fn label(&self, side: Side, known: Option<&Known>) -> Option<String> {
        self.side(side)?.label(known?)
    }

    /// Reads what people call the records of several pairs: by the left record, else by the right one.
    pub(crate) async fn labels(&self, pairs: &[Pair]) -> Result<Vec<Option<String>>, StoreError> {
        let mut labels = vec![None; pairs.len()];
        for side in Side::BOTH {
            let open = pairs.iter().zip(&labels).filter(|(_, label)| label.is_none());
            let rows = self.rows(side, open.filter_map(|(pair, _)| pair.id(side).cloned())).await?;
            for (pair, label) in pairs.iter().zip(&mut labels) {
                let known = pair.id(side).and_then(|id| rows.get(id));
                *label = label.take().or_else(|| self.label(side, known));
            }
        }
        Ok(labels)
    }

    /// Reads what people call the records of pairs that may be gone by now.
    pub(crate) async fn labels_of(&self, ids: &[PairId]) -> Result<BTreeMap<PairId, String>, StoreError> {
        let pairs = self.synced.pairs(ids).await?;
        let (ids, pairs): (Vec<PairId>, Vec<Pair>) =
            ids.iter().zip(pairs).filter_map(|(id, pair)| Some((*id, pair?))).unzip();
        let labels = self.labels(&pairs).await?;
        Ok(ids.into_iter().zip(labels).filter_map(|(id, label)| Some((id, label?))).collect())
    }

    /// True also of a side that was reset and not read since.
    fn is_sensitive(&self, side: Side, field: &FieldName) -> bool {
        self.side(side).is_none_or(|kept| kept.is_sensitive(field))
    }

    /// Gives a value out, masked if its field is sensitive.
    pub(crate) fn cell(&self, side: Side, field: &FieldName, value: Option<&Value>) -> Cell {
        let hidden = self.is_sensitive(side, field);
        match value {
            Some(value) if hidden && !value.is_blank() => Cell::Masked,
            value => Cell::of(value),
        }
    }

    /// Returns the values of a write that are in sensitive fields, as a sentence about it might repeat them.
    pub(crate) fn secrets_of(&self, change: &Change) -> Vec<String> {
        masking::secrets_of(change, |field| self.is_sensitive(change.side, field))
    }

    /// Returns the values of a conflict that are in sensitive fields.
    pub(crate) fn secrets_in(&self, conflict: &Conflict) -> Vec<String> {
        let fields = conflict.fields.iter().chain(&conflict.beside);
        let sensitive = fields.filter(|field| {
            self.is_sensitive(Side::Left, &field.left_field) || self.is_sensitive(Side::Right, &field.right_field)
        });
        masking::spoken(
            sensitive.flat_map(|field| {
                [&field.left, &field.right].into_iter().chain(&field.left_base).chain(&field.right_base)
            }),
        )
    }

    /// Returns what was said about a pair's trouble, without what its sensitive fields hold.
    pub(crate) async fn trouble_detail(&self, pair: &Pair) -> Result<Option<String>, StoreError> {
        let Some(trouble) = &pair.trouble else { return Ok(None) };
        let mut secrets = Vec::new();
        for side in Side::BOTH {
            let Some(kept) = self.side(side).filter(|kept| kept.has_sensitive()) else { continue };
            if trouble.field.as_ref().is_some_and(|field| trouble.side == Some(side) && kept.is_sensitive(field)) {
                return Ok(Some(masking::HIDDEN.to_owned()));
            }
            for known in self.rows(side, pair.id(side).cloned()).await?.into_values() {
                let Known::Here(record) = known else { continue };
                let fields = record.columns.names().iter().filter(|field| kept.is_sensitive(field));
                secrets.extend(masking::spoken(fields.filter_map(|field| record.get(field))));
            }
        }
        Ok(Some(masking::without(&trouble.detail, &secrets)))
    }

    /// True if the pair is on the list for the next run.
    pub(crate) async fn is_queued(&self, id: PairId) -> Result<bool, StoreError> {
        let key = crate::codec::recheck(self.synced.space, 0, id);
        Ok(self.synced.store.get(vec![key]).await?.into_iter().flatten().next().is_some())
    }
}
