//! vdirsyncer, which people keep two address books in step with today, on the same books.

use std::path::PathBuf;
use std::process::Command;

use syncline_test_servers::{PASSWORD, USER, vdirsyncer};
use tempfile::TempDir;

use crate::Outcome;
use crate::child::{self, Ran, Used};

/// A vdirsyncer with a folder, a configuration and a state of its own.
pub(crate) struct Vdirsyncer {
    python: PathBuf,
    folder: TempDir,
}

impl Vdirsyncer {
    /// Configures it for two address books.
    pub(crate) fn new(books: [&str; 2]) -> Outcome<Self> {
        let own = Self { python: vdirsyncer()?, folder: tempfile::tempdir()? };
        let storage = |name: &str, url: &str| {
            format!(
                "[storage {name}]\ntype = \"carddav\"\nurl = \"{url}\"\nusername = \"{USER}\"\n\
                 password = \"{PASSWORD}\"\n\n"
            )
        };
        let config = format!(
            "[general]\nstatus_path = \"{}\"\n\n[pair people]\na = \"left\"\nb = \"right\"\ncollections = null\n\
             conflict_resolution = \"a wins\"\n\n{}{}",
            own.folder.path().join("status").display(),
            storage("left", books[0]),
            storage("right", books[1])
        );
        std::fs::write(own.config(), config)?;
        own.run(&["discover"])?;
        Ok(own)
    }

    /// Brings both books in step.
    pub(crate) fn sync(&self) -> Outcome<Used> {
        Ok(self.run(&["sync"])?.used)
    }

    /// Does so too, and returns how many requests it took in all; its log adds to what it uses.
    pub(crate) fn requests(&self) -> Outcome<f64> {
        let ran = self.run(&["--verbosity", "DEBUG", "sync"])?;
        let sent = ran.stdout.lines().chain(ran.stderr.lines()).filter(|line| line.contains("Sending request..."));
        Ok(sent.count() as f64)
    }

    fn run(&self, arguments: &[&str]) -> Outcome<Ran> {
        let mut command = Command::new(&self.python);
        command.args(["-m", "vdirsyncer", "--config"]).arg(self.config()).args(arguments);
        child::run(&command, &[0])
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }
}
