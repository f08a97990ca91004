//! Reads what is kept, for people and programs: where every record stands, what runs did, and why a value is what it is.
//!
//! Nothing here writes, waits or reaches an application; every function reads the store in pages and gives one page back.
//!
//! Invariant: the value of a field that its application calls sensitive leaves this module masked.
//! Invariant: raw records, which undo needs, do not leave it at all.

mod cell;
mod class;
mod conflicts;
mod errors;
mod explain;
mod kept;
mod naming;
mod planned;
mod records;
mod runs;
mod status;

pub use cell::{Cell, Moment, NamedReference};
pub use class::{Class, ErrorClass};
pub use conflicts::{ConflictPage, ConflictStatus, ShownConflict, ShownConflictField, conflicts};
pub use errors::{ErrorPage, ErrorRow, ErrorsFrom, errors};
pub use explain::{Asked, Explained, Explanation, FieldStory, RecordNow, Unpaired, Written, explain};
pub use kept::{described, is_known};
pub use planned::{PlannedChange, PlannedPair, planned};
pub use records::{Filter, RecordLine, RecordPage, records};
pub use runs::{History, RunPage, RunSummary, ShownChange, ShownField, history, run_summary, show};
pub use status::{Count, OpenRun, SyncStatus, status, totals};
