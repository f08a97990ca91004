//! Real servers on loopback, a few lines each, for the tests of this crate.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use syncline_net::{Gateway, Outlet, OutletConfig, Request, Resolve, Resolving, Url};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as it arrived, head and body in one text.
pub(crate) type Arrived = Arc<Mutex<Vec<String>>>;

/// A server that answers each request with what `answer` makes of it; an empty answer closes the connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) arrived: Arrived,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let arrived = Arrived::default();
        let (seen, answer) = (arrived.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, seen.clone(), answer.clone()));
            }
        });
        Server { address, arrived }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn base(&self) -> Url {
        Url::parse(&self.url("/")).expect("a url")
    }

    pub(crate) fn count(&self) -> usize {
        self.arrived.lock().expect("the list").len()
    }

    pub(crate) fn last(&self) -> String {
        self.arrived.lock().expect("the list").last().cloned().unwrap_or_default()
    }

    /// A connection to this server that may reach the private network.
    pub(crate) fn config(&self) -> OutletConfig {
        let config = OutletConfig::new("crm", self.base()).expect("a configuration");
        OutletConfig { allow_private_network: true, ..config }
    }

    pub(crate) fn outlet(&self) -> Outlet {
        open(self.config())
    }
}

/// Answers every request that comes over `stream`.
pub(crate) async fn serve<S, A>(mut stream: S, seen: Arrived, answer: Arc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(&str) -> Vec<u8>,
{
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        seen.lock().expect("the list").push(request.clone());
        let answer = answer(&request);
        let closes = answer.is_empty() || String::from_utf8_lossy(&answer).contains("connection: close");
        if stream.write_all(&answer).await.is_err() || closes {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = header(&text[..head], "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            let end = head + 4 + length;
            if buffer.len() >= end {
                let request = String::from_utf8_lossy(&buffer[..end]).into_owned();
                buffer.drain(..end);
                return Some(request);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The value of a header in a request as it arrived.
pub(crate) fn header<'text>(request: &'text str, name: &str) -> Option<&'text str> {
    let lines = request.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// An answer with a length.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

pub(crate) fn open(config: OutletConfig) -> Outlet {
    Gateway::new().outlet(config).expect("an outlet")
}

pub(crate) fn get(url: impl Into<String>) -> Request {
    Request { method: "GET".to_owned(), url: url.into(), ..Request::default() }
}

pub(crate) fn with(method: &str, url: impl Into<String>, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: method.to_owned(), url: url.into(), headers, ..Request::default() }
}

/// A resolver that knows a few names.
pub(crate) struct Names(pub(crate) Vec<(&'static str, Vec<&'static str>)>);

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Resolving {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let found =
            found.map(|(_, addresses)| addresses.iter().map(|text| text.parse().expect("an address")).collect());
        Box::pin(async move { found.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

/// The configuration of a connection to `host` at the server's port, in plain http.
pub(crate) fn named(server: &Server, host: &str) -> OutletConfig {
    let base = Url::parse(&format!("http://{host}:{}/", server.address.port())).expect("a url");
    let config = OutletConfig::new("crm", base).expect("a configuration");
    OutletConfig { allow_private_network: true, ..config }
}

pub(crate) fn open_with(names: Names, config: OutletConfig) -> Outlet {
    Gateway::with_resolver(Arc::new(names)).outlet(config).expect("an outlet")
}
