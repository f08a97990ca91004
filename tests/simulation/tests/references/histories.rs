//! Histories of both syncs: people link and unlink on both sides, runs come in any order, and the power fails.

use syncline_core::{MergeForm, Pair, RecordId, Side};
use syncline_simulation::{Chance, Manner};

use super::{Both, create, drawn, link, links};

#[test]
fn e10_1_histories_of_two_syncs_that_refer_to_each_other_agree_in_the_end() {
    let seeds = std::env::var("SYNCLINE_SEEDS").ok();
    let range = seeds.as_deref().and_then(|seeds| seeds.split_once(".."));
    let bounds = range.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to): (u64, u64) = bounds.unwrap_or((0, 60));
    for seed in from..to {
        let breaches = history(seed);
        assert_eq!(breaches, Vec::<String>::new(), "seed {seed}");
    }
}

fn history(seed: u64) -> Vec<String> {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let manners = [(); 4].map(|()| Manner { complete: true, validates: false, ..Manner::draw(&mut chance) });
    let both = drawn(seed, manners, MergeForm::Set);
    for simulation in [&both.contacts, &both.companies] {
        for number in 0..2 + chance.below(4) {
            create(simulation, chance.pick(&Side::BOTH), &format!("n{number}"));
        }
        simulation.stage.lock().fault_percent = chance.pick(&[0, 0, 5]);
    }
    for _ in 0..4 + chance.below(4) {
        for _ in 0..chance.below(5) {
            act(&both, &mut chance);
        }
        if chance.percent(40) {
            both.contacts.store.stop_at(chance.below(30) as u64, chance.percent(50));
        }
        for simulation in chance.pick(&[[&both.contacts, &both.companies], [&both.companies, &both.contacts]]) {
            simulation.stage.lock().now += chance.pick(&[1_000, 60_000, 600_000]);
            let _ = simulation.run();
            both.contacts.store.start_again();
        }
    }
    for simulation in [&both.contacts, &both.companies] {
        simulation.stage.lock().fault_percent = 0;
    }
    for _ in 0..2 {
        for simulation in [&both.contacts, &both.companies] {
            if simulation.settle().is_none() {
                return vec!["E6.7: it does not come to rest".to_owned()];
            }
        }
    }
    let mut breaches = both.breaches();
    breaches.extend(unlinked(&both, &mut chance));
    if !breaches.is_empty() {
        for simulation in [&both.contacts, &both.companies] {
            breaches.extend(simulation.stage.lock().story.iter().filter(|line| !line.contains("it ends")).cloned());
        }
    }
    breaches
}

/// What a person takes away in the end is away on both sides.
fn unlinked(both: &Both, chance: &mut Chance) -> Option<String> {
    let side = chance.pick(&Side::BOTH);
    let linked = both.contacts.pairs().into_iter().map(|(_, pair)| pair).filter(|pair| pair.is_joined());
    let ids = |pair: &Pair| Some((pair.id(side)?.clone(), pair.id(side.other())?.clone()));
    let all: Vec<(RecordId, RecordId)> = linked.filter_map(|pair| ids(&pair)).collect();
    for (own, _) in &all {
        link(&both.contacts, side, own, "companies", &[]);
    }
    both.contacts.settle()?;
    let of_others = |id: &String| {
        let id = RecordId::new(id.as_str());
        both.companies.pair_of(side.other(), &id).is_none_or(|pair| !pair.is_joined())
    };
    let left = all.iter().flat_map(|(_, other)| links(&both.contacts, side.other(), other));
    let left: Vec<String> = left.filter(|id| !of_others(id)).collect();
    (!left.is_empty()).then(|| format!("E10.1: {left:?} are linked although a person took them away"))
}

fn act(both: &Both, chance: &mut Chance) {
    let contacts = chance.percent(60);
    let (simulation, others, to) = match contacts {
        true => (&both.contacts, &both.companies, "companies"),
        false => (&both.companies, &both.contacts, "contacts"),
    };
    let side = chance.pick(&Side::BOTH);
    let ids = simulation.stage.lock().ids(side);
    if ids.is_empty() || chance.percent(15) {
        create(simulation, side, &format!("m{}", chance.below(100)));
        return;
    }
    let id = chance.pick(&ids);
    let known = others.stage.lock().ids(side);
    let wanted: Vec<&RecordId> = known.iter().filter(|_| chance.percent(40)).collect();
    link(simulation, side, &id, to, &wanted);
}
