//! What one call of a plugin may use up, and what a person is told when it wants more.

use serde::Deserialize;

use crate::call::Scene;

/// The limits of one plugin; each call starts afresh.
///
/// How large one answer of a server may be is the business of the connection's outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of one instance.
    pub memory_mib: u32,
    /// Entries of its tables, of all together.
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
    /// Says which limit, how high it is, and where it can be raised if it can.
    pub(crate) fn text(self, limits: &Limits, scene: &Scene) -> String {
        let (what, setting) = match self {
            Breach::Memory(bytes) => {
                let (asked_mib, limit) = (bytes.div_ceil(1024 * 1024), limits.memory_mib);
                (format!("it asked for {asked_mib} MiB of memory, the limit is {limit}"), Some(("memory_mib", limit)))
            }
            Breach::Table(elements) => {
                let limit = limits.table_elements;
                (format!("it asked for {elements} table entries, the limit is {limit}"), None)
            }
            Breach::Cpu => {
                let limit = limits.cpu_ms;
                (
                    format!("it computed for longer than the limit of {limit} ms and was stopped"),
                    Some(("cpu_ms", limit)),
                )
            }
            Breach::Wall => {
                let limit = limits.wall_ms;
                (format!("it gave no answer within the limit of {limit} ms"), Some(("wall_ms", limit)))
            }
            Breach::HttpCalls => {
                let limit = limits.http_calls;
                let what = format!("it went on after the limit of {limit} HTTP requests in one call");
                (what, Some(("http_calls", limit)))
            }
            Breach::Answer => {
                (format!("it handed over more than the limit of {} MiB at once", limits.answer_mib), None)
            }
        };
        match setting {
            Some((name, limit)) => format!("{what}; if it needs more, {}", raise(name, limit, scene)),
            None => what,
        }
    }
}

/// Says where a limit is raised: only connections have limits in the configuration.
fn raise(name: &str, limit: u32, scene: &Scene) -> String {
    match &scene.outlet {
        Some(_) => {
            let more = limit.saturating_mul(2);
            format!("set `{name} = {more}` under `[connections.{}.limits]` in syncline.toml", scene.name)
        }
        None => format!("raise `{name}` in the limits of its manifest"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Breach, Limits};
    use crate::call::Scene;
    use std::sync::Arc;

    #[test]
    fn only_what_can_be_raised_is_said_to_be_raised() {
        let scene = Scene {
            name: "rows".to_owned(),
            settings_json: String::new(),
            outlet: None,
            clock: Arc::new(|| 0),
            urgency: crate::call::Urgency::default(),
        };
        for (breach, name) in [
            (Breach::Memory(1), Some("memory_mib")),
            (Breach::Cpu, Some("cpu_ms")),
            (Breach::Wall, Some("wall_ms")),
            (Breach::HttpCalls, Some("http_calls")),
            (Breach::Table(1), None),
            (Breach::Answer, None),
        ] {
            let text = breach.text(&Limits::default(), &scene);
            match name {
                Some(name) => {
                    let advice = format!("; if it needs more, raise `{name}` in the limits of its manifest");
                    assert!(text.ends_with(&advice), "{text}");
                }
                None => assert!(!text.contains('`') && !text.contains("raise"), "{text}"),
            }
        }
    }
}
