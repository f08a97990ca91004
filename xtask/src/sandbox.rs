//! Runs a sandbox server by hand.

use crate::error::Error;
use crate::run::run;
use crate::workspace::cargo;

/// Run a local server that behaves as a vendor's does, for trying things by hand.
///
/// For what there is, see `cargo xtask sandbox -- --help`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The server's name and its options
    #[arg(value_name = "NAME …", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and runs the sandbox.
pub(crate) fn sandbox(arguments: &Arguments) -> Result<(), Error> {
    let program = ["run", "--quiet", "--package", "syncline-sandbox", "--bin", "syncline-sandbox", "--"];
    run(cargo().args(program).args(&arguments.arguments))
}
