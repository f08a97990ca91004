//! Two syncs on one store whose records refer to each other: contacts to companies, and companies to contacts (E10.1).

use std::collections::BTreeSet;

use syncline_core::{
    Direction, FieldName, Mapping, MappingRule, MergeForm, Pair, Reason, RecordId, Reference, Route, Rules, Side,
    Standing, SyncName, Way, references,
};
use syncline_runner::report::Asked;
use syncline_runner::{Remedy, SideSetup, StoreTable, Undo, Verified};
use syncline_simulation::steps::{left_by_undo, take_back, wait};
use syncline_simulation::{LINKS, Manner, Simulation, check, default_rules, text};

mod histories;

const LEFT: Side = Side::Left;
const RIGHT: Side = Side::Right;

/// The default rules, and links to records of `object`, which the sync of that name pairs.
fn linking(object: &str, merge: MergeForm) -> Rules {
    let mut rules = default_rules();
    let way = Way::Pairs { sync: SyncName::from(object), left_is: LEFT };
    rules.mappings.push(Mapping {
        routes: vec![Route { left: object.into(), right: object.into(), way }],
        merge,
        ..Mapping::new(FieldName::from(LINKS), FieldName::from(LINKS), MappingRule::TwoWay)
    });
    rules
}

struct Both {
    contacts: Simulation,
    companies: Simulation,
}

fn both(merge: MergeForm) -> Both {
    drawn(1, [(); 4].map(|()| Manner::PLAIN), merge)
}

fn drawn(seed: u64, [one, two, three, four]: [Manner; 4], merge: MergeForm) -> Both {
    let contacts = Simulation::new(seed, one, two, linking("companies", merge));
    let companies = contacts.beside("companies", [three, four], linking("contacts", MergeForm::Set));
    Both { contacts, companies }
}

fn run(simulation: &Simulation) -> u64 {
    simulation.stage.lock().now += 600_000;
    simulation.run().expect("nothing goes wrong in this run").record.tally.writes()
}

fn create(simulation: &Simulation, side: Side, name: &str) -> RecordId {
    simulation.stage.lock().person_creates(side, &[("email", &format!("{name}@x")), ("name", name)])
}

fn link(simulation: &Simulation, side: Side, id: &RecordId, to: &str, ids: &[&RecordId]) {
    simulation.stage.lock().now += 5_000;
    simulation.stage.lock().person_links(side, id, to, ids);
}

fn links(simulation: &Simulation, side: Side, id: &RecordId) -> Vec<String> {
    let value = simulation.stage.lock().value(side, id, LINKS).expect("the record is there");
    references(&value).iter().map(|reference| reference.id.clone()).collect()
}

fn pair(simulation: &Simulation, side: Side, id: &RecordId) -> Pair {
    simulation.pair_of(side, id).expect("it has a pair")
}

fn counterpart(simulation: &Simulation, side: Side, id: &RecordId) -> RecordId {
    pair(simulation, side, id).id(side.other()).expect("it has a counterpart").clone()
}

fn waits(simulation: &Simulation, side: Side, id: &RecordId) -> bool {
    pair(simulation, side, id).standing() == Standing::Held(Reason::ReferenceWaiting)
}

impl Both {
    /// What must hold once everything has settled.
    fn rest(&self) {
        for _ in 0..3 {
            assert!(self.contacts.settle().is_some(), "it does not come to rest");
            assert!(self.companies.settle().is_some(), "it does not come to rest");
        }
        assert_eq!(self.breaches(), Vec::<String>::new());
    }

    fn breaches(&self) -> Vec<String> {
        let mut breaches = [check(&self.contacts), check(&self.companies)].concat();
        breaches.extend(unequal(&self.contacts, &self.companies));
        breaches.extend(unequal(&self.companies, &self.contacts));
        breaches
    }
}

