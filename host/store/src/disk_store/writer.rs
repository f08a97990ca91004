//! The one thread that writes: joins waiting commits, applies them as one batch, makes it last, then acknowledges.
//!
//! Invariant: nothing is acknowledged before it survives a power cut.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use syncline_runner::{Batch, Committed, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::database;
use super::dictionary::{Dictionary, Learner};
use super::disk::Disk;
use super::dropping::{self, Range};
use super::failure::Failure;
use super::format;
use super::high_water::HighWater;
use super::stage::{PieceTables, Stage};
use super::{Held, Shared, State};

/// How many writes are joined to one batch at most, but for a single commit with more.
const JOINED_WRITES_MAX: usize = 2_000;

/// How long commits are collected at most.
const JOIN_TIME_MAX: Duration = Duration::from_millis(5);

/// How long the database is left alone after it could not be opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// Where an answer goes; whoever asked may have gone.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked.
pub(super) enum Request {
    /// To commit a batch.
    Commit(Commit),
    /// To open the database again if it was given up.
    Revive(Reply<()>),
    /// To write everything down and end.
    Close(Option<Reply<()>>),
}

/// A commit that waits.
pub(super) struct Commit {
    /// What it writes.
    pub(super) batch: Batch,
    /// Its place in the queue, given back with it.
    pub(super) place: OwnedSemaphorePermit,
    /// Who waits for it.
    pub(super) reply: Reply<Committed>,
}

/// The writer and what only it knows.
pub(super) struct Writer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    /// What was received but is served after the batch under way, in order.
    set_aside: VecDeque<Request>,
    tables: PieceTables,
    learner: Learner,
    /// What was learned and is kept with the next commit.
    learned: Option<Dictionary>,
    high_water: HighWater,
    high_water_written: u64,
    high_water_written_at: Instant,
    reopen_tried_at: Option<Instant>,
    #[expect(dead_code, reason = "others are kept out as long as it is there")]
    held: Held,
}

impl Writer {
    /// Makes the writer of an opened store, whose high-water mark stands at its last commit.
    pub(super) fn new(shared: Arc<Shared>, requests: Receiver<Request>, high_water: HighWater, held: Held) -> Self {
        let high_water_written = shared.last_commit();
        let samples_bytes = shared.options.samples_bytes;
        Self {
            shared,
            requests,
            set_aside: VecDeque::new(),
            tables: PieceTables::default(),
            learner: Learner::new(samples_bytes),
            learned: None,
            high_water,
            high_water_written,
            high_water_written_at: Instant::now(),
            reopen_tried_at: None,
            held,
        }
    }

