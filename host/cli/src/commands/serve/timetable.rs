//! When syncs are due by their schedules.

use std::collections::BTreeMap;

use syncline_core::{Instant, SyncName};

use crate::config::Sync;
use crate::config::schedule::Schedule;

/// The syncs that run by themselves, and when each is due next.
#[derive(Default)]
pub(super) struct Timetable(BTreeMap<SyncName, Due>);

#[derive(Default)]
struct Due {
    schedule: String,
    at: Option<Instant>,
}

impl Timetable {
    /// Forgets every sync that does not run by itself now: what it missed meanwhile is not made up for at once.
    pub(super) fn keep(&mut self, syncs: &[Sync]) {
        let runs =
            |name: &SyncName| syncs.iter().any(|sync| sync.name() == name && sync.active && sync.schedule.is_some());
        self.0.retain(|name, _| runs(name));
    }

    /// Returns when a sync is due; a clock that was set back does not put it off beyond a whole turn of its schedule.
    pub(super) fn due(&mut self, sync: &SyncName, schedule: &Schedule, now: Instant) -> Option<Instant> {
        let shown = schedule.to_string();
        let due = self.0.entry(sync.clone()).or_default();
        if due.schedule != shown {
            *due = Due { schedule: shown, at: schedule.due(None, now) };
        }
        let latest = schedule.due(Some(now), now);
        due.at = due.at.map(|at| latest.map_or(at, |latest| at.min(latest)));
        due.at
    }

    /// Notes that a sync runs now, and returns when it is due again.
    pub(super) fn begin(&mut self, sync: &SyncName, schedule: &Schedule, now: Instant) -> Option<Instant> {
        let at = schedule.due(Some(now), now);
        self.0.insert(sync.clone(), Due { schedule: schedule.to_string(), at });
        at
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MINUTE: Instant = 60_000;
    /// Midnight of some day.
    const DAY: Instant = 20_000 * 1_440 * MINUTE;

    fn syncs(more: &str) -> Vec<Sync> {
        let text = format!(
            "[connections.a]\nconnector = \"x\"\n[syncs.people]\nleft = {{ connection = \"a\", object = \"l\" }}\n\
             right = {{ connection = \"a\", object = \"r\" }}\nhub = true\n{more}\n"
        );
        crate::config::parse(text, Path::new("syncline.toml")).expect("parses").syncs
    }

    #[test]
    fn a_clock_that_is_set_back_stops_no_schedule() {
        for (schedule, turn) in [("every 5m", 5 * MINUTE), ("cron */5 * * * *", 5 * MINUTE)] {
            let syncs = syncs(&format!("schedule = \"{schedule}\""));
            let (name, schedule) = (syncs[0].name(), syncs[0].schedule.as_ref().expect("a schedule"));
            let mut timetable = Timetable::default();
            let began = timetable.begin(name, schedule, DAY);
            assert_eq!(began, Some(DAY + turn));
            assert_eq!(timetable.due(name, schedule, DAY + MINUTE), began, "time goes on");
            let back = DAY - 1_000 * MINUTE;
            let due = timetable.due(name, schedule, back);
            assert_eq!(due, Some(back + turn), "{schedule}");
            assert_eq!(timetable.due(name, schedule, back + MINUTE), due, "and time goes on again");
        }
    }

    #[test]
    fn f06_a_draft_that_is_made_active_again_makes_up_for_nothing() {
        let active = syncs("schedule = \"cron 0 6 * * *\"");
        let draft = syncs("schedule = \"cron 0 6 * * *\"\nactive = false");
        let (name, schedule) = (active[0].name(), active[0].schedule.as_ref().expect("a schedule"));
        let mut timetable = Timetable::default();
        timetable.begin(name, schedule, DAY);
        let later = DAY + 3 * 1_440 * MINUTE;
        timetable.keep(&active);
        assert!(timetable.due(name, schedule, later) <= Some(later), "while it is active, it does");
        timetable.keep(&draft);
        timetable.keep(&active);
        assert!(timetable.due(name, schedule, later) > Some(later));
    }
}
