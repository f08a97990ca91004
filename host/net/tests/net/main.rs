//! What leaves this crate and what comes back, against real servers on loopback.

mod sending;
mod support;
