use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use syncline_sdk::connector::{Connector, Progress, ReadMode, ReadRequest};
use syncline_sdk::http::Body;
use syncline_sdk::testing::TestHost;

use super::buckets::Buckets;
use super::*;

type Book = BTreeMap<String, Option<String>>;

fn listed(book: &Book) -> Vec<(String, Option<String>)> {
    book.iter().map(|(id, etag)| (id.clone(), etag.clone())).collect()
}

#[test]
fn a_cursor_of_a_large_book_fits_the_limit() {
    let ids: Vec<String> = (0..100_000).map(|at| format!("3f2504e0-4f89-11d3-9a0c-{at:012}.vcf")).collect();
    let book: Book = ids.iter().map(|id| (id.clone(), Some("\"1\"".to_owned()))).collect();
    let listing = Listing { buckets: Buckets::of(&listed(&book)), ctag: Some("1".repeat(100)), part: None };
    let queue = Queue::new(&ids[0], &ids[1..]);
    assert!(queue.more);
    let cursor = Cursor::Full { then: Box::new(Cursor::Listing(listing)), queue };
    let text = encode(&cursor);
    assert!(text.len() <= 64 * 1024, "{}", text.len());
    assert_eq!(serde_json::from_str::<Cursor>(&text).expect("it was written above"), cursor);
}

#[test]
fn a_queue_gives_every_id_once_and_in_order() {
    let all: Vec<String> = (0..9_000).map(|at| format!("{at:05}-a-name-of-some-length.vcf")).collect();
    let (mut seen, mut listings) = (Vec::new(), 1);
    let mut queue = Queue { next: all.join(" "), ..Queue::default() };
    loop {
        let (mut ids, more) = queue
            .ids(|| {
                listings += 1;
                Ok(all.clone())
            })
            .expect("listing cannot fail here");
        let rest = Queue::rest(&mut ids, 500, more);
        seen.extend(ids);
        match rest {
            Some(next) => queue = next,
            None => break,
        }
    }
    assert_eq!(seen, all);
    assert!(listings <= 6, "{listings}");
}

proptest! {
    #[test]
    fn changed_buckets_hold_every_change_whatever_the_limit(
        before in prop::collection::btree_map("[a-f]{1,3}", prop::option::of("[0-9]"), 0..200),
        edits in prop::collection::vec(("[a-f]{1,3}", prop::option::of(prop::option::of("[0-9]")), 0_usize..3), 0..30),
        limit in 1_usize..40,
    ) {
        // Edits with a delay come between two pages.
        let mut book = before.clone();
        let mut edits = edits;
        let apply = |book: &mut Book, when: usize, edits: &mut Vec<(String, Option<Option<String>>, usize)>| {
            edits.retain(|(id, etag, delay)| {
                if *delay > when { return true; }
                match etag { Some(etag) => { book.insert(id.clone(), etag.clone()); } None => { book.remove(id); } }
                false
            });
        };
        let mut buckets = Buckets::of(&listed(&before));
        let (mut replica, mut part) = (before, None);
        for page in 0..1_000 {
            apply(&mut book, page, &mut edits);
            let selected = buckets.changed(&listed(&book), part.take(), limit);
            prop_assert!(selected.ids.len() <= limit);
            for id in &selected.ids {
                replica.insert(id.clone(), book[id].clone());
            }
            // The cursor goes through text.
            buckets = Buckets::try_from(String::from(selected.buckets)).expect("it was written as text");
            part = selected.part;
            if !selected.is_more && edits.is_empty() { break; }
            prop_assert!(page < 999, "it does not end");
        }
        replica.retain(|id, _| book.contains_key(id));
        prop_assert_eq!(replica, book);
    }
}

#[test]
fn text_that_is_no_cursor_expires() {
    let collection = Collection::new("/ab/");
    for text in ["", "{}", "x", r#"{"listing":{"buckets":"AAA","ctag":null,"part":null}}"#, r#"{"ids":{"after":"x"}}"#]
    {
        let request = Request { collection: &collection, fields: &[], cursor: Some(text), limit: 1 };
        assert!(matches!(request.changes(), Err(Fault::CursorExpired(_))), "{text}");
        assert!(matches!(request.full(), Err(Fault::CursorExpired(_))), "{text}");
    }
}

/// Reads one page of changes from token `t0`, from a server that answers the report so.
fn page_of(status: u16, report: &'static str, limit: usize) -> Result<Page, Fault> {
    let host = TestHost::new(move |request| {
        let Some(Body::Text(body)) = request.body() else { panic!("a question has a body") };
        let answer = |inner: &str| {
            let xml = r#"xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav""#;
            Response::new(status, format!("<multistatus {xml}>{inner}</multistatus>"))
        };
        if body.contains("D:sync-collection") {
            return Ok(answer(report));
        }
        let hrefs = body.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
        let card = "BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD";
        let cards = hrefs.map(|href| match href {
            "/ab/odd.vcf" => found(href, "<C:address-data>odd</C:address-data>"),
            _ => found(href, &format!("<getetag>\"1\"</getetag><C:address-data>{card}</C:address-data>")),
        });
        Ok(answer(&cards.collect::<String>()))
    });
    let (collection, cursor) = (Collection::new("/ab/"), encode(&Cursor::Sync { token: "t0".to_owned() }));
    let fields = ["fn".to_owned()];
    let request = Request { collection: &collection, fields: &fields, cursor: Some(&cursor), limit };
    host.run(|| request.changes())
}

fn found(href: &str, properties: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    )
}

