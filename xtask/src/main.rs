//! The chores of this repository: `cargo xtask --help`.
//!
//! One file a chore. On a fresh machine each chore does all of its own set-up, and says what it installs.

mod bench;
mod bugs;
mod debian;
mod demo;
mod error;
mod plugins;
mod rules;
mod run;
mod sandbox;
mod simulate;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Bench(bench::Arguments),
    Bugs(bugs::Arguments),
    Demo(demo::Arguments),
    Plugins(plugins::Arguments),
    Rules(rules::Arguments),
    Test(test::Arguments),
    Sandbox(sandbox::Arguments),
    Simulate(simulate::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Bench(arguments) => bench::bench(&arguments),
        Chore::Bugs(arguments) => bugs::bugs(&arguments),
        Chore::Demo(arguments) => demo::demo(&arguments),
        Chore::Plugins(arguments) => plugins::plugins(&arguments),
        Chore::Rules(arguments) => rules::rules(&arguments),
        Chore::Test(arguments) => test::test(&arguments),
        Chore::Sandbox(arguments) => sandbox::sandbox(&arguments),
        Chore::Simulate(arguments) => simulate::simulate(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {}", error::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}
