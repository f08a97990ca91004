//! Speaks: the `syncline` binary. The only crate that prints, asks, and reads configuration files.
//!
//! Start with `args.rs` (what can be said), then `config.rs` (what is configured); `commands/` has one file a command.
//!
//! Not here: anything that decides, runs, keeps or reaches; the commands call those crates and show what comes back.

pub mod config;
pub mod session;
