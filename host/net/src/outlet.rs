//! One connection's way out, and one plugin call's share of it.
//!
//! Invariant: connections of one account share its budget once that is known (`Outlet::share`).
//! Invariant: the HTTP client and its pool belong to one connection, so that no two accounts share a socket.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rustls::ClientConfig;
use syncline_core::{Caller, SHARE_PERCENT};
use tokio::time::Instant;
use url::Url;

use crate::USER_AGENT;
use crate::counters::{Counters, CountersSnapshot};
use crate::credential::Credential;
use crate::digest::Sessions;
use crate::error::{NetError, SendError};
use crate::grant::Grant;
use crate::rate::{BudgetState, Gate, RateLimit, UsageHeaders};
use crate::redact::Redactor;
use crate::request::{HEADER_BYTES_MAX, HEADERS_MAX, Request};
use crate::resolve::CheckedResolver;
use crate::response::{Allowance, Response};
use crate::target;

/// What a connection may use up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Of one answer, decompressed.
    pub response_bytes_max: u64,
    /// Of all answers of one call of a plugin together; four times `response_bytes_max` when not said.
    pub errand_bytes_max: Option<u64>,
    /// From the first packet to a connection that can be used.
    pub connect_timeout_ms: u64,
    /// One request with its redirects and repeats, without waiting for the budget.
    pub total_timeout_ms: u64,
    /// Requests that one call of a plugin may make.
    pub calls_per_errand_max: u32,
    /// Requests of the connection that are under way at one time.
    pub at_once_max: usize,
    /// The vendor's budgets; every one is kept.
    pub rates: Vec<RateLimit>,
    /// How much of a budget of an hour or longer is used.
    pub share_percent: u32,
    /// Where the server says how its budgets stand.
    pub usage: Vec<UsageHeaders>,
}

/// Answers of one call of a plugin, in answers of full size.
const ANSWERS_PER_ERRAND: u64 = 4;

impl Limits {
    fn errand_bytes_max(&self) -> u64 {
        self.errand_bytes_max.unwrap_or(self.response_bytes_max.saturating_mul(ANSWERS_PER_ERRAND))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            response_bytes_max: 16 * 1024 * 1024,
            errand_bytes_max: None,
            connect_timeout_ms: 10_000,
            total_timeout_ms: 60_000,
            calls_per_errand_max: 256,
            at_once_max: 8,
            rates: Vec::new(),
            share_percent: SHARE_PERCENT,
            usage: Vec::new(),
        }
    }
}

/// Everything that makes one connection's way out.
#[derive(Debug, Clone)]
pub struct OutletConfig {
    /// The connection's name, for people and the audit.
    pub connection: String,
    /// What a path is resolved against.
    pub base_url: Url,
    /// What was agreed to.
    pub grants: Vec<Grant>,
    /// Whether the user's own machine and network may be reached.
    pub allow_private_network: bool,
    /// What the host adds.
    pub credential: Credential,
    /// Where the credential may go; usually the same as `grants`, never more.
    pub credential_grants: Vec<Grant>,
    /// Secrets that this connection's answers must not show either, such as a refresh token.
    pub other_secrets: Vec<crate::secret::Secret>,
    /// Certificates trusted beside the system's.
    pub extra_roots_pem: Option<String>,
    /// What it may use up.
    pub limits: Limits,
}

impl OutletConfig {
    /// A connection that may reach exactly the origin of `base_url`, with nothing to sign with.
    pub fn new(connection: impl Into<String>, base_url: Url) -> Result<OutletConfig, NetError> {
        let connection = connection.into();
        let grant =
            Grant::for_url(&base_url).map_err(|source| NetError::Grant { connection: connection.clone(), source })?;
        Ok(OutletConfig {
            connection,
            base_url,
            grants: vec![grant.clone()],
            allow_private_network: false,
            credential: Credential::None,
            credential_grants: vec![grant],
            other_secrets: Vec::new(),
            extra_roots_pem: None,
            limits: Limits::default(),
        })
    }
}

