//! An address book, as another client of the same user sees it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use syncline_test_servers::{PASSWORD, USER};
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::{Card, FIELDS, People};

const LISTING: &str = r#"<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:getetag/></d:prop></d:propfind>"#;

/// A card as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its version is called.
    pub etag: String,
    /// The bytes.
    pub text: String,
}

impl Entry {
    /// Looks into the card.
    pub fn card(&self) -> Card {
        Card::read(&self.text)
    }
}

/// An address book on a server that is running.
#[derive(Clone, Debug)]
pub struct Book {
    agent: Agent,
    url: String,
}

impl Book {
    /// The address book at `url`, with a slash at its end.
    pub fn at(url: &str) -> Book {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .max_idle_connections(0)
            .build();
        Book { agent: config.into(), url: url.to_owned() }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every card, by the path at which it is.
    ///
    /// # Panics
    /// When the server does not answer as it should, as everything here.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        let mut listing = self.ask(
            "PROPFIND",
            &self.url,
            &[("Depth", "1"), ("Content-Type", "application/xml; charset=utf-8")],
            LISTING,
        );
        assert_eq!(listing.status(), 207, "a listing");
        let text = listing.body_mut().read_to_string().expect("a listing is text");
        let names = hrefs(&text).filter(|href| !href.ends_with('/'));
        // What is deleted since the listing is not there.
        names.filter_map(|href| Some((href.clone(), self.entry(&href)?))).collect()
    }

    /// The card at a path.
    pub fn entry(&self, path: &str) -> Option<Entry> {
        let mut answer = self.ask("GET", &self.place(path), &[], "");
        if answer.status() == 404 {
            return None;
        }
        assert_eq!(answer.status(), 200, "GET {path}");
        let etag = answer.headers().get("etag").and_then(|etag| etag.to_str().ok()).expect("an etag").to_owned();
        Some(Entry { etag, text: answer.body_mut().read_to_string().expect("a card is text") })
    }

    /// Every person by e-mail address.
    ///
    /// # Panics
    /// When two cards have the same address.
    pub fn people(&self) -> People {
        let mut people = People::new();
        for (path, entry) in self.entries() {
            let card = entry.card();
            let email = card.field("email").unwrap_or_else(|| format!("no address: {path}"));
            let known = FIELDS.iter().filter_map(|(name, _)| Some((*name, card.field(name)?)));
            let before = people.insert(email.clone(), known.collect());
            assert!(before.is_none(), "{email} is in the address book twice:\n{}", entry.text);
        }
        people
    }

    /// The path and the card of the person with this address.
    pub fn find(&self, email: &str) -> Option<(String, Entry)> {
        self.entries().into_iter().find(|(_, entry)| entry.card().field("email").as_deref() == Some(email))
    }

    /// Adds a card.
    pub fn add(&self, name: &str, card: &Card) {
        self.add_text(name, &card.text());
    }

    /// Adds a card with these very bytes.
    pub fn add_text(&self, name: &str, text: &str) {
        let answer = self.put(&self.place(&format!("{name}.vcf")), ("If-None-Match", "*"), text);
        assert!(matches!(answer, 201 | 204), "adding {name}: {answer}");
    }

    /// Changes the card of a person, as clients do: only if it is as it was read, else they read it once more.
    pub fn edit(&self, email: &str, change: impl Fn(&mut Card)) {
        for _ in 0..20 {
            let (path, entry) = self.find(email).unwrap_or_else(|| panic!("{email} is not in the address book"));
            if self.edit_entry(&path, &entry, &change) {
                return;
            }
        }
        panic!("{email} is changed all the time");
    }

    /// Changes the card at a path. Returns false if it is not as it was read.
    pub fn edit_entry(&self, path: &str, entry: &Entry, change: impl Fn(&mut Card)) -> bool {
        let mut card = entry.card();
        change(&mut card);
        match self.put(&self.place(path), ("If-Match", &entry.etag), &card.text()) {
            200 | 201 | 204 => true,
            412 => false,
            status => panic!("PUT {path}: {status}"),
        }
    }

    /// Deletes the card of a person.
    pub fn delete(&self, email: &str) {
        let (path, _) = self.find(email).unwrap_or_else(|| panic!("{email} is not in the address book"));
        self.delete_entry(&path);
    }

    /// Deletes the card at a path.
    pub fn delete_entry(&self, path: &str) {
        let status = self.ask("DELETE", &self.place(path), &[], "").status();
        assert!(status.is_success(), "DELETE {path}: {status}");
    }

    /// Gives the card of a person another address on the server; it stays the same card.
    pub fn rename(&self, email: &str, name: &str) {
        let (path, _) = self.find(email).unwrap_or_else(|| panic!("{email} is not in the address book"));
        let to = self.place(&format!("{name}.vcf"));
        let status = self.ask("MOVE", &self.place(&path), &[("Destination", &to), ("Overwrite", "F")], "").status();
        assert!(status.is_success(), "MOVE {path} to {to}: {status}");
    }

    fn put(&self, url: &str, condition: (&str, &str), text: &str) -> u16 {
        let headers = [("Content-Type", "text/vcard; charset=utf-8"), condition];
        self.ask("PUT", url, &headers, text).status().as_u16()
    }

    fn place(&self, path: &str) -> String {
        if !path.starts_with('/') {
            return format!("{}{path}", self.url);
        }
        let origin = self.url.match_indices('/').nth(2).map_or(self.url.as_str(), |(slash, _)| &self.url[..slash]);
        format!("{origin}{path}")
    }

    fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Response<ureq::Body> {
        /// How often a client that meets a lock asks in all.
        const ATTEMPTS_MAX: u32 = 1_000;
        let credential = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        for _ in 0..ATTEMPTS_MAX {
            let mut request =
                Request::builder().method(method).uri(url).header("Authorization", format!("Basic {credential}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(body.to_owned()).expect("a request");
            let answer = self.agent.run(request).unwrap_or_else(|error| panic!("{method} {url}: {error}"));
            // The sync writes at this very moment, and has the whole book to itself.
            if answer.status() != 423 {
                return answer;
            }
        }
        panic!("{method} {url}: the book stays locked");
    }
}

/// The addresses in a listing, whatever prefix its elements have.
fn hrefs(listing: &str) -> impl Iterator<Item = String> {
    let pieces = listing.split('<').filter_map(|piece| {
        let (tag, text) = piece.split_once('>')?;
        let name = tag.rsplit(':').next().unwrap_or_default();
        (name == "href" && !tag.starts_with('/')).then(|| text.trim().replace("&amp;", "&"))
    });
    pieces.collect::<Vec<_>>().into_iter()
}
