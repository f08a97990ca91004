//! Questions on a real terminal: answers, other answers, and people who go away.

use std::fs;
use std::time::Duration;

use syncline_stories::{Book, Card, Crm, World, has_colours};
use syncline_test_servers::Radicale;

const SOON: Duration = Duration::from_secs(20);

/// Somebody in the address book whom a run would add to the CRM.
fn one_to_add() -> (World, Crm, Radicale, Book) {
    let (world, crm, radicale, book) = World::crm_and_book("");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    (world, crm, radicale, book)
}

#[test]
fn init_asks_what_it_needs_and_asks_again_after_a_wrong_answer() {
    let world = World::new();
    let ran = world
        .at_terminal(&["init"])
        .sees("Connector of the left side (carddav, hubspot)")
        .types("hubspto")
        .sees("did you mean `hubspot`?")
        .sees("Connector of the left side")
        .types("")
        .sees("Connector of the left side")
        .types("normalize-phone")
        .sees("a connector is needed")
        .types("hubspot")
        .sees("Connector of the right side")
        .types("carddav")
        .sees("carddav, url")
        .types("dav.example.org")
        .sees("expected an address")
        .sees("carddav, url")
        .types("https://dav.example.org/ada/")
        .sees("carddav, name of the user")
        .types("ada")
        .sees("Object to sync [contacts]")
        .types("")
        .waits()
        .ends(0);
    ran.says(&["syncline.toml was written", "export HUBSPOT_TOKEN="]);
    let text = fs::read_to_string(world.at("syncline.toml")).expect("written");
    for words in ["url = \"https://dav.example.org/ada/\"", "user = \"ada\"", "object = \"contacts\""] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
}

#[test]
fn nothing_is_half_written_when_the_person_at_init_goes_away() {
    for key in ['c', 'd'] {
        let world = World::new();
        let person = world.at_terminal(&["init"]).sees("left side").types("hubspot").sees("right side");
        let ran = person.presses_control(key).waits();
        assert!(!ran.status.success(), "{ran}");
        assert_eq!(fs::read_dir(world.at("")).expect("the folder").count(), 0, "control-{key}: {ran}");
    }
}

#[test]
fn a_plugin_is_agreed_to_on_a_terminal_or_not_added() {
    let world = World::new();
    fs::write(world.at("mine.wasm"), World::component("normalize-phone")).expect("written");
    let add = ["plugin", "add", "mine.wasm"];
    for (answer, words) in [("n", "nothing was added"), ("", "nothing was added")] {
        let ran = world.at_terminal(&add).sees("Agree to this? [y/N]").types(answer).waits().ends(1);
        ran.says(&[words]);
    }
    let ran = world.at_terminal(&add).sees("Agree to this?").presses_control('d').waits().ends(1);
    ran.says(&["nothing was added"]);
    let ran = world.at_terminal(&add).sees("Agree to this?").presses_control('c').waits();
    assert!(!ran.status.success(), "{ran}");
    assert!(!world.at("syncline.lock").exists() && !world.data().join("syncline.lock").exists());
    let person = world.at_terminal(&add).sees("can reach nothing").sees("Agree to this?").types("perhaps");
    person.sees("please answer y or n").sees("Agree to this?").types("yes").waits().ends(0).says(&["was added"]);
    world.syncline(&["plugin", "list"]).ends(0).says(&["agreed"]);
}

