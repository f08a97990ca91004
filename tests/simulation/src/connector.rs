//! What the sync sees of an application: its answers, late, lost or stale as its manner has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_core::{
    Abilities, CreatePromise, Fate, Field, FieldName, FieldType, Instant, Object, ObjectName, RecordId, Schema, Side,
    Tombstone, Traits, Value, Version,
};
use syncline_runner::{
    Account, Action, BoxFuture, CheckReport, Connector, Container, Created, Fault, Found, GetAnswer, Made, MemberList,
    Operation, Outcome, Page, Progress, ReadMode, ReadRequest, Row, Table, Target, Violation, WriteAnswer,
    WriteRequest,
};

use crate::application::{Application, By, Entry, Manner, Snapshot, loosely};
use crate::automation::SyncWrite;
use crate::chance::mix;
use crate::crash::CrashStore;
use crate::doubles;
use crate::echo::echoes;
use crate::intents::without_intent;
use crate::stage::{FIELDS, LINKS, Stage, State, Trick, identity};

/// A list that leaves a record out leaves it out for so long, in milliseconds.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// A client of one application.
pub(crate) struct Client {
    pub(crate) stage: Arc<Stage>,
    pub(crate) store: Arc<CrashStore>,
    pub(crate) object: &'static str,
    pub(crate) side: Side,
}

impl Client {
    /// Opens the stage for a call; people may be at work, and the call may go wrong before anything happens.
    fn call(&self, doing: &str, with_people: bool) -> Result<std::sync::MutexGuard<'_, State>, Fault> {
        let mut state = self.stage.lock();
        state.calls += 1;
        state.tick();
        if let Some(meanwhile) = state.meanwhile.take()
            && !meanwhile(&mut state)
        {
            state.meanwhile = Some(meanwhile);
        }
        let percent = state.people_percent;
        if with_people && state.happens(percent) {
            state.person_acts();
        }
        let percent =
            if state.failing.take_if(|side| *side == self.side).is_some() { 100 } else { state.fault_percent };
        if state.happens(percent) {
            state.faults += 1;
            state.tell(format!("{doing} the {} fails", self.side));
            return Err(match state.chance.below(3) {
                0 => Fault::RetryLater { after_ms: 2_000, reason: "too many requests".to_owned() },
                1 => the_day_is_over(),
                _ => Fault::Transient("the connection was reset".to_owned()),
            });
        }
        Ok(state)
    }
}

fn the_day_is_over() -> Fault {
    Fault::RetryLater { after_ms: 600_000, reason: "the day's budget is used up".to_owned() }
}

/// The fields of an application.
pub(crate) fn schema(manner: &Manner, side: Side) -> Schema {
    let field = |name: &str| Field {
        name: FieldName::from(name),
        label: name.to_owned(),
        kind: match name {
            LINKS => FieldType::References,
            "phone" if manner.says_numeric_phones => FieldType::Integer,
            _ => FieldType::Text,
        },
        traits: Traits {
            unique: name == "email" && manner.unique_email,
            findable: name == "email" && manner.findable_email,
            unreported: name == LINKS && manner.silent_links,
            ..Traits::default()
        },
        options: Vec::new(),
        length_max: None,
        group: None,
        meaning: (manner.identity && name == identity(side)).then(|| "identity".to_owned()),
        slot_of: None,
        refers_to: Vec::new(),
        values_max: None,
    };
    Schema { fields: FIELDS.iter().chain(&[LINKS]).map(|name| field(name)).collect(), fingerprint: "1".to_owned() }
}

fn done<T: Send + 'static>(answer: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(answer))
}

fn row(app: &Application, id: &RecordId, created_at: Instant, snapshot: &Snapshot, fields: &[FieldName]) -> Row {
    let cells = snapshot.cells.as_ref();
    let given = |field: &FieldName, value: Value| match value {
        Value::Text(digits) if app.manner.numeric_phones && field.as_str() == "phone" => {
            Value::Integer(digits.parse().expect("digits"))
        }
        value => value,
    };
    let cell = |field: &FieldName| Some(given(field, cells?.get(field).cloned().unwrap_or(Value::Clear)));
    Row {
        id: id.clone(),
        version: Some(Version::new(snapshot.number.to_string())),
        created_at: app.manner.timed.then_some(created_at),
        modified_at: app.manner.timed.then_some(snapshot.at),
        cells: fields.iter().map(cell).collect(),
    }
}

