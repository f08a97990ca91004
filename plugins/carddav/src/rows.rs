//! Cards as rows of a table.

use syncline_sdk::record::TableBuilder;
use syncline_sdk::value::Fault;

use crate::api::Stored;
use crate::vcard::{Card, CardError};
use crate::{records, schema};

/// Adds the card as a row, and returns its position.
pub(crate) fn push(table: &mut TableBuilder, id: &str, stored: &Stored) -> Result<u32, CardError> {
    let card = Card::parse(&stored.text)?;
    let known: Vec<&schema::Known> = table.columns().iter().filter_map(|column| schema::field(column)).collect();
    let mut row = table.row(id);
    if let Some(etag) = &stored.etag {
        row.version(etag);
    }
    if let Some(modified_at) = stored.modified_at {
        row.modified_at(modified_at);
    }
    for field in known {
        row.set(field.name, records::read(&card, field.part));
    }
    Ok(row.position())
}

/// Refuses fields that a contact does not have.
pub(crate) fn check_fields(fields: &[String]) -> Result<(), Fault> {
    match fields.iter().find(|field| schema::part(field).is_none()) {
        Some(field) => Err(Fault::Schema(format!("a contact has no field {field}"))),
        None => Ok(()),
    }
}
