//! Redirects, each hop with all the checks of the first request.

use syncline_net::{Body, Credential, Grant, Outlet, OutletConfig, Request, Secret, SendError};

use crate::support::{Names, Server, answer, get, header, named, open_with, with};

const KEY: &str = "our-own-key";

/// A connection to `a.example.org` that may also reach `b.example.org`, both at `server`.
fn two_hosts(server: &Server) -> Outlet {
    let names = Names(vec![
        ("a.example.org", vec!["127.0.0.1"]),
        ("b.example.org", vec!["127.0.0.1"]),
        ("c.example.org", vec!["127.0.0.1"]),
        ("m.example.org", vec!["169.254.169.254"]),
    ]);
    let config = named(server, "a.example.org");
    let port = server.address.port();
    let also = ["b", "m"].map(|host| format!("http://{host}.example.org:{port}").parse::<Grant>().expect("a grant"));
    let mut grants = config.grants.clone();
    grants.extend(also);
    grants.push("http://169.254.169.254".parse().expect("a grant"));
    let credential_grants = grants.clone();
    let credential = Credential::Header { name: "x-api-key".to_owned(), value: Secret::new(KEY) };
    open_with(names, OutletConfig { grants, credential, credential_grants, ..config })
}

/// Answers `/start?to` with a redirect of `status` to the location that `to` stands for, and everything else with 200.
async fn redirecting(status: u16) -> Server {
    Server::start(move |request| {
        let port = header(request, "host").and_then(|host| host.rsplit_once(':')).map_or("80", |(_, port)| port);
        match request.split(' ').nth(1).and_then(|path| path.strip_prefix("/start?")) {
            Some("same") => answer(status, &[("location", "/end")], b""),
            Some("loop") => answer(status, &[("location", "/start?loop")], b""),
            Some("address") => answer(status, &[("location", "http://169.254.169.254/latest/")], b""),
            Some("nowhere") => answer(status, &[], b"as it is"),
            Some("user") => answer(status, &[("location", &format!("http://u:p@a.example.org:{port}/end"))], b""),
            Some(host) => answer(status, &[("location", &format!("http://{host}.example.org:{port}/end"))], b""),
            None => answer(200, &[], b"arrived"),
        }
    })
    .await
}

#[tokio::test]
async fn the_credential_and_headers_stay_within_their_origin() {
    let server = redirecting(302).await;
    let outlet = two_hosts(&server);
    let own = [("x-own-key", "guest"), ("accept", "text/x")];
    let response = outlet.send(with("GET", "/start?same", &own)).await.expect("an answer");
    assert!(response.url.starts_with("http://a.example.org:") && response.url.ends_with("/end"), "{}", response.url);
    assert_eq!(header(&server.last(), "x-api-key"), Some(KEY));
    assert_eq!(header(&server.last(), "x-own-key"), Some("guest"));

    let response = outlet.send(with("GET", "/start?b", &own)).await.expect("an answer");
    assert_eq!(response.body, Body::Text("arrived".to_owned()));
    let arrived = server.last();
    assert!(arrived.contains("host: b.example.org"), "{arrived}");
    assert_eq!(header(&arrived, "x-api-key"), None);
    assert_eq!(header(&arrived, "x-own-key"), None);
    assert_eq!(header(&arrived, "accept"), Some("text/x"));
}

#[tokio::test]
async fn a_redirect_out_of_the_grants_is_denied() {
    let server = redirecting(302).await;
    let outlet = two_hosts(&server);
    for (to, expected) in [
        ("c", "the server redirected to where this connection may not go: `http://c.example.org"),
        ("address", "cloud metadata address"),
        ("m", "cloud metadata address"),
        ("user", "user name"),
        ("loop", "more than 5 times"),
    ] {
        let before = server.count();
        let error = outlet.send(get(format!("/start?{to}"))).await.expect_err(to);
        assert!(matches!(error, SendError::Denied(_)), "{to}: {error:?}");
        assert!(error.to_string().contains(expected), "{to}: {error}");
        assert_eq!(server.count() - before, if to == "loop" { 6 } else { 1 }, "{to}");
    }
    let response = outlet.send(get("/start?nowhere")).await.expect("an answer");
    assert_eq!((response.status, response.body), (302, Body::Text("as it is".to_owned())));
}

#[tokio::test]
async fn a_write_that_may_be_done_is_never_called_undone() {
    let body = || Some(Body::Text("a record".to_owned()));
    for (status, to, expected) in
        [(303, "c", true), (302, "address", true), (302, "loop", false), (307, "c", false), (308, "b", false)]
    {
        let server = redirecting(status).await;
        let request = Request { body: body(), ..with("POST", format!("/start?{to}"), &[]) };
        match two_hosts(&server).send(request).await {
            Err(error) => {
                assert_eq!(error.may_have_reached_server(), expected || to == "loop", "{status} {to}: {error:?}")
            }
            Ok(answer) => panic!("{status} {to}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn methods_and_bodies_follow_the_status() {
    for (method, status, expected) in [
        ("POST", 303, "GET "),
        ("POST", 302, "GET "),
        ("POST", 307, "POST x"),
        ("PROPFIND", 301, "PROPFIND x"),
        ("PUT", 308, "PUT x"),
    ] {
        let server = redirecting(status).await;
        let request = Request { body: Some(Body::Text("x".to_owned())), ..with(method, "/start?same", &[]) };
        two_hosts(&server).send(request).await.expect("an answer");
        let arrived = server.last();
        let seen = format!(
            "{} {}",
            arrived.split(' ').next().unwrap_or_default(),
            arrived.rsplit("\r\n\r\n").next().unwrap_or_default()
        );
        assert_eq!(seen, expected, "{method} {status}");
    }
}
