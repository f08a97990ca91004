//! Counts business tasks in the commit that writes the intents (E7).
//!
//! Invariant: the count is that of the intents, but for another attempt at what was not done; a crash neither loses nor
//! doubles a task.

use std::collections::BTreeMap;

use syncline_core::{
    EntryId, Instant, JournalEntry, LimitChange, Pair, PairId, Side, TaskBudget, TaskCount, TaskNotice,
};

use crate::codec::{self, PAGE_ROWS};
use crate::outbox::{self, Notice, NoticeKind};
use crate::push::Pending;
use crate::running::Running;
use crate::{Batch, Expect, Failure, Key, Space, Store, StoreError, StoreTable};

/// How many writes to a pair are looked at for an earlier attempt, the last one first.
const STEPS_BACK_MAX: usize = 16;

/// Where changes of the limit are kept.
const LIMIT_CHANGES: &str = "task-limit/";

/// The budget of tasks, and who set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskLimit {
    /// The budget.
    pub budget: TaskBudget,
    /// Whose command goes by it: a change is kept with that name.
    pub set_by: String,
}

/// The tasks that a page may take.
pub(crate) struct Allowance {
    /// The count as it is kept, which must not have changed by the time it is written.
    kept: Option<Vec<u8>>,
    count: TaskCount,
    change: Option<LimitChange>,
    now: Instant,
}

impl Allowance {
    pub(crate) async fn open(running: &Running<'_>) -> Result<Self, Failure> {
        let kept = running.synced.store.get(vec![key()]).await?.pop().flatten();
        let decode = |bytes: &Vec<u8>| codec::decode::<TaskCount>(&key(), bytes);
        let mut count = kept.as_ref().map(decode).transpose()?.unwrap_or_default();
        let (limit, now) = (&running.context.tasks, running.context.world.now());
        let before = count.renew(&limit.budget, now);
        let change = |before| LimitChange { at: now, by: limit.set_by.clone(), before, after: limit.budget.limit };
        Ok(Self { kept, count, change: before.map(change), now })
    }

    /// Takes what does not fit any more off the end of a page. A record of which both sides are written is not split.
    pub(crate) fn trim(&self, page: &mut Vec<Pending>) {
        let mut left = self.count.left();
        let fitting = page.iter().take_while(|pending| {
            let rest = left.checked_sub(pending.item.changes.len() as u64);
            left = rest.unwrap_or(0);
            rest.is_some()
        });
        let fitting = fitting.count();
        page.truncate(fitting);
    }

    /// Counts tasks in the batch that holds their intents.
    pub(crate) fn spend(mut self, tasks: u64, batch: &mut Batch) {
        let notice = self.count.spend(tasks);
        self.put(notice, batch);
    }

    /// Notes that nothing fits any more, and returns why the run cannot go on.
    pub(crate) async fn refuse(mut self, running: &Running<'_>) -> Result<Failure, Failure> {
        let mut batch = Batch::default();
        let notice = self.count.refuse();
        let quota = Failure::Quota { limit: self.count.limit, until: self.count.period.ends_at };
        self.put(notice, &mut batch);
        running.synced.store.commit(batch).await?;
        Ok(quota)
    }

    fn put(self, notice: Option<TaskNotice>, batch: &mut Batch) {
        batch.expect.push(match self.kept {
            Some(kept) => Expect::Equals(key(), kept),
            None => Expect::Absent(key()),
        });
        codec::put(batch, key(), &self.count);
        if let Some(change) = &self.change {
            codec::put(batch, change_key(change.at), change);
        }
        if let Some(notice) = notice {
            outbox::put(batch, &told(notice, &self.count, self.now));
        }
    }
}

fn told(notice: TaskNotice, count: &TaskCount, now: Instant) -> Notice {
    let TaskCount { used, limit, .. } = count;
    let (kind, text) = match notice {
        TaskNotice::Near => {
            let text = format!("{used} of this month's {limit} tasks are used; beyond {limit} nothing is written");
            (NoticeKind::QuotaNear, text)
        }
        TaskNotice::Reached => {
            let text = format!(
                "this month's {limit} tasks are used up: every sync keeps its plan and writes nothing until the next \
                 month begins, or until `tasks_per_month` is raised"
            );
            (NoticeKind::QuotaReached, text)
        }
    };
    Notice { until: Some(count.period.ends_at), ..Notice::new(kind, now, "", text) }
}

/// The last write to each side of the pairs of a page that is to be written.
pub(crate) struct WrittenBefore(BTreeMap<(PairId, Side), JournalEntry>);

impl WrittenBefore {
    pub(crate) async fn read(running: &Running<'_>, page: &[Pending], pairs: &[Option<Pair>]) -> Result<Self, Failure> {
        let mut written = BTreeMap::new();
        let changes = |pending: &Pending| pending.item.changes.iter().map(|change| change.side).collect::<Vec<_>>();
        let wanted: BTreeMap<PairId, Vec<Side>> =
            page.iter().map(|pending| (pending.item.pair, changes(pending))).collect();
        let mut next: Vec<EntryId> = pairs.iter().flatten().filter_map(|pair| pair.last_write).collect();
        for _ in 0..STEPS_BACK_MAX {
            let keys = next.iter().map(|id| codec::journal(id.run, id.number)).collect();
            let entries: Vec<Option<JournalEntry>> = codec::load_all(running.synced.store, keys).await?;
            next.clear();
            for entry in entries.into_iter().flatten() {
                let (pair, previous) = (entry.pair, entry.previous);
                written.entry((pair, entry.change.side)).or_insert(entry);
                let lacks = |side: &Side| !written.contains_key(&(pair, *side));
                next.extend(previous.filter(|_| wanted.get(&pair).is_some_and(|sides| sides.iter().any(lacks))));
            }
            if next.is_empty() {
                break;
            }
        }
        Ok(Self(written))
    }

    /// True if `entry` is another attempt at the last write to its side of the pair.
    pub(crate) fn has_failed(&self, entry: &JournalEntry) -> bool {
        let before = self.0.get(&(entry.pair, entry.change.side));
        before.is_some_and(|before| entry.retries(before))
    }
}

/// Returns what is counted of the tasks, as `budget` sees it at `now`.
pub async fn task_count(store: &dyn Store, budget: &TaskBudget, now: Instant) -> Result<TaskCount, StoreError> {
    let mut count: TaskCount = codec::load(store, key()).await?.unwrap_or_default();
    count.renew(budget, now);
    Ok(count)
}

/// Returns the last changes of the limit, the oldest first.
pub async fn limit_changes(store: &dyn Store) -> Result<Vec<LimitChange>, StoreError> {
    let prefix = LIMIT_CHANGES.as_bytes();
    let mut changes = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows =
            codec::scan_prefix(store, Space::HOST, StoreTable::Meta, prefix, after.as_deref(), PAGE_ROWS).await?;
        let Some((last, _)) = rows.last() else { return Ok(changes) };
        after = Some(last.clone());
        for (id, bytes) in rows {
            changes.push(codec::decode(&Key::new(Space::HOST, StoreTable::Meta, id), &bytes)?);
        }
    }
}

fn key() -> Key {
    codec::meta(Space::HOST, "tasks")
}

fn change_key(at: Instant) -> Key {
    codec::meta(Space::HOST, &format!("{LIMIT_CHANGES}{at:020}"))
}
