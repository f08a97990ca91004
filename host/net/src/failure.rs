//! What a failed exchange means, in words that say what to try; above all, whether anything was sent.

use std::error::Error;

use crate::address::AddressClass;
use crate::error::{NotSentCause, SendError};
use crate::outlet::Inner;
use crate::resolve::ResolveError;
use crate::send::exposed;
use crate::target::Target;
use crate::tls;

/// A failure, and whether asking again at once may help where asking twice does no harm.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: SendError,
    pub(crate) worth_repeating: bool,
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Failed {
        Failed { error, worth_repeating: false }
    }
}

impl Inner {
    /// Says what `error` means.
    pub(crate) fn failure(&self, error: &reqwest::Error, target: &Target) -> Failed {
        let host = target.host();
        let causes = Causes::of(error);
        let innermost = &causes.innermost;
        if let Some(refused) = causes.resolve {
            return match refused {
                ResolveError::Refused { class, .. } => {
                    SendError::Denied(format!("{refused}{}", self.mend(class))).into()
                }
                ResolveError::Exposed { .. } => SendError::Credential(format!("{} ({refused})", exposed(host))).into(),
                ResolveError::NotFound { .. } => {
                    not_sent(NotSentCause::Name, format!("{refused}; check the host, and this machine's network"))
                }
            };
        }
        if error.is_builder() {
            return SendError::Invalid(format!("the url or a header cannot be sent as it is ({innermost})")).into();
        }
        if !error.is_connect() {
            let reason = format!("the exchange with `{host}` broke off before the answer came ({innermost})");
            return Failed { error: SendError::Interrupted { reason }, worth_repeating: !error.is_timeout() };
        }
        let limit_ms = self.config.limits.connect_timeout_ms;
        match causes.tls {
            Some(rustls::Error::InvalidCertificate(certificate)) => {
                not_sent(NotSentCause::Certificate, tls::certificate_text(host, &certificate))
            }
            Some(other) => not_sent(
                NotSentCause::Tls,
                format!("no secure connection to `{host}`: {other}; does it speak https on this port?"),
            ),
            // Not repeated: the whole patience for this request went into the first try.
            None if error.is_timeout() => Failed::from(SendError::NotSent {
                cause: NotSentCause::Connect,
                reason: format!("no connection to `{host}` within {limit_ms} ms; is it up, and reachable from here?"),
            }),
            None => not_sent(
                NotSentCause::Connect,
                format!("no connection to `{host}` ({innermost}); is the server up, and the port right?"),
            ),
        }
    }

    /// What a person can do about an address that was refused.
    pub(crate) fn mend(&self, class: AddressClass) -> String {
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
}

/// The same error with every text passed through `short`.
pub(crate) fn redacted(error: SendError, short: impl Fn(String) -> String) -> SendError {
    match error {
        SendError::Denied(reason) => SendError::Denied(short(reason)),
        SendError::Invalid(reason) => SendError::Invalid(short(reason)),
        SendError::NotSent { cause, reason } => SendError::NotSent { cause, reason: short(reason) },
        SendError::Interrupted { reason } => SendError::Interrupted { reason: short(reason) },
        SendError::Credential(reason) => SendError::Credential(short(reason)),
        SendError::TooLarge { .. } | SendError::RetryLater { .. } => error,
    }
}

fn not_sent(cause: NotSentCause, reason: String) -> Failed {
    // A certificate does not change within a second; a server that restarts does come back.
    let worth_repeating = matches!(cause, NotSentCause::Name | NotSentCause::Connect);
    Failed { error: SendError::NotSent { cause, reason }, worth_repeating }
}

/// What is found along an error's chain of causes.
#[derive(Default)]
struct Causes {
    resolve: Option<ResolveError>,
    tls: Option<rustls::Error>,
    innermost: String,
}

impl Causes {
    fn of(error: &reqwest::Error) -> Causes {
        let mut causes = Causes::default();
        let mut next: Option<&(dyn Error + 'static)> = error.source();
        while let Some(cause) = next {
            causes.look_at(cause);
            // An I/O error does not name the error it wraps as its source, but that one's source.
            let wrapped = cause.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
            next = wrapped.map(|inner| inner as _).or_else(|| cause.source());
        }
        causes
    }

    fn look_at(&mut self, cause: &(dyn Error + 'static)) {
        if let Some(resolve) = cause.downcast_ref::<ResolveError>() {
            self.resolve = Some(resolve.clone());
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            self.tls = Some(tls.clone());
        }
        self.innermost = cause.to_string();
    }
}
