//! Hints that records have changed, as applications send them: twice, late, in any order, and about nothing.

use syncline_core::{RecordId, Side};
use syncline_runner::{Hinted, hint};

use crate::chance::mix;
use crate::stage::Simulation;
use crate::steps::wait;

impl Simulation {
    /// Tells the sync that records of a side may have changed.
    pub fn hint(&self, side: Side, ids: &[RecordId], event: Option<&str>) -> Hinted {
        self.stage.lock().tell(format!("a hint names {ids:?} of the {side}"));
        let told = hint(self.store.as_ref(), &self.setup.side(side).endpoint, ids, event);
        wait(told).unwrap_or_default()
    }

    /// Sends some hints, drawn from the time, so that histories without them stay as they were.
    pub(crate) fn hint_at_random(&self) {
        for side in Side::BOTH {
            let (now, mut ids) = {
                let state = self.stage.lock();
                // Also records that are gone by now.
                (state.now, state.app(side).entries.keys().cloned().collect::<Vec<RecordId>>())
            };
            let chance = mix(now.unsigned_abs() ^ side.pick(1, 2));
            if !chance.is_multiple_of(3) || ids.is_empty() {
                continue;
            }
            let turn = (chance >> 8) as usize % ids.len();
            ids.rotate_left(turn);
            ids.truncate(1 + (chance >> 16) as usize % 3);
            ids.push(RecordId::new("nobody"));
            let event = chance.is_multiple_of(2).then(|| format!("event {}", chance >> 60));
            self.hint(side, &ids, event.as_deref());
            ids.reverse();
            self.hint(side, &ids, event.as_deref());
        }
    }
}
