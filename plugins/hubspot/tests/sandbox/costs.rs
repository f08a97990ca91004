//! What calls cost in requests, of which an account has a few each second.

use syncline_plugin_hubspot::HubSpot;
use syncline_sdk::Connector;
use syncline_sdk::connector::prelude::*;

use crate::peer::{FIELDS, Peer, contacts, id, names, operation};

/// Asserts that `work` makes so many requests, and that none of them is for the whole list of properties.
fn costs(peer: &Peer, what: &str, requests: u64, work: impl FnOnce()) {
    peer.state().reset_stats();
    work();
    let routes = peer.state().stats().by_route;
    assert_eq!(routes.values().sum::<u64>(), requests, "{what}: {routes:?}");
    assert!(!routes.contains_key("GET /crm/properties/2026-03/contacts"), "{what}: {routes:?}");
}

#[test]
fn calls_ask_for_the_named_properties_once_and_for_nothing_twice() {
    let peer = Peer::with(150);
    let end = peer.read(ReadMode::Full, FIELDS, None).end;
    let page = |mode, cursor: Option<String>| {
        peer.page(mode, FIELDS, cursor).expect("the page can be read");
    };
    costs(&peer, "the first page of everything", 2, || page(ReadMode::Full, None));
    costs(&peer, "where changes begin", 1, || page(ReadMode::Changes, None));
    peer.advance_s(600);
    let Progress::Done(later) = peer.page(ReadMode::Changes, FIELDS, Some(end)).expect("it can be read").next else {
        panic!("nothing changed")
    };
    costs(&peer, "nothing changed", 1, || page(ReadMode::Changes, Some(later.clone())));
    let record = peer.state().records()[3].clone();
    peer.state().edit(record.id, &[("phone", "1")]).expect("it can be edited");
    costs(&peer, "something changed", 2, || page(ReadMode::Changes, Some(later)));
    costs(&peer, "a sweep's page", 1, || page(ReadMode::Ids, None));
    costs(&peer, "get", 2, || {
        peer.run(|| HubSpot::get(&contacts(), &[id(record.id)], &names(FIELDS))).expect("get answers");
    });
    costs(&peer, "find", 2, || {
        let values = ["a@example.com".into()];
        peer.run(|| HubSpot::find(&contacts(), "email", &values, &names(FIELDS))).expect("find answers");
    });
}

#[test]
fn a_hundred_writes_cost_two_requests_and_a_look_before_them() {
    let peer = Peer::with(0);
    let creates = (0..100).map(|number| {
        operation(Action::Create(format!("key-{number}")), vec![format!("{number}@example.com").into(), "Ada".into()])
    });
    let creates: Vec<Operation> = creates.collect();
    costs(&peer, "creates", 2, || {
        let answer = peer.write(&["email", "firstname"], creates).expect("the batch is answered");
        assert!(answer.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Written(_))), "{:?}", answer.outcomes);
    });
    let updates = |is_guarded: bool| -> Vec<Operation> {
        let rows = peer.read(ReadMode::Full, FIELDS, None).rows.into_iter();
        let update = |row: Row| Operation {
            expected_version: row.version.filter(|_| is_guarded),
            ..operation(Action::Update(row.id), vec!["2".into()])
        };
        rows.map(update).collect()
    };
    for (is_guarded, requests) in [(false, 2), (true, 3)] {
        let operations = updates(is_guarded);
        costs(&peer, "updates", requests, || {
            peer.write(&["phone"], operations).expect("the batch is answered");
        });
    }
    let query = CreatedQuery {
        endpoint: contacts(),
        keys: names(&["key-1"]),
        columns: names(&["email"]),
        hints: vec![vec!["1@example.com".into()]],
        fields: names(FIELDS),
    };
    costs(&peer, "find-created", 2, || {
        peer.run(|| HubSpot::find_created(query)).expect("the look-up answers");
    });
}

#[test]
fn e10_4_a_property_that_a_batch_passes_over_is_looked_for_in_the_list() {
    let peer = Peer::with(1);
    let fields = ["email", "no_such", "lastname"];
    peer.state().reset_stats();
    let row = peer.page(ReadMode::Full, &fields, None).expect("the page can be read").records.rows.remove(0);
    assert!(row.cells[1].is_absent() && !row.cells[2].is_absent(), "{:?}", row.cells);
    assert_eq!(peer.state().stats().by_route.get("GET /crm/properties/2026-03/contacts"), Some(&1));
}
