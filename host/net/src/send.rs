//! One request from the plugin's words to the answer, in the order in which it is checked.
//!
//! Invariant: every hop of a redirect chain passes every check that the first request passed.
//! Invariant: once a write was answered by a redirect after which it may have been done, no failure says that it was not.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use syncline_core::Caller;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::address::{AddressClass, classify};
use crate::audit::AuditLine;
use crate::credential::Credential;
use crate::error::SendError;
use crate::failure::{Failed, redacted};
use crate::outlet::{Errand, Inner};
use crate::redirect::{Hop, REDIRECTS_MAX, follow};
use crate::request::{self, Message, Request};
use crate::response::{Allowance, Answer, Response};
use crate::scope::path_below;
use crate::target::{self, Target};

/// Quick repeats of safe requests; the longer ones are the runner's.
const REPEATS_MAX: u32 = 2;
const REPEAT_WAIT_MS: u64 = 100;

/// Challenges that one request answers: the first one, and that of a server which has forgotten what it asked.
const CHALLENGES_MAX: u32 = 2;

/// Time spent on the network by one request of a plugin, over its repeats and redirects.
struct Clock {
    left: Duration,
    limit: Duration,
}

/// What is known about the redirects of one request.
struct Chain {
    /// All origins so far were the first one.
    signed: bool,
    /// A server may have done what was asked before it redirected.
    may_have_acted: bool,
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
        let Request { method, url, headers, body, .. } = request;
        let mut message = request::message(&method, &url, &headers, body, &config.credential)?;
        let mut chain = Chain { signed: true, may_have_acted: false };
        let mut clock = Clock::new(config.limits.total_timeout_ms, request.timeout_ms);
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.exchange_with_repeats(&target, &message, chain.signed, &mut clock).await;
            let answer = answer.map_err(|error| chain.outcome(error))?;
            let Some(next) = follow(&target, &message, answer.status, &answer.headers) else {
                return Ok(answer.into_response(target.url().as_str(), request.answer_as_bytes, &inner.redactor));
            };
            chain.pass(&message, answer.status);
            let next = next.and_then(|next| inner.check_redirect(next)).map_err(|error| chain.outcome(error))?;
            // Once the origin has changed, even a way back carries no credential: the server in between chose the path.
            chain.signed &= !next.foreign;
            (target, message) = (next.target, next.message);
        }
        let endless = format!("the server redirected more than {REDIRECTS_MAX} times");
        Err(chain.outcome(SendError::Denied(endless)))
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
        let mut repeats = 0;
        let (mut challenges, mut turn) = (0, None);
        loop {
            if signed && turn.is_none() && inner.digests.has_asked(target.url()) {
                let _waiting = self.waits.begin();
                turn = Some(inner.digests.turn().await);
            }
            let answer = self.exchange(target, message, signed, clock, repeats > 0).await;
            // What was refused for its signature was not done, so it may be sent again, whatever it is.
            if challenges < CHALLENGES_MAX && answer.as_ref().is_ok_and(|answer| answer.is_challenge) {
                challenges += 1;
                continue;
            }
            if repeats == REPEATS_MAX || !message.is_safe() || !is_worth_repeating(&answer) {
                return answer.map_err(|failed| failed.error);
            }
            inner.counters.repeating();
            sleep(repeat_wait(repeats)).await;
            repeats += 1;
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        message: &Message,
        signed: bool,
        clock: &mut Clock,
        is_repeat: bool,
    ) -> Result<Answer, Failed> {
        let inner = &*self.outlet.0;
        let caller = Caller { is_retry: self.caller.is_retry || is_repeat, ..self.caller };
        let gate = inner.gate();
        let path = path_below(inner.config.base_url.path(), target.url().path());
        let pass = {
            let _waiting = self.waits.begin();
            gate.admit(message.method.as_str(), &path, caller).await?
        };
        let outgoing = inner.outgoing(target, message, signed)?;
        inner.counters.sending(message.body_bytes());
        let line = AuditLine::begin(inner, target, message);
        let answer = match timeout(clock.left, inner.round_trip(outgoing, target, &self.allowance)).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(SendError::interrupted(format!("no complete answer within {} ms", clock.limit.as_millis())).into())
            }
        };
        clock.left = clock.left.saturating_sub(line.finish(&answer));
        if let Ok(answer) = &answer {
            gate.learn(&inner.config.limits.usage, &answer.headers);
            if let Some(wait) = answer.retry_after() {
                gate.hold(wait);
            }
        }
        drop(pass);
        answer
    }
}

/// A request that may leave, and who sends it.
struct Outgoing<'outlet> {
    request: reqwest::Request,
    client: &'outlet reqwest::Client,
    /// Said where a challenge may be answered.
    signature: Option<Signature>,
}

/// How a request was signed: with this nonce, or with the password itself.
struct Signature {
    nonce: Option<String>,
}

impl Chain {
    fn pass(&mut self, message: &Message, status: StatusCode) {
        // 307 and 308 mean "not here"; the others may be what a server says after it did what was asked.
        self.may_have_acted |= !message.is_safe() && !matches!(status.as_u16(), 307 | 308);
    }

