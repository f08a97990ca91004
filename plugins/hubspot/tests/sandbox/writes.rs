//! Writing: partial failure, lost answers, conflicts, creates that stay single.

use serde_json::json;
use syncline_plugin_hubspot::HubSpot;
use syncline_sandbox::{Fault as Trouble, FaultKind, Policy, RecordId};
use syncline_sdk::Connector;
use syncline_sdk::connector::prelude::*;

use crate::peer::{FIELDS, Peer, batch, contacts, id, names, operation};

fn create(key: &str, cells: Vec<Value>) -> Operation {
    operation(Action::Create(key.to_owned()), cells)
}

fn update(record: RecordId, cells: Vec<Value>) -> Operation {
    operation(Action::Update(id(record)), cells)
}

fn linked(people: u64) -> Peer {
    let peer = Peer::with(people).settings(json!({"link_property": "syncline_link"}));
    peer.run(|| HubSpot::prepare(&contacts())).expect("the link property can be made");
    peer
}

fn written(outcome: &Outcome) -> &Written {
    match outcome {
        Outcome::Written(written) => written,
        other => panic!("{other:?}"),
    }
}

#[test]
fn e8_1_one_bad_record_does_not_stop_the_others() {
    for peer in [Peer::with(3), linked(3)] {
        let taken =
            peer.state().records().into_iter().find(|record| record.get("email").is_some()).expect("most have one");
        let email = taken.get("email").unwrap_or_default();
        let answer = peer
            .write(
                &["email", "firstname"],
                vec![
                    create("key-1", vec!["one@example.com".into(), "One".into()]),
                    create("key-2", vec!["no address".into(), "Two".into()]),
                    create("key-3", vec![email.into(), "Three".into()]),
                    create("key-4", vec!["Four@Example.com ".into(), "Four".into()]),
                ],
            )
            .expect("the batch is answered");
        let [one, two, three, four] = &answer.outcomes[..] else { panic!("four outcomes") };
        assert_eq!(
            written(one).id,
            id(peer.state().find("email", "one@example.com").expect("a key").expect("made").id)
        );
        assert!(matches!(two, Outcome::Invalid(list) if list[0].field.as_deref() == Some("email")), "{two:?}");
        assert_eq!(*three, Outcome::DuplicateOf(Some(id(taken.id))));
        // E6.3: what is stored is not what was sent, and the answer says so.
        let stored = written(four).stored.expect("it was read back") as usize;
        assert_eq!(answer.records.rows[stored].cells[0], Value::from("four@example.com"));
        assert_eq!(answer.records.columns, FIELDS);
        assert_eq!(peer.state().count_live(), 5);
    }
}

#[test]
fn e1_8_a_create_whose_answer_was_lost_is_found_and_not_made_twice() {
    let faults = [
        FaultKind::DropAfter,
        FaultKind::CutBody,
        FaultKind::StatusAfter { status: 502 },
        FaultKind::StatusAfter { status: 500 },
    ];
    for fault in faults {
        for peer in [Peer::with(0), linked(0)] {
            let columns = ["email", "firstname"];
            let cells = [vec!["ada@example.com".into(), "Ada".into()], vec!["eda@example.com".into(), Value::Clear]];
            let creates = || vec![create("key-1", cells[0].clone()), create("key-2", cells[1].clone())];
            peer.state().add_fault(Trouble::new(fault.clone()).path("/crm/objects/2026-03/contacts/batch/"));
            let answer = peer.write(&columns, creates()).expect("the batch is answered");
            assert!(matches!(answer.outcomes[..], [Outcome::Unknown(_), Outcome::Unknown(_)]), "{fault:?} {answer:?}");
            let query = CreatedQuery {
                endpoint: contacts(),
                keys: names(&["key-1", "key-2", "key-3"]),
                columns: names(&columns),
                hints: vec![cells[0].clone(), cells[1].clone(), vec!["nobody@example.com".into(), Value::Absent]],
                fields: names(FIELDS),
            };
            let created = peer.run(|| HubSpot::find_created(query)).expect("the look-up answers");
            let [Made::At(first), Made::At(second), Made::Nothing] = created.made[..] else {
                panic!("{:?}", created.made)
            };
            assert_eq!(created.records.rows[first as usize].cells[1], Value::from("Ada"));
            assert_eq!(created.records.rows[second as usize].cells[0], Value::from("eda@example.com"));
            let again = peer.write(&columns, creates()).expect("the batch is answered");
            assert_eq!(peer.state().count_live(), 2, "{:?}", again.outcomes);
        }
    }
}

