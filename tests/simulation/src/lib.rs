//! Two applications in memory, people who use them, a store that stops at any commit, and the real runner between them.
//!
//! Everything follows from a seed: time is a number that grows, chance is a counter. What must hold at the end of a
//! history is in `checks`.
//!
//! Not here: real wire formats (`tests/sandbox`), the rules of merging one pair (`core`).

mod again;
mod application;
mod automation;
mod chance;
mod checks;
mod connector;
mod crash;
mod disk;
mod doubles;
mod echo;
mod following;
mod hinting;
mod history;
mod intents;
mod one_way;
mod operator;
mod people;
mod scopes;
mod script;
mod shrink;
mod stage;
pub mod steps;
mod tasks;
mod tidy;

pub use application::{Application, By, Entry, Manner};
pub use automation::{Automation, SyncWrite};
pub use chance::Chance;
pub use checks::check;
pub use crash::CrashStore;
pub use history::{History, history, play, play_on};
pub use operator::{Order, Reply};
pub use people::Edit;
pub use scopes::{filter, list};
pub use script::{RuleChange, Script, Visit};
pub use shrink::{Cut, shrink};
pub use stage::{LINKS, Rows, Simulation, Stage, State, Trick, default_rules, text};