const CHANGED: &str = r#"
    <response><href>/ab/</href><propstat><prop><getetag>"c"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
    <response><href>/ab/never-seen.vcf</href><status>HTTP/1.1 404 Not Found</status></response>
    <response><href>/ab/b.vcf</href><propstat><prop><getetag>"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
    <response><href>/ab/a.vcf</href><propstat><prop><getetag>"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
    <sync-token>t1</sync-token>"#;

#[test]
fn a_page_of_changes_names_what_is_gone_and_leaves_out_the_collection() {
    let page = page_of(207, CHANGED, 10).expect("the answer is whole");
    let ids: Vec<_> = page.records.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["a.vcf", "b.vcf"]);
    assert_eq!(page.tombstones, [Tombstone::new("never-seen.vcf", Fate::Deleted)]);
    assert_eq!(page.next, Progress::Done(encode(&Cursor::Sync { token: "t1".to_owned() })));
}

#[test]
fn a_page_holds_no_more_than_it_may_and_the_cursor_holds_the_rest() {
    let page = page_of(207, CHANGED, 1).expect("the answer is whole");
    assert_eq!(page.records.rows.len(), 1);
    let Progress::More(cursor) = page.next else { panic!("there is one more") };
    let queue = Queue { after: "a.vcf".to_owned(), next: "b.vcf".to_owned(), more: false };
    let part = Cursor::SyncPart { from: "t0".to_owned(), to: "t1".to_owned(), is_cut: false, queue };
    assert_eq!(serde_json::from_str::<Cursor>(&cursor).expect("it is ours"), part);
}

#[test]
fn an_answer_that_the_server_cut_is_read_on_from_its_token() {
    let cut = r#"<response><href>/ab/</href><status>HTTP/1.1 507 Insufficient Storage</status></response>
        <response><href>/ab/a.vcf</href><propstat><prop><getetag>"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>
        <sync-token>t1</sync-token>"#;
    let page = page_of(207, cut, 10).expect("the answer is whole");
    assert_eq!(page.next, Progress::More(encode(&Cursor::Sync { token: "t1".to_owned() })));
    let stuck = r#"<response><href>/ab/</href><status>HTTP/1.1 507 Insufficient Storage</status></response><sync-token>t0</sync-token>"#;
    assert!(matches!(page_of(207, stuck, 10), Err(Fault::Protocol(_))));
}

#[test]
fn a_card_that_cannot_be_read_does_not_hide_the_others_and_a_lost_token_expires() {
    let odd = r#"<response><href>/ab/odd.vcf</href><propstat><prop><getetag>"1"</getetag></prop></propstat></response>
        <response><href>/ab/a.vcf</href><propstat><prop><getetag>"1"</getetag></prop></propstat></response><sync-token>t1</sync-token>"#;
    let page = page_of(207, odd, 10).expect("the answer is whole");
    assert_eq!((page.records.rows.len(), page.skipped.len()), (1, 1));
    for status in [410, 412, 501] {
        assert!(matches!(page_of(status, "", 10), Err(Fault::CursorExpired(_))), "{status}");
    }
    assert!(matches!(page_of(401, "", 10), Err(Fault::Auth(_))));
    assert!(matches!(page_of(503, "", 10), Err(Fault::Transient(_))));
}

