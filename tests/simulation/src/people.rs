//! People: they make, edit, delete, merge and restore records whenever they like, and remember what they wrote.

use std::collections::BTreeMap;

use syncline_core::{Fate, FieldName, Instant, RecordId, Reference, Side, Value};

use crate::application::By;
use crate::stage::{LINKS, State, identity, text};

/// One value that a person wrote.
#[derive(Clone, Debug)]
pub struct Edit {
    /// When.
    pub at: Instant,
    /// Where.
    pub side: Side,
    /// The record.
    pub id: RecordId,
    /// The field.
    pub field: FieldName,
    /// The value, as stored.
    pub value: Value,
    /// True if a write without a guard covered it: the named gap of DESIGN 5.7.
    pub in_gap: bool,
    /// True if it was overwritten or taken away while its field did not flow from its side: nobody's business (E2.3).
    pub unheard: bool,
}

impl State {
    /// A person makes a record.
    pub fn person_creates(&mut self, side: Side, fields: &[(&str, &str)]) -> RecordId {
        let mut cells: BTreeMap<FieldName, Value> =
            crate::stage::FIELDS.iter().map(|field| (FieldName::from(*field), Value::Clear)).collect();
        cells.extend(fields.iter().map(|(field, value)| (FieldName::from(*field), text(value))));
        self.serial += 1;
        let serial = text(&format!("s{}", self.serial));
        cells.insert(FieldName::from(identity(side)), serial);
        let now = self.tick();
        let id = self.app_mut(side).create(now, By::Person, cells);
        self.tell(format!("a person creates {id} on the {side} with {fields:?}"));
        for (field, _) in fields {
            self.remember(side, &id, &FieldName::from(*field));
        }
        id
    }

    /// A person writes one field.
    pub fn person_edits(&mut self, side: Side, id: &RecordId, field: &str, value: &str) {
        let field = FieldName::from(field);
        let Some(mut cells) = self.app(side).entries.get(id).and_then(|entry| entry.cells().cloned()) else { return };
        let value = self.app(side).stored(text(value));
        self.tell(format!("a person sets {field} of {id} to {value:?}"));
        cells.insert(field.clone(), value);
        let now = self.tick();
        self.app_mut(side).put(now, id, Some(cells), Fate::Deleted);
        self.remember(side, id, &field);
    }

    /// A person makes a record refer to others.
    pub fn person_links(&mut self, side: Side, id: &RecordId, to: &str, ids: &[&RecordId]) {
        let Some(mut cells) = self.app(side).entries.get(id).and_then(|entry| entry.cells().cloned()) else { return };
        let references = ids.iter().map(|id| Reference { target: to.to_owned(), id: id.to_string() }).collect();
        let value = Value::References(references).canonical().expect("a list of references is always a value");
        self.tell(format!("a person links {id} of the {side} to {value}"));
        cells.insert(FieldName::from(LINKS), value);
        let now = self.tick();
        let app = self.app_mut(side);
        app.put(now, id, Some(cells), Fate::Deleted);
        if app.manner.silent_links {
            app.log.pop();
        }
    }

    fn remember(&mut self, side: Side, id: &RecordId, field: &FieldName) {
        let value = self.app(side).entries[id].cells().and_then(|cells| cells.get(field)).cloned();
        let edit = Edit {
            at: self.now,
            side,
            id: id.clone(),
            field: field.clone(),
            value: value.unwrap_or(Value::Clear),
            in_gap: false,
            unheard: false,
        };
        self.edits.push(edit);
    }

    /// A person takes a record away.
    pub fn person_deletes(&mut self, side: Side, id: &RecordId) {
        self.take(side, id, Fate::Deleted);
    }

    /// A person merges a record into another one of the same application.
    pub fn person_merges(&mut self, side: Side, from: &RecordId, into: &RecordId) {
        self.take(side, from, Fate::MergedInto(into.clone()));
    }

    /// A person gives a record another id, which shows as one record gone and another made. Returns the new id.
    pub fn person_renames(&mut self, side: Side, id: &RecordId) -> RecordId {
        let cells = self.app(side).entries[id].cells().cloned().unwrap_or_default();
        let now = self.tick();
        let to = self.app_mut(side).create(now, By::Person, cells);
        self.tell(format!("a person renames {id} to {to}"));
        self.take(side, id, Fate::Deleted);
        for edit in self.edits.iter_mut().filter(|edit| edit.side == side && edit.id == *id) {
            edit.id = to.clone();
        }
        to
    }

