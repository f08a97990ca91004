//! A runtime for the guests, and a small server for them to ask.

use std::sync::{Arc, LazyLock};

use syncline_core::FieldName;
use syncline_net::{Credential, Gateway, Outlet, OutletConfig, RateLimit, Secret, Url};
use syncline_runner::{Connector, Fault, Page, ReadMode, ReadRequest, Target};
use syncline_wasm::{Compiler, ConnectionContext, Limits, Plugin, Runtime, RuntimeOptions, WasmConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) use crate::guests::component;

/// The host's own secret, which no test may see.
pub(crate) const SECRET: &str = "s3cret-token-of-the-host";

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// A runtime that shares its cache with the other tests.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let options = RuntimeOptions { cache_dir: FOLDER.path().join("aot"), compiler: Compiler::Here };
    Runtime::new(options).expect("a runtime")
});

/// Loads the hostile guest.
pub(crate) async fn hostile(limits: Limits) -> Plugin {
    RUNTIME.load(component("hostile"), limits).await.expect("the hostile guest loads")
}

/// A connection whose server is at `base`.
pub(crate) fn outlet(base: &str, rates: Vec<RateLimit>) -> Outlet {
    let mut config = OutletConfig::new("crm", Url::parse(base).expect("a url")).expect("a configuration");
    config.allow_private_network = true;
    config.credential = Credential::Bearer(Secret::new(SECRET));
    config.limits.rates = rates;
    Gateway::new().outlet(config).expect("an outlet")
}

/// Serves a connection without a server, with the deed that is named.
pub(crate) fn connector(plugin: &Plugin, deed: &str) -> WasmConnector {
    connector_to(plugin, &format!("{{\"do\":\"{deed}\"}}"), outlet("http://127.0.0.1:9", Vec::new()))
}

/// Serves a connection with these settings.
pub(crate) fn connector_to(plugin: &Plugin, settings: &str, outlet: Outlet) -> WasmConnector {
    let context = ConnectionContext {
        name: "crm".to_owned(),
        settings_json: settings.to_owned(),
        outlet,
        clock: Arc::new(|| 1_000),
        lane: syncline_core::Lane::Incremental,
    };
    plugin.connector(context).expect("a connector")
}

/// Reads a page of `title` and `body`.
pub(crate) async fn read(connector: &WasmConnector) -> Result<Page, Fault> {
    let fields = vec![FieldName::from("title"), FieldName::from("body")];
    connector.read(ReadRequest { target: notes(), fields, mode: ReadMode::Full, cursor: None, limit: 100 }).await
}

/// The one object.
pub(crate) fn notes() -> Target {
    Target { object: "notes".into(), container: None }
}

/// The text of a component fault; any other outcome fails the test.
pub(crate) fn component_fault<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    match result {
        Err(Fault::Component(text)) => text,
        other => panic!("not a component fault: {other:?}"),
    }
}

/// Serves `/slow` after `slow_ms`, `/binary` with bytes that are no text, everything else with `ok`.
pub(crate) async fn server(slow_ms: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, slow_ms));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream, slow_ms: u64) {
    let mut request = Vec::new();
    while let Ok(read @ 1..) = stream.read_buf(&mut request).await {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        _ = read;
        let body: &[u8] = if request.starts_with(b"GET /binary ") { b"a\xff\xfeb" } else { b"ok" };
        if request.starts_with(b"GET /slow ") {
            tokio::time::sleep(std::time::Duration::from_millis(slow_ms)).await;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), body].concat()).await.is_err() {
            return;
        }
        request.clear();
    }
}
