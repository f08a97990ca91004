//! The socket side: connections, requests read whole, answers sent, and faults that break the connection itself.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming as RequestBody};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::account::Reply;
use crate::clock;
use crate::errors::ApiError;
use crate::faults::FaultKind;
use crate::limits::Reading;
use crate::routes::{self, Incoming};
use crate::state::State;
use crate::steer;

/// The largest request body that is read.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

type Answer = Response<UnsyncBoxBody<Bytes, Dropped>>;

/// The connection is closed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped, as a fault asked for")]
struct Dropped;

/// A server that runs until it is stopped or forgotten.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    state: State,
    accepting: JoinHandle<Infallible>,
}

impl Running {
    pub(crate) async fn start(state: State, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, state.clone(), format!("http://{address}")));
        Ok(Self { address, state, accepting })
    }

    /// Where the server is: the scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A handle to look in and to steer.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Closes the listener and every connection, in the middle of an answer if need be; the state stays with its handles.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The task ends by being aborted, so there is no outcome to look at.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: State, base_url: String) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, state.clone(), base_url.clone()));
            }
            // Out of descriptors, for instance: others may close theirs.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(stream: TcpStream, state: State, base_url: String) {
    // A lost option only costs speed.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(&state, &base_url, request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // The caller hung up or a fault did: nothing is left to do.
    let _ = connection.await;
}

async fn respond(state: &State, base_url: &str, request: Request<RequestBody>) -> Result<Answer, Dropped> {
    let incoming = match read(base_url, request).await {
        Ok(incoming) => incoming,
        Err(error) => return Ok(plain(Reply::json(error.status, &error.body("")))),
    };
    if let Some(path) = incoming.path.strip_prefix(steer::PREFIX) {
        return Ok(plain(steer::answer(state, &incoming, path)));
    }
    let fault = state.strike(&incoming);
    let outcome = carry_out(state, &incoming, fault).await;
    let status = outcome.as_ref().ok().map(|answer| answer.status().as_u16());
    state.count(&incoming, status);
    outcome
}

/// Answers a request, with what the fault does to it.
async fn carry_out(state: &State, incoming: &Incoming, fault: Option<FaultKind>) -> Result<Answer, Dropped> {
    match fault {
        None => Ok(plain(handle(state, incoming))),
        Some(FaultKind::DropBefore) => Err(Dropped),
        Some(FaultKind::DropAfter) => {
            handle(state, incoming);
            Err(Dropped)
        }
        Some(FaultKind::StatusBefore { status, retry_after_s }) => {
            let mut reply = broken(state, status);
            reply.headers.extend(retry_after_s.map(|wait_s| ("Retry-After", wait_s.to_string())));
            Ok(plain(reply))
        }
        Some(FaultKind::StatusAfter { status }) => {
            handle(state, incoming);
            Ok(plain(broken(state, status)))
        }
        Some(FaultKind::RateLimited { policy, retry_after_s }) => {
            let mut reply = Reply::json(429, &policy.body(&state.correlation_id()));
            reply.headers.extend(retry_after_s.map(|wait_s| ("Retry-After", wait_s.to_string())));
            Ok(plain(reply))
        }
        Some(FaultKind::SlowBefore { delay_ms }) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(plain(handle(state, incoming)))
        }
        Some(FaultKind::SlowAfter { delay_ms }) => {
            let reply = handle(state, incoming);
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(plain(reply))
        }
        Some(FaultKind::CutBody) => Ok(cut(handle(state, incoming))),
    }
}

/// Checks the token and the limits, and carries the request out.
fn handle(state: &State, incoming: &Incoming) -> Reply {
    let mut account = state.lock();
    if !incoming.bearer.as_ref().is_some_and(|token| account.tokens.contains(token)) {
        let error = ApiError::no_credentials();
        return Reply::json(error.status, &error.body(&account.correlation_id()));
    }
    let (limits, now_ms) = (account.settings.limits, account.clock.now_ms());
    let zone = account.settings.time_zone.clone();
    let Reading { headers, refused } = account.meter.count(&limits, &zone, routes::is_search(incoming), now_ms);
    let mut reply = match refused {
        Some(policy) => Reply::json(429, &policy.body(&account.correlation_id())),
        None => routes::answer(&mut account, incoming)
            .unwrap_or_else(|error| Reply::json(error.status, &error.body(&account.correlation_id()))),
    };
    reply.headers.extend(headers);
    // The account's own time, which a test may have moved.
    reply.headers.push(("Date", clock::http_date(now_ms)));
    reply
}

fn broken(state: &State, status: u16) -> Reply {
    if matches!(status, 502..=504 | 521..=524) {
        return Reply::gateway(status);
    }
    Reply::json(status, &ApiError::for_status(status).body(&state.correlation_id()))
}

async fn read(base_url: &str, request: Request<RequestBody>) -> Result<Incoming, ApiError> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let bearer = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| ApiError::invalid("the request could not be read"))?.to_bytes().to_vec();
    Ok(Incoming {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query,
        target: head.uri.to_string(),
        bearer,
        address: base_url.to_owned(),
        body,
    })
}

fn plain(mut reply: Reply) -> Answer {
    let body = Full::new(Bytes::from(std::mem::take(&mut reply.body)));
    with_head(&reply, body.map_err(|never| match never {}).boxed_unsync())
}

/// An answer that promises its whole length and breaks off in the middle.
fn cut(reply: Reply) -> Answer {
    let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
    let mut answer = with_head(&reply, CutShort { half: Some(half), flushed: false }.boxed_unsync());
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    answer
}

fn with_head(reply: &Reply, body: UnsyncBoxBody<Bytes, Dropped>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !reply.content_type.is_empty() {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    }
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Sends what it has, lets it go out, and then fails.
struct CutShort {
    half: Option<Bytes>,
    flushed: bool,
}

impl Body for CutShort {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !std::mem::replace(&mut self.flushed, true) {
            // A turn without data makes the connection write out what it holds.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Dropped)))
    }
}
