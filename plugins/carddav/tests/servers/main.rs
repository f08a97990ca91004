//! The connector against real servers: Radicale and Xandikos from PyPI, and Cyrus from Debian.

mod host;
mod suite;

use std::rc::Rc;

use host::{RealHost, Sync};
use suite::{Peer, Times, run};
use syncline_sdk::testing::with_host;
use syncline_test_servers::{Cyrus, Radicale, Xandikos};

fn radicale() -> (Radicale, String) {
    let server = Radicale::start().expect("Radicale starts");
    let book = server.address_book("contacts").expect("the address book is made");
    (server, book)
}

fn cyrus() -> (Cyrus, String) {
    let server = Cyrus::start().expect("Cyrus starts");
    let book = server.address_book("Default").expect("every user has this address book");
    (server, book)
}

fn xandikos() -> (Xandikos, String) {
    let server = Xandikos::start().expect("Xandikos starts");
    let book = server.address_book("contacts").expect("the address book is made");
    (server, book)
}

fn whole_suite(root: &str, book: &str, peer: Peer) {
    let host = Rc::new(RealHost::new(book, Sync::AsTheServerDoes));
    with_host(Rc::clone(&host) as _, || run(&host, book, peer));
    let listing = Rc::new(RealHost::new(book, Sync::Never));
    with_host(Rc::clone(&listing) as _, || suite::listing(&listing));
    let host = Rc::new(RealHost::new(root, Sync::AsTheServerDoes));
    with_host(host as _, || suite::discovery(book));
}

#[test]
fn radicale_keeps_every_promise() {
    let (server, book) = radicale();
    whole_suite(
        &server.url(),
        &book,
        Peer { keeps_order: true, refuses_same_uid: true, tells_times: Times::WithChanges, finds_grouped: true },
    );
}

#[test]
fn cyrus_keeps_every_promise() {
    let (server, book) = cyrus();
    whole_suite(
        &server.url(),
        &book,
        Peer { keeps_order: true, refuses_same_uid: false, tells_times: Times::Everywhere, finds_grouped: false },
    );
}

#[test]
fn xandikos_keeps_every_promise() {
    let (server, book) = xandikos();
    whole_suite(
        &server.url(),
        &book,
        Peer { keeps_order: true, refuses_same_uid: false, tells_times: Times::Nowhere, finds_grouped: true },
    );
}

#[test]
fn a_server_that_is_down_is_a_passing_failure_and_nothing_was_sent() {
    let (mut server, book) = radicale();
    server.stop();
    let host = Rc::new(RealHost::new(&book, Sync::AsTheServerDoes));
    with_host(Rc::clone(&host) as _, suite::down);
    server.resume().expect("Radicale starts again");
    with_host(host as _, suite::up);
}
