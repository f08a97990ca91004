//! Faults on demand: which requests they strike, how often, and what happens to them.

use serde::{Deserialize, Serialize};

use crate::limits::Policy;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The connection closes without an answer, and nothing was done.
    DropBefore,
    /// The connection closes without an answer, although the request was carried out.
    DropAfter,
    /// An error is answered and nothing was done; 5xx as a gateway words it, 423, 477 and others as the vendor does.
    StatusBefore {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` says, if it is sent.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// An error is answered although the request was carried out.
    StatusAfter {
        /// The HTTP status.
        status: u16,
    },
    /// The request is refused as one too many.
    RateLimited {
        /// Which limit is said to be reached.
        policy: Policy,
        /// What `Retry-After` says, if it is sent.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// The request waits before it is carried out; a caller that leaves meanwhile leaves nothing behind.
    SlowBefore {
        /// How long it waits.
        delay_ms: u64,
    },
    /// The request is carried out, and the answer waits.
    SlowAfter {
        /// How long it waits.
        delay_ms: u64,
    },
    /// The request is carried out, half of the answer is sent, and the connection closes.
    CutBody,
}

/// A fault and the requests it is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Only requests of this method, if named.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests whose path begins with this or holds it, if named, such as `/batch/create`.
    #[serde(default)]
    pub path: Option<String>,
    /// How many fitting requests pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// How often it strikes.
    #[serde(default = "once")]
    pub times: u32,
    /// How often it has struck.
    #[serde(default)]
    pub struck: u32,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault that strikes the next request, whatever it is.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, method: None, path: None, skip: 0, times: 1, struck: 0 }
    }

    /// Strikes only requests of `method`.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Strikes only requests whose path holds `path`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Lets `count` fitting requests pass first.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Strikes `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.struck < self.times
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|wanted| path.contains(wanted))
    }
}

/// The faults that wait, in the order they were asked for.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }

    /// The fault that strikes this request: the first that fits and has let enough pass.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        for fault in self.0.iter_mut().filter(|fault| fault.fits(method, path)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.struck += 1;
            return Some(fault.kind.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_where_and_as_often_as_it_is_told() {
        let mut faults = Faults::default();
        faults.add(Fault::new(FaultKind::DropAfter).method("post").path("/batch/create").skip(1).times(2));
        let mut strike = |method, path| faults.strike(method, path).is_some();
        assert!(!strike("GET", "/crm/objects/contacts/batch/create"));
        assert!(!strike("POST", "/crm/objects/contacts"));
        let create = "/crm/objects/contacts/batch/create";
        assert_eq!([0; 4].map(|_| strike("POST", create)), [false, true, true, false]);
    }
}
