//! The guests of `tests/guests`, a runtime for them, and a small server for them to ask.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use syncline_core::FieldName;
use syncline_net::{Credential, Gateway, Outlet, OutletConfig, RateLimit, Secret, Url};
use syncline_runner::{Connector, Fault, Page, ReadMode, ReadRequest, Target};
use syncline_wasm::{ConnectionContext, Limits, Plugin, Runtime, RuntimeOptions, WasmConnector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The host's own secret, which no test may see.
pub(crate) const SECRET: &str = "s3cret-token-of-the-host";

static GUESTS: LazyLock<PathBuf> = LazyLock::new(build_guests);
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// A runtime that shares its cache with the other tests.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let options = RuntimeOptions { cache_dir: FOLDER.path().join("aot") };
    Runtime::new(options).expect("a runtime")
});

/// The component of a guest.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let module = std::fs::read(GUESTS.join(format!("syncline_guest_{name}.wasm"))).expect("the guest was built");
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.validate(true).module(&module).expect("a module").encode().expect("a component")
}

/// Builds the guests, with the compiler that is there, or as `cargo xtask plugins` does with Debian's.
fn build_guests() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/plugins");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--profile", "plugin", "--target", "wasm32-unknown-unknown"]);
    cargo.current_dir(root.join("tests/guests")).env("CARGO_TARGET_DIR", &target);
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc runs").stdout;
    let sysroot = PathBuf::from(String::from_utf8(sysroot).expect("a path").trim());
    if !sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir() {
        let linker = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        cargo.envs([("RUSTC", "/usr/bin/rustc"), ("RUSTC_BOOTSTRAP", "1")]);
        cargo.env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort").env("PATH", format!("{}:{path}", linker.display()));
    }
    let built = cargo.status().expect("cargo runs").success();
    assert!(
        built,
        "the guests in tests/guests cannot be built; run `cargo xtask plugins` first, it installs the compiler"
    );
    target.join("wasm32-unknown-unknown/plugin")
}

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
