//! A CRM that answers in part, late, wrongly, or not at all: nothing is doubled, no edit is lost.

use std::time::Duration;

use syncline_sandbox::{Fault, FaultKind, HubSpot, Limits, Policy};
use syncline_stories::{Book, Card, NO_CAPS, SYNC, World, carddav, hubspot, sync};
use syncline_test_servers::Radicale;

const UPSERT: &str = "/batch/upsert";
const UPDATE: &str = "/batch/update";
const READ: &str = "/batch/read";
const SEARCH: &str = "/search";

/// How late the CRM shows writes, and a little more.
const WINDOW: Duration = Duration::from_millis(1_100);

#[test]
fn no_answer_doubles_or_loses_anything() {
    let world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits::off()).index_lag_ms(500));
    let radicale = Radicale::start().expect("Radicale starts");
    let book = Book::at(&radicale.address_book("people").expect("an address book"));
    let connections = hubspot("crm", &crm.url(), "TOKEN") + &carddav("book", book.url(), "PASSWORD");
    world.configure(&(connections + &sync(SYNC, "crm", "book", NO_CAPS)));
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    world.run();

    let status = |status| FaultKind::StatusBefore { status, retry_after_s: None };
    let limited = |policy, retry_after_s| FaultKind::RateLimited { policy, retry_after_s };
    // What the application asks to wait for longer than a run does is left for the next one: 3 or 4.
    let cases = [
        ("an answer that is lost", FaultKind::DropAfter, UPSERT, &[0][..]),
        ("a lost answer to an update", FaultKind::DropAfter, UPDATE, &[0]),
        ("a request that is lost", FaultKind::DropBefore, UPSERT, &[0]),
        ("a lost update", FaultKind::DropBefore, UPDATE, &[0]),
        ("half an answer", FaultKind::CutBody, UPSERT, &[0]),
        ("half an answer to an update", FaultKind::CutBody, UPDATE, &[0]),
        ("a gateway's 502 after the create", FaultKind::StatusAfter { status: 502 }, UPSERT, &[0]),
        ("a gateway's 504 after the update", FaultKind::StatusAfter { status: 504 }, UPDATE, &[0]),
        ("a 500 and nothing done", status(500), UPSERT, &[0]),
        ("a 503 to a read", status(503), SEARCH, &[0]),
        ("half of a page", FaultKind::CutBody, SEARCH, &[0]),
        ("a 400 to a batch", status(400), UPDATE, &[0, 3]),
        ("a 423 to a batch", status(423), UPSERT, &[0, 3, 4]),
        ("too many calls", limited(Policy::TenSecondlyRolling, Some(1)), UPSERT, &[0]),
        ("too many searches", limited(Policy::Secondly, None), SEARCH, &[0]),
        ("a lost look", FaultKind::DropAfter, READ, &[0]),
    ];
    for (round, (what, kind, path, exits)) in cases.into_iter().enumerate() {
        // On both sides somebody is new and something is edited.
        let (left, right) = (format!("left{round}@example.com"), format!("right{round}@example.com"));
        crm.add(&[("email", &left), ("firstname", "Left")]);
        book.add(&format!("right-{round}"), &Card::of(&format!("right-{round}"), "Right", "Person", &right, &[]));
        crm.edit("ada@example.com", &[("jobtitle", &format!("title {round}"))]);
        book.edit("ada@example.com", |card| card.set("ORG", &format!("company {round}")));
        crm.state().add_fault(Fault::new(kind).path(path));
        let ran = world.syncline(&["run", "--yes"]);
        println!("{what}: {ran}");
        assert!(crm.state().faults().iter().all(|fault| fault.struck > 0), "{what} did not strike");
        crm.state().clear_faults();
        assert!(exits.iter().any(|exit| ran.status.code() == Some(*exit)), "{what}: {ran}");

        std::thread::sleep(WINDOW);
        world.run();
        assert_eq!(crm.people(), book.people(), "{what}");
        assert_eq!(crm.people().len(), 3 + 2 * round, "{what}");
        let ada = &crm.people()["ada@example.com"];
        assert_eq!(
            [&ada["title"], &ada["company"]],
            [&format!("title {round}"), &format!("company {round}")],
            "{what}"
        );
        world.plans_nothing();
    }
}

#[test]
fn no_more_calls_today_is_waiting_and_no_failure_e7() {
    let (world, crm, _radicale, book) = World::crm_and_book("");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let daily = |retry_after_s| FaultKind::RateLimited { policy: Policy::Daily, retry_after_s };
    world.run();
    book.edit("ada@example.com", |card| card.set("TITLE", "Countess"));
    crm.state().add_fault(Fault::new(daily(Some(3_600))).path(SEARCH));
    world.syncline(&["run", "--yes"]).ends(4);
    let asked = crm.state().stats().requests;
    // The next process knows it still, and does not ask again.
    world.syncline(&["run", "--yes"]).ends(4);
    assert_eq!(crm.state().stats().requests, asked);
    assert_eq!(crm.people()["ada@example.com"].get("title"), None);
}

#[test]
fn a_daily_limit_without_an_hour_is_kept_until_midnight_by_the_next_process_too_e7() {
    let (world, crm, _radicale, book) = World::crm_and_book("");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let daily = FaultKind::RateLimited { policy: Policy::Daily, retry_after_s: None };
    crm.state().add_fault(Fault::new(daily).path("/crm/objects"));
    world.syncline(&["run", "--yes"]).ends(4).says(&["429"]);
    assert_eq!((crm.people().len(), book.people().len()), (0, 1));
    // The account told who it is, and then where it is midnight.
    assert_eq!(crm.state().stats().by_route.get("GET /account-info/2026-03/details"), Some(&2));
    crm.state().clear_faults();
    let asked = crm.state().stats().requests;
    world.syncline(&["run", "--yes"]).ends(4);
    assert_eq!(crm.state().stats().requests, asked);
}

#[test]
fn a_write_that_meets_the_daily_limit_makes_the_run_wait_e7() {
    let (world, crm, _radicale, book) = World::crm_and_book("");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    world.run();
    book.edit("ada@example.com", |card| card.set("TITLE", "Countess"));
    let daily = FaultKind::RateLimited { policy: Policy::Daily, retry_after_s: Some(3_600) };
    crm.state().add_fault(Fault::new(daily).path(UPDATE));
    world.syncline(&["run", "--yes"]).ends(4).says(&["waiting", "1 held"]);
    assert_eq!(crm.people()["ada@example.com"].get("title"), None);
}
