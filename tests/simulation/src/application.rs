//! An application: records with all their versions, and how it behaves towards a client.

use std::collections::BTreeMap;

use syncline_core::{CreatePromise, Fate, FieldName, Instant, RecordId, Value};

use crate::chance::{Chance, mix};

/// How an application behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How it keeps creates single.
    pub promise: CreatePromise,
    /// How long a write stays invisible to reads and searches, in milliseconds. A look-up by id sees it at once.
    pub lag_ms: i64,
    /// Stores texts trimmed and in lower case.
    pub rewrites: bool,
    /// Tells when records changed.
    pub timed: bool,
    /// Its versions have an order.
    pub ordered: bool,
    /// Refuses writes that were planned on another version.
    pub guard: bool,
    /// Has a feed of changes.
    pub feed: bool,
    /// The feed names deleted records.
    pub feed_deletes: bool,
    /// The feed does not tell of links, and the schema says so.
    pub silent_links: bool,
    /// Records that its feed names again and again.
    pub overlap: usize,
    /// Lists ids.
    pub ids: bool,
    /// Looks records up by id.
    pub get: bool,
    /// Brings deleted records back as they were.
    pub restore: bool,
    /// Tells when fields changed.
    pub field_times: bool,
    /// Records a page.
    pub page_max: u32,
    /// Operations a write.
    pub batch_max: u32,
    /// Refuses a second record with the same e-mail address.
    pub unique_email: bool,
    /// Finds records by e-mail address.
    pub findable_email: bool,
    /// Answers writes with the record as it is stored.
    pub answers_with_rows: bool,
    /// Refuses values that hold the word `bad`.
    pub validates: bool,
    /// Its lists name every record there is.
    pub complete: bool,
    /// Its lists leave out, now and then, a record that they named before: one that moved while they were read.
    pub slips: bool,
    /// Its records keep a serial number when people give them another id.
    pub identity: bool,
    /// Gives phones as numbers.
    pub numeric_phones: bool,
    /// Its schema says that phones are numbers.
    pub says_numeric_phones: bool,
}

impl Manner {
    /// The friendliest application there can be.
    pub const PLAIN: Manner = Manner {
        promise: CreatePromise::Native,
        lag_ms: 0,
        rewrites: false,
        timed: true,
        ordered: true,
        guard: true,
        feed: true,
        feed_deletes: true,
        silent_links: false,
        overlap: 0,
        ids: true,
        get: true,
        restore: true,
        field_times: false,
        page_max: 100,
        batch_max: 100,
        unique_email: false,
        findable_email: true,
        answers_with_rows: true,
        validates: false,
        complete: true,
        slips: false,
        identity: false,
        numeric_phones: false,
        says_numeric_phones: false,
    };

    /// Draws a manner.
    pub fn draw(chance: &mut Chance) -> Self {
        let lag_ms = chance.pick(&[0, 0, 5_000, 60_000]);
        let ordered = chance.percent(60);
        let feed = chance.percent(85);
        let feed_deletes = chance.percent(60);
        Manner {
            promise: chance.pick(&[CreatePromise::Native, CreatePromise::Lookup, CreatePromise::Lookup]),
            lag_ms,
            rewrites: chance.percent(30),
            timed: ordered || chance.percent(50),
            ordered,
            guard: chance.percent(70),
            feed,
            feed_deletes,
            silent_links: false,
            overlap: chance.pick(&[0, 0, 3]),
            ids: chance.percent(70) || (feed && !feed_deletes),
            get: true,
            restore: chance.percent(60),
            field_times: chance.percent(30),
            page_max: chance.pick(&[1, 2, 3, 7, 100]),
            batch_max: chance.pick(&[1, 2, 5, 100]),
            unique_email: chance.percent(40),
            findable_email: chance.percent(70),
            answers_with_rows: chance.percent(80),
            validates: chance.percent(30),
            complete: chance.percent(80),
            slips: chance.percent(30),
            identity: lag_ms == 0,
            numeric_phones: false,
            says_numeric_phones: false,
        }
    }
}

/// Who made a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A person.
    Person,
    /// The sync, under this create key.
    Sync(String),
}

/// A record at one time; without cells it is gone.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) number: u64,
    pub(crate) cells: Option<BTreeMap<FieldName, Value>>,
    pub(crate) fate: Fate,
}

/// A record with its past.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: RecordId,
    /// Who made it.
    pub by: By,
    /// True if a person ever took it away.
    pub taken_by_person: bool,
    /// True if the sync ever took it away.
    pub taken_by_sync: bool,
    /// True if the sync took it away when a run was taken back.
    pub(crate) taken_back: bool,
    /// True once a list has named it.
    pub(crate) named: bool,
    /// A write of the sync whose result it has not looked at yet.
    pub(crate) unread: bool,
    pub(crate) past: Vec<Snapshot>,
}