#[test]
fn a_native_create_sent_again_is_the_same_record() {
    let peer = linked(0);
    let columns = ["firstname"];
    let first = peer.write(&columns, vec![create("key-1", vec!["Ada".into()])]).expect("it is answered");
    let again = peer.write(&columns, vec![create("key-1", vec!["Ada".into()])]).expect("it is answered");
    assert_eq!(written(&first.outcomes[0]).id, written(&again.outcomes[0]).id);
    assert_eq!(peer.state().records()[0].get("syncline_link"), Some("key-1"));
}

#[test]
fn a_create_that_could_not_be_looked_up_is_not_sent() {
    let peer = Peer::with(0);
    let answer = peer.write(&["firstname"], vec![create("key-1", vec!["Ada".into()])]).expect("it is answered");
    assert!(matches!(answer.outcomes[..], [Outcome::Unsupported(_)]));
    assert_eq!(peer.state().count_live(), 0);
    // A crash before it was sent leaves an intent all the same; the look-up then says that nothing was made.
    let (keys, columns, fields) = (names(&["key-1"]), names(&["firstname"]), names(FIELDS));
    let query = CreatedQuery { endpoint: contacts(), keys, columns, hints: vec![vec!["Ada".into()]], fields };
    let created = peer.run(|| HubSpot::find_created(query)).expect("the look-up answers");
    assert_eq!(created.made, [Made::Nothing]);
}

#[test]
fn an_edit_since_the_plan_is_a_conflict_that_shows_the_record_as_it_is() {
    let peer = Peer::with(2);
    let read = peer.read(ReadMode::Full, FIELDS, None);
    let records = peer.state().records();
    peer.advance_s(1);
    peer.state().edit(records[0].id, &[("phone", "+33 7")]).expect("it can be edited");
    let planned = |row: usize, record: RecordId| Operation {
        expected_version: read.rows[row].version.clone(),
        ..update(record, vec!["Changed".into()])
    };
    let operations = vec![planned(0, records[0].id), planned(1, records[1].id)];
    let answer = peer.write(&["firstname"], operations).expect("it is answered");
    let [Outcome::VersionConflict(Some(current)), second] = &answer.outcomes[..] else {
        panic!("{:?}", answer.outcomes)
    };
    assert_eq!(answer.records.rows[*current as usize].cells[3], Value::from("+33 7"));
    let stored = &answer.records.rows[written(second).stored.expect("it was read back") as usize];
    assert_eq!(stored.cells[1], Value::from("Changed"));
    assert_ne!(stored.version, read.rows[1].version);
    assert_eq!(peer.state().record(records[0].id).expect("it is there").get("firstname"), records[0].get("firstname"));
    // The version that a write gives is the one that a read gives.
    let changes = peer.read(ReadMode::Changes, FIELDS, Some(read.end));
    let reread = changes.rows.iter().find(|row| row.id == id(records[1].id)).expect("it changed");
    assert_eq!((&reread.version, &reread.cells[1]), (&stored.version, &stored.cells[1]));
}

#[test]
fn clearing_is_written_and_absent_is_not() {
    let peer = Peer::with(0);
    let record = peer.state().create(&[("email", "a@example.com"), ("phone", "1"), ("city", "Paris")]).expect("made");
    let answer =
        peer.write(&["email", "phone"], vec![update(record, vec![Value::Absent, Value::Clear])]).expect("answered");
    let stored = written(&answer.outcomes[0]).stored.expect("it was read back") as usize;
    let cells = [Value::Absent, Value::Absent, Value::Absent, Value::Clear];
    assert_eq!(answer.records.rows[stored].cells, cells, "what the answer does not hold is absent");
    let now = peer.state().record(record).expect("it is there");
    assert_eq!((now.get("phone"), now.get("city")), (None, Some("Paris")));
}

