//! Commands that end, and servers that do not.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::ServerError;

/// How long a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a server may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(10);

/// A pause between two looks at a server that is starting or stopping.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs a command to its end and returns what it wrote; the end of its words stands in the error.
pub(crate) fn run(command: &mut Command) -> Result<String, ServerError> {
    let line = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(ServerError::io(&line))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let tail: Vec<&str> = said.lines().rev().take(5).collect();
    Err(ServerError::Command { command: line, said: tail.into_iter().rev().collect::<Vec<_>>().join(" | ") })
}

/// Returns a port that nobody listens on.
pub(crate) fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(ServerError::io("looking for a free port"))?;
    Ok(listener.local_addr().map_err(ServerError::io("looking for a free port"))?.port())
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts a server and waits until each of `ports` accepts connections.
    pub(crate) fn start(server: &'static str, command: &mut Command, ports: &[u16]) -> Result<Server, ServerError> {
        let child = command.stdin(Stdio::null()).spawn().map_err(ServerError::io(format!("starting {server}")))?;
        let mut running = Server(child);
        let began = Instant::now();
        for &port in ports {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                if let Ok(Some(status)) = running.0.try_wait() {
                    return Err(ServerError::NotReady { server, said: format!("it ended with {status}") });
                }
                if began.elapsed() > START_MAX {
                    return Err(ServerError::NotReady { server, said: format!("nothing listens on port {port}") });
                }
                sleep(LOOK_AGAIN);
            }
        }
        Ok(running)
    }
}

impl Drop for Server {
    /// Asks the server to end, so that it ends its own children too, and kills it where it does not.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let began = Instant::now();
        while asked.as_ref().is_ok_and(|status| status.success()) && began.elapsed() < STOP_MAX {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK_AGAIN);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
