//! Shows that the simulation bites: builds the engine with one deliberate bug at a time, and plays histories until a
//! promise breaks.
//!
//! Not here: the bugs themselves (`tests/simulation/bugs`), and what is checked (`tests/simulation/src/checks.rs`).

mod bug;
mod copy;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::error::Error;
use crate::run::run;
use crate::workspace::{cargo, root};

use bug::Bug;
use copy::Copy;

/// Build the engine with deliberate bugs, one at a time, and show that simulated histories catch each.
///
/// Works on a copy of the sources in target/bugs; first the engine as it is has to keep every promise for as long. Ends
/// with a table, and fails if a bug is not caught within the histories that it states.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these bugs, by the names of their files
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The seed of the first history
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What became of one bug.
struct Row {
    name: String,
    caught: Option<Caught>,
    within: u64,
    seconds: u64,
}

/// The history that broke a promise.
#[derive(Debug, PartialEq, Eq)]
struct Caught {
    /// How many were played by then.
    histories: u64,
    /// What it broke.
    breach: String,
}

/// Plays histories with each bug and prints what caught it.
pub(crate) fn bugs(arguments: &Arguments) -> Result<(), Error> {
    let all = Bug::read_all(&root().join("tests/simulation/bugs"))?;
    if let Some(name) = arguments.names.iter().find(|name| !all.iter().any(|bug| bug.name == **name)) {
        return Err(Error::Setup(format!("there is no bug {name} in tests/simulation/bugs")));
    }
    let is_asked = |bug: &&Bug| arguments.names.is_empty() || arguments.names.contains(&bug.name);
    let asked: Vec<&Bug> = all.iter().filter(is_asked).collect();
    let place = root().join("target/bugs");
    let copy = Copy::new(&place.join("sources"))?;
    // One that does not apply any more is told before an hour is spent on the others.
    for bug in &asked {
        bug.changed(&root())?;
    }
    let most = asked.iter().map(|bug| bug.within).max().unwrap_or(0);
    println!("the engine as it is, {most} histories");
    if let Some(caught) = played(copy.folder(), &place, arguments.seed, most)? {
        let Caught { histories, breach } = caught;
        return Err(Error::Setup(format!("history {histories} breaks a promise without any bug: {breach}")));
    }
    let mut rows = Vec::new();
    for bug in asked {
        println!("{}: {}", bug.name, bug.sentence);
        let started = Instant::now();
        let changed = bug.changed(copy.folder())?;
        copy.put(&changed)?;
        let caught = played(copy.folder(), &place, arguments.seed, bug.within);
        copy.restore(changed.keys())?;
        let seconds = started.elapsed().as_secs();
        rows.push(Row { name: bug.name.clone(), caught: caught?, within: bug.within, seconds });
    }
    tell(&rows);
    let missed: Vec<&str> = rows.iter().filter(|row| row.caught.is_none()).map(|row| row.name.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { Err(Error::Setup(format!("not caught: {}", missed.join(", ")))) }
}

/// Builds the copy and plays histories until one breaks a promise, at most so many.
fn played(sources: &Path, place: &Path, seed: u64, histories: u64) -> Result<Option<Caught>, Error> {
    let target = place.join("target");
    let mut build = cargo();
    build.current_dir(sources).args(["build", "--quiet", "--release", "--package", "syncline-simulation"]);
    build.args(["--bin", "syncline-simulate"]).arg("--target-dir").arg(&target);
    // One crate changes at a time; and a mistake may leave something unused.
    run(build.env("CARGO_INCREMENTAL", "1").env("RUSTFLAGS", "--cap-lints allow"))?;
    let program = target.join("release/syncline-simulate");
    let mut play = Command::new(&program);
    play.args(["--brief", "--runs", &histories.to_string(), "--seed", &seed.to_string()]);
    let output =
        play.output().map_err(|source| Error::NotStarted { command: program.display().to_string(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    match (output.status.success(), caught(&text)) {
        (true, None) => Ok(None),
        (false, Some(caught)) => Ok(Some(caught)),
        _ => Err(Error::Failed { command: program.display().to_string(), status: output.status }),
    }
}

/// Reads what the simulation says in brief: `history 17: DESIGN 5.2: ...`.
fn caught(text: &str) -> Option<Caught> {
    let (number, breach) = text.trim().strip_prefix("history ")?.split_once(": ")?;
    Some(Caught { histories: number.parse().ok()?, breach: breach.to_owned() })
}

fn tell(rows: &[Row]) {
    println!("\n{:<26} {:>9} {:>7} {:>5}  check", "bug", "histories", "at most", "s");
    for Row { name, caught, within, seconds } in rows {
        let (histories, check) = match caught {
            Some(Caught { histories, breach }) => (histories.to_string(), rule_of(breach)),
            None => ("-".to_owned(), "not caught"),
        };
        println!("{name:<26} {histories:>9} {within:>7} {seconds:>5}  {check}");
    }
}

/// The rule that a breach names: everything before its first colon.
fn rule_of(breach: &str) -> &str {
    breach.split(": ").next().unwrap_or(breach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulation_is_understood() {
        let breach = "DESIGN 5.2: Update(R1) on the right has no intent".to_owned();
        assert_eq!(rule_of(&breach), "DESIGN 5.2");
        assert_eq!(caught(&format!("history 17: {breach}\n")), Some(Caught { histories: 17, breach }));
        assert_eq!(caught("every promise was kept\n"), None);
    }

    #[test]
    fn every_bug_still_applies_to_the_sources() {
        let bugs = Bug::read_all(&root().join("tests/simulation/bugs")).expect("every bug can be read");
        assert!(bugs.len() >= 10, "there are {}", bugs.len());
        for bug in bugs {
            if let Err(error) = bug.changed(&root()) {
                panic!("{}", crate::error::with_causes(&error));
            }
        }
    }
}
