//! Automations of the applications: each wants a value of its own in a field, whoever wrote another one (E6.4).

use syncline_core::{Fate, FieldName, Instant, RecordId, Side};

use crate::stage::{State, text};

/// One automation; it acts before each run.
#[derive(Clone, Debug)]
pub struct Automation {
    /// Its side.
    pub side: Side,
    /// Its field.
    pub field: FieldName,
    /// True: another value each time; false: always the same.
    pub fresh: bool,
}

/// One write of the sync, as the application saw it.
#[derive(Clone, Debug)]
pub struct SyncWrite {
    /// When.
    pub at: Instant,
    /// The application.
    pub side: Side,
    /// The record.
    pub id: RecordId,
    /// The fields that were sent.
    pub fields: Vec<FieldName>,
}

impl State {
    pub(crate) fn automations_act(&mut self) {
        for Automation { side, field, fresh } in self.automations.clone() {
            let own = format!("auto-{side}");
            let is_foreign = |entry: &&crate::Entry| {
                let value = entry.cells().and_then(|cells| cells.get(&field));
                !entry.unread && value.is_some_and(|value| !value.to_string().starts_with(&own))
            };
            let ids: Vec<RecordId> = self.app(side).live().filter(is_foreign).map(|entry| entry.id.clone()).collect();
            for id in ids {
                let Some(mut cells) = self.app(side).entries[&id].cells().cloned() else { continue };
                self.word += 1;
                let value = if fresh { format!("{own}-{}", self.word) } else { own.clone() };
                self.tell(format!("an automation sets {field} of {id} to {value}"));
                cells.insert(field.clone(), text(&value));
                let now = self.tick();
                self.app_mut(side).put(now, &id, Some(cells), Fate::Deleted);
                self.automated.insert(field.clone());
            }
        }
    }
}
