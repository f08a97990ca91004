//! The budget of calls to an application's account: may one be sent now, and if not, when (E7).
//!
//! Invariant: in no window of `per_ms` does the application see more calls of ours than the window lets through. A call
//! counts from before it is sent until `per_ms` after its answer, so that delays on the way cannot press two windows into
//! one. A bucket that refills steadily would not do: it lets through up to twice the number in one window.
//!
//! Not here: whose clock it is, who waits and how (`net`). Times are milliseconds of any clock that does not go back,
//! as long as its days begin when those of UTC do.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Instant;

/// From this length on a window is a day's: it is shared with others, and not every call may use it up.
const LONG_WINDOW_MS: u64 = 60 * 60 * 1000;

/// What everything that can wait leaves of a day's limit to what cannot.
const CAN_WAIT_PERCENT: u32 = 75;

/// What is used of a day's limit unless the user says otherwise.
pub const SHARE_PERCENT: u32 = 80;

/// Answers are remembered in this many steps of a window, each counted as if it came at the step's end.
const STEPS_PER_WINDOW: u64 = 256;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How urgent a call is, the most urgent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A person waits for it.
    Interactive,
    /// An application said that something has changed.
    Webhook,
    /// What is due by a schedule.
    #[default]
    Incremental,
    /// Everything is read anew.
    Backfill,
}

const LANES: usize = 4;

/// Who wants to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// How urgent it is.
    pub lane: Lane,
    /// The call was made before and failed.
    pub is_retry: bool,
}

impl Caller {
    /// True for what stops early so that the rest of a day's limit is left to others.
    fn can_wait(self) -> bool {
        self.is_retry || self.lane == Lane::Backfill
    }
}

/// Whether a call may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaySend {
    /// Now.
    Send,
    /// Not before this moment.
    At(Instant),
    /// Not before another call is answered, or a more urgent one has been sent.
    AfterAnother,
}

/// At most so many calls in any so many milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallWindow {
    calls: u32,
    per_ms: u64,
    share_percent: u32,
    running: u32,
    answered: u32,
    steps: VecDeque<Step>,
    told: Option<Told>,
}

/// Calls that are free again at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    first: Instant,
    frees_at: Instant,
    calls: u32,
}

/// What the application said is used, by whomever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    used: u32,
    until: Instant,
}

/// What a window has counted, to be kept across a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// After how many milliseconds how many calls are free again, earliest first.
    pub spent: Vec<(u64, u32)>,
    /// How many calls the application counted, and for how many milliseconds that holds.
    pub told: Option<(u32, u64)>,
}

impl CallWindow {
    /// An unused window; of a day's limit the engine uses `share_percent`.
    pub fn new(calls: u32, per_ms: u64, share_percent: u32) -> Self {
        let share_percent = if per_ms < LONG_WINDOW_MS { 100 } else { share_percent };
        Self { calls, per_ms, share_percent, running: 0, answered: 0, steps: VecDeque::new(), told: None }
    }

    /// The limit as it is known now.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// How long a call counts.
    pub fn per_ms(&self) -> u64 {
        self.per_ms
    }

    /// Calls of ours that `caller` may have in the window.
    pub fn ceiling(&self, caller: Caller) -> u32 {
        let share = match caller.can_wait() && self.per_ms >= LONG_WINDOW_MS {
            true => self.share_percent.min(CAN_WAIT_PERCENT),
            false => self.share_percent,
        };
        self.percent(share)
    }

    /// Calls of everybody's after which `caller` stops.
    fn ceiling_of_all(&self, caller: Caller) -> u32 {
        if caller.can_wait() && self.per_ms >= LONG_WINDOW_MS { self.percent(CAN_WAIT_PERCENT) } else { self.calls }
    }

    fn percent(&self, share: u32) -> u32 {
        let part = u64::from(self.calls) * u64::from(share) / 100;
        // A share of nothing would be a connection that never works.
        u32::try_from(part).unwrap_or(u32::MAX).max(1)
    }

    /// How many calls of ours the window holds.
    pub fn used(&self, now: Instant) -> u32 {
        let freed: u32 = self.steps.iter().filter(|step| step.frees_at <= now).map(|step| step.calls).sum();
        self.running.saturating_add(self.answered).saturating_sub(freed)
    }

