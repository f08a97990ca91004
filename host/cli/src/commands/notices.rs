//! What people are to be told beside what a command answers: kept until it is told, and told once (E4.6, E7, E8.3).

mod deliver;
mod ways;

use syncline_core::ConnectionName;
use syncline_runner::outbox::{self, Notice, NoticeKind};
use syncline_runner::{Failure, Fault, RunReport, Store, StoreError, World};

use crate::config::Sync;
use crate::session::{RealWorld, Session, SessionError};

pub use deliver::{once, round};

/// Keeps what the end of a run has to tell, unless it has been told.
pub(super) async fn note(
    session: &Session,
    sync: &Sync,
    ended: Result<&RunReport, &SessionError>,
) -> Result<(), SessionError> {
    let store = session.context.store.as_ref();
    let noted = match ended {
        Ok(report) => after_run(store, sync, report).await,
        Err(SessionError::Run(failure)) => match refused_sign_in(failure) {
            Some((connection, why)) => needs_reconnect(store, connection, why).await,
            None => Ok(()),
        },
        Err(_) => Ok(()),
    };
    Ok(noted.map_err(Failure::from)?)
}

async fn after_run(store: &dyn Store, sync: &Sync, report: &RunReport) -> Result<(), StoreError> {
    for endpoint in [&sync.left.endpoint, &sync.right.endpoint] {
        outbox::over(store, NoticeKind::NeedsReconnect, endpoint.connection.as_str()).await?;
    }
    let name = sync.name().as_str();
    if !report.guarded.stops() {
        return outbox::over(store, NoticeKind::PlanBlocked, name).await;
    }
    let text = format!("a plan waits for a person; `syncline plan {name}` shows it and says what releases it");
    let notice = Notice::new(NoticeKind::PlanBlocked, RealWorld.now(), name, text);
    outbox::tell_once(store, &notice, &report.guarded.digest).await.map(|_| ())
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
pub(super) async fn try_all(session: &Session) -> Result<Vec<(&'static str, Result<(), String>)>, SessionError> {
    let text = "this is a test: notices arrive here".to_owned();
    let notice = Notice::new(NoticeKind::Test, RealWorld.now(), "", text);
    let mut tried = Vec::new();
    for way in ways::open(session)? {
        tried.push((way.name(), way.give(&notice).await));
    }
    Ok(tried)
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
