//! A HubSpot to test against: a real HTTP server that keeps to the vendor's contract for contacts and their properties.
//!
//! It pages, searches with a lagging index and a cap, answers batches in part, limits calls, merges and archives, and
//! breaks connections when asked to. Nothing is kept on disk. Start one with [`HubSpot::builder`], look in and steer with
//! [`State`], or from outside under `/_sandbox/` (see the README).

mod account;
mod batch;
mod clock;
mod data;
mod errors;
mod faults;
mod index;
mod limits;
mod properties;
mod records;
mod routes;
mod search;
mod seed;
mod server;
mod state;
mod steer;
mod store;
mod values;
mod wire;

use std::collections::BTreeSet;

pub use account::{Request, Settings, Stats};
pub use clock::Clock;
pub use data::RecordId;
pub use errors::{ApiError, Detail};
pub use faults::{Fault, FaultKind};
pub use limits::{Limits, Policy};
pub use seed::{Person, Seed, person};
pub use server::Running;
pub use state::{Snapshot, State};
pub use store::MergeIds;
pub use values::Rewriting;

/// The version of the API that is served; the older `/crm/v3/` paths lead to the same calls.
pub const API_VERSION: &str = "2026-03";

/// The token that is accepted when none is named.
pub const DEFAULT_TOKEN: &str = "sandbox-token";

/// A HubSpot account and the server in front of it, before it starts.
#[derive(Debug)]
pub struct HubSpot {
    port: u16,
    clock: Clock,
    settings: Settings,
    tokens: BTreeSet<String>,
    seed: Seed,
    state: Option<State>,
}

impl HubSpot {
    /// An empty account with the vendor's limits, the machine's time and no index lag, on a port that is free.
    #[must_use]
    pub fn builder() -> Self {
        Self {
            port: 0,
            clock: Clock::real(),
            settings: Settings::default(),
            tokens: BTreeSet::new(),
            seed: Seed::default(),
            state: None,
        }
    }

    /// Listens on `port` of 127.0.0.1 rather than on a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Accepts `token`; more than one may be named, and none means [`DEFAULT_TOKEN`].
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.tokens.insert(token.to_owned());
        self
    }

    /// Fills the account with people first.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Limits calls so.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Shows writes to search only after `lag_ms`.
    #[must_use]
    pub fn index_lag_ms(mut self, lag_ms: i64) -> Self {
        self.settings.index_lag_ms = lag_ms;
        self
    }

    /// Behaves as `settings` say.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Serves an account that is there already, say of a server that was stopped; what was said about the account before
    /// does not count then.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(mut self) -> std::io::Result<Running> {
        if self.tokens.is_empty() {
            self.tokens.insert(DEFAULT_TOKEN.to_owned());
        }
        let state = match self.state {
            Some(state) => state,
            None => {
                let state = State::new(self.clock, self.settings, self.tokens);
                if self.seed.contacts > 0 {
                    state.seed(&self.seed);
                }
                state
            }
        };
        Running::start(state, self.port).await
    }
}
