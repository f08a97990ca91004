//! Where a webhook leads: it keeps what is posted to it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A server on the loopback that takes what is posted, or refuses it.
#[derive(Clone, Debug)]
pub struct Receiver {
    state: Arc<Mutex<State>>,
    port: u16,
}

#[derive(Debug)]
struct State {
    status: StatusCode,
    refused: usize,
    taken: Vec<(String, Value)>,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(runtime: &Runtime) -> Receiver {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = State { status: StatusCode::NO_CONTENT, refused: 0, taken: Vec::new() };
        let receiver = Receiver { state: Arc::new(Mutex::new(state)), port };
        let serving = receiver.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| receiver.take(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // The caller hung up: nothing is left to do.
                    drop(http.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        receiver
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/s3cr3t-path", self.port)
    }

    /// Answers with this status from now on.
    ///
    /// # Panics
    /// When that is no status.
    pub fn answers(&self, status: u16) {
        self.lock().status = StatusCode::from_u16(status).expect("a status");
    }

    /// How many it has refused.
    pub fn refused(&self) -> usize {
        self.lock().refused
    }

    /// What it has taken: the idempotency key and the body of each.
    pub fn taken(&self) -> Vec<(String, Value)> {
        self.lock().taken.clone()
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        let key = key.to_owned();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let mut state = self.lock();
        match state.status.is_success() {
            true => state.taken.push((key, serde_json::from_slice(&body).unwrap_or_default())),
            false => state.refused += 1,
        }
        let mut response = Response::new(Empty::new());
        *response.status_mut() = state.status;
        Ok(response)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
