//! What a sync is about: the objects that a connector has, and the one container that was chosen.

use syncline_stories::{Book, Card, World, carddav, hubspot, sync};
use syncline_test_servers::Radicale;

#[test]
fn b02_records_in_other_containers_are_never_candidates() {
    let world = World::new();
    let crm = world.crm(syncline_sandbox::HubSpot::builder().limits(syncline_sandbox::Limits::off()));
    let radicale = Radicale::start().expect("Radicale starts");
    let [chosen, other] = ["chosen", "other"].map(|name| radicale.address_book(name).expect("an address book"));
    let container = chosen.strip_prefix(radicale.url().trim_end_matches('/')).expect("it is on the server").to_owned();
    let home = format!("{}{}/", radicale.url(), syncline_test_servers::USER);
    let text =
        hubspot("crm", &crm.url(), "TOKEN") + &carddav("book", &home, "PASSWORD") + &sync("people", "crm", "book", "");
    let right = "right = { connection = \"book\", object = \"contacts\"";
    let text = text.replace(right, &format!("{right}, container = \"{container}\""));
    world.configure(&text);
    let (chosen, other) = (Book::at(&chosen), Book::at(&other));
    crm.add(&[("email", "ada@example.com"), ("firstname", "Ada")]);
    chosen.add("bob", &Card::of("bob", "Bob", "Person", "bob@example.com", &[]));
    // Ada is in the other book too: she is no match for the one in the CRM.
    other.add("ada", &Card::of("ada", "Ada", "Other", "ada@example.com", &[]));
    other.add("cyd", &Card::of("cyd", "Cyd", "Other", "cyd@example.com", &[]));
    let before = other.entries();
    world.run();
    crm.edit("ada@example.com", &[("jobtitle", "Countess")]);
    world.run();
    assert_eq!(crm.people().keys().collect::<Vec<_>>(), ["ada@example.com", "bob@example.com"]);
    assert_eq!(crm.people(), chosen.people());
    assert_eq!(other.entries(), before, "nothing in it was written");
    world.plans_nothing();
}

#[test]
fn b03_check_refuses_an_object_that_the_connector_does_not_have_and_names_those_it_has() {
    let world = World::new();
    let crm = world.crm(syncline_sandbox::HubSpot::builder().limits(syncline_sandbox::Limits::off()));
    let radicale = Radicale::start().expect("Radicale starts");
    let book = radicale.address_book("people").expect("an address book");
    let text =
        hubspot("crm", &crm.url(), "TOKEN") + &carddav("book", &book, "PASSWORD") + &sync("people", "crm", "book", "");
    let right = "right = { connection = \"book\", object = ";
    world.configure(&text.replace(&format!("{right}\"contacts\""), &format!("{right}\"companies\"")));
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        world.syncline(command).ends(1).says(&["has no object `companies`; it has `contacts`"]);
    }
    assert_eq!(Book::at(&book).entries().len(), 0);
}