    /// Serves requests until the store is closed or forgotten.
    pub(super) fn run(mut self) {
        self.delete_dropped_or_warn();
        while let Some(request) = self.next() {
            match request {
                Request::Commit(first) => {
                    let joined = self.join(first);
                    self.commit(joined);
                    self.delete_dropped_or_warn();
                }
                Request::Revive(reply) => {
                    let revived = self.check_state();
                    drop(reply.send(revived));
                }
                Request::Close(reply) => {
                    let closed = self.close();
                    if let Some(reply) = reply {
                        drop(reply.send(closed));
                    }
                    return;
                }
            }
        }
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing the store failed");
        }
    }

    /// Waits for a request, and meanwhile writes the high-water mark when it is due.
    fn next(&mut self) -> Option<Request> {
        if let Some(request) = self.set_aside.pop_front() {
            return Some(request);
        }
        loop {
            if self.shared.last_commit() == self.high_water_written {
                return self.requests.recv().ok();
            }
            let wait = self.shared.options.high_water_every.saturating_sub(self.high_water_written_at.elapsed());
            match self.requests.recv_timeout(wait) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.write_high_water(),
            }
        }
    }

    /// Takes the commits that already wait behind `first`. Nobody is made to wait for others to come.
    fn join(&mut self, first: Commit) -> Vec<Commit> {
        let deadline = Instant::now() + JOIN_TIME_MAX;
        let mut writes = first.batch.writes.len();
        let mut joined = vec![first];
        while writes < JOINED_WRITES_MAX && Instant::now() < deadline {
            let next = self.set_aside.pop_front().map_or_else(|| self.requests.try_recv(), Ok);
            match next {
                Ok(Request::Commit(commit)) => {
                    writes += commit.batch.writes.len();
                    joined.push(commit);
                }
                Ok(other) => {
                    self.set_aside.push_front(other);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        joined
    }

    /// Writes the joined commits and answers each.
    fn commit(&mut self, joined: Vec<Commit>) {
        let joined = self.without_refused(joined);
        if let Err(error) = self.opened().and_then(|()| self.delete_dropped()) {
            for commit in joined {
                drop(commit.reply.send(Err(error.clone())));
            }
            return;
        }
        let mut waiting = Vec::with_capacity(joined.len());
        let written = self.write(joined, &mut waiting);
        if written.is_ok() && self.high_water_written_at.elapsed() >= self.shared.options.high_water_every {
            self.write_high_water();
        }
        for (reply, place, answer) in waiting {
            drop(place);
            let answer = match (&written, answer) {
                // It was refused because of what the failed batch would have held, perhaps.
                (Err(error), Ok(_) | Err(StoreError::Conflict(_))) => Err(error.clone()),
                (_, answer) => answer,
            };
            drop(reply.send(answer));
        }
    }

    /// Answers the commits for which no space is left, and returns the others.
    fn without_refused(&self, joined: Vec<Commit>) -> Vec<Commit> {
        let (refused, joined): (Vec<_>, Vec<_>) =
            joined.into_iter().partition(|commit| self.shared.reserve.refuses(&commit.batch));
        for commit in refused {
            drop(commit.reply.send(Err(StoreError::Full)));
        }
        joined
    }

    /// Stages, applies and keeps the joined commits; leaves in `waiting` who waits for which answer.
    fn write(&mut self, joined: Vec<Commit>, waiting: &mut Vec<Waiting>) -> Result<(), StoreError> {
        let before = self.shared.last_commit();
        let mut number = before;
        let mut behind = Vec::new();
        let dictionary;
        let (mut batch, drops) = {
            let state = self.shared.state_to_read();
            let disk = state.disk()?;
            dictionary = disk.dictionaries().next_number();
            let mut stage = Stage::new(disk, &mut self.tables, self.shared.options.range_rows_max);
            for commit in joined {
                if stage.is_complete() {
                    behind.push(Request::Commit(commit));
                    continue;
                }
                let Commit { batch, place, reply } = commit;
                let answer = stage.add(batch).map(|()| {
                    number += 1;
                    Committed { number }
                });
                waiting.push((reply, place, answer));
            }
            stage.into_batch(&mut self.learner)?
        };
        for request in behind.into_iter().rev() {
            self.set_aside.push_front(request);
        }
        format::put_last_commit(&mut batch, number);
        if number > before {
            if let Some(learned) = &self.learned {
                learned.put(dictionary, &mut batch);
            }
            self.keep(&batch, &drops, number)?;
            self.use_learned(dictionary);
        } else if waiting.iter().any(|(_, _, answer)| matches!(answer, Err(error) if gives_up(error))) {
            self.check_state()?;
        }
        Ok(())
    }

    /// Packs with what was learned from now on, since it was kept under this number, and learns further.
    fn use_learned(&mut self, number: u16) {
        if let Some(learned) = self.learned.take()
            && let Ok(disk) = self.shared.state_to_write().disk_mut()
        {
            disk.add_dictionary(number, learned);
        }
        self.learned = self.learner.learned();
    }

    /// Applies the batch that ends with commit `number` and makes it last.
    fn keep(&mut self, batch: &database::Batch, drops: &[Range], number: u64) -> Result<(), StoreError> {
        loop {
            // Readers wait while the batch is applied, so that a page never shows half of it; they need not wait for the
            // disk, because what they write on the strength of it is kept after it.
            let applied = self.shared.with_disk_alone(|disk| {
                disk.apply(batch)?;
                disk.set_dropping(drops.to_vec());
                Ok(())
            });
            let Err(failure) = applied.and_then(|()| self.shared.persist()) else { break };
            let had_reserve = !self.shared.reserve.is_given_up();
            let error = self.give_up(failure)?;
            // What was found after opening again is kept: all of the batch or nothing.
            if self.shared.last_commit() == number {
                break;
            }
            if !(had_reserve && self.shared.reserve.is_given_up()) {
                return Err(error);
            }
        }
        self.shared.set_last_commit(number);
        Ok(())
    }

    /// Deletes the rows of dropped ranges, a small batch at a time. Nothing of it must last before a later commit does.
    fn delete_dropped(&mut self) -> Result<(), StoreError> {
        loop {
            let Err(failure) = self.shared.delete_dropped() else { return Ok(()) };
            let had_reserve = !self.shared.reserve.is_given_up();
            let error = self.give_up(failure)?;
            if !(had_reserve && self.shared.reserve.is_given_up()) {
                // The database is open again: it is tried with the next commit.
                return Err(error);
            }
        }
    }

    fn delete_dropped_or_warn(&mut self) {
        let open = matches!(&*self.shared.state_to_read(), State::Open(_));
        if open && let Err(error) = self.delete_dropped() {
            tracing::warn!(%error, "dropped rows could not be deleted yet");
        }
    }

    /// Makes sure that the database is open, and opens it again if it was given up.
    fn opened(&mut self) -> Result<(), StoreError> {
        let failed = match &*self.shared.state_to_read() {
            State::Open(disk) => disk.check(),
            State::Down { error, reopen } => Err(Failure { error: error.clone(), reopen: *reopen }),
            State::Closed => return Err(super::closed()),
        };
        let Err(Failure { error, reopen }) = failed else { return Ok(()) };
        if matches!(&*self.shared.state_to_read(), State::Open(_)) {
            return self.give_up(Failure { error, reopen }).map(drop);
        }
        let paused = self.reopen_tried_at.is_some_and(|tried| tried.elapsed() < REOPEN_PAUSE);
        if reopen && !paused { self.reopen() } else { Err(error) }
    }

    /// Makes sure that the database is open and works.
    fn check_state(&mut self) -> Result<(), StoreError> {
        self.opened()?;
        match self.shared.persist() {
            Ok(()) => Ok(()),
            Err(failure) => self.give_up(failure).map(drop),
        }
    }

    /// Closes a database that failed, which stays in its error state, and opens it again where that is safe. Returns
    /// why it failed once it is open again.
    fn give_up(&mut self, failure: Failure) -> Result<StoreError, StoreError> {
        tracing::warn!(error = %failure.error, "the store failed and is opened again");
        let Failure { error, reopen } = failure;
        let down = State::Down { error: error.clone(), reopen };
        if let State::Open(disk) = self.shared.replace_state(down) {
            // The handle is older than the failure, so a write that the disk lost is reported here.
            let reopen = reopen && disk.sync().is_ok();
            disk.close();
            if error == StoreError::Full {
                self.shared.reserve.give_up();
            }
            self.shared.replace_state(State::Down { error: error.clone(), reopen });
            if reopen {
                self.reopen()?;
                return Ok(error);
            }
        }
        Err(error)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.reopen_tried_at = Some(Instant::now());
        let opened = match self.reopened() {
            Err(StoreError::Full) if self.shared.reserve.give_up() => self.reopened(),
            opened => opened,
        };
        match opened {
            Ok((disk, number)) => {
                self.shared.set_last_commit(number);
                self.shared.replace_state(State::Open(disk));
                self.reopen_tried_at = None;
                Ok(())
            }
            Err(error) => {
                let reopen = !matches!(
                    error,
                    StoreError::Damaged(_) | StoreError::TooNew { .. } | StoreError::OtherEngine { .. }
                );
                self.shared.replace_state(State::Down { error: error.clone(), reopen });
                Err(error)
            }
        }
    }

    fn reopened(&self) -> Result<(Disk, u64), StoreError> {
        let mut disk = Disk::open(self.shared.options.engine, &self.shared.dir, &self.shared.options)?;
        let kept = self.shared.last_commit();
        let number = format::last_commit(&disk)?.unwrap_or(0);
        if number < kept {
            return Err(self.high_water.missing(kept, number));
        }
        disk.persist()?;
        disk.set_dropping(dropping::marked(&disk)?);
        Ok((disk, number))
    }

    /// Keeps the number of the last commit. When that fails it is tried again later: commits do not depend on it.
    fn write_high_water(&mut self) {
        let number = self.shared.last_commit();
        self.high_water_written_at = Instant::now();
        match self.high_water.write(number) {
            Ok(()) => self.high_water_written = number,
            Err(error) => tracing::warn!(%error, "the high-water mark could not be written"),
        }
    }

    /// Closes the store, and lets others in.
    fn close(mut self) -> Result<(), StoreError> {
        let persisted = self.shared.persist();
        let closed = match self.shared.replace_state(State::Closed) {
            State::Open(disk) => {
                if persisted.is_ok() {
                    self.write_high_water();
                }
                disk.close();
                persisted.map_err(StoreError::from)
            }
            State::Down { error, .. } => Err(error),
            State::Closed => Ok(()),
        };
        self.shared.reserve.take_back();
        closed
    }
}

type Waiting = (Reply<Committed>, OwnedSemaphorePermit, Result<Committed, StoreError>);

/// Tells whether an error of a read means that the database gave up, rather than that one row is bad.
pub(super) fn gives_up(error: &StoreError) -> bool {
    match error {
        StoreError::Full | StoreError::Unavailable(_) => true,
        StoreError::Conflict(_)
        | StoreError::Short { .. }
        | StoreError::Busy
        | StoreError::Damaged(_)
        | StoreError::TooNew { .. }
        | StoreError::OtherEngine { .. } => false,
    }
}
