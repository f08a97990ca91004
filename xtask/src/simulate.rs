//! Plays histories in simulation, by the thousand or by the million.

use crate::error::Error;
use crate::run::run;
use crate::workspace::cargo;

/// Play seeded histories of the engine, with crashes, lost answers and people editing both sides.
///
/// `--runs N --seed S` says how many and from which seed; `--help` shows everything.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// What to hand on to the simulation
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the simulation in release and hands it everything.
pub(crate) fn simulate(arguments: &Arguments) -> Result<(), Error> {
    let program =
        ["run", "--quiet", "--release", "--package", "syncline-simulation", "--bin", "syncline-simulate", "--"];
    run(cargo().args(program).args(&arguments.arguments))
}
