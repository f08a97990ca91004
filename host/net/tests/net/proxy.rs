//! Proxies named in the environment are not used: they would see what was only granted to the server.

use std::process::Command;

use crate::support::{Server, answer, get};

const INNER: &str = "SYNCLINE_NET_TEST_TARGET";

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_ignored() {
    let server = Server::start(|_| answer(200, &[], b"direct")).await;
    let proxy = Server::start(|_| answer(200, &[], b"by the proxy")).await;
    let test = std::env::current_exe().expect("this test's own binary");
    let proxy_url = proxy.url("");
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let status = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(test);
        command.args(["--exact", "proxy::inner", "--ignored"]).env(INNER, server.address.to_string());
        variables
            .iter()
            .fold(&mut command, |command, name| command.env(name, &proxy_url))
            .env_remove("NO_PROXY")
            .status()
    });
    assert!(status.await.expect("the task").expect("the process").success());
    assert_eq!(proxy.count(), 0);
}

/// Runs in a process of its own, because the environment belongs to all tests of a process.
#[tokio::test]
#[ignore = "started by the test above"]
async fn inner() {
    let target = std::env::var(INNER).expect("the address to reach");
    let config = syncline_net::OutletConfig::new("crm", format!("http://{target}/").parse().expect("a url"));
    let config = syncline_net::OutletConfig { allow_private_network: true, ..config.expect("a configuration") };
    let response = crate::support::open(config).send(get("/")).await.expect("an answer");
    assert_eq!(response.body.as_bytes(), b"direct");
}
