//! What people are to be told beside what a command answers: kept until it is told, and told once (E4.6, E7, E8.3).

mod deliver;
mod ways;

use syncline_core::ConnectionName;
use syncline_runner::outbox::{self, Notice, NoticeKind};
use syncline_runner::{Failure, Fault, Guarded, RunReport, Store, StoreError, World};

use super::CommandError;
use super::run::waiting_text;
use crate::config::Sync;
use crate::session::{RealWorld, Session, SessionError};

pub use deliver::{once, round};

/// Keeps what the report of a run has to tell, unless it has been told.
pub(super) async fn note(session: &Session, sync: &Sync, report: &RunReport) -> Result<(), SessionError> {
    Ok(after_run(session.context.store.as_ref(), sync, report).await.map_err(Failure::from)?)
}

/// Keeps what the failure of a command has to tell, unless it has been told: a sign-in may be refused while a sync is
/// made ready, and in each of its steps.
pub(super) async fn note_failure<T>(session: &Session, ended: Result<T, CommandError>) -> Result<T, CommandError> {
    if let Err(CommandError::Session(error)) = &ended
        && let SessionError::Run(failure) = &**error
        && let Some((connection, why)) = refused_sign_in(failure)
    {
        needs_reconnect(session.context.store.as_ref(), connection, why).await.map_err(Failure::from)?;
    }
    ended
}

async fn after_run(store: &dyn Store, sync: &Sync, report: &RunReport) -> Result<(), StoreError> {
    for endpoint in [&sync.left.endpoint, &sync.right.endpoint] {
        outbox::over(store, NoticeKind::NeedsReconnect, endpoint.connection.as_str()).await?;
    }
    let name = sync.name().as_str();
    let Some((text, digest)) = waits_for_a_person(sync, &report.guarded) else {
        return outbox::over(store, NoticeKind::PlanBlocked, name).await;
    };
    let notice = Notice::new(NoticeKind::PlanBlocked, RealWorld.now(), name, text);
    outbox::tell_once(store, &notice, &digest).await.map(|_| ())
}

/// Says what of a plan waits for a person, with its digest. An answer about another plan alone makes nothing wait.
fn waits_for_a_person(sync: &Sync, guarded: &Guarded) -> Option<(String, String)> {
    if !guarded.breakers.is_empty() {
        let name = sync.name();
        let text = format!("a plan waits for a person; `syncline plan {name}` shows it and says what releases it");
        return Some((text, guarded.digest.clone()));
    }
    let waiting = guarded.waiting.as_ref()?;
    Some((waiting_text(sync.name(), waiting), waiting.digest.clone()))
}

fn refused_sign_in(failure: &Failure) -> Option<(&ConnectionName, &str)> {
    match failure {
        Failure::Connector { endpoint, source: Fault::Auth(why), .. } => Some((&endpoint.connection, why)),
        _ => None,
    }
}

async fn needs_reconnect(store: &dyn Store, connection: &ConnectionName, why: &str) -> Result<(), StoreError> {
    let text = format!("its sign-in is refused ({why}); renew its secret, and try it with `syncline check`");
    let notice = Notice::new(NoticeKind::NeedsReconnect, RealWorld.now(), connection.as_str(), text);
    // The words of the application may differ each time; that it refuses is one occasion until it works again.
    outbox::tell_once(store, &notice, "refused").await.map(|_| ())
}

/// Tries every way of the configuration with a notice of its own, and says how each went.
pub(super) async fn try_all(session: &Session) -> Vec<(&'static str, Result<(), String>)> {
    let text = "this is a test: notices arrive here".to_owned();
    let notice = Notice::new(NoticeKind::Test, RealWorld.now(), "", text);
    let mut tried = Vec::new();
    for way in ways::open(session) {
        tried.push((way.name(), way.give(&notice).await));
    }
    tried
}

#[cfg(test)]
mod tests {
    use syncline_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn e8_3_a_connection_is_told_of_once_until_it_works_again() {
        let store = MemoryStore::default();
        let crm = ConnectionName::from("crm");
        let count = async || outbox::undelivered(&store).await.expect("reads").len();
        for why in ["401", "invalid_grant"] {
            needs_reconnect(&store, &crm, why).await.expect("keeps");
        }
        assert_eq!(count().await, 1);
        needs_reconnect(&store, &ConnectionName::from("book"), "401").await.expect("keeps");
        assert_eq!(count().await, 2);
        for notice in outbox::undelivered(&store).await.expect("reads") {
            // Both may be of one millisecond, in either order.
            if notice.about == "crm" {
                outbox::note_delivery(&store, &notice, true).await.expect("keeps");
            }
        }
        assert_eq!(count().await, 1);
        outbox::over(&store, NoticeKind::NeedsReconnect, "crm").await.expect("keeps");
        needs_reconnect(&store, &crm, "401").await.expect("keeps");
        assert_eq!(count().await, 2);
    }
}
