//! People who edit on both sides at once while runs come and go, and what must become of their edits.
//!
//! Each field but one belongs to the people of one side, so the last edit of each must be on both sides at the end. One
//! field both sides edit: an edit of it is the final value, or a conflict names it, or a person wrote over it who saw it.
//! Every value is there once, so that each can be followed.

mod account;
mod at_book;
mod at_crm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Book, Chance, Crm};
pub use account::Account;
use at_book::AtBook;
use at_crm::AtCrm;

/// The longest that somebody does nothing.
const PAUSE_MS_MAX: u64 = 60;

/// People that are on a side from the start.
const FIRST_PEOPLE: u64 = 36;

/// People that come to one side, in all.
const NEWCOMERS_MAX: u64 = 60;

/// Cards that somebody deletes between two settlings: more of them at once ask for a person (E4.5).
const LEAVERS_MAX: u64 = 8;

/// Who was edited, and how.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// The last edit of each field, by person.
    meant: BTreeMap<String, BTreeMap<&'static str, String>>,
    /// The edits of the field that both sides edit.
    contested: Vec<Contested>,
    /// People whose card was deleted.
    gone: BTreeSet<String>,
    edits: u64,
    edits_during_runs: u64,
}

impl Ledger {
    fn edited(&mut self, email: &str, field: &'static str, value: &str) {
        self.meant.entry(email.to_owned()).or_default().insert(field, value.to_owned());
    }
}

/// One edit of the field that both sides edit.
#[derive(Clone, Debug)]
struct Contested {
    email: String,
    value: String,
    /// What its author saw and replaced, where the application tells at once.
    over: Option<String>,
}

/// What the people of both sides share with whoever watches them.
#[derive(Debug, Default)]
struct Signals {
    stop: AtomicBool,
    a_run_is_on: AtomicBool,
}

/// The people of both sides.
#[derive(Debug)]
pub struct Crowd<'a> {
    crm: &'a Crm,
    book: &'a Book,
    chance: Chance,
    at_crm: AtCrm,
    at_book: AtBook,
}

/// People who are at it.
#[derive(Debug)]
pub struct Busy {
    signals: Arc<Signals>,
    at_crm: JoinHandle<AtCrm>,
    at_book: JoinHandle<AtBook>,
}

/// One side's people, who do one thing after the other.
trait Hands: Send + 'static {
    /// Does one thing.
    fn act(&mut self, chance: &mut Chance);

    fn ledger(&mut self) -> &mut Ledger;
}

impl<'a> Crowd<'a> {
    /// The first people arrive: some in the CRM, some in the address book, some in both.
    pub fn arrive(crm: &'a Crm, book: &'a Book, seed: u64) -> Crowd<'a> {
        let mut crowd = Crowd {
            crm,
            book,
            chance: Chance::new(seed),
            at_crm: AtCrm::new(crm.url(), crm.state().clone()),
            at_book: AtBook::new(book.clone()),
        };
        for number in 0..FIRST_PEOPLE {
            if number < FIRST_PEOPLE * 2 / 3 {
                crowd.at_crm.arrive(number);
            }
            if number >= FIRST_PEOPLE / 3 {
                crowd.at_book.arrive(number);
            }
        }
        crowd
    }

    /// They begin to edit, each side for itself.
    pub fn begin(&mut self) -> Busy {
        let signals = Arc::new(Signals::default());
        let seeds = [self.chance.below(u64::MAX), self.chance.below(u64::MAX)];
        self.at_book.leavers_left = LEAVERS_MAX;
        let at_crm = go_on(self.at_crm.clone(), Chance::new(seeds[0]), Arc::clone(&signals));
        let at_book = go_on(self.at_book.clone(), Chance::new(seeds[1]), Arc::clone(&signals));
        Busy { signals, at_crm, at_book }
    }

    /// They have stopped.
    ///
    /// # Panics
    /// When one of them met something that no application does.
    pub fn ended(&mut self, busy: Busy) {
        busy.signals.stop.store(true, Ordering::Relaxed);
        self.at_crm = busy.at_crm.join().expect("the people of the CRM can edit");
        self.at_book = busy.at_book.join().expect("the people of the address book can edit");
    }

    /// How many edits there were, and how many of them while a run was on.
    pub fn edits(&self) -> (u64, u64) {
        let ledgers = [&self.at_crm.ledger, &self.at_book.ledger];
        let sum = |count: fn(&Ledger) -> u64| ledgers.into_iter().map(count).sum();
        (sum(|ledger| ledger.edits), sum(|ledger| ledger.edits_during_runs))
    }
}

impl Busy {
    /// Says whether a run is on.
    pub fn a_run_is_on(&self, is_on: bool) {
        self.signals.a_run_is_on.store(is_on, Ordering::Relaxed);
    }
}

fn go_on<H: Hands>(mut hands: H, mut chance: Chance, signals: Arc<Signals>) -> JoinHandle<H> {
    std::thread::spawn(move || {
        while !signals.stop.load(Ordering::Relaxed) {
            let before = hands.ledger().edits;
            hands.act(&mut chance);
            let ledger = hands.ledger();
            if signals.a_run_is_on.load(Ordering::Relaxed) {
                ledger.edits_during_runs += ledger.edits - before;
            }
            // People pause; how long makes no test pass.
            std::thread::sleep(Duration::from_millis(chance.below(PAUSE_MS_MAX)));
        }
        hands
    })
}

fn email(number: u64) -> String {
    format!("person{number}@example.com")
}
