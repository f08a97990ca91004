//! Syncs in a circle (E6.5): what comes back to where it was is no edit, and every edit goes round.

use syncline_core::{ConflictPolicy, Decided, DeletePolicy, EditDelete, MappingRule, RecordId, Rules, Side, Times};
use syncline_runner::{
    ApproveAll, Dispute, Failure, KeptConflict, RunReport, RunRequest, SideSetup, SyncSetup, Undo, find_conflicts, undo,
};
use syncline_simulation::steps::wait;
use syncline_simulation::{Chance, Manner, Simulation, default_rules, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;
const AB: usize = 0;
const BC: usize = 1;
const CA: usize = 2;

/// Three applications in a circle: A with B, B with C, C with A. A and B are the sides of `first`, C is the left one of
/// `second`.
struct Circle {
    first: Simulation,
    second: Simulation,
    syncs: [SyncSetup; 3],
}

impl Circle {
    fn new(rewrites: [bool; 3]) -> Self {
        Self::with(rewrites, two_way())
    }

    fn with(rewrites: [bool; 3], rules: Rules) -> Self {
        let manner = |number: usize| Manner { rewrites: rewrites[number], ..Manner::PLAIN };
        let first = Simulation::new(1, manner(0), manner(1), rules.clone());
        let second = Simulation::new(2, manner(2), Manner::PLAIN, rules);
        let (a, b) = (first.setup.left.clone(), first.setup.right.clone());
        let mut c: SideSetup = second.setup.left.clone();
        c.endpoint.connection = "third".into();
        let sync = |name: &str, left: &SideSetup, right: &SideSetup| SyncSetup {
            name: name.into(),
            left: left.clone(),
            right: right.clone(),
            circle: true,
            ..first.setup.clone()
        };
        let syncs = [sync("ab", &a, &b), sync("bc", &b, &c), sync("ca", &c, &a)];
        Self { first, second, syncs }
    }

    /// A circle in step, with one record of A, B and C each.
    fn in_step(rewrites: [bool; 3], rules: Rules) -> (Self, RecordId) {
        let circle = Self::with(rewrites, rules);
        let id = circle.first.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
        circle.rest([AB, BC, CA]);
        (circle, id)
    }

    /// A person writes a name at A, some seconds later.
    fn edit(&self, id: &RecordId, name: &str) {
        let mut state = self.first.stage.lock();
        state.now += 10_000;
        state.person_edits(LEFT, id, "name", name);
    }

    /// A person writes the name of the one record of C, some seconds later.
    fn edit_at_c(&self, name: &str) {
        self.first.stage.lock().now += 10_000;
        let now = self.first.stage.lock().now;
        let mut state = self.second.stage.lock();
        state.now = now;
        let [id] = &state.ids(LEFT)[..] else { panic!("C has one record") };
        let id = id.clone();
        state.person_edits(LEFT, &id, "name", name);
    }

    fn pass_time(&self) {
        self.first.stage.lock().now += 600_000;
        let now = self.first.stage.lock().now;
        self.second.stage.lock().now = now;
    }

    fn try_run(&self, number: usize) -> Result<RunReport, Box<Failure>> {
        self.pass_time();
        let request = RunRequest { approve: &ApproveAll, only: None, answer: None };
        wait(syncline_runner::run(&self.first.context, &self.syncs[number], &request)).map_err(Box::new)
    }

    fn run(&self, number: usize) -> u64 {
        self.try_run(number).expect("nothing goes wrong in this run").record.tally.writes()
    }

    /// The conflicts about A's record that a run decided.
    fn decided(&self, id: &RecordId) -> Vec<KeptConflict> {
        let found = [AB, CA].map(|number| {
            let name = &self.syncs[number].name;
            wait(find_conflicts(self.first.store.as_ref(), name, id, None, Dispute::Decided)).unwrap_or_default()
        });
        found.into_iter().flatten().collect()
    }

    /// What was written to A.
    fn writes_to_a(&self) -> usize {
        self.first.stage.lock().writes.iter().filter(|write| write.side == LEFT).count()
    }

    /// Runs the three in turn until a whole turn writes nothing; returns the turns that wrote.
    fn rest(&self, order: [usize; 3]) -> usize {
        let turn = || order.iter().map(|number| self.run(*number)).sum::<u64>();
        (0..8).find(|_| turn() == 0).expect("values travel for ever")
    }

    fn names(&self) -> Vec<Vec<String>> {
        let names = |simulation: &Simulation, side: Side| {
            let state = simulation.stage.lock();
            let name = |id: &RecordId| state.value(side, id, "name").map_or_else(String::new, |name| name.to_string());
            state.ids(side).iter().map(name).collect()
        };
        vec![names(&self.first, LEFT), names(&self.first, RIGHT), names(&self.second, LEFT)]
    }

    /// The names, whatever the applications make of letters and spaces.
    fn spoken(&self) -> Vec<String> {
        self.names().concat().iter().map(|name| name.trim().to_lowercase()).collect()
    }
}

fn two_way() -> Rules {
    let mut rules = default_rules();
    // Serial numbers belong to one side of a simulation, and here are three.
    rules.mappings.retain(|mapping| !mapping.left.as_str().ends_with("serial"));
    rules.mappings.iter_mut().for_each(|mapping| mapping.rule = MappingRule::TwoWay);
    rules
}

/// A value that comes back to where it began agrees with what is there, unless somebody edited it meanwhile (below).
#[test]
fn e6_5_a_circle_with_a_hub_comes_to_rest_and_no_value_travels_for_ever() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        for rewrites in [[false; 3], [false, true, false], [true, false, true]] {
            let circle = Circle::new(rewrites);
            let id = circle.first.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
            circle.rest(order);
            assert_eq!(circle.names(), [["ada"], ["ada"], ["ada"]], "{order:?} {rewrites:?}: one record each");
            circle.first.stage.lock().person_edits(LEFT, &id, "name", "Countess ");
            let turns = circle.rest(order);
            assert!(turns <= 3, "{order:?} {rewrites:?}: {turns} turns");
            assert_eq!(circle.spoken(), ["countess"; 3], "{order:?} {rewrites:?}");
            assert_eq!(circle.rest([0, 1, 2]), 0, "and it stays so");
        }
    }
}