/// One connection's way out; clones share the budget, the pool and the counters.
#[derive(Debug, Clone)]
pub struct Outlet(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: OutletConfig,
    pub(crate) client: reqwest::Client,
    /// Connects inside the private network alone, and carries credentials in clear text there.
    pub(crate) private_client: reqwest::Client,
    /// Another one's, once both are known to reach the same account.
    gate: RwLock<Arc<Gate>>,
    pub(crate) redactor: Redactor,
    pub(crate) digests: Sessions,
    pub(crate) counters: Counters,
}

impl Outlet {
    pub(crate) fn open(config: OutletConfig, tls: ClientConfig, resolver: CheckedResolver) -> Result<Outlet, NetError> {
        check(&config).map_err(|reason| NetError::Setting { connection: config.connection.clone(), reason })?;
        let private = CheckedResolver { private_only: true, ..resolver.clone() };
        let private_client = client(&config.limits, tls.clone(), private)?;
        let client = client(&config.limits, tls, resolver)?;
        let gate = Gate::new(&config.limits);
        Ok(Outlet(Arc::new(Inner {
            gate: RwLock::new(Arc::new(gate)),
            redactor: Redactor::new(&config.credential, &config.other_secrets),
            counters: Counters::default(),
            digests: Sessions::default(),
            client,
            private_client,
            config,
        })))
    }

    /// Sends one request of the host's own, without a plugin call's limits.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.errand_of(u32::MAX, u64::MAX, Caller::default()).send(request).await
    }

    /// Sends requests of the host's own side by side.
    pub async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, SendError>> {
        self.errand_of(u32::MAX, u64::MAX, Caller::default()).send_all(requests).await
    }

    /// The requests that one call of a plugin may make, for `caller`.
    pub fn errand(&self, caller: Caller) -> Errand {
        let limits = &self.0.config.limits;
        self.errand_of(limits.calls_per_errand_max, limits.errand_bytes_max(), caller)
    }

    /// What was sent and received so far.
    pub fn counters(&self) -> CountersSnapshot {
        self.0.counters.snapshot()
    }

    /// Sends nothing for `wait_ms`: the vendor asked for it in words that only its plugin reads.
    ///
    /// It is part of the budget, so that the next process waits too.
    pub fn hold(&self, wait_ms: u64) {
        self.0.gate().hold(Duration::from_millis(wait_ms));
    }

    /// Goes by the budget of `other` from now on, which takes in what this one has used: both reach one account.
    pub fn share(&self, other: &Outlet) {
        let theirs = other.0.gate();
        let mut ours = self.0.gate.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&ours, &theirs) {
            theirs.take_in(&ours);
            *ours = theirs;
        }
    }

    /// Goes on from what an earlier process had used up.
    pub fn take_over(&self, spent: &BudgetState) {
        self.0.gate().take_over(spent);
    }

    /// When the last of `calls` more requests for `caller` could leave if each were answered at once, from now.
    pub fn last_of(&self, calls: u64, caller: Caller) -> Duration {
        self.0.gate().last_of(calls, caller)
    }

    /// What is used of the budget, to be kept and given back with `take_over` after a restart.
    pub fn budget(&self) -> BudgetState {
        self.0.gate().spending()
    }

    /// Takes this connection's secrets out of other texts: a plugin's log lines, its errors.
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    fn errand_of(&self, calls_max: u32, bytes_max: u64, caller: Caller) -> Errand {
        Errand {
            caller,
            refused_ms: AtomicU64::new(0),
            outlet: self.clone(),
            calls_left: AtomicU32::new(calls_max),
            allowance: Allowance::new(bytes_max),
            waits: Waits::default(),
        }
    }
}

/// What one call of a plugin sends.
///
/// Invariant: all its answers together are no larger than the limit, however many are awaited side by side.
#[derive(Debug)]
pub struct Errand {
    pub(crate) outlet: Outlet,
    calls_left: AtomicU32,
    pub(crate) allowance: Allowance,
    pub(crate) waits: Waits,
    pub(crate) caller: Caller,
    /// The longest wait with which the budget refused a request.
    refused_ms: AtomicU64,
}