#[test]
fn a_plan_is_shown_and_written_only_when_it_is_agreed_to() {
    let (world, crm, _radicale, book) = one_to_add();
    for answer in ["n", "", "no"] {
        let person = world.at_terminal(&["run"]).sees("1 change to 1 record").sees("write this? [y/N]").types(answer);
        person.waits().ends(0).says(&["people: nothing was written"]);
    }
    let ran = world.at_terminal(&["run"]).sees("write this?").presses_control('d').waits().ends(0);
    ran.says(&["nothing was written"]);
    let ran = world.at_terminal(&["run"]).sees("write this?").presses_control('c').waits();
    let ran = ran.says(&["nothing was written"]);
    assert!(ran.took.as_secs() < 60, "{ran}");
    assert_eq!((crm.people().len(), book.people().len()), (0, 1), "nothing was written");

    let person = world.at_terminal(&["run"]).sees("write this?").types("what?").sees("please answer y or n");
    person.sees("write this?").types("y").waits().ends(0).says(&["people: ok"]);
    assert_eq!(crm.people(), book.people());
    world.plans_nothing();

    let last = world.syncline(&["history", "--json"]).ends(0).json()["runs"][0]["run"].to_string();
    let undo = ["undo", last.as_str()];
    world.at_terminal(&undo).sees("take this back? [y/N]").types("n").waits().ends(0).says(&["nothing was written"]);
    world.at_terminal(&undo).sees("take this back?").presses_control('c').waits().says(&["nothing was written"]);
    assert_eq!(crm.people().len(), 1);
    world.at_terminal(&undo).sees("take this back?").types("y").waits().ends(0).says(&["is undone"]);
    assert_eq!(crm.people().len(), 0);
}

#[test]
fn there_are_colours_on_a_terminal_unless_they_are_not_wanted() {
    let (world, _crm, _radicale, _book) = one_to_add();
    world.run();
    for line in [&["status"][..], &["records", "people"], &["history"], &["check"]] {
        let seen = world.at_terminal(line).waits().ends(0);
        assert!(has_colours(&seen.out), "{seen}");
        let never = [line, &["--color", "never"]].concat();
        for ran in [world.at_plain_terminal(line).waits(), world.at_terminal(&never).waits(), world.syncline(line)] {
            let ran = ran.ends(0);
            assert!(!has_colours(&ran.out) && !has_colours(&ran.err), "{ran}");
        }
    }
    // Mistakes that only the applications know of are as those of the file are.
    world.reconfigure(|text| format!("{text}\n[[syncs.people.mappings]]\nleft = \"nonsense\"\nright = \"tel.work\"\n"));
    let seen = world.at_terminal(&["check"]).waits().ends(2).says(&["nonsense"]);
    assert!(has_colours(&seen.out), "{seen}");
    let plain = world.syncline(&["check"]).ends(2).says(&["nonsense"]);
    assert!(!has_colours(&plain.out), "{plain}");
}

#[test]
fn beside_serve_a_yes_is_about_the_plan_that_was_shown() {
    let (world, crm, _radicale, book) = one_to_add();
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || serve.said().contains("serving;")), "{}", serve.said());
    world.at_terminal(&["run"]).sees("write this? [y/N]").types("n").waits().ends(0);
    let person = world.at_terminal(&["run"]).sees("write this?");
    book.add("bob", &Card::of("bob", "Bob", "Person", "bob@example.com", &[]));
    person.types("y").waits().ends(4).says(&["the plan is not the one", "nothing was written"]);
    assert_eq!(crm.people().len(), 0, "what was not shown is not written");
    world.at_terminal(&["run"]).sees("write this?").types("y").waits().ends(0).says(&["people: ok"]);
    assert_eq!(crm.people(), book.people());
    let nothing = world.at_terminal(&["run"]).sees("nothing to do").waits().ends(0).says(&["people: ok"]);
    assert!(!nothing.out.contains("write this?"), "{nothing}");

    book.edit("bob@example.com", |card| card.set("ORG", "Engines"));
    let reset = ["run", "people", "--reset"];
    world.at_terminal(&reset).sees("forget what is known of people").types("n").waits().ends(0);
    let person = world.at_terminal(&reset).sees("forget what is known of people").types("y").sees("write this?");
    person.types("n").waits().ends(0).says(&["nothing was written"]);
    assert_ne!(crm.people(), book.people(), "the plan of the fresh start was shown, and not agreed to");
    world.at_terminal(&["run"]).sees("write this?").types("y").waits().ends(0);
    serve.signal("TERM");
    serve.wait().ends(0);
}
