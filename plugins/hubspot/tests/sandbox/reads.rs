//! Reading: pages, ties, the index's lag, sweeps, merges, custom properties, refusals.

use std::collections::BTreeSet;

use serde_json::json;
use syncline_plugin_hubspot::HubSpot;
use syncline_sandbox::{Fault as Trouble, FaultKind, MergeIds, Policy, RecordId};
use syncline_sdk::Connector;
use syncline_sdk::connector::prelude::*;

use crate::peer::{FIELDS, Peer, contacts, id, names};

#[test]
fn a_full_read_gives_every_record_once_and_changes_go_on_from_its_beginning() {
    let peer = Peer::with(250);
    let all: BTreeSet<String> = peer.state().records().iter().map(|record| id(record.id)).collect();
    let first = peer.page(ReadMode::Full, FIELDS, None).expect("the first page");
    assert_eq!(first.records.rows.len(), 100);
    // Somebody edits a record that was read already, while the read goes on.
    let edited: RecordId = peer.state().records()[3].id;
    peer.advance_s(1);
    peer.state().edit(edited, &[("firstname", "Zoé")]).expect("it can be edited");
    let Progress::More(next) = first.next else { panic!("there are 250") };
    let rest = peer.read(ReadMode::Full, FIELDS, Some(next));
    let mut seen: Vec<&str> = first.records.rows.iter().map(|row| row.id.as_str()).chain(rest.ids()).collect();
    assert_eq!(seen.len(), 250);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all.len());
    assert!(rest.complete && !first.complete);
    let changes = peer.read(ReadMode::Changes, FIELDS, Some(rest.end));
    assert_eq!(changes.ids(), [id(edited)]);
    assert_eq!(changes.rows[0].cells[1], Value::from("Zoé"));
}

#[test]
fn e8_4_more_records_than_a_search_gives_may_have_one_stamp() {
    let peer = Peer::with(10_500).settings(json!({"overlap_s": 86_400 * 60}));
    let from = peer.read(ReadMode::Changes, FIELDS, None).end;
    peer.state().reset_stats();
    let changes = peer.read(ReadMode::Changes, FIELDS, Some(from));
    let ids: BTreeSet<&str> = changes.ids().into_iter().collect();
    assert_eq!((ids.len(), changes.rows.len()), (10_500, 10_500), "each once, past the cap of 10,000");
    assert_eq!(peer.state().stats().requests, 53 + 1, "a search a page, and the properties once");
}

#[test]
fn nothing_changed_costs_one_request() {
    let peer = Peer::with(20);
    let end = peer.read(ReadMode::Full, FIELDS, None).end;
    peer.advance_s(600);
    let mut cursor = end;
    for _ in 0..2 {
        let requests = peer.requests(|| {
            let read = peer.read(ReadMode::Changes, FIELDS, Some(cursor.clone()));
            assert!(read.rows.is_empty());
            cursor = read.end;
        });
        assert_eq!(requests, 1);
    }
}

#[test]
fn the_overlap_finds_what_the_index_shows_late() {
    let peer = Peer::with(5).settings(json!({"overlap_s": 60}));
    let edited = peer.state().records()[2].id;
    let mut cursor = peer.read(ReadMode::Full, FIELDS, None).end;
    peer.state().set(|settings| settings.index_lag_ms = 30_000);
    peer.advance_s(100);
    peer.state().edit(edited, &[("phone", "+33 1")]).expect("it can be edited");
    let mut seen = Vec::new();
    for _ in 0..5 {
        let read = peer.read(ReadMode::Changes, FIELDS, Some(cursor));
        seen.extend(read.rows.iter().map(|row| (row.id.clone(), row.version.clone())));
        cursor = read.end;
        peer.advance_s(20);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "once it is shown; what repeats has the same version");
    assert_eq!(seen[0].0, id(edited));
    assert!(peer.read(ReadMode::Changes, FIELDS, Some(cursor)).rows.is_empty(), "the overlap has passed");
}

#[test]
fn e4_2_a_sweep_names_the_archived_and_every_live_id() {
    let peer = Peer::with(230);
    let records = peer.state().records();
    peer.advance_s(5);
    let archived: BTreeSet<String> = records[..110].iter().map(|record| id(record.id)).collect();
    records[..110].iter().for_each(|record| peer.state().archive(record.id).expect("it can be archived"));
    let sweep = peer.read(ReadMode::Ids, FIELDS, None);
    assert!(sweep.complete);
    assert_eq!(sweep.rows.len(), 120);
    assert!(sweep.rows.iter().all(|row| row.version.is_some() && row.cells.is_empty()));
    let swept: BTreeSet<String> = sweep.tombstones.iter().map(|tombstone| tombstone.id.clone()).collect();
    assert_eq!(swept, archived);
    let first = &sweep.tombstones[0];
    assert_eq!((first.fate.clone(), first.at), (Fate::Archived, Some(peer.state().clock().now_ms())));
}

