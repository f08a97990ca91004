//! Records as rows under common columns, built and read by name.
//!
//! Invariant: a row has one cell for each column, and a cell that nobody set is `absent`.

use std::collections::HashMap;

pub use crate::bindings::connector::syncline::connector::records::{Endpoint, Fate, Row, Table, Tombstone};
use crate::value::{Instant, Reference, Value};

impl Endpoint {
    /// Returns the endpoint of an object without containers.
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into(), container: None }
    }

    /// Sets the container.
    pub fn in_container(mut self, container: impl Into<String>) -> Self {
        self.container = Some(container.into());
        self
    }
}

impl Tombstone {
    /// Returns the sign that the record `id` is gone.
    pub fn new(id: impl Into<String>, fate: Fate) -> Self {
        Self { id: id.into(), fate, at: None }
    }

    /// Says when.
    pub fn at(mut self, at_ms: Instant) -> Self {
        self.at = Some(at_ms);
        self
    }
}

impl Table {
    /// Returns a table without columns and rows.
    pub fn empty() -> Self {
        Self { columns: Vec::new(), rows: Vec::new() }
    }

    /// Returns the cells of the row at `position`, readable by name.
    pub fn cells(&self, position: usize) -> Option<Cells<'_>> {
        self.rows.get(position).map(|row| Cells::new(&self.columns, &row.cells))
    }
}

/// Collects rows under the columns that were asked for.
#[derive(Debug, Clone)]
pub struct TableBuilder {
    positions: HashMap<String, usize>,
    table: Table,
}

impl TableBuilder {
    /// Returns a builder for these columns.
    pub fn new<Name: Into<String>>(columns: impl IntoIterator<Item = Name, IntoIter: Sized>) -> Self {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let positions = columns.iter().cloned().zip(0..).collect();
        Self { positions, table: Table { columns, rows: Vec::new() } }
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[String] {
        &self.table.columns
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.table.rows.len()
    }

    /// Tells whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.table.rows.is_empty()
    }

    /// Tells whether the column was asked for.
    pub fn wants(&self, column: &str) -> bool {
        self.positions.contains_key(column)
    }

    /// Adds a row whose cells are all absent, and returns it for filling.
    pub fn row(&mut self, id: impl Into<String>) -> RowBuilder<'_> {
        let position = self.table.rows.len();
        self.table.rows.push(Row {
            id: id.into(),
            version: None,
            created_at: None,
            modified_at: None,
            cells: vec![Value::Absent; self.table.columns.len()],
        });
        RowBuilder { positions: &self.positions, row: &mut self.table.rows[position], position }
    }

    /// Returns the table.
    pub fn finish(self) -> Table {
        self.table
    }
}

impl From<TableBuilder> for Table {
    fn from(builder: TableBuilder) -> Self {
        builder.finish()
    }
}

/// One row that is being filled; it stands in its table already.
#[derive(Debug)]
pub struct RowBuilder<'table> {
    positions: &'table HashMap<String, usize>,
    row: &'table mut Row,
    position: usize,
}

impl RowBuilder<'_> {
    /// Sets the version.
    pub fn version(&mut self, version: impl Into<String>) -> &mut Self {
        self.row.version = Some(version.into());
        self
    }

    /// Sets when the record was created.
    pub fn created_at(&mut self, at_ms: Instant) -> &mut Self {
        self.row.created_at = Some(at_ms);
        self
    }

    /// Sets when the record was last changed.
    pub fn modified_at(&mut self, at_ms: Instant) -> &mut Self {
        self.row.modified_at = Some(at_ms);
        self
    }

    /// Sets one cell; a column that was not asked for is left out.
    pub fn set(&mut self, column: &str, value: impl Into<Value>) -> &mut Self {
        if let Some(&position) = self.positions.get(column) {
            self.row.cells[position] = value.into();
        }
        self
    }

    /// Tells whether the column was asked for, for cells that are dear to make.
    pub fn wants(&self, column: &str) -> bool {
        self.positions.contains_key(column)
    }

    /// Returns the row's position in the table, as answers point to it.
    pub fn position(&self) -> u32 {
        u32::try_from(self.position).expect("a table of four thousand million rows does not fit into wasm memory")
    }
}

/// The cells of one row, read by the names of their columns.
///
/// A column that is not there reads as `absent`.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'row> {
    columns: &'row [String],
    cells: &'row [Value],
}

impl<'row> Cells<'row> {
    /// Returns a view of `cells`, which stand in the order of `columns`.
    pub fn new(columns: &'row [String], cells: &'row [Value]) -> Self {
        Self { columns, cells }
    }

    /// Returns the cell of a column.
    pub fn value(&self, column: &str) -> &'row Value {
        let position = self.columns.iter().position(|name| name == column);
        position.and_then(|position| self.cells.get(position)).unwrap_or(&Value::Absent)
    }

    /// Tells whether the column says anything, be it that the field is empty.
    pub fn has(&self, column: &str) -> bool {
        !self.value(column).is_absent()
    }

    /// Returns every column that says anything, with its cell.
    pub fn present(&self) -> impl Iterator<Item = (&'row str, &'row Value)> + use<'row> {
        self.columns.iter().map(String::as_str).zip(self.cells).filter(|(_, value)| !value.is_absent())
    }

    /// Returns a cell that is one text: text, choice, decimal, date or json.
    pub fn text(&self, column: &str) -> Option<&'row str> {
        self.value(column).as_text()
    }

    /// Returns a cell that is a list of texts or choices.
    pub fn texts(&self, column: &str) -> Option<&'row [String]> {
        self.value(column).as_texts()
    }

    /// Returns a whole number.
    pub fn integer(&self, column: &str) -> Option<i64> {
        self.value(column).as_integer()
    }

    /// Returns a truth value.
    pub fn boolean(&self, column: &str) -> Option<bool> {
        self.value(column).as_boolean()
    }

    /// Returns a point in time, in milliseconds since 1970.
    pub fn moment(&self, column: &str) -> Option<Instant> {
        self.value(column).as_moment()
    }

    /// Returns links to other records.
    pub fn references(&self, column: &str) -> Option<&'row [Reference]> {
        self.value(column).as_references()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_nobody_set_are_absent_and_unasked_columns_are_left_out() {
        let mut table = TableBuilder::new(["email", "phone"]);
        let position = table.row("1").version("v1").set("phone", Value::Clear).set("city", "Paris").position();
        let table = table.finish();
        assert_eq!(position, 0);
        assert_eq!(table.rows[0].cells, [Value::Absent, Value::Clear]);
        assert_eq!(table.rows[0].version.as_deref(), Some("v1"));
        let cells = table.cells(0).expect("the row was added above");
        assert_eq!(cells.present().collect::<Vec<_>>(), [("phone", &Value::Clear)]);
        assert!(!cells.has("email") && !cells.has("city") && cells.has("phone"));
    }

    #[test]
    fn a_row_that_is_too_short_reads_as_absent() {
        let columns = ["a".to_owned(), "b".to_owned()];
        let cells = [Value::from("x")];
        let cells = Cells::new(&columns, &cells);
        assert_eq!((cells.text("a"), cells.value("b")), (Some("x"), &Value::Absent));
    }
}
