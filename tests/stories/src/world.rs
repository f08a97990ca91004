//! One user's machine: a configuration, a data folder, secrets in the environment, and the applications around it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use syncline_sandbox::{DEFAULT_TOKEN, HubSpot, Limits};
use syncline_test_servers::{PASSWORD, Radicale};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::binary::{self, Ran, Started};
use crate::{Book, Crm, Person, carddav, hubspot, sync};

/// The sync that most stories have.
pub const SYNC: &str = "people";

/// One user's machine.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    runtime: Arc<Runtime>,
    secrets: Vec<(String, String)>,
    plugins: Option<PathBuf>,
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    /// An empty machine that knows the secrets of every server a test starts: `TOKEN` and `PASSWORD`.
    ///
    /// # Panics
    /// When it cannot be made, as everything here.
    pub fn new() -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let secrets = [("TOKEN", DEFAULT_TOKEN), ("PASSWORD", PASSWORD)];
        World {
            folder: tempfile::tempdir().expect("a folder"),
            runtime: Arc::new(runtime.expect("threads")),
            secrets: secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            plugins: None,
        }
    }

    /// A machine with an empty HubSpot on the left and an empty Radicale on the right; `more` stands in the sync.
    pub fn crm_and_book(more: &str) -> (World, Crm, Radicale, Book) {
        let world = World::new();
        let crm = world.crm(HubSpot::builder().limits(Limits::off()));
        let radicale = Radicale::start().expect("Radicale starts");
        let book = Book::at(&radicale.address_book("people").expect("an address book"));
        let left = hubspot("crm", &crm.url(), "TOKEN");
        world.configure(&(left + &carddav("book", book.url(), "PASSWORD") + &sync(SYNC, "crm", "book", more)));
        (world, crm, radicale, book)
    }

    /// Starts a HubSpot.
    pub fn crm(&self, sandbox: HubSpot) -> Crm {
        Crm::start(Arc::clone(&self.runtime), sandbox)
    }

    /// The runtime of the servers in this process.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A path on the machine.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.at("data")
    }

    /// Writes `syncline.toml`.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.at("syncline.toml"), text).expect("the configuration is written");
    }

    /// Changes `syncline.toml`.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.at("syncline.toml")).expect("there is a configuration");
        self.configure(&change(text));
    }

    /// Sets a secret of the environment.
    pub fn secret(&mut self, name: &str, value: &str) {
        self.secrets.retain(|(known, _)| known != name);
        self.secrets.push((name.to_owned(), value.to_owned()));
    }

    /// Ships another component with the binary, beside or in the place of those that are.
    pub fn ship(&mut self, name: &str, component: &[u8]) {
        let folder = self.at("plugins");
        if self.plugins.is_none() {
            std::fs::create_dir(&folder).expect("a folder");
            for entry in std::fs::read_dir(binary::components()).expect("the components were built") {
                let path = entry.expect("an entry").path();
                std::fs::copy(&path, folder.join(path.file_name().expect("a name"))).expect("a copy");
            }
        }
        std::fs::write(folder.join(format!("{name}.wasm")), component).expect("a component is written");
        self.plugins = Some(folder);
    }

    /// The bytes of a component that is shipped with the binary.
    pub fn component(name: &str) -> Vec<u8> {
        std::fs::read(binary::components().join(format!("{name}.wasm"))).expect("the components were built")
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Started {
        Started::new(self.command(arguments, &self.data()))
    }

    /// Starts a command where whoever read what it says beside its output has gone away.
    pub fn start_unheard(&self, arguments: &[&str]) -> Started {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(arguments, &self.data());
        command.stderr(writer);
        Started::new(command)
    }

    /// Starts a command with another data folder.
    pub fn start_in(&self, data: &Path, arguments: &[&str]) -> Started {
        Started::new(self.command(arguments, data))
    }

    /// Somebody starts a command at a terminal.
    pub fn at_terminal(&self, arguments: &[&str]) -> Person {
        Person::starts(&self.command(arguments, &self.data()))
    }

    /// The same where the environment asks for no colours.
    pub fn at_plain_terminal(&self, arguments: &[&str]) -> Person {
        Person::starts(self.command(arguments, &self.data()).env("NO_COLOR", "1"))
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn syncline(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).wait()
    }

    /// Runs every sync once, which must end well.
    #[track_caller]
    pub fn run(&self) -> Ran {
        self.syncline(&["run", "--yes"]).ends(0)
    }

    /// Checks that a plan is empty.
    #[track_caller]
    pub fn plans_nothing(&self) {
        let plan = self.syncline(&["plan", "--json"]).ends(0);
        for plan in plan.json()["plans"].as_array().expect("plans") {
            assert_eq!(plan["items"].as_array().map(Vec::len), Some(0), "{plan:#}");
        }
    }

    fn command(&self, arguments: &[&str], data: &Path) -> Command {
        let mut command = binary::command();
        command.args(arguments).current_dir(self.folder.path()).env("SYNCLINE_DATA", data);
        command.envs(self.plugins.iter().map(|folder| ("SYNCLINE_PLUGINS", folder)));
        command.envs(self.secrets.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Waits until something holds, and says whether it came to hold in time.
    pub fn until(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        loop {
            if holds() {
                return true;
            }
            if began.elapsed() > within {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
