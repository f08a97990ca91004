//! What a plugin sends, and what it gets back.

use syncline_net::{Body, NotSentCause, Request, Response, SendError};

use crate::bindings::connector::syncline::host::http;

pub(crate) fn request(request: http::Request) -> Request {
    Request {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body.map(|body| match body {
            http::Body::Text(text) => Body::Text(text),
            http::Body::Bytes(bytes) => Body::Bytes(bytes),
        }),
        answer_as_bytes: request.bytes,
        timeout_ms: request.timeout_ms,
    }
}

pub(crate) fn answer(answer: Result<Response, SendError>, as_bytes: bool) -> Result<http::Response, http::HttpError> {
    let response = answer.map_err(error)?;
    let body = match response.body {
        Body::Text(text) => http::Body::Text(text),
        Body::Bytes(bytes) if as_bytes => http::Body::Bytes(bytes),
        // The plugin asked for text: what is not UTF-8 is replaced, as `wit/` says.
        Body::Bytes(bytes) => http::Body::Text(String::from_utf8_lossy(&bytes).into_owned()),
    };
    Ok(http::Response { status: response.status, url: response.url, headers: response.headers, body })
}

fn error(error: SendError) -> http::HttpError {
    match error {
        SendError::Denied(reason) => http::HttpError::Denied(reason),
        SendError::Invalid(reason) => http::HttpError::Invalid(reason),
        // A server that is down comes back by itself; a certificate that does not fit waits for a person.
        SendError::NotSent { cause: NotSentCause::Certificate, reason } => http::HttpError::Invalid(reason),
        SendError::NotSent { reason, .. } => http::HttpError::NotSent(reason),
        SendError::Interrupted { reason } => http::HttpError::Interrupted(reason),
        SendError::TooLarge { limit } => http::HttpError::TooLarge(limit),
        SendError::RetryLater { after_ms } => http::HttpError::RetryLater(after_ms),
        SendError::Credential(reason) => http::HttpError::Credential(reason),
    }
}
