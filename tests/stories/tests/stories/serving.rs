//! A process that goes on, other commands beside it, and how it is stopped.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use syncline_sandbox::{Fault, FaultKind};
use syncline_stories::{Card, World};

/// How long an edit may take to arrive on the other side.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn serve_takes_edits_over_and_other_commands_work_beside_it() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1s\"");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let mut serve = world.start(&["serve"]);
    assert!(World::until(SOON, || crm.people().len() == 1), "the first run is done");
    crm.edit("ada@example.com", &[("jobtitle", "Countess")]);
    let title = || book.people()["ada@example.com"].get("title").cloned();
    assert!(World::until(SOON, || title().as_deref() == Some("Countess")), "an edit arrives by itself");

    let status = world.syncline(&["status", "--json"]).ends(0).json();
    assert_eq!(status["syncs"][0]["sync"], "people", "{status:#}");
    world.syncline(&["plan"]).ends(0).says(&["nothing to do"]);
    world.syncline(&["run", "--yes"]).ends(0).says(&["people: ok"]);
    world.syncline(&["history"]).ends(0);
    world.syncline(&["serve"]).ends(1).says(&["running already"]);
    assert!(serve.is_running());

    serve.signal("TERM");
    serve.wait().ends(0).says(&["stopped"]);
    book.edit("ada@example.com", |card| card.set("ORG", "Engines"));
    world.run();
    assert_eq!(crm.people(), book.people());
    world.plans_nothing();
}

#[test]
fn two_processes_do_not_share_a_store() {
    let (world, crm, _radicale, book) = World::crm_and_book("");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    crm.state().add_fault(Fault::new(FaultKind::SlowAfter { delay_ms: 3_000 }).path("/batch/upsert"));
    let run = world.start(&["run", "--yes"]);
    assert!(World::until(SOON, || crm.people().len() == 1), "the first one is writing");
    world.syncline(&["run", "--yes"]).ends(1).says(&["another syncline process is using", "wait until it has ended"]);
    run.wait().ends(0);
    assert_eq!(crm.people(), book.people());
}

#[test]
fn the_first_interrupt_stops_between_batches_and_the_second_at_once() {
    const PEOPLE: usize = 230;
    let (world, crm, _radicale, book) = World::crm_and_book("");
    for number in 0..PEOPLE {
        let email = format!("person{number}@example.com");
        book.add(
            &format!("card-{number}"),
            &Card::of(&format!("uid-{number}"), "Person", &number.to_string(), &email, &[]),
        );
    }
    world.syncline(&["plan"]).ends(0);
    let slow =
        || crm.state().add_fault(Fault::new(FaultKind::SlowAfter { delay_ms: 1_500 }).path("/batch/upsert").times(9));
    slow();
    let run = world.start(&["run", "--yes"]);
    assert!(World::until(SOON, || crm.state().count_live() > 0), "the first batch is written");
    run.signal("INT");
    run.wait().ends(3).says(&["stopping after this batch", "stopped on request"]);
    let stopped_at = crm.state().count_live();
    assert!((1..PEOPLE).contains(&stopped_at), "{stopped_at} were written");

    let run = world.start(&["run", "--yes"]);
    assert!(World::until(SOON, || crm.state().count_live() > stopped_at), "another batch is written");
    run.signal("INT");
    assert!(World::until(SOON, || run.said().contains("stopping after this batch")), "the first one was heard");
    run.signal("INT");
    let ran = run.wait().ends(130).says(&["stopped at once"]);
    assert!(ran.took < Duration::from_secs(10), "{ran}");
    assert!(crm.state().count_live() < PEOPLE);

    crm.state().clear_faults();
    world.run();
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), PEOPLE);
    std::thread::sleep(Duration::from_millis(1_100));
    world.run();
    world.plans_nothing();
}

#[test]
fn an_interrupt_ends_a_wait_for_the_budget_of_a_connection() {
    const BUDGET: u32 = 3;
    let (world, crm, _radicale, book) = World::crm_and_book("");
    world.reconfigure(|text| {
        text.replace("calls = 100000, per_ms = 1000", &format!("calls = {BUDGET}, per_ms = 29000"))
    });
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let run = world.start(&["run", "--yes"]);
    assert!(World::until(SOON, || crm.state().stats().requests >= u64::from(BUDGET)), "{}", run.said());
    run.signal("INT");
    run.wait().ends(3).says(&["stopping after this batch", "stopped on request"]);
    assert_eq!(crm.state().stats().requests, u64::from(BUDGET), "what waited was never sent");
}

#[test]
fn e8_3_a_secret_that_is_renewed_in_its_file_counts_while_serve_goes_on() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1s\"");
    std::fs::write(world.at("token"), "sandbox-token\n").expect("written");
    world.reconfigure(|text| text.replace("env:TOKEN", "file:token"));
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let mut serve = world.start(&["serve"]);
    assert!(World::until(SOON, || crm.people().len() == 1), "{}", serve.said());
    crm.state().allow_token("renewed-token");
    crm.state().revoke_token("sandbox-token");
    assert!(World::until(SOON, || serve.said().contains("the credential was refused")), "{}", serve.said());
    std::fs::write(world.at("token"), "renewed-token\n").expect("written");
    crm.edit("ada@example.com", &[("jobtitle", "Countess")]);
    let title = || book.people()["ada@example.com"].get("title").cloned();
    assert!(World::until(SOON, || title().as_deref() == Some("Countess")), "{}", serve.said());
    assert!(serve.is_running());
    serve.signal("TERM");
    let ran = serve.wait().ends(0);
    assert!(!format!("{ran}").contains("-token"), "{ran}");
}

