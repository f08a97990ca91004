//! A HubSpot and its people.

use std::sync::Arc;

use syncline_sandbox::{HubSpot, RecordId, Running, Snapshot, State};
use tokio::runtime::Runtime;

use crate::{FIELDS, People};

/// A running sandbox.
#[derive(Debug)]
pub struct Crm {
    runtime: Arc<Runtime>,
    running: Option<Running>,
    state: State,
    port: u16,
}

impl Crm {
    pub(crate) fn start(runtime: Arc<Runtime>, sandbox: HubSpot) -> Crm {
        let running = runtime.block_on(sandbox.start()).expect("a free port");
        let state = running.state().clone();
        let port = running.port();
        Crm { runtime, running: Some(running), state, port }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Looks in and steers.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Stops the server; the account stays.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }

    /// Starts it again at the same address, with the same account.
    ///
    /// # Panics
    /// When somebody else took the port.
    pub fn resume(&mut self) {
        let sandbox = HubSpot::builder().state(self.state.clone()).port(self.port);
        self.running = Some(self.runtime.block_on(sandbox.start()).expect("the port is free still"));
    }

    /// Every person by e-mail address.
    ///
    /// # Panics
    /// When two have the same address.
    pub fn people(&self) -> People {
        let mut people = People::new();
        for snapshot in self.state.records() {
            let email = snapshot.get("email").map_or_else(|| format!("no address: {}", snapshot.id), str::to_owned);
            let known = FIELDS.iter().filter_map(|(name, property)| Some((*name, snapshot.get(property)?.to_owned())));
            let before = people.insert(email.clone(), known.collect());
            assert!(before.is_none(), "{email} is in the CRM twice");
        }
        people
    }

    /// The contact with this address.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(&self, email: &str) -> Snapshot {
        let found = self.state.find("email", email).expect("e-mail addresses are keys");
        found.unwrap_or_else(|| panic!("{email} is not in the CRM"))
    }

    /// Adds a contact.
    ///
    /// # Panics
    /// When the vendor would refuse it.
    pub fn add(&self, properties: &[(&str, &str)]) -> RecordId {
        self.state.create(properties).expect("the vendor takes it")
    }

    /// Edits a contact.
    ///
    /// # Panics
    /// When it is not there, or the vendor would refuse the values.
    pub fn edit(&self, email: &str, properties: &[(&str, &str)]) {
        self.state.edit(self.find(email).id, properties).expect("the vendor takes it");
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.stop();
    }
}
