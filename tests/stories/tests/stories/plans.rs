//! Plans that are kept, and runs that are taken back.

use syncline_stories::{Book, Card, Crm, World};
use syncline_test_servers::Radicale;

fn three() -> (World, Crm, Radicale, Book) {
    let (world, crm, radicale, book) = World::crm_and_book("");
    for name in ["Ada", "Bob", "Cyd"] {
        let email = format!("{}@example.com", name.to_lowercase());
        book.add(name, &Card::of(name, name, "Person", &email, &["TITLE:before", "ORG:before"]));
    }
    world.run();
    (world, crm, radicale, book)
}

#[test]
fn a_kept_plan_is_carried_out_exactly_and_what_has_drifted_is_refused() {
    let (world, crm, _radicale, book) = three();
    crm.edit("ada@example.com", &[("jobtitle", "planned")]);
    book.edit("bob@example.com", |card| card.set("ORG", "planned"));
    world.syncline(&["plan", "--out", "people.plan"]).ends(0).says(&["people.plan"]);
    crm.edit("ada@example.com", &[("jobtitle", "drifted")]);
    crm.edit("cyd@example.com", &[("jobtitle", "not in the plan")]);
    world
        .syncline(&["run", "people", "--plan", "people.plan"])
        .ends(3)
        .says(&["of the saved plan left alone", "drifted"]);
    assert_eq!(crm.people()["bob@example.com"]["company"], "planned");
    let there = book.people();
    assert_eq!(there["ada@example.com"]["title"], "before");
    assert_eq!(there["cyd@example.com"]["title"], "before");
    world.run();
    assert_eq!(crm.people(), book.people());
    assert_eq!(book.people()["ada@example.com"]["title"], "drifted");
    world.plans_nothing();
}

#[test]
fn a_plan_file_that_is_none_is_told() {
    let (world, crm, _radicale, book) = three();
    crm.edit("ada@example.com", &[("jobtitle", "waiting")]);
    std::fs::write(world.at("bad.plan"), "{ \"format\": 1").expect("written");
    for name in ["bad.plan", "missing.plan"] {
        world.syncline(&["run", "--plan", name]).ends(2).says(&[name, "is no saved plan", "syncline plan --out"]);
    }
    assert_eq!(book.people()["ada@example.com"]["title"], "before");
}

#[test]
fn a_run_is_undone_and_the_undo_too_e9_6() {
    let (world, crm, _radicale, book) = three();
    let before = (crm.people(), book.people());
    crm.edit("ada@example.com", &[("jobtitle", "left")]);
    book.edit("bob@example.com", |card| card.set("ORG", "right"));
    crm.add(&[("email", "new@example.com"), ("firstname", "New")]);
    book.add("eve", &Card::of("eve", "Eve", "Person", "eve@example.com", &[]));
    let edited = (crm.people(), book.people());
    let run = run_number(&world.syncline(&["run", "--yes", "--json"]).ends(0).json()["runs"][0]);
    let done = (crm.people(), book.people());
    assert_eq!(done.0, done.1);

    let shown = world.syncline(&["undo", &run, "--plan"]).ends(0);
    shown.says(&["delete right", "archive left", "cannot be undone as it was", "left -> before", "right -> before"]);
    assert_eq!((crm.people(), book.people()), done, "showing it changes nothing");
    let undone = world.syncline(&["undo", &run, "--yes", "--json"]).ends(0).json();
    assert_eq!((crm.people(), book.people()), edited, "what the run wrote is taken back, what people did is not");
    assert_ne!(edited, before);
    world.plans_nothing();
    world.run();
    assert_eq!((crm.people(), book.people()), edited, "the next run does not do it again");

    world.syncline(&["undo", &run_number(&undone), "--yes"]).ends(0);
    assert_eq!((crm.people(), book.people()), done, "and the undo is taken back");
    world.plans_nothing();
}

#[test]
fn an_undo_leaves_alone_what_people_changed_since() {
    let (world, crm, _radicale, book) = three();
    crm.edit("ada@example.com", &[("jobtitle", "left")]);
    crm.edit("bob@example.com", &[("jobtitle", "left")]);
    let run = run_number(&world.syncline(&["run", "--yes", "--json"]).ends(0).json()["runs"][0]);
    book.edit("ada@example.com", |card| card.set("TITLE", "edited since"));
    world.syncline(&["undo", &run, "--yes"]).ends(3).says(&["left alone", "edited since"]);
    let there = book.people();
    assert_eq!(there["ada@example.com"]["title"], "edited since");
    assert_eq!(there["bob@example.com"]["title"], "before");
    world.run();
    assert_eq!(crm.people()["ada@example.com"]["title"], "edited since");
    world.plans_nothing();
}

fn run_number(report: &serde_json::Value) -> String {
    report["record"]["id"].as_u64().unwrap_or_else(|| panic!("no run in {report:#}")).to_string()
}
