//! What is kept about an endpoint beside its records: schema, layout, and where its reads go on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use syncline_core::{Index, Instant, ListId, Object, RunId, Schema, Side};

use crate::index::LookUps;
use crate::lists::ListState;
use crate::patience::patiently;
use crate::replica::{Applied, Layout, Replica};
use crate::setup::{Context, Event, SideSetup};
use crate::typed::TypedConnector;
use crate::{Batch, Failure, Space, Store, StoreError, StoreTable, Write, budget, codec, spaces};

/// What the application said about the endpoint's object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Where the connection led.
    pub address: String,
    /// The account that was signed in.
    pub account: String,
    /// The object.
    pub object: Object,
    /// Its fields.
    pub schema: Schema,
    /// When it was read.
    pub at: Instant,
}

/// Where reads of an endpoint go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reading {
    /// A read of everything, from this cursor on.
    Full {
        cursor: Option<String>,
        /// True if ids are noted, to find what is not there any more.
        noting: bool,
        /// False once the read was taken up again after a stop (E8.4): then absence proves nothing.
        unbroken: bool,
    },
    /// Changes, from this cursor on; from now on without one.
    Changes { cursor: Option<String> },
}

/// What is kept about the reads of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) layout: Layout,
    /// What of the records is kept.
    pub(crate) index: Index,
    pub(crate) reading: Reading,
    /// The last number of the change sequence.
    pub(crate) sequence: u64,
    /// When the last sweep ended.
    pub(crate) swept_at: Instant,
    /// When the last read of everything ended.
    pub(crate) read_at: Instant,
    /// True if a read of everything was to find what is gone and could not: it was taken up again after a stop, or of
    /// some that it left out nobody could say what became of them.
    pub(crate) unswept: bool,
    /// What is known of the lists whose members are kept.
    pub(crate) lists: BTreeMap<ListId, ListState>,
    /// What look-ups by key took since the last pull.
    pub(crate) look_ups: LookUps,
    /// Records that are there.
    pub(crate) live: u64,
    /// Records in the last complete list.
    pub(crate) listed: Option<u64>,
    /// True once a person has said that the endpoint is as empty as it says.
    pub(crate) believes_empty: bool,
}

/// One endpoint during a run.
pub(crate) struct EndpointAccess<'a> {
    pub(crate) context: &'a Context,
    pub(crate) side: Side,
    pub(crate) setup: &'a SideSetup,
    pub(crate) connector: TypedConnector<'a>,
    pub(crate) space: Space,
    pub(crate) described: Described,
    pub(crate) state: State,
    /// The run that keeps what cannot be read; a dry run has none, and shows it by itself.
    pub(crate) run: Option<RunId>,
    /// The account was looked at in this run.
    verified: bool,
}

impl<'a> EndpointAccess<'a> {
    /// Opens the endpoint: reads its schema where that is due and lays the replica out for the fields it needs.
    pub(crate) async fn open(context: &'a Context, side: Side, setup: &'a SideSetup) -> Result<Self, Failure> {
        let store = context.store.as_ref();
        let space = spaces::endpoint_space(store, &setup.endpoint).await?;
        let described = describe(context, side, setup, context.sweep_every_ms).await?;
        let state = codec::load(store, state_key(space)).await?;
        let mut endpoint = Self {
            context,
            side,
            setup,
            connector: TypedConnector::new(setup, &described.schema),
            space,
            described,
            state: state.unwrap_or_else(|| fresh(setup)),
            run: None,
            verified: false,
        };
        endpoint.lay_out().await?;
        Ok(endpoint)
    }

