//! The people of the address book, whose clients change a card only if it is as they read it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Contested, Hands, Ledger, NEWCOMERS_MAX, email};
use crate::{Book, Card, Chance};

/// How long a client works with the listing it has.
const LISTING_AGE_MAX: Duration = Duration::from_secs(2);

/// The people of the address book.
#[derive(Clone, Debug)]
pub(super) struct AtBook {
    book: Book,
    listing: Option<Listing>,
    newcomers: u64,
    leavers: u64,
    pub(super) leavers_left: u64,
    pub(super) ledger: Ledger,
}

/// Where each person's card is.
#[derive(Clone, Debug)]
struct Listing {
    at: Instant,
    paths: BTreeMap<String, String>,
}

impl AtBook {
    pub(super) fn new(book: Book) -> AtBook {
        AtBook { book, listing: None, newcomers: 0, leavers: 0, leavers_left: 0, ledger: Ledger::default() }
    }

    pub(super) fn arrive(&mut self, number: u64) {
        self.add(number, &email(number));
    }

    fn add(&mut self, number: u64, email: &str) {
        let odd = format!("X-ODD;X-P=\"{number}\":kept {number}");
        let card = Card::of(&format!("uid-{number}"), "Person", &number.to_string(), email, &[&odd]);
        self.book.add(&format!("card-{number}"), &card);
        self.ledger.edited(email, "family", &number.to_string());
    }

    fn paths(&mut self) -> Vec<(String, String)> {
        let is_fresh = self.listing.as_ref().is_some_and(|listing| listing.at.elapsed() < LISTING_AGE_MAX);
        if !is_fresh {
            let entries = self.book.entries();
            let paths = entries.into_iter().filter_map(|(path, entry)| Some((entry.card().field("email")?, path)));
            self.listing = Some(Listing { at: Instant::now(), paths: paths.collect() });
        }
        let listing = self.listing.iter().flat_map(|listing| &listing.paths);
        listing.map(|(email, path)| (email.clone(), path.clone())).collect()
    }

    /// Somebody comes whom nobody edits, or the one who came last goes.
    fn come_or_go(&mut self) {
        let leaver = |number| format!("leaver{number}@example.com");
        let last = leaver(self.leavers);
        let is_here = self.leavers > 0 && !self.ledger.gone.contains(&last);
        if is_here {
            let path = format!("card-{}.vcf", 5_000 + self.leavers);
            self.book.delete_entry(&path);
            self.ledger.meant.remove(&last);
            self.ledger.gone.insert(last);
            self.leavers_left -= 1;
        } else {
            self.leavers += 1;
            self.add(5_000 + self.leavers, &leaver(self.leavers));
        }
        self.ledger.edits += 1;
    }
}

impl Hands for AtBook {
    fn act(&mut self, chance: &mut Chance) {
        let what = chance.below(60);
        if what == 0 && self.newcomers < NEWCOMERS_MAX {
            self.newcomers += 1;
            self.arrive(2_000 + self.newcomers);
            self.ledger.edits += 1;
            return;
        }
        if what == 1 && self.leavers_left > 0 {
            return self.come_or_go();
        }
        let paths = self.paths();
        let editable: Vec<_> = paths.iter().filter(|(email, _)| email.starts_with("person")).collect();
        let (email, path) = (*chance.of(&editable)).clone();
        // A card that is gone, or that somebody else changes at this moment, is left alone for now.
        let Some(entry) = self.book.entry(&path) else { return };
        let number = self.ledger.edits + 1;
        let (field, line, value) = match what % 5 {
            0 | 1 => ("company", "ORG", format!("company {number}")),
            2 | 3 => ("url", "URL", format!("https://example.com/{number}")),
            _ => ("", "N", format!("Right {number}")),
        };
        let over = prefix(&entry.card());
        let is_done = self.book.edit_entry(&path, &entry, |card| match field {
            "" => {
                let family = card.field("family").unwrap_or_default();
                card.set_raw("N", &format!("{family};Person;;{value};"));
            }
            _ => card.set(line, &value),
        });
        if !is_done {
            return;
        }
        self.ledger.edits += 1;
        match field {
            "" => self.ledger.contested.push(Contested { email, value, over }),
            field => self.ledger.edited(&email, field, &value),
        }
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

/// What a card has where both sides edit.
pub(super) fn prefix(card: &Card) -> Option<String> {
    card.line("N")?.parts().get(3).cloned().filter(|prefix| !prefix.is_empty())
}