    fn may_send(&self, caller: Caller, now: Instant) -> MaySend {
        let told = self.told.filter(|told| told.until > now);
        if let Some(told) = told.filter(|told| told.used >= self.ceiling_of_all(caller)) {
            return MaySend::At(told.until);
        }
        let (used, ceiling) = (self.used(now), self.ceiling(caller));
        if used < ceiling {
            return MaySend::Send;
        }
        let mut too_many = used - ceiling + 1;
        for step in self.steps.iter().filter(|step| step.frees_at > now) {
            too_many = too_many.saturating_sub(step.calls);
            if too_many == 0 {
                return MaySend::At(step.frees_at);
            }
        }
        MaySend::AfterAnother
    }

    fn send(&mut self) {
        self.running += 1;
        if let Some(told) = &mut self.told {
            told.used = told.used.saturating_add(1);
        }
    }

    fn answer(&mut self, now: Instant) {
        while let Some(step) = self.steps.pop_front_if(|step| step.frees_at <= now) {
            self.answered = self.answered.saturating_sub(step.calls);
        }
        self.running = self.running.saturating_sub(1);
        self.answered = self.answered.saturating_add(1);
        let frees_at = now.saturating_add_unsigned(self.per_ms);
        let step_ms = self.per_ms / STEPS_PER_WINDOW;
        match self.steps.back_mut() {
            Some(step) if now.saturating_sub(step.first).unsigned_abs() < step_ms => {
                step.frees_at = frees_at;
                step.calls += 1;
            }
            _ => self.steps.push_back(Step { first: now, frees_at, calls: 1 }),
        }
    }

    /// Goes by what an answer said: the limit, and how many calls are left of it to everybody.
    ///
    /// The application's day ends at a midnight that we do not know. At that of UTC what it said lapses, and the next
    /// answer says it anew.
    pub fn learn(&mut self, limit: Option<u32>, left: Option<u32>, now: Instant) {
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            self.calls = limit;
        }
        let Some(left) = left else { return };
        // Those under way besides the one that was answered may not be in its number.
        let used = self.calls.saturating_sub(left).saturating_add(self.running.saturating_sub(1));
        let midnight = now.saturating_sub(now.rem_euclid(DAY_MS)).saturating_add(DAY_MS);
        self.told = Some(Told { used, until: midnight.min(now.saturating_add_unsigned(self.per_ms)) });
    }

    /// Lets no more through than `calls`.
    pub fn narrow(&mut self, calls: u32) {
        self.calls = self.calls.min(calls);
    }

    /// What is used at this moment.
    pub fn counted(&self, now: Instant) -> Counted {
        let left_ms = |moment: Instant| moment.saturating_sub(now).max(0).unsigned_abs();
        let mut spent: Vec<(u64, u32)> = self.steps.iter().map(|step| (left_ms(step.frees_at), step.calls)).collect();
        if self.running > 0 {
            // Whether they will have been answered nobody knows; at the latest they count from now.
            spent.push((self.per_ms, self.running));
        }
        let told = self.told.filter(|told| told.until > now);
        Counted { spent, told: told.map(|told| (told.used, left_ms(told.until))) }
    }

    /// Adds what was counted `elapsed_ms` ago.
    pub fn take_over(&mut self, before: &Counted, elapsed_ms: u64, now: Instant) {
        let moment = |left_ms: u64| now.saturating_add_unsigned(left_ms.min(self.per_ms).saturating_sub(elapsed_ms));
        let added = before.spent.iter().map(|&(left_ms, calls)| Step { first: now, frees_at: moment(left_ms), calls });
        let mut steps: Vec<Step> = self.steps.drain(..).chain(added).collect();
        steps.sort_by_key(|step| step.frees_at);
        self.steps = steps.into();
        self.answered = self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.calls));
        let told = before.told.map(|(used, left_ms)| Told { used, until: moment(left_ms) });
        self.told = [self.told, told].into_iter().flatten().max_by_key(|told| (told.until, told.used));
    }

    /// When the last of `calls` more calls can be sent if each is answered at once.
    fn last_of(&self, calls: u64, caller: Caller, now: Instant) -> Instant {
        let ceiling = u64::from(self.ceiling(caller));
        let begin = match self.told.filter(|told| told.until > now) {
            Some(told) if u64::from(told.used) + calls > u64::from(self.ceiling_of_all(caller)) => told.until,
            _ => now,
        };
        let Some(before_last) = calls.checked_sub(1) else { return now };
        let free = ceiling.saturating_sub(u64::from(self.used(now)));
        let (rounds, place) = (before_last / ceiling, before_last % ceiling);
        let first_time = match place.checked_sub(free) {
            None => now,
            Some(mut behind) => {
                let busy = self.steps.iter().filter(|step| step.frees_at > now);
                let step = busy.into_iter().find(|step| {
                    let is_here = behind < u64::from(step.calls);
                    behind = behind.saturating_sub(u64::from(step.calls));
                    is_here
                });
                step.map_or(now.saturating_add_unsigned(self.per_ms), |step| step.frees_at)
            }
        };
        first_time.max(begin).saturating_add_unsigned(self.per_ms.saturating_mul(rounds))
    }
}

