//! A small address book in memory, as a connector sees it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_core::{
    Abilities, CreatePromise, Fate, Field, FieldName, FieldType, Instant, Object, ObjectName, RecordId, Reference,
    Schema, Tombstone, Traits, Value, Version,
};
use syncline_runner::{
    Account, Action, BoxFuture, CheckReport, Connector, Container, Created, Fault, Found, GetAnswer, MemberList,
    Operation, Outcome, Page, Progress, ReadMode, ReadRequest, Row, Skipped, Table, Target, Violation, WriteAnswer,
    WriteRequest,
};

/// A telephone number that the application refuses.
pub(crate) const BAD_NUMBER: &str = "bad";

/// A name that makes a record unreadable.
pub(crate) const TORN: &str = "torn";

/// Name, meaning, and whether it is shown masked.
pub(crate) type Sort = (&'static str, &'static str, bool);

/// Fields that hold references, and the object to which these lead.
pub(crate) type Links = (&'static [Sort], &'static str);

struct Entry {
    cells: BTreeMap<FieldName, Value>,
    fate: Option<Fate>,
    sequence: u64,
    modified_at: Instant,
}

impl Entry {
    fn is_torn(&self) -> bool {
        self.cells.values().any(|value| *value == Value::Text(TORN.to_owned()))
    }
}

#[derive(Default)]
struct State {
    entries: BTreeMap<RecordId, Entry>,
    sequence: u64,
    now: Instant,
    is_down: bool,
}

/// The address book.
pub(crate) struct Application {
    prefix: &'static str,
    object: &'static str,
    fields: &'static [Sort],
    links: Links,
    state: Mutex<State>,
}

impl Application {
    pub(crate) fn new(prefix: &'static str, fields: &'static [Sort]) -> Self {
        Self { prefix, object: "contacts", fields, links: (&[], ""), state: Mutex::default() }
    }

    /// The same with fields that refer to other records.
    pub(crate) fn linking(self, links: Links) -> Self {
        Self { links, ..self }
    }

