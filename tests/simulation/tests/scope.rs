//! Filters and lists in small histories, each named by the rule that it shows.

use syncline_core::{
    ConflictPolicy, DeletePolicy, Exclusion, Leave, MappingRule, PairState, RecordId, Rules, RunId, Scope, Side, Value,
};
use syncline_runner::{Undo, rules_version};
use syncline_simulation::steps::{edit, rest, run, take_back, value, wait};
use syncline_simulation::{Manner, Simulation, default_rules, filter, list, text};

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

fn scope(left: Option<&str>, right: Option<&str>) -> Scope {
    Scope { left: left.map(filter), right: right.map(filter), list: None }
}

fn scoped(scope: Scope) -> Simulation {
    Simulation::new(1, Manner::PLAIN, Manner::PLAIN, Rules { scope, ..default_rules() })
}

fn create(simulation: &Simulation, side: Side, fields: &[(&str, &str)]) -> RecordId {
    simulation.stage.lock().person_creates(side, fields)
}

fn other(simulation: &Simulation, side: Side, id: &RecordId) -> RecordId {
    let pair = simulation.pair_of(side, id).expect("the record has a pair");
    pair.id(side.other()).expect("it has a counterpart").clone()
}

fn why(simulation: &Simulation, side: Side, id: &RecordId) -> Option<Exclusion> {
    match simulation.pair_of(side, id).expect("the record has a pair").state {
        PairState::OutOfScope { why } => Some(why),
        _ => None,
    }
}

#[test]
fn b11_e5_5_e5_6_a_record_leaves_is_frozen_and_comes_back() {
    let simulation = scoped(scope(Some("city = 'Paris'"), None));
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("city", "Paris")]);
    let eda = create(&simulation, LEFT, &[("email", "eda@x"), ("name", "Eda"), ("city", "Rome")]);
    assert_eq!(run(&simulation).record.tally.right.created, 1);
    assert_eq!(why(&simulation, LEFT, &eda), Some(Exclusion::Filter));
    let copy = other(&simulation, LEFT, &ada);
    edit(&simulation, LEFT, &ada, "city", "Rome");
    edit(&simulation, LEFT, &ada, "name", "Ada L.");
    let report = run(&simulation);
    assert_eq!(report.record.tally.writes(), 0);
    assert_eq!(report.record.tally.excluded, 1);
    edit(&simulation, RIGHT, &copy, "phone", "12345678");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "nothing is written in the other direction either");
    edit(&simulation, LEFT, &ada, "city", "Paris");
    run(&simulation);
    assert_eq!(value(&simulation, RIGHT, &copy, "name"), Some(text("Ada L.")), "merged from the kept base");
    assert_eq!(value(&simulation, LEFT, &ada, "phone"), Some(text("12345678")));
    assert!(simulation.conflicts().is_empty());
    rest(&simulation);
}

#[test]
fn e1_2_matching_ignores_filters() {
    let simulation = scoped(scope(Some("city = 'Paris'"), Some("note is not blank")));
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Paris")]);
    let known = create(&simulation, RIGHT, &[("email", "ADA@x"), ("name", "Ada")]);
    let report = run(&simulation);
    assert_eq!(report.record.tally.left.created + report.record.tally.right.created, 0, "paired, not doubled");
    assert_eq!(other(&simulation, LEFT, &ada), known);
    assert_eq!(value(&simulation, LEFT, &ada, "name"), Some(text("Ada")), "one filter is enough for the pair");
}

#[test]
fn e5_2_a_filter_may_read_a_field_that_is_not_mapped() {
    let mut rules = Rules { scope: scope(Some("note = 'sync me'"), None), ..default_rules() };
    rules.mappings.retain(|mapping| mapping.left.as_str() != "note");
    assert!(rules.fields(LEFT).contains(&"note".into()), "the replica keeps it");
    let simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules);
    create(&simulation, LEFT, &[("email", "ada@x"), ("note", "Sync me")]);
    create(&simulation, LEFT, &[("email", "eda@x"), ("note", "not me")]);
    assert_eq!(run(&simulation).record.tally.right.created, 1);
    rest(&simulation);
}

#[test]
fn e5_3_what_would_be_created_out_of_scope_is_not() {
    let simulation = scoped(scope(None, Some("city = 'Paris'")));
    create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Paris")]);
    let eda = create(&simulation, LEFT, &[("email", "eda@x"), ("city", "Rome")]);
    assert_eq!(run(&simulation).record.tally.right.created, 1);
    assert_eq!(why(&simulation, LEFT, &eda), Some(Exclusion::Filter));
    edit(&simulation, LEFT, &eda, "city", "Paris");
    assert_eq!(run(&simulation).record.tally.right.created, 1);
    rest(&simulation);
}