#[test]
fn e1_10_merges_are_told_by_changes_sweeps_and_get() {
    for merge_ids in [MergeIds::New, MergeIds::KeepPrimary] {
        let peer = Peer::with(6);
        peer.state().set(|settings| settings.merge_ids = merge_ids);
        let cursor = peer.read(ReadMode::Full, FIELDS, None).end;
        let ids: Vec<RecordId> = peer.state().records().iter().map(|record| record.id).collect();
        peer.advance_s(1);
        let once = peer.state().merge(ids[0], ids[1]).expect("they can be merged");
        let merged = peer.state().merge(once, ids[2]).expect("they can be merged");
        let gone: BTreeSet<String> =
            [ids[0], ids[1], ids[2], once].into_iter().filter(|old| *old != merged).map(id).collect();
        let changes = peer.read(ReadMode::Changes, FIELDS, Some(cursor));
        assert_eq!(changes.ids(), [id(merged)]);
        for read in [changes, peer.read(ReadMode::Ids, FIELDS, None), peer.read(ReadMode::Full, FIELDS, None)] {
            let told: BTreeSet<String> = read.tombstones.iter().map(|tombstone| tombstone.id.clone()).collect();
            assert_eq!(told, gone);
            assert!(read.tombstones.iter().all(|tombstone| tombstone.fate == Fate::MergedInto(id(merged))));
        }
        let asked: Vec<String> = gone.iter().cloned().collect();
        let answer = peer.run(|| HubSpot::get(&contacts(), &asked, &names(FIELDS))).expect("get answers");
        assert!(answer.found.iter().all(|found| *found == Found::Moved((id(merged), 0))), "{:?}", answer.found);
        assert_eq!(answer.records.rows.len(), 1);
    }
}

#[test]
fn e4_1_get_confirms_what_became_of_each_id() {
    let peer = Peer::with(4);
    let ids: Vec<RecordId> = peer.state().records().iter().map(|record| record.id).collect();
    peer.state().archive(ids[1]).expect("it can be archived");
    peer.state().forget(ids[2]).expect("it can be forgotten");
    let asked = [id(ids[0]), id(ids[1]), id(ids[2]), "no-number".to_owned()];
    let answer = peer.run(|| HubSpot::get(&contacts(), &asked, &names(FIELDS))).expect("get answers");
    let [Found::At(0), Found::Gone(archived), Found::Gone(deleted), Found::Unclear(_)] = &answer.found[..] else {
        panic!("{:?}", answer.found)
    };
    assert_eq!((archived.fate.clone(), deleted.fate.clone()), (Fate::Archived, Fate::Deleted));
    // A server that fails confirms nothing.
    peer.state()
        .add_fault(Trouble::new(FaultKind::StatusBefore { status: 503, retry_after_s: None }).path("/batch/read"));
    let answer = peer.run(|| HubSpot::get(&contacts(), &asked, &names(FIELDS)));
    assert!(matches!(answer, Err(Fault::Transient(_))), "{answer:?}");
}

