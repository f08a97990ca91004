//! Says which function does which command, for those that need a session.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use syncline_core::{FieldName, Lane, PairId, RecordId, RunId, Side, SyncName};
use syncline_runner::report::Asked;
use syncline_runner::{Answer, Failure, Listener, Remedy, RunRecord, Undo};

use super::plan::saved;
use super::{CommandError, check, notices, plan, remedy, resolve, run, undo};
use crate::args::{Command, ResolveArgs, RunArgs, SideWord, UndoArgs};
use crate::config::Sync as SyncConfig;
use crate::output::Output;
use crate::render::View;
use crate::render::text::plain;
use crate::session::Session;
use crate::terminal::{Terminal, tell};

/// Where a person or a log sits.
pub trait Seat: Send + Sync {
    /// Returns what shows how runs are getting on.
    fn listener(&self) -> Arc<dyn Listener>;
}

/// Who is asked whether a plan is right.
#[derive(Clone, Debug)]
pub enum Asks {
    /// Whoever sits there, if somebody does.
    Here(Option<Terminal>),
    /// Somebody at another process, who has agreed to these plans, if to any.
    Elsewhere(Option<run::Agreed>),
}

impl Asks {
    fn terminal(&self) -> Option<Terminal> {
        match self {
            Asks::Here(terminal) => *terminal,
            Asks::Elsewhere(_) => None,
        }
    }
}

