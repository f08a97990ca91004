//! Why a run could not go on. What concerns one record is no failure: it is kept with its pair.

use syncline_core::{Endpoint, Instant, Side};

use crate::{Fault, StoreError};

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store could not be read or written.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A connector's call failed as a whole.
    #[error("{doing} {endpoint} failed")]
    Connector {
        /// The side.
        side: Side,
        /// The endpoint.
        endpoint: Endpoint,
        /// What was being done: `reading`, `writing to` ...
        doing: &'static str,
        /// The fault.
        source: Fault,
    },
    /// A transform component failed as a whole.
    #[error("the transform {name} failed")]
    Transform {
        /// The plugin's name.
        name: String,
        /// The fault.
        source: Fault,
    },
    /// A connector broke the rules of its contract.
    #[error("the connector of {endpoint} {what}")]
    Contract {
        /// The endpoint.
        endpoint: Endpoint,
        /// What it did.
        what: String,
    },
    /// The configuration names an object that the connector does not have (B03).
    #[error("the connector of {endpoint} has no object `{}`; it has {known}", endpoint.object)]
    NoObject {
        /// The endpoint.
        endpoint: Endpoint,
        /// The objects that it has, in words.
        known: String,
    },
    /// The connection now reaches another account than before.
    #[error("{endpoint} belonged to account {before} and now belongs to {now}")]
    OtherAccount {
        /// The endpoint.
        endpoint: Endpoint,
        /// The account that was read so far.
        before: String,
        /// The account signed in now.
        now: String,
    },
    /// The connection now leads elsewhere than before.
    #[error(
        "{endpoint} was read from {before} and its connection now leads to {now}; change it back, or give the sync \
             a fresh start with `syncline run SYNC --reset`"
    )]
    OtherAddress {
        /// The endpoint.
        endpoint: Endpoint,
        /// The address so far.
        before: String,
        /// The address now.
        now: String,
    },
    /// A budget or a limit asks to wait longer than a run should.
    #[error("{endpoint} asks to wait {} s: {reason}", after_ms.div_ceil(1000))]
    Wait {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long.
        after_ms: u64,
        /// Why.
        reason: String,
    },
    /// The month's tasks are used up.
    #[error(
        "the month's {limit} tasks are used up; it goes on by itself when the next month begins, or once \
         `tasks_per_month` is raised"
    )]
    Quota {
        /// How many there are.
        limit: u64,
        /// When the next month begins.
        until: Instant,
    },
    /// Somebody asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// A run, record or conflict that the request names does not exist, or the request does not fit it.
    #[error("{0}")]
    Request(String),
}

impl Failure {
    /// True if an application does not go on from a cursor any more: what was read from it is to be read anew.
    pub(crate) fn is_of_old_cursor(&self) -> bool {
        matches!(self, Failure::Connector { source: Fault::CursorExpired(_), .. })
    }
}
