//! Measures Syncline on real servers: `cargo xtask bench --help`.
//!
//! One file a bench. Each program that is measured is a process of its own, and what it used comes from the kernel
//! (`measure.py`). Not here: the boundary and the store, which are measured by examples of their crates.

mod accounts;
mod cards;
mod child;
mod floor;
mod installation;
mod memory;
mod quiet;
mod read;
mod vdirsyncer;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use child::Used;

/// A result of a bench.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Measures Syncline on real servers.
#[derive(Parser)]
#[command(name = "syncline-bench")]
struct Arguments {
    /// What to measure; everything if nothing is named
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Name>,
    /// A tenth of the records, once: to see that it works
    #[arg(long)]
    quick: bool,
    /// Which database keeps the state
    #[arg(long, value_enum, default_value_t = Engine::Sled)]
    engine: Engine,
    /// Contacts a side for `memory`, beside 1,000
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    contacts: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    measured: Option<Measured>,
}

/// What is measured here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Reading 20,000 contacts
    Read,
    /// Runs with nothing or little changed
    Quiet,
    /// Cards between two servers
    Cards,
    /// The peak of memory of first runs
    Memory,
}

/// A database of the store.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The default
    Sled,
    /// The second one
    Fjall,
}

impl Engine {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Sled => "sled",
            Engine::Fjall => "fjall",
        }
    }
}

/// What this program runs itself as, to be measured.
#[derive(Subcommand)]
enum Measured {
    /// The floor of a read
    #[command(hide = true)]
    Floor { url: String },
    /// The first step of a plan
    #[command(hide = true)]
    Pull,
}

/// How much is measured how often, and on which database.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    quick: bool,
    pub(crate) engine: Engine,
}

impl Scale {
    /// The number of records, in full or for a try.
    pub(crate) fn of(self, records: u64) -> u64 {
        if self.quick { records / 10 } else { records }
    }

    /// How often; the least counts.
    pub(crate) fn repeats(self) -> u32 {
        if self.quick { 1 } else { 3 }
    }
}

/// Where results go as soon as they are there.
#[derive(Clone, Copy)]
pub(crate) struct Results {
    json: bool,
}

impl Results {
    /// Prints a line.
    pub(crate) fn add(self, figure: &Figure) -> Outcome<()> {
        if self.json {
            println!("{}", serde_json::to_string(figure)?);
            return Ok(());
        }
        let values: Vec<String> = figure.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        println!("{:<7} {:<58} {}", figure.bench, figure.what, values.join("  "));
        Ok(())
    }
}

/// One line of the results.
#[derive(serde::Serialize)]
pub(crate) struct Figure {
    bench: &'static str,
    what: String,
    values: serde_json::Map<String, serde_json::Value>,
}

impl Figure {
    pub(crate) fn new(bench: &'static str, what: String) -> Self {
        Self { bench, what, values: serde_json::Map::new() }
    }

    pub(crate) fn value(mut self, name: &str, value: f64) -> Self {
        self.values.insert(name.to_owned(), ((value * 1000.0).round() / 1000.0).into());
        self
    }

    pub(crate) fn used(self, used: Used) -> Self {
        self.value("cpu_s", used.cpu_s).value("wall_s", used.wall_s).value("peak_mib", used.peak_mib.round())
    }

    pub(crate) fn requests(self, [left, right]: [f64; 2]) -> Self {
        self.value("requests_left", left).value("requests_right", right)
    }
}

/// What one program used as a multiple of what another one did.
pub(crate) fn ratio(figure: Figure, used: Used, floor: Used) -> Figure {
    figure.value("cpu", used.cpu_s / floor.cpu_s).value("wall", used.wall_s / floor.wall_s)
}

/// Returns the repository's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn main() -> ExitCode {
    if let Some(exit) = syncline_cli::compiling::asked() {
        return exit;
    }
    // As `syncline` does, since it is measured in its place.
    syncline_cli::memory::share_one_pool();
    match go(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn go(arguments: &Arguments) -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    match &arguments.measured {
        Some(Measured::Floor { url }) => println!("{}", floor::read(url)?),
        Some(Measured::Pull) => println!("{}", runtime.block_on(read::pull())?),
        None => {
            let scale = Scale { quick: arguments.quick, engine: arguments.engine };
            let wanted = |name| arguments.names.is_empty() || arguments.names.contains(&name);
            for name in Name::value_variants().iter().copied().filter(|name| wanted(*name)) {
                runtime.block_on(measure(name, arguments, scale))?;
            }
        }
    }
    Ok(())
}

async fn measure(name: Name, arguments: &Arguments, scale: Scale) -> Outcome<()> {
    let results = Results { json: arguments.json };
    match name {
        Name::Read => read::measure(scale, results).await,
        Name::Quiet => quiet::measure(scale, results).await,
        Name::Cards => cards::measure(scale, results),
        Name::Memory => memory::measure(scale, arguments.contacts, results).await,
    }
}
