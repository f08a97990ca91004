//! A connection's request budget: so many calls per so many milliseconds, so many at once, and none before the server says so.
//!
//! Invariant: in no window of `per_ms` does the server see more than `calls` requests. A call counts from before it is
//! sent until `per_ms` after its answer, so that delays on the way cannot press two windows into one.
//! A bucket that refills steadily would not do: it lets through up to twice the number in one window.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::SendError;
use crate::scope::RateScope;

/// A longer wait is not held: the caller gives its place up and comes back.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

/// Answers are remembered in this many steps of a window, each counted as if it came at the step's end.
const STEPS_PER_WINDOW: u32 = 256;

/// No server keeps us away longer than this, whatever it says.
const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);

/// At most `calls` requests in any `per_ms` milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many.
    pub calls: u32,
    /// In how long.
    pub per_ms: u64,
    /// Which requests count; all of them when not said.
    #[serde(default, skip_serializing_if = "RateScope::is_all")]
    pub scope: RateScope,
}

impl RateLimit {
    /// A limit that counts every request.
    pub fn new(calls: u32, per_ms: u64) -> RateLimit {
        RateLimit { calls, per_ms, scope: RateScope::default() }
    }
}

/// One connection's gate; every request passes it.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    at_once: Semaphore,
    answered: Notify,
}

#[derive(Debug)]
struct State {
    windows: Vec<Window>,
    held_until: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    limit: RateLimit,
    running: u32,
    answered: u32,
    steps: VecDeque<Step>,
}

#[derive(Debug)]
struct Step {
    first: Instant,
    frees_at: Instant,
    calls: u32,
}

/// What a connection has used of its budget, to be kept across a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BudgetState {
    /// When this was true, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long a server wants to be left alone.
    pub held_ms: u64,
    /// One entry for each rate limit.
    pub windows: Vec<Spending>,
}

/// What one rate limit has counted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spending {
    /// Which limit.
    pub per_ms: u64,
    /// Which requests it counts.
    #[serde(default, skip_serializing_if = "RateScope::is_all")]
    pub scope: RateScope,
    /// After how many milliseconds how many calls are free again, earliest first.
    pub spent: Vec<(u64, u32)>,
}

enum Wait {
    None,
    Until(Instant),
    ForAnAnswer,
}

/// A request's place in the budget; giving it back starts the time after which the place is free.
#[derive(Debug)]
pub(crate) struct Pass<'gate> {
    gate: &'gate Gate,
    /// Which windows it counts in.
    counted: Vec<bool>,
    _at_once: SemaphorePermit<'gate>,
}

impl Gate {
    pub(crate) fn new(limits: &[RateLimit], at_once_max: usize) -> Gate {
        let windows = limits
            .iter()
            .map(|limit| Window { limit: limit.clone(), running: 0, answered: 0, steps: VecDeque::new() })
            .collect();
        Gate {
            state: Mutex::new(State { windows, held_until: None }),
            at_once: Semaphore::new(at_once_max),
            answered: Notify::new(),
        }
    }

