//! Rows under common columns.

use syncline_core::{FieldName, RecordId, Value, Version};
use syncline_runner::{Row, Skipped, Table};

use super::value::{lift, sensible_instant};
use super::{Nonsense, checked_name, distinct, field_name, quoted, record_id};
use crate::bindings::connector::syncline::connector::records;

/// A plugin's table without the rows that hold no values.
pub(crate) struct Checked {
    pub(crate) table: Table,
    /// The rows left out, by the position that the plugin gave them, ascending.
    spoilt: Vec<(usize, Skipped)>,
}

impl Checked {
    /// Finds the row at a plugin's index; `Err` inside says what is wrong with that row.
    pub(crate) fn row(&self, index: u32) -> Result<Result<usize, &str>, Nonsense> {
        let index = index as usize;
        let given = self.table.rows.len() + self.spoilt.len();
        if index >= given {
            return Err(Nonsense::new(format!("it points to row {index} of {given}")));
        }
        Ok(match self.spoilt.binary_search_by_key(&index, |(position, _)| *position) {
            Ok(place) => Err(self.spoilt[place].1.reason.as_str()),
            Err(spoilt_before) => Ok(index - spoilt_before),
        })
    }

    /// Splits into the good rows and the reasons for the others.
    pub(crate) fn into_parts(self) -> (Table, Vec<Skipped>) {
        (self.table, self.spoilt.into_iter().map(|(_, skipped)| skipped).collect())
    }
}

/// Checks a table; a row with a value that is none or an id that is too long is left out with its reason.
pub(crate) fn checked(table: records::Table) -> Result<Checked, Nonsense> {
    let columns: Vec<FieldName> = table.columns.into_iter().map(field_name).collect::<Result<_, _>>()?;
    distinct("column", columns.iter().map(FieldName::as_str))?;
    let mut rows = Vec::with_capacity(table.rows.len());
    let mut spoilt = Vec::new();
    for (position, row) in table.rows.into_iter().enumerate() {
        if row.cells.len() != columns.len() {
            let (cells, columns, id) = (row.cells.len(), columns.len(), quoted(&row.id));
            return Err(Nonsense::new(format!("record {id} has {cells} cells for {columns} columns")));
        }
        match checked_row(row, &columns)? {
            Ok(row) => rows.push(row),
            Err(skipped) => spoilt.push((position, skipped)),
        }
    }
    Ok(Checked { table: Table { columns, rows }, spoilt })
}

/// A table in which every row counts, where a missing one would read as "there is none".
pub(crate) fn whole(table: records::Table) -> Result<Table, Nonsense> {
    let (table, spoilt) = checked(table)?.into_parts();
    match spoilt.first() {
        None => Ok(table),
        Some(skipped) => Err(Nonsense::new(format!("record {}: {}", quoted(skipped.id.as_str()), skipped.reason))),
    }
}

fn checked_row(row: records::Row, columns: &[FieldName]) -> Result<Result<Row, Skipped>, Nonsense> {
    let id = match record_id(row.id)? {
        Ok(id) => id,
        Err(long) => return Ok(Err(spoilt(long.short, long.reason))),
    };
    let version = row.version.map(|version| checked_name("version", version)).transpose()?;
    let mut cells: Vec<Option<Value>> = Vec::with_capacity(row.cells.len());
    for (value, column) in row.cells.into_iter().zip(columns) {
        match lift(value) {
            Ok(value) => cells.push(value),
            Err(error) => return Ok(Err(spoilt(id, format!("field {}: {error}", quoted(column.as_str()))))),
        }
    }
    Ok(Ok(Row {
        id,
        version: version.map(Version::new),
        created_at: sensible_instant(row.created_at),
        modified_at: sensible_instant(row.modified_at),
        cells,
    }))
}

fn spoilt(id: RecordId, reason: String) -> Skipped {
    Skipped { id, reason }
}
