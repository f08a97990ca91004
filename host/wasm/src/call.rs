//! One call of a plugin: what it may use, what it has used, and how it ended.
//!
//! Invariant: a call has a store of its own, dropped at its end. Dropping a call's future at any moment is safe.
//! Invariant: time is counted only while the plugin runs. The engine's clock calls back into running code alone, and the
//! first callback after a wait for the host only says that the wait was longer than a tick.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use syncline_core::{Caller, Instant, Lane};
use syncline_net::{Errand, Outlet};
use syncline_runner::Fault;
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::limits::{Breach, Limits};
use crate::logging::GuestLog;
use crate::runtime::TICK_MS;
use crate::text::printable;

/// Handles to resources, of which our interfaces have none.
const HANDLES_MAX: usize = 1_000;
/// A JavaScript component holds a dozen core instances.
pub(crate) const INSTANCES_MAX: usize = 200;
const MEMORIES_MAX: usize = 8;
const TABLES_MAX: usize = 64;

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Who calls: what the host's functions answer from.
pub(crate) struct Scene {
    /// The connection, or whatever else people know the caller by.
    pub(crate) name: String,
    pub(crate) settings_json: String,
    pub(crate) outlet: Option<Outlet>,
    pub(crate) clock: Clock,
    pub(crate) urgency: Urgency,
}

/// How urgent the calls of one connector are (E7).
#[derive(Default)]
pub(crate) struct Urgency {
    pub(crate) lane: Lane,
    /// Everything is read anew: as long as the connector lives, nothing of what it does is urgent.
    pub(crate) is_backfill: AtomicBool,
    /// The last call failed in a way that makes the next one a retry.
    pub(crate) has_failed: AtomicBool,
}

impl Urgency {
    fn caller(&self) -> Caller {
        let lane = if self.is_backfill.load(Ordering::Relaxed) { Lane::Backfill } else { self.lane };
        Caller { lane, is_retry: self.has_failed.load(Ordering::Relaxed) }
    }
}

impl Scene {
    /// Takes the connection's secrets out of a text for people, and whatever could steer a terminal.
    pub(crate) fn cleaned(&self, text: &str) -> String {
        match &self.outlet {
            Some(outlet) => printable(&outlet.redactor().short(text)),
            None => printable(text),
        }
    }
}

/// What the host knows during one call.
pub(crate) struct CallState {
    pub(crate) scene: Arc<Scene>,
    pub(crate) errand: Option<Arc<Errand>>,
    pub(crate) meter: Meter,
    pub(crate) log: GuestLog,
}

/// What a call has used.
pub(crate) struct Meter {
    limits: Limits,
    memory_bytes: usize,
    table_elements: usize,
    ticks: u32,
    waited: bool,
    http_calls: u32,
    http_refusals: u32,
    /// The limit that was hit last; a plugin that is refused memory only says `unreachable`.
    breach: Option<Breach>,
}

