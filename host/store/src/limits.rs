//! What a row may measure, the same in every engine so that a store moves from one to the other.

use syncline_runner::{Batch, Key, StoreError, Write};

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
            Write::DeleteRange { .. } => {}
        }
    }
    Ok(())
}

fn check_id(key: &Key) -> Result<(), StoreError> {
    if key.id.len() > ID_LENGTH_MAX {
        return Err(StoreError::Unavailable(format!(
            "a row id of {} bytes for table {:?} is longer than {ID_LENGTH_MAX}",
            key.id.len(),
            key.table
        )));
    }
    Ok(())
}
