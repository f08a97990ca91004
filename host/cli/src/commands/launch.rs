//! Starts a command: alone with the store, or through the process that holds it.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use syncline_core::{PlanDigest, SyncName};
use syncline_runner::{Listener, Stop, Store, StoreError, World};
use syncline_store::Engine;

use super::beside::{self, Request, Unanswered};
use super::perform::{Asks, Seat, perform};
use super::run::Agreed;
use super::{CommandError, Exit, compact, hint, notices, reading, remedy, run, serve, transfer};
use crate::args::{Command, StoreCommand};
use crate::output::Output;
use crate::progress::Progress;
use crate::render::View;
use crate::render::text::plain;
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
    let place = Arc::new(Place::of(command));
    listen_for_stop(stop.clone(), Arc::clone(&place));
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
            return elsewhere(command, folders, terminal, &stop, &place).await;
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
            let output =
                perform(command, &session, &here, Asks::Here(terminal.can_ask.then_some(terminal)), view).await;
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

/// Where the work of a command is done now.
struct Place(Mutex<At>);

/// What a Ctrl-C can do about the work.
#[derive(Clone, Copy)]
enum At {
    /// Here, batch by batch.
    Batches,
    /// Here, as one piece.
    OnePiece,
    /// In `serve`.
    Elsewhere,
}

impl Place {
    fn of(command: &Command) -> Place {
        let is_whole = matches!(command, Command::Import(_) | Command::Export(_) | Command::Store(_));
        Place(Mutex::new(if is_whole { At::OnePiece } else { At::Batches }))
    }

    /// Notes where the work is done from now on, and returns where it was.
    fn go(&self, at: At) -> At {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), at)
    }

    /// Returns what is said to a Ctrl-C, and whether it ends this process; `again` says that it is not the first.
    fn interrupted(&self, again: bool) -> (&'static str, bool) {
        match (*self.0.lock().unwrap_or_else(PoisonError::into_inner), again) {
            (At::Elsewhere, _) => {
                ("not waiting any more; what was begun goes on in `syncline serve`, see `syncline history`", true)
            }
            (At::Batches, false) => ("stopping after this batch; once more stops at once", false),
            (At::Batches, true) => ("stopped at once; the next run takes up what was under way", true),
            (At::OnePiece, false) => ("this is done as one piece and goes on; once more stops at once", false),
            (At::OnePiece, true) => ("stopped at once; nothing is lost, begin it again", true),
        }
    }
}

/// The first Ctrl-C stops between two batches, the second at once; neither loses anything. What is done elsewhere goes
/// on there.
fn listen_for_stop(stop: Stop, place: Arc<Place>) {
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
            let (words, ends) = place.interrupted(stop.is_asked());
            tell_line(words);
            if ends {
                std::process::exit(130);
            }
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
    place: &Place,
) -> Result<Output, CommandError> {
    let mut arguments = handed_over(std::env::args_os().skip(1))?;
    let Some(question) = question(command).filter(|_| terminal.can_ask) else {
        return ask(folders, arguments, None, terminal, place).await;
    };
    let nothing = || Output::ok("nothing was written\n", json!({ "written": false }));
    if let Some(forget) = question.forget {
        if !terminal.agrees_unless(stop, &forget).await? {
            return Ok(nothing());
        }
        // What comes of it can be shown only when it is forgotten.
        ask(folders, agreed(arguments.clone()), Some(Agreed::new()), terminal, place).await?;
        arguments.retain(|argument| argument != "--reset");
    }
    let plan = ask(folders, question.look, None, terminal, place).await?;
    let plans = matches!(command, Command::Run(_)).then(|| Plans::of(&plan.json));
    if plans.as_ref().is_some_and(|plans| plans.digests.is_empty()) {
        return Ok(plan);
    }
    tell(&plan.text);
    let is_empty = plans.as_ref().is_some_and(|plans| plans.is_empty);
    if !is_empty && !terminal.agrees_unless(stop, "write this?").await? {
        return Ok(nothing());
    }
    ask(folders, agreed(arguments), plans.map(|plans| plans.digests), terminal, place).await
}

/// What `syncline plan` showed.
#[derive(Debug, PartialEq, Eq)]
struct Plans {
    /// Of each sync whose plan could be made.
    digests: Agreed,
    /// True if nothing would be written.
    is_empty: bool,
}

impl Plans {
    fn of(json: &Value) -> Plans {
        let nothing = PlanDigest::default().to_string();
        let mut plans = Plans { digests: Agreed::new(), is_empty: true };
        for plan in json["plans"].as_array().into_iter().flatten() {
            if let (Some(sync), Some(digest)) = (plan["sync"].as_str(), plan["guarded"]["digest"].as_str()) {
                plans.digests.insert(SyncName::from(sync), digest.to_owned());
                plans.is_empty &= digest == nothing;
            }
        }
        plans
    }
}

/// Returns the command line for the other process.
fn handed_over(arguments: impl Iterator<Item = OsString>) -> Result<Vec<String>, CommandError> {
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| {
            CommandError::Usage(format!(
                "{} is no UTF-8, and cannot be handed over to `syncline serve`; stop that, or use other words",
                plain(&argument.to_string_lossy())
            ))
        })
    };
    arguments.map(text).collect()
}

