//! Shows the product to a stranger: two applications full of people become the same, before your eyes.
//!
//! Invariant: what is told is looked up in the two applications before it is told on; a story that is not true fails.
//! Here: what it needs and in which order. `story` is what is seen, `stage` what it is played on, `cast` who plays.

mod book;
mod cast;
mod crm;
mod shell;
mod stage;
mod story;

use std::io::{self, BufRead};
use std::time::Instant;

use crate::error::Error;
use crate::plugins;
use crate::run::run;
use crate::workspace::cargo;
use stage::Stage;

/// Watch a CRM and an address book become the same.
///
/// Builds what it needs, starts a HubSpot to play with and a real CardDAV server (Radicale, from PyPI), and uses
/// `syncline` on them as you would. Nothing leaves this machine.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave the two servers up at the end, to go on by hand
    #[arg(long)]
    keep: bool,
    /// Use what is built already
    #[arg(long)]
    built: bool,
}

/// Builds everything, and shows it.
pub(crate) fn demo(arguments: &Arguments) -> Result<(), Error> {
    if !arguments.built {
        plugins::plugins(&plugins::Arguments::default())?;
        run(cargo().args(["build", "--package", "syncline-cli", "--package", "syncline-sandbox"]))?;
    }
    play(arguments.keep)
}

/// Shows it with what is built already.
pub(crate) fn play(keep: bool) -> Result<(), Error> {
    let begun = Instant::now();
    println!("starting a HubSpot and an address book, and filling them");
    let mut stage = Stage::set()?;
    story::tell(&mut stage)?;
    stage.shell.say(&format!("All of this took {:.0} s.", begun.elapsed().as_secs_f64()));
    if keep {
        stay(&stage);
    }
    Ok(())
}

/// Waits until somebody has seen enough. Ctrl-C ends the servers too: they belong to the same terminal.
fn stay(stage: &Stage) {
    stage.shell.say("Both servers stay up until you press Enter or Ctrl-C.");
    let nobody_is_there = io::stdin().lock().read_line(&mut String::new()).is_ok_and(|read| read == 0);
    if nobody_is_there {
        loop {
            std::thread::park();
        }
    }
}