/// Says which references are not what the other side has: every one is translated, or waits and is listed.
fn unequal(simulation: &Simulation, others: &Simulation) -> Vec<String> {
    let mut breaches = Vec::new();
    let joined: Vec<Pair> = others.pairs().into_iter().map(|(_, pair)| pair).filter(|pair| pair.is_joined()).collect();
    let waiting = simulation.rows(StoreTable::Waiting).len();
    let mut found_waiting = 0;
    for (_, pair) in simulation.pairs().into_iter().filter(|(_, pair)| pair.is_joined()) {
        let ids = Side::BOTH.map(|side| pair.id(side).cloned().expect("a joined pair has both"));
        let values = [LEFT, RIGHT].map(|side| simulation.stage.lock().value(side, side.pick(&ids[0], &ids[1]), LINKS));
        let [Some(left), Some(right)] = values else { continue };
        let on_right = |reference: &Reference| {
            let is_it = |pair: &&Pair| pair.left.as_ref().is_some_and(|id| id.as_str() == reference.id);
            joined.iter().find(is_it).and_then(|pair| pair.right.as_ref()).map(ToString::to_string)
        };
        let is_known = |reference: &Reference| {
            joined.iter().any(|pair| pair.right.as_ref().is_some_and(|id| id.as_str() == reference.id))
        };
        let translated: BTreeSet<String> = references(&left).iter().filter_map(on_right).collect();
        let there: BTreeSet<String> =
            references(&right).iter().filter(|it| is_known(it)).map(|it| it.id.clone()).collect();
        let waits = references(&left).iter().any(|it| on_right(it).is_none())
            || references(&right).iter().any(|it| !is_known(it));
        found_waiting += usize::from(waits);
        if translated != there {
            breaches.push(format!("E10.1: {ids:?} refer to {left} and {right}"));
        }
        if waits != (pair.trouble.as_ref().is_some_and(|trouble| trouble.reason == Reason::ReferenceWaiting)) {
            breaches.push(format!("E10.1: {ids:?} refer to {left} and {right}, waiting: {waits}, {:?}", pair.trouble));
        }
    }
    if found_waiting != waiting {
        breaches.push(format!("E10.1: {found_waiting} records wait, and {waiting} are written down"));
    }
    breaches
}

#[test]
fn e10_1_a_reference_waits_until_the_other_record_is_paired_and_the_rest_goes_on() {
    let both = both(MergeForm::Set);
    let company = create(&both.companies, LEFT, "acme");
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&company]);
    assert_eq!(run(&both.contacts), 1, "the contact itself does not wait");
    let there = counterpart(&both.contacts, LEFT, &contact);
    assert_eq!(links(&both.contacts, RIGHT, &there), Vec::<String>::new());
    assert!(waits(&both.contacts, LEFT, &contact));
    let trouble = pair(&both.contacts, LEFT, &contact).trouble.expect("it says what it waits for");
    assert_eq!(trouble.detail, format!("links of the left side: companies/{company} has no counterpart yet"));
    assert_eq!(run(&both.contacts), 0, "nothing to do before the company is there");
    assert_eq!(run(&both.companies), 1);
    assert_eq!(run(&both.contacts), 1, "the second write");
    let company_there = counterpart(&both.companies, LEFT, &company);
    assert_eq!(links(&both.contacts, RIGHT, &there), [company_there.to_string()]);
    assert_eq!(pair(&both.contacts, LEFT, &contact).standing(), Standing::InSync);
    assert!(both.contacts.rows(StoreTable::Waiting).is_empty());
    assert_eq!((run(&both.contacts), run(&both.companies)), (0, 0));
    both.rest();
}

#[test]
fn e10_1_syncs_that_refer_to_each_other_agree_after_a_second_write() {
    let both = both(MergeForm::Set);
    let company = create(&both.companies, LEFT, "acme");
    let contact = create(&both.contacts, RIGHT, "ada");
    let other = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &other, "companies", &[&company]);
    link(&both.companies, LEFT, &company, "contacts", &[&other]);
    run(&both.contacts);
    assert_eq!(
        run(&both.companies),
        1,
        "the contact is paired already, so one write makes the company with its contact"
    );
    let company_there = counterpart(&both.companies, LEFT, &company);
    assert_eq!(links(&both.companies, RIGHT, &company_there), [contact.to_string()]);
    assert_eq!(run(&both.contacts), 1);
    assert_eq!(links(&both.contacts, RIGHT, &contact), [company_there.to_string()]);
    both.rest();
}

