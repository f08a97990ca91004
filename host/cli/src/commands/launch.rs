//! Starts a command: alone with the store, or through the process that holds it.

use std::sync::Arc;

use syncline_runner::{Listener, Stop, Store, StoreError, World};

use super::beside::{self, Request};
use super::perform::{Seat, perform};
use super::{CommandError, Exit, reading, serve};
use crate::args::Command;
use crate::output::Output;
use crate::progress::Progress;
use crate::render::View;
use crate::session::{Folders, RealWorld, Session, SessionError, open_store};
use crate::terminal::{Terminal, print_json, print_text};

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
    listen_for_stop(stop.clone());
    // A configuration that cannot be read is told before anything is made on the disk.
    let config = crate::config::load(&folders.config)?;
    let store = match open_store(&folders.data) {
        Ok(store) => store,
        Err(SessionError::Store { source: StoreError::Busy, .. }) => {
            return elsewhere(command, folders, terminal).await;
        }
        Err(error) => return Err(error.into()),
    };
    let view = View { json: terminal.json, colour: terminal.colour, now: RealWorld.now(), serving: false };
    if let Some(output) = reading::read(command, store.as_ref(), &config, view).await {
        return output;
    }
    let progress = Arc::new(Progress::new(terminal.json));
    let output = match command {
        Command::Serve => serve::serve(folders, Arc::clone(&store), stop, Arc::new(Desk(Arc::clone(&progress)))).await,
        _ => {
            let listener: Arc<dyn Listener> = progress.clone();
            let session = Session::on(folders, Arc::clone(&store), listener, stop)?;
            let here = std::env::current_dir()?;
            perform(command, &session, &here, terminal.can_ask.then_some(terminal)).await
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

/// The first Ctrl-C stops between two batches, the second at once; neither loses anything.
fn listen_for_stop(stop: Stop) {
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
            if stop.is_asked() {
                eprintln!("stopped at once; the next run takes up what was under way");
                std::process::exit(130);
            }
            eprintln!("stopping after this batch; once more stops at once");
            stop.ask();
        }
    });
}

/// Asks the process that holds the store to do it.
async fn elsewhere(command: &Command, folders: &Folders, terminal: Terminal) -> Result<Output, CommandError> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // The other process can ask nobody, so what it would do is shown and agreed to here.
    let shows = match command {
        Command::Run(args) if !args.yes && args.plan.is_none() => Some(("plan", args.sync.clone(), None)),
        Command::Undo(args) if !args.yes && !args.plan => Some(("undo", Some(args.run.clone()), Some("--plan"))),
        _ => None,
    };
    if let Some((verb, name, flag)) = shows.filter(|_| terminal.can_ask) {
        let words = [Some(verb.to_owned()), name, flag.map(str::to_owned)];
        let plan = ask(folders, words.into_iter().flatten().collect(), terminal).await?;
        eprint!("{}", plan.text);
        if !terminal.agrees("write this?")? {
            return Ok(Output { text: "nothing was written\n".to_owned(), ..plan });
        }
        arguments.push("--yes".to_owned());
    }
    ask(folders, arguments, terminal).await
}

async fn ask(folders: &Folders, arguments: Vec<String>, terminal: Terminal) -> Result<Output, CommandError> {
    let request = Request { arguments, folder: std::env::current_dir()?, colour: terminal.colour };
    match beside::ask(&folders.data, &request).await {
        Ok(response) if response.is_error => Err(CommandError::Elsewhere { text: response.text, exit: response.exit }),
        Ok(response) => Ok(response.into_output()),
        Err(_) => Err(CommandError::Failed(format!(
            "another syncline process is using {}; wait until it has ended, or start `syncline serve` so that commands \
             work beside each other",
            folders.data.display()
        ))),
    }
}
