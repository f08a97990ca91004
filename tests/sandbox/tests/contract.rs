//! Answers of the main calls, held against the schemas of the vendor's contract.

#[path = "support/venv.rs"]
mod venv;

use std::path::{Path, PathBuf};

use syncline_sandbox::{DEFAULT_TOKEN, HubSpot, Limits, Seed, Settings};

fn contract() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contracts");
    let folder = std::env::var_os("SYNCLINE_CONTRACTS").map_or_else(beside, PathBuf::from);
    folder.join("hubspot/crm-2026-03.openapi.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_conform_to_the_contract() {
    let contract = contract();
    if !contract.is_file() {
        eprintln!("skipped: there is no contract at {} (set SYNCLINE_CONTRACTS)", contract.display());
        return;
    }
    let settings = Settings { limits: Limits::off(), ..Settings::default() };
    let seed = Seed { contacts: 50, ..Seed::default() };
    let running = HubSpot::builder().settings(settings).seed(seed).start().await.expect("a free port");
    let url = running.base_url();
    let contract = contract.to_str().expect("a readable path").to_owned();
    let script = tokio::task::spawn_blocking(move || venv::run("contract.py", &[&url, DEFAULT_TOKEN, &contract]));
    script.await.expect("the answers conform");
}
