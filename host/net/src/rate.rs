//! The gate that every request of an account passes: who may send is decided by `syncline_core::CallBudget`, here is waited.
//!
//! Invariant: connections of one account pass one gate, so that its budgets are kept by all of them together (E7).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use syncline_core::{CallBudget, CallWindow, Caller, Counted, MaySend};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::SendError;
use crate::outlet::Limits;
use crate::scope::RateScope;

/// A longer wait is not held: the caller gives its place up and comes back.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

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

/// Headers in which a server says how a limit on all requests stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageHeaders {
    /// Which limit.
    pub per_ms: u64,
    /// How many requests it lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How many of them are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// The user has set the limit: the server may lower it and not raise it.
    #[serde(skip)]
    pub is_capped: bool,
}

/// What an account has used of its budget, to be kept across a restart.
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
    /// Which limit, as it was set.
    pub limit: RateLimit,
    /// How many requests it lets through by what the server said.
    pub calls: u32,
    /// What it has counted.
    pub counted: Counted,
}

/// One account's gate.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    answered: Notify,
    opened: Instant,
    opened_ms: i64,
}

#[derive(Debug)]
struct State {
    budget: CallBudget,
    /// As they were set, one for each window of the budget.
    limits: Vec<RateLimit>,
}

/// A request's place in the budget; giving it back starts the time after which the place is free.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    /// Which windows it counts in.
    counts_in: Vec<bool>,
}

