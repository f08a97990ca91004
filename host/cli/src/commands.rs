//! One file a command; here is what they have in common: how they end.

pub mod beside;
pub mod check;
pub mod compact;
pub mod conflicts;
pub mod errors;
pub mod explain;
pub mod hint;
pub mod history;
pub mod impact;
pub mod init;
pub mod launch;
pub mod notices;
pub mod perform;
pub mod plan;
pub mod plugin;
pub mod reading;
pub mod records;
pub mod remedy;
pub mod resolve;
pub mod run;
pub mod serve;
pub mod several;
pub mod show;
pub mod status;
pub mod transfer;
pub mod undo;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};
use syncline_registry::PluginError;
use syncline_runner::{Failure, Fault, StoreError};
use syncline_store::TransferError;

use crate::args::Command;
use crate::config::{ConfigError, Mistakes, report};
use crate::session::{Folders, SessionError};
use crate::terminal::{Terminal, print_json, tell, tell_line};

/// Runs one command.
pub fn run(command: &Command, folders: &Folders, terminal: Terminal) -> Result<Exit, CommandError> {
    match command {
        Command::Init(args) => init::run(args, folders, terminal),
        Command::Plugin(command) => plugin::run(command, folders, terminal),
        other => launch::launch(other, folders, terminal),
    }
}

/// How a command ends, for scripts; of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything was done.
    Ok,
    /// Done, but for some records.
    Rejects,
    /// Held back: for a time, or for a person.
    Waiting,
    /// Nothing, or not what was asked, was done.
    Failed,
    /// What was asked makes no sense, or the configuration does not.
    Usage,
}

impl Exit {
    /// Returns the process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Rejects => 3,
            Exit::Waiting => 4,
        }
    }

    /// Returns what an exit code means.
    pub fn from_code(code: u8) -> Exit {
        match code {
            0 => Exit::Ok,
            2 => Exit::Usage,
            3 => Exit::Rejects,
            4 => Exit::Waiting,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The parts cannot be put together.
    #[error(transparent)]
    Session(Box<SessionError>),
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// What was asked makes no sense; a sentence with the next step.
    #[error("{0}")]
    Usage(String),
    /// It was not done; a sentence with the next step.
    #[error("{0}")]
    Failed(String),
    /// The process that holds the store could not do it.
    #[error("{text}")]
    Elsewhere {
        /// Why, as it says.
        text: String,
        /// Its exit code.
        exit: u8,
    },
    /// The state cannot be moved.
    #[error("{path}")]
    Transfer {
        /// From or to which file.
        path: String,
        /// Why.
        source: TransferError,
    },
    /// A file.
    #[error("{path} cannot be written")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The terminal.
    #[error("the answer cannot be read")]
    Terminal(#[from] io::Error),
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        SessionError::from(failure).into()
    }
}

impl From<SessionError> for CommandError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Config(error) => CommandError::Config(error),
            other => CommandError::Session(Box::new(other)),
        }
    }
}

impl CommandError {
    /// Returns how the command ends.
    pub fn exit(&self) -> Exit {
        match self {
            CommandError::Config(_) | CommandError::Usage(_) => Exit::Usage,
            CommandError::Elsewhere { exit, .. } => Exit::from_code(*exit),
            CommandError::Session(error) if let SessionError::Run(failure) = &**error => match **failure {
                Failure::Wait { .. } | Failure::Quota { .. } => Exit::Waiting,
                Failure::Stopped => Exit::Rejects,
                _ => Exit::Failed,
            },
            CommandError::Session(_)
            | CommandError::Plugin(_)
            | CommandError::Failed(_)
            | CommandError::Transfer { .. }
            | CommandError::Write { .. }
            | CommandError::Terminal(_) => Exit::Failed,
        }
    }

    fn mistakes(&self) -> Option<&Mistakes> {
        match self {
            CommandError::Config(ConfigError::Mistakes(mistakes)) => Some(mistakes),
            _ => None,
        }
    }

