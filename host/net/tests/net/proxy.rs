//! Proxies named in the environment are not used: they would see what was only granted to the server.

use std::process::Command;

use crate::support::{Server, answer, get};

const INNER: &str = "SYNCLINE_NET_TEST_TARGET";

/// Starts itself in a process of its own, because the environment belongs to all tests of a process.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_ignored() {
    if let Ok(target) = std::env::var(INNER) {
        return ask(&target).await;
    }
    let server = Server::start(|_| answer(200, &[], b"direct")).await;
    let proxy = Server::start(|_| answer(200, &[], b"by the proxy")).await;
    let test = std::env::current_exe().expect("this test's own binary");
    let (proxy_url, address) = (proxy.url(""), server.address);
    let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let status = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(test);
        command.args(["--exact", "proxy::a_proxy_of_the_environment_is_ignored"]).env(INNER, address.to_string());
        variables
            .iter()
            .fold(&mut command, |command, name| command.env(name, &proxy_url))
            .env_remove("NO_PROXY")
            .status()
    });
    assert!(status.await.expect("the task").expect("the process").success());
    assert_eq!((server.count(), proxy.count()), (1, 0));
}

async fn ask(target: &str) {
    let config = syncline_net::OutletConfig::new("crm", format!("http://{target}/").parse().expect("a url"));
    let config = syncline_net::OutletConfig { allow_private_network: true, ..config.expect("a configuration") };
    let response = crate::support::open(config).send(get("/")).await.expect("an answer");
    assert_eq!(response.body.as_bytes(), b"direct");
}
