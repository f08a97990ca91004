//! What a plugin can call: the interfaces of `syncline:host`, and nothing else.
//!
//! Invariant: a refusal is a value, never a trap, and nothing a plugin passes in can panic. No credential is in reach.

use crate::bindings::connector::syncline::connector::records;
use crate::bindings::connector::syncline::host::{clock, http, log, settings};
use crate::bindings::connector::syncline::values::{data, model};
use crate::call::CallState;
use crate::convert;
use crate::logging::Level;

impl log::Host for CallState {
    async fn emit(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => Level::Trace,
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.log.line(&self.scene, level, &message);
        Ok(())
    }
}

impl settings::Host for CallState {
    async fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.scene.settings_json.clone())
    }
}

impl clock::Host for CallState {
    async fn now(&mut self) -> wasmtime::Result<i64> {
        Ok((self.scene.clock)())
    }
}

impl http::Host for CallState {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, http::HttpError>> {
        let mut answers = self.send_some(vec![request]).await?;
        Ok(answers.pop().unwrap_or(Err(http::HttpError::RetryLater(0))))
    }

    async fn send_all(
        &mut self,
        requests: Vec<http::Request>,
    ) -> wasmtime::Result<Vec<Result<http::Response, http::HttpError>>> {
        self.send_some(requests).await
    }
}

impl CallState {
    async fn send_some(
        &mut self,
        mut requests: Vec<http::Request>,
    ) -> wasmtime::Result<Vec<Result<http::Response, http::HttpError>>> {
        let asked = requests.len();
        requests.truncate(self.meter.admit_requests(asked)?);
        let Some(errand) = self.errand.clone() else {
            let reason = "this plugin was given no network".to_owned();
            return Ok((0..asked).map(|_| Err(http::HttpError::Denied(reason.clone()))).collect());
        };
        if requests.is_empty() {
            // Nothing is waited for, so the time stays the plugin's.
            return Ok((0..asked).map(|_| Err(http::HttpError::RetryLater(0))).collect());
        }
        let as_bytes: Vec<bool> = requests.iter().map(|request| request.bytes).collect();
        let sent = errand.send_all(requests.into_iter().map(convert::http::request).collect()).await;
        self.meter.waited();
        let answers = sent.into_iter().zip(as_bytes);
        let mut answers: Vec<_> = answers.map(|(answer, as_bytes)| convert::http::answer(answer, as_bytes)).collect();
        answers.resize_with(asked, || Err(http::HttpError::RetryLater(0)));
        Ok(answers)
    }
}

// Interfaces of types alone.
impl data::Host for CallState {}
impl model::Host for CallState {}
impl records::Host for CallState {}
