//! What a process commits until it is stopped, and how to tell that nothing of it is missing or half.
//!
//! Each committer writes rounds, one commit each: a short row, a long row, the number of the round, and rows that every tenth
//! round drops as one range. It says each round once that is acknowledged.

use std::io::Write;
use std::sync::Arc;

use syncline_runner::{Batch, Key, Space, Store, StoreTable};
use syncline_store::DiskStore;

/// Commits at work at one time.
pub(crate) const COMMITTERS: u64 = 4;

/// How many rows a dropped range may have to be deleted within its commit: few, so that most are deleted after it.
pub(crate) const RANGE_ROWS_MAX: usize = 5;

/// How many bytes of a table are written before its values are packed: few, so that most rounds come after that.
pub(crate) const SAMPLES_BYTES: usize = 6_000;

/// How often a committer drops the rows it noted in one table.
const ROUNDS_PER_DROP: u64 = 10;

const SEEN_PER_ROUND: u64 = 20;

/// The last rounds that were acknowledged, by committer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged([u64; COMMITTERS as usize]);

impl Acknowledged {
    /// Notes a line that a committing process said; one without an end was cut off.
    pub(crate) fn note(&mut self, line: &str) {
        if let Some((committer, number)) = line.strip_suffix('.').and_then(|line| line.split_once(' ')) {
            let committer: usize = committer.parse().expect("a committer");
            self.0[committer] = number.parse().expect("a number");
        }
    }

    /// How many rounds there were.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Commits `rounds` rounds with each committer, and says each that is acknowledged.
pub(crate) async fn commit(store: &Arc<DiskStore>, rounds: u64, say: fn(u64, u64)) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let committers: Vec<_> = (0..COMMITTERS)
        .map(|committer| tokio::spawn(commit_rounds(Arc::clone(store), committer, rounds, say)))
        .collect();
    for (last, committer) in acknowledged.0.iter_mut().zip(committers) {
        *last = committer.await.expect("it ends");
    }
    acknowledged
}

/// Prints that a committer's round was acknowledged.
pub(crate) fn say(committer: u64, round: u64) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{committer} {round}.").expect("told");
    output.flush().expect("told");
}

/// Panics where something acknowledged is missing, or something is half.
pub(crate) async fn check(store: &DiskStore, acknowledged: &Acknowledged) {
    for (committer, acknowledged) in acknowledged.0.iter().enumerate() {
        let space = Space(committer as u32 + 1);
        let round = round_of(store, space).await;
        assert!(round >= *acknowledged, "committer {committer}: round {round} found, {acknowledged} acknowledged");
        let mut after = Vec::new();
        let mut rows = 0;
        loop {
            let page = store.scan(space, StoreTable::Replica, after, 500).await.expect("a page");
            let Some((last, _)) = page.last() else { break };
            after = last.clone();
            for (id, value) in page {
                rows += 1;
                let number = u64::from_be_bytes(id.as_slice().try_into().expect("a number"));
                assert_eq!(rows, number, "a round is missing");
                assert_eq!(value, body(number, 300), "a garbled row");
            }
        }
        assert_eq!(rows, round, "a half commit");
        let seen = store.scan(space, StoreTable::Seen, vec![], 1_000).await.expect("a page").len() as u64;
        assert_eq!(seen, round % ROUNDS_PER_DROP * SEEN_PER_ROUND, "part of a dropped range");
        let long = store.get(vec![Key::new(space, StoreTable::Meta, "long")]).await.expect("read").remove(0);
        let expected = (round > 0).then(|| body(round, long_length(round)));
        assert!(long == expected, "the long row is not that of round {round}");
    }
}

async fn commit_rounds(store: Arc<DiskStore>, committer: u64, rounds: u64, say: fn(u64, u64)) -> u64 {
    let space = Space(committer as u32 + 1);
    let first = round_of(&store, space).await;
    let last = first.saturating_add(rounds);
    for round in first + 1..=last {
        store.commit(batch_of(space, round)).await.expect("committed");
        say(committer, round);
    }
    last
}

fn batch_of(space: Space, round: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put(Key::new(space, StoreTable::Replica, round.to_be_bytes()), body(round, 300));
    batch.put(Key::new(space, StoreTable::Meta, "long"), body(round, long_length(round)));
    batch.put(Key::new(space, StoreTable::Meta, "round"), round.to_be_bytes().to_vec());
    if round.is_multiple_of(ROUNDS_PER_DROP) {
        let table = StoreTable::Seen;
        batch.writes.push(syncline_runner::Write::DeleteRange { space, table, from: vec![], to: None });
    } else {
        for number in 0..SEEN_PER_ROUND {
            let id = [round.to_be_bytes(), number.to_be_bytes()].concat();
            batch.put(Key::new(space, StoreTable::Seen, id), vec![]);
        }
    }
    batch
}

async fn round_of(store: &DiskStore, space: Space) -> u64 {
    let stored = store.get(vec![Key::new(space, StoreTable::Meta, "round")]).await.expect("read").remove(0);
    stored.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

/// Long and short values in turn, so that pieces come and go.
fn long_length(round: u64) -> usize {
    (round as usize * 3_001) % 16_000
}

fn body(round: u64, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u64 ^ round) as u8).collect()
}

/// Runs the committers and the checks.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}
