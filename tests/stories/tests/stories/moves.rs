//! What moves or asks for other manners on a server: a card at another address, a password that must not be sent.

use syncline_stories::{Book, Card, TwoBooks, World};

fn person(number: usize) -> (String, Card) {
    let email = format!("person{number}@example.com");
    let card = Card::of(&format!("person-{number}"), "Person", &number.to_string(), &email, &[]);
    (email, card)
}

#[test]
fn a_card_that_moves_on_its_server_keeps_its_counterpart_e1_10() {
    let world = World::new();
    let Some(books) = TwoBooks::start() else { return };
    let (left, right) = (&books.left, &books.right);
    let deletes = "deletes = { to_left = \"delete\", to_right = \"delete\" }\nguards = { auto_approve = true }";
    world.configure(&books.sync(deletes));
    for number in 0..12 {
        let (_, card) = person(number);
        let book = if number % 2 == 0 { left } else { right };
        book.add(&format!("card-{number}"), &card);
    }
    world.run();
    let paths = |book: &Book| book.entries().into_keys().collect::<Vec<_>>();
    let before = (paths(left), paths(right));
    assert_eq!(before.0.len(), 12);

    for (book, other, at) in [(left, right, [0, 1]), (right, left, [2, 3])] {
        for number in at {
            let (email, _) = person(number);
            let counterpart = other.find(&email).expect("it was created").0;
            book.rename(&email, &format!("moved-{number}"));
            book.edit(&email, |card| card.set("TITLE", "Mover"));
            world.run();
            let (path, entry) = other.find(&email).expect("nothing was deleted");
            assert_eq!((&path, entry.card().field("title").as_deref()), (&counterpart, Some("Mover")));
        }
    }
    assert_eq!((left.entries().len(), right.entries().len()), (12, 12));
    assert_eq!(left.people(), right.people());
    world.plans_nothing();

    let (email, card) = person(4);
    // As other clients do it: the same card is put elsewhere, and the old one deleted.
    let counterpart = right.find(&email).expect("it was created").0;
    left.delete(&email);
    left.add("put-elsewhere", &card);
    world.run();
    assert_eq!(right.find(&email).map(|(path, _)| path), Some(counterpart));
    left.delete(&email);
    world.run();
    assert_eq!(right.find(&email), None, "what is deleted is deleted");
    world.plans_nothing();
}

#[test]
fn a_server_that_takes_no_password_is_answered_with_digests() {
    let world = World::new();
    let Some(mut books) = TwoBooks::start() else { return };
    for number in 0..20 {
        let (_, card) = person(number);
        let book = if number < 10 { &books.left } else { &books.right };
        book.add(&format!("card-{number}"), &card);
    }
    books.cyrus.ask_for_digests().expect("Cyrus starts again");
    world.configure(&books.sync(""));
    world.run();
    assert_eq!(books.left.people().len(), 20);
    world.plans_nothing();
}