    /// A list of other things than people.
    pub(crate) fn of(self, object: &'static str) -> Self {
        Self { object, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_time(&self, now: Instant) {
        self.lock().now = now;
    }

    /// The application refuses everybody from now on.
    pub(crate) fn break_down(&self) {
        self.lock().is_down = true;
    }

    /// A person makes a record.
    pub(crate) fn add(&self, cells: &[(&str, &str)]) -> RecordId {
        let cells = cells.iter().map(|(field, text)| (FieldName::from(*field), Value::Text((*text).to_owned())));
        self.lock().create(self.prefix, cells.collect())
    }

    /// A person edits a record.
    pub(crate) fn edit(&self, id: &str, field: &str, text: &str) {
        let mut state = self.lock();
        let value = Value::Text(text.to_owned()).canonical().expect("text");
        state.touch(&RecordId::from(id)).cells.insert(FieldName::from(field), value);
    }

    /// A person has a record refer to others.
    pub(crate) fn link(&self, id: &str, field: &str, ids: &[&str]) {
        let mut state = self.lock();
        let references = ids.iter().map(|id| Reference { target: self.links.1.to_owned(), id: (*id).to_owned() });
        let value = Value::References(references.collect()).canonical().expect("references");
        state.touch(&RecordId::from(id)).cells.insert(FieldName::from(field), value);
    }

    /// A person deletes a record.
    pub(crate) fn delete(&self, id: &str) {
        self.lock().touch(&RecordId::from(id)).fate = Some(Fate::Deleted);
    }

    /// A person merges a record into a new one that takes its values over.
    pub(crate) fn merge(&self, from: &str, into: &str) {
        let mut state = self.lock();
        let cells = state.touch(&RecordId::from(from)).cells.clone();
        state.touch(&RecordId::from(from)).fate = Some(Fate::MergedInto(RecordId::from(into)));
        let sequence = state.next();
        let entry = Entry { cells, fate: None, sequence, modified_at: state.now };
        state.entries.insert(RecordId::from(into), entry);
    }

    pub(crate) fn object(&self) -> Object {
        Object {
            name: ObjectName::from(self.object),
            label: self.object.to_owned(),
            kind: self.object.to_owned(),
            abilities: Abilities {
                changes: true,
                change_deletes: true,
                get: true,
                create: true,
                update: true,
                delete: true,
                ..Abilities::default()
            },
            promise: CreatePromise::Native,
            link_field: None,
            needs_container: false,
            default_keys: vec![vec![FieldName::from(self.fields[0].0)]],
            read_page_max: 100,
            get_batch_max: 100,
            write_batch_max: 100,
            visibility_window_ms: 0,
        }
    }

    pub(crate) fn schema(&self) -> Schema {
        let field = |(name, meaning, sensitive): &Sort, kind| Field {
            traits: Traits { sensitive: *sensitive, ..Traits::default() },
            meaning: Some((*meaning).to_owned()),
            ..Field::new(*name, kind)
        };
        let texts = self.fields.iter().map(|sort| field(sort, FieldType::Text));
        let (links, object) = self.links;
        let links = links
            .iter()
            .map(|sort| Field { refers_to: vec![ObjectName::from(object)], ..field(sort, FieldType::References) });
        Schema { fields: texts.chain(links).collect(), fingerprint: "1".to_owned() }
    }

    fn write_one(
        &self,
        columns: &[FieldName],
        operation: Operation,
        fields: &[FieldName],
        records: &mut Table,
    ) -> Outcome {
        let mut state = self.lock();
        let cells = columns.iter().cloned().zip(operation.cells);
        let cells: BTreeMap<FieldName, Value> = cells.filter_map(|(field, value)| Some((field, value?))).collect();
        let bad = cells.iter().find(|(_, value)| **value == Value::Text(BAD_NUMBER.to_owned()));
        if let Some((field, _)) = bad {
            let pin = cells.get("pin").map(ToString::to_string).unwrap_or_default();
            let (code, message) = ("format".to_owned(), format!("=no number, \"bad\" is none (pin {pin})"));
            return Outcome::Invalid(vec![Violation { field: Some(field.to_string()), code, message }]);
        }
        let id = match operation.action {
            Action::Create(_) => state.create(self.prefix, cells),
            Action::Update(id) => {
                state.touch(&id).cells.extend(cells);
                id
            }
            Action::Delete(id) => {
                state.touch(&id).fate = Some(Fate::Deleted);
                return Outcome::Written { id, stored: None, raw: None };
            }
            other => return Outcome::Unsupported(format!("{other:?}")),
        };
        records.rows.push(row(&id, &state.entries[&id], fields));
        Outcome::Written { id, stored: Some(records.rows.len() - 1), raw: None }
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn create(&mut self, prefix: &str, cells: BTreeMap<FieldName, Value>) -> RecordId {
        let id = RecordId::new(format!("{prefix}-{}", self.entries.len() + 1));
        let entry = Entry { cells, fate: None, sequence: self.next(), modified_at: self.now };
        self.entries.insert(id.clone(), entry);
        id
    }

    fn touch(&mut self, id: &RecordId) -> &mut Entry {
        let (sequence, now) = (self.next(), self.now);
        let entry = self.entries.get_mut(id).expect("a record");
        entry.sequence = sequence;
        entry.modified_at = now;
        entry
    }
}

fn row(id: &RecordId, entry: &Entry, fields: &[FieldName]) -> Row {
    let cell = |field: &FieldName| Some(entry.cells.get(field).cloned().unwrap_or(Value::Clear));
    Row {
        id: id.clone(),
        version: Some(Version::new(entry.sequence.to_string())),
        created_at: None,
        modified_at: Some(entry.modified_at),
        cells: fields.iter().map(cell).collect(),
    }
}

fn tombstone(id: &RecordId, entry: &Entry) -> Option<Tombstone> {
    Some(Tombstone { id: id.clone(), fate: entry.fate.clone()?, at: Some(entry.modified_at) })
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Fault>>;

fn cannot<'a, T: Send + 'a>(what: &str) -> Answer<'a, T> {
    let fault = Fault::Unsupported(what.to_owned());
    Box::pin(async move { Err(fault) })
}

impl Connector for Application {
    fn check(&self) -> Answer<'_, CheckReport> {
        let account = Account { id: self.prefix.to_owned(), label: self.prefix.to_owned() };
        Box::pin(async move { Ok(CheckReport { account, items: Vec::new() }) })
    }

    fn objects(&self) -> Answer<'_, Vec<Object>> {
        Box::pin(async move { Ok(vec![self.object()]) })
    }

    fn containers(&self, _object: ObjectName) -> Answer<'_, Vec<Container>> {
        cannot("containers")
    }