#[test]
fn e4_1_out_of_scope_is_no_delete() {
    let mut simulation = scoped(scope(Some("city = 'Paris'"), None));
    simulation.setup.rules.deletes_to_right = DeletePolicy::Delete;
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Paris")]);
    run(&simulation);
    let copy = other(&simulation, LEFT, &ada);
    edit(&simulation, LEFT, &ada, "city", "Rome");
    run(&simulation);
    simulation.stage.lock().person_deletes(LEFT, &ada);
    run(&simulation);
    assert!(value(&simulation, RIGHT, &copy, "email").is_some(), "it was out of scope when it was deleted");
    rest(&simulation);
}

#[test]
fn e5_5_every_policy_for_leaving_writes_what_it_says() {
    for (leave, updates, tags) in
        [(Leave::Freeze, 0, 0), (Leave::FinalUpdate, 1, 0), (Leave::Tag, 0, 1), (Leave::Unpair, 0, 0)]
    {
        let mut simulation = scoped(scope(Some("city = 'Paris'"), None));
        simulation.setup.rules.leave = leave;
        let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("city", "Paris")]);
        run(&simulation);
        edit(&simulation, LEFT, &ada, "city", "Rome");
        let tally = run(&simulation).record.tally;
        assert_eq!(
            (tally.right.updated, tally.right.other, tally.writes()),
            (updates, tags, updates + tags),
            "{leave:?}"
        );
        assert_eq!(why(&simulation, LEFT, &ada), Some(Exclusion::Filter), "{leave:?}");
        let base = simulation.pair_of(LEFT, &ada).expect("the pair stays").base;
        assert_eq!(base.cells().is_empty(), leave == Leave::Unpair, "{leave:?}");
        edit(&simulation, LEFT, &ada, "name", "Ada L.");
        assert_eq!(run(&simulation).record.tally.writes(), 0, "{leave:?}: it is out");
        edit(&simulation, LEFT, &ada, "city", "Paris");
        rest(&simulation);
        let copy = other(&simulation, LEFT, &ada);
        assert_eq!(value(&simulation, RIGHT, &copy, "name"), Some(text("Ada L.")), "{leave:?}");
    }
}

/// A pair that was unpaired when it left the scope, its left record, and the run before that which renamed the right one.
fn unpaired(conflict: ConflictPolicy) -> (Simulation, RecordId, RunId) {
    let mut simulation = scoped(scope(Some("city = 'Paris'"), None));
    (simulation.setup.rules.leave, simulation.setup.rules.conflict) = (Leave::Unpair, conflict);
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "Ada"), ("city", "Paris")]);
    run(&simulation);
    edit(&simulation, LEFT, &ada, "name", "Ada L.");
    let renamed = run(&simulation).record.id;
    edit(&simulation, LEFT, &ada, "city", "Rome");
    run(&simulation);
    (simulation, ada, renamed)
}

#[test]
fn e5_5_e9_6_what_is_taken_back_of_an_unpaired_pair_is_agreed_on_by_nobody() {
    let (simulation, ada, renamed) = unpaired(default_rules().conflict);
    // An edit of the time when nobody looks, which taking back the other one's leaves alone.
    edit(&simulation, LEFT, &ada, "name", "Ada King");
    take_back(&simulation, &Undo::run(renamed));
    edit(&simulation, LEFT, &ada, "city", "Paris");
    rest(&simulation);
    let copy = other(&simulation, LEFT, &ada);
    assert_eq!(value(&simulation, RIGHT, &copy, "name"), value(&simulation, LEFT, &ada, "name"));
    assert_eq!(simulation.conflicts().len(), 1, "the two names are told");
}

#[test]
fn e3_1_e9_6_what_people_are_to_decide_is_not_agreed_on_by_an_undo() {
    let (simulation, ada, renamed) = unpaired(ConflictPolicy::Manual);
    edit(&simulation, LEFT, &ada, "name", "Ada King");
    edit(&simulation, LEFT, &ada, "city", "Paris");
    run(&simulation);
    let open = |simulation: &Simulation| simulation.pair_of(LEFT, &ada).expect("a pair").open_conflicts.len();
    assert_eq!(open(&simulation), 1, "back in scope they meet as if for the first time");
    take_back(&simulation, &Undo::run(renamed));
    let copy = other(&simulation, LEFT, &ada);
    assert_eq!(value(&simulation, RIGHT, &copy, "name"), Some(text("Ada")), "its own write is taken back");
    run(&simulation);
    assert_eq!(open(&simulation), 1, "the two names still wait for a person");
    assert_eq!(value(&simulation, LEFT, &ada, "name"), Some(text("Ada King")));
    rest(&simulation);
}

