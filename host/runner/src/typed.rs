//! A connector whose values are held against the types that it declared.
//!
//! Invariant: a value of another type than its field's is kept nowhere: a read skips its record with the reason, and of
//! a look-up or the answer to a write its row counts as unknown. The schema that is kept may be a day old, so a read
//! asks for it again, once a run, before anything is called wrong (E10.4).
//! Not here: what is no value at all, which the connector's backend says. Nor options outside a list and texts longer
//! than new ones may be: applications keep both on old records, and only the mapping of that field suffers (E2.6).

use std::collections::{BTreeMap, HashMap};

use syncline_core::{FieldName, FieldType, RecordId, Schema, Value};
use tokio::sync::OnceCell;

use crate::setup::SideSetup;
use crate::{
    BoxFuture, Connector, Created, Fault, Found, GetAnswer, Made, Outcome, Page, ReadRequest, Skipped, Table,
    WriteAnswer, WriteRequest,
};

/// The calls of a connector that bring values.
pub(crate) struct TypedConnector<'a> {
    setup: &'a SideSetup,
    types: Types,
    /// The schema as it is now, once a value did not fit the one that was kept.
    renewed: OnceCell<(Schema, Types)>,
}

impl<'a> TypedConnector<'a> {
    pub(crate) fn new(setup: &'a SideSetup, schema: &Schema) -> Self {
        Self { setup, types: Types::of(schema), renewed: OnceCell::new() }
    }

    /// Returns the schema that was read because values did not fit the one that was kept.
    pub(crate) fn renewed(&self) -> Option<&Schema> {
        self.renewed.get().map(|(schema, _)| schema)
    }

    pub(crate) fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<Page, Fault>> {
        Box::pin(async move {
            let mut page = self.connector().read(request).await?;
            let misfits = self.misfits(&page.records).await?;
            let skipped = misfits.0.iter().map(|(row, reason)| {
                let id = page.records.rows[*row].id.clone();
                Skipped { id, reason: reason.clone() }
            });
            page.skipped.extend(skipped.collect::<Vec<_>>());
            misfits.leave_out(&mut page.records);
            Ok(page)
        })
    }

