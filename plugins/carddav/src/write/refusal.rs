//! What the refusal of one write means: the element in its body first, then its status, for servers disagree on that.

use syncline_sdk::connector::Outcome;
use syncline_sdk::http::Response;
use syncline_sdk::value::Delay;

use crate::api::LOCKED_WAIT_MS;
use crate::dav::answer;
use crate::dav::href::Collection;

/// How long to wait for a server that says "too much" and not until when.
const BUSY_WAIT_MS: u64 = 10_000;

/// How long a full account is left alone.
const QUOTA_WAIT_MS: u64 = 3_600_000;

/// Characters of the server's own words that are passed on.
const WORDS_MAX: usize = 200;

/// Why a write was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What it means is settled.
    Failed(Outcome),
    /// The card is not as the request's condition says; a look at it tells more.
    Precondition,
    /// There is no such card.
    Gone,
    /// Another card has its `UID`: the one with this id, where the server tells.
    SameUid(Option<String>),
    /// The credential is not accepted.
    SignedOut,
}

/// Reads an answer that is no success.
pub(super) fn of_response(collection: &Collection, response: &Response) -> Refusal {
    let text = response.text();
    let (names, hrefs) = answer::preconditions(&text);
    let has = |wanted: &str| names.iter().any(|name| name.rsplit(':').next() == Some(wanted));
    let words = words(response.status(), &text, &names);
    if has("no-uid-conflict") {
        return Refusal::SameUid(hrefs.iter().find_map(|href| collection.id(href)));
    }
    if has("valid-address-data") || has("supported-address-data") {
        return Refusal::Failed(super::invalid("invalid-card", words));
    }
    if has("max-resource-size") {
        return Refusal::Failed(super::invalid("too-large", words));
    }
    if has("need-privileges") {
        return Refusal::Failed(Outcome::Permission(words));
    }
    if has("quota-not-exceeded") || has("sufficient-disk-space") {
        return Refusal::Failed(Outcome::Quota(Delay::new(QUOTA_WAIT_MS, words)));
    }
    let wait_ms = response.retry_after_ms();
    Refusal::Failed(match response.status() {
        401 => return Refusal::SignedOut,
        404 | 410 => return Refusal::Gone,
        412 => return Refusal::Precondition,
        403 => Outcome::Permission(words),
        405 | 501 => Outcome::Unsupported(words),
        413 => super::invalid("too-large", words),
        423 => Outcome::wait(wait_ms.unwrap_or(LOCKED_WAIT_MS), words),
        429 | 503 => Outcome::wait(wait_ms.unwrap_or(BUSY_WAIT_MS), words),
        507 => Outcome::Quota(Delay::new(wait_ms.unwrap_or(QUOTA_WAIT_MS), words)),
        // Sent over a connection for another host, or so early that it may be a replay: in both cases nothing was done.
        421 | 425 => Outcome::wait(wait_ms.unwrap_or(BUSY_WAIT_MS), words),
        // The server waited too long for the request, but may have had all of it.
        408 => Outcome::Unknown(words),
        400..=499 => super::invalid("refused", words),
        _ => Outcome::Unknown(words),
    })
}

fn words(status: u16, text: &str, names: &[String]) -> String {
    if names.is_empty() {
        let said: String = text.trim().chars().take(WORDS_MAX).collect();
        return format!("status {status}: {said}");
    }
    format!("status {status}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_element_comes_before_the_status() {
        let collection = Collection::new("/ab/");
        let element = |name: &str| {
            format!(r#"<d:error xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav"><{name}/></d:error>"#)
        };
        let read = |status, body: &str| of_response(&collection, &Response::new(status, body));
        for status in [403, 409, 412] {
            assert_eq!(read(status, &element("c:no-uid-conflict")), Refusal::SameUid(None));
            assert_eq!(read(status, &element("d:no-uid-conflict")), Refusal::SameUid(None));
        }
        let invalid = read(412, &element("c:valid-address-data"));
        assert!(matches!(invalid, Refusal::Failed(Outcome::Invalid(_))), "a 412 is not always a conflict: {invalid:?}");
        assert!(matches!(read(412, &element("d:need-privileges")), Refusal::Failed(Outcome::Permission(_))));
        assert_eq!(read(412, ""), Refusal::Precondition);
        assert_eq!(read(410, ""), Refusal::Gone);
        assert_eq!(read(401, ""), Refusal::SignedOut);
        for (status, is_expected) in [
            (400, (|outcome| matches!(outcome, Outcome::Invalid(_))) as fn(&Outcome) -> bool),
            (403, |outcome| matches!(outcome, Outcome::Permission(_))),
            (408, |outcome| matches!(outcome, Outcome::Unknown(_))),
            (413, |outcome| matches!(outcome, Outcome::Invalid(_))),
            (421, |outcome| matches!(outcome, Outcome::RetryLater(_))),
            (423, |outcome| matches!(outcome, Outcome::RetryLater(_))),
            (425, |outcome| matches!(outcome, Outcome::RetryLater(_))),
            (429, |outcome| matches!(outcome, Outcome::RetryLater(_))),
            (500, |outcome| matches!(outcome, Outcome::Unknown(_))),
            (503, |outcome| matches!(outcome, Outcome::RetryLater(_))),
            (507, |outcome| matches!(outcome, Outcome::Quota(_))),
        ] {
            let refusal = read(status, "words");
            assert!(matches!(&refusal, Refusal::Failed(outcome) if is_expected(outcome)), "{status}: {refusal:?}");
        }
    }
}
