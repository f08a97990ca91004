//! One line for every request that left: who, where to, what came back.
//!
//! Invariant: a request that was given up half-way has its line too.
//! Not here: the query, which may hold a person's data, and the bodies.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failed;
use crate::outlet::Inner;
use crate::request::Message;
use crate::response::Answer;
use crate::target::Target;

/// A request under way; its line is written when this is dropped.
pub(crate) struct AuditLine<'request> {
    inner: &'request Inner,
    target: &'request Target,
    message: &'request Message,
    started: Instant,
    status: u16,
    bytes: usize,
    error: Option<String>,
}

impl<'request> AuditLine<'request> {
    pub(crate) fn begin(inner: &'request Inner, target: &'request Target, message: &'request Message) -> Self {
        let error = Some("given up by the caller".to_owned());
        AuditLine { inner, target, message, started: Instant::now(), status: 0, bytes: 0, error }
    }

    /// Writes the line and returns how long the exchange took.
    pub(crate) fn finish(mut self, answer: &Result<Answer, Failed>) -> Duration {
        self.error = answer.as_ref().err().map(|failed| failed.error.to_string());
        if let Ok(answer) = answer {
            (self.status, self.bytes) = (answer.status.as_u16(), answer.body.len());
        }
        self.started.elapsed()
    }
}

impl Drop for AuditLine<'_> {
    fn drop(&mut self) {
        let redactor = &self.inner.redactor;
        tracing::info!(
            target: "syncline::audit",
            connection = %self.inner.config.connection,
            method = %self.message.method,
            host = %self.target.host(),
            path = %redactor.short(self.target.url().path()),
            status = self.status,
            bytes = self.bytes,
            ms = self.started.elapsed().as_millis() as u64,
            error = self.error.take().map(|error| redactor.short(error)),
        );
    }
}