impl Entry {
    pub(crate) fn now(&self) -> &Snapshot {
        self.past.last().expect("a record begins with a snapshot")
    }

    /// Returns the values that the record has now, unless it is gone.
    pub fn cells(&self) -> Option<&BTreeMap<FieldName, Value>> {
        self.now().cells.as_ref()
    }

    /// True if the record ever had this value, written in any way.
    pub fn ever_had(&self, field: &FieldName, value: &Value) -> bool {
        let values = self.past.iter().filter_map(|snapshot| snapshot.cells.as_ref()?.get(field));
        values.into_iter().any(|known| loosely(known) == loosely(value))
    }

    /// Returns since when the record had this value, written in any way, the last time that it had it.
    pub(crate) fn last_had(&self, field: &FieldName, value: &Value) -> Option<Instant> {
        let has = |snapshot: &&Snapshot| {
            let known = snapshot.cells.as_ref().and_then(|cells| cells.get(field));
            known.is_some_and(|known| loosely(known) == loosely(value))
        };
        self.past.iter().rev().find(has).map(|snapshot| snapshot.at)
    }

    /// True if the record had this value, written in any way, at a time after `at`.
    pub(crate) fn had_since(&self, at: Instant, field: &FieldName, value: &Value) -> bool {
        let since = self.past.iter().filter(|snapshot| snapshot.at > at);
        let values = since.filter_map(|snapshot| snapshot.cells.as_ref()?.get(field));
        values.into_iter().any(|known| loosely(known) == loosely(value))
    }

    pub(crate) fn visible(&self, now: Instant, lag_ms: i64) -> Option<&Snapshot> {
        self.past.iter().rev().find(|snapshot| snapshot.at <= now - lag_ms)
    }
}

/// Returns a text as an application that rewrites would store it.
pub(crate) fn loosely(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.trim().to_lowercase()).canonical().expect("a text is a value"),
        other => other.clone(),
    }
}

/// An application.
#[derive(Clone, Debug)]
pub struct Application {
    /// How it behaves.
    pub manner: Manner,
    /// Its records, by id.
    pub entries: BTreeMap<RecordId, Entry>,
    /// What changed, in order.
    pub(crate) log: Vec<(Instant, RecordId)>,
    prefix: &'static str,
    next: u64,
}

impl Application {
    pub(crate) fn new(manner: Manner, prefix: &'static str) -> Self {
        Self { manner, entries: BTreeMap::new(), log: Vec::new(), prefix, next: 0 }
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.cells().is_some())
    }

    pub(crate) fn stored(&self, value: Value) -> Value {
        if self.manner.rewrites { loosely(&value) } else { value }
    }

    pub(crate) fn create(&mut self, now: Instant, by: By, cells: BTreeMap<FieldName, Value>) -> RecordId {
        self.next += 1;
        let id = RecordId::new(format!("{}{}", self.prefix, self.next));
        let cells = cells.into_iter().map(|(field, value)| (field, self.stored(value))).collect();
        let first = Snapshot { at: now, number: 1, cells: Some(cells), fate: Fate::Deleted };
        let entry = Entry {
            id: id.clone(),
            by,
            taken_by_person: false,
            taken_by_sync: false,
            taken_back: false,
            named: false,
            unread: false,
            past: vec![first],
        };
        self.entries.insert(id.clone(), entry);
        self.log.push((now, id.clone()));
        id
    }

    /// Changes fields, or takes the record away with `cells` as `None`. Times of one record never stand still.
    pub(crate) fn put(&mut self, now: Instant, id: &RecordId, cells: Option<BTreeMap<FieldName, Value>>, fate: Fate) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let before = entry.now();
        let at = now.max(before.at + 1);
        let number = before.number + 1;
        entry.past.push(Snapshot { at, number, cells, fate });
        self.log.push((at, id.clone()));
        self.log.sort_by_key(|(at, _)| *at);
    }

    /// Returns the records in the order of its lists, which is no order that anybody could use.
    pub(crate) fn listed(&self) -> Vec<(u64, &Entry)> {
        let rank = |id: &RecordId| id.as_str().bytes().fold(7, |rank, byte| mix(rank ^ u64::from(byte))) >> 1;
        let mut list: Vec<(u64, &Entry)> = self.entries.values().map(|entry| (rank(&entry.id), entry)).collect();
        list.sort_by_key(|(rank, _)| *rank);
        list
    }
}
