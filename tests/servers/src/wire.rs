//! The few words of HTTP that the set-up itself needs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::{PASSWORD, ServerError, USER};

/// Makes the address book at `path`, and returns the status.
pub(crate) fn make_address_book(port: u16, path: &str, name: &str) -> Result<u16, ServerError> {
    let body = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype><D:collection/><C:addressbook/></D:resourcetype><D:displayname>{name}</D:displayname></D:prop></D:set></D:mkcol>"#
    );
    request(port, "MKCOL", path, &body)
}

/// Sends one request as [`USER`], and returns the status.
pub(crate) fn request(port: u16, method: &str, path: &str, body: &str) -> Result<u16, ServerError> {
    let doing = || format!("{method} {path}");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(ServerError::io(doing()))?;
    let credential = base64(format!("{USER}:{PASSWORD}").as_bytes());
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {credential}\r\nConnection: close\r\n\
         Depth: 0\r\nContent-Type: application/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(ServerError::io(doing()))?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).map_err(ServerError::io(doing()))?;
    let status = String::from_utf8_lossy(&head).split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| ServerError::NotReady { server: "the server", said: String::from_utf8_lossy(&head).into() })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn credentials_are_encoded() {
        for (text, encoded) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("user:pass", "dXNlcjpwYXNz")] {
            assert_eq!(super::base64(text.as_bytes()), encoded);
        }
    }
}