impl Meter {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            table_elements: 0,
            ticks: 0,
            waited: false,
            http_calls: 0,
            http_refusals: 0,
            breach: None,
        }
    }

    /// Notes that the plugin waited for the host, which is not its own time.
    pub(crate) fn waited(&mut self) {
        self.waited = true;
    }

    /// Counts `asked` requests and says how many of them may leave; one that never stops asking is stopped.
    pub(crate) fn admit_requests(&mut self, asked: usize) -> wasmtime::Result<usize> {
        let asked = u32::try_from(asked).unwrap_or(u32::MAX);
        let admitted = asked.min(self.limits.http_calls - self.http_calls);
        self.http_calls += admitted;
        self.http_refusals = self.http_refusals.saturating_add(asked - admitted);
        if self.http_refusals > self.limits.http_calls.max(16) {
            self.breach = Some(Breach::HttpCalls);
            return Err(wasmtime::Error::msg("too many requests"));
        }
        Ok(admitted as usize)
    }

    fn tick(&mut self) -> UpdateDeadline {
        if !std::mem::take(&mut self.waited) {
            self.ticks += 1;
        }
        if self.ticks.saturating_mul(TICK_MS) > self.limits.cpu_ms {
            self.breach = Some(Breach::Cpu);
            return UpdateDeadline::Interrupt;
        }
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory_bytes() {
            self.breach = Some(Breach::Memory(total));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements as usize {
            self.breach = Some(Breach::Table(total));
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// How a call ended that brought no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    /// It counts towards the three that disable a plugin (E8.1).
    pub(crate) trapped: bool,
}

/// One call under way.
pub(crate) struct Call {
    pub(crate) store: Store<CallState>,
    pub(crate) errand: Option<Arc<Errand>>,
    limits: Limits,
}

impl Call {
    pub(crate) fn new(engine: &Engine, limits: Limits, scene: Arc<Scene>) -> Call {
        let errand = scene.outlet.as_ref().map(|outlet| Arc::new(outlet.errand(scene.urgency.caller())));
        let log = GuestLog::new(limits.log_bytes());
        let state = CallState { scene, errand: errand.clone(), meter: Meter::new(limits), log };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(limits.answer_bytes());
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        store
            .epoch_deadline_callback(|mut context: StoreContextMut<'_, CallState>| Ok(context.data_mut().meter.tick()));
        Call { store, errand, limits }
    }

    /// Returns what watches over the call while `store` is lent out.
    pub(crate) fn watch(&self) -> Watch {
        Watch { errand: self.errand.clone(), wall: Duration::from_millis(self.limits.wall_ms.into()) }
    }

    /// Ends the call: its answer, or why there is none.
    pub(crate) fn end<T>(self, ended: Ended<T>) -> Result<T, Failure> {
        let state = self.store.data();
        state.log.close(&state.scene.name);
        match ended {
            Ended::Returned(Ok(answer)) => Ok(answer),
            Ended::Returned(Err(error)) => Err(Failure { fault: self.diagnose(&error), trapped: true }),
            Ended::Panicked => {
                let text = "the host itself failed in this call; please report it".to_owned();
                Err(Failure { fault: Fault::Component(text), trapped: true })
            }
            // Slow servers are no fault of the plugin, and one that loops is stopped by its computing time.
            Ended::TimedOut => {
                Err(Failure { fault: Fault::Component(Breach::Wall.text(&self.limits, &state.scene)), trapped: false })
            }
        }
    }

    fn diagnose(&self, error: &wasmtime::Error) -> Fault {
        let state = self.store.data();
        let trap = error.downcast_ref::<Trap>().copied();
        let text = match (trap, state.meter.breach) {
            (Some(Trap::StackOverflow), _) => {
                "it recursed too deeply and was stopped; this is a mistake in the plugin".to_owned()
            }
            (_, Some(breach)) => breach.text(&self.limits, &state.scene),
            (Some(trap), None) => match state.log.last_error(&state.scene) {
                Some(line) => format!("it crashed: {line}"),
                None => format!("it crashed ({trap})"),
            },
            (None, None) if is_too_much(error) => Breach::Answer.text(&self.limits, &state.scene),
            (None, None) => format!("it returned nonsense: {}", state.scene.cleaned(&error.root_cause().to_string())),
        };
        Fault::Component(text)
    }
}

/// Wasmtime's error for this has no public type.
fn is_too_much(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("too much data is being copied")
}

/// How the future of a call ended.
pub(crate) enum Ended<T> {
    Returned(wasmtime::Result<T>),
    Panicked,
    TimedOut,
}

/// Watches over the time of one call.
pub(crate) struct Watch {
    errand: Option<Arc<Errand>>,
    wall: Duration,
}

impl Watch {
    /// Runs `call` to its end, or drops it when its time is over.
    pub(crate) async fn over<T>(self, call: impl Future<Output = wasmtime::Result<T>>) -> Ended<T> {
        let mut call = std::pin::pin!(AssertUnwindSafe(call).catch_unwind());
        let started = tokio::time::Instant::now();
        loop {
            // Waits for the connection's budget move the end.
            let deadline = started + self.wall + self.budget_waits();
            match tokio::time::timeout_at(deadline, &mut call).await {
                Ok(Ok(returned)) => return Ended::Returned(returned),
                Ok(Err(_)) => return Ended::Panicked,
                Err(_) if started + self.wall + self.budget_waits() > tokio::time::Instant::now() => {}
                Err(_) => return Ended::TimedOut,
            }
        }
    }

    fn budget_waits(&self) -> Duration {
        self.errand.as_ref().map_or(Duration::ZERO, |errand| errand.waited())
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::ResourceLimiter;

    use super::{Breach, Meter};
    use crate::limits::Limits;

    #[test]
    fn tables_and_memories_count_together() {
        let mut meter = Meter::new(Limits { table_elements: 100, memory_mib: 1, ..Limits::default() });
        for (current, desired, grows) in [(0, 60, true), (0, 41, false), (0, 30, true), (60, 70, true), (30, 31, false)]
        {
            assert_eq!(meter.table_growing(current, desired, None).expect("an answer"), grows, "{current} {desired}");
        }
        assert_eq!(meter.breach, Some(Breach::Table(101)));
        for (current, desired, grows) in [(0, 600_000, true), (0, 600_000, false), (600_000, 700_000, true)] {
            assert_eq!(meter.memory_growing(current, desired, None).expect("an answer"), grows, "{current} {desired}");
        }
    }
}