#[test]
fn e10_1_several_references_are_merged_one_by_one_and_no_link_is_lost() {
    let both = both(MergeForm::Set);
    let companies = ["a", "b", "c"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let there = companies.clone().map(|id| counterpart(&both.companies, LEFT, &id));
    // What only one side has is not to be paired for now: its sync does not run.
    let only_left = create(&both.companies, LEFT, "only-left");
    let only_right = create(&both.companies, RIGHT, "only-right");
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&companies[0], &companies[1], &only_left]);
    run(&both.contacts);
    let contact_there = counterpart(&both.contacts, LEFT, &contact);
    assert_eq!(links(&both.contacts, RIGHT, &contact_there), [there[0].to_string(), there[1].to_string()]);
    // Both sides edit: one takes `a` away, the other adds `c` and a company that nobody knows yet.
    link(&both.contacts, LEFT, &contact, "companies", &[&companies[1], &only_left]);
    link(&both.contacts, RIGHT, &contact_there, "companies", &[&there[0], &there[1], &there[2], &only_right]);
    run(&both.contacts);
    assert_eq!(
        links(&both.contacts, LEFT, &contact),
        [companies[1].to_string(), companies[2].to_string(), only_left.to_string()]
    );
    assert_eq!(
        links(&both.contacts, RIGHT, &contact_there),
        [there[1].to_string(), there[2].to_string(), only_right.to_string()]
    );
    assert_eq!(run(&both.contacts), 0, "what waits makes no loop");
    assert!(waits(&both.contacts, LEFT, &contact));
    run(&both.companies);
    run(&both.contacts);
    assert_eq!(links(&both.contacts, LEFT, &contact).len(), 4);
    assert_eq!(links(&both.contacts, RIGHT, &contact_there).len(), 4);
    both.rest();
}

#[test]
fn e9_6_a_run_is_taken_back_from_a_set_and_what_people_changed_since_stays_e2_7() {
    let both = both(MergeForm::Set);
    let companies = ["a", "b", "c", "d"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let there = companies.clone().map(|id| counterpart(&both.companies, LEFT, &id));
    let [a, b, c, d] = &companies;
    let [a_there, b_there, c_there, d_there] = &there;
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[a]);
    run(&both.contacts);
    let contact_there = counterpart(&both.contacts, LEFT, &contact);
    let ids = |ids: &[&RecordId]| {
        let sorted: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
        sorted.into_iter().collect::<Vec<_>>()
    };
    let right = || links(&both.contacts, RIGHT, &contact_there);
    // A run takes `a` out and puts `b` in, and somebody adds `c` later.
    link(&both.contacts, LEFT, &contact, "companies", &[b]);
    let replaced = both.contacts.run().expect("a run").record.id;
    assert_eq!(right(), ids(&[b_there]));
    link(&both.contacts, RIGHT, &contact_there, "companies", &[b_there, c_there]);
    let skipped = || left_by_undo(&both.contacts).into_iter().map(|thing| thing.reason).collect::<Vec<_>>();
    let report = take_back(&both.contacts, &Undo::run(replaced));
    assert_eq!((report.plan.changes, report.plan.skipped), (0, 1), "the other side does not know of `c` yet");
    assert!(skipped()[0].ends_with("the other side lacks some of that; undo it again once a run has carried it"));
    assert_eq!(run(&both.contacts), 1);
    assert_eq!(links(&both.contacts, LEFT, &contact), ids(&[b, c]), "it is carried");
    let report = take_back(&both.contacts, &Undo::run(replaced));
    assert_eq!((report.plan.changes, report.verified), (1, Verified { held: 1, differing: 0 }));
    assert_eq!(skipped(), ["it was edited since; what was added to it and taken away since stays"]);
    assert_eq!(right(), ids(&[a_there, c_there]));
    assert_eq!(run(&both.contacts), 0, "the next run does not do it again");
    assert_eq!((right(), links(&both.contacts, LEFT, &contact)), (ids(&[a_there, c_there]), ids(&[b, c])));
    // The undo is taken back in the same way.
    link(&both.contacts, RIGHT, &contact_there, "companies", &[a_there, c_there, d_there]);
    run(&both.contacts);
    take_back(&both.contacts, &Undo::run(report.record.id));
    assert_eq!(right(), ids(&[b_there, c_there, d_there]));
    assert!(links(&both.contacts, LEFT, &contact).contains(&d.to_string()));
}

