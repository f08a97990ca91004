//! Rows that may be older than what is known, as lists and indexes have them that lag behind writes (E6.2).

use std::collections::BTreeSet;

use syncline_core::{FieldName, Object, RecordId};

use super::{Pulled, look};
use crate::endpoint::EndpointAccess;
use crate::replica::Known;
use crate::{Failure, Page, Row};

/// Asks by id about rows that may be older than what is known, where reads lag behind writes (E6.2): records that are
/// back, and, without an order of versions, all that differ. What these looks tell is kept; the page goes on without.
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
    for ids in doubtful.chunks(batch_max) {
        look(endpoint, ids, pulled).await?;
    }
    Ok(page)
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
