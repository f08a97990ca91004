//! What a row may measure, the same in every engine so that a store moves from one to the other.

use syncline_runner::{Batch, Key, StoreError, StoreTable, Write};

/// The longest row id in bytes.
pub const ID_LENGTH_MAX: usize = 4_096;

/// The longest value in bytes.
pub const VALUE_LENGTH_MAX: usize = 64 * 1024 * 1024;

/// Refuses a batch with a row that no engine would take back whole.
pub(crate) fn check(batch: &Batch) -> Result<(), StoreError> {
    for write in &batch.writes {
        match write {
            Write::Put(key, value) => {
                check_id(key)?;
                if value.len() > VALUE_LENGTH_MAX {
                    return Err(StoreError::Unavailable(format!(
                        "a value of {} bytes for table {:?} is longer than {VALUE_LENGTH_MAX}",
                        value.len(),
                        key.table
                    )));
                }
            }
            Write::Delete(key) => check_id(key)?,
            Write::DeleteRange { table, from, to, .. } => {
                // A bound just past the longest id has one byte more.
                check_length(*table, from, ID_LENGTH_MAX + 1)?;
                check_length(*table, to.as_deref().unwrap_or_default(), ID_LENGTH_MAX + 1)?;
            }
        }
    }
    Ok(())
}

fn check_id(key: &Key) -> Result<(), StoreError> {
    check_length(key.table, &key.id, ID_LENGTH_MAX)
}

fn check_length(table: StoreTable, id: &[u8], length_max: usize) -> Result<(), StoreError> {
    if id.len() > length_max {
        return Err(StoreError::Unavailable(format!(
            "a row id of {} bytes for table {table:?} is longer than {length_max}",
            id.len()
        )));
    }
    Ok(())
}