/// An edit at A sets out for B and C; before it has come round, A is edited again. C then holds A's own older value: that
/// is no edit, so the newer one goes to C, whatever the times and the policy say.
#[test]
fn e6_5_an_edit_goes_before_its_own_older_value_that_comes_round() {
    let prefers_c = Rules { conflict: ConflictPolicy::Prefer(LEFT), ..two_way() };
    let manual = Rules { conflict: ConflictPolicy::Manual, ..two_way() };
    for rules in [two_way(), prefers_c, manual] {
        for rewrites in [[false; 3], [false, true, false], [false, false, true], [false, true, true], [true; 3]] {
            for order in [[AB, BC, CA], [BC, AB, CA], [CA, BC, AB]] {
                let (circle, id) = Circle::in_step(rewrites, rules.clone());
                circle.edit(&id, "Ada 1");
                circle.run(AB);
                circle.edit(&id, "Ada 2");
                circle.run(BC);
                assert_eq!(circle.run(CA), 1, "{rewrites:?}: the newer edit goes to C");
                let what = format!("{:?} {rewrites:?} {order:?}", rules.conflict);
                circle.rest(order);
                let own = if rewrites[0] { "ada 2" } else { "Ada 2" };
                assert_eq!(circle.names()[0], [own], "{what}: A keeps what was entered there");
                assert_eq!(circle.spoken(), ["ada 2"; 3], "{what}");
                assert_eq!((circle.writes_to_a(), circle.decided(&id).len()), (0, 0), "{what}");
            }
        }
    }
}

/// The same where the second edit takes the first one back: to A's sync with C it looks as if only C had changed.
#[test]
fn e6_5_an_edit_that_was_taken_back_does_not_return() {
    for rewrites in [[false; 3], [false, true, true]] {
        let (circle, id) = Circle::in_step(rewrites, two_way());
        circle.edit(&id, "ada 1");
        circle.run(AB);
        circle.edit(&id, "ada");
        circle.run(BC);
        circle.rest([CA, AB, BC]);
        assert_eq!(circle.names(), [["ada"], ["ada"], ["ada"]], "{rewrites:?}");
        assert_eq!(circle.writes_to_a(), 0, "{rewrites:?}");
    }
}

/// At first pairing it is no different: C was made by the two other syncs, and A edited before it met C.
#[test]
fn e6_5_a_record_that_came_round_pairs_with_its_origin_as_its_older_self() {
    for cleared in [false, true] {
        let circle = Circle::new([false; 3]);
        let fields = [("email", "ada@x"), ("name", "ada"), ("phone", "1")];
        let id = circle.first.stage.lock().person_creates(LEFT, &fields);
        circle.run(AB);
        circle.edit(&id, "Ada 2");
        if cleared {
            circle.first.stage.lock().person_edits(LEFT, &id, "phone", "");
        }
        circle.run(BC);
        circle.rest([CA, AB, BC]);
        assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]]);
        let phone = circle.first.stage.lock().value(LEFT, &id, "phone").filter(|phone| !phone.is_blank());
        assert_eq!(phone, (!cleared).then(|| text("1")), "what was cleared at A stays so");
        assert_eq!(circle.writes_to_a(), 0);
    }
}