#[test]
fn e6_1_an_edit_right_after_a_write_is_not_told_as_what_the_write_stored() {
    // The answers of some accounts leave out what was written, so the record is read back.
    for (leaves_out, is_edited, expected) in [
        (false, true, Value::from("1")),
        (false, false, Value::from("1")),
        (true, true, Value::Absent),
        (true, false, Value::from("1")),
    ] {
        let peer = Peer::with(0);
        let record = peer.state().create(&[("email", "a@example.com"), ("phone", "0")]).expect("made");
        peer.advance_s(1);
        let (state, written_at) = (peer.state().clone(), peer.state().clock().now_ms());
        let between = move |request: &http::Request, answer: http::Response| {
            if !request.url().ends_with("/batch/update") {
                return answer;
            }
            state.clock().advance(std::time::Duration::from_secs(1));
            if is_edited {
                state.edit(record, &[("phone", "2")]).expect("it can be edited");
            }
            let text = if leaves_out { answer.text().replace("\"phone\"", "\"fax\"") } else { answer.text().into() };
            http::Response::new(answer.status(), text)
        };
        let request = batch(&["phone"], vec![update(record, vec!["1".into()])]);
        let answer = peer.run_changed(between, || HubSpot::write(request)).expect("it is answered");
        let row = &answer.records.rows[written(&answer.outcomes[0]).stored.expect("it is told") as usize];
        assert_eq!((&row.cells[3], row.modified_at), (&expected, Some(written_at)), "{leaves_out} {is_edited}");
    }
}

#[test]
fn records_that_went_away_are_told_apart() {
    let peer = Peer::with(6);
    let ids: Vec<RecordId> = peer.state().records().iter().map(|record| record.id).collect();
    let merged = peer.state().merge(ids[0], ids[1]).expect("they can be merged");
    peer.state().archive(ids[2]).expect("it can be archived");
    peer.state().forget(ids[3]).expect("it can be forgotten");
    let guarded = |record| Operation { expected_version: Some("x".into()), ..update(record, vec!["X".into()]) };
    let archive = |record| operation(Action::Archive(id(record)), vec![Value::Absent]);
    let operations =
        vec![guarded(ids[1]), guarded(ids[2]), guarded(ids[3]), archive(ids[4]), archive(ids[0]), archive(ids[2])];
    let answer = peer.write(&["firstname"], operations).expect("it is answered");
    let outcomes = &answer.outcomes;
    assert_eq!(outcomes[0], Outcome::MergedInto(id(merged)));
    assert_eq!((&outcomes[1], &outcomes[2]), (&Outcome::NotFound, &Outcome::NotFound));
    assert!(written(&outcomes[3]).raw.as_deref().is_some_and(|raw| raw.contains("firstname")));
    assert_eq!(outcomes[4], Outcome::MergedInto(id(merged)));
    assert!(matches!(outcomes[5], Outcome::RetryLater(_)), "a second operation on one record waits");
    assert!(peer.state().archived().iter().any(|record| record.id == ids[4]));
}

#[test]
fn a_batch_refused_as_a_whole_is_split_until_the_bad_record_stands_alone() {
    let peer = Peer::with(8);
    let records = peer.state().records();
    peer.state().add_fault(
        Trouble::new(FaultKind::StatusBefore { status: 400, retry_after_s: None }).path("/batch/update").times(2),
    );
    let operations = records.iter().map(|record| update(record.id, vec!["X".into()])).collect();
    let answer = peer.write(&["firstname"], operations).expect("it is answered");
    assert!(answer.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Written(_))), "{:?}", answer.outcomes);
}

