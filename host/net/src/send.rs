//! One request from the plugin's words to the answer, in the order in which it is checked.
//!
//! Invariant: every hop of a redirect chain passes every check that the first request passed.
//! Invariant: once a request that is not safe was answered by a redirect, a failure behind it says "may have been carried out".

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use crate::address::{AddressClass, classify};
use crate::error::{NotSentCause, SendError};
use crate::outlet::{Errand, Inner};
use crate::redirect::{REDIRECTS_MAX, follow};
use crate::request::{self, Message, Request};
use crate::resolve::ResolveError;
use crate::response::{Answer, Response};
use crate::target::{self, Target};
use crate::tls;

/// Quick repeats of safe requests; the longer ones are the runner's.
const REPEATS_MAX: u32 = 2;
const REPEAT_WAIT_MS: u64 = 100;

/// Time spent on the network by one request of a plugin, over its repeats and redirects.
struct Clock {
    left: Duration,
    limit: Duration,
}

impl Errand {
    pub(crate) async fn deliver(&self, request: Request) -> Result<Response, SendError> {
        let redactor = &self.outlet.0.redactor;
        self.follow_to_the_end(request).await.map_err(|error| redacted(error, |text| redactor.short(text)))
    }

    async fn follow_to_the_end(&self, request: Request) -> Result<Response, SendError> {
        let inner = &*self.outlet.0;
        let config = &inner.config;
        let invalid = |error: target::TargetError| SendError::Invalid(error.to_string());
        let mut target = target::parse(&config.base_url, &request.url).map_err(invalid)?;
        let mut message = request::message(&request.method, &request.headers, request.body, &config.credential)?;
        let safe = message.is_safe();
        let mut signed = true;
        let mut clock = Clock::new(config.limits.total_timeout_ms, request.timeout_ms);
        for hops in 0..=REDIRECTS_MAX {
            let answer = self.exchange_with_repeats(&target, &message, signed, &mut clock).await;
            let answer = answer.map_err(|error| if hops == 0 { error } else { after_redirect(error, safe) })?;
            let Some(next) = follow(&target, &message, answer.status, &answer.headers) else {
                return Ok(answer.into_response(target.url().as_str(), request.answer_as_bytes, &inner.redactor));
            };
            let next = next.map_err(|reason| SendError::Denied { reason, after_redirect: true })?;
            // Once the origin has changed, even a way back carries no credential: the server in between chose the path.
            signed &= !next.foreign;
            (target, message) = (next.target, next.message);
        }
        let reason = format!("the server redirected more than {REDIRECTS_MAX} times");
        Err(SendError::Denied { reason, after_redirect: true })
    }

    async fn exchange_with_repeats(
        &self,
        target: &Target,
        message: &Message,
        signed: bool,
        clock: &mut Clock,
    ) -> Result<Answer, SendError> {
        let inner = &*self.outlet.0;
        inner.check_reachable(target)?;
        for repeats in 0.. {
            let answer = self.exchange(target, message, signed, clock).await;
            if repeats == REPEATS_MAX || !message.is_safe() || !is_worth_repeating(&answer) {
                return answer;
            }
            inner.counters.repeating();
            sleep(repeat_wait(repeats)).await;
        }
        unreachable!("the loop ends at the last repeat")
    }

    async fn exchange(
        &self,
        target: &Target,
        message: &Message,
        signed: bool,
        clock: &mut Clock,
    ) -> Result<Answer, SendError> {
        let inner = &*self.outlet.0;
        let pass = {
            let _waiting = self.waits.begin();
            inner.gate.admit().await?
        };
        let outgoing = inner.outgoing(target, message, signed)?;
        inner.counters.sending(message.body_bytes());
        let started = Instant::now();
        let answer = match timeout(clock.left, inner.round_trip(outgoing, target)).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::interrupted(format!("no complete answer within {} ms", clock.limit.as_millis()))),
        };
        let spent = started.elapsed();
        clock.left = clock.left.saturating_sub(spent);
        if let Some(wait) = answer.as_ref().ok().and_then(Answer::retry_after) {
            inner.gate.hold(wait);
        }
        drop(pass);
        inner.audit(target, message, &answer, spent);
        answer
    }
}

