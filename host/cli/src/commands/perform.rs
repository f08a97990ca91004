//! Says which function does which command, for those that need a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use syncline_core::{FieldName, RecordId, RunId, Side, SyncName};
use syncline_runner::{Failure, Listener};

use super::{CommandError, check, plan, resolve, run, undo};
use crate::args::{Command, SideWord};
use crate::config::Sync as SyncConfig;
use crate::output::Output;
use crate::session::{Session, SessionError};
use crate::terminal::Terminal;

/// Where a person or a log sits.
pub trait Seat: Send + Sync {
    /// Returns what shows how runs are getting on.
    fn listener(&self) -> Arc<dyn Listener>;
}

impl Command {
    /// True for commands that reach the applications.
    pub fn reaches_out(&self) -> bool {
        match self {
            Command::Check(_) | Command::Plan(_) | Command::Run(_) | Command::Resolve(_) | Command::Undo(_) => true,
            Command::Init(_)
            | Command::Serve
            | Command::Status(_)
            | Command::Records(_)
            | Command::Explain(_)
            | Command::Conflicts(_)
            | Command::History(_)
            | Command::Show(_)
            | Command::Errors(_)
            | Command::Plugin(_) => false,
        }
    }
}

/// Does a command; relative paths in it start at `folder`, and questions go to `terminal` where there is one.
pub async fn perform(
    command: &Command,
    session: &Session,
    folder: &Path,
    terminal: Option<Terminal>,
) -> Result<Output, CommandError> {
    if command.reaches_out() {
        session.check_secrets()?;
    }
    let beside = |path: &Path| -> PathBuf { folder.join(path) };
    Ok(match command {
        Command::Check(args) => check::check(session, args.offline).await?,
        Command::Plan(args) => {
            let out = args.out.as_deref().map(beside);
            plan::plan(session, &chosen(session, args.sync.as_deref())?, args.all, out.as_deref()).await?
        }
        Command::Run(args) => {
            let saved = args.plan.as_deref().map(beside);
            let options = run::Options { plan: saved.as_deref(), yes: args.yes, terminal, reset: args.reset };
            run::run(session, &chosen(session, args.sync.as_deref())?, options).await?
        }
        Command::Resolve(args) => {
            let decision = resolve::Decision {
                record: RecordId::new(args.record.as_str()),
                field: args.field.as_deref().map(FieldName::from),
                take: args.take.map(|word| match word {
                    SideWord::Left => Side::Left,
                    SideWord::Right => Side::Right,
                }),
            };
            resolve::resolve(session, &one(session, &args.sync)?, &decision).await?
        }
        Command::Undo(args) => {
            let run = run_id(&args.run)?;
            let record = syncline_runner::run_record(session.context.store.as_ref(), run).await.map_err(failed)?;
            let record = record.ok_or_else(|| failed(Failure::Request(format!("there is no run {}", run.0))))?;
            let sync = one(session, record.sync.as_str())?;
            if args.plan {
                return Ok(undo::plan(session, &sync, run).await?);
            }
            if !args.yes {
                let Some(terminal) = terminal else { return Err(nobody("syncline undo RUN --plan")) };
                eprint!("{}", undo::plan(session, &sync, run).await?.text);
                if !terminal.agrees("take this back?")? {
                    return Ok(Output::ok("nothing was written\n", json!({ "written": false })));
                }
            }
            undo::undo(session, &sync, run).await?
        }
        Command::Status(_)
        | Command::Records(_)
        | Command::Explain(_)
        | Command::Conflicts(_)
        | Command::History(_)
        | Command::Show(_)
        | Command::Errors(_)
        | Command::Init(_)
        | Command::Serve
        | Command::Plugin(_) => {
            return Err(CommandError::Usage("this command works by itself".to_owned()));
        }
    })
}

/// Says that a question cannot be asked, and what to do instead.
pub fn nobody(look: &str) -> CommandError {
    CommandError::Usage(format!("nobody can be asked whether that is right; look at `{look}`, then add --yes"))
}

fn failed(failure: Failure) -> CommandError {
    SessionError::from(failure).into()
}

fn chosen(session: &Session, name: Option<&str>) -> Result<Vec<SyncConfig>, CommandError> {
    let name = name.map(SyncName::from);
    let syncs = session.chosen(name.as_ref())?;
    if syncs.is_empty() {
        return Err(CommandError::Usage("there is no active sync; add one to the configuration".to_owned()));
    }
    Ok(syncs)
}

fn one(session: &Session, name: &str) -> Result<SyncConfig, CommandError> {
    let mut syncs = session.chosen(Some(&SyncName::from(name)))?;
    syncs.pop().ok_or_else(|| CommandError::Usage(format!("there is no sync `{name}`")))
}

/// Reads the number of a run.
pub fn run_id(text: &str) -> Result<RunId, CommandError> {
    let number = text.trim_start_matches("run").trim().parse();
    number.map(RunId).map_err(|_| CommandError::Usage(format!("`{text}` is no run; `syncline history` lists them")))
}
