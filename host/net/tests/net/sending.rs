//! A request that goes well: signed, sent, counted, answered.

use crate::support::{Server, answer, get, header, open, with};
use syncline_net::{Body, Credential, OutletConfig, Request, Secret, SendError};

#[tokio::test]
async fn a_request_is_signed_sent_counted_and_answered() {
    let server = Server::start(|_| answer(207, &[("x-own", "1"), ("set-cookie", "s=1")], b"<ok/>")).await;
    let credential = Credential::Basic { user: "ada".to_owned(), password: Secret::new("a long password") };
    let outlet = open(OutletConfig { credential, ..server.config() });
    let request =
        Request { body: Some(Body::Text("<q/>".to_owned())), ..with("PROPFIND", "/ada?x=1", &[("Depth", "1")]) };
    let response = outlet.send(request).await.expect("an answer");
    assert_eq!((response.status, response.url.as_str()), (207, server.url("/ada?x=1").as_str()));
    assert_eq!(response.body, Body::Text("<ok/>".to_owned()));
    assert!(response.headers.contains(&("x-own".to_owned(), "1".to_owned())));
    assert!(!response.headers.iter().any(|(name, _)| name == "set-cookie"));
    let arrived = server.last();
    assert!(arrived.starts_with("PROPFIND /ada?x=1 HTTP/1.1\r\n"), "{arrived}");
    assert_eq!(header(&arrived, "authorization"), Some("Basic YWRhOmEgbG9uZyBwYXNzd29yZA=="));
    assert_eq!(header(&arrived, "depth"), Some("1"));
    assert_eq!(header(&arrived, "accept-encoding"), Some("gzip"));
    assert_eq!(header(&arrived, "user-agent"), Some(syncline_net::USER_AGENT));
    assert!(arrived.ends_with("\r\n\r\n<q/>"));
    let counters = outlet.counters();
    assert_eq!((counters.requests, counters.bytes_out, counters.bytes_in, counters.repeats), (1, 4, 5, 0));
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let server = Server::start(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        answer(200, &[], path.as_bytes())
    })
    .await;
    let outlet = server.outlet();
    let mut requests: Vec<Request> = (0..40).map(|number| get(format!("/{number}"))).collect();
    requests.insert(7, get("ftp://x/"));
    let answers = outlet.send_all(requests).await;
    assert!(matches!(answers[7], Err(SendError::Invalid(_))));
    let bodies: Vec<String> = answers
        .into_iter()
        .filter_map(|answer| Some(String::from_utf8(answer.ok()?.body.into_bytes()).expect("text")))
        .collect();
    assert_eq!(bodies, (0..40).map(|number| format!("/{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn any_url_that_can_be_written_can_be_sent_or_is_invalid() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let outlet = server.outlet();
    for url in ["/{a}|^`[]\"<>'", "/?q={a}|^`[]\"<>'", "/%zz?%", "/ä?ö=ü", "/%00", "?", "/..//./a;b,c=d&e"] {
        let sent = outlet.send(with("POST", url, &[])).await;
        assert!(matches!(sent, Ok(_) | Err(SendError::Invalid(_))), "{url}: {sent:?}");
    }
}