#[test]
fn a_page_of_large_cards_ends_early_and_loses_none() {
    let ids: Vec<String> = (0..400).map(|at| format!("{at:03}.vcf")).collect();
    let names = ids.clone();
    let server = move |request: &syncline_sdk::http::Request| {
        let Some(Body::Text(body)) = request.body() else { panic!("a question has a body") };
        let answer = |inner: String, padding: usize| {
            let xml = r#"xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav""#;
            Ok(Response::new(207, format!("<multistatus {xml}>{inner}{}</multistatus>", " ".repeat(padding))))
        };
        if request.header_value("Depth") == Some("1") {
            let all = names.iter().map(|id| found(&format!("/ab/{id}"), "<getetag>\"2\"</getetag>"));
            return answer(all.collect(), 0);
        }
        if request.method() == "PROPFIND" {
            let book = "<resourcetype><C:addressbook/></resourcetype>";
            return answer(found("/ab/", book), 0);
        }
        let hrefs = body.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
        let card = "<C:address-data>BEGIN:VCARD\nVERSION:3.0\nFN:A\nEND:VCARD</C:address-data>";
        answer(hrefs.map(|href| found(href, card)).collect(), 9 << 20)
    };
    let collection = Collection::new("/ab/");
    let before: Vec<_> = ids.iter().map(|id| (id.clone(), Some("\"1\"".to_owned()))).collect();
    let changes = encode(&Cursor::Listing(Listing { buckets: Buckets::of(&before), ctag: None, part: None }));
    TestHost::new(server).run(|| {
        for (start, is_full) in [(None, true), (Some(changes), false)] {
            let (mut cursor, mut seen) = (start, Vec::new());
            loop {
                let request = Request { collection: &collection, fields: &[], cursor: cursor.as_deref(), limit: 1_000 };
                let page = if is_full { request.full() } else { request.changed() }.expect("the server answers");
                assert!(page.records.rows.len() <= 150, "{}", page.records.rows.len());
                seen.extend(page.records.rows.into_iter().map(|row| row.id));
                match page.next {
                    Progress::More(next) => cursor = Some(next),
                    Progress::Done(_) => break,
                }
            }
            seen.sort();
            assert_eq!(seen, ids, "full: {is_full}");
        }
    });
}

/// Answers as an address book with one card whose `sync-collection` gives this status, for each token.
fn book(request: &syncline_sdk::http::Request, report: impl Fn(&str) -> u16) -> Response {
    let Some(Body::Text(body)) = request.body() else { panic!("a question has a body") };
    let answer = |status, inner: &str| {
        let xml = r#"xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav""#;
        Response::new(status, format!("<multistatus {xml}>{inner}</multistatus>"))
    };
    if let Some(rest) = body.split("<D:sync-token>").nth(1) {
        let token = rest.split('<').next().unwrap_or_default();
        return answer(report(token), "<sync-token>now</sync-token>");
    }
    let card = "<getetag>\"1\"</getetag><C:address-data>BEGIN:VCARD\nFN:A\nEND:VCARD</C:address-data>";
    let reports = "<supported-report-set><supported-report><report><sync-collection/></report></supported-report></supported-report-set>";
    let itself = format!("<resourcetype><C:addressbook/></resourcetype>{reports}<sync-token>now</sync-token>");
    match (request.method(), request.header_value("Depth")) {
        ("PROPFIND", Some("0")) => answer(207, &found("/ab/", &itself)),
        _ => answer(207, &found("/ab/a.vcf", card)),
    }
}

#[test]
fn a_book_whose_sync_failed_once_is_read_by_tokens_again() {
    let collection = Collection::new("/ab/");
    let read = |status: u16, cursor: Option<&str>| {
        let request = Request { collection: &collection, fields: &[], cursor, limit: 10 };
        let server = TestHost::new(move |request| Ok(book(request, |_| status)));
        let page = server.run(|| if cursor.is_some() { request.changed() } else { request.full() });
        match page.expect("the server answers").next {
            Progress::Done(next) => next,
            Progress::More(next) => panic!("it is one card: {next}"),
        }
    };
    for status in [500, 405] {
        let listing = read(status, None);
        assert!(listing.contains("listing"), "{listing}");
        let healed = read(207, Some(&listing));
        assert_eq!(healed, encode(&Cursor::Sync { token: "now".to_owned() }), "{status}");
    }
}

#[test]
fn an_internal_error_is_a_lost_token_only_where_the_token_of_now_is_fine() {
    let collection = Collection::new("/ab/");
    let read = |report: fn(&str) -> u16| {
        let cursor = encode(&Cursor::Sync { token: "t0".to_owned() });
        let request = Request { collection: &collection, fields: &[], cursor: Some(&cursor), limit: 10 };
        TestHost::new(move |request| Ok(book(request, report))).run(|| request.changed())
    };
    let lost = read(|token| if token == "t0" { 500 } else { 207 });
    assert!(matches!(lost, Err(Fault::CursorExpired(_))), "{lost:?}");
    let unwell = read(|_| 500);
    assert!(matches!(unwell, Err(Fault::Transient(_))), "{unwell:?}");
}

