//! What leaves this crate and what comes back, against real servers on loopback.

mod bodies;
mod budgets;
mod digests;
mod proxy;
mod redirects;
mod refusals;
mod secrets;
mod secure;
mod sending;
mod support;
