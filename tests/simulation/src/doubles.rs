//! No record is made twice for one source (E1.8), nor beside one with its address (E1.7).

use std::collections::BTreeMap;

use syncline_core::{FieldName, Pair, RecordId, Side, SyncName, Value};
use syncline_runner::{Store, StoreTable, sync_space};

use crate::application::{By, Entry, Snapshot, loosely};
use crate::crash::CrashStore;
use crate::stage::{State, identity};
use crate::steps::wait;

/// A create may be sent this long after the last look for doubles, in milliseconds.
const LOOK_AGE_MS_MAX: i64 = 6_000;

/// A record that the sync made for a source for which it had made another one.
#[derive(Debug)]
pub(crate) struct Second {
    side: Side,
    /// The one that was there.
    first: RecordId,
    /// Their sources, where one was away for a while, and an undo may have made another one in its place: what was made for
    /// the one may be the other's, or somebody else's since.
    restored: Vec<RecordId>,
    /// What was sent, for people to read.
    told: String,
}

/// Notes that a record is made beside others like it, the moment that happens.
pub(crate) fn notice(state: &mut State, side: Side, key: &str, sent: &BTreeMap<FieldName, Value>) {
    let serial = identity(side.other());
    let now = state.now;
    let app = state.app(side);
    let lag_ms = app.manner.lag_ms;
    // A source that went a moment ago may not be known to be gone: what it said last counts.
    let same = |field: &str, entry: &Entry| {
        let last = entry.past.iter().rev().find_map(|snapshot| snapshot.cells.as_ref());
        let (value, sent) = (last.and_then(|cells| cells.get(field)), sent.get(field));
        value.zip(sent).is_some_and(|(value, sent)| !sent.is_blank() && loosely(value) == loosely(sent))
    };
    let (mut breaches, mut seconds) = (Vec::new(), Vec::new());
    for entry in app.live() {
        // What somebody deleted and brings back at this very moment is no work of the sync.
        if entry.taken_by_person || entry.taken_back {
            continue;
        }
        let is_resent = entry.by == By::Sync(key.to_owned());
        if is_resent || (entry.by != By::Person && same(serial, entry)) {
            let sources = state.app(side.other()).entries.values();
            let sources: Vec<&Entry> = sources.filter(|source| !is_resent && same(serial, source)).collect();
            let restored = match sources.iter().any(|source| was_away(source)) {
                true => sources.into_iter().map(|source| source.id.clone()).collect(),
                false => Vec::new(),
            };
            seconds.push(Second { side, first: entry.id.clone(), restored, told: format!("{sent:?}") });
        }
        let seen = entry.now().at <= now - lag_ms - LOOK_AGE_MS_MAX;
        if app.manner.findable_email && seen && same("email", entry) {
            breaches.push(format!("E1.7: {} has the same address as {sent:?}", entry.id));
        }
    }
    state.breaches.extend(breaches);
    state.seconds.extend(seconds);
}

/// True if the record was taken away and brought back.
fn was_away(entry: &Entry) -> bool {
    let is_here = |snapshot: &Snapshot| snapshot.cells.is_some();
    entry.past.windows(2).any(|two| !is_here(&two[0]) && is_here(&two[1]))
}

/// Makes breaches of the second records for one source.
///
/// None is one that was made because the first belongs to another record by now, which is there since its source went:
/// made anew for an edit (E3.6), or come by with a merge (E1.10). Then each of the two has its own.
pub(crate) fn tell(state: &mut State, store: &CrashStore, object: &str) {
    for second in std::mem::take(&mut state.seconds) {
        let Second { side, first, restored, told } = second;
        let pairs = if restored.is_empty() { Vec::new() } else { pairs(store, object) };
        let is_others = restored.iter().any(|source| {
            let mut own = pairs.iter().filter(|pair| pair.id(side) == Some(&first));
            own.any(|pair| pair.id(side.other()).is_some_and(|other| other != source))
        });
        if !is_others {
            state.breaches.push(format!("E1.8: a second record on the {side} beside {first} for {told}"));
        }
    }
}

/// The pairs of a sync, as a power failure would leave them now.
fn pairs(store: &CrashStore, object: &str) -> Vec<Pair> {
    let rows = wait(async {
        let space = sync_space(store, &SyncName::from(object)).await?;
        store.scan(space, StoreTable::Pair, Vec::new(), usize::MAX).await
    });
    let rows = rows.unwrap_or_default().into_iter();
    rows.map(|(_, row)| postcard::from_bytes(&row).expect("a pair reads back")).collect()
}
