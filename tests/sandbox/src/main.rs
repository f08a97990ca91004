//! Runs a vendor's sandbox by hand: `syncline-sandbox hubspot --port 8080 --contacts 200`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use syncline_sandbox::{API_VERSION, DEFAULT_TOKEN, HubSpot, Limits, Seed, Settings};

#[derive(Parser)]
#[command(name = "syncline-sandbox", version, about = "Local servers that keep to a vendor's contract")]
struct Cli {
    #[command(subcommand)]
    vendor: Vendor,
}

#[derive(Subcommand)]
enum Vendor {
    /// A HubSpot account with contacts
    Hubspot(HubSpotArgs),
}

#[derive(Args)]
struct HubSpotArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8484)]
    port: u16,
    /// Bearer token to accept
    #[arg(long, default_value = DEFAULT_TOKEN)]
    token: String,
    /// What the made-up people depend on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many people to make
    #[arg(long, default_value_t = 200)]
    contacts: u64,
    /// How long search does not see a write
    #[arg(long, default_value_t = 0)]
    index_lag_ms: i64,
    /// Calls in ten seconds; 0 for no limit
    #[arg(long = "rate-10s", default_value_t = 100)]
    rate_10s: u32,
    /// Calls in a day; 0 for no limit
    #[arg(long, default_value_t = 250_000)]
    daily: u32,
    /// Searches in a second; 0 for no limit
    #[arg(long, default_value_t = 5)]
    search_per_second: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Vendor::Hubspot(args) = Cli::parse().vendor;
    match serve(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the sandbox cannot serve on port {}: {error}", args.port);
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &HubSpotArgs) -> std::io::Result<()> {
    let limit = |calls: u32| Some(calls).filter(|calls| *calls > 0);
    let limits = Limits {
        ten_secondly: limit(args.rate_10s),
        daily: limit(args.daily),
        search_secondly: limit(args.search_per_second),
        retry_after: false,
    };
    let settings = Settings { index_lag_ms: args.index_lag_ms, limits, ..Settings::default() };
    let seed = Seed { seed: args.seed, contacts: args.contacts, ..Seed::default() };
    let running = HubSpot::builder().port(args.port).token(&args.token).settings(settings).seed(seed).start().await?;
    introduce(&running.base_url(), &args.token, running.state().count_live())?;
    stop_signal().await?;
    running.stop().await;
    Ok(())
}

fn introduce(url: &str, token: &str, contacts: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "HubSpot sandbox with {contacts} contacts at {url}")?;
    writeln!(out, "try:   curl -H 'Authorization: Bearer {token}' '{url}/crm/objects/{API_VERSION}/contacts?limit=2'")?;
    writeln!(out, "steer: curl {url}/_sandbox/stats")?;
    writeln!(out, "stop with Ctrl-C")?;
    out.flush()
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
