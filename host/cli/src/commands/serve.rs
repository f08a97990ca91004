//! `syncline serve`: runs every active sync on its schedule, and does the work of other commands beside it.

mod timetable;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use syncline_core::{Instant, Lane, SyncName};
use syncline_runner::{Stop, World};
use syncline_store::DiskStore;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, Notify};
use tokio::task::{JoinSet, LocalSet};

use self::timetable::Timetable;
use super::beside::{self, Response};
use super::perform::{Asks, Seat, perform};
use super::{CommandError, Exit, hint, notices, reading, run, sentence, transfer};
use crate::args::{Args, Command};
use crate::output::Output;
use crate::render::View;
use crate::session::{Folders, RealWorld, Session, SessionError};
use crate::terminal::{tell, tell_line};

/// How often the configuration is looked at when nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A pause before the next connection is accepted when there are no file handles left.
const NO_HANDLES_PAUSE: Duration = Duration::from_millis(100);

/// How long hints are waited for once there is one.
const HINTS_GATHER: Duration = Duration::from_secs(1);

/// How long whoever asked may take to read the answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// One process that holds the store.
struct Server {
    folders: Folders,
    store: Arc<DiskStore>,
    stop: Stop,
    seat: Arc<dyn Seat>,
    /// One command at a time reaches the applications.
    turn: Mutex<()>,
    /// The syncs whose applications said that something has changed.
    hinted: Mutex<BTreeSet<SyncName>>,
    told: Notify,
    /// Something has ended that may have left notices.
    ended: Notify,
    session: Mutex<Option<(std::time::SystemTime, Arc<Session>)>>,
}

/// Serves until it is told to stop.
pub async fn serve(
    folders: &Folders,
    store: Arc<DiskStore>,
    stop: Stop,
    seat: Arc<dyn Seat>,
) -> Result<Output, CommandError> {
    let server = Arc::new(Server {
        folders: folders.clone(),
        store,
        stop: stop.clone(),
        seat,
        turn: Mutex::new(()),
        hinted: Mutex::default(),
        told: Notify::new(),
        ended: Notify::new(),
        session: Mutex::new(None),
    });
    // What is wrong at the start is said at the start.
    server.session().await?.check_secrets()?;
    let listener = beside::listen(&folders.data).map_err(|source| unheard(&folders.data, source))?;
    if !server.session().await?.config.syncs.iter().any(|sync| sync.active && sync.schedule.is_some()) {
        tell_line("nothing runs by itself: no active sync has a `schedule`");
    }
    tell_line("serving; other commands work beside this one. Ctrl-C stops it.");
    // Everything stays on this thread: a run and the answers beside it take turns at each wait.
    let tasks = LocalSet::new();
    let accepting = Arc::clone(&server);
    let serving = async {
        let answering = tokio::task::spawn_local(accepting.answer_all(listener));
        let delivering = tokio::task::spawn_local(Arc::clone(&server).keep_delivering());
        server.keep_running().await;
        drop(delivering.await);
        // Answers go on only while this task is polled: whoever waits for one must not wait for ever.
        drop(answering.await);
    };
    tasks.run_until(serving).await;
    // The next process removes it anyway.
    drop(std::fs::remove_file(beside::socket(&folders.data)));
    Ok(Output::ok("stopped\n", json!({ "stopped": true })))
}

fn unheard(data: &Path, source: std::io::Error) -> CommandError {
    let path = beside::socket(data).display().to_string();
    match source.kind() {
        // What the system takes is about a hundred bytes.
        ErrorKind::InvalidInput => CommandError::Failed(format!(
            "{path} is too long a path for a socket; name a shorter data folder, or a link to this one, with `--data DIR`"
        )),
        _ => CommandError::Write { path, source },
    }
}

/// Returns what waits after a run: all of it for a budget or a person, or deletes that nobody has approved yet.
fn waits(output: &Output) -> Option<String> {
    let run = &output.json["runs"][0];
    let what = if output.exit == Exit::Waiting { &run["record"]["outcome"] } else { &run["guarded"]["waiting"] };
    (!what.is_null()).then(|| what.to_string())
}

