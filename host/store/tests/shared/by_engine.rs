//! A test for each engine in a program without a harness, since it starts itself again as the process under test.

use std::process::ExitCode;

use syncline_store::Engine;

/// Runs `test` for the engines that were asked for; answers what a harness would be asked.
pub(crate) fn run(test: impl Fn(Engine)) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // A list of ignored tests is empty, or else nextest takes these for ignored and never runs them.
    let hides_all = is_asked("--ignored");
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    for engine in Engine::ALL.into_iter().filter(|_| !hides_all) {
        if is_asked("--list") {
            println!("{engine}: test");
        } else if names.is_empty() || names.iter().any(|name| *name == engine.name()) {
            test(engine);
        }
    }
    ExitCode::SUCCESS
}

/// Returns the engine of this name.
pub(crate) fn of_name(name: &str) -> Engine {
    Engine::ALL.into_iter().find(|engine| engine.name() == name).expect("a known engine")
}

/// Returns the one number, or the other with `SYNCLINE_LONG`.
pub(crate) fn short_or_long(short: u32, long: u32) -> u32 {
    if std::env::var_os("SYNCLINE_LONG").is_some() { long } else { short }
}
