//! Commands beside a running `serve`: it holds the store, so it does the work and answers on a local socket.
//!
//! A request is one line of JSON with the command line; an answer is one line with what to print and how it went. Only
//! this user can reach the socket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::Exit;
use super::run::Agreed;
use crate::output::Output;

/// The longest line either side takes, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is asked of the process that holds the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
    /// The configuration that is meant, in full.
    pub config: PathBuf,
    /// The plans that were shown and agreed to; others are refused.
    pub agreed: Option<Agreed>,
    /// Whether the text may have colours.
    pub colour: bool,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Response {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// The exit code.
    pub exit: u8,
    /// True if the text says why it could not be done.
    pub is_error: bool,
}

impl Response {
    /// Returns it as the output of a command.
    pub fn into_output(self) -> Output {
        let exit = Exit::from_code(self.exit);
        Output { text: self.text, json: self.json, exit }
    }
}

/// Returns where the socket of a data folder is.
pub fn socket(data: &Path) -> PathBuf {
    data.join("serve.sock")
}

/// Opens the socket. Only the holder of the store may call this: what stands there from an earlier process goes.
pub fn listen(data: &Path) -> std::io::Result<UnixListener> {
    let path = socket(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens: whoever holds the store does no work for others.
    #[error("nobody answers")]
    NotThere(#[source] std::io::Error),
    /// The answer is longer than a line may be; what was asked for was done.
    #[error("the answer is too long")]
    TooLong,
    /// The request was sent, and what became of it is not known.
    #[error("the answer was lost")]
    Lost(#[source] std::io::Error),
}

/// Asks the process that holds the store.
pub async fn ask(data: &Path, request: &Request) -> Result<Response, Unanswered> {
    let mut stream = UnixStream::connect(socket(data)).await.map_err(Unanswered::NotThere)?;
    send(&mut stream, request).await.map_err(Unanswered::Lost)?;
    let line = receive(&mut stream).await.map_err(Unanswered::Lost)?;
    if line.len() as u64 == LINE_BYTES_MAX && !line.ends_with('\n') {
        return Err(Unanswered::TooLong);
    }
    serde_json::from_str(&line).map_err(|error| Unanswered::Lost(error.into()))
}

/// Reads a request.
pub async fn receive_request(stream: &mut UnixStream) -> std::io::Result<Request> {
    Ok(serde_json::from_str(&receive(stream).await?)?)
}

/// Sends one line.
pub async fn send(stream: &mut UnixStream, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

async fn receive(stream: &mut UnixStream) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_told_from_one_that_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = listen(folder.path()).expect("listens");
        let too_long = usize::try_from(LINE_BYTES_MAX).expect("it fits");
        let answering = async {
            for bytes in [too_long, 10] {
                let (mut stream, _) = listener.accept().await.expect("somebody asks");
                receive_request(&mut stream).await.expect("a request");
                // Whoever asked does not read all of it.
                drop(stream.write_all(&vec![b' '; bytes]).await);
            }
        };
        let request = Request {
            arguments: Vec::new(),
            folder: PathBuf::new(),
            config: PathBuf::new(),
            agreed: None,
            colour: false,
        };
        let asking = async {
            assert!(matches!(ask(folder.path(), &request).await, Err(Unanswered::TooLong)));
            assert!(matches!(ask(folder.path(), &request).await, Err(Unanswered::Lost(_))));
        };
        tokio::join!(answering, asking);
    }
}