    /// Waits for a place for a request, at most `WAIT_MAX`; `path` is what follows the connection's base.
    pub(crate) async fn admit(&self, method: &str, path: &str) -> Result<Pass<'_>, SendError> {
        let counted: Vec<bool> =
            self.lock().windows.iter().map(|window| window.limit.scope.covers(method, path)).collect();
        let deadline = Instant::now() + WAIT_MAX;
        let at_once = timeout_at(deadline, self.at_once.acquire()).await;
        let at_once = at_once.map_err(|_| SendError::RetryLater { after_ms: 1_000 })?;
        let at_once = at_once.expect("the gate's semaphore is never closed");
        loop {
            let answered = self.answered.notified();
            let now = Instant::now();
            // Bound first: the lock must be free again before anything is awaited.
            let wait = self.lock().take(&counted, now);
            match wait {
                Wait::None => return Ok(Pass { gate: self, counted, _at_once: at_once }),
                Wait::Until(moment) if moment > deadline => {
                    let wait = moment.saturating_duration_since(now);
                    return Err(SendError::RetryLater { after_ms: wait.as_millis() as u64 + 1 });
                }
                Wait::Until(moment) => sleep_until(moment).await,
                Wait::ForAnAnswer => {
                    let waited = timeout_at(deadline, answered).await;
                    waited.map_err(|_| SendError::RetryLater { after_ms: 1_000 })?;
                }
            }
        }
    }

    /// Lets nothing pass for `wait`, as a server asked.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait.min(HOLD_MAX);
        let mut state = self.lock();
        state.held_until = Some(state.held_until.map_or(until, |held| held.max(until)));
    }

    /// What is used up at this moment.
    pub(crate) fn spending(&self) -> BudgetState {
        let (state, now) = (self.lock(), Instant::now());
        let held_ms = state.held_until.map_or(0, |until| until.saturating_duration_since(now).as_millis() as u64);
        let windows = state.windows.iter().map(|window| window.spending(now)).collect();
        BudgetState { at_ms: unix_ms(), held_ms, windows }
    }

    /// Goes on from what an earlier process had used; a clock that was set back only makes this wait longer.
    pub(crate) fn take_over(&self, before: &BudgetState) {
        let (mut state, now) = (self.lock(), Instant::now());
        let elapsed_ms = unix_ms().saturating_sub(before.at_ms);
        let held_ms = before.held_ms.min(HOLD_MAX.as_millis() as u64).saturating_sub(elapsed_ms);
        state.held_until = (held_ms > 0).then(|| now + Duration::from_millis(held_ms));
        for window in &mut state.windows {
            let is_its =
                |spending: &&Spending| (spending.per_ms, &spending.scope) == (window.limit.per_ms, &window.limit.scope);
            if let Some(spending) = before.windows.iter().find(is_its) {
                window.take_over(spending, elapsed_ms, now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is numbers that are changed in one go; a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.lock().give_back(&self.counted, Instant::now());
        self.gate.answered.notify_waiters();
    }
}

impl State {
    fn take(&mut self, counted: &[bool], now: Instant) -> Wait {
        let held = self.held_until.filter(|&until| until > now);
        self.held_until = held;
        let mut earliest = held;
        for window in self.counting(counted) {
            match window.wait(now) {
                Wait::None => {}
                Wait::Until(moment) => earliest = Some(earliest.map_or(moment, |other| other.max(moment))),
                Wait::ForAnAnswer => return Wait::ForAnAnswer,
            }
        }
        if let Some(moment) = earliest {
            return Wait::Until(moment);
        }
        self.counting(counted).for_each(|window| window.running += 1);
        Wait::None
    }

    fn give_back(&mut self, counted: &[bool], now: Instant) {
        self.counting(counted).for_each(|window| window.answer(now));
    }

    fn counting(&mut self, counted: &[bool]) -> impl Iterator<Item = &mut Window> {
        self.windows.iter_mut().zip(counted).filter(|(_, counted)| **counted).map(|(window, _)| window)
    }
}

impl Window {
    fn per(&self) -> Duration {
        Duration::from_millis(self.limit.per_ms)
    }

    fn wait(&mut self, now: Instant) -> Wait {
        while let Some(step) = self.steps.pop_front_if(|step| step.frees_at <= now) {
            self.answered -= step.calls;
        }
        if self.running + self.answered < self.limit.calls {
            return Wait::None;
        }
        match self.steps.front() {
            Some(step) => Wait::Until(step.frees_at),
            None => Wait::ForAnAnswer,
        }
    }

    fn answer(&mut self, now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.answered += 1;
        let frees_at = now + self.per();
        let step_length = self.per() / STEPS_PER_WINDOW;
        match self.steps.back_mut() {
            Some(step) if now.saturating_duration_since(step.first) < step_length => {
                step.frees_at = frees_at;
                step.calls += 1;
            }
            _ => self.steps.push_back(Step { first: now, frees_at, calls: 1 }),
        }
    }

    fn spending(&self, now: Instant) -> Spending {
        let left_ms = |moment: Instant| moment.saturating_duration_since(now).as_millis() as u64;
        let mut spent: Vec<(u64, u32)> = self.steps.iter().map(|step| (left_ms(step.frees_at), step.calls)).collect();
        if self.running > 0 {
            // Whether they will have been answered nobody knows; at the latest they count from now.
            spent.push((self.limit.per_ms, self.running));
        }
        Spending { per_ms: self.limit.per_ms, scope: self.limit.scope.clone(), spent }
    }

    fn take_over(&mut self, spending: &Spending, elapsed_ms: u64, now: Instant) {
        for &(left_ms, calls) in &spending.spent {
            let left_ms = left_ms.min(self.limit.per_ms).saturating_sub(elapsed_ms);
            self.steps.push_back(Step { first: now, frees_at: now + Duration::from_millis(left_ms), calls });
            self.answered = self.answered.saturating_add(calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, RateLimit};
    use crate::error::SendError;
    use crate::scope::RateScope;
    use std::time::Duration;
    use tokio::time::{Instant, advance};

    #[tokio::test(start_paused = true)]
    async fn no_window_ever_holds_more_than_its_calls() {
        let gate = Gate::new(&[RateLimit::new(3, 10_000)], 8);
        let start = Instant::now();
        let mut sent = Vec::new();
        for _ in 0..9 {
            let pass = gate.admit("GET", "/").await.expect("a wait within the limit");
            sent.push(start.elapsed().as_secs());
            advance(Duration::from_secs(1)).await;
            drop(pass);
        }
        assert_eq!(sent, [0, 1, 2, 11, 12, 13, 22, 23, 24]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_narrowest_of_two_limits_counts_and_a_long_wait_is_given_back() {
        let limits = [RateLimit::new(2, 1_000), RateLimit::new(4, 86_400_000)];
        let gate = Gate::new(&limits, 8);
        let start = Instant::now();
        for _ in 0..4 {
            gate.admit("GET", "/").await.expect("a wait within the limit");
        }
        assert_eq!(start.elapsed().as_secs(), 1);
        let refused = gate.admit("GET", "/").await.expect_err("a day is too long to wait");
        assert!(matches!(refused, SendError::RetryLater { after_ms } if after_ms > 86_000_000), "{refused:?}");
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_connection_waits_as_long_as_the_server_said() {
        let gate = Gate::new(&[], 8);
        let start = Instant::now();
        gate.hold(Duration::from_secs(7));
        gate.hold(Duration::from_secs(2));
        gate.admit("GET", "/").await.expect("a wait within the limit");
        assert_eq!(start.elapsed().as_secs(), 7);
        gate.hold(Duration::from_secs(31));
        let refused = gate.admit("GET", "/").await.expect_err("31 s are too long to wait");
        assert!(matches!(refused, SendError::RetryLater { after_ms: 31_000..=31_001 }), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_window_of_running_calls_waits_for_an_answer() {
        let gate = Gate::new(&[RateLimit::new(1, 1_000)], 8);
        let start = Instant::now();
        let first = gate.admit("GET", "/").await.expect("a free place");
        let (second, ()) = tokio::join!(gate.admit("GET", "/"), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(first);
        });
        second.expect("a place after the answer");
        assert_eq!(start.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_place_ends() {
        let gate = Gate::new(&[], 1);
        let start = Instant::now();
        let first = gate.admit("GET", "/").await.expect("a free place");
        let refused = gate.admit("GET", "/").await.expect_err("the place is not given back");
        assert!(matches!(refused, SendError::RetryLater { after_ms: 1_000 }), "{refused:?}");
        assert_eq!(start.elapsed(), super::WAIT_MAX);
        drop(first);
        gate.admit("GET", "/").await.expect("a free place");
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_gives_no_budget_back() {
        let limits = [RateLimit::new(3, 86_400_000)];
        let before = Gate::new(&limits, 8);
        drop(before.admit("GET", "/").await.expect("a free place"));
        let _running = before.admit("GET", "/").await.expect("a free place");
        before.hold(Duration::from_secs(9));
        let after = Gate::new(&limits, 8);
        after.take_over(&before.spending());
        let start = Instant::now();
        after.admit("GET", "/").await.expect("one place is left");
        assert!((8..=9).contains(&start.elapsed().as_secs()), "{:?}", before.spending());
        let refused = after.admit("GET", "/").await.expect_err("the day's calls are used up");
        assert!(matches!(refused, SendError::RetryLater { after_ms: 86_000_000.. }), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_on_searches_counts_searches_alone_and_stays_over_a_restart() {
        let mut searches = RateLimit::new(2, 86_400_000);
        searches.scope = RateScope::new(Some("POST"), Some("/objects/*/search"));
        let limits = [searches, RateLimit::new(100, 86_400_000)];
        let mut gate = Gate::new(&limits, 8);
        gate.admit("POST", "/objects/contacts/search").await.expect("a free place");
        for (method, path) in [("GET", "/objects/contacts/search"), ("POST", "/objects/contacts"), ("POST", "/search")]
        {
            gate.admit(method, path).await.expect("no search");
        }
        gate.admit("POST", "/objects/contacts/search").await.expect("a free place");
        for _ in 0..2 {
            let refused = gate.admit("POST", "/objects/contacts/search").await.expect_err("two were made");
            assert!(matches!(refused, SendError::RetryLater { after_ms: 86_000_000.. }), "{refused:?}");
            gate.admit("GET", "/objects/contacts").await.expect("no search");
            let before = gate.spending();
            gate = Gate::new(&limits, 8);
            gate.take_over(&before);
        }
    }
}