/// Text that a person enters at C is an edit, also if A held the same once.
#[test]
fn e6_5_e3_4_the_same_text_entered_by_a_person_is_an_edit() {
    for comes_back in [false, true] {
        let (circle, id) = Circle::in_step([false; 3], two_way());
        circle.edit(&id, "Ada 1");
        circle.run(AB);
        if comes_back {
            circle.run(BC);
            circle.edit_at_c("Eve");
            circle.pass_time();
            // It is read, and nothing is decided about it.
            wait(syncline_runner::read(&circle.first.context, &circle.syncs[CA])).expect("it can be read");
        }
        circle.edit(&id, "Ada 2");
        circle.edit_at_c("Ada 1");
        circle.run(BC);
        circle.run(CA);
        let [kept] = &circle.decided(&id)[..] else { panic!("{comes_back}: two edits are a conflict") };
        let [field] = &kept.conflict.fields[..] else { panic!("one field: {kept:?}") };
        assert_eq!((&field.left, &field.right), (&text("Ada 1"), &text("Ada 2")), "{comes_back}");
        circle.rest([AB, BC, CA]);
        assert_eq!(circle.names(), [["Ada 1"], ["Ada 1"], ["Ada 1"]], "{comes_back}: it was entered last");
    }
}

/// A run that stops at any of its commits, before it or after it, and is taken up by the next one.
#[test]
fn e6_5_e8_4_where_a_value_came_from_is_known_also_after_a_crash() {
    let mut stops = 0;
    for commit in 0..24 {
        for applied in [false, true] {
            let (circle, id) = Circle::in_step([false; 3], two_way());
            circle.edit(&id, "Ada 1");
            circle.run(AB);
            circle.edit(&id, "Ada 2");
            circle.first.store.stop_at(commit, applied);
            let ended = circle.try_run(BC);
            if circle.first.store.start_again() {
                stops += 1;
                circle.run(BC);
            } else {
                ended.expect("nothing stopped it");
            }
            circle.run(CA);
            circle.rest([AB, BC, CA]);
            assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]], "stopped at {commit}, applied: {applied}");
            assert_eq!((circle.writes_to_a(), circle.decided(&id).len()), (0, 0), "{commit} {applied}");
        }
    }
    assert!((10..48).contains(&stops), "{stops} stops");
}

/// A's record is merged into another one while its value is on its way: what comes round is known by its former id.
#[test]
fn e6_5_e1_10_what_comes_round_is_known_by_the_id_that_its_record_had() {
    let (circle, id) = Circle::in_step([false; 3], two_way());
    circle.edit(&id, "Ada 1");
    circle.run(AB);
    {
        let mut state = circle.first.stage.lock();
        state.now += 10_000;
        let into = state.person_creates(LEFT, &[("email", "ada@x"), ("name", "Ada 2")]);
        state.person_merges(LEFT, &id, &into);
    }
    circle.run(BC);
    circle.rest([CA, AB, BC]);
    assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]]);
    assert_eq!(circle.writes_to_a(), 0);
}

/// A's record is deleted while its last value is on its way to C, which nobody edited there.
#[test]
fn e6_5_e3_6_what_came_from_a_deleted_record_is_no_edit_that_keeps_the_other() {
    for edit_delete in [EditDelete::Hold, EditDelete::EditWins] {
        let to = DeletePolicy::Delete;
        let rules = Rules { deletes_to_left: to, deletes_to_right: to, edit_delete, ..two_way() };
        let (circle, id) = Circle::in_step([false; 3], rules);
        circle.edit(&id, "Ada 1");
        circle.run(AB);
        circle.run(BC);
        circle.first.stage.lock().person_deletes(LEFT, &id);
        circle.run(CA);
        let none: [&str; 0] = [];
        assert_eq!([&circle.names()[0][..], &circle.names()[2]], [none, none], "{edit_delete:?}: C goes with A");
        circle.rest([CA, BC, AB]);
        assert_eq!(circle.names(), [none, none, none], "{edit_delete:?}");
    }
}

/// What an undo puts back is taken back: it has no origin from which it would be put right again.
#[test]
fn e6_5_e9_6_an_undo_in_a_circle_comes_to_rest() {
    let (circle, id) = Circle::in_step([false; 3], two_way());
    circle.edit(&id, "Ada 1");
    circle.run(AB);
    circle.edit(&id, "Ada 2");
    circle.run(BC);
    let run = circle.try_run(CA).expect("nothing goes wrong in this run").record.id;
    circle.pass_time();
    wait(undo(&circle.first.context, &circle.syncs[CA], &Undo::run(run))).expect("it can be taken back");
    assert_eq!(circle.names(), [["Ada 2"], ["Ada 1"], ["Ada 1"]]);
    assert_eq!(circle.run(CA), 0, "what was taken back stays so");
    circle.rest([AB, BC, CA]);
    assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]], "the edit goes its other way");
}