    fn lists(&self, _target: Target) -> Answer<'_, Vec<MemberList>> {
        cannot("lists")
    }

    fn describe(&self, _target: Target) -> Answer<'_, Schema> {
        Box::pin(async move { Ok(self.schema()) })
    }

    fn read(&self, request: ReadRequest) -> Answer<'_, Page> {
        Box::pin(async move {
            let state = self.lock();
            if state.is_down {
                return Err(Fault::Auth("the key is not\u{1b}[2J valid".to_owned()));
            }
            let since: u64 = match request.mode {
                ReadMode::Changes => request.cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0),
                ReadMode::Full | ReadMode::Ids => 0,
            };
            let changed: Vec<_> = state.entries.iter().filter(|(_, entry)| entry.sequence > since).collect();
            let here = changed.iter().filter(|(_, entry)| entry.fate.is_none());
            let (torn, here): (Vec<_>, Vec<_>) = here.partition(|(_, entry)| entry.is_torn());
            let skip = |(id, _): &(&RecordId, &Entry)| Skipped { id: (*id).clone(), reason: "it is torn".to_owned() };
            let rows = here.iter().map(|(id, entry)| row(id, entry, &request.fields)).collect();
            let gone = changed.iter().filter(|_| request.mode == ReadMode::Changes);
            Ok(Page {
                records: Table { columns: request.fields, rows },
                tombstones: gone.filter_map(|(id, entry)| tombstone(id, entry)).collect(),
                skipped: torn.iter().map(skip).collect(),
                next: Progress::Done(state.sequence.to_string()),
                complete: true,
                total: None,
            })
        })
    }

    fn get(&self, _target: Target, ids: Vec<RecordId>, fields: Vec<FieldName>) -> Answer<'_, GetAnswer> {
        Box::pin(async move {
            let state = self.lock();
            let mut records = Table { columns: fields.clone(), rows: Vec::new() };
            let mut found = Vec::new();
            for id in &ids {
                found.push(match state.entries.get(id) {
                    None => Found::Unclear("never heard of it".to_owned()),
                    Some(entry) => match tombstone(id, entry) {
                        Some(tombstone) => Found::Gone(tombstone),
                        None => {
                            records.rows.push(row(id, entry, &fields));
                            Found::At(records.rows.len() - 1)
                        }
                    },
                });
            }
            Ok(GetAnswer { records, found })
        })
    }

    fn find(&self, _: Target, _: FieldName, _: Vec<Value>, _: Vec<FieldName>) -> Answer<'_, Table> {
        cannot("find")
    }

    fn members(&self, _: Target, _: String, _: Option<String>) -> Answer<'_, (Vec<RecordId>, Progress)> {
        cannot("members")
    }

    fn field_times(&self, _: Target, _: Vec<RecordId>, _: Vec<FieldName>) -> Answer<'_, Vec<Vec<Option<Instant>>>> {
        cannot("field times")
    }

    fn prepare(&self, _target: Target) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn write(&self, request: WriteRequest) -> Answer<'_, WriteAnswer> {
        Box::pin(async move {
            let mut records = Table { columns: request.returning.clone(), rows: Vec::new() };
            let mut outcomes = Vec::new();
            for operation in request.operations {
                outcomes.push(self.write_one(&request.columns, operation, &request.returning, &mut records));
            }
            Ok(WriteAnswer { records, outcomes })
        })
    }

    fn find_created(
        &self,
        _: Target,
        _: Vec<String>,
        _: Vec<FieldName>,
        _: Vec<Vec<Option<Value>>>,
        _: Vec<FieldName>,
    ) -> Answer<'_, Created> {
        cannot("find created")
    }
}