#[test]
fn e5_7_b13_a_changed_filter_is_previewed_and_un_pairs_nothing() {
    let mut simulation = scoped(Scope::default());
    simulation.setup.rules.leave = Leave::Unpair;
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Paris")]);
    let eda = create(&simulation, LEFT, &[("email", "eda@x"), ("city", "Rome")]);
    assert_eq!(run(&simulation).impact, None, "the first scope changes nothing");
    simulation.rescope(scope(Some("city = 'Paris'"), None));
    for _ in 0..2 {
        let impact = simulation.plan().impact.expect("the filter is new");
        assert_eq!((impact.enter.count, impact.leave.count, impact.unknown.count), (0, 1, 0));
        assert_eq!(impact.leave.examples[0].left.as_ref(), Some(&eda));
    }
    let report = run(&simulation);
    assert_eq!(report.impact.map(|impact| impact.leave.count), Some(1));
    assert_eq!(report.record.tally.writes(), 0);
    assert_eq!(why(&simulation, LEFT, &eda), Some(Exclusion::Filter));
    assert!(
        !simulation.pair_of(LEFT, &eda).expect("a pair").base.cells().is_empty(),
        "the filter moved, not the record"
    );
    assert_eq!(run(&simulation).impact, None, "it has taken effect");
    edit(&simulation, LEFT, &eda, "name", "Eda R.");
    simulation.rescope(scope(Some("city = 'Rome'"), None));
    let impact = simulation.plan().impact.expect("the filter is new");
    assert_eq!((impact.enter.count, impact.leave.count), (1, 1));
    assert_eq!(run(&simulation).record.tally.right.updated, 1);
    assert_eq!(why(&simulation, LEFT, &ada), Some(Exclusion::Filter));
    let versions = |number| {
        let name = &simulation.setup.name;
        wait(rules_version(simulation.context.store.as_ref(), name, number))
            .expect("it reads")
            .map(|version| version.rules.scope.left.map(|filter| filter.to_string()))
    };
    assert_eq!(versions(1), Some(None), "B13: the old version is kept");
    assert_eq!(versions(2), Some(Some("city = 'Paris'".to_owned())));
    assert_eq!(versions(3), Some(Some("city = 'Rome'".to_owned())));
    assert_eq!(versions(4), None);
    rest(&simulation);
}

#[test]
fn e5_7_what_becomes_ambiguous_is_told_before() {
    let mut simulation = scoped(scope(Some("city = 'Paris'"), None));
    create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Rome")]);
    create(&simulation, RIGHT, &[("email", "ada@x"), ("name", "Ada 1")]);
    create(&simulation, RIGHT, &[("email", "ada@x"), ("name", "Ada 2")]);
    run(&simulation);
    simulation.rescope(scope(Some("city = 'Rome'"), None));
    let impact = simulation.plan().impact.expect("the filter is new");
    assert_eq!((impact.enter.count, impact.ambiguous.count), (0, 1));
}

#[test]
fn c01_c03_c04_c05_an_inclusion_list_says_who_syncs_in_both_directions() {
    // Members of the list are the left records whose name holds "vip".
    let simulation = scoped(Scope { list: Some(list(LEFT, "vip")), ..Scope::default() });
    let member = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "vip Ada")]);
    let outsider = create(&simulation, LEFT, &[("email", "eda@x"), ("name", "Eda")]);
    let lead = create(&simulation, RIGHT, &[("email", "ida@x"), ("name", "Ida"), ("phone", "12345678")]);
    let tally = run(&simulation).record.tally;
    assert_eq!((tally.left.created, tally.right.created), (1, 1));
    assert_eq!(why(&simulation, LEFT, &outsider), Some(Exclusion::List), "C01");
    let copy = other(&simulation, LEFT, &member);
    let import = other(&simulation, RIGHT, &lead);
    assert_eq!(value(&simulation, LEFT, &import, "email"), Some(text("ida@x")), "C04: the key");
    assert_eq!(value(&simulation, LEFT, &import, "phone"), Some(Value::Clear), "C04: and nothing else");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "C05: not in the list, the rest stays blank");

    edit(&simulation, LEFT, &import, "name", "vip Ida");
    run(&simulation);
    assert_eq!(value(&simulation, LEFT, &import, "phone"), Some(text("12345678")), "C05: it joined");

    simulation.stage.lock().computing = true;
    edit(&simulation, LEFT, &member, "name", "Ada");
    edit(&simulation, LEFT, &member, "phone", "87654321");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "C03: nobody knows who is in it");
    assert_eq!(why(&simulation, LEFT, &member), Some(Exclusion::Unknown));
    simulation.stage.lock().computing = false;
    run(&simulation);
    assert_eq!(why(&simulation, LEFT, &member), Some(Exclusion::List), "it has left the list");
    edit(&simulation, RIGHT, &copy, "phone", "11111111");
    assert_eq!(run(&simulation).record.tally.writes(), 0, "C01: nor in the other direction");
    rest(&simulation);
}