#[test]
fn e10_4_custom_properties_are_read_and_a_vanished_one_is_absent() {
    let peer = Peer::with(0);
    for property in [
        json!({"name": "points", "label": "Points", "type": "number", "fieldType": "number", "groupName": "contactinformation"}),
        json!({"name": "topics", "label": "Topics", "type": "enumeration", "fieldType": "checkbox", "groupName": "contactinformation",
            "options": [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}]}),
        json!({"name": "met", "label": "Met", "type": "date", "fieldType": "date", "groupName": "contactinformation"}),
        json!({"name": "seen", "label": "Seen", "type": "datetime", "fieldType": "date", "groupName": "contactinformation"}),
    ] {
        peer.state().create_property(&property).expect("the property can be made");
    }
    let values =
        [("email", "a@example.com"), ("points", "1.50"), ("topics", "b;a"), ("met", "1999-12-31"), ("seen", "0")];
    peer.state().create(&values).expect("the contact can be made");
    let fields = ["points", "topics", "met", "seen", "lastname", "no_such"];
    let read = peer.read(ReadMode::Full, &fields, None);
    let topics = Value::Choices(vec!["b".into(), "a".into()]);
    assert_eq!(
        read.rows[0].cells,
        [
            Value::Decimal("1.50".into()),
            topics,
            Value::Date("1999-12-31".into()),
            Value::Moment(0),
            Value::Clear,
            Value::Absent
        ]
    );
    // A read of changes that began before does not take the vanished property for an emptied one.
    let gone =
        peer.run(|| http::Request::delete("/crm/properties/2026-03/contacts/points").send()).expect("it is sent");
    assert_eq!(gone.status(), 204);
    peer.advance_s(1);
    let record = peer.state().records()[0].id;
    peer.state().edit(record, &[("lastname", "Lovelace")]).expect("it can be edited");
    let changes = peer.read(ReadMode::Changes, &fields, Some(read.end));
    assert_eq!((&changes.rows[0].cells[0], &changes.rows[0].cells[4]), (&Value::Absent, &Value::from("Lovelace")));
}

