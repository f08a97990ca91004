use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;
use syncline_sdk::testing::TestHost;

use super::discovery::discover;
use super::*;

fn found(href: &str, properties: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{properties}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

fn answer(inner: &str) -> Response {
    Response::new(
        207,
        format!(r#"<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:carddav">{inner}</d:multistatus>"#),
    )
}

const BOOK: &str =
    "<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype><d:displayname>Mine</d:displayname>";

#[test]
fn dates_of_http() {
    for (text, at_ms) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000)),
        ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199_000)),
        ("Sun, 06 Xxx 1994 08:49:37 GMT", None),
        ("yesterday", None),
    ] {
        assert_eq!(parse_http_date(text), at_ms, "{text}");
    }
}

#[test]
fn the_element_comes_before_the_status() {
    let body = |element: &str| format!(r#"<d:error xmlns:d="DAV:"><d:{element}/></d:error>"#);
    let read = |status, element: &str| fault_of(&Response::new(status, body(element)));
    assert!(matches!(read(403, "valid-sync-token"), Fault::CursorExpired(_)));
    assert!(matches!(read(412, "valid-sync-token"), Fault::CursorExpired(_)));
    assert!(matches!(read(409, "need-privileges"), Fault::Permission(_)));
    assert!(matches!(read(401, "x"), Fault::Auth(_)));
    assert!(matches!(read(423, "x"), Fault::RetryLater(_)));
}

#[test]
fn a_server_root_leads_to_its_address_books() {
    let host = TestHost::new(|request| {
        Ok(match (request.url(), request.header_value("Depth")) {
            ("/", Some("0")) => Response::new(405, "no"),
            ("/.well-known/carddav", _) => Response::new(301, "").with_header("Location", "https://h/dav/"),
            ("/dav/", Some("0")) => answer(&found(
                "/dav/",
                "<d:current-user-principal><d:href>/dav/p/u/</d:href></d:current-user-principal>",
            )),
            ("/dav/p/u/", Some("0")) => answer(&found(
                "/dav/p/u/",
                "<d:displayname>U</d:displayname><c:addressbook-home-set><d:href>https://other.h/ab/</d:href></c:addressbook-home-set>",
            )),
            ("https://other.h/ab/", Some("1")) => {
                answer(&(found("/ab/", "<d:resourcetype><d:collection/></d:resourcetype>") + &found("/ab/one", BOOK)))
            }
            asked => panic!("{asked:?} was not expected"),
        })
    });
    let site = host.settings(&json!({"url": "https://h"})).run(discover).expect("there is one address book");
    assert_eq!((site.label.as_deref(), site.is_direct, site.books.len()), (Some("U"), false, 1));
    assert_eq!(site.books[0].collection.address(), "https://other.h/ab/one/");
    assert_eq!(site.books[0].properties.display_name.as_deref(), Some("Mine"));
}

#[test]
fn address_books_on_another_host_are_named_with_what_to_set() {
    let ask = |home: &'static str| {
        let host = TestHost::new(move |request| match request.url() {
            "/" if home.is_empty() => {
                Err(HttpError::Denied("the server redirected to another origin, `other.h`".into()))
            }
            "/" => Ok(answer(&found("/", home))),
            _ => Err(HttpError::Denied("`https://other.h` was not granted".into())),
        });
        let fault = host.settings(&json!({"url": "https://h/"})).run(discover).err();
        let Some(Fault::Misconfigured(violations)) = fault else { panic!("{fault:?}") };
        assert_eq!(violations[0].field.as_deref(), Some("url"));
        violations[0].message.clone()
    };
    let message = ask("<c:addressbook-home-set><d:href>https://other.h/u/</d:href></c:addressbook-home-set>");
    assert!(message.contains("https://other.h") && message.contains("set url = \"https://other.h/u/\""), "{message}");
    assert!(ask("").contains("redirected"), "a redirect is told as the host tells it");
}