impl Command {
    /// True for commands that reach the applications.
    pub fn reaches_out(&self) -> bool {
        match self {
            Command::Check(_) | Command::Plan(_) | Command::Run(_) | Command::Resolve(_) | Command::Undo(_) => true,
            Command::Init(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::Store(_)
            | Command::Serve
            | Command::Status(_)
            | Command::Records(_)
            | Command::Explain(_)
            | Command::Conflicts(_)
            | Command::Hint(_)
            | Command::History(_)
            | Command::Show(_)
            | Command::Errors(_)
            | Command::Plugin(_) => false,
        }
    }
}

/// Does a command; relative paths in it start at `folder`, `asks` says where questions go, and `view` for whom the answer is.
pub async fn perform(
    command: &Command,
    session: &Session,
    folder: &Path,
    asks: Asks,
    view: View,
) -> Result<Output, CommandError> {
    if command.reaches_out() {
        session.check_secrets()?;
    }
    notices::note_failure(session, carry_out(command, session, folder, asks, view).await).await
}

async fn carry_out(
    command: &Command,
    session: &Session,
    folder: &Path,
    asks: Asks,
    view: View,
) -> Result<Output, CommandError> {
    let terminal = asks.terminal();
    match command {
        Command::Check(args) => check::check(session, args, view.paint()).await,
        Command::Plan(args) => {
            let out = args.out.as_deref().map(|path| folder.join(path));
            let syncs = chosen(session, args.sync.as_deref())?;
            no_draft(&syncs, "plan it")?;
            plan::plan(session, &syncs, args.all, view.json, out.as_deref()).await
        }
        Command::Run(args) => run_it(session, args, folder, asks).await,
        Command::Resolve(args) if let Some(what) = args.remedy() => remedy_it(session, args, what, terminal).await,
        Command::Resolve(args) => {
            let sync = one(session, &args.sync)?;
            no_draft(std::slice::from_ref(&sync), "decide")?;
            Ok(resolve::resolve(session, &sync, &decision(args)).await?)
        }
        Command::Undo(args) => undo_it(session, args, view.json, terminal).await,
        Command::Status(_)
        | Command::Records(_)
        | Command::Explain(_)
        | Command::Conflicts(_)
        | Command::Hint(_)
        | Command::History(_)
        | Command::Show(_)
        | Command::Errors(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Store(_)
        | Command::Init(_)
        | Command::Serve
        | Command::Plugin(_) => Err(CommandError::Usage("this command works by itself".to_owned())),
    }
}

async fn run_it(session: &Session, args: &RunArgs, folder: &Path, asks: Asks) -> Result<Output, CommandError> {
    let terminal = asks.terminal();
    let saved = args.plan.as_deref().map(|path| saved::load(&folder.join(path))).transpose()?;
    let syncs = match (&saved, &args.sync) {
        (Some(saved), Some(name)) if saved.sync.as_str() != name.as_str() => {
            let message =
                format!("the plan was made for the sync {}; name that one, or none", plain(saved.sync.as_str()));
            return Err(CommandError::Usage(message));
        }
        (Some(saved), _) => vec![one(session, saved.sync.as_str())?],
        (None, name) => chosen(session, name.as_deref())?,
    };
    no_draft(&syncs, "run it")?;
    let only = saved.map(|saved| saved.items);
    let answer = answer(args);
    if answer.is_some() && syncs.len() > 1 {
        let message = "a digest is that of one sync's plan; name it: `syncline run SYNC --approve DIGEST`";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let lane = if terminal.is_some() { Lane::Interactive } else { Lane::Incremental };
    let agreed = match asks {
        Asks::Elsewhere(agreed) => agreed,
        Asks::Here(_) => None,
    };
    let options = run::Options { only, answer, yes: args.yes, terminal, agreed, reset: args.reset, lane };
    run::run(session, &syncs, &options).await
}

/// Invariant: no record of a draft is read or written, whoever asks for it (F06). What a run did before its sync became
/// one can still be undone.
fn no_draft(syncs: &[SyncConfig], then: &str) -> Result<(), CommandError> {
    let Some(draft) = syncs.iter().find(|sync| !sync.active) else { return Ok(()) };
    let message = format!("the sync {} is a draft; write `active = true` into it, then {then}", draft.name());
    Err(CommandError::Usage(message))
}

/// What a person says about a plan; letters may be large or small.
fn answer(args: &RunArgs) -> Option<Answer> {
    let given = args.approve.as_ref().map(|digest| (digest, true));
    let (digest, is_yes) = given.or(args.reject.as_ref().map(|digest| (digest, false)))?;
    Some(Answer { digest: digest.trim().to_ascii_lowercase(), is_yes })
}

fn decision(args: &ResolveArgs) -> resolve::Decision {
    resolve::Decision {
        record: RecordId::new(args.record.as_str()),
        field: args.field.as_deref().map(FieldName::from),
        take: args.take.map(|word| match word {
            SideWord::Left => Side::Left,
            SideWord::Right => Side::Right,
        }),
    }
}

async fn undo_it(
    session: &Session,
    args: &UndoArgs,
    json: bool,
    terminal: Option<Terminal>,
) -> Result<Output, CommandError> {
    let run = run_id(&args.run)?;
    let record: Option<RunRecord> = syncline_runner::run_record(session.context.store.as_ref(), run).await?;
    let record = record.ok_or_else(|| no_run(run))?;
    let sync = one(session, record.sync.as_str())?;
    let undo = Undo {
        run,
        record: args.record.as_deref().map(RecordId::new),
        field: args.field.as_deref().map(FieldName::from),
    };
    if args.plan {
        return Ok(undo::plan(session, &sync, &undo, json).await?);
    }
    session.make_room().await?;
    if !args.yes {
        let Some(terminal) = terminal else { return Err(nobody("syncline undo RUN --plan")) };
        tell(&undo::plan(session, &sync, &undo, false).await?.text);
        if !terminal.agrees_unless(&session.context.stop, "take this back?").await? {
            return Ok(Output::ok("nothing was written\n", json!({ "written": false })));
        }
    }
    Ok(undo::undo(session, &sync, &undo, json).await?)
}

async fn remedy_it(
    session: &Session,
    args: &ResolveArgs,
    what: Remedy,
    terminal: Option<Terminal>,
) -> Result<Output, CommandError> {
    let sync = one(session, &args.sync)?;
    no_draft(std::slice::from_ref(&sync), "decide")?;
    let number = args.record.strip_prefix('#').and_then(|number| number.parse().ok());
    let asked =
        number.map_or_else(|| Asked::Record(RecordId::from(args.record.as_str())), |id| Asked::Pair(PairId(id)));
    if args.plan {
        return Ok(remedy::show(session, &sync, &asked, what).await?.1);
    }
    session.make_room().await?;
    if args.yes {
        return Ok(remedy::carry_out(session, &sync, &asked, what, None).await?);
    }
    let look =
        format!("syncline resolve {} '{}' {} --plan", plain(&args.sync), plain(&args.record), remedy::flag(what));
    let Some(terminal) = terminal else { return Err(nobody(&look)) };
    let (plan, shown) = remedy::show(session, &sync, &asked, what).await?;
    tell(&shown.text);
    if !terminal.agrees_unless(&session.context.stop, "do this?").await? {
        return Ok(Output::ok("nothing was written\n", json!({ "written": false })));
    }
    Ok(remedy::carry_out(session, &sync, &asked, what, Some(&plan)).await?)
}

/// Says that a question cannot be asked, and what to do instead.
pub fn nobody(look: &str) -> CommandError {
    CommandError::Usage(format!("nobody can be asked whether that is right; look at `{look}`, then add --yes"))
}

fn no_run(run: RunId) -> CommandError {
    Failure::Request(format!("there is no run {}; `syncline history` lists them", run.0)).into()
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
