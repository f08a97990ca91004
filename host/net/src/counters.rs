//! What a connection has sent and received, for reports and for tests that count requests.

use std::sync::atomic::{AtomicU64, Ordering};

/// Running totals of one connection.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    repeats: AtomicU64,
}

/// The totals at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CountersSnapshot {
    /// Requests sent, each repeat and each redirect counted.
    pub requests: u64,
    /// Bytes of request bodies.
    pub bytes_out: u64,
    /// Bytes of answer bodies, decompressed.
    pub bytes_in: u64,
    /// How many of the requests were repeats.
    pub repeats: u64,
}

impl Counters {
    pub(crate) fn sending(&self, body_bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(body_bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, body_bytes: usize) {
        self.bytes_in.fetch_add(body_bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn repeating(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> CountersSnapshot {
        CountersSnapshot {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            repeats: self.repeats.load(Ordering::Relaxed),
        }
    }
}
