//! A mail server, aiosmtpd from PyPI: it asks for the password of [`USER`], and keeps what it is given.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::environment::Environment;
use crate::process::{Server, free_port};
use crate::{PASSWORD, ServerError, USER};

const AIOSMTPD: Environment = Environment { name: "aiosmtpd", release: "aiosmtpd==1.4.6" };

const PROGRAM: &str = include_str!("mail.py");

/// A mail server that is or was running.
#[derive(Debug)]
pub struct MailServer {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
    /// A certificate and its key, for STARTTLS, without which it then takes nothing.
    tls: bool,
}

impl MailServer {
    /// Installs it where it is missing, and finds it a port; it runs from `resume` on.
    pub fn stopped() -> Result<MailServer, ServerError> {
        AIOSMTPD.install()?;
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder for mail"))?;
        Ok(MailServer { server: None, folder, port: free_port()?, tls: false })
    }

    /// Starts one that anybody on the loopback can talk to in clear text.
    pub fn start() -> Result<MailServer, ServerError> {
        let mut server = MailServer::stopped()?;
        server.resume()?;
        Ok(server)
    }

    /// Starts one that insists on STARTTLS, with a certificate and its key in PEM form.
    pub fn start_tls(certificate: &str, key: &str) -> Result<MailServer, ServerError> {
        let mut server = MailServer { tls: true, ..MailServer::stopped()? };
        let write = |name, text| fs::write(server.folder.path().join(name), text);
        write("certificate", certificate)
            .and_then(|()| write("key", key))
            .map_err(ServerError::io("writing the mail server's certificate"))?;
        server.resume()?;
        Ok(server)
    }

    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns every mail so far, as it was sent.
    pub fn mails(&self) -> Result<Vec<String>, ServerError> {
        let new = self.folder.path().join("mails/new");
        if !new.exists() {
            return Ok(Vec::new());
        }
        let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let entries = fs::read_dir(new).and_then(|entries| entries.map(|entry| read(&entry?.path())).collect());
        entries.map_err(ServerError::io("reading what was mailed"))
    }

    /// Stops it; its mails stay.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it, or starts it again, at the same port, with the same mails.
    pub fn resume(&mut self) -> Result<(), ServerError> {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(AIOSMTPD.python());
        command.args(["-c", PROGRAM]).arg(at("mails")).args([&self.port.to_string(), USER, PASSWORD]);
        if self.tls {
            command.args([at("certificate"), at("key")]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(Server::start("the mail server", &mut command, &[self.port])?);
        Ok(())
    }
}
