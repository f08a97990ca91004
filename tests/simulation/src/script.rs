//! What a history is made of: drawn whole from its seed, so that any part of it can be taken away again.

use std::collections::BTreeSet;

use syncline_core::{
    ConflictPolicy, DeletePolicy, Direction, Doubles, EditDelete, Index, MappingRule, Rules, Scope, Side, Times,
    WithoutKey,
};

use crate::application::Manner;
use crate::chance::Chance;
use crate::one_way;
use crate::operator::{Order, Reply};
use crate::scopes;
use crate::stage::default_rules;
use crate::tidy;

/// A history before it is played.
#[derive(Clone, Debug)]
pub struct Script {
    /// Chance within the history starts from here.
    pub chance: u64,
    /// How the left application behaves.
    pub left: Manner,
    /// How the right application behaves.
    pub right: Manner,
    /// The rules of the sync at the beginning, as somebody wrote them down.
    pub rules: Rules,
    /// Records that are there at the beginning.
    pub records: usize,
    /// The runs, and what comes before each.
    pub visits: Vec<Visit>,
    /// How many of a hundred calls go wrong.
    pub fault_percent: usize,
    /// How many of a hundred calls meet somebody at work.
    pub people_percent: usize,
    /// True if people delete and merge.
    pub deletes: bool,
    /// An automation on each side argues about this field; true: each time with another value.
    pub fight: Option<(&'static str, bool)>,
    /// How many tasks a month may hold while people are at work.
    pub tasks: Option<u64>,
    /// Every delete waits for a person.
    pub strict: bool,
    /// Numbers of happenings that do not happen after all.
    pub skipped: BTreeSet<u64>,
}

/// A run, and what happens before and in it.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What people do before it: this many things.
    pub acts: usize,
    /// How long nothing happens, in milliseconds.
    pub pause_ms: i64,
    /// Somebody changes the rules.
    pub change: Option<RuleChange>,
    /// What somebody orders before it.
    pub order: Option<Order>,
    /// What is said about deletes that wait.
    pub reply: Option<Reply>,
    /// The first call of the run to this side fails.
    pub fault: Option<Side>,
    /// The power fails at this commit; true: the commit itself is kept.
    pub crash: Option<(u64, bool)>,
}

impl Visit {
    /// A run before which time passes and nothing else happens.
    pub(crate) fn quiet(pause_ms: i64) -> Self {
        Self { acts: 0, pause_ms, change: None, order: None, reply: None, fault: None, crash: None }
    }
}

/// A change of the rules while a sync is in use (B13).
#[derive(Clone, Debug)]
pub enum RuleChange {
    /// The mapping with this number has another rule.
    Mapping(usize, MappingRule),
    /// Conflicts are decided otherwise.
    Conflict(ConflictPolicy),
    /// Deletes are carried over otherwise.
    Deletes(DeletePolicy),
    /// Other records are in scope (E5.7).
    Scope(Box<Scope>),
    /// Of several records with one key another one is taken (E1.5).
    Doubles(Doubles),
    /// The sync goes another way (B04).
    Direction(Direction),
}

impl RuleChange {
    /// Makes the change in the rules that somebody wrote down.
    pub fn apply(&self, rules: &mut Rules) {
        match self {
            RuleChange::Mapping(number, rule) => rules.mappings[*number].rule = *rule,
            RuleChange::Conflict(policy) => rules.conflict = policy.clone(),
            RuleChange::Direction(direction) => rules.direction = *direction,
            RuleChange::Doubles(doubles) => rules.matching.doubles = *doubles,
            RuleChange::Scope(scope) => rules.scope = Scope::clone(scope),
            RuleChange::Deletes(policy) => (rules.deletes_to_left, rules.deletes_to_right) = (*policy, *policy),
        }
    }

    fn draw(chance: &mut Chance, mappings: usize) -> Self {
        match chance.below(6) {
            5 => RuleChange::Doubles(chance.pick(&[Doubles::Hold, Doubles::Oldest, Doubles::Newest])),
            0 => RuleChange::Conflict(conflict_policy(chance)),
            1 => RuleChange::Deletes(delete_policy(chance)),
            2 => RuleChange::Scope(Box::new(scopes::draw(chance))),
            _ => RuleChange::Mapping(
                chance.below(mappings),
                chance.pick(&[MappingRule::TwoWay, MappingRule::Off, MappingRule::ToRight, MappingRule::ToLeft]),
            ),
        }
    }
}

fn conflict_policy(chance: &mut Chance) -> ConflictPolicy {
    chance.pick(&[
        ConflictPolicy::Newest { in_doubt: Side::Left, times: Times::FieldElseRecord },
        ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::FieldElseRecord },
        ConflictPolicy::Newest { in_doubt: Side::Right, times: Times::Field },
        ConflictPolicy::Prefer(Side::Left),
        ConflictPolicy::Prefer(Side::Right),
        ConflictPolicy::Manual,
    ])
}

