//! Decides. Values in, values out: records, schemas, mappings, matching, merging, policies, the plan and the rules of
//! the journal.
//!
//! Invariant: nothing here does I/O, waits, reads a clock or draws a random number. The same arguments give the same
//! answer, to the byte; whatever is needed from outside comes in as a value.
//!
//! Not here: in which order a run happens (`syncline-runner`), how anything is kept, sent or shown.

mod ids;
mod record;
mod schema;
mod value;

pub use ids::{
    ConnectionName, ContainerId, Endpoint, FieldName, Instant, ObjectName, RecordId, Side, SyncName, Version,
};
pub use record::{Columns, Fate, Record, Tombstone};
pub use schema::{Abilities, ChoiceOption, CreatePromise, Field, FieldType, Object, Schema, Traits};
pub use value::{InvalidValue, Reference, Value};
