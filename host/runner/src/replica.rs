//! The replica of one endpoint: what was last observed there, in what order it changed, and by which keys it is found.
//!
//! Invariant: a row, its place in the change sequence and its match keys change together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use syncline_core::{
    Columns, Fate, FieldName, Instant, KeyDigest, KeyField, KeyForm, Provenance, Record, RecordId, Tombstone, Value,
    Version, key_digest,
};

use crate::codec::{self, PAGE_ROWS};
use crate::{Batch, Row, Space, Store, StoreError, StoreTable, Table};

/// Rows that are read at first to find the records that share a key.
const SHARED_USUALLY_MAX: usize = 4;

/// A stored row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredRow {
    layout: u32,
    sequence: u64,
    version: Option<Version>,
    created_at: Option<Instant>,
    modified_at: Option<Instant>,
    body: Body,
    /// Where values came from, as far as syncs in a circle wrote them (E6.5).
    provenance: Vec<Provenance>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Body {
    Here(Vec<Option<Value>>),
    Gone {
        fate: Fate,
        at: Option<Instant>,
        /// What the record keeps where it went on under another id (E1.10).
        identity: Option<KeyDigest>,
    },
}

/// Where values came from that were written just now, by record.
pub(crate) type Written = BTreeMap<RecordId, Vec<Provenance>>;

/// What is known of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It is there.
    Here(Record),
    /// It is confirmed gone.
    Gone(Fate),
}

/// How rows of an endpoint are kept: set when the fields or keys that syncs need change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Grows with every change.
    pub number: u32,
    /// The fields, sorted.
    pub columns: Vec<FieldName>,
    /// The key tuples by which records are found.
    pub keys: Vec<Vec<KeyField>>,
    /// The field whose value a record keeps when its id changes (E1.10).
    pub identity: Option<FieldName>,
}

/// The replica of one endpoint, opened for one step.
pub struct Replica<'a> {
    store: &'a dyn Store,
    space: Space,
    layout: &'a Layout,
    columns: Columns,
    /// Abilities: an older version than the stored one is known to be stale (E6.2).
    ordered_versions: bool,
}

/// Counts what applying a page changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that really changed.
    pub changed: u64,
    /// Rows that were already known.
    pub known: u64,
    /// Rows older than what is known (E6.2).
    pub stale: u64,
    /// Records that were not there before.
    pub appeared: u64,
    /// Records that are gone now.
    pub vanished: u64,
}

impl<'a> Replica<'a> {
    /// Opens the replica in `space`.
    pub fn new(store: &'a dyn Store, space: Space, layout: &'a Layout, ordered_versions: bool) -> Self {
        Self { store, space, layout, columns: Columns::new(layout.columns.iter().cloned()), ordered_versions }
    }

    /// Reads records by id.
    pub async fn get(&self, ids: &[RecordId]) -> Result<Vec<Option<Known>>, StoreError> {
        let rows = self.rows(ids).await?;
        Ok(rows.into_iter().zip(ids).map(|(row, id)| row.map(|row| self.known(id, row))).collect())
    }

    /// Returns the ids of the records whose key digest under `tuple` is `digest`.
    pub async fn with_key(&self, tuple: &[KeyField], digest: &KeyDigest) -> Result<Vec<RecordId>, StoreError> {
        self.with_prefix(&codec::match_prefix(tuple_number(tuple), digest)).await
    }

    async fn with_prefix(&self, prefix: &[u8]) -> Result<Vec<RecordId>, StoreError> {
        // Nearly always one or two records share a key; reading a page for each look-up would cost more than all the rest.
        let mut rows = self.rows_with_prefix(prefix, SHARED_USUALLY_MAX).await?;
        if rows.len() == SHARED_USUALLY_MAX {
            rows = self.rows_with_prefix(prefix, PAGE_ROWS).await?;
        }
        Ok(rows.into_iter().map(|(id, _)| RecordId::new(codec::text(&id, prefix.len()))).collect())
    }

    async fn rows_with_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<codec::Scanned>, StoreError> {
        codec::scan_prefix(self.store, self.space, StoreTable::MatchKey, prefix, None, limit).await
    }

    /// Adds what a page says to `batch`, numbering changed rows from `sequence` on.
    pub async fn apply(
        &self,
        table: Table,
        tombstones: &[Tombstone],
        sequence: &mut u64,
        batch: &mut Batch,
    ) -> Result<Applied, StoreError> {
        self.take_in(table, tombstones, sequence, batch, None).await
    }

