//! Ordinary days: people edit on both sides, disagree, and delete.

use std::time::Duration;

use syncline_stories::{Book, Card, Crm, World};
use syncline_test_servers::Radicale;

/// Times of two applications that are nearer than this are no order (E3.2).
const PAST_DOUBT: Duration = Duration::from_millis(3_200);

fn three(more: &str) -> (World, Crm, Radicale, Book) {
    let (world, crm, radicale, book) = World::crm_and_book(more);
    for name in ["Ada", "Bob", "Cyd"] {
        let email = format!("{}@example.com", name.to_lowercase());
        book.add(name, &Card::of(name, name, "Person", &email, &["TITLE:before", "ORG:before"]));
    }
    world.run();
    assert_eq!(crm.people(), book.people());
    (world, crm, radicale, book)
}

#[test]
fn edits_of_different_fields_are_merged_e2_1() {
    let (world, crm, _radicale, book) = three("");
    crm.edit("ada@example.com", &[("jobtitle", "left"), ("firstname", "Augusta")]);
    book.edit("ada@example.com", |card| card.set("ORG", "right"));
    let ran = world.run();
    assert!(!ran.out.contains("conflict"), "{ran}");
    assert_eq!(crm.people(), book.people());
    let ada = &crm.people()["ada@example.com"];
    assert_eq!([&ada["title"], &ada["company"], &ada["given"]], ["left", "right", "Augusta"]);
    world.plans_nothing();
}

#[test]
fn the_newest_edit_wins_and_in_doubt_the_left_one_e3_2() {
    let (world, crm, _radicale, book) = three("");
    crm.edit("ada@example.com", &[("jobtitle", "left, earlier")]);
    book.edit("bob@example.com", |card| card.set("TITLE", "right, earlier"));
    std::thread::sleep(PAST_DOUBT);
    book.edit("ada@example.com", |card| card.set("TITLE", "right, later"));
    crm.edit("bob@example.com", &[("jobtitle", "left, later")]);
    // Who was first here cannot be said.
    crm.edit("cyd@example.com", &[("jobtitle", "left")]);
    book.edit("cyd@example.com", |card| card.set("TITLE", "right"));
    world.run().says(&["3 conflicts decided by rule"]);
    assert_eq!(crm.people(), book.people());
    let people = crm.people();
    let titles = ["ada@example.com", "bob@example.com", "cyd@example.com"].map(|email| people[email]["title"].clone());
    assert_eq!(titles, ["right, later", "left, later", "left"]);
    world.plans_nothing();

    // The value that lost is kept, and can be brought back (E3.4).
    let cyd = crm.find("cyd@example.com").id.to_string();
    world.syncline(&["resolve", "people", &cyd, "--flip"]).ends(0);
    assert_eq!(crm.people()["cyd@example.com"]["title"], "right");
    assert_eq!(crm.people(), book.people());
    world.plans_nothing();
}

#[test]
fn a_person_decides_where_the_policy_is_manual_e3_5() {
    let (world, crm, _radicale, book) = three("conflict = \"manual\"");
    crm.edit("ada@example.com", &[("jobtitle", "left"), ("mobilephone", "1")]);
    book.edit("ada@example.com", |card| card.set("TITLE", "right"));
    world.run();
    assert_eq!(crm.people()["ada@example.com"]["title"], "left");
    let there = &book.people()["ada@example.com"];
    assert_eq!((there["title"].as_str(), there["mobile"].as_str()), ("right", "1"), "the other fields go on");
    let open = world.syncline(&["conflicts", "people", "--json"]).ends(0).json();
    let conflict = &open["syncs"][0]["conflicts"][0];
    assert_eq!(
        (conflict["status"].as_str(), conflict["fields"][0]["right"].as_str()),
        (Some("open"), Some("right")),
        "{open:#}"
    );
    let ada = crm.find("ada@example.com").id.to_string();
    world.syncline(&["resolve", "people", &ada, "jobtitle", "--take", "right"]).ends(0);
    assert_eq!(crm.people()["ada@example.com"]["title"], "right");
    assert_eq!(crm.people(), book.people());
    world.plans_nothing();
}

#[test]
fn a_deleted_card_leaves_its_contact_alone_and_is_not_made_again_e4_4() {
    let (world, crm, _radicale, book) = three("");
    book.delete("ada@example.com");
    world.run();
    world.run();
    assert_eq!((crm.people().len(), book.people().len()), (3, 2));
    world.plans_nothing();
    let excluded = world.syncline(&["records", "people", "--state", "excluded", "--json"]).ends(0);
    assert!(excluded.out.contains("counterpart-deleted"), "{excluded}");
}

#[test]
fn a_deleted_card_archives_its_contact_where_that_is_the_policy_e4_3() {
    let (world, crm, _radicale, book) = three("deletes = { to_left = \"archive\" }\nguards = { auto_approve = true }");
    book.delete("ada@example.com");
    // An edit of what the other side deleted is not thrown away (E3.6).
    book.delete("bob@example.com");
    crm.edit("bob@example.com", &[("jobtitle", "edited")]);
    world.run();
    assert_eq!(crm.people().into_keys().collect::<Vec<_>>(), ["bob@example.com", "cyd@example.com"]);
    assert_eq!(crm.state().archived().len(), 1);
    assert_eq!(book.people().into_keys().collect::<Vec<_>>(), ["cyd@example.com"]);
    world.plans_nothing();
    world.syncline(&["status", "--json"]).ends(0).says(&["edit-delete"]);
}
