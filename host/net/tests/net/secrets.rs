//! Nothing that leaves contains a secret: answers, errors, the audit, what is printed.

use std::io;
use std::sync::{Arc, Mutex};

use syncline_net::{Body, Credential, OutletConfig, Request, Secret, SendError};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Server, answer, get, header, open, with};

const TOKEN: &str = "pat-na1-0123456789abcdef";

#[tokio::test]
async fn an_echoed_secret_is_replaced() {
    let server = Server::start(|request| {
        let echoed = header(request, "authorization").unwrap_or_default().to_owned();
        answer(
            401,
            &[("x-echo", &echoed), ("www-authenticate", "Bearer")],
            format!("{{\"got\":\"{echoed}\"}}").as_bytes(),
        )
    })
    .await;
    let outlet = open(OutletConfig { credential: Credential::Bearer(Secret::new(TOKEN)), ..server.config() });
    for answer_as_bytes in [false, true] {
        let response = outlet.send(Request { answer_as_bytes, ..get("/") }).await.expect("an answer");
        assert_eq!(response.body.as_bytes(), b"{\"got\":\"Bearer [secret]\"}");
        assert!(response.headers.contains(&("x-echo".to_owned(), "Bearer [secret]".to_owned())));
    }
    let password = Credential::Basic { user: "ada".to_owned(), password: Secret::new(TOKEN) };
    let outlet = open(OutletConfig { credential: password, ..server.config() });
    let response = outlet.send(get("/")).await.expect("an answer");
    assert_eq!(response.body, Body::Text("{\"got\":\"Basic [secret]\"}".to_owned()));
    assert!(!format!("{outlet:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_password_is_left_in_data_and_a_replaced_secret_is_not_written_back() {
    let server = Server::start(|request| {
        let echoed = header(request, "authorization").unwrap_or_default();
        answer(200, &[], format!("EMAIL:info@sunshine.example\r\nNOTE:{echoed}").as_bytes())
    })
    .await;
    let password = Credential::Basic { user: "ada".to_owned(), password: Secret::new("sunshine") };
    let outlet = open(OutletConfig { credential: password, ..server.config() });
    let response = outlet.send(get("/")).await.expect("an answer");
    assert_eq!(response.body, Body::Text("EMAIL:info@sunshine.example\r\nNOTE:Basic [secret]".to_owned()));
    for body in [response.body.clone(), Body::Bytes(response.body.into_bytes())] {
        let refused = outlet.send(Request { body: Some(body), ..with("PUT", "/", &[]) }).await;
        assert!(matches!(&refused, Err(SendError::Invalid(reason)) if reason.contains("`[secret]`")), "{refused:?}");
    }
    assert_eq!(server.count(), 1);
    let card = Body::Text("EMAIL:info@sunshine.example".to_owned());
    assert!(outlet.send(Request { body: Some(card), ..with("PUT", "/", &[]) }).await.is_ok());
}

#[tokio::test]
async fn a_short_password_is_left_where_a_plugin_goes_on() {
    let server = Server::start(|_| {
        let headers =
            [("etag", "\"a-demo-7\""), ("location", "/demo/contacts/"), ("link", "</demo/2>"), ("x-echo", "demo")];
        answer(201, &headers, b"demo")
    })
    .await;
    let password = Credential::Basic { user: "demo".to_owned(), password: Secret::new("demo") };
    let outlet = open(OutletConfig { credential: password, ..server.config() });
    let response = outlet.send(get("/demo/contacts/?who=demo%3Ademo")).await.expect("an answer");
    assert_eq!(response.url, server.url("/demo/contacts/?who=[secret]"));
    for (name, value) in
        [("etag", "\"a-demo-7\""), ("location", "/demo/contacts/"), ("link", "</demo/2>"), ("x-echo", "[secret]")]
    {
        assert!(response.headers.contains(&(name.to_owned(), value.to_owned())), "{name}: {:?}", response.headers);
    }
    for marked in [get(response.url), get("/%5Bsecret%5D/"), with("GET", "/", &[("if-match", "\"a-[secret]-7\"")])] {
        let refused = outlet.send(marked).await;
        assert!(matches!(&refused, Err(SendError::Invalid(reason)) if reason.contains("`[secret]`")), "{refused:?}");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn an_error_and_the_audit_show_no_secret_and_no_query() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start(|_| answer(404, &[], b"gone")).await;
    let credential = Credential::Query { name: "key".to_owned(), value: Secret::new(TOKEN) };
    let outlet = open(OutletConfig { credential, ..server.config() });
    outlet.send(with("REPORT", format!("/people/{TOKEN}?who=ada"), &[])).await.expect("an answer");
    let error = outlet.send(get(format!("http://{TOKEN}.example.org/"))).await.expect_err("another host");
    assert!(!error.to_string().contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{error:?}");
    let text = String::from_utf8(lines.0.lock().expect("the lines").clone()).expect("text");
    let audit: Vec<&str> = text.lines().filter(|line| line.contains("syncline::audit")).collect();
    assert_eq!(audit.len(), 1, "{text}");
    for expected in
        ["connection=crm", "method=REPORT", "host=127.0.0.1", "path=/people/[secret]", "status=404", "bytes=4", "ms="]
    {
        assert!(audit[0].contains(expected), "{expected} is not in {}", audit[0]);
    }
    assert!(!audit[0].contains("who=ada") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn a_request_that_is_given_up_is_in_the_audit() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a url");
    let config = OutletConfig::new("crm", base).expect("a configuration");
    let outlet = open(OutletConfig { allow_private_network: true, ..config });
    let sending = outlet.send(with("DELETE", "/people/1", &[]));
    tokio::select! {
        answer = sending => panic!("nobody answers: {answer:?}"),
        accepted = listener.accept() => drop(accepted.expect("a connection")),
    }
    let text = String::from_utf8(lines.0.lock().expect("the lines").clone()).expect("text");
    assert!(text.contains("method=DELETE") && text.contains("given up by the caller"), "{text}");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}
