//! Xandikos, from PyPI, in a virtual environment below the target folder.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::environment::Environment;
use crate::process::{Server, free_port, run};
use crate::{ServerError, USER};

/// The release whose behaviour the contract describes.
const XANDIKOS: Environment = Environment { name: "xandikos", release: "xandikos==0.4.10" };

/// A running Xandikos, which keeps each card as a version in git.
///
/// It asks nobody who they are: its own check of passwords is for TLS alone.
#[derive(Debug)]
pub struct Xandikos {
    // Ends before its folder goes.
    _server: Server,
    folder: TempDir,
    port: u16,
}

impl Xandikos {
    /// Starts a Xandikos without any address book of ours, and installs it first where it is missing.
    pub fn start() -> Result<Xandikos, ServerError> {
        XANDIKOS.install()?;
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder for Xandikos"))?;
        let port = free_port()?;
        let mut command = Command::new(XANDIKOS.python());
        command.args(["-m", "xandikos", "serve", "--defaults", "--no-detect-systemd", "--listen-address", "127.0.0.1"]);
        command.args(["--port", &port.to_string(), "--current-user-principal", &format!("/{USER}/")]);
        command.arg("--directory").arg(folder.path().join("dav")).arg("--state-dir").arg(folder.path().join("state"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server::start("Xandikos", &mut command, &[port])?;
        Ok(Xandikos { _server: server, folder, port })
    }

    /// The address of the server, with a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Makes an empty address book of [`USER`], and returns its address.
    pub fn address_book(&self, name: &str) -> Result<String, ServerError> {
        let mut command = Command::new(XANDIKOS.python());
        command.args(["-m", "xandikos", "create-collection", "--type", "addressbook", "--name", name]);
        run(command.arg("--directory").arg(self.folder.path().join("dav").join(USER).join("contacts")))?;
        Ok(format!("{}{USER}/contacts/{name}/", self.url()))
    }
}
