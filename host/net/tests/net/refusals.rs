//! What is refused before anything leaves.

use syncline_net::{Credential, Grant, NotSentCause, OutletConfig, Secret, SendError, Url};

use crate::support::{Names, Server, answer, get, header, named, open, open_with, with};

fn denied(answer: Result<syncline_net::Response, SendError>) -> String {
    match answer {
        Err(SendError::Denied(reason)) => reason,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn another_host_port_or_scheme_is_denied() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let outlet = server.outlet();
    let port = server.address.port();
    for url in [
        "https://evil.example.org/".to_owned(),
        "//evil.example.org/".to_owned(),
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://127.0.0.1/".to_owned(),
    ] {
        let reason = denied(outlet.send(get(url.clone())).await);
        assert!(reason.contains("was not granted to connection `crm`"), "{url}: {reason}");
    }
    for url in [
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        "file:///etc/passwd".to_owned(),
    ] {
        assert!(matches!(outlet.send(get(url)).await, Err(SendError::Invalid(_))));
    }
    assert_eq!((server.count(), outlet.counters().requests), (0, 0));
}

#[tokio::test]
async fn a_literal_private_address_is_denied_without_a_resolver() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let outlet = open(OutletConfig { allow_private_network: false, ..server.config() });
    let reason = denied(outlet.send(get("/")).await);
    assert!(reason.contains("127.0.0.1` is a loopback address; if this is a server of yours"), "{reason}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_metadata_address_is_denied_even_inside_the_private_network() {
    for host in
        ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "[::ffff:a9fe:a9fe]"]
    {
        let base = Url::parse(&format!("http://{host}/latest/meta-data/")).expect("a url");
        let config = OutletConfig::new("crm", base).expect("a configuration");
        let reason = denied(open(OutletConfig { allow_private_network: true, ..config }).send(get("")).await);
        assert!(reason.contains("is a cloud metadata address, which is never reached"), "{host}: {reason}");
    }
}

#[tokio::test]
async fn a_name_with_private_addresses_only_is_denied() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    for addresses in [vec!["127.0.0.1"], vec!["10.0.0.1", "::1"], vec!["::ffff:127.0.0.1"], vec!["169.254.169.254"]] {
        let config = OutletConfig { allow_private_network: false, ..named(&server, "api.example.org") };
        let outlet = open_with(Names(vec![("api.example.org", addresses)]), config);
        let reason = denied(outlet.send(get("/")).await);
        assert!(reason.contains("`api.example.org` has only addresses that are not allowed"), "{reason}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn of_several_addresses_only_the_allowed_are_tried() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let names = Names(vec![("api.example.org", vec!["169.254.169.254", "0.0.0.0", "127.0.0.1"])]);
    let outlet = open_with(names, named(&server, "api.example.org"));
    assert_eq!(outlet.send(get("/")).await.expect("an answer").status, 200);
    let arrived = server.last();
    let host = format!("api.example.org:{}", server.address.port());
    assert_eq!(header(&arrived, "host"), Some(host.as_str()));
}

#[tokio::test]
async fn an_unknown_name_says_so() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let outlet = open_with(Names(Vec::new()), named(&server, "api.example.org"));
    let error = outlet.send(get("/")).await.expect_err("no such name");
    assert!(matches!(error, SendError::NotSent { cause: NotSentCause::Name, .. }), "{error:?}");
    assert!(error.to_string().contains("the name `api.example.org` has no address"), "{error}");
    assert!(!error.may_have_reached_server());
}

#[tokio::test]
async fn a_header_of_the_hosts_own_is_denied() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let credential = Credential::Header { name: "x-api-key".to_owned(), value: Secret::new("our-own-key") };
    let outlet = open(OutletConfig { credential, ..server.config() });
    for name in ["X-API-Key", "Authorization", "Cookie", "Host", "Proxy-Authorization", "Transfer-Encoding"] {
        denied(outlet.send(with("GET", "/", &[(name, "x")])).await);
    }
    assert!(matches!(outlet.send(with("GET", "/", &[("x", "a\r\nb: c")])).await, Err(SendError::Invalid(_))));
    assert!(matches!(outlet.send(with("CONNECT", "/", &[])).await, Err(SendError::Invalid(_))));
    assert_eq!(server.count(), 0);
    outlet.send(get("/")).await.expect("an answer");
    assert_eq!(header(&server.last(), "x-api-key"), Some("our-own-key"));
}

