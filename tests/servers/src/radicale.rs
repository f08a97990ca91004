//! Radicale, from PyPI, in a virtual environment below the target folder.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::environment::Environment;
use crate::process::{Server, free_port};
use crate::{PASSWORD, ServerError, USER};

/// The release whose behaviour the contract describes.
const RADICALE: Environment = Environment { name: "radicale", release: "radicale==3.9.0" };

/// A running Radicale.
#[derive(Debug)]
pub struct Radicale {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
}

impl Radicale {
    /// Starts a Radicale without any address book, and installs it first where it is missing.
    pub fn start() -> Result<Radicale, ServerError> {
        RADICALE.install()?;
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder for Radicale"))?;
        let port = free_port()?;
        let path = folder.path().display();
        let config = format!(
            "[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 64\n\
             [auth]\ntype = htpasswd\nhtpasswd_filename = {path}/users\nhtpasswd_encryption = plain\ndelay = 0\n\
             [storage]\nfilesystem_folder = {path}/storage\n\
             [logging]\nlevel = error\n"
        );
        fs::write(folder.path().join("users"), format!("{USER}:{PASSWORD}\n"))
            .and_then(|()| fs::write(folder.path().join("config"), config))
            .map_err(ServerError::io("configuring Radicale"))?;
        let mut radicale = Radicale { server: None, folder, port };
        radicale.resume()?;
        Ok(radicale)
    }

    /// The address of the server, with a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Makes an empty address book of [`USER`], and returns its address.
    pub fn address_book(&self, name: &str) -> Result<String, ServerError> {
        let folder = self.folder.path().join("storage/collection-root").join(USER).join(name);
        let properties = format!(r#"{{"tag": "VADDRESSBOOK", "D:displayname": "{name}"}}"#);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(".Radicale.props"), properties))
            .map_err(ServerError::io("making an address book"))?;
        Ok(format!("{}{USER}/{name}/", self.url()))
    }

    /// Stops the server; its cards stay.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts the server again, at the same address, with the same cards.
    pub fn resume(&mut self) -> Result<(), ServerError> {
        let config = self.folder.path().join("config");
        let mut command = Command::new(RADICALE.python());
        command.args(["-m", "radicale", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(Server::start("Radicale", &mut command, &[self.port])?);
        Ok(())
    }
}
