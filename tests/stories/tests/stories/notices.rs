//! What people are told beside the runs: by e-mail and webhook, once each, and later where nobody was there.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use syncline_stories::{Book, Card, Receiver, World};
use syncline_test_servers::{MailServer, PASSWORD};

const SOON: Duration = Duration::from_secs(20);

/// The section that tells Ada by mail, and whoever listens at `webhook`.
fn section(mail: &MailServer, webhook: Option<&str>, more: &str) -> String {
    let webhook = webhook.map(|url| format!("webhook = \"{url}\"\n")).unwrap_or_default();
    format!(
        "[notices]\nallow_private_network = true\n{webhook}{more}\n[notices.email]\nto = [\"ada@example.org\"]\n\
         from = \"Syncline <syncline@example.org>\"\nserver = \"localhost:{}\"\nuser = \"user\"\n\
         password = \"env:PASSWORD\"\n\n",
        mail.port()
    )
}

fn fill(book: &Book, people: std::ops::Range<usize>) {
    for number in people {
        let (uid, email) = (format!("uid-{number}"), format!("person{number}@example.com"));
        book.add(&format!("card-{number}"), &Card::of(&uid, "Person", &number.to_string(), &email, &[]));
    }
}

/// The subjects of the mails, in the order of the alphabet.
fn subjects(mail: &MailServer) -> Vec<String> {
    let mails = mail.mails().expect("the mails can be read");
    let subject = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
    let mut subjects: Vec<String> = mails.iter().filter_map(subject).collect();
    subjects.sort();
    subjects
}

