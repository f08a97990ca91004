//! Builds the plugins and runs every test.

use crate::error::Error;
use crate::plugins;
use crate::run::{run, works};
use crate::workspace::cargo;

/// Build the plugins, then run every test of the workspace.
///
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
    if !works(cargo().args(["nextest", "--version"])) {
        return run(cargo().args(["test", "--workspace"]).args(&arguments.arguments));
    }
    // nextest leaves out the examples in documentation.
    if arguments.arguments.is_empty() {
        run(cargo().args(["test", "--quiet", "--workspace", "--doc"]))?;
    }
    run(cargo().args(["nextest", "run", "--workspace"]).args(&arguments.arguments))
}