#[test]
fn an_id_sweep_lists_a_book_as_seldom_as_it_can() {
    let sweep = |cards: usize, limit: u32| {
        let listings = Rc::new(Cell::new(0));
        let counted = Rc::clone(&listings);
        let server = TestHost::new(move |_| {
            counted.set(counted.get() + 1);
            let all = (0..cards).map(|at| found(&format!("/ab/{at:05}.vcf"), "<getetag>\"1\"</getetag>"));
            Ok(Response::new(207, format!("<multistatus xmlns=\"DAV:\">{}</multistatus>", all.collect::<String>())))
        });
        let (mut cursor, mut seen) = (None, Vec::new());
        server.settings(&serde_json::json!({"url": "https://h/ab/"})).run(|| {
            loop {
                let endpoint = syncline_sdk::record::Endpoint::new("contacts");
                let page = crate::CardDav::read(ReadRequest {
                    endpoint,
                    fields: Vec::new(),
                    mode: ReadMode::Ids,
                    cursor: cursor.take(),
                    limit,
                });
                let page = page.expect("the server answers");
                assert!(page.records.rows.iter().all(|row| row.version.as_deref() == Some("\"1\"")));
                seen.extend(page.records.rows.into_iter().map(|row| row.id));
                match page.next {
                    Progress::More(next) => cursor = Some(next),
                    Progress::Done(_) => break,
                }
            }
        });
        assert_eq!(seen, (0..cards).map(|at| format!("{at:05}.vcf")).collect::<Vec<_>>());
        listings.get()
    };
    assert_eq!(sweep(9_000, 10_000), 1, "one page");
    assert_eq!(sweep(10_500, 10_000), 1, "the rest is carried");
    assert_eq!(sweep(7_000, 3_000), 2, "the rest is too long to be carried, then it is not");
}

#[test]
fn the_times_of_a_whole_book_come_with_its_listing_e3_2() {
    let collection = Collection::new("/ab/");
    let asked = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&asked);
    let server = move |request: &syncline_sdk::http::Request| {
        let Some(Body::Text(body)) = request.body() else { panic!("a question has a body") };
        let answer = |inner: &str| {
            let xml = r#"xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav""#;
            Ok(Response::new(207, format!("<multistatus {xml}><sync-token>t1</sync-token>{inner}</multistatus>")))
        };
        into.borrow_mut().push(format!("{} {}", request.method(), request.header_value("Depth").unwrap_or_default()));
        let all = (0..300).map(|at| {
            let time =
                format!("<getlastmodified>Thu, 01 Jan 1970 00:{:02}:{:02} GMT</getlastmodified>", at / 60, at % 60);
            found(&format!("/ab/{at:03}.vcf"), &format!("<getetag>\"{at}\"</getetag>{time}"))
        });
        match (request.method(), request.header_value("Depth")) {
            ("PROPFIND", Some("0")) => {
                let reports = "<supported-report-set><supported-report><report><sync-collection/></report></supported-report></supported-report-set>";
                let book = "<resourcetype><C:addressbook/></resourcetype><sync-token>t1</sync-token>";
                answer(&found("/ab/", &format!("{book}{reports}")))
            }
            ("PROPFIND", Some("1")) => answer(&all.collect::<String>()),
            _ if body.contains("D:sync-collection") => answer(&all.collect::<String>()),
            // Like Radicale, it tells no times here. One card was edited after the listing.
            _ => {
                let hrefs = body.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
                let cards = hrefs.map(|href| {
                    let at: usize = href["/ab/".len()..][..3].parse().expect("an id here is a number");
                    let etag = if at == 222 { 999 } else { at };
                    let card = "<C:address-data>BEGIN:VCARD\nFN:A\nEND:VCARD</C:address-data>";
                    found(href, &format!("<getetag>\"{etag}\"</getetag>{card}"))
                });
                answer(&cards.collect::<String>())
            }
        }
    };
    let changes = encode(&Cursor::Sync { token: "t0".to_owned() });
    TestHost::new(server).run(|| {
        for (start, limit) in [(None, 120), (Some(changes), 300)] {
            let is_full = start.is_none();
            let (mut cursor, mut rows) = (start, Vec::new());
            asked.borrow_mut().clear();
            loop {
                let request = Request { collection: &collection, fields: &[], cursor: cursor.as_deref(), limit };
                let page = if is_full { request.full() } else { request.changes() }.expect("the server answers");
                rows.extend(page.records.rows);
                match page.next {
                    Progress::More(next) => cursor = Some(next),
                    Progress::Done(_) => break,
                }
            }
            for (at, row) in rows.iter().enumerate() {
                let listed = (at != 222).then(|| i64::try_from(at).expect("it is small") * 1_000);
                assert_eq!((&row.id, row.modified_at), (&format!("{at:03}.vcf"), listed), "full: {is_full}");
            }
            let listings = asked.borrow().iter().filter(|asked| *asked == "PROPFIND 1").count();
            assert_eq!((rows.len(), listings), (300, 1), "full: {is_full}");
        }
    });
}
