//! What can go wrong on the way out, by who can do something about it.

use crate::grant::GrantError;

/// A connection's way out that cannot be set up; a person must change the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// A host that cannot be read.
    #[error("the hosts of connection `{connection}` cannot be used")]
    Grant {
        /// Whose hosts.
        connection: String,
        /// What is wrong with them.
        #[source]
        source: GrantError,
    },
    /// A setting that cannot be used.
    #[error("connection `{connection}`: {reason}")]
    Setting {
        /// Whose setting.
        connection: String,
        /// What is wrong, and what to try.
        reason: String,
    },
    /// The HTTP client itself could not be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Why a request brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not agreed to: the host, the address, or a redirect; nothing was carried out.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The plugin asked for something that is no request.
    #[error("not a valid request: {0}")]
    Invalid(String),
    /// Nothing was sent.
    #[error("{reason}")]
    NotSent {
        /// Which step failed.
        cause: NotSentCause,
        /// What happened, and what to try.
        reason: String,
    },
    /// Sent, but the outcome is unknown: the server may have done what was asked.
    #[error("{reason}; the request may have been carried out")]
    Interrupted {
        /// What happened.
        reason: String,
    },
    /// The answer, or all answers of one plugin call together, were longer than allowed; the server has done what was asked.
    #[error("the answer, or all answers of one call together, would be larger than {limit} bytes")]
    TooLarge {
        /// Bytes, decompressed.
        limit: u64,
    },
    /// The connection's budget is used up for now; nothing was sent.
    #[error("the request budget is used up, free again in {after_ms} ms")]
    RetryLater {
        /// How long to wait; zero when the next call of the plugin may go on at once.
        after_ms: u64,
    },
    /// The credential cannot be used for this request; nothing was sent.
    #[error("the credential cannot be used: {0}")]
    Credential(String),
}

/// The step at which a request failed before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSentCause {
    /// The name has no address.
    Name,
    /// No connection to the address.
    Connect,
    /// The server's certificate is not accepted.
    Certificate,
    /// The secure connection failed for another reason.
    Tls,
}

impl SendError {
    /// Says whether the server may have acted on the request, so that a write is to be looked up and not repeated.
    pub fn may_have_reached_server(&self) -> bool {
        match self {
            SendError::Interrupted { .. } | SendError::TooLarge { .. } => true,
            SendError::Denied(_)
            | SendError::Invalid(_)
            | SendError::NotSent { .. }
            | SendError::RetryLater { .. }
            | SendError::Credential(_) => false,
        }
    }

    pub(crate) fn interrupted(reason: impl Into<String>) -> SendError {
        SendError::Interrupted { reason: reason.into() }
    }
}