/// The row of a record as it is now.
fn current(app: &Application, id: &RecordId, fields: &[FieldName]) -> Option<Row> {
    let entry = app.entries.get(id)?;
    entry.cells()?;
    Some(row(app, id, entry.past[0].at, entry.now(), fields))
}

/// Adds a row to a table and returns its number.
fn add(table: &mut Table, row: Row) -> usize {
    table.rows.push(row);
    table.rows.len() - 1
}

impl Connector for Client {
    fn check(&self) -> BoxFuture<'_, Result<CheckReport, Fault>> {
        let account = Account { id: self.side.to_string(), label: self.side.to_string() };
        done(Ok(CheckReport { account, items: Vec::new() }))
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<Object>, Fault>> {
        let state = self.stage.lock();
        let manner = &state.app(self.side).manner;
        done(Ok(vec![Object {
            name: ObjectName::from(self.object),
            label: self.object.to_owned(),
            kind: self.object.to_owned(),
            abilities: Abilities {
                changes: manner.feed,
                change_deletes: manner.feed_deletes,
                ids: manner.ids,
                get: manner.get,
                members: true,
                field_times: manner.field_times,
                create: true,
                update: true,
                delete: true,
                archive: true,
                restore: true,
                tag: true,
                version_guard: manner.guard,
                ordered_versions: manner.ordered,
            },
            promise: manner.promise,
            link_field: None,
            needs_container: false,
            default_keys: vec![vec![FieldName::from("email")]],
            read_page_max: manner.page_max,
            get_batch_max: manner.batch_max,
            write_batch_max: manner.batch_max,
            visibility_window_ms: manner.lag_ms.unsigned_abs(),
        }]))
    }

    fn containers(&self, _object: ObjectName) -> BoxFuture<'_, Result<Vec<Container>, Fault>> {
        done(Ok(Vec::new()))
    }

    fn lists(&self, _target: Target) -> BoxFuture<'_, Result<Vec<MemberList>, Fault>> {
        done(Ok(Vec::new()))
    }

    fn describe(&self, _target: Target) -> BoxFuture<'_, Result<Schema, Fault>> {
        done(Ok(schema(&self.stage.lock().app(self.side).manner, self.side)))
    }

    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<Page, Fault>> {
        done(self.call("reading", true).and_then(|mut state| read(&mut state, self.side, &request)))
    }

    fn get(
        &self,
        _target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<GetAnswer, Fault>> {
        // Nobody is at work before it: a look right after a write is one step with it (DESIGN 5.7).
        done(self.call("getting from", false).and_then(|mut state| {
            if state.spent.take_if(|side| *side == self.side).is_some() {
                return Err(the_day_is_over());
            }
            let app = state.app_mut(self.side);
            let mut records = Table { columns: fields.clone(), rows: Vec::new() };
            let found = ids.iter().map(|id| get(app, id, &fields, &mut records)).collect();
            Ok(GetAnswer { records, found })
        }))
    }

    fn find(
        &self,
        _target: Target,
        key: FieldName,
        values: Vec<Value>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Table, Fault>> {
        done(self.call("searching", true).map(|state| {
            let app = state.app(self.side);
            let wanted: BTreeSet<Value> = values.iter().map(loosely).collect();
            let mut table = Table { columns: fields.clone(), rows: Vec::new() };
            for entry in app.entries.values() {
                let Some(seen) = entry.visible(state.now, app.manner.lag_ms) else { continue };
                let value = seen.cells.as_ref().and_then(|cells| cells.get(&key));
                if value.is_some_and(|value| wanted.contains(&loosely(value))) {
                    add(&mut table, row(app, &entry.id, entry.past[0].at, seen, &fields));
                }
            }
            table
        }))
    }

    fn members(
        &self,
        _target: Target,
        members_of: String,
        cursor: Option<String>,
    ) -> BoxFuture<'_, Result<(Vec<RecordId>, Progress), Fault>> {
        done(self.call("listing", true).and_then(|state| members(&state, self.side, &members_of, cursor.as_deref())))
    }

    fn field_times(
        &self,
        _target: Target,
        ids: Vec<RecordId>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Option<Instant>>>, Fault>> {
        done(self.call("asking times of", true).map(|state| {
            let app = state.app(self.side);
            let time = |id: &RecordId, field: &FieldName| {
                let past = &app.entries.get(id)?.past;
                let value = |at: usize| past[at].cells.as_ref().and_then(|cells| cells.get(field));
                let changed = (0..past.len()).rev().find(|&at| at == 0 || value(at) != value(at - 1))?;
                Some(past[changed].at)
            };
            ids.iter().map(|id| fields.iter().map(|field| time(id, field)).collect()).collect()
        }))
    }

    fn prepare(&self, _target: Target) -> BoxFuture<'_, Result<(), Fault>> {
        done(Ok(()))
    }

    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<WriteAnswer, Fault>> {
        let silent = without_intent(&self.store, self.side, &request.operations);
        done(self.call("writing to", true).and_then(|mut state| {
            state.breaches.extend(silent);
            let answer = write(&mut state, self.side, &request);
            doubles::tell(&mut state, &self.store, self.object);
            answer
        }))
    }

    fn find_created(
        &self,
        _target: Target,
        keys: Vec<String>,
        _columns: Vec<FieldName>,
        _hints: Vec<Vec<Option<Value>>>,
        fields: Vec<FieldName>,
    ) -> BoxFuture<'_, Result<Created, Fault>> {
        done(self.call("looking up creates in", true).map(|mut state| {
            let percent = state.fault_percent;
            let mut records = Table { columns: fields.clone(), rows: Vec::new() };
            let made = keys.iter().map(|key| {
                if state.blind || state.chance.percent(percent) {
                    return Made::Unclear("the shard that would hold it does not answer".to_owned());
                }
                match made(&state, self.side, key, &fields) {
                    Some(row) => Made::At(add(&mut records, row)),
                    None => Made::Nothing,
                }
            });
            let made = made.collect();
            Created { records, made }
        }))
    }
}