/// What stands there is what the run left, but by way of an edit that the other side has yet to see.
#[test]
fn e9_6_an_undo_does_not_agree_on_what_no_run_has_carried_e2_7() {
    let both = both(MergeForm::Set);
    let companies = ["a", "b", "c"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let [a_there, b_there, c_there] = companies.clone().map(|id| counterpart(&both.companies, LEFT, &id));
    let [a, b, _] = &companies;
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[a]);
    run(&both.contacts);
    let contact_there = counterpart(&both.contacts, LEFT, &contact);
    link(&both.contacts, LEFT, &contact, "companies", &[a, b]);
    let added = both.contacts.run().expect("a run").record.id;
    link(&both.contacts, RIGHT, &contact_there, "companies", &[&a_there, &b_there, &c_there]);
    assert_eq!(run(&both.contacts), 1, "`c` is carried");
    link(&both.contacts, RIGHT, &contact_there, "companies", &[&a_there, &b_there]);
    let report = take_back(&both.contacts, &Undo::run(added));
    assert_eq!((report.plan.changes, report.plan.skipped), (0, 1), "`c` is still to be taken away on the other side");
    run(&both.contacts);
    assert_eq!(links(&both.contacts, LEFT, &contact), [a.to_string(), b.to_string()]);
    take_back(&both.contacts, &Undo::run(added));
    assert_eq!(links(&both.contacts, RIGHT, &contact_there), [a_there.to_string()]);
}

#[test]
fn e9_6_a_field_that_is_replaced_as_a_whole_is_taken_back_as_a_whole() {
    let both = both(MergeForm::Replace);
    let [one, two] = ["a", "b"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let [one_there, two_there] = [&one, &two].map(|id| counterpart(&both.companies, LEFT, id));
    let contact = create(&both.contacts, LEFT, "ada");
    run(&both.contacts);
    link(&both.contacts, LEFT, &contact, "companies", &[&one]);
    let linked = both.contacts.run().expect("a run").record.id;
    let contact_there = counterpart(&both.contacts, LEFT, &contact);
    link(&both.contacts, RIGHT, &contact_there, "companies", &[&one_there, &two_there]);
    run(&both.contacts);
    take_back(&both.contacts, &Undo::run(linked));
    let reasons: Vec<String> = left_by_undo(&both.contacts).into_iter().map(|thing| thing.reason).collect();
    assert_eq!(reasons, ["it was edited since"]);
    assert_eq!(links(&both.contacts, RIGHT, &contact_there).len(), 2);
}

#[test]
fn e10_1_a_single_reference_is_replaced_and_kept_while_the_new_one_waits() {
    let both = both(MergeForm::Replace);
    let first = create(&both.companies, LEFT, "first");
    run(&both.companies);
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&first]);
    run(&both.contacts);
    let there = counterpart(&both.contacts, LEFT, &contact);
    let first_there = counterpart(&both.companies, LEFT, &first);
    assert_eq!(links(&both.contacts, RIGHT, &there), [first_there.to_string()]);
    let second = create(&both.companies, LEFT, "second");
    link(&both.contacts, LEFT, &contact, "companies", &[&second]);
    assert_eq!(run(&both.contacts), 0);
    assert_eq!(links(&both.contacts, RIGHT, &there), [first_there.to_string()], "neither written nor cleared");
    run(&both.companies);
    assert_eq!(run(&both.contacts), 1);
    let second_there = counterpart(&both.companies, LEFT, &second);
    assert_eq!(links(&both.contacts, RIGHT, &there), [second_there.to_string()]);
    link(&both.contacts, RIGHT, &there, "companies", &[]);
    run(&both.contacts);
    assert_eq!(links(&both.contacts, LEFT, &contact), Vec::<String>::new(), "a clear goes over");
    both.rest();
}

#[test]
fn e10_1_what_is_created_again_keeps_its_links_and_waits_for_those_without_counterpart_e4_4() {
    let both = both(MergeForm::Set);
    let known = create(&both.companies, LEFT, "known");
    run(&both.companies);
    let unknown = create(&both.companies, LEFT, "unknown");
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&known, &unknown]);
    run(&both.contacts);
    let gone = counterpart(&both.contacts, LEFT, &contact);
    both.contacts.stage.lock().person_deletes(RIGHT, &gone);
    run(&both.contacts);
    let Simulation { context, setup, .. } = &both.contacts;
    let asked = Asked::Record(contact.clone());
    let remedy = syncline_runner::remedy(context, setup, &asked, Remedy::Recreate, None);
    wait(remedy).expect("it can be done");
    let there = counterpart(&both.contacts, LEFT, &contact);
    assert_eq!(links(&both.contacts, RIGHT, &there), [counterpart(&both.companies, LEFT, &known).to_string()]);
    assert_eq!(both.contacts.rows(StoreTable::Waiting).len(), 1, "written down with what was decided");
    run(&both.companies);
    run(&both.contacts);
    assert_eq!(links(&both.contacts, RIGHT, &there).len(), 2);
    both.rest();
}

