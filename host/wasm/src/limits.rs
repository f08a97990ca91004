//! What one call of a plugin may use up, and what a person is told when it wants more.

use serde::Deserialize;

/// The limits of one plugin; each call starts afresh.
///
/// How large one answer of a server may be is the business of the connection's outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of one instance.
    pub memory_mib: u32,
    /// Entries of its tables.
    pub table_elements: u32,
    /// Computing time: only while the plugin itself runs, not while it waits for the host.
    pub cpu_ms: u32,
    /// From the call to its answer, without waits for the connection's budget.
    pub wall_ms: u32,
    /// HTTP requests.
    pub http_calls: u32,
    /// What the plugin hands to the host at once: an answer, a request.
    pub answer_mib: u32,
    /// Lines for the log.
    pub log_kib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            table_elements: 100_000,
            cpu_ms: 10_000,
            wall_ms: 120_000,
            http_calls: 256,
            answer_mib: 32,
            log_kib: 64,
        }
    }
}

impl Limits {
    pub(crate) fn memory_bytes(&self) -> usize {
        mebibytes(self.memory_mib)
    }

    pub(crate) fn answer_bytes(&self) -> usize {
        mebibytes(self.answer_mib)
    }

    pub(crate) fn log_bytes(&self) -> usize {
        (self.log_kib as usize).saturating_mul(1024)
    }
}

fn mebibytes(count: u32) -> usize {
    (count as usize).saturating_mul(1024 * 1024)
}

/// A limit that a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// It wanted so many bytes of memory.
    Memory(usize),
    /// It wanted so many table entries.
    Table(usize),
    Cpu,
    Wall,
    /// It went on asking after it had been refused.
    HttpCalls,
    Answer,
}

impl Breach {
    /// Says which limit, how high it is, and what to raise.
    pub(crate) fn text(self, limits: &Limits) -> String {
        let (what, setting) = match self {
            Breach::Memory(bytes) => {
                let asked_mib = bytes.div_ceil(1024 * 1024);
                (format!("it asked for {asked_mib} MiB of memory, the limit is {}", limits.memory_mib), "memory_mib")
            }
            Breach::Table(elements) => {
                let limit = limits.table_elements;
                (format!("it asked for {elements} table entries, the limit is {limit}"), "table_elements")
            }
            Breach::Cpu => {
                (format!("it computed for longer than the limit of {} ms and was stopped", limits.cpu_ms), "cpu_ms")
            }
            Breach::Wall => (format!("it gave no answer within the limit of {} ms", limits.wall_ms), "wall_ms"),
            Breach::HttpCalls => {
                let limit = limits.http_calls;
                (format!("it went on after the limit of {limit} HTTP requests in one call"), "http_calls")
            }
            Breach::Answer => {
                (format!("it handed over more than the limit of {} MiB at once", limits.answer_mib), "answer_mib")
            }
        };
        format!("{what}; if it needs more, raise `{setting}` in the plugin's limits")
    }
}
