//! The address book, and what a person's phone does with it: plain CardDAV requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncline_test_servers::{PASSWORD, Radicale, USER};

use crate::error::{Error, with_causes};

/// A running Radicale with one address book.
pub(super) struct Book {
    agent: ureq::Agent,
    authorization: String,
    /// The address of the address book.
    pub(super) url: String,
    _server: Radicale,
}

/// A card as it is in the address book.
#[derive(Clone)]
pub(super) struct Card(String);

impl Card {
    /// Tells whether a line is there as it is.
    pub(super) fn has_line(&self, line: &str) -> bool {
        self.unfolded().lines().any(|there| there == line)
    }

    fn unfolded(&self) -> String {
        self.0.replace("\r\n ", "").replace("\r\n\t", "")
    }

    /// The first value of a property; empty where there is none. With `TEL;TYPE=CELL` only that type of it.
    pub(super) fn value(&self, property: &str) -> String {
        let unfolded = self.unfolded();
        let (name, parameter) = property.split_once(';').unwrap_or((property, ""));
        let found = unfolded.lines().find_map(|line| {
            let (head, value) = line.split_once(':')?;
            let mut parts = head.split(';');
            let is_it = parts.next() == Some(name) && (parameter.is_empty() || parts.any(|part| part == parameter));
            is_it.then(|| value.trim_end().replace("\\,", ","))
        });
        found.unwrap_or_default()
    }
}

impl Book {
    /// Starts Radicale, installing it first where it is missing.
    pub(super) fn start() -> Result<Book, Error> {
        let setup = |error| Error::Setup(with_causes(&error));
        let server = Radicale::start().map_err(setup)?;
        let url = server.address_book("people").map_err(setup)?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let authorization = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        Ok(Book { agent, authorization, url, _server: server })
    }

    /// Every card there is.
    pub(super) fn cards(&self) -> Result<Vec<Card>, Error> {
        let text = self
            .done("listing the cards", self.agent.get(&self.url).header("Authorization", &self.authorization).call())?;
        Ok(text.split_inclusive("END:VCARD\r\n").map(|card| Card(card.to_owned())).collect())
    }

    /// One card.
    pub(super) fn card(&self, name: &str) -> Result<Card, Error> {
        let request = self.agent.get(self.address(name)).header("Authorization", &self.authorization);
        self.done("looking at a card", request.call()).map(Card)
    }

    /// Writes a card.
    pub(super) fn put(&self, name: &str, card: &str) -> Result<(), Error> {
        let request = self.agent.put(self.address(name)).header("Authorization", &self.authorization);
        self.done(&format!("writing {name}"), request.content_type("text/vcard; charset=utf-8").send(card)).map(drop)
    }

    /// Changes one line of a card as a person would; the line is added where it is not there.
    pub(super) fn edit(&self, name: &str, property: &str, value: &str) -> Result<(), Error> {
        let Card(text) = self.card(name)?;
        let others = text.lines().filter(|line| !line.starts_with(property) && *line != "END:VCARD");
        let lines: Vec<String> =
            others.map(str::to_owned).chain([format!("{property}:{value}"), "END:VCARD".to_owned()]).collect();
        self.put(name, &format!("{}\r\n", lines.join("\r\n")))
    }

    /// Deletes a card.
    pub(super) fn delete(&self, name: &str) -> Result<(), Error> {
        let request = self.agent.delete(self.address(name)).header("Authorization", &self.authorization);
        self.done("deleting a card", request.call()).map(drop)
    }

    fn address(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }

    fn done(
        &self,
        doing: &str,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<String, Error> {
        let failed = |said: String| Error::Setup(format!("{doing} in Radicale failed: {said}"));
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let text = answer.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
        if answer.status().is_success() { Ok(text) } else { Err(failed(format!("{} {text}", answer.status()))) }
    }
}
