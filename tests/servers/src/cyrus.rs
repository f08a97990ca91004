//! Cyrus, from Debian, with a configuration of its own.
//!
//! It must be started as root, and goes on as the user `cyrus`, who owns its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{Server, free_port, run};
use crate::{PASSWORD, ServerError, USER, wire};

/// Where Debian puts the programs.
const PROGRAMS: &str = "/usr/lib/cyrus/bin";

/// The folders that the server expects in its own.
const FOLDERS: &[&str] = &["conf/db", "conf/socket", "conf/msg", "conf/log", "spool", "proc", "lock"];

/// A running Cyrus.
#[derive(Debug)]
pub struct Cyrus {
    server: Option<Server>,
    folder: TempDir,
    http_port: u16,
    imap_port: u16,
}

impl Cyrus {
    /// Starts a Cyrus with the one address book that every user has, and installs it first where it is missing.
    pub fn start() -> Result<Cyrus, ServerError> {
        install()?;
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder for Cyrus"))?;
        let mut cyrus = Cyrus { server: None, folder, http_port: free_port()?, imap_port: free_port()? };
        cyrus.configure().map_err(ServerError::io("configuring Cyrus"))?;
        cyrus.add_user()?;
        run(Command::new("chown").args(["-R", "cyrus:mail"]).arg(cyrus.folder.path()))?;
        cyrus.resume()?;
        // The mailbox is made at the first sign-in by IMAP, the address book at the first request after that.
        cyrus.sign_in()?;
        let status = wire::request(cyrus.http_port, "PROPFIND", &home(), "")?;
        if status != 207 {
            return Err(ServerError::NotReady { server: "Cyrus", said: format!("PROPFIND gave status {status}") });
        }
        Ok(cyrus)
    }

    /// The address of the server, with a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.http_port)
    }

    /// Makes an empty address book of [`USER`] unless it is there, and returns its address. `Default` is there.
    pub fn address_book(&self, name: &str) -> Result<String, ServerError> {
        let path = format!("{}{name}/", home());
        if name != "Default" {
            let status = wire::make_address_book(self.http_port, &path, name)?;
            if status != 201 {
                return Err(ServerError::NotReady { server: "Cyrus", said: format!("MKCOL gave status {status}") });
            }
        }
        Ok(format!("http://127.0.0.1:{}{path}", self.http_port))
    }

    /// Starts the server again so that it takes no password by HTTP, but asks for a digest.
    pub fn ask_for_digests(&mut self) -> Result<(), ServerError> {
        self.stop();
        let doing = "configuring Cyrus";
        let path = self.folder.path().join("imapd.conf");
        let mut file = OpenOptions::new().append(true).open(path).map_err(ServerError::io(doing))?;
        file.write_all(b"http_allowplaintext: no\nhttp_sasl_mech_list: DIGEST-MD5\n")
            .map_err(ServerError::io(doing))?;
        self.resume()
    }

    /// Stops the server; its cards stay.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts the server again, at the same address, with the same cards.
    pub fn resume(&mut self) -> Result<(), ServerError> {
        let path = self.folder.path();
        let mut command = Command::new(format!("{PROGRAMS}/master"));
        command.arg("-D").arg("-C").arg(path.join("imapd.conf")).arg("-M").arg(path.join("cyrus.conf"));
        command.arg("-p").arg(path.join("master.pid")).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(Server::start("Cyrus", &mut command, &[self.http_port, self.imap_port])?);
        Ok(())
    }

    fn configure(&self) -> std::io::Result<()> {
        let path = self.folder.path();
        for folder in FOLDERS {
            fs::create_dir_all(path.join(folder))?;
        }
        let (base, http, imap) = (path.display(), self.http_port, self.imap_port);
        let settings = format!(
            "configdirectory: {base}/conf\ndefaultpartition: default\npartition-default: {base}/spool\n\
             proc_path: {base}/proc\nmboxname_lockpath: {base}/lock\nlmtpsocket: {base}/conf/socket/lmtp\n\
             idlesocket: {base}/conf/socket/idle\nnotifysocket: {base}/conf/socket/notify\nservername: localhost\n\
             allowplaintext: yes\nsasl_pwcheck_method: auxprop\nsasl_auxprop_plugin: sasldb\n\
             sasl_sasldb_path: {base}/users\nsasl_mech_list: PLAIN\nhttpmodules: carddav\nautocreate_quota: 0\n\
             virtdomains: off\nunixhierarchysep: yes\naltnamespace: yes\numask: 077\n"
        );
        let services = format!(
            "START {{\n recover cmd=\"{PROGRAMS}/ctl_cyrusdb -C {base}/imapd.conf -r\"\n}}\nSERVICES {{\n \
             imap cmd=\"{PROGRAMS}/imapd -C {base}/imapd.conf\" listen=\"127.0.0.1:{imap}\" prefork=0\n \
             http cmd=\"{PROGRAMS}/httpd -C {base}/imapd.conf\" listen=\"127.0.0.1:{http}\" prefork=1\n}}\nEVENTS {{\n}}\n"
        );
        fs::write(path.join("imapd.conf"), settings)?;
        fs::write(path.join("cyrus.conf"), services)
    }

    fn add_user(&self) -> Result<(), ServerError> {
        let mut command = Command::new("saslpasswd2");
        command.args(["-p", "-c", "-u", "localhost", "-f"]).arg(self.folder.path().join("users")).arg(USER);
        let doing = "adding the user of Cyrus";
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(ServerError::io(doing))?;
        let mut input = child.stdin.take().expect("the standard input was asked for above");
        input.write_all(PASSWORD.as_bytes()).map_err(ServerError::io(doing))?;
        drop(input);
        let status = child.wait().map_err(ServerError::io(doing))?;
        if status.success() {
            return Ok(());
        }
        Err(ServerError::Command { command: "saslpasswd2".to_owned(), said: status.to_string() })
    }

    fn sign_in(&self) -> Result<(), ServerError> {
        let doing = "signing in to Cyrus by IMAP";
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.imap_port)).map_err(ServerError::io(doing))?;
        write!(stream, "a LOGIN {USER} {PASSWORD}\r\nb LOGOUT\r\n").map_err(ServerError::io(doing))?;
        let mut said = Vec::new();
        for line in BufReader::new(stream).lines() {
            said.push(line.map_err(ServerError::io(doing))?);
        }
        if said.iter().any(|line| line.starts_with("a OK")) {
            return Ok(());
        }
        Err(ServerError::NotReady { server: "Cyrus", said: said.join(" | ") })
    }
}

fn home() -> String {
    format!("/dav/addressbooks/user/{USER}/")
}

/// Installs the packages, once for all processes that ask at the same time.
fn install() -> Result<(), ServerError> {
    let lock = File::create(std::env::temp_dir().join("syncline-cyrus-install.lock"))
        .map_err(ServerError::io("locking the installation of Cyrus"))?;
    lock.lock().map_err(ServerError::io("locking the installation of Cyrus"))?;
    let programs = [format!("{PROGRAMS}/master"), format!("{PROGRAMS}/httpd"), "/usr/sbin/saslpasswd2".to_owned()];
    if programs.iter().all(|program| Path::new(program).exists()) {
        return Ok(());
    }
    // The packages' own service must not start: the run level says so to their scripts.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("RUNLEVEL", "1").env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    apt(&["update"])?;
    let packages = ["cyrus-imapd", "cyrus-caldav", "sasl2-bin", "libsasl2-modules"];
    apt(&[&["install", "-y", "--no-install-recommends"][..], &packages].concat())?;
    Ok(())
}