#[test]
fn the_address_of_an_address_book_is_enough() {
    let host = TestHost::new(|_| Ok(answer(&found("/u/ab/", BOOK)))).settings(&json!({"url": "https://h/u/ab"}));
    let site = host.run(discover).expect("it is an address book");
    assert!(site.is_direct && site.books[0].is_writable() && !site.books[0].has_sync());
    assert_eq!(site.books[0].collection.address(), "/u/ab/");
    let refused =
        TestHost::new(|_| Ok(Response::new(401, ""))).settings(&json!({"url": "https://h/u/ab"})).run(discover);
    assert!(matches!(refused, Err(Fault::Auth(_))));
    let nothing =
        TestHost::new(|_| Ok(Response::new(404, ""))).settings(&json!({"url": "https://h/u/ab"})).run(discover);
    assert!(matches!(nothing, Err(Fault::Misconfigured(_))));
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_only_the_large_card_is_left_out() {
    let ids: Vec<String> = (0..120).map(|at| format!("{at:03}.vcf")).collect();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let host = TestHost::new(|request| {
        let Some(http::Body::Text(body)) = request.body() else { panic!("a multiget has a body") };
        if body.contains("/ab/077.vcf") {
            return Err(HttpError::TooLarge(1000));
        }
        let hrefs = body.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
        let found = hrefs.map(|href| match href {
            "/ab/005.vcf" => {
                format!("<d:response><d:href>{href}</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>")
            }
            "/ab/006.vcf" => String::new(),
            _ => found(href, "<d:getetag>\"1\"</d:getetag><c:address-data>x</c:address-data>"),
        });
        Ok(answer(&found.collect::<String>()))
    });
    let into = Rc::clone(&seen);
    host.run(|| fetch(&Collection::new("/ab/"), &ids, |id, fetched| into.borrow_mut().push((id.to_owned(), fetched))))
        .expect("every request was answered");
    let mut seen = seen.borrow().clone();
    seen.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(seen.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), ids, "each id once");
    for (id, fetched) in &seen {
        let expected = match id.as_str() {
            "077.vcf" | "006.vcf" => matches!(fetched, Fetched::Unclear(_)),
            "005.vcf" => *fetched == Fetched::Gone,
            _ => matches!(fetched, Fetched::Card(_)),
        };
        assert!(expected, "{id}: {fetched:?}");
    }
}

#[test]
fn answers_of_any_size_fit_into_memory_and_a_page_ends_after_its_bytes() {
    let ids: Vec<String> = (0..400).map(|at| format!("{at:03}.vcf")).collect();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&requests);
    let host = TestHost::new(move |request| {
        let Some(http::Body::Text(body)) = request.body() else { panic!("a multiget has a body") };
        let hrefs: Vec<&str> = body.split("<D:href>").skip(1).filter_map(|part| part.split('<').next()).collect();
        into.borrow_mut().push(hrefs.len());
        // The first batch is small, the second does not fit, all others are as large as the host lets through.
        let padding = match hrefs.first().copied() {
            Some("/ab/000.vcf") => 0,
            Some("/ab/050.vcf") if hrefs.len() > 25 => return Err(HttpError::TooLarge(1000)),
            _ => 15 << 20,
        };
        let found = hrefs.iter().map(|href| found(href, "<c:address-data>x</c:address-data>"));
        Ok(answer(&(found.collect::<String>() + &" ".repeat(padding))))
    });
    let mut seen = Vec::new();
    let taken = host
        .run(|| fetch_within(&Collection::new("/ab/"), &ids, PAGE_BYTES_MAX, |id, _| seen.push(id.to_owned())))
        .expect("every request was answered");
    seen.sort();
    assert_eq!(seen, ids[..taken], "what was taken are the first ids, and each once");
    assert_eq!(*requests.borrow(), [50, 50, 50, 25, 25], "two at once at the most, and no more after 16 MiB");
}
