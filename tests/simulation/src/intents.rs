//! Nothing is sent before its intent is durable (DESIGN 5.2): held against what the store would still have after a
//! power failure at this moment.

use syncline_core::{JournalEntry, Side};
use syncline_runner::{Action, Operation, Space, Store, StoreTable};

use crate::crash::CrashStore;
use crate::steps::wait;

/// Returns the operations of a write that no open intent in the store announces.
pub(crate) fn without_intent(store: &CrashStore, side: Side, operations: &[Operation]) -> Vec<String> {
    let rows = wait(store.scan(Space::HOST, StoreTable::Journal, Vec::new(), usize::MAX)).unwrap_or_default();
    let entries = rows.iter().map(|(_, row)| postcard::from_bytes(row).expect("an entry reads back"));
    let open: Vec<JournalEntry> = entries.filter(|entry: &JournalEntry| entry.is_open()).collect();
    let announced = |operation: &&Operation| {
        open.iter().filter(|entry| entry.change.side == side).any(|entry| match &operation.action {
            Action::Create(key) => entry.create_key.as_ref() == Some(key),
            Action::Update(id)
            | Action::Delete(id)
            | Action::Archive(id)
            | Action::Restore(id)
            | Action::Tag(id, _) => entry.change.record.as_ref() == Some(id),
        })
    };
    let silent = operations.iter().filter(|operation| !announced(operation));
    silent.map(|operation| format!("DESIGN 5.2: {:?} on the {side} has no intent", operation.action)).collect()
}
