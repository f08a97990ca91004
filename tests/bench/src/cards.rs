//! Cards from one CardDAV server to another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use syncline_sandbox::{Person, person};
use syncline_test_servers::{Cyrus, PASSWORD, Radicale, ServerError, USER};

use crate::child::{Ran, Used};
use crate::installation::Installation;
use crate::vdirsyncer::Vdirsyncer;
use crate::{Figure, Outcome, Results, Scale, ratio};

/// The listing of a whole book is at most this large.
const LISTING_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Measures between two servers of each kind, beside vdirsyncer.
pub(crate) fn measure(scale: Scale, results: Results) -> Outcome<()> {
    let cards = scale.of(2_000);
    let cyrus = (Cyrus::start()?, Cyrus::start()?);
    let left = cyrus.0.address_book("Default")?;
    let rights = ["ours", "theirs", "counted"].map(|name| cyrus.1.address_book(name));
    Comparison { server: "Cyrus", left, rights: all(rights)?, cards }.measure(scale, results)?;
    drop(cyrus);
    let radicale = (Radicale::start()?, Radicale::start()?);
    let left = radicale.0.address_book("people")?;
    let rights = ["ours", "theirs", "counted"].map(|name| radicale.1.address_book(name));
    Comparison { server: "Radicale", left, rights: all(rights)?, cards }.measure(scale, results)
}

fn all([ours, theirs, counted]: [Result<String, ServerError>; 3]) -> Outcome<[String; 3]> {
    Ok([ours?, theirs?, counted?])
}

/// One book that is filled, and three that get its cards: from us, from vdirsyncer, and from that again with its log on, to
/// count its requests. It copies cards as they are; we write what is mapped.
struct Comparison {
    server: &'static str,
    left: String,
    rights: [String; 3],
    cards: u64,
}

impl Comparison {
    fn measure(&self, scale: Scale, results: Results) -> Outcome<()> {
        let book = Book::new(&self.left);
        for number in 0..self.cards {
            book.put(number, None)?;
        }
        let [ours, theirs, counted] = &self.rights;
        let installation = Installation::new(&config([&self.left, ours]), scale.engine)?;
        let theirs = Vdirsyncer::new([&self.left, theirs])?;
        let counted = Vdirsyncer::new([&self.left, counted])?;
        let turn = || -> Outcome<Turn> {
            let (their_requests, their_used) = (counted.requests()?, theirs.sync()?);
            let ran = installation.run(&["run", "--yes", "--verbose"])?;
            Ok(Turn { used: ran.used, requests: requests(&ran), their_used, their_requests })
        };
        self.report("to an empty book", &turn()?, results)?;
        self.expect_all()?;

        installation.settle()?;
        let mut quiet = turn()?;
        for _ in 1..scale.repeats() {
            quiet = quiet.least(turn()?);
        }
        self.report("nothing changed", &quiet, results)?;

        let edited = self.cards.div_ceil(100);
        let changed = |round: u32| -> Outcome<Turn> {
            for number in (0..self.cards).step_by(100) {
                book.put(number, Some(round))?;
            }
            let turn = turn()?;
            installation.settle()?;
            Ok(turn)
        };
        let mut least = changed(1)?;
        for round in 2..=scale.repeats() {
            least = least.least(changed(round)?);
        }
        self.report(&format!("{edited} changed"), &least, results)
    }

    /// Both did the whole work.
    fn expect_all(&self) -> Outcome<()> {
        for right in &self.rights {
            let there = Book::new(right).count()?;
            if there != self.cards {
                return Err(format!("{right} has {there} cards, and {} were to get there", self.cards).into());
            }
        }
        Ok(())
    }

    fn report(&self, what: &str, turn: &Turn, results: Results) -> Outcome<()> {
        let figure =
            |who: &str| Figure::new("cards", format!("{} cards, {1} to {1}, {what}{who}", self.cards, self.server));
        results.add(&figure("").used(turn.used).requests(turn.requests))?;
        results.add(&figure(", vdirsyncer").used(turn.their_used).value("requests", turn.their_requests))?;
        results.add(&ratio(figure(", ratio to vdirsyncer"), turn.used, turn.their_used))
    }
}

/// What one turn of both tools used.
struct Turn {
    used: Used,
    requests: [f64; 2],
    their_used: Used,
    their_requests: f64,
}

impl Turn {
    fn least(self, other: Self) -> Self {
        Self { used: self.used.least(other.used), their_used: self.their_used.least(other.their_used), ..other }
    }
}

fn config(books: [&str; 2]) -> String {
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
        connection("left", books[0]),
        connection("right", books[1])
    )
}

/// Each request has a line in the log.
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

    /// Counts its cards.
    fn count(&self) -> Outcome<u64> {
        let request = ureq::http::Request::builder().method("PROPFIND").uri(&self.url).header("depth", "1");
        let request = request.header("authorization", &self.authorization).header("content-type", "application/xml");
        let asked = r#"<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>"#;
        let agent = self.agent.configure_request(request.body(asked)?).allow_non_standard_methods(true).build();
        let listed = self.agent.run(agent)?.body_mut().with_config().limit(LISTING_BYTES_MAX).read_to_string()?;
        // Each has an answer, and so has the book itself.
        let ends = listed.match_indices("response>").filter(|(at, _)| is_end(&listed[..*at])).count();
        Ok((ends as u64).saturating_sub(1))
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

/// True if what comes next is the name of an end tag, perhaps with a prefix.
fn is_end(before: &str) -> bool {
    before.rfind('<').is_some_and(|open| before[open..].starts_with("</"))
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
