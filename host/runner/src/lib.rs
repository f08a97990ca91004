//! Does. The steps of a run in order, recovery and undo, and the traits of what it needs for that.
//!
//! `run.rs` tells a run from top to bottom. The decisions are taken in `syncline-core`; what is behind the traits is
//! the business of the backends.

mod absent;
mod afresh;
mod budget;
mod codec;
mod conflicts;
mod connector;
mod counterpart;
mod creates;
mod directed;
mod dispute;
mod endpoint;
mod failure;
mod gather;
mod guards;
mod hints;
mod impact;
mod index;
mod lately;
mod left_over;
mod linked;
mod lists;
mod look_up;
mod mapped;
mod masking;
mod notice;
mod origins;
pub mod outbox;
mod owners;
mod pairing;
mod patience;
mod planning;
mod plugins;
mod pull;
mod push;
mod recover;
mod remedy;
mod rename;
mod renewed;
mod replica;
pub mod report;
mod resolve;
mod resolvers;
mod retention;
mod revive;
mod run;
mod running;
mod send;
mod sent;
mod settle;
mod setup;
mod spaces;
mod store;
mod synced;
mod tally;
mod tasks;
mod totals;
mod trail;
mod typed;
mod undo;
mod unread;
mod untold;
mod versions;
mod waiting;
mod world;

pub use budget::{BudgetOwner, budget_owner, keep_budgets, kept_budget};
pub use connector::{
    Account, Action, CheckItem, CheckReport, Connector, Container, Created, Fault, Found, GetAnswer, ListKind, Made,
    MemberList, Operation, Outcome, Page, Progress, ReadMode, ReadRequest, Row, Skipped, Table, Target, Transform,
    TransformedRow, Verdict, Violation, WriteAnswer, WriteRequest,
};
pub use dispute::{Dispute, find_conflicts};
pub use endpoint::{Described, describe};
pub use failure::Failure;
pub use guards::{Answer, Guarded, WaitingDeletes};
pub use hints::{HINT_BYTES_MAX, Hinted, hint};
pub use impact::{Impact, Moved, MovedPair};
pub use index::{IndexCost, index_costs};
pub use planning::Planned;
pub use plugins::{PluginVersion, Plugins};
pub use pull::Pulled;
pub use remedy::{Remedy, RemedyPlan, plan_remedy, remedy};
pub use replica::{Applied, Known, Layout, Replica, tuple_number};
pub use resolve::resolve;
pub use run::{Approve, ApproveAll, RunReport, RunRequest, plan, planned_items, read, run};
pub use running::{RunKind, RunOutcome, RunRecord, run_record};
pub use setup::{Context, Event, Listener, SideSetup, Silent, Stop, SyncSetup};
pub use spaces::{endpoint_space, sync_space};
pub use store::{Batch, Committed, Expect, Key, Space, Stats, Store, StoreError, StoreTable, Write};
pub use synced::{KeptConflict, forget};
pub use tally::{SideTally, Tally};
pub use tasks::{TaskLimit, limit_changes, task_count};
pub use totals::Totals;
pub use undo::{NotUndone, Undo, UndoPlan, UndoReport, Verified, left_alone, plan_undo, undo};
pub use versions::{RulesVersion, rules_version};
pub use world::World;

/// A boxed future: the traits here are object-safe, since the two sides of a sync may be of different kinds.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