#[test]
fn f07_the_80th_of_100_is_mailed_the_100th_passes_and_the_101st_is_not_sent() {
    const NEAR: &str = "Syncline: quota-near";
    const REACHED: &str = "Syncline: quota-reached";
    let mail = MailServer::start().expect("a mail server");
    let (world, crm, _radicale, book) = World::crm_and_book("direction = \"to-left\"");
    let receiver = Receiver::start(world.runtime());
    let notices = section(&mail, Some(&receiver.url()), "");
    world.reconfigure(|text| format!("[limits]\ntasks_per_month = 100\n\n{notices}{text}"));

    fill(&book, 0..79);
    world.run();
    assert_eq!((crm.people().len(), subjects(&mail)), (79, vec![]));
    fill(&book, 79..80);
    world.run().says(&["notice quota-near: 80 of this month's 100 tasks are used"]);
    assert_eq!(subjects(&mail), [NEAR]);
    fill(&book, 80..100);
    world.run();
    assert_eq!((crm.people().len(), subjects(&mail)), (100, vec![NEAR.to_owned()]), "the 100th passes");

    fill(&book, 100..102);
    world
        .syncline(&["plan"])
        .ends(0)
        .says(&["2 tasks of the 0 that this month still holds", "cannot hold them: 2 would wait"]);
    world.syncline(&["run", "--yes"]).ends(4).says(&["notice quota-reached"]);
    // Each command is a process of its own.
    for _ in 0..2 {
        let ran = world.syncline(&["run", "--yes"]).ends(4);
        assert!(!ran.err.contains("notice"), "{ran}");
    }
    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || world.data().join("serve.sock").exists()), "{}", serve.said());
    world.syncline(&["run", "--yes"]).ends(4);
    serve.signal("TERM");
    serve.wait().ends(0);
    assert_eq!((crm.people().len(), subjects(&mail)), (100, vec![NEAR.to_owned(), REACHED.to_owned()]));

    let taken = receiver.taken();
    let kinds: Vec<_> = taken.iter().map(|(_, notice)| notice["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["quota-near", "quota-reached"]);
    for (key, notice) in &taken {
        assert_eq!((notice["schema"].as_str(), notice["id"].as_str()), (Some("syncline.notice/1"), Some(key.as_str())));
        let mails = mail.mails().expect("the mails can be read");
        assert_eq!(mails.iter().filter(|mail| mail.contains(&format!("<{key}@example.org>"))).count(), 1, "one id");
    }
    assert!(!format!("{taken:?}{:?}", mail.mails()).contains(PASSWORD));
}

#[test]
fn e7_a_notice_that_nobody_takes_at_first_is_delivered_later() {
    let mut mail = MailServer::stopped().expect("a mail server");
    let (world, crm, _radicale, book) = World::crm_and_book("schedule = \"every 1d\"");
    let receiver = Receiver::start(world.runtime());
    receiver.answers(503);
    let notices = section(&mail, Some(&receiver.url()), "");
    world.reconfigure(|text| format!("[limits]\ntasks_per_month = 1\n\n{notices}{text}"));
    fill(&book, 0..1);
    let ran = world.run().says(&["notice quota-near", "not delivered by webhook", "not delivered by email"]);
    assert!(!ran.err.contains(PASSWORD) && !ran.err.contains("s3cr3t"), "{ran}");
    assert_eq!((crm.people().len(), mail.mails().expect("there are none").len()), (1, 0), "the run is none the worse");

    let serve = world.start(&["serve"]);
    assert!(World::until(SOON, || receiver.refused() >= 2), "it is tried again: {}", serve.said());
    mail.resume().expect("the mail server starts");
    assert!(World::until(SOON, || subjects(&mail).len() == 1), "{}", serve.said());
    receiver.answers(204);
    assert!(World::until(SOON, || receiver.taken().len() == 1), "{}", serve.said());
    serve.signal("TERM");
    let ran = serve.wait().ends(0);
    assert!(!ran.err.contains("notice quota-near:"), "the log was told before: {ran}");
    world.syncline(&["run", "--yes"]).ends(0);
    assert_eq!((receiver.taken().len(), subjects(&mail).len()), (1, 1));
}

#[test]
fn e4_6_deletes_that_wait_are_told_once_to_whoever_is_not_there() {
    const WAIT: &str = "notice plan-blocked people: 1 delete waits for approval: `syncline run people --approve ";
    let deletes = "deletes = { to_left = \"archive\" }\nguards = { approval = { above = 0 } }\nschedule = \"every 1s\"";
    let (world, crm, _radicale, book) = World::crm_and_book(deletes);
    fill(&book, 0..3);
    world.run();
    // A digest of a plan that is gone, while nothing waits.
    let stale = world.syncline(&["run", "people", "--approve", "0123456789abcdef0123456789abcdef"]).ends(4);
    assert!(!stale.err.contains("notice"), "{stale}");
    let mut serve = world.start(&["serve"]);
    assert!(World::until(SOON, || serve.said().contains("serving;")), "{}", serve.said());
    book.delete("person0@example.com");
    assert!(World::until(SOON, || serve.said().contains(WAIT)), "{}", serve.said());
    assert!(World::until(SOON, || serve.said().contains("  1 delete waits")), "the log of the run: {}", serve.said());
    let runs = || world.syncline(&["history", "--json"]).json()["runs"].as_array().map(Vec::len);
    let before = runs();
    assert!(World::until(SOON, || runs() > before), "another run passes");
    assert_eq!(serve.said().matches("1 delete waits").count(), 2, "{}", serve.said());
    assert!(serve.is_running());
    serve.signal("TERM");
    serve.wait().ends(0);
    assert_eq!(crm.people().len(), 3);
}

#[test]
fn e8_1_a_sign_in_that_is_refused_before_the_first_run_is_told() {
    let (world, crm, _radicale, _book) = World::crm_and_book("");
    crm.state().revoke_token("sandbox-token");
    world.syncline(&["run", "--yes"]).ends(1).says(&["notice needs-reconnect crm: its sign-in is refused"]);
    let again = world.syncline(&["run", "--yes"]).ends(1);
    assert!(!again.err.contains("notice"), "{again}");
}

#[test]
fn a_test_notice_goes_by_each_way_over_tls_and_says_what_is_wrong() {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let mail = MailServer::start_tls(&certificate, &key.serialize_pem()).expect("a mail server");
    let (mut world, _crm, _radicale, _book) = World::crm_and_book("");
    let receiver = Receiver::start(world.runtime());
    world.secret("HOOK", &receiver.url());
    let notices = section(&mail, Some("env:HOOK"), "");
    world.reconfigure(|text| notices + &text);
    let words = ["notices by webhook: sent", "notices by email: FAILED", "root_certificate"];
    world.syncline(&["check", "--notices"]).ends(1).says(&words);
    std::fs::write(world.at("none.pem"), b"\xff").expect("written");
    world.reconfigure(|text| text.replace("[notices]\n", "[notices]\nroot_certificate = \"none.pem\"\n"));
    let words = ["people", "notices by webhook: FAILED: the `root_certificate`", "none.pem cannot be read"];
    world.syncline(&["check", "--notices"]).ends(1).says(&words);

    std::fs::write(world.at("ca.pem"), &certificate).expect("written");
    world.reconfigure(|text| text.replace("none.pem", "ca.pem"));
    world.syncline(&["check", "--notices"]).ends(0).says(&["notices by webhook: sent", "notices by email: sent"]);
    assert_eq!((subjects(&mail), receiver.taken().len()), (vec!["Syncline: test".to_owned()], 2));

    receiver.answers(404);
    world.reconfigure(|text| text.replacen("\"user\"\n", "\"eve\"\n", 1));
    let ran = world.syncline(&["check", "--notices"]).ends(1);
    let ran = ran.says(&["notices by webhook: FAILED: it answered with the status 404", "notices by email: FAILED"]);
    assert!(![PASSWORD, "s3cr3t"].iter().any(|secret| format!("{ran}").contains(secret)), "{ran}");
}
