//! Speaks: the `syncline` binary. The only crate that prints, asks, and reads configuration files.
//!
//! Start with `args.rs` (what can be said), then `config.rs` (what is configured); `commands/` has one file a command.
//!
//! Not here: anything that decides, runs, keeps or reaches; the commands call those crates and show what comes back.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod args;
pub mod commands;
pub mod compiling;
pub mod config;
pub mod memory;
pub mod output;
pub mod progress;
pub mod render;
pub mod session;
pub mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Args, Global};
use commands::CommandError;
use session::Folders;
use terminal::Terminal;

/// Runs the command line and returns how it ended.
pub fn main() -> ExitCode {
    if let Some(exit) = compiling::asked() {
        return exit;
    }
    memory::share_one_pool();
    let args = Args::parse();
    let terminal = Terminal::new(&args.global);
    log(args.global.verbose, terminal.colour);
    let ended = folders(&args.global).and_then(|folders| commands::run(&args.command, &folders, terminal));
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.report(terminal);
            error.exit().into()
        }
    }
}

fn folders(global: &Global) -> Result<Folders, CommandError> {
    let data = match &global.data {
        Some(data) => data.clone(),
        None => user_data().ok_or_else(|| {
            CommandError::Usage("it is not known where your data folder is; name one with `--data DIR`".to_owned())
        })?,
    };
    Ok(Folders { config: global.config.clone(), data })
}

/// The folder where the system keeps what belongs to a user and no document.
fn user_data() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("syncline"))
}

/// Logs go beside the output, so that reports and JSON stay what they are.
fn log(verbose: u8, colour: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("SYNCLINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // What cannot be logged would be told by a macro that panics where standard error is closed.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .log_internal_errors(false)
        .init();
}