    pub(crate) fn store(&self) -> &'a dyn Store {
        self.context.store.as_ref()
    }

    pub(crate) fn replica(&self) -> Replica<'_> {
        Replica::new(self.store(), self.space, &self.state.layout, self.described.object.abilities.ordered_versions)
    }

    /// Commits `batch` together with where reads go on.
    pub(crate) async fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        self.add_state(&mut batch);
        self.store().commit(batch).await.map(|_| ())
    }

    /// Adds where reads go on to a batch that others commit.
    pub(crate) fn add_state(&self, batch: &mut Batch) {
        codec::put(batch, state_key(self.space), &self.state);
    }

    /// Takes up fields and keys that are new: a new field costs one announced read of everything, a new key a pass
    /// over the replica.
    async fn lay_out(&mut self) -> Result<(), Failure> {
        if self.state.index != self.setup.index {
            self.change_index().await?;
        }
        let identity = self.described.schema.identity().cloned();
        let mut fields = self.setup.fields.clone();
        fields.extend(identity.clone());
        fields.retain(|field| self.described.schema.field(field).is_some());
        fields.sort();
        fields.dedup();
        if fields.iter().any(|field| !self.state.layout.columns.contains(field)) {
            let new: Vec<&str> = fields
                .iter()
                .filter(|field| !self.state.layout.columns.contains(field))
                .map(|field| field.as_str())
                .collect();
            // The first read of an endpoint surprises nobody.
            if !self.state.layout.columns.is_empty() {
                let reason = format!("fields not read before: {}", new.join(", "));
                self.context.say(Event::Rescan { endpoint: self.setup.endpoint.clone(), reason });
            }
            let mut columns = [fields, self.state.layout.columns.clone()].concat();
            columns.retain(|field| self.described.schema.field(field).is_some());
            columns.sort();
            columns.dedup();
            self.state.layout.columns = columns;
            self.state.layout.number += 1;
            self.begin_anew();
            let mut batch = Batch::default();
            batch.writes.push(all_seen(self.space));
            // Rows of the old layout do not tell their keys any more; the read gives every record its keys anew.
            let (space, table) = (self.space, StoreTable::MatchKey);
            batch.writes.push(Write::DeleteRange { space, table, from: Vec::new(), to: None });
            self.commit(batch).await?;
        }
        let new_keys = self.setup.keys.iter().any(|tuple| !self.state.layout.keys.contains(tuple));
        if new_keys || identity != self.state.layout.identity {
            self.state.layout.identity = identity;
            self.reindex().await?;
        }
        Ok(())
    }

    /// Takes up another index: one that was full keeps what it has, one that was scoped reads the rest.
    async fn change_index(&mut self) -> Result<(), StoreError> {
        self.state.index = self.setup.index;
        let is_under_way = matches!(self.state.reading, Reading::Full { .. });
        if self.state.index == Index::Full || is_under_way {
            self.begin_anew();
        }
        let mut batch = Batch::default();
        batch.writes.push(all_seen(self.space));
        self.commit(batch).await
    }

    /// Lets the next read look at everything that is kept: all there is, or what is known by now.
    fn begin_anew(&mut self) {
        match self.state.index {
            // The cursor that is left here would have told what was deleted since: this read has to.
            Index::Full => {
                let noting = self.state.sequence > 0;
                self.state.reading = Reading::Full { cursor: None, noting, unbroken: true };
            }
            Index::Scoped => {
                // What changes while the known records are looked at is told by the feed afterwards.
                if matches!(self.state.reading, Reading::Full { .. }) {
                    self.state.reading = Reading::Changes { cursor: None };
                }
                self.state.swept_at = 0;
            }
        }
    }

    /// Makes sure, once a run and before the first sign that anything is gone is believed, that the connection still
    /// reaches the account that was read so far: in another one everything would be missing.
    pub(crate) async fn verify_account(&mut self) -> Result<(), Failure> {
        if self.verified {
            return Ok(());
        }
        let connector = &self.setup.connector;
        let report = patiently(self.context, self.side, self.setup, "checking", || connector.check()).await?;
        same_account(self.setup, &self.described, &report.account.id)?;
        self.verified = true;
        Ok(())
    }

    async fn reindex(&mut self) -> Result<(), Failure> {
        for tuple in &self.setup.keys {
            if !self.state.layout.keys.contains(tuple) {
                self.state.layout.keys.push(tuple.clone());
            }
        }
        let mut after = syncline_core::RecordId::new("");
        loop {
            let mut batch = Batch::default();
            let page = self.replica().scan(&after, codec::PAGE_ROWS).await?;
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for (id, known) in &page {
                self.replica().index(id, known, &mut batch);
            }
            self.store().commit(batch).await?;
        }
        Ok(self.commit(Batch::default()).await?)
    }

    /// Keeps the schema if it was read anew because values did not fit, for the next run to lay out.
    pub(crate) async fn keep_renewed_schema(&self) -> Result<(), StoreError> {
        let Some(schema) = self.connector.renewed().filter(|schema| **schema != self.described.schema) else {
            return Ok(());
        };
        let described = Described { schema: schema.clone(), ..self.described.clone() };
        let mut batch = Batch::default();
        codec::put(&mut batch, description_key(self.space), &described);
        self.store().commit(batch).await.map(|_| ())
    }

    /// Counts the records that came and went.
    pub(crate) fn count(&mut self, applied: &Applied) {
        self.state.live = (self.state.live + applied.appeared).saturating_sub(applied.vanished);
    }

    /// Notes how many records a complete list held, and says if that is far from the last one (E8.2).
    pub(crate) fn listed(&mut self, now: u64) -> Option<String> {
        let before = self.state.listed.replace(now)?;
        let endpoint = &self.setup.endpoint;
        syncline_core::is_far(before, now)
            .then(|| format!("{endpoint} lists {now} records, and listed {before} before"))
    }

    /// Starts a read of everything, or of what is known where that is all that is kept.
    pub(crate) fn restart(&mut self, reason: String) -> Batch {
        self.context.say(Event::Rescan { endpoint: self.setup.endpoint.clone(), reason });
        match self.state.index {
            Index::Full => self.state.reading = Reading::Full { cursor: None, noting: true, unbroken: true },
            Index::Scoped => {
                self.state.reading = Reading::Changes { cursor: None };
                self.state.swept_at = 0;
            }
        }
        let mut batch = Batch::default();
        batch.writes.push(all_seen(self.space));
        batch
    }
}

