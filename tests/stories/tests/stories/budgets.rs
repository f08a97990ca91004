//! The budget of calls to an account (E7, F15): kept to the call, over restarts, and by all connections together.

use std::time::Duration;

use serde_json::Value;
use syncline_runner::{BudgetOwner, budget_owner, keep_budgets, kept_budget};
use syncline_sandbox::{HubSpot, Limits};
use syncline_store::{DiskOptions, DiskStore};
use syncline_stories::{Book, Crm, World, carddav, hubspot, sync};
use syncline_test_servers::Radicale;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A HubSpot whose vendor lets `vendor` calls through a day and of which the configuration says `limits`; and a book.
fn with_limits(vendor: Option<u32>, limits: &str) -> (World, Crm, Radicale, Book) {
    let world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits { daily: vendor, ..Limits::off() }));
    let radicale = Radicale::start().expect("Radicale starts");
    let book = Book::at(&radicale.address_book("people").expect("an address book"));
    let left = limited("crm", &crm, limits);
    world.configure(&(left + &carddav("book", book.url(), "PASSWORD") + &sync("people", "crm", "book", "")));
    (world, crm, radicale, book)
}

/// A connection to `crm`, with `limits` beside its burst.
fn limited(name: &str, crm: &Crm, limits: &str) -> String {
    hubspot(name, &crm.url(), "TOKEN").replace("per_ms = 1000 }]", &format!("per_ms = 1000 }}], {limits}"))
}

/// As many people as the pages of a few reads.
fn people(crm: &Crm, count: usize) {
    for number in 0..count {
        crm.add(&[("email", &format!("p{number}@example.com")), ("firstname", "P")]);
    }
}

/// A day passes: for the vendor, and for what the host has written down of it.
fn a_day_passes(world: &World, crm: &Crm, connection: &str) {
    crm.state().clock().advance(DAY);
    let store = DiskStore::open(&world.data().join("store"), DiskOptions::default()).expect("the store opens");
    world.runtime().block_on(async {
        let owner = budget_owner(&store, connection, None).await.expect("the store is up");
        let mut kept = kept(&store, &owner).await;
        let at_ms = kept["at_ms"].as_u64().expect("a time") - u64::try_from(DAY.as_millis()).expect("a day");
        kept["at_ms"] = at_ms.into();
        keep_budgets(&store, vec![(owner, kept.to_string())]).await.expect("the store is up");
    });
}

async fn kept(store: &DiskStore, owner: &BudgetOwner) -> Value {
    let text = kept_budget(store, owner).await.expect("the store is up").expect("a budget was kept");
    serde_json::from_str(&text).expect("a budget")
}

fn calls(crm: &Crm) -> u64 {
    crm.state().stats().requests
}

/// Why and until when the last run waits.
fn waits(world: &World) -> (String, i64) {
    let status = world.syncline(&["status", "--json"]).ends(0).json();
    let run = &status["syncs"][0]["last_run"];
    let until = run["waits_until"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    (run["waits_for"].as_str().unwrap_or_default().to_owned(), until.as_millisecond())
}

#[test]
fn f15_of_a_budget_of_n_the_call_after_the_last_is_not_sent_and_the_run_goes_on_after_the_reset() {
    let budget = 9;
    let (world, crm, _radicale, book) = with_limits(None, &format!("calls_per_day = {budget}, share_percent = 100"));
    people(&crm, 250);
    world.syncline(&["run", "--yes"]).ends(4).says(&["waiting", "budget"]);
    assert!((budget * 75 / 100..=budget).contains(&calls(&crm)), "{} of {budget}", calls(&crm));
    let (reason, until) = waits(&world);
    assert_eq!(reason, "provider-budget");
    let in_ms = until - jiff::Timestamp::now().as_millisecond();
    assert!((1..=86_400_000).contains(&in_ms), "{in_ms}");
    let sent = calls(&crm);
    world.syncline(&["run", "--yes"]).ends(4);
    assert_eq!(calls(&crm), sent, "another process sends nothing either");
    let mut days = 0;
    while book.entries().len() < 250 {
        a_day_passes(&world, &crm, "crm");
        let before = calls(&crm);
        world.syncline(&["run", "--yes"]);
        assert!(calls(&crm) - before <= budget, "day {days}: {} calls", calls(&crm) - before);
        days += 1;
        assert!(days < 10, "they never arrive");
    }
    assert!(days > 0);
    assert_eq!(crm.people().keys().collect::<Vec<_>>(), book.people().keys().collect::<Vec<_>>());
}

#[test]
fn e7_connections_of_one_account_share_its_budget_and_its_calls_are_told() {
    let budget = 24;
    let limits = format!("calls_per_day = {budget}, share_percent = 100");
    let (world, crm, radicale, book) = with_limits(None, &limits);
    let second = Book::at(&radicale.address_book("second").expect("an address book"));
    world.reconfigure(|text| {
        text + &limited("again", &crm, &limits)
            + &carddav("shelf", second.url(), "PASSWORD")
            + &sync("others", "again", "shelf", "")
    });
    people(&crm, 900);
    // From here on it is known that both connections reach one account.
    world.syncline(&["check"]).ends(0);
    let spared = budget * 75 / 100;
    assert!((1..spared).contains(&calls(&crm)), "{}", calls(&crm));
    world.syncline(&["run", "--yes"]).says(&["waiting"]);
    assert!((spared..=budget).contains(&calls(&crm)), "{} of {budget}, both together", calls(&crm));
    assert!(book.entries().len() + second.entries().len() < 1_800);
    let told = format!("{} of {budget} calls in 86400 s", calls(&crm));
    world.syncline(&["status"]).ends(0).says(&["crm and again: ", &told]);
}

#[test]
fn e7_what_a_plan_takes_of_calls_and_month_is_told_and_an_unattended_run_stops_at_the_limit() {
    let (world, crm, _radicale, book) = with_limits(None, "calls_per_day = 1000");
    world.reconfigure(|text| format!("[limits]\ntasks_per_month = 2\n\n{text}"));
    people(&crm, 3);
    let plan = world.syncline(&["plan"]).ends(0);
    let plan = plan.says(&["3 tasks of the 2 that this month still holds", "to write", "the reading took"]);
    plan.says(&["the month cannot hold them: 1 would wait until"]);
    let ran = world.syncline(&["run", "--yes"]).ends(4);
    ran.says(&["waiting", "the month cannot hold them: 1 would wait until", "the month's 2 tasks are used up"]);
    assert_eq!(book.entries().len(), 2, "what fits is written");
}