/// The record that a create key made, as far as a look-up shows it.
fn made(state: &State, side: Side, key: &str, fields: &[FieldName]) -> Option<Row> {
    let app = state.app(side);
    let lag_ms = if app.manner.promise == CreatePromise::Native { 0 } else { app.manner.lag_ms };
    let is_made = |entry: &&crate::Entry| {
        entry.by == By::Sync(key.to_owned()) && entry.cells().is_some() && entry.visible(state.now, lag_ms).is_some()
    };
    current(app, &app.entries.values().find(is_made)?.id, fields)
}

/// Lists of an application are named by what the name of their members holds.
fn members(state: &State, side: Side, list: &str, cursor: Option<&str>) -> Result<(Vec<RecordId>, Progress), Fault> {
    if state.computing || (state.breaking_off && cursor.is_some()) {
        return Err(Fault::RetryLater { after_ms: 60_000, reason: "the list is being computed".to_owned() });
    }
    let app = state.app(side);
    let after = cursor.map_or(0, |cursor| cursor.parse().unwrap_or(0));
    let rest = app.listed().into_iter().filter(|(rank, _)| *rank > after);
    let page: Vec<(u64, &Entry)> = rest.take(app.manner.page_max as usize).collect();
    let is_in = |entry: &Entry| {
        let seen = entry.visible(state.now, app.manner.lag_ms).and_then(|snapshot| snapshot.cells.as_ref());
        seen.is_some_and(|cells| listed(cells.get("name"), list))
    };
    let ids = page.iter().filter(|(_, entry)| is_in(entry)).map(|(_, entry)| entry.id.clone()).collect();
    Ok(match page.last() {
        Some((last, _)) if page.len() == app.manner.page_max as usize => (ids, Progress::More(last.to_string())),
        _ => (ids, Progress::Done("end".to_owned())),
    })
}

/// True if a record with this name is in a list.
pub(crate) fn listed(name: Option<&Value>, list: &str) -> bool {
    name.is_some_and(|name| !name.is_blank() && name.to_string().contains(list))
}

