//! A history from a seed: people at work, faults and crashes, several runs, then quiet.

use syncline_core::{ConflictPolicy, DeletePolicy, EditDelete, Side, Times};

use crate::application::Manner;
use crate::chance::Chance;
use crate::checks::check;
use crate::stage::{Simulation, default_rules};

/// What became of a history.
#[derive(Debug)]
pub struct History {
    /// What must hold and does not.
    pub breaches: Vec<String>,
    /// Edits that an unguarded write covered.
    pub gaps: usize,
    /// Edits that people made.
    pub edits: usize,
    /// What happened.
    pub story: Vec<String>,
}

/// Plays the history of `seed`.
pub fn history(seed: u64) -> History {
    let mut chance = Chance::new(seed);
    let (left, right) = (Manner::draw(&mut chance), Manner::draw(&mut chance));
    let mut rules = default_rules();
    rules.conflict = chance.pick(&[
        ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord },
        ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::FieldElseRecord },
        ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::Field },
        ConflictPolicy::Prefer(Side::Left),
        ConflictPolicy::Prefer(Side::Right),
        ConflictPolicy::Manual,
    ]);
    let policies = [DeletePolicy::Ignore, DeletePolicy::Delete, DeletePolicy::Archive];
    rules.deletes_to_left = chance.pick(&policies);
    rules.deletes_to_right = chance.pick(&policies);
    rules.edit_delete = chance.pick(&[EditDelete::Hold, EditDelete::EditWins, EditDelete::DeleteWins]);
    let simulation = Simulation::new(chance.next_number(), left, right, rules);
    {
        let mut state = simulation.stage.lock();
        let line = format!("left {:?}", state.app(Side::Left).manner);
        state.tell(line);
        let line = format!("right {:?}", state.app(Side::Right).manner);
        state.tell(line);
        let line = {
            let rules = &simulation.setup.rules;
            format!("{:?} {:?} {:?}", rules.conflict, rules.deletes_to_left, rules.edit_delete)
        };
        state.tell(line);
        for word in 0..2 + chance.below(9) as u64 {
            let side = chance.pick(&Side::BOTH);
            state.somebody_new(side, 1000 + word);
        }
        state.now += 120_000;
        state.fault_percent = chance.pick(&[0, 3, 10]);
        state.people_percent = chance.pick(&[0, 5, 20]);
        state.deletes = chance.percent(60);
    }
    let runs = 3 + chance.below(3);
    let crash = chance.below(runs * 2);
    for number in 0..runs {
        {
            let mut state = simulation.stage.lock();
            for _ in 0..chance.below(6) {
                let pause = i64::try_from(chance.below(30_000)).unwrap_or(0);
                state.now += pause;
                state.person_acts();
            }
            state.now += chance.pick(&[1_000, 60_000, 600_000, 90_000_000]);
        }
        if number == crash {
            simulation.store.stop_at(chance.below(40) as u64, chance.percent(50));
        }
        let _ = simulation.run();
        if simulation.store.start_again() {
            simulation.stage.lock().tell("the power failed and came back".to_owned());
        }
    }
    {
        let mut state = simulation.stage.lock();
        state.fault_percent = 0;
        state.people_percent = 0;
        state.tell("people and faults rest".to_owned());
    }
    let settled = simulation.settle();
    let mut breaches = check(&simulation);
    if settled.is_none() {
        breaches.push("E6.7: it does not come to rest".to_owned());
    }
    let state = simulation.stage.lock();
    History {
        breaches,
        gaps: state.edits.iter().filter(|edit| edit.in_gap).count(),
        edits: state.edits.len(),
        story: state.story.clone(),
    }
}