    fn take(&mut self, side: Side, id: &RecordId, fate: Fate) {
        self.tell(format!("a person takes {id} away: {fate:?}"));
        let now = self.tick();
        let app = self.app_mut(side);
        app.put(now, id, None, fate);
        if let Some(entry) = app.entries.get_mut(id) {
            entry.taken_by_person = true;
        }
    }

    /// A person brings a record back as it was.
    pub fn person_restores(&mut self, side: Side, id: &RecordId) {
        let past = &self.app(side).entries[id].past;
        let Some(cells) = past.iter().rev().find_map(|snapshot| snapshot.cells.clone()) else { return };
        self.tell(format!("a person restores {id}"));
        let now = self.tick();
        self.app_mut(side).put(now, id, Some(cells), Fate::Deleted);
    }

    /// A person does something.
    pub(crate) fn person_acts(&mut self) {
        let side = self.chance.pick(&Side::BOTH);
        let quiet = |entry: &&crate::Entry| !entry.unread;
        let live: Vec<RecordId> = self.app(side).live().filter(quiet).map(|entry| entry.id.clone()).collect();
        self.word += 1;
        let word = self.word;
        match self.chance.below(100) {
            0..20 => self.somebody_new(side, word),
            _ if live.is_empty() => {}
            20..84 => {
                let id = self.chance.pick(&live);
                let field = self.chance.pick(&["name", "name", "street", "city", "note", "phone", "email"]);
                let now = self.value(side, &id, field).filter(|value| !value.is_blank());
                let now = now.map(|value| value.to_string()).unwrap_or_default();
                let value = match (field, self.chance.below(11)) {
                    ("email", 0..5) => format!("E{word}@x"),
                    ("email", _) => return,
                    (_, 0) => String::new(),
                    (_, 1) => format!("V{word} "),
                    ("phone", 2) => format!("bad{word}"),
                    // The same in other letters.
                    (_, 10) if !self.app(side).manner.rewrites && now != now.to_uppercase() => now.to_uppercase(),
                    _ => format!("v{word}"),
                };
                self.person_edits(side, &id, field, &value);
            }
            84..92 if self.deletes => {
                let id = self.chance.pick(&live);
                self.person_deletes(side, &id);
            }
            92..95 if self.deletes && live.len() > 1 => {
                let from = self.chance.pick(&live);
                let into = self.chance.pick(&live);
                if from != into {
                    self.person_merges(side, &from, &into);
                }
            }
            95..98 => {
                let gone: Vec<RecordId> = self
                    .app(side)
                    .entries
                    .values()
                    .filter(|entry| entry.cells().is_none() && entry.now().fate == Fate::Deleted && !entry.unread)
                    .map(|entry| entry.id.clone())
                    .collect();
                if !gone.is_empty() {
                    let id = self.chance.pick(&gone);
                    self.person_restores(side, &id);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn somebody_new(&mut self, side: Side, word: u64) {
        let known = |value: &Value| value.to_string();
        let emails: Vec<String> = self
            .app(side.other())
            .live()
            .filter_map(|entry| entry.cells()?.get("email").filter(|value| !value.is_blank()).map(known))
            .collect();
        let taken = |state: &State, email: &str| {
            let same = |entry: &crate::Entry| {
                let value = entry.cells().and_then(|cells| cells.get("email"));
                value.is_some_and(|value| value.to_string().trim().to_lowercase() == email.trim().to_lowercase())
            };
            !email.is_empty() && state.app(side).manner.unique_email && state.app(side).live().any(same)
        };
        let email = match self.chance.percent(35) && !emails.is_empty() {
            true => self.chance.pick(&emails),
            // Somebody without an address now and then.
            false if word % 8 == 3 => String::new(),
            false => format!("e{word}@x"),
        };
        if taken(self, &email) {
            return;
        }
        let name = format!("n{word}");
        let mut fields = vec![("email", email.as_str()), ("name", name.as_str())];
        let street = format!("st{word}");
        if self.chance.percent(50) {
            fields.push(("street", street.as_str()));
        }
        self.person_creates(side, &fields);
    }
}