fn read(state: &mut State, side: Side, request: &ReadRequest) -> Result<Page, Fault> {
    let percent = state.fault_percent;
    let is_old = |state: &mut State| state.expiring.take_if(|expiring| *expiring == side).is_some();
    if request.cursor.is_some() && (is_old(state) || state.happens(percent / 3)) {
        state.faults += 1;
        return Err(Fault::CursorExpired("it is too old".to_owned()));
    }
    let now = state.now;
    let app = state.app(side);
    let visible = app.log.partition_point(|(at, _)| *at <= now - app.manner.lag_ms);
    let limit = (request.limit as usize).min(app.manner.page_max as usize).max(1);
    let mut page = Page {
        records: Table { columns: request.fields.clone(), rows: Vec::new() },
        tombstones: Vec::new(),
        skipped: Vec::new(),
        next: Progress::Done(String::new()),
        complete: false,
        total: None,
    };
    match request.mode {
        ReadMode::Changes => {
            let from: usize = cursor_number(request.cursor.as_deref(), 'c').unwrap_or(visible);
            let mut end = from.min(visible);
            let mut named = BTreeSet::new();
            while end < visible && named.len() < limit {
                named.insert(app.log[end].1.clone());
                end += 1;
            }
            for id in named {
                let entry = &app.entries[&id];
                let Some(seen) = entry.visible(now, app.manner.lag_ms) else { continue };
                match seen.cells {
                    Some(_) => page.records.rows.push(row(app, &id, entry.past[0].at, seen, &request.fields)),
                    None if app.manner.feed_deletes => page.tombstones.push(tombstone(&id, seen)),
                    None => {}
                }
            }
            page.next = match end < visible {
                true => Progress::More(format!("c{end}")),
                false => Progress::Done(format!("c{}", end.saturating_sub(app.manner.overlap))),
            };
        }
        ReadMode::Full | ReadMode::Ids => {
            let cursor = request.cursor.as_deref().and_then(|cursor| cursor.strip_prefix('f'));
            let (begun, after) = match cursor.and_then(|cursor| cursor.split_once(':')) {
                Some((begun, after)) => (begun.parse().unwrap_or(0), after.parse().ok()),
                None => (visible, None::<u64>),
            };
            let mut list = app.listed().into_iter().filter(|(rank, _)| after.is_none_or(|after| *rank > after));
            let (mut last, mut named) = (None, Vec::new());
            for (rank, entry) in list.by_ref() {
                let Some(seen) = entry.visible(now, app.manner.lag_ms).filter(|seen| seen.cells.is_some()) else {
                    continue;
                };
                // What a list that slips left out, a later one names: the feed alone would never tell of it.
                let may_slip = app.manner.slips && entry.named && (app.manner.ids || !app.manner.feed);
                if may_slip && mix(rank ^ (now.unsigned_abs() / HOUR_MS)).is_multiple_of(5) {
                    continue;
                }
                named.push(entry.id.clone());
                let mut row = row(app, &entry.id, entry.past[0].at, seen, &request.fields);
                if request.mode == ReadMode::Ids {
                    row.cells = vec![None; request.fields.len()];
                }
                page.records.rows.push(row);
                last = Some(rank);
                if page.records.rows.len() >= limit {
                    break;
                }
            }
            page.next = match last {
                Some(last) if page.records.rows.len() >= limit => Progress::More(format!("f{begun}:{last}")),
                _ => Progress::Done(format!("c{begun}")),
            };
            page.complete = app.manner.complete;
            for (id, entry) in &mut state.app_mut(side).entries {
                entry.named |= named.contains(id);
            }
        }
    }
    Ok(page)
}

fn cursor_number(cursor: Option<&str>, letter: char) -> Option<usize> {
    cursor?.strip_prefix(letter)?.parse().ok()
}

fn tombstone(id: &RecordId, seen: &Snapshot) -> Tombstone {
    Tombstone { id: id.clone(), fate: seen.fate.clone(), at: Some(seen.at) }
}

fn get(app: &mut Application, id: &RecordId, fields: &[FieldName], records: &mut Table) -> Found {
    if let Some(entry) = app.entries.get_mut(id) {
        entry.unread = false;
    }
    if let Some(row) = current(app, id, fields) {
        return Found::At(add(records, row));
    }
    let Some(entry) = app.entries.get(id) else {
        return Found::Gone(Tombstone { id: id.clone(), fate: Fate::Deleted, at: None });
    };
    let mut into = entry.now().fate.clone();
    while let Fate::MergedInto(next) = &into {
        if let Some(row) = current(app, next, fields) {
            return Found::Moved { id: next.clone(), row: add(records, row) };
        }
        into = app.entries.get(next).map_or(Fate::Deleted, |entry| entry.now().fate.clone());
    }
    Found::Gone(Tombstone { id: id.clone(), fate: into, at: Some(entry.now().at) })
}

