//! Cards from one CardDAV server to another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use syncline_sandbox::{Person, person};
use syncline_test_servers::{Cyrus, PASSWORD, Radicale, USER};

use crate::child::{Ran, Used};
use crate::installation::Installation;
use crate::{Figure, Outcome, Results, Scale};

/// Measures between two servers of each kind.
pub(crate) fn measure(scale: Scale, results: Results) -> Outcome<()> {
    let cards = scale.of(2_000);
    let cyrus = (Cyrus::start()?, Cyrus::start()?);
    let books = [cyrus.0.address_book("Default")?, cyrus.1.address_book("Default")?];
    between("Cyrus", &books, cards, scale, results)?;
    drop(cyrus);
    let radicale = (Radicale::start()?, Radicale::start()?);
    let books = [radicale.0.address_book("people")?, radicale.1.address_book("people")?];
    between("Radicale", &books, cards, scale, results)
}

fn between(server: &str, books: &[String; 2], cards: u64, scale: Scale, results: Results) -> Outcome<()> {
    let book = Book::new(&books[0]);
    for number in 0..cards {
        book.put(number, None)?;
    }
    let installation = Installation::new(&config(books), scale.engine)?;
    let figure = |what: &str| Figure::new("cards", format!("{cards} cards, {server} to {server}, {what}"));
    let first = run(&installation)?;
    results.add(&figure("to an empty book").used(first.used).requests(requests(&first)))?;

    installation.settle()?;
    let mut quiet: Option<(Used, [f64; 2])> = None;
    for _ in 0..scale.repeats() {
        let ran = run(&installation)?;
        quiet = Some((quiet.map_or(ran.used, |(before, _)| before.least(ran.used)), requests(&ran)));
    }
    if let Some((used, requests)) = quiet {
        results.add(&figure("nothing changed").used(used).requests(requests))?;
    }

    let mut changed: Option<(Used, [f64; 2])> = None;
    for round in 1..=scale.repeats() {
        for number in (0..cards).step_by(100) {
            book.put(number, Some(round))?;
        }
        let ran = run(&installation)?;
        changed = Some((changed.map_or(ran.used, |(before, _)| before.least(ran.used)), requests(&ran)));
        installation.settle()?;
    }
    let edited = cards.div_ceil(100);
    let Some((used, requests)) = changed else { return Ok(()) };
    results.add(&figure(&format!("{edited} changed")).used(used).requests(requests))
}

fn config(books: &[String; 2]) -> String {
    let connection = |name: &str, url: &str| {
        format!(
            "[connections.{name}]\nconnector = \"carddav\"\nallow_private_network = true\n\
             settings = {{ url = \"{url}\" }}\nauth = {{ user = \"{USER}\", password = \"env:BENCH_PASSWORD\" }}\n\n"
        )
    };
    format!(
        "{}{}[syncs.people]\nleft = {{ connection = \"left\", object = \"contacts\" }}\n\
         right = {{ connection = \"right\", object = \"contacts\" }}\ndirection = \"both\"\n\
         match = {{ by = [\"email\"] }}\nconflict = {{ policy = \"newest\", in_doubt = \"left\" }}\n",
        connection("left", &books[0]),
        connection("right", &books[1])
    )
}

/// Runs with the log on, in which each request has a line.
fn run(installation: &Installation) -> Outcome<Ran> {
    installation.run(&["run", "--yes", "--verbose"])
}

fn requests(ran: &Ran) -> [f64; 2] {
    ["connection=left", "connection=right"].map(|connection| {
        ran.stderr.lines().filter(|line| line.contains("syncline::audit") && line.contains(connection)).count() as f64
    })
}

/// An address book that a person fills.
struct Book {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

impl Book {
    fn new(url: &str) -> Self {
        let credential = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        Self {
            agent: ureq::Agent::new_with_defaults(),
            url: url.to_owned(),
            authorization: format!("Basic {credential}"),
        }
    }

    /// Writes a person's card; in a later round with another phone number.
    fn put(&self, number: u64, round: Option<u32>) -> Outcome<()> {
        let card = card(&person(1, number), number, round);
        let request = self.agent.put(format!("{}bench-{number}.vcf", self.url));
        let request = request.header("authorization", &self.authorization).header("content-type", "text/vcard");
        request.send(card)?;
        Ok(())
    }
}

fn card(person: &Person, number: u64, round: Option<u32>) -> String {
    let Person { firstname, lastname, company, jobtitle, city, zip, country, .. } = person;
    let phone = round.map_or_else(|| person.phone.clone(), |round| format!("+33 1 {round:03} {number:05}"));
    let address = person.address.replace(',', "\\,").replace(';', "\\;");
    // Everybody has an address here, so that everybody has a counterpart.
    let email = if person.email.is_empty() { format!("person-{number}@example.org") } else { person.email.clone() };
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:bench-{number}\r\nFN:{firstname} {lastname}\r\nN:{lastname};{firstname};;;\r\n\
         EMAIL;TYPE=WORK:{email}\r\nTEL;TYPE=WORK:{phone}\r\nORG:{company}\r\nTITLE:{jobtitle}\r\n\
         ADR;TYPE=WORK:;;{address};{city};;{zip};{country}\r\nX-BENCH:{number}\r\nEND:VCARD\r\n"
    )
}