    /// What `error` means for the request that the chain began with.
    fn outcome(&self, error: SendError) -> SendError {
        match error {
            error if !self.may_have_acted || error.may_have_reached_server() => error,
            error => {
                SendError::interrupted(format!("the server answered with a redirect that cannot be followed: {error}"))
            }
        }
    }
}

impl Clock {
    fn new(total_timeout_ms: u64, asked_ms: Option<u32>) -> Clock {
        // Zero would be no request at all, and is not worth an error of its own.
        let limit = Duration::from_millis(
            asked_ms.map_or(total_timeout_ms, |asked| u64::from(asked.max(1)).min(total_timeout_ms)),
        );
        Clock { left: limit, limit }
    }
}

impl Inner {
    fn check_redirect(&self, next: Hop) -> Result<Hop, SendError> {
        let refused = |error| match error {
            SendError::Denied(reason) => {
                SendError::Denied(format!("the server redirected to where this connection may not go: {reason}"))
            }
            other => other,
        };
        self.check_reachable(&next.target).map_err(refused)?;
        Ok(next)
    }

    fn check_reachable(&self, target: &Target) -> Result<(), SendError> {
        let config = &self.config;
        if !config.grants.iter().any(|grant| grant.covers(target)) {
            let granted: Vec<String> = config.grants.iter().map(ToString::to_string).collect();
            let origin = target.url().origin().ascii_serialization();
            return Err(SendError::Denied(format!(
                "`{origin}` was not granted to connection `{}`; granted: {}",
                config.connection,
                granted.join(", ")
            )));
        }
        // The client asks no resolver for a literal address, so it is judged here.
        match target.literal_address().map(classify) {
            Some(class) if !class.is_allowed(config.allow_private_network) => {
                Err(SendError::Denied(format!("`{}` is {class}{}", target.host(), self.mend(class))))
            }
            _ => Ok(()),
        }
    }

    fn outgoing(&self, target: &Target, message: &Message, signed: bool) -> Result<Outgoing<'_>, SendError> {
        let mut url = target.url().clone();
        let mut headers = message.headers.clone();
        let mut client = &self.client;
        let mut signature = None;
        if signed && self.config.credential_grants.iter().any(|grant| grant.covers(target)) {
            if target.url().scheme() != "https" && !matches!(self.config.credential, Credential::None) {
                self.check_confidential(target)?;
                client = &self.private_client;
            }
            signature = self.sign(message, &mut url, &mut headers).map_err(SendError::Credential)?;
        }
        let mut request = reqwest::Request::new(message.method.clone(), url);
        *request.headers_mut() = headers;
        *request.body_mut() = message.body.clone().map(reqwest::Body::from);
        Ok(Outgoing { request, client, signature })
    }

    fn sign(&self, message: &Message, url: &mut Url, headers: &mut HeaderMap) -> Result<Option<Signature>, String> {
        let credential = &self.config.credential;
        let Some(login) = credential.digest_login() else {
            return credential.apply(url, headers).map(|()| None);
        };
        let Some((text, nonce)) = self.digests.sign(login, &message.method, url) else {
            return credential.apply(url, headers).map(|()| Some(Signature { nonce: None }));
        };
        let mut value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| "the server's challenge cannot be answered in a header".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(Some(Signature { nonce: Some(nonce) }))
    }

    /// A credential in clear text stays inside the private network; a name is judged when it is resolved.
    fn check_confidential(&self, target: &Target) -> Result<(), SendError> {
        let is_private = |address| matches!(classify(address), AddressClass::Private(_));
        match self.config.allow_private_network {
            true if target.literal_address().is_none_or(is_private) => Ok(()),
            true => Err(SendError::Credential(exposed(target.host()))),
            false => Err(SendError::Credential(format!(
                "{}, or set `allow_private_network = true` for a local server",
                exposed(target.host())
            ))),
        }
    }

    async fn round_trip(
        &self,
        outgoing: Outgoing<'_>,
        target: &Target,
        allowance: &Allowance,
    ) -> Result<Answer, Failed> {
        let Outgoing { request, client, signature } = outgoing;
        let url = request.url().clone();
        let sent = client.execute(request).await;
        let response = sent.map_err(|error| self.failure(&error, target))?;
        let mut answer = Answer::read(response, self.config.limits.response_bytes_max, allowance).await?;
        self.counters.received(answer.body.len());
        if let Some(Signature { nonce }) = signature {
            answer.is_challenge = self.digests.learn(&url, nonce.as_deref(), answer.status.as_u16(), &answer.headers);
        }
        Ok(answer)
    }
}

/// Why a credential does not go to `host`.
pub(crate) fn exposed(host: &str) -> String {
    format!("it would go to `{host}` over http, where anyone on the way can read it; use https")
}

fn is_worth_repeating(answer: &Result<Answer, Failed>) -> bool {
    match answer {
        // A server that says when to come back is not asked again before.
        Ok(answer) => matches!(answer.status.as_u16(), 502..=504) && answer.retry_after().is_none(),
        Err(failed) => failed.worth_repeating,
    }
}

/// Doubles, with up to half of it left to chance so that many hosts do not come back at once.
fn repeat_wait(repeats: u32) -> Duration {
    let whole_ms = REPEAT_WAIT_MS << repeats;
    let chance = RandomState::new().build_hasher().finish() % (whole_ms / 2 + 1);
    Duration::from_millis(whole_ms - chance)
}
