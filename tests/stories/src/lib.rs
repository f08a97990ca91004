//! A world for stories about the real binary: servers, a configuration, people who edit, and what everybody sees.
//!
//! Stories look at both sides through the applications' own interfaces, never through Syncline.
//! Not here: the stories themselves, in `tests/stories/`.

mod binary;
mod book;
mod card;
mod chance;
mod config;
mod crm;
mod crowd;
mod person;
mod receiver;
mod two_books;
mod world;

pub use binary::{Ran, Started};
pub use book::{Book, Entry};
pub use card::{Card, Line};
pub use chance::Chance;
pub use config::{NO_CAPS, carddav, hubspot, sync};
pub use crm::Crm;
pub use crowd::{Account, Busy, Crowd};
pub use person::{Person, has_colours};
pub use receiver::Receiver;
pub use two_books::TwoBooks;
pub use world::{SYNC, World};

use std::collections::BTreeMap;

/// The people of one side, by e-mail address: the fields that both applications know, under one name, where they are
/// filled.
pub type People = BTreeMap<String, BTreeMap<&'static str, String>>;

/// The name of a field that both applications know, the property in the CRM, and how a card has it.
pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("given", "firstname"),
    ("family", "lastname"),
    ("company", "company"),
    ("title", "jobtitle"),
    ("work", "phone"),
    ("mobile", "mobilephone"),
    ("url", "website"),
];
