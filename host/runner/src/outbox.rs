//! Notices for people: kept in the store until they are delivered.
//!
//! Invariant: a notice is kept in one commit with what it tells of, or with the note that it has been told: a crash
//! neither loses nor repeats it. It may be delivered twice, and carries an id by which that can be seen.

use serde::{Deserialize, Serialize};
use syncline_core::Instant;

use crate::codec::{self, PAGE_ROWS};
use crate::{Batch, Key, Space, Store, StoreError, StoreTable};

/// What a notice tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// Most of the month's tasks are used (E7).
    QuotaNear,
    /// The month's tasks are used up, and something waits (E7).
    QuotaReached,
    /// A plan waits for a person (E4.6).
    PlanBlocked,
    /// A connection's sign-in is refused (E8.3).
    NeedsReconnect,
    /// Somebody tries whether notices arrive.
    Test,
}

impl NoticeKind {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            NoticeKind::QuotaNear => "quota-near",
            NoticeKind::QuotaReached => "quota-reached",
            NoticeKind::PlanBlocked => "plan-blocked",
            NoticeKind::NeedsReconnect => "needs-reconnect",
            NoticeKind::Test => "test",
        }
    }
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it tells of.
    pub kind: NoticeKind,
    /// When that was.
    pub at: Instant,
    /// The sync or connection; empty for the whole installation.
    pub about: String,
    /// What happened, and what to do.
    pub text: String,
    /// When what it tells of ends by itself.
    pub until: Option<Instant>,
    /// The ways by which it has been delivered.
    pub delivered: Vec<String>,
    /// Attempts that have failed.
    pub attempts: u32,
    /// Not tried again before.
    pub next_at: Instant,
}

impl Notice {
    /// Makes a notice that nobody has been given yet.
    pub fn new(kind: NoticeKind, at: Instant, about: impl Into<String>, text: impl Into<String>) -> Self {
        let (about, text) = (about.into(), text.into());
        Self { kind, at, about, text, until: None, delivered: Vec::new(), attempts: 0, next_at: at }
    }

    /// Returns what tells it from every other notice: the same each time that it is delivered.
    pub fn id(&self) -> String {
        let said = format!("{}\u{1f}{}\u{1f}{}\u{1f}{}", self.kind.word(), self.at, self.about, self.text);
        blake3::hash(said.as_bytes()).to_hex()[..16].to_owned()
    }

    fn key(&self) -> Key {
        let mut id = self.at.max(0).cast_unsigned().to_be_bytes().to_vec();
        id.extend_from_slice(self.id().as_bytes());
        Key::new(Space::HOST, StoreTable::Notice, id)
    }
}

/// Adds a notice to a batch.
pub(crate) fn put(batch: &mut Batch, notice: &Notice) {
    codec::put(batch, notice.key(), notice);
}

/// Keeps a notice unless the one before of its kind about the same was of the same occasion. Returns whether it is new.
pub async fn tell_once(store: &dyn Store, notice: &Notice, occasion: &str) -> Result<bool, StoreError> {
    let key = told(notice.kind, &notice.about);
    if codec::load::<String>(store, key.clone()).await?.as_deref() == Some(occasion) {
        return Ok(false);
    }
    let mut batch = Batch::default();
    put(&mut batch, notice);
    codec::put(&mut batch, key, &occasion);
    store.commit(batch).await?;
    Ok(true)
}

/// Notes that what a notice told of is over: the next time is news again.
pub async fn over(store: &dyn Store, kind: NoticeKind, about: &str) -> Result<(), StoreError> {
    let key = told(kind, about);
    if codec::load::<String>(store, key.clone()).await?.is_some() {
        let mut batch = Batch::default();
        batch.delete(key);
        store.commit(batch).await?;
    }
    Ok(())
}

/// Returns the oldest notices that are not delivered yet.
pub async fn undelivered(store: &dyn Store) -> Result<Vec<Notice>, StoreError> {
    let rows = store.scan(Space::HOST, StoreTable::Notice, Vec::new(), PAGE_ROWS).await?;
    rows.iter()
        .map(|(id, bytes)| codec::decode(&Key::new(Space::HOST, StoreTable::Notice, id.clone()), bytes))
        .collect()
}

/// Keeps how far the delivery of a notice has come; with `done` there is nothing left to keep.
pub async fn note_delivery(store: &dyn Store, notice: &Notice, done: bool) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    match done {
        true => batch.delete(notice.key()),
        false => put(&mut batch, notice),
    }
    store.commit(batch).await.map(|_| ())
}

fn told(kind: NoticeKind, about: &str) -> Key {
    codec::meta(Space::HOST, &format!("told:{}:{about}", kind.word()))
}
