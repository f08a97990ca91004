//! One HTTP call on a connection of its own, written out, so that a test sees exactly what came over the wire.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;
use syncline_sandbox::{DEFAULT_TOKEN, Running};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The bytes of the body that arrived.
    pub(crate) body: Vec<u8>,
    /// Whether all bytes arrived that were promised.
    pub(crate) whole: bool,
}

impl Answer {
    /// The body as JSON; null when it is empty.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("a JSON body") }
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Calls with the usual token; nothing comes back when the server closes the connection first.
pub(crate) fn call(running: &Running, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
    call_as(running, DEFAULT_TOKEN, method, path, body)
}

/// Calls with `token`.
pub(crate) fn call_as(
    running: &Running,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Option<Answer> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", running.port())).expect("the server listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream.write_all(body.as_bytes()).expect("the body is sent");
    let mut received = Vec::new();
    // A reset connection ends what was received, as a closed one does.
    let _ = stream.read_to_end(&mut received);
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = received[end + 4..].to_vec();
    let promised = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let whole = promised.is_none_or(|promised: usize| promised == body.len());
    Some(Answer { status, headers, body, whole })
}
