//! Builds the plugins, plays the demo, and runs every test.

use std::process::Command;

use crate::debian;
use crate::demo;
use crate::error::Error;
use crate::plugins;
use crate::run::{run, works};
use crate::workspace::cargo;

/// Build the plugins, play the demo, then run every test of the workspace.
///
/// With arguments the demo is left out.
/// Uses cargo-nextest where it is installed, else `cargo test`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to hand on to the test runner, such as a filter
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests; the last lines printed are the runner's summary.
pub(crate) fn test(arguments: &Arguments) -> Result<(), Error> {
    plugins::plugins(&plugins::Arguments::default())?;
    prepare_recorder();
    if arguments.arguments.is_empty() {
        // What the tests need is built now, and the demo takes the programs from it: nothing is built twice.
        run(cargo().args(["test", "--quiet", "--workspace", "--no-run"]))?;
        demo::play(false)?;
    }
    if !works(cargo().args(["nextest", "--version"])) {
        return run(cargo().args(["test", "--workspace"]).args(&arguments.arguments));
    }
    // nextest leaves out the examples in documentation.
    if arguments.arguments.is_empty() {
        run(cargo().args(["test", "--quiet", "--workspace", "--doc"]))?;
    }
    run(cargo().args(["nextest", "run", "--workspace"]).args(&arguments.arguments))
}

/// Installs what records a process for the tests of power cuts; without it they say that they are skipped.
fn prepare_recorder() {
    if !works(Command::new("strace").arg("--version")) && debian::is_here() {
        println!("test: installing strace with apt-get, for the tests of power cuts");
        if let Err(error) = debian::install(&["strace"]) {
            println!("test: {}", crate::error::with_causes(&error));
        }
    }
}