fn write(state: &mut State, side: Side, request: &WriteRequest) -> Result<WriteAnswer, Fault> {
    let percent = state.fault_percent;
    let tricks = std::mem::take(&mut state.tricks);
    let (mine, rest): (Vec<_>, Vec<_>) = tricks.into_iter().partition(|(on, _)| *on == side);
    state.tricks = rest;
    let mut mine = mine.into_iter();
    let trick = mine.next().map(|(_, trick)| trick);
    state.tricks.extend(mine);
    state.spent = (trick == Some(Trick::LastCall)).then_some(side).or(state.spent);
    match trick {
        Some(Trick::Fail) => return Err(Fault::Transient("the connection was refused".to_owned())),
        Some(Trick::LoseRequest) => return Err(Fault::Interrupted("the request timed out".to_owned())),
        _ => {}
    }
    let lost = trick == Some(Trick::LoseAnswer) || state.happens(percent / 2);
    state.faults += u64::from(lost);
    let until = match lost && trick.is_none() {
        true => state.chance.below(request.operations.len() + 1),
        false => request.operations.len(),
    };
    let mut answer =
        WriteAnswer { records: Table { columns: request.returning.clone(), rows: Vec::new() }, outcomes: Vec::new() };
    for (index, operation) in request.operations.iter().enumerate().take(until) {
        state.tick();
        let wrong = state.happens(percent / 2);
        state.faults += u64::from(wrong);
        let outcome = match wrong {
            true if state.chance.percent(50) => Outcome::RetryLater { after_ms: 1_000, reason: "busy".to_owned() },
            true => {
                if state.chance.percent(50) {
                    apply(state, side, request, operation, &mut answer.records);
                }
                Outcome::Unknown("a timeout in the middle".to_owned())
            }
            false => apply(state, side, request, operation, &mut answer.records),
        };
        let unknown = trick == Some(Trick::UnknownOutcome) && index == 0;
        answer.outcomes.push(if unknown { Outcome::Unknown("a cut answer".to_owned()) } else { outcome });
    }
    let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
    state.in_doubt |= lost || answer.outcomes.iter().any(is_unknown);
    if lost {
        let line = format!("the answer of the {side} to {} writes is lost after {until}", request.operations.len());
        state.tell(line);
        return Err(Fault::Interrupted("the answer was lost".to_owned()));
    }
    for outcome in &answer.outcomes {
        if let Outcome::Written { id, stored: None, .. } = outcome
            && let Some(entry) = state.app_mut(side).entries.get_mut(id)
        {
            entry.unread = true;
        }
    }
    Ok(answer)
}