fn delete_policy(chance: &mut Chance) -> DeletePolicy {
    chance.pick(&[DeletePolicy::Ignore, DeletePolicy::Delete, DeletePolicy::Archive])
}

impl Script {
    /// Draws the script of `seed`: 2 to 20 records, 3 to 5 runs, at least one fault and one power failure.
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let (left, right) = (Manner::draw(&mut chance), Manner::draw(&mut chance));
        let rules = first_rules(&mut chance);
        let records = match chance.percent(80) {
            true => 2 + chance.below(9),
            false => 11 + chance.below(10),
        };
        let mut visits = first_visits(&mut chance, rules.mappings.len());
        let (from, fault_percent) = (chance.next_number(), chance.pick(&[0, 3, 10]));
        let (people_percent, deletes) = (chance.pick(&[0, 5, 20]), chance.percent(60));
        let fight = chance.percent(5).then(|| (chance.pick(&["name", "street"]), chance.percent(50)));
        if fight.is_some() {
            let pause_ms = chance.pick(&[1_000, 120_000]);
            visits.extend(std::iter::repeat_n(Visit::quiet(pause_ms), 2 + chance.below(14)));
        }
        let mut script = Self {
            chance: from,
            left,
            right,
            rules,
            records,
            visits,
            fault_percent,
            people_percent,
            deletes,
            fight,
            tasks: seed.is_multiple_of(4).then_some(3 + seed / 4 % 30),
            strict: false,
            skipped: BTreeSet::new(),
        };
        // Drawn last, so that what a seed drew before these were known stays what it was.
        script.draw_matching(&mut chance);
        script.draw_operator(&mut chance);
        one_way::draw(seed, &mut script);
        script
    }

    fn draw_matching(&mut self, chance: &mut Chance) {
        let rules = &mut self.rules;
        let matching = &mut rules.matching;
        matching.doubles = chance.pick(&[Doubles::Hold, Doubles::Hold, Doubles::Oldest, Doubles::Newest]);
        matching.without_key = chance.pick(&[WithoutKey::Exclude, WithoutKey::Exclude, WithoutKey::Create]);
        let scoped = chance.pick(&Side::BOTH);
        let manner = scoped.pick(&self.left, &self.right);
        if chance.percent(15) && manner.get && (manner.unique_email || manner.findable_email) {
            *scoped.pick(&mut rules.left_index, &mut rules.right_index) = Index::Scoped;
        }
        if chance.percent(20) {
            let mapping = chance.pick(&[1, 2, 5]);
            let (to_left, to_right) = (chance.percent(50), chance.percent(70));
            let mapping = &mut rules.mappings[mapping];
            mapping.to_left.extend(to_left.then(tidy::step));
            mapping.to_right.extend(to_right.then(tidy::step));
        }
    }

    fn draw_operator(&mut self, chance: &mut Chance) {
        self.strict = chance.percent(25);
        let orders = if chance.percent(30) { 40 } else { 0 };
        for visit in &mut self.visits {
            visit.order = chance.percent(orders).then(|| Order::draw(chance));
        }
        if self.strict {
            // Something has to be there that asks.
            let policies = [DeletePolicy::Delete, DeletePolicy::Archive];
            let rules = &mut self.rules;
            (rules.deletes_to_left, rules.deletes_to_right) = (chance.pick(&policies), chance.pick(&policies));
            for visit in &mut self.visits {
                visit.acts += 2 + chance.below(6);
                visit.reply = chance.percent(80).then(|| chance.pick(&[Reply::Yes, Reply::No, Reply::Stale]));
            }
            self.deletes = true;
        }
    }
}

fn first_rules(chance: &mut Chance) -> Rules {
    let mut rules = default_rules();
    rules.conflict = conflict_policy(chance);
    rules.deletes_to_left = delete_policy(chance);
    rules.deletes_to_right = delete_policy(chance);
    rules.edit_delete = chance.pick(&[EditDelete::Hold, EditDelete::EditWins, EditDelete::DeleteWins]);
    rules.scope = scopes::draw(chance);
    rules.leave = scopes::draw_leave(chance);
    rules
}

fn first_visits(chance: &mut Chance, mappings: usize) -> Vec<Visit> {
    let runs = 3 + chance.below(3);
    let (crash, fault) = (chance.below(runs), chance.below(runs));
    let visit = |number: usize| Visit {
        change: (number > 0 && chance.percent(12)).then(|| RuleChange::draw(chance, mappings)),
        acts: chance.below(6),
        pause_ms: chance.pick(&[1_000, 60_000, 600_000, 90_000_000]),
        order: None,
        reply: None,
        fault: (number == fault).then(|| chance.pick(&Side::BOTH)),
        crash: (number == crash).then(|| (chance.below(40) as u64, chance.percent(50))),
    };
    (0..runs).map(visit).collect()
}
