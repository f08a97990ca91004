//! Delivers what is kept: to the log at once, and by each way of the configuration until its other end has taken it.
//!
//! Invariant: a notice leaves the store only when every way has taken it; one that was taken right before a crash comes
//! twice, with the same id.
//! Invariant: what goes wrong here is said and tried again, and ends no run.

use std::collections::BTreeSet;
use std::time::Duration;

use syncline_core::Instant;
use syncline_runner::outbox::{self, Notice};
use syncline_runner::{Failure, World};

use super::ways::{self, Way};
use crate::commands::sentence;
use crate::render::text::plain;
use crate::render::time;
use crate::session::{RealWorld, Session, SessionError};
use crate::terminal::tell_line;

/// How long a command that ends waits for the other ends at the most.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

/// The first pause after a way has failed; each further one is twice as long, up to the longest.
const PAUSE_MS: Instant = 1_000;
const PAUSE_MS_MAX: Instant = 5 * 60 * 1_000;

/// The word for the log among the ways.
const LOG: &str = "log";

/// Delivers once, for a command that is about to end: what is not taken in a moment is taken by the next one.
pub async fn once(session: &Session) {
    if tokio::time::timeout(LAST_WORDS_MAX, round(session)).await.is_err() {
        tell_line("notices are kept: not every way took them in time; the next command tries again");
    }
}

/// Delivers what is due, and returns when something else will be.
pub async fn round(session: &Session) -> Option<Instant> {
    match try_round(session).await {
        Ok(next) => next,
        Err(error) => {
            tell_line(format_args!("notices cannot be delivered: {}", sentence(&error)));
            Some(RealWorld.now() + PAUSE_MS_MAX)
        }
    }
}

async fn try_round(session: &Session) -> Result<Option<Instant>, SessionError> {
    let store = session.context.store.as_ref();
    let mut kept = outbox::undelivered(store).await.map_err(Failure::from)?;
    if kept.is_empty() {
        return Ok(None);
    }
    for notice in kept.iter_mut().filter(|notice| !notice.delivered.iter().any(|way| way == LOG)) {
        tell_line(line(notice));
        notice.delivered.push(LOG.to_owned());
        outbox::note_delivery(store, notice, false).await.map_err(Failure::from)?;
    }
    let ways = ways::open(session);
    let mut down = BTreeSet::new();
    let mut next = None;
    for mut notice in kept {
        if notice.next_at <= RealWorld.now() {
            give(&ways, &mut notice, &mut down).await;
            let done = ways.iter().all(|way| has(&notice, way));
            outbox::note_delivery(store, &notice, done).await.map_err(Failure::from)?;
            if done {
                continue;
            }
        }
        next = Some(next.map_or(notice.next_at, |next: Instant| next.min(notice.next_at)));
    }
    Ok(next)
}

fn has(notice: &Notice, way: &Way) -> bool {
    notice.delivered.iter().any(|name| name == way.name())
}

/// Gives a notice by each way that has not had it; one that is down is left in peace for the rest of the round.
async fn give(ways: &[Way], notice: &mut Notice, down: &mut BTreeSet<&'static str>) {
    for way in ways {
        if has(notice, way) || down.contains(way.name()) {
            continue;
        }
        match way.give(notice).await {
            Ok(()) => notice.delivered.push(way.name().to_owned()),
            Err(why) => {
                down.insert(way.name());
                tracing::warn!("notice {} is not delivered by {} yet: {}", notice.id(), way.name(), plain(&why));
            }
        }
    }
    if !ways.iter().all(|way| has(notice, way)) {
        notice.next_at = RealWorld.now() + pause_ms(notice.attempts);
        notice.attempts = notice.attempts.saturating_add(1);
    }
}

fn pause_ms(attempts: u32) -> Instant {
    PAUSE_MS.checked_shl(attempts.min(16)).map_or(PAUSE_MS_MAX, |pause_ms| pause_ms.min(PAUSE_MS_MAX))
}

fn line(notice: &Notice) -> String {
    let about = if notice.about.is_empty() { String::new() } else { format!(" {}", plain(&notice.about)) };
    let until = notice.until.map(|until| format!(" (until {})", time::absolute(until))).unwrap_or_default();
    format!("notice {}{about}: {}{until}", notice.kind.word(), plain(&notice.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses: Vec<Instant> = [0, 1, 2, 8, 9, 40, u32::MAX].map(|attempts| pause_ms(attempts) / 1_000).to_vec();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300, 300]);
    }
}
