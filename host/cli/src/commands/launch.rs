//! Starts a command: alone with the store, or through the process that holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use syncline_runner::{Listener, Stop, Store, StoreError, World};
use syncline_store::Engine;

use super::beside::{self, Request, Unanswered};
use super::perform::{Seat, perform};
use super::{CommandError, Exit, compact, hint, notices, reading, remedy, run, serve, transfer};
use crate::args::{Command, StoreCommand};
use crate::output::Output;
use crate::progress::Progress;
use crate::render::View;
use crate::session::{Folders, RealWorld, Session, SessionError, open_store};
use crate::terminal::{Terminal, print_json, print_text, tell, tell_line};

/// Runs a command that needs the store.
pub fn launch(command: &Command, folders: &Folders, terminal: Terminal) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| CommandError::Failed(format!("threads cannot be started: {error}")))?;
    let output = runtime.block_on(go(command, folders, terminal))?;
    match terminal.json {
        true => print_json(&output.json),
        false => print_text(&output.text),
    }
    Ok(output.exit)
}

async fn go(command: &Command, folders: &Folders, terminal: Terminal) -> Result<Output, CommandError> {
    let stop = Stop::default();
    let away = Arc::new(AtomicBool::new(false));
    listen_for_stop(stop.clone(), Arc::clone(&away));
    // A configuration that cannot be read is told before anything is made on the disk.
    let config = crate::config::load(&folders.config)?;
    let mut keeping = config.store.clone();
    match command {
        Command::Import(args) => return transfer::import(&config, folders, &args.file).await,
        Command::Store(StoreCommand::Compact) => return compact::compact(&config, folders),
        // The way from one engine to another begins with the one that is there.
        Command::Export(_) => {
            keeping.engine = Engine::of_folder(&folders.data.join("store"))?.unwrap_or(keeping.engine);
        }
        _ => {}
    }
    let store = match open_store(&folders.data, &keeping) {
        Ok(store) => store,
        Err(SessionError::Store { source: StoreError::Busy, .. }) => {
            return elsewhere(command, folders, terminal, &stop, &away).await;
        }
        Err(error) => return Err(error.into()),
    };
    let view = View { json: terminal.json, colour: terminal.colour, now: RealWorld.now(), serving: false };
    if let Some(output) = reading::read(command, store.as_ref(), &config, view).await {
        return output;
    }
    let progress = Arc::new(Progress::new(terminal.json));
    let output = match command {
        Command::Export(args) => transfer::export(store.as_ref(), &args.file).await,
        Command::Hint(args) => hint::hint(store.as_ref(), &config, args, false).await.map(|taken| taken.output),
        Command::Serve => serve::serve(folders, Arc::clone(&store), stop, Arc::new(Desk(Arc::clone(&progress)))).await,
        _ => {
            let listener: Arc<dyn Listener> = progress.clone();
            let session = Session::on(folders, Arc::clone(&store), listener, stop)?;
            let here = std::env::current_dir()?;
            let output = perform(command, &session, &here, terminal.can_ask.then_some(terminal), view).await;
            progress.clear();
            notices::once(&session).await;
            output
        }
    };
    progress.clear();
    let closed = store.close().await;
    let output = output?;
    closed.map_err(|source| SessionError::Store { path: folders.data.display().to_string(), source })?;
    Ok(output)
}

/// One terminal for everything that a process shows.
struct Desk(Arc<Progress>);

impl Seat for Desk {
    fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.0) as Arc<dyn Listener>
    }
}

/// The first Ctrl-C stops between two batches, the second at once; neither loses anything. What is done elsewhere goes
/// on there.
fn listen_for_stop(stop: Stop, away: Arc<AtomicBool>) {
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        loop {
            let terminated = async {
                match &mut terminate {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                asked = tokio::signal::ctrl_c() => if asked.is_err() { return },
                () = terminated => {}
            }
            if away.load(Ordering::Relaxed) {
                tell_line("not waiting any more; what was begun goes on in `syncline serve`, see `syncline history`");
                std::process::exit(130);
            }
            if stop.is_asked() {
                tell_line("stopped at once; the next run takes up what was under way");
                std::process::exit(130);
            }
            tell_line("stopping after this batch; once more stops at once");
            stop.ask();
        }
    });
}