    pub(crate) fn get(&self, ids: Vec<RecordId>, fields: Vec<FieldName>) -> BoxFuture<'_, Result<GetAnswer, Fault>> {
        Box::pin(async move {
            let mut answer = self.connector().get(self.setup.target(), ids, fields).await?;
            let misfits = self.misfits(&answer.records).await?;
            for found in &mut answer.found {
                let (Found::At(row) | Found::Moved { row, .. }) = found else { continue };
                match misfits.now_at(*row) {
                    Ok(now) => *row = now,
                    Err(reason) => *found = Found::Unclear(reason.to_owned()),
                }
            }
            misfits.leave_out(&mut answer.records);
            Ok(answer)
        })
    }

    /// A row left out would read as "there is none", so one that does not fit fails the call.
    pub(crate) fn find(
        &self,
        key: FieldName,
        values: Vec<Value>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Table, Fault>> {
        Box::pin(async move {
            let table = self.connector().find(self.setup.target(), key, values, fields).await?;
            match self.misfits(&table).await?.0.first_key_value() {
                None => Ok(table),
                Some((row, reason)) => Err(Fault::Protocol(format!("record {}: {reason}", table.rows[*row].id))),
            }
        })
    }

    /// Fails no write that was done: what does not fit in its answer is read again.
    pub(crate) fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<WriteAnswer, Fault>> {
        Box::pin(async move {
            let mut answer = self.connector().write(request).await?;
            let misfits = self.types_now().misfits(&answer.records);
            for outcome in &mut answer.outcomes {
                if let Outcome::Written { stored: row, .. } | Outcome::VersionConflict(row) = outcome {
                    *row = row.and_then(|row| misfits.now_at(row).ok());
                }
            }
            misfits.leave_out(&mut answer.records);
            Ok(answer)
        })
    }

    pub(crate) fn find_created(
        &self,
        keys: Vec<String>,
        columns: Vec<FieldName>,
        hints: Vec<Vec<Option<Value>>>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Created, Fault>> {
        Box::pin(async move {
            let target = self.setup.target();
            let mut created = self.connector().find_created(target, keys, columns, hints, fields).await?;
            let misfits = self.misfits(&created.records).await?;
            for made in &mut created.made {
                let Made::At(row) = made else { continue };
                match misfits.now_at(*row) {
                    Ok(now) => *row = now,
                    Err(reason) => *made = Made::Unclear(reason.to_owned()),
                }
            }
            misfits.leave_out(&mut created.records);
            Ok(created)
        })
    }

    fn connector(&self) -> &dyn Connector {
        self.setup.connector.as_ref()
    }

    fn types_now(&self) -> &Types {
        self.renewed.get().map_or(&self.types, |(_, types)| types)
    }

    /// Finds the rows that do not fit, by the schema as it is now if the one that was kept refuses any.
    async fn misfits(&self, table: &Table) -> Result<Misfits, Fault> {
        let misfits = self.types_now().misfits(table);
        if misfits.0.is_empty() || self.renewed.initialized() {
            return Ok(misfits);
        }
        let describe = async || {
            let schema = self.connector().describe(self.setup.target()).await?;
            let types = Types::of(&schema);
            Ok((schema, types))
        };
        let (_, types) = self.renewed.get_or_try_init(describe).await?;
        Ok(types.misfits(table))
    }
}

/// The types of an object's fields.
struct Types(HashMap<FieldName, FieldType>);

impl Types {
    fn of(schema: &Schema) -> Self {
        Self(schema.fields.iter().map(|field| (field.name.clone(), field.kind)).collect())
    }

    fn misfits(&self, table: &Table) -> Misfits {
        let kinds: Vec<Option<FieldType>> = table.columns.iter().map(|column| self.0.get(column).copied()).collect();
        let misfit = |cells: &[Option<Value>]| {
            let cells = cells.iter().zip(&kinds).zip(&table.columns);
            cells.into_iter().find_map(|((cell, kind), column)| {
                let (found, declared) = (cell.as_ref()?.kind()?, (*kind)?);
                let (found, declared) = (found != declared).then(|| (found.word(), declared.word()))?;
                Some(format!("field `{column}`: its value is of type {found}, where the schema says {declared}"))
            })
        };
        let rows = table.rows.iter().enumerate();
        Misfits(rows.filter_map(|(row, of)| Some((row, misfit(&of.cells)?))).collect())
    }
}

/// The rows of a table that do not fit, by position, each with the reason.
struct Misfits(BTreeMap<usize, String>);

impl Misfits {
    /// Returns where a row stands once the others are left out, or why it is left out itself.
    fn now_at(&self, row: usize) -> Result<usize, &str> {
        match self.0.get(&row) {
            Some(reason) => Err(reason),
            None => Ok(row - self.0.range(..row).count()),
        }
    }

    fn leave_out(&self, table: &mut Table) {
        if self.0.is_empty() {
            return;
        }
        let mut row = 0..;
        table.rows.retain(|_| row.next().is_none_or(|row| !self.0.contains_key(&row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;

    #[test]
    fn rows_that_do_not_fit_are_left_out_and_the_others_found_again() {
        let cells = [
            Some(Value::Text("1".to_owned())),
            Some(Value::Integer(1)),
            Some(Value::Clear),
            Some(Value::Choice("a".to_owned())),
            None,
        ];
        let row = |cell| Row {
            id: RecordId::new(""),
            version: None,
            created_at: None,
            modified_at: None,
            cells: vec![Some(Value::Integer(1)), cell],
        };
        let mut table =
            Table { columns: vec!["unknown".into(), "phone".into()], rows: cells.into_iter().map(row).collect() };
        let misfits = Types([(FieldName::from("phone"), FieldType::Text)].into()).misfits(&table);
        let places: Vec<Result<usize, &str>> = (0..5).map(|row| misfits.now_at(row)).collect();
        let integer = "field `phone`: its value is of type integer, where the schema says text";
        let choice = "field `phone`: its value is of type choice, where the schema says text";
        assert_eq!(places, [Ok(0), Err(integer), Ok(1), Err(choice), Ok(2)]);
        misfits.leave_out(&mut table);
        let left: Vec<_> = table.rows.iter().map(|row| row.cells[1].clone()).collect();
        assert_eq!(left, [Some(Value::Text("1".to_owned())), Some(Value::Clear), None]);
    }
}
