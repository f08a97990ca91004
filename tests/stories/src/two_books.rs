//! Two address books on servers of different makes, for stories in which no other application takes part.

use syncline_test_servers::{Cyrus, Radicale};

use crate::{Book, SYNC, carddav, sync};

/// An address book on Radicale and one on Cyrus.
pub struct TwoBooks {
    /// The one on Radicale.
    pub left: Book,
    /// The one on Cyrus.
    pub right: Book,
    /// The server of the right one.
    pub cyrus: Cyrus,
    _radicale: Radicale,
}

impl TwoBooks {
    /// Starts both servers; where Cyrus cannot be had, says so and returns nothing.
    ///
    /// # Panics
    /// When a server does not answer as it should.
    pub fn start() -> Option<TwoBooks> {
        let cyrus = Cyrus::start().inspect_err(|error| println!("skipped: Cyrus cannot be had here: {error}")).ok()?;
        let radicale = Radicale::start().expect("Radicale starts");
        let left = Book::at(&radicale.address_book("people").expect("an address book"));
        let right = Book::at(&cyrus.address_book("Default").expect("an address book"));
        Some(TwoBooks { left, right, cyrus, _radicale: radicale })
    }

    /// The configuration that keeps them the same; `more` is put below the sync.
    pub fn sync(&self, more: &str) -> String {
        carddav("here", self.left.url(), "PASSWORD")
            + &carddav("there", self.right.url(), "PASSWORD")
            + &sync(SYNC, "here", "there", more)
    }
}
