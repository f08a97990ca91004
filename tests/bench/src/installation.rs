//! A `syncline` with a folder, a configuration and a state of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::child::{Ran, run};
use crate::{Engine, Outcome, root};

/// The exit code of a run that left some records, with reasons.
const WITH_REJECTS: i32 = 3;

/// How long changes are looked at again; the servers here show a write at once, and stamp it with whole seconds.
const PAST_THE_WINDOW: Duration = Duration::from_millis(2_100);

/// A folder with a configuration and a state.
pub(crate) struct Installation {
    folder: TempDir,
}

impl Installation {
    /// Writes the configuration, and lets `check` compile the plugins.
    pub(crate) fn new(config: &str, engine: Engine) -> Outcome<Self> {
        let installation = Self { folder: tempfile::tempdir()? };
        let config = format!("{config}\n[store]\nengine = \"{}\"\n", engine.name());
        std::fs::write(installation.config(), config)?;
        installation.run(&["check"])?;
        Ok(installation)
    }

    /// The folder of the state.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("syncline.toml")
    }

    /// Forgets all but the compiled plugins.
    pub(crate) fn forget(&self) -> Outcome<()> {
        Ok(std::fs::remove_dir_all(self.data().join("store"))?)
    }

    /// Runs `syncline`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome<Ran> {
        let mut command = self.command(&root().join("target/release/syncline"));
        run(command.args(arguments), &[0, WITH_REJECTS])
    }

    /// Runs this program in the place of `syncline`, with the same configuration and state.
    pub(crate) fn run_self(&self, arguments: &[&str]) -> Outcome<Ran> {
        let mut command = self.command(&std::env::current_exe()?);
        run(command.args(arguments), &[0])
    }

    /// Runs until nothing is left to do, and waits until the window is past in which changes are read again.
    pub(crate) fn settle(&self) -> Outcome<()> {
        for _ in 0..5 {
            std::thread::sleep(PAST_THE_WINDOW);
            let ran = self.run(&["run", "--yes", "--json"])?;
            let report: serde_json::Value = serde_json::from_str(&ran.stdout)?;
            if report["runs"][0]["record"]["tally"]["seen"] == 0 {
                std::thread::sleep(PAST_THE_WINDOW);
                return Ok(());
            }
        }
        Err("the two sides do not come to rest".into())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command.env("SYNCLINE_CONFIG", self.config()).env("SYNCLINE_DATA", self.data());
        command.env("SYNCLINE_PLUGINS", root().join("target/plugins/components"));
        command.env("BENCH_TOKEN", syncline_sandbox::DEFAULT_TOKEN);
        command.env("BENCH_PASSWORD", syncline_test_servers::PASSWORD);
        command
    }
}
