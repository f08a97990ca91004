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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[test]
    fn what_never_left_and_what_may_have_arrived_stay_apart() {
        assert_eq!(Fault::from(HttpError::NotSent("no route".into())), Fault::Transient("no route".into()));
        assert_eq!(Fault::from(HttpError::Interrupted("cut".into())), Fault::Interrupted("cut".into()));
        assert_eq!(Fault::from(HttpError::Credential("revoked".into())), Fault::Auth("revoked".into()));
        assert!(matches!(Fault::from(HttpError::RetryLater(7)), Fault::RetryLater(delay) if delay.after_ms == 7));
        assert!(matches!(Fault::from(HttpError::Denied("x".into())), Fault::Permission(_)));
        assert!(matches!(Fault::from(HttpError::Invalid("x".into())), Fault::Other(_)));
        assert!(matches!(Fault::from(HttpError::TooLarge(9)), Fault::Other(text) if text.contains('9')));
    }

    #[test]
    fn answers_stand_in_the_order_of_the_requests() {
        let host = TestHost::new(|request| match request.url() {
            "/b" => Err(HttpError::NotSent("b".into())),
            url => Ok(Response::new(200, url)),
        });
        let answers = host.run(|| send_all(["/a", "/b", "/c"].map(Request::get).to_vec()));
        let texts: Vec<_> =
            answers.iter().map(|answer| answer.as_ref().map(|answer| answer.text().into_owned())).collect();
        assert_eq!(texts, [Ok("/a".to_owned()), Err(&HttpError::NotSent("b".into())), Ok("/c".to_owned())]);
    }
}
