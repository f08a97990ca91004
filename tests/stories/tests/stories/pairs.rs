//! Two applications of one kind: nothing in the host knows which they are.

use syncline_sandbox::{HubSpot, Limits, Seed};
use syncline_stories::{Card, Crm, People, SYNC, TwoBooks, World, hubspot, sync};

#[test]
fn two_address_books_of_different_servers() {
    let world = World::new();
    let Some(books) = TwoBooks::start() else { return };
    let (left, right) = (&books.left, &books.right);
    let deletes = "deletes = { to_left = \"delete\", to_right = \"delete\" }\nguards = { auto_approve = true }";
    world.configure(&books.sync(deletes));
    for number in 0..40 {
        let email = format!("person{number}@example.com");
        let note = format!("NOTE:note {number}\\, of one line\\nand another");
        let card = Card::of(&format!("person-{number}"), "Person", &number.to_string(), &email, &[&note]);
        if number < 30 {
            left.add(&format!("left-{number}"), &card);
        }
        if number >= 20 {
            right.add(&format!("right-{number}"), &card);
        }
    }
    world.run();
    assert_eq!(left.people().len(), 40);
    assert_eq!(left.people(), right.people());
    assert_eq!(
        right.find("person3@example.com").expect("it was created").1.card().line("NOTE").expect("a note").parts(),
        ["note 3, of one line\nand another"]
    );
    world.plans_nothing();

    left.edit("person1@example.com", |card| card.set("TITLE", "Left"));
    right.edit("person1@example.com", |card| card.set("ORG", "Right"));
    left.delete("person2@example.com");
    right.delete("person3@example.com");
    world.run();
    assert_eq!(left.people(), right.people());
    let people = left.people();
    assert_eq!(
        (people["person1@example.com"]["title"].as_str(), people["person1@example.com"]["company"].as_str()),
        ("Left", "Right")
    );
    assert_eq!(people.len(), 38);
    world.plans_nothing();
}

#[test]
fn two_hubspots() {
    let mut world = World::new();
    let seeded = |contacts, first| {
        let seed = Seed { contacts, first, ..Seed::default() };
        HubSpot::builder().limits(Limits::off()).seed(seed)
    };
    let left = world.crm(seeded(40, 0).token("left-token"));
    let right = world.crm(seeded(30, 20).token("right-token"));
    world.secret("LEFT", "left-token");
    world.secret("RIGHT", "right-token");
    let connections = hubspot("here", &left.url(), "LEFT") + &hubspot("there", &right.url(), "RIGHT");
    world.configure(&(connections + &sync(SYNC, "here", "there", "")));
    world.run();
    let known = || {
        // Who has no address cannot be matched, and stays alone.
        let known = |crm: &Crm| crm.people().into_iter().filter(|(email, _)| email.contains('@')).collect::<People>();
        (known(&left), known(&right))
    };
    let (here, there) = known();
    assert_eq!(here, there);
    assert!(here.len() >= 45, "{}", here.len());
    world.plans_nothing();
    let someone = here.into_keys().next().expect("there are people");
    left.edit(&someone, &[("jobtitle", "Left")]);
    right.edit(&someone, &[("company", "Right")]);
    world.run();
    let (here, there) = known();
    assert_eq!(here, there);
    assert_eq!(left.find(&someone).get("company"), Some("Right"));
    world.plans_nothing();
}
