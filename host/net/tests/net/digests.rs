//! Digest authentication, against Cyrus and against servers that ask oddly.

use std::sync::atomic::{AtomicU32, Ordering};

use syncline_net::{Body, Credential, Outlet, OutletConfig, Request, Secret, Url};
use syncline_test_servers::{Cyrus, PASSWORD, USER};

use crate::support::{Server, answer, get, header, open, with};

fn login(password: &str) -> Credential {
    Credential::BasicOrDigest { user: USER.to_owned(), password: Secret::new(password) }
}

fn outlet_to(base: &str, credential: Credential) -> Outlet {
    let config = OutletConfig::new("book", Url::parse(base).expect("a url")).expect("a configuration");
    open(OutletConfig { allow_private_network: true, credential, ..config })
}

fn put(number: u32) -> Request {
    let card = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:digest-{number}\r\nFN:Ada\r\nN:;Ada;;;\r\nEND:VCARD\r\n");
    let path = format!("digest-{number}.vcf?x={number}");
    Request { body: Some(Body::Text(card)), ..with("PUT", path, &[("content-type", "text/vcard")]) }
}

#[tokio::test]
async fn cyrus_is_answered_with_digests() {
    let mut cyrus = Cyrus::start().expect("Cyrus starts");
    let book = cyrus.address_book("Default").expect("every user has this address book");
    cyrus.ask_for_digests().expect("Cyrus starts again");

    let basic = Credential::Basic { user: USER.to_owned(), password: Secret::new(PASSWORD) };
    let refused = outlet_to(&book, basic).send(put(0)).await.expect("an answer");
    let asked = refused.headers.iter().any(|(name, value)| name == "www-authenticate" && value.starts_with("Digest "));
    assert_eq!((refused.status, asked), (401, true), "{:?}", refused.headers);

    let outlet = outlet_to(&book, login(PASSWORD));
    let first = outlet.send(put(1)).await.expect("an answer");
    assert_eq!((first.status, outlet.counters().requests), (201, 2));
    let answers = outlet.send_all((2..22).map(put).collect()).await;
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("an answer").status).collect();
    assert_eq!(statuses, [201; 20]);
    let listed = outlet.send(with("PROPFIND", "", &[("Depth", "1")])).await.expect("an answer");
    let Body::Text(listed) = listed.body else { panic!("text was asked for") };
    assert_eq!(listed.matches(".vcf").count(), 21);

    let outlet = outlet_to(&book, login("wrong"));
    for _ in 0..2 {
        assert_eq!(outlet.send(get("digest-1.vcf")).await.expect("an answer").status, 401);
    }
    assert_eq!(outlet.counters().requests, 4, "a challenge is answered once");
}

#[tokio::test]
async fn a_challenge_is_answered_only_where_the_manifest_and_the_host_allow_it() {
    let ask = |_: &str| answer(401, &[("www-authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")], b"");
    let server = Server::start(ask).await;
    let basic = Credential::Basic { user: USER.to_owned(), password: Secret::new(PASSWORD) };
    let outlet = open(OutletConfig { credential: basic, ..server.config() });
    assert_eq!(outlet.send(get("/")).await.expect("an answer").status, 401);
    assert_eq!(server.count(), 1, "basic alone is no promise to answer digests");

    let elsewhere = server.config();
    let elsewhere = OutletConfig { credential_grants: Vec::new(), credential: login(PASSWORD), ..elsewhere };
    assert_eq!(open(elsewhere).send(get("/")).await.expect("an answer").status, 401);
    assert_eq!(header(&server.last(), "authorization"), None);
    assert_eq!(server.count(), 2);

    let outlet = open(OutletConfig { credential: login(PASSWORD), ..server.config() });
    assert_eq!(outlet.send(with("PUT", "/a?b=c", &[])).await.expect("an answer").status, 401);
    assert_eq!(server.count(), 4);
    let last = server.last();
    let digest = header(&last, "authorization").expect("it is signed");
    assert!(digest.starts_with("Digest username=\"user\", realm=\"r\", uri=\"/a?b=c\", nonce=\"n\""), "{digest}");
    assert!(!last.contains(PASSWORD));
}

#[tokio::test]
async fn a_nonce_that_grew_old_is_replaced_and_the_body_goes_along() {
    let seen = AtomicU32::new(0);
    let server = Server::start(move |request| {
        // Each nonce is good for two requests.
        let round = seen.fetch_add(1, Ordering::Relaxed) / 3;
        let nonce = format!("nonce=\"{round}\"");
        if header(request, "authorization").is_some_and(|value| value.contains(&nonce)) {
            return answer(204, &[], b"");
        }
        let ask = format!("Digest realm=\"r\", {nonce}, qop=\"auth\", algorithm=SHA-256, stale=true");
        answer(401, &[("www-authenticate", &ask)], b"")
    })
    .await;
    let outlet = open(OutletConfig { credential: login(PASSWORD), ..server.config() });
    for number in 0..6 {
        let request = Request { body: Some(Body::Text(format!("card {number}"))), ..with("PUT", "/a", &[]) };
        assert_eq!(outlet.send(request).await.expect("an answer").status, 204);
        assert!(server.last().ends_with(&format!("card {number}")));
    }
    assert_eq!(server.count(), 9, "three of the six were sent twice");
}