#[test]
fn a_write_that_was_not_sent_says_so() {
    let peer = Peer::with(2);
    let records = peer.state().records();
    let outcome = |kind: FaultKind| {
        peer.state().add_fault(Trouble::new(kind).path("/batch/update"));
        let answer = peer.write(&["firstname"], vec![update(records[0].id, vec!["X".into()])]);
        answer.map(|answer| answer.outcomes[0].clone())
    };
    let limited = |policy| FaultKind::RateLimited { policy, retry_after_s: None };
    let status = |status| FaultKind::StatusBefore { status, retry_after_s: None };
    assert!(
        matches!(outcome(limited(Policy::TenSecondlyRolling)), Ok(Outcome::RetryLater(delay)) if delay.after_ms == 10_000)
    );
    assert!(matches!(outcome(limited(Policy::Daily)), Ok(Outcome::Quota(delay)) if delay.after_ms == 6 * 3_600_000));
    assert!(matches!(outcome(status(423)), Ok(Outcome::RetryLater(delay)) if delay.after_ms == 2_000));
    assert!(matches!(outcome(status(403)), Ok(Outcome::Permission(_))));
    assert!(matches!(outcome(status(401)), Err(Fault::Auth(_))));
    // Whether a gateway passed it on cannot be known.
    assert!(matches!(outcome(status(502)), Ok(Outcome::Unknown(_))));
    assert!(matches!(outcome(FaultKind::DropBefore), Ok(Outcome::Unknown(_))));
    assert_eq!(peer.state().record(records[0].id).expect("it is there").writes, records[0].writes);
    let dead = peer.stop();
    let request = batch(&["firstname"], vec![update(records[0].id, vec!["X".into()])]);
    assert!(matches!(dead.run(|| HubSpot::write(request)), Err(Fault::Transient(_))));
}

#[test]
fn what_was_written_before_a_halt_stays_written() {
    for kind in [
        FaultKind::RateLimited { policy: Policy::TenSecondlyRolling, retry_after_s: None },
        FaultKind::StatusBefore { status: 401, retry_after_s: None },
    ] {
        let peer = Peer::with(1);
        peer.state().add_fault(Trouble::new(kind).path("/batch/create"));
        let record = peer.state().records()[0].id;
        let operations = vec![
            create("key-1", vec!["new@example.com".into(), "New".into()]),
            update(record, vec![Value::Absent, "Changed".into()]),
        ];
        let answer = peer.write(&["email", "firstname"], operations).expect("it is answered");
        assert!(matches!(answer.outcomes[..], [Outcome::RetryLater(_), Outcome::Written(_)]), "{:?}", answer.outcomes);
    }
}

#[test]
fn e8_1_an_unknown_column_is_a_schema_fault_before_anything_is_sent() {
    let peer = Peer::with(1);
    let record = peer.state().records()[0].id;
    let answer = peer.write(&["no_such", "phone"], vec![update(record, vec!["X".into(), "1".into()])]);
    assert!(matches!(answer, Err(Fault::Schema(_))), "{answer:?}");
    let answer = peer.write(&["lifecyclestage"], vec![update(record, vec![Value::Choice("astronaut".into())])]);
    let answer = answer.expect("it is answered");
    assert!(
        matches!(&answer.outcomes[0], Outcome::Invalid(list) if list[0].code == "unknown-option"),
        "{:?}",
        answer.outcomes
    );
}

#[test]
fn prepare_makes_the_link_property_once_and_refuses_one_that_is_not_unique() {
    let peer = linked(0);
    let requests = peer.requests(|| peer.run(|| HubSpot::prepare(&contacts())).expect("again"));
    assert_eq!(requests, 1, "it is there already");
    let object = peer.run(HubSpot::objects).expect("objects answers").remove(0);
    assert_eq!((object.promise, object.link_field.as_deref()), (CreatePromise::Native, Some("syncline_link")));
    let peer = peer.settings(json!({"link_property": "city"}));
    assert!(matches!(peer.run(|| HubSpot::prepare(&contacts())), Err(Fault::Misconfigured(_))));
    let peer = peer.settings(json!({"link_property": "No Name"}));
    assert!(matches!(peer.run(|| HubSpot::prepare(&contacts())), Err(Fault::Misconfigured(_))));
    let peer = peer.settings(json!({"link": "x"}));
    assert!(matches!(peer.run(HubSpot::objects), Err(Fault::Misconfigured(_))));
}