/// True if a run needs a line in the log: a quiet one needs none, and that the same waits as before is no news.
fn is_news(output: &Output, before: Option<&str>, waits: Option<&str>) -> bool {
    let is_quiet = output.exit == Exit::Waiting || output.exit == Exit::Ok && !wrote(output);
    !is_quiet || waits.is_some() && waits != before
}

/// True if a run wrote anything.
fn wrote(output: &Output) -> bool {
    let changed =
        |run: &serde_json::Value| run["record"]["tally"]["changed"].as_u64().is_some_and(|changed| changed > 0);
    output.json["runs"].as_array().is_some_and(|runs| runs.iter().any(changed))
}

impl Server {
    /// Returns the session of the configuration as it is now; an unchanged file keeps its connections.
    async fn session(&self) -> Result<Arc<Session>, SessionError> {
        let mut held = self.session.lock().await;
        let modified = std::fs::metadata(&self.folders.config).and_then(|file| file.modified());
        if let (Some((at, session)), Ok(modified)) = (held.as_ref(), &modified)
            && at == modified
        {
            return Ok(Arc::clone(session));
        }
        let listener = self.seat.listener();
        let session = Arc::new(Session::on(&self.folders, Arc::clone(&self.store), listener, self.stop.clone())?);
        *held = modified.ok().map(|modified| (modified, Arc::clone(&session)));
        Ok(session)
    }