/// Asks the process that holds the store to do it.
async fn elsewhere(
    command: &Command,
    folders: &Folders,
    terminal: Terminal,
    stop: &Stop,
    away: &AtomicBool,
) -> Result<Output, CommandError> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if terminal.can_ask
        && let Some(question) = question(command)
    {
        let asked = match question {
            Question::Plain(question) => question,
            Question::After(words) => {
                let plan = ask(folders, words, terminal, away).await?;
                tell(&plan.text);
                "write this?".to_owned()
            }
        };
        if !terminal.agrees_unless(stop, &asked).await? {
            return Ok(Output::ok("nothing was written\n", json!({ "written": false })));
        }
        arguments.push("--yes".to_owned());
    }
    ask(folders, arguments, terminal, away).await
}

/// What is asked here, since the other process can ask nobody.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// Just this.
    Plain(String),
    /// Whether what this command line shows is right.
    After(Vec<String>),
}

fn question(command: &Command) -> Option<Question> {
    match command {
        // What would be forgotten says nothing about what would be written then.
        Command::Run(args) if args.reset && !args.yes => {
            Some(Question::Plain(run::reset_question(args.sync.as_deref().unwrap_or_default())))
        }
        Command::Run(args) if !args.yes && args.plan.is_none() => {
            Some(Question::After(std::iter::once("plan".to_owned()).chain(args.sync.clone()).collect()))
        }
        Command::Undo(args) if !args.yes && !args.plan => {
            Some(Question::After(vec!["undo".to_owned(), args.run.clone(), "--plan".to_owned()]))
        }
        Command::Resolve(args) if !args.yes && !args.plan => args.remedy().map(|remedy| {
            let words = ["resolve", &args.sync, &args.record, remedy::flag(remedy), "--plan"];
            Question::After(words.map(str::to_owned).to_vec())
        }),
        _ => None,
    }
}

async fn ask(
    folders: &Folders,
    arguments: Vec<String>,
    terminal: Terminal,
    away: &AtomicBool,
) -> Result<Output, CommandError> {
    let config = folders.config.canonicalize()?;
    let request = Request { arguments, folder: std::env::current_dir()?, config, colour: terminal.colour };
    away.store(true, Ordering::Relaxed);
    let answer = beside::ask(&folders.data, &request).await;
    away.store(false, Ordering::Relaxed);
    match answer {
        Ok(response) if response.is_error => Err(CommandError::Elsewhere { text: response.text, exit: response.exit }),
        Ok(response) => Ok(response.into_output()),
        Err(Unanswered::NotThere(_)) => Err(CommandError::Failed(format!(
            "another syncline process is using {}; wait until it has ended, or start `syncline serve` so that commands \
             work beside each other",
            folders.data.display()
        ))),
        Err(Unanswered::Lost(_)) => Err(CommandError::Failed(
            "`syncline serve` took the command and ended before it answered; see `syncline history` for what was done"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn what_is_asked_before_a_command_goes_elsewhere() {
        let after = |words: &[&str]| Some(Question::After(words.iter().map(|word| (*word).to_owned()).collect()));
        let cases = [
            ("run", after(&["plan"])),
            ("run people", after(&["plan", "people"])),
            ("run --yes", None),
            ("run people --reset", Some(Question::Plain(run::reset_question("people")))),
            ("run people --reset --yes", None),
            ("undo 3", after(&["undo", "3", "--plan"])),
            ("undo 3 --plan", None),
            ("resolve people 7 --delete", after(&["resolve", "people", "7", "--delete", "--plan"])),
            ("resolve people 7 --recreate --yes", None),
            ("resolve people 7 --take left", None),
            ("status", None),
        ];
        for (line, expected) in cases {
            let words = std::iter::once("syncline").chain(line.split(' '));
            let args = Args::try_parse_from(words).expect(line);
            assert_eq!(question(&args.command), expected, "{line}");
        }
    }
}
