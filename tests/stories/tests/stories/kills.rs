//! The process is killed without a word, again and again, while people go on editing on both sides.

use std::time::Duration;

use syncline_sandbox::{HubSpot, Limits};
use syncline_stories::{Account, Book, Busy, Chance, Crowd, NO_CAPS, SYNC, World, carddav, hubspot, sync};
use syncline_test_servers::{Cyrus, Radicale, Xandikos};

/// How late the CRM's search shows a write.
const LAG_MS: i64 = 700;

/// What the CRM's connection says of that, in `overlap_s`.
const WINDOW: Duration = Duration::from_millis(1_100);

/// How long a run may take whose records people keep editing: it waits up to a minute before each of seven more rounds
/// (E8.1).
const RUN_MAX: Duration = Duration::from_secs(500);

/// Kills runs at moments spread over their length.
fn kill(world: &World, busy: &Busy, chance: &mut Chance, count: u32) {
    let mut span = Duration::from_millis(400);
    let mut killed = 0;
    while killed < count {
        let mut run = world.start(&["run", "--yes"]);
        busy.a_run_is_on(true);
        let delay = span.mul_f64(chance.below(1_000) as f64 / 1_000.0);
        std::thread::sleep(delay);
        let was_running = run.kill();
        busy.a_run_is_on(false);
        if was_running {
            killed += 1;
            span = span.mul_f64(1.1).min(Duration::from_secs(3));
        } else {
            span = delay.mul_f64(0.8);
        }
    }
}

/// Past the window one run makes everything right, and there is nothing to do after it.
fn settle(world: &World, crowd: &Crowd<'_>) -> Account {
    std::thread::sleep(WINDOW);
    world.run();
    let conflicts = world.syncline(&["conflicts", SYNC, "--all", "--json"]).ends(0).json();
    let account = crowd.check(&conflicts);
    std::thread::sleep(WINDOW);
    world.plans_nothing();
    account
}

fn is_long() -> bool {
    std::env::var_os("SYNCLINE_LONG").is_some()
}

/// Tells the seed of a story that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SYNCLINE_SEED={} gives the same choices again, though not the same moments", self.0);
        }
    }
}

fn killed_at_any_moment(book: &str, kills: u32) {
    let seed = Seed(Chance::seed());
    let world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits::off()).index_lag_ms(LAG_MS));
    let book = Book::at(book);
    let connections = hubspot("crm", &crm.url(), "TOKEN") + &carddav("book", book.url(), "PASSWORD");
    let more = format!("{NO_CAPS}deletes = {{ to_left = \"archive\" }}\nguards = {{ auto_approve = true }}");
    world.configure(&(connections + &sync(SYNC, "crm", "book", &more)));
    // The components are compiled once, which is not what is killed here.
    world.syncline(&["check"]).ends(0);

    let mut chance = Chance::new(seed.0);
    let mut crowd = Crowd::arrive(&crm, &book, chance.below(u64::MAX));
    for kills in [kills / 2, kills - kills / 2] {
        let busy = crowd.begin();
        kill(&world, &busy, &mut chance, kills);
        // A run that nobody kills, while people edit: what they changed under its hands is left for the next one.
        let ran = world.start(&["run", "--yes"]).wait_at_most(RUN_MAX);
        assert!(matches!(ran.status.code(), Some(0 | 3)), "{ran}");
        crowd.ended(busy);
        let account = settle(&world, &crowd);
        let (edits, during) = crowd.edits();
        println!("{kills} kills, {edits} edits, {during} of them while a run was on; of one field: {account:?}");
        assert!(during > 0, "people edited while runs were on");
    }
}

#[test]
fn sigkill_loses_nothing_and_doubles_nothing_with_radicale() {
    let radicale = Radicale::start().expect("Radicale starts");
    let book = radicale.address_book("people").expect("an address book");
    killed_at_any_moment(&book, if is_long() { 200 } else { 20 });
}

#[test]
fn sigkill_loses_nothing_and_doubles_nothing_with_cyrus() {
    match Cyrus::start() {
        Ok(cyrus) => {
            let book = cyrus.address_book("Default").expect("an address book");
            killed_at_any_moment(&book, if is_long() { 200 } else { 10 });
        }
        Err(error) => println!("skipped: Cyrus cannot be had here: {error}"),
    }
}

#[test]
fn sigkill_loses_nothing_and_doubles_nothing_with_xandikos() {
    let xandikos = Xandikos::start().expect("Xandikos starts");
    let book = xandikos.address_book("people").expect("an address book");
    killed_at_any_moment(&book, if is_long() { 200 } else { 10 });
}