    /// Returns it for a program.
    pub fn to_json(&self) -> Value {
        let mut value = self.mistakes().map_or_else(|| json!({}), report::to_json);
        value["error"] = json!(sentence(self));
        value
    }

    /// Returns it for people, every mistake of a configuration with its place.
    pub fn told(&self) -> String {
        match self.mistakes() {
            Some(mistakes) => format!("{}\n{}", sentence(self), report::render(mistakes, false)),
            None => sentence(self),
        }
    }

    /// Tells people, or the program that asked.
    pub fn report(&self, terminal: Terminal) {
        if terminal.json {
            print_json(&self.to_json());
        } else if let Some(mistakes) = self.mistakes() {
            tell(&report::render(mistakes, terminal.colour));
        } else {
            let word = if terminal.colour { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
            tell_line(format_args!("{word}: {}", sentence(self)));
        }
    }
}

/// Joins an error and its causes, and what to do about them; a cause that is told already is not told again.
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = Some(error);
    let mut step = None;
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        step = next_step(error).or(step);
        cause = error.source();
    }
    if let Some(step) = step {
        text.push_str(&format!("; {step}"));
    }
    text
}

/// Says what a person can do about an error, where its own words do not.
fn next_step(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let fault = error.downcast_ref().and_then(after_fault);
    let store = || error.downcast_ref().and_then(after_store_error);
    fault.or_else(store).or_else(|| error.downcast_ref().and_then(after_failure))
}

fn after_store_error(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Full => {
            Some("free some space on the disk of the data folder (`--data`); the next run goes on from here")
        }
        StoreError::Short { .. } => Some(
            "nothing was written; free some space there first, or change `reserve_mib` and `free_mib_min` of `[store]`: the \
             commands that only read work meanwhile",
        ),
        StoreError::Busy => Some("wait until the other syncline process has ended, or stop it"),
        StoreError::OtherEngine { .. } => Some(
            "set `engine` of `[store]` back, or move: `syncline export FILE`, rename the folder `store` of the data \
             folder aside, `syncline import FILE`",
        ),
        StoreError::TooNew { .. } => Some("use the newer syncline that wrote it, or another folder with `--data DIR`"),
        StoreError::Damaged(_) => Some(
            "put the data folder back from a backup, or name an empty one with `--data DIR`: both sides are then read \
             and matched anew",
        ),
        StoreError::Unavailable(_) => Some("can the data folder (`--data`) be read and written by you?"),
        StoreError::Conflict(_) => None,
    }
}

fn after_failure(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::OtherAccount { .. } => Some(
            "sign in to the account of before, or begin anew with `syncline run SYNC --reset` for each sync of this \
             connection",
        ),
        Failure::Contract { .. } => Some("nothing is lost; update the plugin, or tell its author"),
        Failure::NoObject { .. } => Some("name one of these as the `object` of this endpoint"),
        Failure::Wait { .. } => Some("nothing is lost, the next run goes on from here"),
        _ => None,
    }
}

/// Says what a person can do about a fault, where its own words do not.
fn after_fault(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Auth(_) => {
            Some("renew the secret that `auth` of this connection names, and try it with `syncline check`")
        }
        Fault::Permission(_) => Some("give the account this right, and try it with `syncline check`"),
        Fault::Misconfigured(_) => Some("mend the `settings` of this connection"),
        Fault::NotFound(_) => Some("is it named right in the configuration, and does the account see it?"),
        Fault::Transient(_) | Fault::Interrupted(_) | Fault::RetryLater { .. } => {
            Some("nothing is lost, the next run goes on from here")
        }
        Fault::Protocol(_) | Fault::Component(_) => Some("nothing is lost; if it stays so, tell the plugin's author"),
        Fault::CursorExpired(_) | Fault::Schema(_) | Fault::Unsupported(_) | Fault::Other(_) => None,
    }
}
