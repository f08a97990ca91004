//! HTTP with JSON, through the host: it adds the credential, keeps the budgets and checks every address.

mod encode;
mod request;
mod response;

pub use crate::bindings::connector::syncline::host::http::{Body, HttpError};
use crate::host;
use crate::value::Fault;

pub use encode::{component, form};
pub use request::Request;
pub use response::Response;

/// Sends several requests at once; the answers stand in the order of the requests.
pub fn send_all(requests: Vec<Request>) -> Vec<Result<Response, HttpError>> {
    let requests: Vec<_> = requests.into_iter().map(Request::into_wit).collect();
    host::send_all(&requests).into_iter().map(|answer| answer.map(Response::from_wit)).collect()
}

impl From<HttpError> for Fault {
    /// Keeps apart what never left (`transient`) and what may have had its effect (`interrupted`).
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(reason) => Self::Permission(format!("the host does not allow this request: {reason}")),
            HttpError::Invalid(reason) => Self::Other(format!("the request cannot be sent: {reason}")),
            HttpError::NotSent(reason) => Self::Transient(reason),
            HttpError::Interrupted(reason) => Self::Interrupted(reason),
            HttpError::TooLarge(limit_bytes) => {
                Self::Other(format!("the answer is larger than the limit of {limit_bytes} bytes"))
            }
            HttpError::RetryLater(after_ms) => Self::wait(after_ms, "the budget for requests is used up"),
            HttpError::Credential(reason) => Self::Auth(reason),
        }
    }
}
