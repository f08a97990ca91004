//! What people call the records to which shown references lead (E10.1).
//!
//! Invariant: only what is shown is looked up, each record once.
//! Not here: what a record is called (`kept`).

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{ConnectionName, ObjectName, RecordId, Reference, Side, Value};

use super::Cell;
use super::cell::NamedReference;
use super::kept::{KeptSide, KeptSync};
use crate::codec::PAGE_ROWS;
use crate::spaces::known_endpoints;
use crate::{Store, StoreError};

/// The names of the records of one application.
type Names = BTreeMap<Reference, String>;

/// Puts names beside the references in `cells`, each of which belongs to a side; what is masked stays so.
pub(super) async fn name_references(
    store: &dyn Store,
    kept: &KeptSync<'_>,
    cells: impl Iterator<Item = (Side, &mut Cell)>,
) -> Result<(), StoreError> {
    let mut shown: [Vec<&mut Cell>; 2] = Default::default();
    for (side, cell) in cells.filter(|(_, cell)| matches!(cell, Cell::Known(Value::References(_)))) {
        shown[side.pick(0, 1)].push(cell);
    }
    for (side, cells) in Side::BOTH.into_iter().zip(shown) {
        let Some(own) = kept.side(side) else { continue };
        let wanted: BTreeSet<Reference> = cells.iter().flat_map(|cell| references(cell)).cloned().collect();
        let names = names(store, &own.endpoint.connection, wanted).await?;
        for cell in cells {
            name(cell, &names);
        }
    }
    Ok(())
}

fn references(cell: &Cell) -> &[Reference] {
    match cell {
        Cell::Known(value) => syncline_core::references(value),
        Cell::Unknown | Cell::Masked | Cell::Named(_) => &[],
    }
}

fn name(cell: &mut Cell, names: &Names) {
    let references = references(cell);
    if references.iter().any(|reference| names.contains_key(reference)) {
        let named = |reference: &Reference| NamedReference {
            name: names.get(reference).cloned(),
            reference: reference.clone(),
        };
        *cell = Cell::Named(references.iter().map(named).collect());
    }
}

/// Reads what the records are called of which some endpoint of the connection has a replica.
async fn names(
    store: &dyn Store,
    connection: &ConnectionName,
    wanted: BTreeSet<Reference>,
) -> Result<Names, StoreError> {
    let mut objects: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
    for Reference { target, id } in wanted {
        objects.entry(target).or_default().push(RecordId::new(id));
    }
    let mut names = Names::new();
    for (target, ids) in objects {
        for (id, name) in names_of(store, connection, &target, &ids).await? {
            names.insert(Reference { target: target.clone(), id: id.to_string() }, name);
        }
    }
    Ok(names)
}

async fn names_of(
    store: &dyn Store,
    connection: &ConnectionName,
    target: &str,
    ids: &[RecordId],
) -> Result<BTreeMap<RecordId, String>, StoreError> {
    let mut names: BTreeMap<RecordId, BTreeSet<String>> = BTreeMap::new();
    for endpoint in known_endpoints(store, connection, &ObjectName::from(target)).await? {
        let Some(side) = KeptSide::open(store, endpoint).await? else { continue };
        for page in ids.chunks(PAGE_ROWS) {
            for (id, known) in page.iter().zip(side.get(page).await?) {
                names.entry(id.clone()).or_default().extend(known.and_then(|known| side.label(&known)));
            }
        }
    }
    // Where two containers have records of that id, nobody knows which of them is meant.
    let only = |(id, names): (RecordId, BTreeSet<String>)| {
        let [name] = <[String; 1]>::try_from(Vec::from_iter(names)).ok()?;
        Some((id, name))
    };
    Ok(names.into_iter().filter_map(only).collect())
}
