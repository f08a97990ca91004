//! A large application of which only what is asked for is known.

use syncline_sandbox::{HubSpot, Limits, Seed};
use syncline_stories::{SYNC, World, hubspot, sync};

#[test]
fn e1_2_a_large_crm_is_looked_up_and_never_read_as_a_whole() {
    let mut world = World::new();
    let small = world.crm(HubSpot::builder().limits(Limits::off()).token("left-token"));
    let seed = Seed { contacts: 700, ..Seed::default() };
    let large = world.crm(HubSpot::builder().limits(Limits::off()).seed(seed).token("right-token"));
    world.secret("LEFT", "left-token");
    world.secret("RIGHT", "right-token");
    let connections = hubspot("small", &small.url(), "LEFT") + &hubspot("large", &large.url(), "RIGHT");
    let more = "index = { right = \"scoped\" }\ndeletes = { to_left = \"archive\" }\nguards = { auto_approve = true }";
    world.configure(&(connections + &sync(SYNC, "small", "large", more)));
    let known: Vec<String> = large.people().into_keys().filter(|email| email.contains('@')).take(20).collect();
    for email in &known {
        small.add(&[("email", &email.to_uppercase()), ("jobtitle", "Known")]);
    }
    small.add(&[("email", "new@example.org"), ("firstname", "New")]);

    world.syncline(&["check"]).ends(0).says(&["the right is known by look-ups"]);
    let plan = world.syncline(&["plan"]).ends(0);
    plan.says(&[
        "index of the left: all of it, 21 records",
        "by look-ups, 21 keys in 1 call this time; 20 records known",
    ]);
    world.run();
    assert_eq!((small.people().len(), large.people().len()), (21, 701), "nobody twice, and nobody from there");
    assert_eq!(large.find(&known[0]).get("jobtitle"), Some("Known"));
    world.plans_nothing();

    large.edit(&known[1], &[("company", "Edited there")]);
    let stranger = large.people().into_keys().find(|email| !known.contains(email) && email.contains('@'));
    let stranger = stranger.expect("there are others");
    large.edit(&stranger, &[("company", "Nobody asks")]);
    let (gone, stranger) = (large.find(&known[2]).id, large.find(&stranger).id);
    large.state().archive(gone).expect("it is there");
    // The feed does not tell of it; a hint comes before the daily look at all that is known, and brings nobody new.
    world.syncline(&["hint", "large", "contacts", &gone.to_string(), &stranger.to_string()]).ends(0);
    world.run();
    assert_eq!(small.find(&known[1]).get("company"), Some("Edited there"));
    assert!(!small.people().contains_key(&known[2]), "it was deleted there, so it goes here");
    assert_eq!((small.people().len(), large.people().len()), (20, 700));
    world.plans_nothing();
}