/// Does one operation.
fn apply(state: &mut State, side: Side, request: &WriteRequest, operation: &Operation, table: &mut Table) -> Outcome {
    let sent = request.columns.iter().zip(&operation.cells);
    let sent: BTreeMap<FieldName, Value> =
        sent.filter_map(|(field, value)| Some((field.clone(), value.clone()?))).collect();
    let manner = state.app(side).manner.clone();
    if manner.validates
        && let Some((field, value)) = sent.iter().find(|(_, value)| value.to_string().contains("bad"))
    {
        let message = format!("{value} is not acceptable");
        let field = Some(field.to_string());
        return Outcome::Invalid(vec![Violation { field, code: "bad".to_owned(), message }]);
    }
    let own = match &operation.action {
        Action::Create(_) => None,
        Action::Update(id) | Action::Delete(id) | Action::Archive(id) | Action::Restore(id) | Action::Tag(id, _) => {
            Some(id.clone())
        }
    };
    if let Some(refused) = own.as_ref().and_then(|id| refuse(state, side, id, request, operation, table)) {
        return refused;
    }
    let native = |entry: &&crate::Entry| match &operation.action {
        Action::Create(key) => entry.by == By::Sync(key.clone()) && entry.cells().is_some(),
        _ => false,
    };
    let existing = match manner.promise {
        CreatePromise::Native => state.app(side).entries.values().find(native).map(|entry| entry.id.clone()),
        CreatePromise::Lookup | CreatePromise::None => None,
    };
    if let Some(id) = existing {
        return written(state.app(side), id, request, table);
    }
    if manner.unique_email
        && let Some(email) = sent.get("email").filter(|value| !value.is_blank())
    {
        let same = |entry: &&crate::Entry| {
            Some(&entry.id) != own.as_ref()
                && entry.cells().and_then(|cells| cells.get("email")).is_some_and(|it| loosely(it) == loosely(email))
        };
        if let Some(entry) = state.app(side).entries.values().find(same) {
            return Outcome::DuplicateOf(Some(entry.id.clone()));
        }
    }
    let line = format!("the sync writes {:?} {sent:?} to the {side}", operation.action);
    state.tell(line);
    let now = state.tick();
    let fields: Vec<FieldName> = sent.keys().cloned().collect();
    match &operation.action {
        Action::Create(key) => {
            doubles::notice(state, side, key, &sent);
            let id = state.app_mut(side).create(now, By::Sync(key.clone()), sent.clone());
            state.note_given(side, &id, sent);
            state.writes.push(SyncWrite { at: now, side, id: id.clone(), fields });
            written(state.app(side), id, request, table)
        }
        Action::Update(id) => {
            let echoes = if state.agreed.ordered { Vec::new() } else { echoes(state, side, id, &sent) };
            state.breaches.extend(echoes);
            let mut cells = state.app(side).entries[id].cells().cloned().unwrap_or_default();
            let app = state.app(side);
            cells.extend(sent.iter().map(|(field, value)| (field.clone(), app.stored(value.clone()))));
            state.app_mut(side).put(now, id, Some(cells), Fate::Deleted);
            state.note_given(side, id, sent);
            // What a person orders is no matter of caps (E6.4).
            if !state.agreed.ordered {
                state.writes.push(SyncWrite { at: now, side, id: id.clone(), fields });
            }
            written(state.app(side), id.clone(), request, table)
        }
        Action::Delete(id) | Action::Archive(id) => {
            let fate = match operation.action {
                Action::Archive(_) => Fate::Archived,
                _ => Fate::Deleted,
            };
            if !state.agreed.allows(side, id) {
                state.breaches.push(format!("E4.5: {id} of the {side} was taken away, and nobody had agreed"));
            }
            let is_ordered = state.agreed.ordered;
            let app = state.app_mut(side);
            app.put(now, id, None, fate);
            let entry = app.entries.get_mut(id).expect("it was looked up above");
            (entry.taken_by_sync, entry.taken_back) = (true, is_ordered);
            Outcome::Written { id: id.clone(), stored: None, raw: Some("raw".to_owned()) }
        }
        Action::Restore(id) => {
            let app = state.app_mut(side);
            let cells = app.entries[id].past.iter().rev().find_map(|snapshot| snapshot.cells.clone());
            app.put(now, id, cells, Fate::Deleted);
            app.entries.get_mut(id).expect("it was looked up above").taken_by_sync = false;
            written(state.app(side), id.clone(), request, table)
        }
        Action::Tag(id, tag) => {
            state.tags.push((side, id.clone(), tag.clone()));
            Outcome::Written { id: id.clone(), stored: None, raw: None }
        }
    }
}

/// Says why a write to an existing record is not done, and notes what an unguarded one covers.
fn refuse(
    state: &mut State,
    side: Side,
    id: &RecordId,
    request: &WriteRequest,
    operation: &Operation,
    table: &mut Table,
) -> Option<Outcome> {
    let app = state.app(side);
    let entry = app.entries.get(id)?;
    if entry.cells().is_none() {
        return Some(match (&entry.now().fate, &operation.action) {
            (_, Action::Restore(_)) => return None,
            (Fate::MergedInto(into), _) => Outcome::MergedInto(into.clone()),
            _ => Outcome::NotFound,
        });
    }
    let expected = operation.expected_version.as_ref()?;
    if expected.as_str() == entry.now().number.to_string() {
        return None;
    }
    if app.manner.guard {
        let row = current(app, id, &request.returning);
        let stored = row.filter(|_| app.manner.answers_with_rows).map(|row| add(table, row));
        return Some(Outcome::VersionConflict(stored));
    }
    let taken = matches!(operation.action, Action::Delete(_) | Action::Archive(_));
    let since: u64 = expected.as_str().parse().unwrap_or(0);
    let times: BTreeSet<Instant> =
        entry.past.iter().filter(|snapshot| snapshot.number > since).map(|snapshot| snapshot.at).collect();
    let covered = |field: &FieldName| {
        let position = request.columns.iter().position(|column| column == field);
        taken || position.is_some_and(|position| operation.cells[position].is_some())
    };
    for edit in &mut state.edits {
        if edit.side == side && edit.id == *id && times.contains(&edit.at) && covered(&edit.field) {
            edit.in_gap = true;
        }
    }
    None
}

fn written(app: &Application, id: RecordId, request: &WriteRequest, table: &mut Table) -> Outcome {
    let stored = current(app, &id, &request.returning).filter(|_| app.manner.answers_with_rows);
    let stored = stored.map(|row| add(table, row));
    Outcome::Written { id, stored, raw: None }
}