/// Adds the yes that was said; behind `--` it would be a name.
fn agreed(mut arguments: Vec<String>) -> Vec<String> {
    let place = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    arguments.insert(place, "--yes".to_owned());
    arguments
}

/// What is asked here, since the other process can ask nobody.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// Whether this may be forgotten first.
    forget: Option<String>,
    /// The command line that shows what is right or not.
    look: Vec<String>,
}

fn question(command: &Command) -> Option<Question> {
    let look = |words: Vec<String>| Some(Question { forget: None, look: words });
    match command {
        Command::Run(args) if !args.yes && args.plan.is_none() => Some(Question {
            forget: args.reset.then(|| run::reset_question(args.sync.as_deref().unwrap_or_default())),
            look: std::iter::once("plan".to_owned()).chain(args.sync.clone()).collect(),
        }),
        Command::Undo(args) if !args.yes && !args.plan => {
            look(vec!["undo".to_owned(), args.run.clone(), "--plan".to_owned()])
        }
        Command::Resolve(args) if !args.yes && !args.plan => args.remedy().and_then(|remedy| {
            let words = ["resolve", &args.sync, &args.record, remedy::flag(remedy), "--plan"];
            look(words.map(str::to_owned).to_vec())
        }),
        _ => None,
    }
}

async fn ask(
    folders: &Folders,
    arguments: Vec<String>,
    agreed: Option<Agreed>,
    terminal: Terminal,
    place: &Place,
) -> Result<Output, CommandError> {
    let config = folders.config.canonicalize()?;
    let request = Request { arguments, folder: std::env::current_dir()?, config, agreed, colour: terminal.colour };
    let before = place.go(At::Elsewhere);
    let answer = beside::ask(&folders.data, &request).await;
    place.go(before);
    match answer {
        Ok(response) if response.is_error => Err(CommandError::Elsewhere { text: response.text, exit: response.exit }),
        Ok(response) => Ok(response.into_output()),
        Err(Unanswered::NotThere(_)) => Err(CommandError::Failed(format!(
            "another syncline process is using {}; wait until it has ended, or start `syncline serve` so that commands \
             work beside each other",
            folders.data.display()
        ))),
        Err(Unanswered::TooLong) => Err(CommandError::Failed(
            "`syncline serve` did it, and its answer is too long to be handed over; ask for less, such as one sync or \
             without `--all` and `--json`, or stop `syncline serve` and ask again"
                .to_owned(),
        )),
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
    fn an_interrupt_says_what_it_does() {
        let cases = [
            ("run --yes", "stopping after this batch"),
            ("serve", "stopping after this batch"),
            ("export state", "goes on"),
            ("import state", "goes on"),
            ("store compact", "goes on"),
        ];
        for (line, expected) in cases {
            let words = std::iter::once("syncline").chain(line.split(' '));
            let place = Place::of(&Args::try_parse_from(words).expect(line).command);
            let (words, ends) = place.interrupted(false);
            assert!(words.contains(expected) && !ends, "{line}: {words}");
            assert!(place.interrupted(true).1, "{line}");
            let before = place.go(At::Elsewhere);
            assert!(place.interrupted(false).1, "{line}");
            place.go(before);
            assert!(!place.interrupted(false).1, "{line}");
        }
    }

    #[test]
    fn a_yes_is_about_the_plans_that_could_be_shown() {
        let nothing = PlanDigest::default().to_string();
        let plan = |sync: &str, digest: &str| json!({ "sync": sync, "guarded": { "digest": digest } });
        let failed = json!({ "sync": "companies", "error": "no connection" });
        let of = |plans: &[Value]| {
            let Plans { digests, is_empty } = Plans::of(&json!({ "plans": plans }));
            (digests.into_iter().map(|(sync, digest)| format!("{sync} {digest}")).collect::<Vec<_>>(), is_empty)
        };
        assert_eq!(of(&[plan("people", "ab"), failed.clone()]), (vec!["people ab".to_owned()], false));
        assert_eq!(of(&[plan("people", &nothing)]), (vec![format!("people {nothing}")], true));
        assert_eq!(of(&[failed]), (vec![], true));
    }

    #[test]
    fn what_is_handed_over_is_text_and_the_yes_is_no_name() {
        use std::os::unix::ffi::OsStringExt;
        let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(agreed(line(&["run", "people"])), line(&["run", "people", "--yes"]));
        assert_eq!(agreed(line(&["run", "--", "people"])), line(&["run", "--yes", "--", "people"]));
        assert_eq!(handed_over(["run".into()].into_iter()).expect("text"), line(&["run"]));
        let odd = OsString::from_vec(b"peo\xffple".to_vec());
        let refused = handed_over([odd].into_iter()).expect_err("no text");
        assert_eq!(refused.exit(), Exit::Usage);
        assert!(refused.to_string().contains("serve"), "{refused}");
    }

    #[test]
    fn what_is_asked_before_a_command_goes_elsewhere() {
        let after = |words: &[&str]| {
            Some(Question { forget: None, look: words.iter().map(|word| (*word).to_owned()).collect() })
        };
        let reset =
            Question { forget: Some(run::reset_question("people")), look: vec!["plan".into(), "people".into()] };
        let cases = [
            ("run", after(&["plan"])),
            ("run people", after(&["plan", "people"])),
            ("run --yes", None),
            ("run people --reset", Some(reset)),
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
