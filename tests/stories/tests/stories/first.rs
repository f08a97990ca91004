//! The first sync, and what follows on ordinary days.

use std::time::Duration;

use syncline_stories::{Book, Card, Crm, World};
use syncline_test_servers::Radicale;

/// Six people: two in both places, two here, two there.
fn six() -> (World, Crm, Radicale, Book) {
    let (world, crm, radicale, book) = World::crm_and_book("");
    for (given, family, email) in [
        ("Ada", "Lovelace", "ada@example.com"),
        ("Grace", "Hopper", "grace@example.com"),
        ("Alan", "Turing", "alan@example.com"),
        ("Edsger", "Dijkstra", "edsger@example.com"),
    ] {
        crm.add(&[("firstname", given), ("lastname", family), ("email", email)]);
    }
    for (given, family, email, more) in [
        ("Ada", "Lovelace", "ada@example.com", "TITLE:Countess"),
        ("Grace", "Hopper", "grace@example.com", "ORG:Navy;Ships"),
        ("Barbara", "Liskov", "barbara@example.com", "TEL;TYPE=cell:+1 617 555 0101"),
        ("Donald", "Knuth", "donald@example.com", "NOTE:no e-mail since 1990"),
    ] {
        book.add(given, &Card::of(given, given, family, email, &[more]));
    }
    (world, crm, radicale, book)
}

#[test]
fn the_first_sync_makes_both_sides_the_same_and_the_second_writes_nothing_e6_7() {
    let (world, crm, _radicale, book) = six();
    world.syncline(&["check"]).ends(0).says(&["all is well"]);
    world.syncline(&["plan"]).ends(0).says(&["left: 2 to create, 2 to update", "right: 2 to create", "fills a blank"]);
    assert_eq!((crm.people().len(), book.people().len()), (4, 4), "a plan writes nothing");
    world.run();
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), 6);
    let people = crm.people();
    assert_eq!(people["ada@example.com"]["title"], "Countess");
    assert_eq!(people["grace@example.com"]["company"], "Navy");
    assert_eq!(people["barbara@example.com"]["mobile"], "+1 617 555 0101");
    let before = (crm.state().records(), book.entries());
    world.plans_nothing();
    world.run().says(&["nothing had changed"]);
    assert_eq!((crm.state().records(), book.entries()), before);
}

#[test]
fn a_run_with_nothing_changed_asks_at_most_five_times() {
    let (world, crm, _radicale, _book) = six();
    world.run();
    // Past the window in which changes are read again.
    crm.state().clock().advance(Duration::from_secs(60));
    world.run();
    crm.state().reset_stats();
    world.run().says(&["nothing had changed"]);
    let stats = crm.state().stats();
    assert!(stats.requests <= 5, "{stats:#?}");
    assert!(stats.by_route.keys().all(|route| route.starts_with("GET") || route.ends_with("/search")), "{stats:#?}");
}