    /// Runs syncs as they come due, until it is told to stop.
    async fn keep_running(&self) {
        let mut next = Timetable::default();
        let mut said: BTreeMap<SyncName, String> = BTreeMap::new();
        while !self.stop.is_asked() {
            let wait = self.run_due(&mut next, &mut said).await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Hints come in swarms: one run is to see as many as it can.
                () = async { self.told.notified().await; tokio::time::sleep(HINTS_GATHER).await } => {}
                () = self.stop.asked() => {}
            }
        }
    }

    /// Delivers notices as they come, and again where nobody took them. No run waits for it.
    async fn keep_delivering(self: Arc<Self>) {
        while !self.stop.is_asked() {
            let round = async {
                match self.session().await {
                    Ok(session) => notices::round(&session).await,
                    Err(_) => None,
                }
            };
            // What is cut off here is delivered by the next process.
            let next = tokio::select! {
                next = round => next,
                () = self.stop.asked() => break,
            };
            let wait_ms = next.map_or(Instant::MAX, |at| (at - RealWorld.now()).max(0));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs()).min(LOOK_EVERY)) => {}
                () = self.ended.notified() => {}
                () = self.stop.asked() => {}
            }
        }
    }

    /// Runs what is due, and returns how long nothing else is.
    async fn run_due(&self, next: &mut Timetable, said: &mut BTreeMap<SyncName, String>) -> Duration {
        let session = match self.session().await {
            Ok(session) => session,
            Err(error) => {
                tell_line(format_args!("the configuration cannot be used: {}", sentence(&error)));
                return LOOK_EVERY;
            }
        };
        let mut wait_ms = i64::try_from(LOOK_EVERY.as_millis()).unwrap_or(i64::MAX);
        next.keep(&session.config.syncs);
        for sync in session.config.syncs.iter().filter(|sync| sync.active) {
            let Some(schedule) = &sync.schedule else { continue };
            let now = RealWorld.now();
            let mut due = next.due(sync.name(), schedule, now);
            let is_hinted = self.hinted.lock().await.remove(sync.name());
            if is_hinted || due.is_some_and(|at| at <= now) {
                due = next.begin(sync.name(), schedule, now);
                let _turn = self.turn.lock().await;
                if self.stop.is_asked() {
                    break;
                }
                let lane = if is_hinted { Lane::Webhook } else { Lane::Incremental };
                let options = run::Options {
                    only: None,
                    answer: None,
                    yes: true,
                    terminal: None,
                    agreed: None,
                    reset: false,
                    lane,
                };
                let ran = run::run(&session, std::slice::from_ref(sync), &options).await;
                self.ended.notify_one();
                match ran {
                    Ok(output) => {
                        let before = said.remove(sync.name());
                        let waits = waits(&output);
                        if is_news(&output, before.as_deref(), waits.as_deref()) {
                            tell(&output.text);
                        }
                        said.extend(waits.map(|waits| (sync.name().clone(), waits)));
                    }
                    Err(error) => tell_line(format_args!("{}: {}", sync.name(), sentence(&error))),
                }
            }
            wait_ms = due.map_or(wait_ms, |at| wait_ms.min((at - RealWorld.now()).max(0)));
            if self.stop.is_asked() {
                break;
            }
        }
        Duration::from_millis(wait_ms.unsigned_abs())
    }

    /// Answers until it is told to stop, and then what was asked before.
    async fn answer_all(self: Arc<Self>, listener: UnixListener) {
        let mut answers = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(answers.spawn_local(Arc::clone(&self).answer(stream))),
                    // Out of file handles, say: those that are in use now come back.
                    Err(_) => tokio::time::sleep(NO_HANDLES_PAUSE).await,
                },
                Some(_) = answers.join_next(), if !answers.is_empty() => {}
                () = self.stop.asked() => break,
            }
        }
        while answers.join_next().await.is_some() {}
    }

    /// Does the work of a command that another process asks for.
    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let request = tokio::select! {
            request = beside::receive_request(&mut stream) => request,
            () = self.stop.asked() => return,
        };
        let Ok(request) = request else { return };
        let response = match self.carry_out(&request).await {
            Ok(output) => Response { text: output.text, json: output.json, exit: output.exit.code(), is_error: false },
            Err(error) => Response {
                text: sentence(&error),
                json: json!({ "error": sentence(&error) }),
                exit: error.exit().code(),
                is_error: true,
            },
        };
        // Whoever asked may have gone away, or not read.
        drop(tokio::time::timeout(ANSWER_MAX, beside::send(&mut stream, &response)).await);
    }

    /// A command for another configuration would be done with this one.
    fn same_config(&self, asked: &Path) -> Result<(), CommandError> {
        let served = self.folders.config.canonicalize()?;
        if served == asked {
            return Ok(());
        }
        Err(CommandError::Usage(format!(
            "`syncline serve` uses this data folder with {}, and this command names {}; stop it, or use another folder \
             with `--data DIR`",
            served.display(),
            asked.display()
        )))
    }

    async fn carry_out(&self, request: &beside::Request) -> Result<Output, CommandError> {
        let program = std::iter::once("syncline".to_owned());
        let parsed = Args::try_parse_from(program.chain(request.arguments.iter().cloned()));
        let args = parsed.map_err(|error| {
            let text = error.to_string();
            CommandError::Usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned())
        })?;
        if matches!(args.command, Command::Serve) {
            return Err(CommandError::Failed("`syncline serve` is running already".to_owned()));
        }
        self.same_config(&request.config)?;
        let config = crate::config::load(&self.folders.config)?;
        let view = View { json: args.global.json, colour: request.colour, now: RealWorld.now(), serving: true };
        if let Some(output) = reading::read(&args.command, self.store.as_ref(), &config, view).await {
            return output;
        }
        if let Command::Export(export) = &args.command {
            let _turn = self.turn.lock().await;
            return transfer::export(self.store.as_ref(), &request.folder.join(&export.file)).await;
        }
        if let Command::Hint(args) = &args.command {
            let taken = hint::hint(self.store.as_ref(), &config, args, true).await?;
            self.hinted.lock().await.extend(taken.syncs);
            self.told.notify_one();
            return Ok(taken.output);
        }
        let session = self.session().await?;
        let _turn = if args.command.reaches_out() { Some(self.turn.lock().await) } else { None };
        let output =
            perform(&args.command, &session, &request.folder, Asks::Elsewhere(request.agreed.clone()), view).await;
        self.ended.notify_one();
        output
    }
}