#[test]
fn c03_a_list_that_is_ready_again_lets_everything_on_that_waited() {
    let simulation = scoped(Scope { list: Some(list(LEFT, "vip")), ..Scope::default() });
    simulation.stage.lock().computing = true;
    let ada = create(&simulation, LEFT, &[("email", "ada@x"), ("name", "vip Ada")]);
    assert_eq!(run(&simulation).record.tally.writes(), 0);
    assert_eq!(why(&simulation, LEFT, &ada), Some(Exclusion::Unknown));
    simulation.stage.lock().computing = false;
    assert_eq!(run(&simulation).record.tally.right.created, 1, "although the record did not change");
    rest(&simulation);
}

#[test]
fn e5_4_lists_are_read_when_they_are_due_and_a_quiet_run_asks_nothing_of_them() {
    const DUE_MS: i64 = 15 * 60_000;
    let manner = Manner { page_max: 1, ..Manner::PLAIN };
    let rules = Rules { scope: Scope { list: Some(list(LEFT, "vip")), ..Scope::default() }, ..default_rules() };
    let mut simulation = Simulation::new(1, manner, Manner::PLAIN, rules);
    simulation.setup.left.lists_every_ms = DUE_MS;
    let people: Vec<RecordId> = (0..40)
        .map(|number| create(&simulation, LEFT, &[("email", &format!("p{number}@x")), ("name", "vip")]))
        .collect();
    let calls_after = |pause_ms: i64| {
        simulation.stage.lock().now += pause_ms;
        let before = simulation.stage.lock().calls;
        let report = simulation.run().expect("nothing goes wrong in this run");
        (simulation.stage.lock().calls - before, report)
    };
    assert_eq!(calls_after(0).1.record.tally.right.created, 40);
    calls_after(1_000);
    let quiet = calls_after(1_000).0;
    assert!(quiet <= 6, "DESIGN 5.8: a quiet run costs {quiet} calls");
    edit(&simulation, LEFT, &people[0], "name", "Ada");
    calls_after(1_000);
    assert_eq!(why(&simulation, LEFT, &people[0]), None, "nobody has asked yet whether it is still in the list");
    assert!(calls_after(DUE_MS).0 >= 40, "the list is read page by page");
    assert_eq!(why(&simulation, LEFT, &people[0]), Some(Exclusion::List));
    assert!(calls_after(1_000).0 <= quiet);
    // Who is in a list that is new is asked at once, and so is what is still being computed.
    simulation.stage.lock().computing = true;
    edit(&simulation, LEFT, &people[1], "phone", "12345678");
    calls_after(DUE_MS);
    assert_eq!(why(&simulation, LEFT, &people[1]), Some(Exclusion::Unknown));
    simulation.stage.lock().computing = false;
    calls_after(DUE_MS - 5 * 60_000);
    assert_eq!(why(&simulation, LEFT, &people[1]), None);
    rest(&simulation);
}

#[test]
fn b04_one_way_only_the_source_has_a_say() {
    let mut rules = Rules { scope: scope(Some("city = 'Paris'"), None), ..default_rules() };
    rules.direction = syncline_core::Direction::ToRight;
    rules.mappings.iter_mut().for_each(|mapping| mapping.rule = MappingRule::ToRight);
    let simulation = Simulation::new(1, Manner::PLAIN, Manner::PLAIN, rules);
    create(&simulation, LEFT, &[("email", "ada@x"), ("city", "Paris")]);
    create(&simulation, LEFT, &[("email", "eda@x"), ("city", "Rome")]);
    let own = create(&simulation, RIGHT, &[("email", "ida@x"), ("city", "Paris")]);
    let tally = run(&simulation).record.tally;
    assert_eq!((tally.left.created, tally.right.created), (0, 1));
    assert_eq!(why(&simulation, RIGHT, &own), Some(Exclusion::OneWay));
    edit(&simulation, RIGHT, &own, "name", "Ida");
    assert_eq!(run(&simulation).record.tally.left.updated, 0, "B04: an edit of the target makes no write");
}