#[test]
fn more_properties_than_an_address_holds_are_read_in_batches() {
    let peer = Peer::with(150);
    let wide: Vec<String> =
        (0..300).map(|number| format!("{}_{number}", "a_property_with_a_long_name".repeat(2))).collect();
    for name in &wide {
        let property = json!({"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "contactinformation"});
        peer.state().create_property(&property).expect("the property can be made");
    }
    let fields: Vec<&str> = wide.iter().map(String::as_str).chain(["email"]).collect();
    let read = peer.read(ReadMode::Full, &fields, None);
    assert_eq!((read.rows.len(), read.complete), (150, true));
    assert!(read.rows.iter().any(|row| matches!(row.cells[300], Value::Text(_))));
    // A search's body is short, too.
    peer.advance_s(1);
    let edited = peer.state().records()[7].id;
    peer.state().edit(edited, &[(&wide[0], "x")]).expect("it can be edited");
    let changes = peer.read(ReadMode::Changes, &fields, Some(read.end));
    assert_eq!(changes.ids(), [id(edited)]);
    assert_eq!(changes.rows[0].cells[0], Value::from("x"));
}

#[test]
fn records_are_found_by_unique_and_by_plain_values() {
    let peer = Peer::with(300);
    let records = peer.state().records();
    let with_email: Vec<_> = records.iter().filter(|record| record.get("email").is_some()).take(120).collect();
    let emails: Vec<Value> = with_email
        .iter()
        .map(|record| Value::Text(record.get("email").unwrap_or_default().to_uppercase()))
        .chain([Value::from("nobody@example.com")])
        .collect();
    let table = peer.run(|| HubSpot::find(&contacts(), "email", &emails, &names(FIELDS))).expect("find answers");
    assert_eq!(table.rows.len(), 120);
    let name = records[0].get("lastname").expect("everybody has one");
    let expected = records.iter().filter(|record| record.get("lastname") == Some(name)).count();
    let values = [Value::from(name)];
    let table = peer.run(|| HubSpot::find(&contacts(), "lastname", &values, &names(FIELDS))).expect("find answers");
    assert_eq!(table.rows.len(), expected);
    let answer = peer.run(|| HubSpot::find(&contacts(), "loyalty_points", &[Value::Integer(1)], &names(FIELDS)));
    assert!(matches!(answer, Err(Fault::Unsupported(_))), "{answer:?}");
}

#[test]
fn e3_2_fields_have_times_of_their_own() {
    let peer = Peer::with(60);
    let ids: Vec<String> = peer.state().records().iter().map(|record| id(record.id)).collect();
    peer.advance_s(60);
    let edited_ms = peer.state().clock().now_ms();
    peer.state().edit(peer.state().records()[55].id, &[("phone", "+33 2")]).expect("it can be edited");
    let times = peer.run(|| HubSpot::field_times(&contacts(), &ids, &names(&["lastname", "phone", "met_never"])));
    let times = times.expect("field-times answers");
    assert_eq!(times.len(), 60);
    assert!(times[55][0].is_some_and(|at| at < edited_ms));
    assert_eq!((times[55][1], times[55][2]), (Some(edited_ms), None));
}

#[test]
fn e7_the_daily_limit_waits_for_the_accounts_midnight() {
    let daily = || FaultKind::RateLimited { policy: Policy::Daily, retry_after_s: None };
    let peer = Peer::with(1);
    let end = peer.read(ReadMode::Full, FIELDS, None).end;
    let wait_h = || match peer.page(ReadMode::Changes, FIELDS, Some(end.clone())) {
        Err(Fault::RetryLater(delay)) => delay.after_ms / 3_600_000,
        other => panic!("{other:?}"),
    };
    // It is 18:00 UTC.
    for (zone, hours) in [("America/Los_Angeles", 14), ("Europe/Paris", 5), ("Mars/Olympus", 6)] {
        peer.state().set(|settings| settings.time_zone = zone.to_owned());
        peer.state().add_fault(Trouble::new(daily()));
        assert_eq!(wait_h(), hours, "{zone}");
        // The account's details are refused too, with nothing but that said.
        peer.state().add_fault(Trouble::new(daily()).times(2));
        let mut waited_h = 0;
        assert_eq!(peer.requests(|| waited_h = wait_h()), 2, "asked once");
        assert_eq!(waited_h, 6, "{zone}");
        let broken = FaultKind::StatusBefore { status: 503, retry_after_s: None };
        peer.state().add_fault(Trouble::new(daily()));
        peer.state().add_fault(Trouble::new(broken));
        assert_eq!(wait_h(), 6, "{zone}");
    }
}

#[test]
fn refusals_of_reads_say_who_can_help() {
    let limited = |policy| FaultKind::RateLimited { policy, retry_after_s: None };
    let status = |status| FaultKind::StatusBefore { status, retry_after_s: None };
    let peer = Peer::with(1);
    let end = peer.read(ReadMode::Full, FIELDS, None).end;
    let answer = |kind: FaultKind| {
        peer.state().add_fault(Trouble::new(kind));
        peer.page(ReadMode::Changes, FIELDS, Some(end.clone())).expect_err("the fault struck")
    };
    let wait = |fault: Fault| match fault {
        Fault::RetryLater(delay) => delay.after_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(answer(limited(Policy::TenSecondlyRolling))), 10_000);
    assert_eq!(wait(answer(limited(Policy::Secondly))), 1_000);
    assert_eq!(wait(answer(limited(Policy::Daily))), 6 * 3_600_000);
    assert_eq!(wait(answer(status(423))), 2_000);
    assert!(matches!(answer(status(403)), Fault::Permission(said) if said.contains("crm.objects.contacts.read")));
    for kind in [status(500), status(502), FaultKind::DropBefore, FaultKind::CutBody] {
        let fault = answer(kind.clone());
        assert!(matches!(fault, Fault::Transient(_)), "{kind:?}: {fault:?}");
    }
    let peer = peer.token("revoked");
    assert!(matches!(peer.page(ReadMode::Full, FIELDS, None), Err(Fault::Auth(_))));
    let dead = peer.stop();
    let answer = dead.run(|| HubSpot::describe(&contacts()));
    assert!(matches!(answer, Err(Fault::Transient(_))), "{answer:?}");
}

#[test]
fn cursors_of_another_read_are_expired() {
    let peer = Peer::with(150);
    let Progress::More(listing) = peer.page(ReadMode::Full, FIELDS, None).expect("a page").next else { panic!() };
    for (mode, cursor) in [
        (ReadMode::Changes, listing.as_str()),
        (ReadMode::Ids, &listing),
        (ReadMode::Full, "end"),
        (ReadMode::Full, ""),
    ] {
        let answer = peer.page(mode, FIELDS, Some(cursor.to_owned()));
        assert!(matches!(answer, Err(Fault::CursorExpired(_))), "{mode:?} {cursor}");
    }
}

#[test]
fn the_schema_is_that_of_the_account() {
    let peer = Peer::with(1);
    let schema = peer.run(|| HubSpot::describe(&contacts())).expect("describe answers");
    let field = |name: &str| schema.fields.iter().find(|field| field.name == name).expect("the field is there");
    assert_eq!(field("interests").kind, FieldType::Choices);
    assert_eq!(field("loyalty_points").kind, FieldType::Decimal);
    assert!(field("customer_number").traits & FieldTraits::UNIQUE != FieldTraits::empty());
    assert!(field("lastmodifieddate").traits & FieldTraits::READ_ONLY != FieldTraits::empty());
    assert_eq!(field("email").meaning.as_deref(), Some("email"));
    let again = peer.run(|| HubSpot::describe(&contacts())).expect("describe answers");
    assert_eq!(schema.fingerprint, again.fingerprint);
}