/// What one account may be asked, by everything that reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBudget {
    /// Calls under way at one time.
    at_once_max: u32,
    running: u32,
    /// The application wants to be left alone until then.
    held_until: Option<Instant>,
    /// How many wait, by lane.
    waiting: [u32; LANES],
    /// The limits.
    pub windows: Vec<CallWindow>,
}

impl CallBudget {
    /// An unused budget.
    pub fn new(windows: Vec<CallWindow>, at_once_max: u32) -> Self {
        Self { at_once_max, running: 0, held_until: None, waiting: [0; LANES], windows }
    }

    /// Says whether a call may be sent that counts in these of the windows.
    pub fn may_send(&self, counts_in: &[bool], caller: Caller, now: Instant) -> MaySend {
        let is_behind = self.waiting[..caller.lane as usize].iter().any(|&waiting| waiting > 0);
        if is_behind || self.running >= self.at_once_max {
            return MaySend::AfterAnother;
        }
        let mut latest = self.held_until.filter(|&until| until > now);
        for (window, _) in self.windows.iter().zip(counts_in).filter(|(_, counts)| **counts) {
            match window.may_send(caller, now) {
                MaySend::Send => {}
                MaySend::At(moment) => latest = latest.max(Some(moment)),
                MaySend::AfterAnother => return MaySend::AfterAnother,
            }
        }
        latest.map_or(MaySend::Send, MaySend::At)
    }

    /// Counts a call that is sent.
    pub fn send(&mut self, counts_in: &[bool]) {
        self.running += 1;
        self.counting(counts_in).for_each(CallWindow::send);
    }

    /// Counts an answer, or the end of the wait for one.
    pub fn answer(&mut self, counts_in: &[bool], now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.counting(counts_in).for_each(|window| window.answer(now));
    }

    fn counting(&mut self, counts_in: &[bool]) -> impl Iterator<Item = &mut CallWindow> {
        self.windows.iter_mut().zip(counts_in).filter(|(_, counts)| **counts).map(|(window, _)| window)
    }

    /// Notes that somebody waits, whom the less urgent let go first.
    pub fn wait(&mut self, lane: Lane) {
        self.waiting[lane as usize] += 1;
    }

    /// Notes that somebody waits no more.
    pub fn waited(&mut self, lane: Lane) {
        let waiting = &mut self.waiting[lane as usize];
        *waiting = waiting.saturating_sub(1);
    }

    /// Lets nothing through before `until`, as the application asked.
    pub fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Until when the application wants to be left alone.
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        self.held_until.filter(|&until| until > now)
    }

    /// How many calls may be under way at one time.
    pub fn at_once_max(&self) -> u32 {
        self.at_once_max
    }

    /// Lets no more calls be under way than `at_once_max`.
    pub fn narrow(&mut self, at_once_max: u32) {
        self.at_once_max = self.at_once_max.min(at_once_max);
    }

    /// When the last of `calls` more calls can be sent if each is answered at once: no run ends before.
    pub fn last_of(&self, calls: u64, counts_in: &[bool], caller: Caller, now: Instant) -> Instant {
        let windows = self.windows.iter().zip(counts_in).filter(|(_, counts)| **counts);
        let last = windows.map(|(window, _)| window.last_of(calls, caller, now)).max();
        last.max(self.held_until.filter(|_| calls > 0)).unwrap_or(now).max(now)
    }
}

#[cfg(test)]
mod tests;
