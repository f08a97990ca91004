//! Measures: builds everything in release, then runs the benches by name.

use std::fs;

use crate::error::Error;
use crate::plugins;
use crate::run::run;
use crate::workspace::{cargo, root};

/// What `syncline-bench` measures; the rest are examples of the crates that they measure.
const ON_SERVERS: [&str; 4] = ["read", "quiet", "cards", "memory"];

/// Measure, on real servers that are started for it.
///
/// The results, and how to read them, are in tests/bench/README.md.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure: read, quiet, cards, memory, boundary, store; everything if nothing is named
    #[arg(value_name = "NAME", value_parser = ["read", "quiet", "cards", "memory", "boundary", "store"])]
    names: Vec<String>,
    /// A tenth of the records, once: to see that it works
    #[arg(long)]
    quick: bool,
    /// The database of `read`, `quiet`, `cards` and `memory`
    #[arg(long, value_parser = ["sled", "fjall"], default_value = "sled")]
    engine: String,
    /// Contacts a side for `memory`, beside 1,000
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    contacts: u32,
    /// Rows for `store`
    #[arg(long, value_name = "N")]
    rows: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures what was asked for.
pub(crate) fn bench(arguments: &Arguments) -> Result<(), Error> {
    let wanted = |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|asked| asked == name);
    let on_servers: Vec<&str> = ON_SERVERS.into_iter().filter(|name| wanted(name)).collect();
    if !on_servers.is_empty() {
        plugins::plugins(&plugins::Arguments::default())?;
        run(cargo().args(["build", "--release", "--package", "syncline-cli", "--package", "syncline-bench"]))?;
        let mut bench = std::process::Command::new(root().join("target/release/syncline-bench"));
        bench.args(on_servers).args(["--engine", &arguments.engine, "--contacts", &arguments.contacts.to_string()]);
        bench.args(arguments.quick.then_some("--quick")).args(arguments.json.then_some("--json"));
        run(&mut bench)?;
    }
    if wanted("boundary") {
        run(cargo().args(["run", "--quiet", "--release", "--package", "syncline-wasm", "--example", "boundary"]))?;
    }
    if wanted("store") {
        // In the target folder, since the system's temporary folder may lie in memory.
        let folder = root().join("target/bench-store");
        fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder.clone(), source })?;
        let rows = arguments.rows.unwrap_or(if arguments.quick { 20_000 } else { 200_000 }).to_string();
        let example = ["run", "--quiet", "--release", "--package", "syncline-store", "--example", "throughput", "--"];
        for engine in ["sled", "fjall"] {
            run(cargo().args(example).args([engine, &rows, "8"]).arg(&folder))?;
        }
    }
    Ok(())
}