#[test]
fn e6_6_a_hint_brings_an_edit_long_before_the_schedule() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1d\"");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    world.syncline(&["hint", "crm", "contacts", "1"]).ends(0).says(&["nothing to keep"]);
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || crm.people().len() == 1), "{}", serve.said());
    let id = crm.find("ada@example.com").id.to_string();
    crm.edit("ada@example.com", &[("jobtitle", "Countess")]);
    let hint = ["hint", "crm", "contacts", &id, "no-such-record", "../1?x=y", "--event", "7f3a"];
    world.syncline(&hint).ends(0).says(&["3 taken; people runs soon"]);
    let title = || book.people()["ada@example.com"].get("title").cloned();
    assert!(World::until(SOON, || title().as_deref() == Some("Countess")), "{}", serve.said());
    world.syncline(&hint).ends(0).says(&["0 taken, 3 told before"]);
    for (wrong, says) in [
        (["hint", "crn", "contacts", "1"], "there is no connection `crn`; did you mean `crm`?"),
        (["hint", "crm", "deals", "1"], "no active sync reads `deals` of the connection crm"),
        (["hint", "crm", "contacts", ""], "cannot be the id of a record"),
    ] {
        world.syncline(&wrong).ends(2).says(&[says]);
    }
    world.syncline(&["status"]).ends(0);
    serve.signal("TERM");
    serve.wait().ends(0);
    book.edit("ada@example.com", |card| card.set("ORG", "Engines"));
    world.syncline(&["hint", "book", "contacts", "ada.vcf"]).ends(0).says(&["1 taken; the next run of people looks"]);
    world.run();
    assert_eq!(crm.people(), book.people());
    world.plans_nothing();
}

#[test]
fn serve_outlives_whoever_reads_its_log_and_says_when_nothing_runs_by_itself() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1s\"");
    let mut serve = world.start_unheard(&["serve"]);
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    assert!(World::until(SOON, || crm.people().len() == 1), "the run is done");
    book.add("bob", &Card::of("bob", "Bob", "Person", "bob@example.com", &[]));
    assert!(World::until(SOON, || crm.people().len() == 2), "and the next one, though the first was told to nobody");
    assert!(serve.is_running());
    serve.signal("TERM");
    serve.wait().ends(0);
    world.reconfigure(|text| text.replace("schedule = \"every 1s\"", ""));
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || serve.said().contains("nothing runs by itself")), "{}", serve.said());
    serve.signal("TERM");
    serve.wait().ends(0);
}

#[test]
fn f06_no_record_of_a_draft_is_read_or_written() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1s\"\nactive = false");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    crm.add(&[("email", "bob@example.com")]);
    for command in [
        &["run", "people", "--yes"][..],
        &["plan", "people"],
        &["resolve", "people", "1", "--flip"],
        &["resolve", "people", "1", "--recreate", "--yes"],
    ] {
        world.syncline(command).ends(2).says(&["the sync people is a draft; write `active = true`"]);
    }
    world.syncline(&["run", "--yes"]).ends(2).says(&["there is no active sync"]);
    world.syncline(&["hint", "crm", "contacts", "1"]).ends(2).says(&["no active sync reads"]);
    assert_eq!(crm.state().stats().requests, 0, "nothing was even asked");
    world.syncline(&["check"]).ends(0).says(&["(a draft: no record of it is read or written)"]);
    world.syncline(&["status"]).ends(0).says(&["a draft"]);
    assert_eq!(crm.people().len(), 1);
    world.syncline(&["history"]).ends(0);
    world.reconfigure(|text| text.replace("active = false", "active = true"));
    world.run();
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), 2);
}

#[test]
fn another_configuration_is_refused_beside_serve() {
    let (world, _crm, _radicale, _book) = World::crm_and_book("schedule = \"every 1d\"");
    std::fs::copy(world.at("syncline.toml"), world.at("other.toml")).expect("copied");
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || world.data().join("serve.sock").exists()), "{}", serve.said());
    for command in [&["status"][..], &["plan"], &["run", "--yes"]] {
        let ran = world.syncline(&[command, &["--config", "other.toml"]].concat()).ends(2);
        ran.says(&["syncline.toml, and this command names", "other.toml", "--data DIR"]);
    }
    world.syncline(&["status"]).ends(0);
    serve.signal("TERM");
    serve.wait().ends(0);
}

#[test]
fn serve_stops_while_commands_talk_to_it() {
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1d\"");
    book.add("ada", &Card::of("ada", "Ada", "Lovelace", "ada@example.com", &[]));
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || crm.people().len() == 1), "{}", serve.said());
    book.add("bob", &Card::of("bob", "Bob", "Person", "bob@example.com", &[]));
    crm.state().add_fault(Fault::new(FaultKind::SlowAfter { delay_ms: 2_000 }).path("/batch/upsert"));
    let run = world.start(&["run", "--yes"]);
    // One that says nothing, and one that waits for its turn.
    let silent = UnixStream::connect(world.data().join("serve.sock")).expect("it listens");
    let plan = world.start(&["plan"]);
    assert!(World::until(SOON, || crm.people().len() == 2), "the run beside it writes");
    serve.signal("TERM");
    let ran = serve.wait().ends(0).says(&["stopped"]);
    assert!(ran.took < Duration::from_secs(60), "{ran}");
    for ran in [run.wait(), plan.wait()] {
        assert!(ran.status.code().is_some_and(|code| code != 101), "{ran}");
        assert!(ran.took < Duration::from_secs(60), "{ran}");
    }
    drop(silent);
    crm.state().clear_faults();
    world.run();
    assert_eq!(crm.people(), book.people());
    assert_eq!(crm.people().len(), 2);
}
