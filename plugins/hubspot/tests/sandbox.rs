//! The connector against the sandbox server, natively: the same code that runs in the component.

#[path = "sandbox/checks.rs"]
mod checks;
#[path = "sandbox/costs.rs"]
mod costs;
#[path = "sandbox/peer.rs"]
mod peer;
#[path = "sandbox/reads.rs"]
mod reads;
#[path = "sandbox/writes.rs"]
mod writes;
