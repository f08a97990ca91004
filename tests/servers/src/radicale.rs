//! Radicale, from PyPI, in a virtual environment below the target folder.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Server, free_port, run};
use crate::{PASSWORD, ServerError, USER};

/// The release whose behaviour the contract describes.
const RELEASE: &str = "radicale==3.9.0";

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
        install()?;
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
        let mut command = Command::new(environment().join("bin/python"));
        command.args(["-m", "radicale", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(Server::start("Radicale", &mut command, &[self.port])?);
        Ok(())
    }
}

fn environment() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/radicale")
}

/// Makes the virtual environment, once for all processes that ask at the same time.
fn install() -> Result<(), ServerError> {
    let environment = environment();
    let parent = environment.parent().expect("the path above has a parent");
    fs::create_dir_all(parent).map_err(ServerError::io("making the folder for virtual environments"))?;
    let lock = File::create(parent.join("radicale.lock")).map_err(ServerError::io("locking the environment"))?;
    lock.lock().map_err(ServerError::io("locking the environment"))?;
    let python = environment.join("bin/python");
    let is_there = |python: &PathBuf| run(Command::new(python).args(["-c", "import radicale"])).is_ok();
    if python.exists() && is_there(&python) {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    run(Command::new(python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", RELEASE]))?;
    Ok(())
}