impl Inner {
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Errand {
    /// Sends one request and reads its answer.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        let left = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| SendError::RetryLater { after_ms: 0 })?;
        let sent = self.deliver(request).await;
        if let Err(SendError::RetryLater { after_ms }) = &sent {
            self.refused_ms.fetch_max(*after_ms, Ordering::Relaxed);
        }
        sent
    }

    /// True if the budget refused a request.
    pub fn was_refused(&self) -> bool {
        self.refused_ms.load(Ordering::Relaxed) > 0
    }

    /// Leaves the server alone for `wait_ms`, which the plugin says that it asked for.
    ///
    /// A plugin that passes on what our own budget said asks for nothing more: a hold of its own would outlive a change
    /// of the budget.
    pub fn hold(&self, wait_ms: u64) {
        if wait_ms > self.refused_ms.load(Ordering::Relaxed) {
            self.outlet.hold(wait_ms);
        }
    }

    /// Sends requests side by side; the answers come in the order of the requests.
    pub async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, SendError>> {
        let at_once_max = self.outlet.0.config.limits.at_once_max;
        let sent = stream::iter(requests.into_iter().enumerate());
        let sent = sent.map(|(place, request)| async move { (place, self.send(request).await) });
        let mut answers: Vec<_> = sent.buffer_unordered(at_once_max).collect().await;
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// How long this call has waited for a budget so far; not the plugin's own time.
    pub fn waited(&self) -> Duration {
        self.waits.total()
    }
}

/// The time in which at least one request waited for the budget.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<WaitsState>);

#[derive(Debug, Default)]
struct WaitsState {
    waiting: u32,
    since: Option<Instant>,
    before: Duration,
}

/// A wait under way; dropping it ends it, also when the plugin's call is given up.
pub(crate) struct Waiting<'waits>(&'waits Waits);

impl Waits {
    pub(crate) fn begin(&self) -> Waiting<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    fn total(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.before + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if state.waiting == 0
            && let Some(since) = state.since.take()
        {
            state.before += since.elapsed();
        }
    }
}

fn client(limits: &Limits, tls: ClientConfig, resolver: CheckedResolver) -> Result<reqwest::Client, NetError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(Duration::from_millis(limits.connect_timeout_ms))
        .pool_max_idle_per_host(limits.at_once_max)
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX as u32)
        .build()
        .map_err(|error| NetError::Client(error.without_url().to_string()))
}

fn check(config: &OutletConfig) -> Result<(), String> {
    target::parse_absolute(config.base_url.as_str())
        .map_err(|error| format!("the base url cannot be used: {error}"))?;
    if let Some(fault) = config.credential.fault() {
        return Err(format!("the credential cannot be used: {fault}"));
    }
    if config.limits.at_once_max == 0 {
        return Err("at least one request must be allowed at a time".to_owned());
    }
    if config.limits.rates.iter().any(|rate| rate.calls == 0 || rate.per_ms == 0) {
        return Err("a rate limit must allow at least one call in at least one millisecond".to_owned());
    }
    if let Some(fault) = config.limits.rates.iter().find_map(|rate| rate.scope.fault()) {
        return Err(format!("a rate limit can match nothing: {fault}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Waits;
    use std::time::Duration;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn waits_side_by_side_count_once_and_show_while_they_last() {
        let waits = Waits::default();
        let first = waits.begin();
        advance(Duration::from_secs(1)).await;
        let second = waits.begin();
        advance(Duration::from_secs(1)).await;
        assert_eq!(waits.total().as_secs(), 2);
        drop(first);
        advance(Duration::from_secs(1)).await;
        drop(second);
        advance(Duration::from_secs(1)).await;
        assert_eq!(waits.total().as_secs(), 3);
    }
}
