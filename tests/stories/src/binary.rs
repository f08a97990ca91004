//! The `syncline` binary: where it is, and how it ends.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use pty_process::blocking::Pts;
use serde_json::Value;

/// How long a command may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A pause between two looks at a process.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = target().join("debug/syncline");
    if !path.exists() {
        cargo(&["build", "-p", "syncline-cli"]);
    }
    path
});

static COMPONENTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = target().join("plugins/components");
    let all = ["carddav.wasm", "hubspot.wasm", "normalize-phone.wasm"];
    if !all.iter().all(|name| path.join(name).exists()) {
        cargo(&["xtask", "plugins"]);
    }
    path
});

/// The folder of what is built.
fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn cargo(arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(arguments).current_dir(target().join("..")).status().expect("cargo runs");
    assert!(status.success(), "cargo {} failed", arguments.join(" "));
}

/// The folder with the components that are shipped.
pub(crate) fn components() -> &'static Path {
    &COMPONENTS
}

/// The binary, with nothing of this process's own settings.
pub(crate) fn command() -> Command {
    let mut command = Command::new(&*BINARY);
    command
        .env_remove("SYNCLINE_CONFIG")
        .env_remove("SYNCLINE_LOG")
        .env_remove("NO_COLOR")
        .env("SYNCLINE_PLUGINS", components());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The command line.
    pub line: String,
    /// How the process ended.
    pub status: ExitStatus,
    /// What it printed.
    pub out: String,
    /// What it said beside.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// What it printed, as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn ends(self, code: i32) -> Ran {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Checks that all of these words were said.
    ///
    /// # Panics
    /// When they were not.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ran {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word:?} is missing: {self}");
        }
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "`syncline {}` ended with {} after {:?}", self.line, self.status, self.took)?;
        write!(formatter, "-- out\n{}\n-- err\n{}", self.out, self.err)
    }
}

fn line(command: &Command) -> String {
    command.get_args().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A command that is running.
#[derive(Debug)]
pub struct Started {
    line: String,
    child: Child,
    began: Instant,
    out: Option<Reading>,
    err: Option<Reading>,
}

/// What is read from a process, as far as it has said it.
#[derive(Debug)]
struct Reading {
    said: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Reading {
    fn of(mut stream: impl Read + Send + 'static) -> Reading {
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // What was said before the pipe broke still counts.
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
            }
        });
        Reading { said, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn all(self) -> String {
        // A reader that panicked has read what it has read.
        drop(self.reader.join());
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Started {
    pub(crate) fn new(mut command: Command) -> Started {
        let line = line(&command);
        let mut child = command.spawn().expect("the binary starts");
        let out = child.stdout.take().map(Reading::of);
        let err = child.stderr.take().map(Reading::of);
        Started { line, child, began: Instant::now(), out, err }
    }

    /// The same on a terminal: what it says in both ways is read from `screen`.
    pub(crate) fn on_terminal(command: &Command, screen: impl Read + Send + 'static, terminal: Pts) -> Started {
        let mut there = pty_process::blocking::Command::new(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            there = match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            there = there.current_dir(folder);
        }
        let child = there.spawn(terminal).expect("the binary starts");
        Started { line: line(command), child, began: Instant::now(), out: Some(Reading::of(screen)), err: None }
    }

    /// What its terminal shows so far.
    pub(crate) fn shown(&self) -> String {
        self.out.as_ref().map(Reading::so_far).unwrap_or_default()
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    /// When there is no `kill` on this machine.
    pub fn signal(&self, signal: &str) {
        let mut command = Command::new("kill");
        command.args(["-s", signal, &self.child.id().to_string()]).stderr(Stdio::null());
        // It may have ended by itself, which `kill` says.
        let _ended = command.status().expect("`kill` runs");
    }

    /// Kills it without a word. Returns false if it had ended before.
    pub fn kill(&mut self) -> bool {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        // Its end is waited for in any case.
        drop(self.child.kill());
        self.child.wait().expect("it can be waited for");
        !ended
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes too long.
    #[track_caller]
    pub fn wait(self) -> Ran {
        self.wait_at_most(DEADLINE)
    }

    /// Waits for its end, where it has a reason to take longer than others, or less long.
    ///
    /// # Panics
    /// When it takes longer than `limit`.
    #[track_caller]
    pub fn wait_at_most(mut self, limit: Duration) -> Ran {
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if self.began.elapsed() > limit => {
                    self.kill();
                    let said = self.said();
                    panic!("`syncline {}` does not end: {said}", self.line);
                }
                None => sleep(LOOK_AGAIN),
            }
        };
        let took = self.began.elapsed();
        let text = |reading: Option<Reading>| reading.map(Reading::all).unwrap_or_default();
        Ran {
            line: std::mem::take(&mut self.line),
            status,
            out: text(self.out.take()),
            err: text(self.err.take()),
            took,
        }
    }

    /// What it said so far, beside its output.
    pub fn said(&self) -> String {
        self.err.as_ref().map(Reading::so_far).unwrap_or_default()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}