impl Clock {
    fn new(total_timeout_ms: u64, asked_ms: Option<u32>) -> Clock {
        // A timeout of zero would be no request at all; wasmCloud's host once fell over one.
        let limit = Duration::from_millis(
            asked_ms.map_or(total_timeout_ms, |asked| u64::from(asked.max(1)).min(total_timeout_ms)),
        );
        Clock { left: limit, limit }
    }
}

impl Inner {
    fn check_reachable(&self, target: &Target) -> Result<(), SendError> {
        let config = &self.config;
        if !config.grants.iter().any(|grant| grant.covers(target)) {
            let granted: Vec<String> = config.grants.iter().map(ToString::to_string).collect();
            let origin = target.url().origin().ascii_serialization();
            return Err(SendError::denied(format!(
                "`{origin}` was not granted to connection `{}`; granted: {}",
                config.connection,
                granted.join(", ")
            )));
        }
        // The client asks no resolver for a literal address, so it is judged here.
        match target.literal_address().map(classify) {
            Some(class) if !class.is_allowed(config.allow_private_network) => {
                Err(SendError::denied(format!("`{}` is {class}{}", target.host(), self.mend(class))))
            }
            _ => Ok(()),
        }
    }

    fn outgoing(&self, target: &Target, message: &Message, signed: bool) -> Result<reqwest::Request, SendError> {
        let mut url = target.url().clone();
        let mut headers = message.headers.clone();
        if signed && self.config.credential_grants.iter().any(|grant| grant.covers(target)) {
            self.check_confidential(target)?;
            self.config.credential.apply(&mut url, &mut headers).map_err(SendError::Credential)?;
        }
        let mut outgoing = reqwest::Request::new(message.method.clone(), url);
        *outgoing.headers_mut() = headers;
        *outgoing.body_mut() = message.body.clone().map(reqwest::Body::from);
        Ok(outgoing)
    }

    fn check_confidential(&self, target: &Target) -> Result<(), SendError> {
        use crate::credential::Credential;
        let config = &self.config;
        if target.url().scheme() == "https"
            || config.allow_private_network
            || matches!(config.credential, Credential::None)
        {
            return Ok(());
        }
        Err(SendError::Credential(format!(
            "it would go to `{}` over http, where anyone on the way can read it; use https, or set \
             `allow_private_network = true` for a local server",
            target.host()
        )))
    }

    async fn round_trip(&self, outgoing: reqwest::Request, target: &Target) -> Result<Answer, SendError> {
        let response = self.client.execute(outgoing).await.map_err(|error| self.failure(error, target))?;
        let answer = Answer::read(response, self.config.limits.response_bytes_max).await?;
        self.counters.received(answer.body.len());
        Ok(answer)
    }

    /// Says what `error` means: above all whether anything was sent.
    fn failure(&self, error: reqwest::Error, target: &Target) -> SendError {
        let host = target.host();
        let not_sent = |cause, reason| SendError::NotSent { cause, reason };
        let causes = Causes::of(&error);
        if let Some(error) = causes.resolve {
            return match error {
                ResolveError::Refused { class, .. } => SendError::denied(format!("{error}{}", self.mend(class))),
                ResolveError::NotFound { .. } => {
                    not_sent(NotSentCause::Name, format!("{error}; check the host, and this machine's network"))
                }
            };
        }
        if !error.is_connect() {
            let what = if error.is_timeout() {
                "the server did not answer in time"
            } else {
                "the connection broke before the answer came"
            };
            return SendError::interrupted(format!("`{host}`: {what}{}", causes.text()));
        }
        match causes.tls {
            Some(rustls::Error::InvalidCertificate(certificate)) => {
                not_sent(NotSentCause::Certificate, tls::certificate_text(host, &certificate))
            }
            Some(other) => not_sent(
                NotSentCause::Tls,
                format!("no secure connection to `{host}`: {other}; does it speak https on this port?"),
            ),
            None if error.is_timeout() => {
                let limit_ms = self.config.limits.connect_timeout_ms;
                not_sent(
                    NotSentCause::Connect,
                    format!("no connection to `{host}` within {limit_ms} ms; is it up, and reachable from here?"),
                )
            }
            None => not_sent(
                NotSentCause::Connect,
                format!("no connection to `{host}`{}; is the server up?", causes.text()),
            ),
        }
    }