#[test]
fn e10_2_more_references_than_the_other_side_holds_are_its_field_alone_and_told() {
    let mut both = both(MergeForm::Replace);
    both.contacts.setup.rules.mappings.last_mut().expect("the links come last").right_values_max = Some(1);
    let [one, two] = ["one", "two"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&one, &two]);
    assert_eq!(run(&both.contacts), 1, "the contact itself goes over");
    let there = counterpart(&both.contacts, LEFT, &contact);
    assert_eq!(links(&both.contacts, RIGHT, &there), Vec::<String>::new());
    let trouble = pair(&both.contacts, LEFT, &contact).trouble.expect("it says why");
    assert_eq!(trouble.reason, Reason::TooManyValues);
    assert!(trouble.detail.contains("links of the right side holds 1 at the most, and these are 2"), "{trouble:?}");
    assert_eq!(run(&both.contacts), 0);
    link(&both.contacts, LEFT, &contact, "companies", &[&two]);
    assert_eq!(run(&both.contacts), 1);
    assert_eq!(links(&both.contacts, RIGHT, &there), [counterpart(&both.companies, LEFT, &two).to_string()]);
    both.rest();
}

#[test]
fn e10_1_of_two_that_disagree_about_a_single_reference_one_wins_and_the_other_is_kept() {
    let both = both(MergeForm::Replace);
    let companies = ["a", "b", "c"].map(|name| create(&both.companies, LEFT, name));
    run(&both.companies);
    let there = companies.clone().map(|id| counterpart(&both.companies, LEFT, &id));
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&companies[0]]);
    run(&both.contacts);
    let contact_there = counterpart(&both.contacts, LEFT, &contact);
    link(&both.contacts, LEFT, &contact, "companies", &[&companies[1]]);
    link(&both.contacts, RIGHT, &contact_there, "companies", &[&there[2]]);
    run(&both.contacts);
    assert_eq!(links(&both.contacts, LEFT, &contact), [companies[2].to_string()], "the newer one");
    let lost = both.contacts.conflicts().pop().expect("the loser is kept").conflict.fields.remove(0).left;
    assert_eq!(lost.to_string(), companies[1].to_string());
    both.rest();
}

#[test]
fn e10_1_a_reference_to_a_record_that_is_never_paired_keeps_waiting_and_is_listed() {
    let both = both(MergeForm::Set);
    create(&both.companies, LEFT, "twin");
    let one = create(&both.companies, RIGHT, "twin");
    create(&both.companies, RIGHT, "twin");
    run(&both.companies);
    let contact = create(&both.contacts, RIGHT, "ada");
    link(&both.contacts, RIGHT, &contact, "companies", &[&one]);
    run(&both.contacts);
    let there = counterpart(&both.contacts, RIGHT, &contact);
    simulated_edit(&both.contacts, RIGHT, &contact, "name", "Eda");
    run(&both.contacts);
    assert_eq!(both.contacts.stage.lock().value(LEFT, &there, "name"), Some(text("Eda")), "the rest goes on");
    assert!(waits(&both.contacts, RIGHT, &contact));
    both.rest();
    assert!(waits(&both.contacts, RIGHT, &contact));
    assert_eq!(
        both.contacts.totals().counts[&(Standing::Held(Reason::ReferenceWaiting), Some(Reason::ReferenceWaiting))],
        1
    );
}

fn simulated_edit(simulation: &Simulation, side: Side, id: &RecordId, field: &str, value: &str) {
    let mut state = simulation.stage.lock();
    state.now += 5_000;
    state.person_edits(side, id, field, value);
}

/// Lets contacts find the companies that they name by their e-mail address.
fn by_e_mail(both: &mut Both) {
    let endpoint = |setup: &SideSetup| setup.endpoint.clone();
    let way = Way::Key {
        left: endpoint(&both.companies.setup.left),
        left_key: vec!["email".into()],
        right: endpoint(&both.companies.setup.right),
        right_key: vec!["email".into()],
    };
    let rules = &mut both.contacts.setup.rules;
    rules.mappings.last_mut().expect("the links come last").routes[0].way = way;
}