/// A request that waits; dropping it ends the wait, also when the request is given up.
struct Waiting<'gate> {
    gate: &'gate Gate,
    caller: Caller,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Gate {
        let windows =
            limits.rates.iter().map(|rate| CallWindow::new(rate.calls, rate.per_ms, limits.share_percent)).collect();
        let at_once_max = u32::try_from(limits.at_once_max).unwrap_or(u32::MAX);
        let state = State { budget: CallBudget::new(windows, at_once_max), limits: limits.rates.clone() };
        Gate {
            state: Mutex::new(state),
            answered: Notify::new(),
            opened: Instant::now(),
            opened_ms: i64::try_from(unix_ms()).unwrap_or(0),
        }
    }

    /// Waits for a place for a request, at most `WAIT_MAX`; `path` is what follows the connection's base.
    pub(crate) async fn admit(self: &Arc<Gate>, method: &str, path: &str, caller: Caller) -> Result<Pass, SendError> {
        let deadline = Instant::now() + WAIT_MAX;
        let mut waiting = None;
        loop {
            let answered = self.answered.notified();
            let now = Instant::now();
            // Bound first: the lock must be free again before anything is awaited.
            let (counts_in, verdict) = self.take(method, path, caller);
            match verdict {
                MaySend::Send => return Ok(Pass { gate: Arc::clone(self), counts_in }),
                MaySend::At(moment) => {
                    let moment = self.instant(moment);
                    if moment > deadline {
                        let wait = moment.saturating_duration_since(now);
                        return Err(SendError::RetryLater { after_ms: wait.as_millis() as u64 + 1 });
                    }
                    waiting.get_or_insert_with(|| self.wait(caller));
                    sleep_until(moment).await;
                }
                MaySend::AfterAnother => {
                    waiting.get_or_insert_with(|| self.wait(caller));
                    let waited = timeout_at(deadline, answered).await;
                    waited.map_err(|_| SendError::RetryLater { after_ms: 1_000 })?;
                }
            }
        }
    }

    fn take(&self, method: &str, path: &str, caller: Caller) -> (Vec<bool>, MaySend) {
        let (now, mut state) = (self.now(), self.lock());
        let counts_in: Vec<bool> = state.limits.iter().map(|limit| limit.scope.covers(method, path)).collect();
        let verdict = state.budget.may_send(&counts_in, caller, now);
        if verdict == MaySend::Send {
            state.budget.send(&counts_in);
        }
        (counts_in, verdict)
    }

    fn wait(&self, caller: Caller) -> Waiting<'_> {
        self.lock().budget.wait(caller.lane);
        Waiting { gate: self, caller }
    }

    /// Lets nothing pass for `wait`, as a server asked.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = self.now().saturating_add_unsigned(wait.min(HOLD_MAX).as_millis() as u64);
        self.lock().budget.hold(until);
    }

    /// Goes by what an answer says of the limits on all requests.
    pub(crate) fn learn(&self, usage: &[UsageHeaders], headers: &HeaderMap) {
        let number = |name: &Option<String>| headers.get(name.as_ref()?)?.to_str().ok()?.trim().parse::<u32>().ok();
        for usage in usage {
            let (limit, left) = (number(&usage.limit), number(&usage.left));
            let (now, mut state) = (self.now(), self.lock());
            let State { budget, limits } = &mut *state;
            let is_its = |limit: &RateLimit| limit.per_ms == usage.per_ms && limit.scope.is_all();
            let windows = budget.windows.iter_mut().zip(limits).filter(|(_, limit)| is_its(limit));
            for (window, set) in windows {
                let limit = limit.map(|limit| if usage.is_capped { limit.min(set.calls) } else { limit });
                // What is left of the server's own limit: of ours, if that is lower, it is less.
                let beyond = number(&usage.limit).map_or(0, |told| told.saturating_sub(limit.unwrap_or(told)));
                window.learn(limit, left.map(|left| left.saturating_sub(beyond)), now);
            }
        }
    }

    /// When the last of `calls` more requests that count in every limit on all could leave.
    pub(crate) fn last_of(&self, calls: u64, caller: Caller) -> Duration {
        let (now, state) = (self.now(), self.lock());
        let counts_in: Vec<bool> = state.limits.iter().map(|limit| limit.scope.is_all()).collect();
        let last = state.budget.last_of(calls, &counts_in, caller, now);
        Duration::from_millis(last.saturating_sub(now).max(0).unsigned_abs())
    }

    /// What is used up at this moment.
    pub(crate) fn spending(&self) -> BudgetState {
        let (now, state) = (self.now(), self.lock());
        let held_ms = state.budget.held_until(now).map_or(0, |until| until.saturating_sub(now).unsigned_abs());
        let windows = state.limits.iter().zip(&state.budget.windows);
        let windows = windows.map(|(limit, window)| Spending {
            limit: limit.clone(),
            calls: window.calls(),
            counted: window.counted(now),
        });
        BudgetState { at_ms: unix_ms(), held_ms, windows: windows.collect() }
    }

    /// Goes on from what an earlier process had used; a clock that was set back only makes this wait longer.
    ///
    /// What a server asked for is not waited for any more once somebody has changed the limits: they know of something
    /// that the answer of then did not, and the next answer says whether it is true.
    pub(crate) fn take_over(&self, before: &BudgetState) {
        let (now, mut state) = (self.now(), self.lock());
        let elapsed_ms = unix_ms().saturating_sub(before.at_ms);
        let held_ms = before.held_ms.min(HOLD_MAX.as_millis() as u64).saturating_sub(elapsed_ms);
        let limits_before: Vec<&RateLimit> = before.windows.iter().map(|spending| &spending.limit).collect();
        if held_ms > 0 && limits_before == state.limits.iter().collect::<Vec<_>>() {
            state.budget.hold(now.saturating_add_unsigned(held_ms));
        }
        let State { budget, limits } = &mut *state;
        for (window, limit) in budget.windows.iter_mut().zip(limits) {
            let is_its =
                |spending: &&Spending| (spending.limit.per_ms, &spending.limit.scope) == (limit.per_ms, &limit.scope);
            if let Some(spending) = before.windows.iter().find(is_its) {
                // What the server said of a limit counts until somebody sets another one.
                window.learn(Some(spending.calls).filter(|_| spending.limit == *limit), None, now);
                window.take_over(&spending.counted, elapsed_ms, now);
            }
        }
    }

    /// Takes in the budget of another gate of the same account: what it has used, and its limits where they are lower.
    pub(crate) fn take_in(&self, other: &Gate) {
        let (theirs, at_once_max) = (other.spending(), other.lock().budget.at_once_max());
        let mut state = self.lock();
        state.budget.narrow(at_once_max);
        let State { budget, limits } = &mut *state;
        for Spending { limit, .. } in &theirs.windows {
            let ours = limits.iter().position(|own| (own.per_ms, &own.scope) == (limit.per_ms, &limit.scope));
            if let Some(place) = ours {
                limits[place].calls = limits[place].calls.min(limit.calls);
                budget.windows[place].narrow(limit.calls);
            }
        }
        drop(state);
        self.take_over(&theirs);
        self.hold(Duration::from_millis(theirs.held_ms));
    }

    /// Milliseconds since 1970 that do not go back.
    fn now(&self) -> i64 {
        let since = i64::try_from(self.opened.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.opened_ms.saturating_add(since)
    }

    fn instant(&self, moment: i64) -> Instant {
        self.opened + Duration::from_millis(moment.saturating_sub(self.opened_ms).max(0).unsigned_abs())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is numbers that are changed in one go; a panic elsewhere leaves them usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.lock().budget.answer(&self.counts_in, self.gate.now());
        self.gate.answered.notify_waiters();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.lock().budget.waited(self.caller.lane);
        self.gate.answered.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