    /// The same for rows that may know less than a read does: cells that are unknown in them stay as they were.
    pub(crate) async fn teach(
        &self,
        table: Table,
        written: &Written,
        tombstones: &[Tombstone],
        sequence: &mut u64,
        batch: &mut Batch,
    ) -> Result<Applied, StoreError> {
        self.take_in(table, tombstones, sequence, batch, Some(written)).await
    }

    async fn take_in(
        &self,
        table: Table,
        tombstones: &[Tombstone],
        sequence: &mut u64,
        batch: &mut Batch,
        taught: Option<&Written>,
    ) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        let positions = self.positions(&table.columns);
        let mut touched = BTreeSet::new();
        let gone: Vec<RecordId> = tombstones.iter().map(|tombstone| tombstone.id.clone()).collect();
        let ids: Vec<RecordId> = table.rows.iter().map(|row| row.id.clone()).chain(gone).collect();
        let mut old = self.rows(&ids).await?.into_iter();
        let mut written = BTreeSet::new();
        for row in table.rows {
            let before = old.next().flatten();
            // The backend refuses pages that name a record twice; a tombstone beside a row is the older word.
            if !written.insert(row.id.clone()) {
                continue;
            }
            let id = row.id.clone();
            let after = self.stored(row, &positions, before.as_ref(), taught);
            self.write(&id, before, after, sequence, batch, &mut touched, &mut applied);
        }
        for tombstone in tombstones {
            let before = old.next().flatten();
            // A removal may name a record that was never seen.
            let Some(before) = before else { continue };
            if !written.insert(tombstone.id.clone()) {
                continue;
            }
            let identity = self.identity(&tombstone.id, before.clone());
            let after = StoredRow {
                body: Body::Gone { fate: tombstone.fate.clone(), at: tombstone.at, identity },
                version: None,
                provenance: Vec::new(),
                ..before.clone()
            };
            self.write(&tombstone.id, Some(before), after, sequence, batch, &mut touched, &mut applied);
        }
        self.touch(touched, &written, sequence, batch).await?;
        Ok(applied)
    }

    /// Reads a page of records after `after`, in the order of their ids.
    pub async fn scan(&self, after: &RecordId, limit: usize) -> Result<Vec<(RecordId, Known)>, StoreError> {
        let rows = self.store.scan(self.space, StoreTable::Replica, after.as_str().as_bytes().to_vec(), limit).await?;
        rows.into_iter()
            .map(|(id, bytes)| {
                let id = RecordId::new(codec::text(&id, 0));
                let row: StoredRow = codec::decode(&codec::replica(self.space, &id), &bytes)?;
                let known = self.known(&id, row);
                Ok((id, known))
            })
            .collect()
    }

    /// Adds the match keys of `known` to `batch`, for a layout whose keys are new.
    pub fn index(&self, id: &RecordId, known: &Known, batch: &mut Batch) {
        if let Known::Here(record) = known {
            for (tuple, digest) in self.digests(record) {
                batch.put(codec::match_key(self.space, tuple, &digest, id), Vec::new());
            }
        }
    }

    /// Reads the identities of records, also of those that were deleted.
    pub(crate) async fn identities(&self, ids: &[RecordId]) -> Result<Vec<Option<KeyDigest>>, StoreError> {
        if self.layout.identity.is_none() {
            return Ok(vec![None; ids.len()]);
        }
        let rows = self.rows(ids).await?;
        Ok(rows.into_iter().zip(ids).map(|(row, id)| self.identity(id, row?)).collect())
    }

    /// Returns the ids of the records with this identity, of those that are there or of those that were deleted.
    pub(crate) async fn with_identity(&self, end: End, digest: &KeyDigest) -> Result<Vec<RecordId>, StoreError> {
        match &self.layout.identity {
            Some(field) => self.with_prefix(&codec::match_prefix(identity_number(field, end), digest)).await,
            None => Ok(Vec::new()),
        }
    }

    /// True if any record with an identity was deleted: only then one can have gone on under another id.
    pub(crate) async fn has_departed(&self) -> Result<bool, StoreError> {
        let Some(field) = &self.layout.identity else { return Ok(false) };
        let prefix = identity_number(field, End::Departed).to_be_bytes();
        Ok(!self.rows_with_prefix(&prefix, 1).await?.is_empty())
    }

    /// Reads where the values of records came from.
    pub(crate) async fn provenance(&self, ids: &[RecordId]) -> Result<Vec<Vec<Provenance>>, StoreError> {
        let rows = self.rows(ids).await?;
        Ok(rows.into_iter().map(|row| row.map(|row| row.provenance).unwrap_or_default()).collect())
    }

    async fn rows(&self, ids: &[RecordId]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        codec::load_all(self.store, ids.iter().map(|id| codec::replica(self.space, id)).collect()).await
    }

    fn known(&self, id: &RecordId, row: StoredRow) -> Known {
        match row.body {
            Body::Gone { fate, .. } => Known::Gone(fate),
            Body::Here(mut cells) => {
                // A row of an older layout says nothing about the fields until it is read again.
                if row.layout != self.layout.number {
                    cells = vec![None; self.layout.columns.len()];
                }
                Known::Here(Record {
                    id: id.clone(),
                    version: row.version,
                    created_at: row.created_at,
                    modified_at: row.modified_at,
                    columns: self.columns.clone(),
                    cells,
                })
            }
        }
    }

    /// Where each column of the layout stands in a page.
    fn positions(&self, columns: &[FieldName]) -> Vec<Option<usize>> {
        self.layout.columns.iter().map(|name| columns.iter().position(|column| column == name)).collect()
    }

    /// Makes the row to store; columns that the page does not have stay as they were, and of what is taught unknown cells too.
    fn stored(
        &self,
        mut row: Row,
        positions: &[Option<usize>],
        before: Option<&StoredRow>,
        taught: Option<&Written>,
    ) -> StoredRow {
        let known = match before {
            Some(StoredRow { layout, body: Body::Here(cells), .. }) if *layout == self.layout.number => Some(cells),
            _ => None,
        };
        let cells = positions.iter().enumerate().map(|(index, position)| match position {
            Some(position) if taught.is_none() || row.cells.get(*position).is_some_and(Option::is_some) => {
                row.cells.get_mut(*position).and_then(Option::take)
            }
            _ => known.and_then(|cells| cells.get(index).cloned().flatten()),
        });
        let cells: Vec<Option<Value>> = cells.collect();
        let new = taught.and_then(|taught| taught.get(&row.id)).map_or(&[][..], Vec::as_slice);
        let known = before.map_or(&[][..], |before| &before.provenance);
        StoredRow {
            layout: self.layout.number,
            sequence: 0,
            version: row.version.take(),
            created_at: row.created_at,
            modified_at: row.modified_at,
            provenance: self.provenance_of(&cells, new, known),
            body: Body::Here(cells),
        }
    }

    /// Keeps of what is known of where values came from what is about those that are there.
    ///
    /// Invariant: another value takes it away for good, also if the first one comes back: then somebody entered it.
    fn provenance_of(&self, cells: &[Option<Value>], new: &[Provenance], known: &[Provenance]) -> Vec<Provenance> {
        let is_there = |known: &&Provenance| {
            let cell = self.columns.position(&known.field).and_then(|position| cells.get(position));
            // What is not known of a field for now does not say that it changed.
            cell.is_some_and(|cell| cell.as_ref().is_none_or(|value| value.fingerprint() == known.value))
        };
        let is_older = |known: &&Provenance| !new.iter().any(|new| new.field == known.field);
        new.iter().chain(known.iter().filter(is_older)).filter(is_there).cloned().collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the two halves of a row, and the four things that it moves")]
    fn write(
        &self,
        id: &RecordId,
        before: Option<StoredRow>,
        mut after: StoredRow,
        sequence: &mut u64,
        batch: &mut Batch,
        touched: &mut BTreeSet<Vec<u8>>,
        applied: &mut Applied,
    ) {
        if let Some(before) = &before {
            let older = |before: Option<Instant>, after: Option<Instant>| matches!((before, after), (Some(b), Some(a)) if a < b);
            // An index that lags still names what is gone by now, and what was written since, as it was before; also where
            // more fields are read than before (E6.2).
            if self.ordered_versions
                && matches!(after.body, Body::Here(_))
                && older(before.modified_at, after.modified_at)
            {
                applied.stale += 1;
                return;
            }
            after.sequence = before.sequence;
            if *before == after {
                applied.known += 1;
                return;
            }
            if before.layout == after.layout && before.body == after.body {
                // Only the version moved: kept, but nothing for a sync to look at.
                applied.known += 1;
                codec::put(batch, codec::replica(self.space, id), &after);
                return;
            }
            batch.delete(codec::change(self.space, before.sequence));
        }
        let is_here = |row: &StoredRow| matches!(row.body, Body::Here(_));
        applied.changed += 1;
        applied.appeared += u64::from(is_here(&after) && !before.as_ref().is_some_and(is_here));
        applied.vanished += u64::from(!is_here(&after) && before.as_ref().is_some_and(is_here));
        *sequence += 1;
        after.sequence = *sequence;
        batch.put(codec::change(self.space, after.sequence), id.as_str().as_bytes().to_vec());
        self.move_keys(id, before, &mut after, batch, touched);
        codec::put(batch, codec::replica(self.space, id), &after);
    }

    fn move_keys(
        &self,
        id: &RecordId,
        before: Option<StoredRow>,
        after: &mut StoredRow,
        batch: &mut Batch,
        touched: &mut BTreeSet<Vec<u8>>,
    ) {
        let old = before.map(|mut row| self.digests_of(id, &mut row)).unwrap_or_default();
        let new = self.digests_of(id, after);
        for (tuple, digest) in old.iter().filter(|key| !new.contains(key)) {
            batch.delete(codec::match_key(self.space, *tuple, digest, id));
            touched.insert(codec::match_prefix(*tuple, digest));
        }
        for (tuple, digest) in new.iter().filter(|key| !old.contains(key)) {
            batch.put(codec::match_key(self.space, *tuple, digest, id), Vec::new());
        }
    }

    /// The same of a stored row, whose cells are lent to a record for as long as that takes.
    fn digests_of(&self, id: &RecordId, row: &mut StoredRow) -> Vec<(u64, KeyDigest)> {
        let cells = match &mut row.body {
            Body::Here(cells) => cells,
            Body::Gone { .. } => {
                let departed = self.layout.identity.as_ref().map(|field| identity_number(field, End::Departed));
                return departed.zip(self.identity(id, row.clone())).into_iter().collect();
            }
        };
        // A row of an older layout says nothing about the fields until it is read again.
        if row.layout != self.layout.number {
            return Vec::new();
        }
        let record = Record {
            id: id.clone(),
            version: None,
            created_at: None,
            modified_at: None,
            columns: self.columns.clone(),
            cells: std::mem::take(cells),
        };
        let digests = self.digests(&record);
        *cells = record.cells;
        digests
    }

    fn digests(&self, record: &Record) -> Vec<(u64, KeyDigest)> {
        let keys = self.layout.keys.iter();
        let living = self.layout.identity.as_ref().map(|field| identity_number(field, End::Living));
        keys.filter_map(|tuple| Some((tuple_number(tuple), key_digest(record, tuple)?)))
            .chain(living.zip(self.identity_of(record)))
            .collect()
    }

    fn identity_of(&self, record: &Record) -> Option<KeyDigest> {
        let field = self.layout.identity.clone()?;
        key_digest(record, &[KeyField { field, form: KeyForm::Text }])
    }

    /// What a stored record keeps under another id, while it is there and once it was deleted.
    fn identity(&self, id: &RecordId, row: StoredRow) -> Option<KeyDigest> {
        if let Body::Gone { fate, identity, .. } = &row.body {
            return identity.filter(|_| *fate == Fate::Deleted);
        }
        match self.known(id, row) {
            Known::Here(record) => self.identity_of(&record),
            Known::Gone(_) => None,
        }
    }

    /// Marks the records that shared a key with one that left as changed: an ambiguity may have ended.
    async fn touch(
        &self,
        prefixes: BTreeSet<Vec<u8>>,
        written: &BTreeSet<RecordId>,
        sequence: &mut u64,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for prefix in prefixes {
            touched.extend(self.with_prefix(&prefix).await?.into_iter().filter(|id| !written.contains(id)));
        }
        let ids: Vec<RecordId> = touched.into_iter().collect();
        self.mark_changed(&ids, sequence, batch).await
    }

    /// Marks records as changed although their values did not: something that a sync asks about them did.
    pub(crate) async fn mark_changed(
        &self,
        ids: &[RecordId],
        sequence: &mut u64,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        for (row, id) in self.rows(ids).await?.into_iter().zip(ids) {
            if let Some(mut row) = row {
                batch.delete(codec::change(self.space, row.sequence));
                *sequence += 1;
                row.sequence = *sequence;
                batch.put(codec::change(self.space, row.sequence), id.as_str().as_bytes().to_vec());
                codec::put(batch, codec::replica(self.space, id), &row);
            }
        }
        Ok(())
    }
}

/// Which records with one identity are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Those that are there.
    Living,
    /// Those that were deleted.
    Departed,
}

/// Returns the number under which identities are kept; none of a key tuple is the same.
fn identity_number(field: &FieldName, end: End) -> u64 {
    let text = format!("identity {end:?} {field}");
    codec::number(blake3::hash(text.as_bytes()).as_bytes())
}

/// Returns the number under which the keys of a tuple are kept: the same for the same fields and forms.
pub fn tuple_number(tuple: &[KeyField]) -> u64 {
    let text = serde_json::to_vec(tuple).expect("key fields are two texts each");
    codec::number(blake3::hash(&text).as_bytes())
}