/// The second edit is later than the last write, and goes round itself.
#[test]
fn e6_5_an_edit_later_than_the_value_that_comes_round_wins() {
    let circle = Circle::new([false; 3]);
    let id = circle.first.stage.lock().person_creates(LEFT, &[("email", "ada@x"), ("name", "ada")]);
    circle.rest([0, 1, 2]);
    circle.first.stage.lock().person_edits(LEFT, &id, "name", "Ada 1");
    circle.run(0);
    circle.run(1);
    circle.first.stage.lock().now += 10_000;
    circle.first.stage.lock().person_edits(LEFT, &id, "name", "Ada 2");
    circle.rest([2, 0, 1]);
    assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]]);
}

/// What a sync wrote counts from when it was entered: two edits are decided alike wherever they meet.
#[test]
fn e6_5_e3_2_an_edit_that_a_sync_brought_counts_from_when_it_was_entered() {
    let (circle, id) = Circle::in_step([false; 3], two_way());
    circle.edit_at_c("Eve");
    circle.edit(&id, "Ada 2");
    circle.run(BC);
    circle.run(AB);
    let [kept] = &circle.decided(&id)[..] else { panic!("two edits are a conflict") };
    let [field] = &kept.conflict.fields[..] else { panic!("one field: {kept:?}") };
    assert_eq!((&field.left, &field.right), (&text("Ada 2"), &text("Eve")), "B has Eve since later than A has Ada 2");
    circle.rest([AB, BC, CA]);
    assert_eq!(circle.names(), [["Ada 2"], ["Ada 2"], ["Ada 2"]]);
    assert_eq!(circle.writes_to_a(), 0);
}

/// Where a policy goes by the times of fields alone, the time of the record that a value came from is no such time.
#[test]
fn e6_5_e3_2_a_strict_policy_makes_no_time_of_a_field_of_that_of_its_record() {
    let newest = |times| ConflictPolicy::Newest { in_doubt: LEFT, times };
    let ways = [
        (Times::FieldElseRecord, Some(Times::Field), Decided::InDoubt(LEFT)),
        (Times::Field, Some(Times::FieldElseRecord), Decided::Newer(RIGHT)),
        (Times::Field, None, Decided::InDoubt(LEFT)),
    ];
    for (whole, own, decided) in ways {
        let mut rules = Rules { conflict: newest(whole), ..two_way() };
        let name = rules.mappings.iter_mut().find(|mapping| mapping.left.as_str() == "name").expect("it is mapped");
        name.conflict = own.map(newest);
        let (circle, id) = Circle::in_step([false; 3], rules);
        circle.edit(&id, "Ada 1");
        circle.run(AB);
        circle.edit(&id, "Ada 2");
        circle.run(CA);
        circle.run(BC);
        let b = circle.first.stage.lock().ids(RIGHT)[0].clone();
        let name = &circle.syncs[BC].name;
        let found = find_conflicts(circle.first.store.as_ref(), name, &b, None, Dispute::Decided);
        let [kept] = &wait(found).expect("the store is up")[..] else { panic!("two values met") };
        assert_eq!(kept.conflict.decided, decided, "{whole:?} {own:?}");
        circle.rest([AB, BC, CA]);
    }
}

/// Whoever edits what where, in whatever order the syncs run: it comes to rest, and the last edit stands everywhere.
#[test]
fn e6_5_e6_7_whatever_is_edited_where_and_when_a_circle_comes_to_rest() {
    for seed in 0..30 {
        let mut chance = Chance::new(seed);
        let rewrites = [(); 3].map(|()| chance.percent(30));
        let (circle, id) = Circle::in_step(rewrites, two_way());
        let mut entered = vec!["ada".to_owned()];
        for number in 0..12 {
            let name = format!("name {number}");
            match chance.below(8) {
                0 | 1 => circle.edit(&id, &name),
                2 => circle.edit_at_c(&name),
                _ => {
                    circle.run(chance.below(3));
                    continue;
                }
            }
            entered.push(name);
        }
        circle.rest(chance.pick(&[[AB, BC, CA], [CA, BC, AB], [BC, CA, AB]]));
        let last = entered.pop().expect("there is a first name");
        assert_eq!(circle.spoken(), [&last[..]; 3], "seed {seed}, {rewrites:?}, before it {entered:?}");
    }
}
