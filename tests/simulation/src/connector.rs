//! What the sync sees of an application: its answers, late, lost or stale as its manner has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_core::{
    Abilities, Field, FieldName, FieldType, Instant, Object, ObjectName, RecordId, Schema, Side, Traits, Value,
};
use syncline_runner::{
    Account, BoxFuture, CheckReport, Connector, Container, Created, Fault, Found, GetAnswer, Made, MemberList, Page,
    Progress, ReadRequest, Table, Target, WriteAnswer, WriteRequest,
};

use crate::application::{Manner, loosely};
use crate::crash::CrashStore;
use crate::doubles;
use crate::intents::without_intent;
use crate::stage::{FIELDS, LINKS, Stage, State, identity};

mod reading;
mod writing;

pub(crate) use reading::listed;
use reading::{add, get, made, members, read, row};
use writing::write;

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
    let kind = |name: &str| match name {
        LINKS => FieldType::References,
        "phone" if manner.says_numeric_phones => FieldType::Integer,
        _ => FieldType::Text,
    };
    let field = |name: &str| Field {
        traits: Traits {
            unique: name == "email" && manner.unique_email,
            findable: name == "email" && manner.findable_email,
            unreported: name == LINKS && manner.silent_links,
            ..Traits::default()
        },
        meaning: (manner.identity && name == identity(side)).then(|| "identity".to_owned()),
        ..Field::new(name, kind(name))
    };
    Schema { fields: FIELDS.iter().chain(&[LINKS]).map(|name| field(name)).collect(), fingerprint: "1".to_owned() }
}

fn done<T: Send + 'static>(answer: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(answer))
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
                restore: manner.restore,
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
            let mut records = Table { columns: fields.clone(), rows: Vec::new() };
            if state.vague == Some(self.side) {
                let found = ids.iter().map(|_| Found::Unclear("the archive is closed".to_owned())).collect();
                return Ok(GetAnswer { records, found });
            }
            let app = state.app_mut(self.side);
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
        done(
            self.call("listing", true)
                .and_then(|mut state| members(&mut state, self.side, &members_of, cursor.as_deref())),
        )
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
