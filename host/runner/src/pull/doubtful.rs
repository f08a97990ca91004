//! Rows that may be older than what is known, as lists and indexes have them that lag behind writes (E6.2).

use std::collections::BTreeSet;

use syncline_core::{FieldName, Object, RecordId, Tombstone};

use super::{Pulled, look};
use crate::endpoint::EndpointAccess;
use crate::replica::Known;
use crate::{Failure, Page, Row};

/// Asks by id about what may be older than what is known, where reads lag behind writes (E6.2): records that are back,
/// removals of records that came back since, and, without an order of versions, all rows that differ. What these looks tell
/// is kept; the page goes on without.
pub(super) async fn confirm(
    endpoint: &mut EndpointAccess<'_>,
    mut page: Page,
    pulled: &mut Pulled,
) -> Result<Page, Failure> {
    let object = &endpoint.described.object;
    if object.visibility_window_ms == 0 || !object.abilities.get {
        return Ok(page);
    }
    let batch_max = object.get_batch_max.max(1) as usize;
    let ids: Vec<RecordId> = page.records.rows.iter().map(|row| row.id.clone()).collect();
    let known = endpoint.replica().get(&ids).await?;
    let columns = &page.records.columns;
    let doubtful = page.records.rows.iter().zip(&known);
    let doubtful = doubtful.filter(|(row, known)| is_doubtful(object, columns, row, known.as_ref()));
    let doubtful: BTreeSet<RecordId> = doubtful.map(|(row, _)| row.id.clone()).collect();
    page.records.rows.retain(|row| !doubtful.contains(&row.id));
    let doubtful: Vec<RecordId> = doubtful.into_iter().collect();
    let ids: Vec<RecordId> = page.tombstones.iter().map(|tombstone| tombstone.id.clone()).collect();
    let known = endpoint.replica().get(&ids).await?;
    let came_back =
        page.tombstones.iter().zip(&known).filter(|(tombstone, known)| is_outlived(tombstone, known.as_ref()));
    let came_back: BTreeSet<RecordId> = came_back.map(|(tombstone, _)| tombstone.id.clone()).collect();
    for id in came_back {
        // Only a look that finds the record says more than the feed.
        if look(endpoint, std::slice::from_ref(&id), pulled).await? && is_here(endpoint, &id).await? {
            page.tombstones.retain(|tombstone| tombstone.id != id);
        }
    }
    for ids in doubtful.chunks(batch_max) {
        look(endpoint, ids, pulled).await?;
    }
    Ok(page)
}

async fn is_here(endpoint: &EndpointAccess<'_>, id: &RecordId) -> Result<bool, Failure> {
    let known = endpoint.replica().get(std::slice::from_ref(id)).await?;
    Ok(matches!(known.as_slice(), [Some(Known::Here(_))]))
}

/// True of a removal that may be older than what is known of its record.
fn is_outlived(tombstone: &Tombstone, known: Option<&Known>) -> bool {
    let Some(Known::Here(record)) = known else { return false };
    tombstone.at.zip(record.modified_at).is_none_or(|(gone, modified)| modified >= gone)
}

/// True of a row that may be older than what is known, as lists and indexes have it that lag behind writes (E6.2).
pub(crate) fn is_doubtful(object: &Object, columns: &[FieldName], row: &Row, known: Option<&Known>) -> bool {
    let is_late = object.visibility_window_ms > 0 && !object.abilities.ordered_versions;
    match known {
        Some(Known::Gone(_)) => true,
        Some(Known::Here(record)) => {
            let mut cells = columns.iter().zip(&row.cells);
            is_late && cells.any(|(column, cell)| cell.is_some() && record.get(column) != cell.as_ref())
        }
        None => false,
    }
}