/// Forgets the ids that a sweep noted.
pub(crate) fn all_seen(space: Space) -> Write {
    Write::DeleteRange { space, table: StoreTable::Seen, from: Vec::new(), to: None }
}

fn fresh(setup: &SideSetup) -> State {
    State {
        layout: Layout { number: 1, columns: Vec::new(), keys: setup.keys.clone(), identity: None },
        index: setup.index,
        reading: match setup.index {
            Index::Full => Reading::Full { cursor: None, noting: false, unbroken: true },
            Index::Scoped => Reading::Changes { cursor: None },
        },
        sequence: 0,
        swept_at: 0,
        read_at: 0,
        unswept: false,
        lists: BTreeMap::new(),
        look_ups: LookUps::default(),
        live: 0,
        listed: None,
        believes_empty: false,
    }
}

fn state_key(space: Space) -> crate::Key {
    crate::Key::new(space, StoreTable::Cursor, *b"state")
}

/// Returns what is kept about the reads of an endpoint.
pub(crate) async fn kept_state(store: &dyn Store, space: Space) -> Result<Option<State>, StoreError> {
    codec::load(store, state_key(space)).await
}

/// Returns what was last read about an endpoint's object.
pub(crate) async fn kept_description(store: &dyn Store, space: Space) -> Result<Option<Described>, StoreError> {
    codec::load(store, description_key(space)).await
}

fn description_key(space: Space) -> crate::Key {
    codec::meta(space, "described")
}

/// Returns the object and its fields, from the store if they were read within `max_age_ms` (E10.4).
pub async fn describe(context: &Context, side: Side, setup: &SideSetup, max_age_ms: i64) -> Result<Described, Failure> {
    let store = context.store.as_ref();
    let space = spaces::endpoint_space(store, &setup.endpoint).await?;
    let key = description_key(space);
    let before: Option<Described> = codec::load(store, key.clone()).await?;
    let now = context.world.now();
    if let Some(known) = &before {
        if known.address != setup.address {
            return Err(Failure::OtherAddress {
                endpoint: setup.endpoint.clone(),
                before: known.address.clone(),
                now: setup.address.clone(),
            });
        }
        if now - known.at < max_age_ms {
            return Ok(known.clone());
        }
    }
    let connector = &setup.connector;
    let report = patiently(context, side, setup, "checking", || connector.check()).await?;
    if let Some(known) = &before {
        same_account(setup, known, &report.account.id)?;
    }
    let objects = patiently(context, side, setup, "listing the objects of", || connector.objects()).await?;
    let known: Vec<String> = objects.iter().map(|object| format!("`{}`", object.name)).collect();
    let Some(object) = objects.into_iter().find(|object| object.name == setup.endpoint.object) else {
        let known = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
        return Err(Failure::NoObject { endpoint: setup.endpoint.clone(), known });
    };
    let schema = patiently(context, side, setup, "describing", || connector.describe(setup.target())).await?;
    let address = setup.address.clone();
    let described = Described { address, account: report.account.id, object, schema, at: now };
    let mut batch = Batch::default();
    codec::put(&mut batch, key, &described);
    let connection = setup.endpoint.connection.as_str();
    budget::note_account(&mut batch, connection, &described.address, &described.account);
    store.commit(batch).await?;
    Ok(described)
}

fn same_account(setup: &SideSetup, known: &Described, now: &str) -> Result<(), Failure> {
    if known.account == now {
        return Ok(());
    }
    let (endpoint, before) = (setup.endpoint.clone(), known.account.clone());
    Err(Failure::OtherAccount { endpoint, before, now: now.to_owned() })
}

/// Forgets all that was read of an endpoint.
pub(crate) fn forget_reads(space: Space, batch: &mut Batch) {
    let tables = [
        StoreTable::Meta,
        StoreTable::Cursor,
        StoreTable::Replica,
        StoreTable::MatchKey,
        StoreTable::Change,
        StoreTable::Seen,
        StoreTable::Member,
        StoreTable::Hint,
        StoreTable::Missed,
    ];
    for table in tables {
        batch.writes.push(Write::DeleteRange { space, table, from: Vec::new(), to: None });
    }
}
