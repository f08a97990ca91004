//! The first sync, and what follows on ordinary days.

use syncline_stories::{Card, World};

/// Six people: two in both places, two here, two there.
fn six() -> (World, syncline_stories::Crm, syncline_test_servers::Radicale, syncline_stories::Book) {
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
    world.syncline(&["check"]).ends(0);
    let plan = world.syncline(&["plan"]).ends(0);
    println!("{plan}");
    assert_eq!((crm.people().len(), book.people().len()), (4, 4), "a plan writes nothing");
    println!("{}", world.run());
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), 6);
    let people = crm.people();
    assert_eq!(people["ada@example.com"]["title"], "Countess");
    assert_eq!(people["grace@example.com"]["company"], "Navy");
    assert_eq!(people["barbara@example.com"]["mobile"], "+1 617 555 0101");
    let before = (crm.state().records(), book.entries());
    world.plans_nothing();
    println!("{}", world.run());
    assert_eq!((crm.state().records(), book.entries()), before);
}
