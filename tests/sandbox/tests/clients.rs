//! HubSpot's own Python clients drive the server: `hubspot-sdk` on dated paths, `hubspot-api-client` on the older ones.

#[path = "support/venv.rs"]
mod venv;

use syncline_sandbox::{DEFAULT_TOKEN, HubSpot, Limits, Seed, Settings};

async fn drive(script: &'static str) {
    let settings = Settings { limits: Limits::off(), ..Settings::default() };
    let seed = Seed { contacts: 250, ..Seed::default() };
    let running = HubSpot::builder().settings(settings).seed(seed).start().await.expect("a free port");
    let url = running.base_url();
    let script = tokio::task::spawn_blocking(move || venv::run(script, &[&url, DEFAULT_TOKEN]));
    script.await.expect("the script agrees with the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dated_client_agrees() {
    drive("dated.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_client_agrees() {
    drive("legacy.py").await;
}