#[test]
fn e10_1_a_reference_is_looked_up_by_a_key_of_both_replicas() {
    let mut both = both(MergeForm::Set);
    by_e_mail(&mut both);
    // The companies are read, and their sync pairs none of them.
    both.companies.setup.rules.direction = Direction::ToLeft;
    let known = create(&both.companies, LEFT, "known");
    let contact = create(&both.contacts, LEFT, "ada");
    link(&both.contacts, LEFT, &contact, "companies", &[&known]);
    run(&both.contacts);
    let there = counterpart(&both.contacts, LEFT, &contact);
    assert!(waits(&both.contacts, LEFT, &contact), "nobody has read the companies");
    run(&both.companies);
    assert_eq!(run(&both.contacts), 0, "there is none with this key");
    let known_there = create(&both.companies, RIGHT, "Known");
    run(&both.companies);
    assert_eq!(run(&both.contacts), 1);
    assert_eq!(links(&both.contacts, RIGHT, &there), [known_there.to_string()]);
    // A key that several have means nobody.
    let twins = [create(&both.companies, RIGHT, "twin"), create(&both.companies, RIGHT, "twin")];
    let twin = create(&both.companies, LEFT, "twin");
    run(&both.companies);
    link(&both.contacts, LEFT, &contact, "companies", &[&known, &twin]);
    assert_eq!(run(&both.contacts), 0);
    assert!(waits(&both.contacts, LEFT, &contact));
    both.companies.stage.lock().person_deletes(RIGHT, &twins[0]);
    run(&both.companies);
    assert_eq!(run(&both.contacts), 1);
    assert_eq!(links(&both.contacts, RIGHT, &there), [known_there.to_string(), twins[1].to_string()]);
}

#[test]
fn e10_1_e1_5_a_key_is_looked_up_in_nothing_that_is_read_by_half() {
    let one_by_one = Manner { page_max: 1, ..Manner::PLAIN };
    let mut stops = 0;
    for commit in 0..40 {
        let mut both = drawn(1, [Manner::PLAIN, Manner::PLAIN, Manner::PLAIN, one_by_one.clone()], MergeForm::Set);
        by_e_mail(&mut both);
        both.companies.setup.rules.direction = Direction::ToLeft;
        let first = create(&both.companies, RIGHT, "twin");
        for number in 0..12 {
            create(&both.companies, RIGHT, &format!("n{number}"));
        }
        let second = create(&both.companies, RIGHT, "twin");
        let twin = create(&both.companies, LEFT, "twin");
        let contact = create(&both.contacts, LEFT, "ada");
        link(&both.contacts, LEFT, &contact, "companies", &[&twin]);
        both.companies.store.stop_at(commit, true);
        let _ = both.companies.run();
        stops += u32::from(both.companies.store.start_again());
        run(&both.contacts);
        let there = counterpart(&both.contacts, LEFT, &contact);
        assert_eq!(links(&both.contacts, RIGHT, &there), [""; 0], "stopped at {commit}: either may be meant");
        run(&both.companies);
        both.companies.stage.lock().person_deletes(RIGHT, &second);
        run(&both.companies);
        assert_eq!(run(&both.contacts), 1, "stopped at {commit}");
        assert_eq!(links(&both.contacts, RIGHT, &there), [first.to_string()]);
    }
    assert!(stops > 3, "only {stops} stops");
}

#[test]
fn e10_1_links_that_no_feed_tells_of_are_found_by_a_read_of_everything_from_time_to_time() {
    let silent = Manner { silent_links: true, ids: false, ..Manner::PLAIN };
    let manners = [silent, Manner::PLAIN, Manner::PLAIN, Manner::PLAIN];
    let both = drawn(1, manners, MergeForm::Set);
    let (ada, acme) = (create(&both.contacts, LEFT, "ada"), create(&both.companies, LEFT, "acme"));
    run(&both.companies);
    run(&both.contacts);
    link(&both.contacts, LEFT, &ada, "companies", &[&acme]);
    assert_eq!(run(&both.contacts), 0, "nobody told of it");
    both.contacts.stage.lock().now += 25 * 60 * 60_000;
    assert_eq!(run(&both.contacts), 1);
    let there = counterpart(&both.contacts, LEFT, &ada);
    assert_eq!(links(&both.contacts, RIGHT, &there), [counterpart(&both.companies, LEFT, &acme).to_string()]);
    let calls = both.contacts.stage.lock().calls;
    assert_eq!(run(&both.contacts), 0);
    assert!(both.contacts.stage.lock().calls - calls <= 4, "once a day, not in every run");
    both.rest();
}