    /// What a person can do about an address that was refused.
    fn mend(&self, class: AddressClass) -> String {
        match class {
            AddressClass::Private(_) => {
                let connection = &self.config.connection;
                format!(
                    "; if this is a server of yours, set `allow_private_network = true` for connection `{connection}`"
                )
            }
            AddressClass::Never(_) => ", which is never reached".to_owned(),
            AddressClass::Public => String::new(),
        }
    }

    fn audit(&self, target: &Target, message: &Message, answer: &Result<Answer, SendError>, spent: Duration) {
        let (status, bytes) = match answer {
            Ok(answer) => (answer.status.as_u16(), answer.body.len()),
            Err(_) => (0, 0),
        };
        tracing::info!(
            target: "syncline::audit",
            connection = %self.config.connection,
            method = %message.method,
            host = %target.host(),
            path = %self.redactor.short(target.url().path()),
            status,
            bytes,
            ms = spent.as_millis() as u64,
            error = answer.as_ref().err().map(|error| self.redactor.short(error.to_string())),
        );
    }
}

/// What is found along an error's chain of causes.
#[derive(Default)]
struct Causes {
    resolve: Option<ResolveError>,
    tls: Option<rustls::Error>,
    io: Option<std::io::ErrorKind>,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Causes {
        let mut causes = Causes::default();
        let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        while let Some(cause) = next {
            causes.look_at(cause);
            next = cause.source();
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                causes.io = Some(io.kind());
                // An I/O error does not name the error it wraps as its source, but that one's source.
                next = io.get_ref().map(|inner| inner as _);
            }
        }
        causes
    }

    fn look_at(&mut self, cause: &(dyn std::error::Error + 'static)) {
        if let Some(resolve) = cause.downcast_ref::<ResolveError>() {
            self.resolve = Some(resolve.clone());
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            self.tls = Some(tls.clone());
        }
    }

    fn text(&self) -> String {
        self.io.map(|kind| format!(" ({kind})")).unwrap_or_default()
    }
}

/// An error behind a redirect: the first request did reach its server.
fn after_redirect(error: SendError, safe: bool) -> SendError {
    match error {
        SendError::Denied { reason, .. } => SendError::Denied {
            reason: format!("the server redirected to where this connection may not go: {reason}"),
            after_redirect: true,
        },
        error if safe || error.may_have_reached_server() => error,
        error => SendError::interrupted(format!(
            "the request was answered by a redirect, which could not be followed: {error}"
        )),
    }
}

fn is_worth_repeating(answer: &Result<Answer, SendError>) -> bool {
    match answer {
        // A server that says when to come back is not asked again before.
        Ok(answer) => {
            matches!(
                answer.status,
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            ) && answer.retry_after().is_none()
        }
        Err(SendError::NotSent { cause, .. }) => matches!(cause, NotSentCause::Connect | NotSentCause::Name),
        Err(_) => false,
    }
}

/// Doubles, with up to half of it left to chance so that many hosts do not come back at once.
fn repeat_wait(repeats: u32) -> Duration {
    let whole_ms = REPEAT_WAIT_MS << repeats;
    let chance = RandomState::new().build_hasher().finish() % (whole_ms / 2 + 1);
    Duration::from_millis(whole_ms - chance)
}

fn redacted(error: SendError, short: impl Fn(String) -> String) -> SendError {
    match error {
        SendError::Denied { reason, after_redirect } => SendError::Denied { reason: short(reason), after_redirect },
        SendError::Invalid(reason) => SendError::Invalid(short(reason)),
        SendError::NotSent { cause, reason } => SendError::NotSent { cause, reason: short(reason) },
        SendError::Interrupted { reason } => SendError::Interrupted { reason: short(reason) },
        SendError::Credential(reason) => SendError::Credential(short(reason)),
        SendError::TooLarge { .. } | SendError::RetryLater { .. } => error,
    }
}