#[tokio::test]
async fn a_credential_goes_only_where_it_is_bound_to() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let names = || Names(vec![("api.example.org", vec!["127.0.0.1"]), ("cdn.example.org", vec!["127.0.0.1"])]);
    let config = named(&server, "api.example.org");
    let cdn: Grant = format!("http://cdn.example.org:{}", server.address.port()).parse().expect("a grant");
    let grants = vec![config.grants[0].clone(), cdn.clone()];
    let credential = Credential::Query { name: "key".to_owned(), value: Secret::new("our-own-key") };
    let outlet = open_with(names(), OutletConfig { grants, credential, ..config });
    let response = outlet.send(get("/a?b=c")).await.expect("an answer");
    assert!(server.last().starts_with("GET /a?b=c&key=our-own-key HTTP"), "{}", server.last());
    assert!(response.url.ends_with("/a?b=c"), "{}", response.url);
    outlet.send(get(format!("{cdn}/a?b=c"))).await.expect("an answer");
    assert!(server.last().starts_with("GET /a?b=c HTTP"), "{}", server.last());
}

#[tokio::test]
async fn a_credential_is_not_sent_in_clear_over_the_internet() {
    let base = Url::parse("http://api.example.org/").expect("a url");
    let config = OutletConfig::new("crm", base).expect("a configuration");
    let outlet = open(OutletConfig { credential: Credential::Bearer(Secret::new("our-own-token")), ..config });
    let error = outlet.send(get("/")).await.expect_err("a credential over http");
    assert!(matches!(&error, SendError::Credential(reason) if reason.contains("use https")), "{error:?}");
}

#[tokio::test]
async fn inside_the_private_network_a_credential_is_not_sent_in_clear_to_the_outside() {
    let server = Server::start(|_| answer(200, &[], b"")).await;
    let credential = || Credential::Basic { user: "ada".to_owned(), password: Secret::new("our-own-password") };
    let dav = |addresses: &[&'static str]| {
        let config = OutletConfig { credential: credential(), ..named(&server, "dav.example.org") };
        open_with(Names(vec![("dav.example.org", addresses.to_vec())]), config)
    };
    let literal = |host: &str| {
        let base = Url::parse(&format!("http://{host}/")).expect("a url");
        let config = OutletConfig::new("crm", base).expect("a configuration");
        open(OutletConfig { allow_private_network: true, credential: credential(), ..config })
    };
    let outside =
        [dav(&["8.8.8.8"]), dav(&["0.0.0.0", "2606:4700::1111"]), literal("8.8.8.8"), literal("[64:ff9b::808:808]")];
    for outlet in outside {
        let error = outlet.send(with("POST", "/", &[])).await.expect_err("a credential over http");
        assert!(matches!(&error, SendError::Credential(reason) if reason.contains("use https")), "{error:?}");
        assert!(!error.may_have_reached_server());
    }
    assert_eq!(dav(&["8.8.8.8", "127.0.0.1"]).send(get("/")).await.expect("the server inside").status, 200);
    assert!(header(&server.last(), "authorization").is_some());
}

#[test]
fn a_connection_that_cannot_work_is_refused_when_it_is_opened() {
    let gateway = syncline_net::Gateway::new();
    let config =
        || OutletConfig::new("crm", Url::parse("https://api.example.org/").expect("a url")).expect("a configuration");
    let credential = Credential::Bearer(Secret::new("copied with a line end\n"));
    let error = gateway.outlet(OutletConfig { credential, ..config() }).expect_err("a line end in a token");
    assert!(error.to_string().contains("was it copied whole?"), "{error}");
    assert!(!format!("{error:?}").contains("copied with"), "{error:?}");
    let extra_roots_pem = Some("no certificate".to_owned());
    let error = gateway.outlet(OutletConfig { extra_roots_pem, ..config() }).expect_err("no certificate");
    assert!(error.to_string().contains("contain no certificate"), "{error}");
}
