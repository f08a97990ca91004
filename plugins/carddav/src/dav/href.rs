//! Addresses: an address book keeps the form that the server gave, its members are named in one form of ours.

/// Decodes percent-encoding; what is not UTF-8 afterwards is replaced.
pub(crate) fn decode(text: &str) -> String {
    String::from_utf8_lossy(&decoded(text)).into_owned()
}

/// The one form of an id: each segment decoded, then all escaped but what a path never escapes (RFC 3986, 2.3).
pub(crate) fn canonical(id: &str) -> String {
    let segments: Vec<String> = id.split('/').map(|segment| escaped(&decoded(segment))).collect();
    segments.join("/")
}

/// Escapes all bytes but the unreserved ones.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// The origin of an absolute address (`https://host:port`) and the path behind it; the origin is empty for a path.
pub(crate) fn split_origin(address: &str) -> (&str, &str) {
    let Some(scheme) = address.find("://") else { return ("", address) };
    let authority = scheme + 3;
    let end = address[authority..].find('/').map_or(address.len(), |slash| authority + slash);
    let path = if end == address.len() { "/" } else { &address[end..] };
    (&address[..end], path)
}

/// An address book's address, and how its members are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collection {
    /// Where requests go: a path, or a full address on another host. It ends in a slash.
    address: String,
    /// The decoded path, for comparing.
    path: String,
}

impl Collection {
    /// The collection at an address.
    pub(crate) fn new(address: &str) -> Collection {
        let mut address = address.split(['?', '#']).next().unwrap_or_default().to_owned();
        if !address.ends_with('/') {
            address.push('/');
        }
        let path = decode(split_origin(&address).1);
        Collection { address, path }
    }

    /// Where requests about the collection itself go.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The address of a member.
    pub(crate) fn member(&self, id: &str) -> String {
        format!("{}{id}", self.address)
    }

    /// The href of a member as it stands in XML: a path without the host.
    pub(crate) fn href(&self, id: &str) -> String {
        format!("{}{id}", split_origin(&self.address).1)
    }

    /// True if this href is the collection itself.
    pub(crate) fn is_itself(&self, href: &str) -> bool {
        let path = decode(split_origin(href).1);
        path.trim_end_matches('/') == self.path.trim_end_matches('/')
    }

    /// The id of the member with this href, in its one form; none for the collection itself and for collections in it.
    pub(crate) fn id(&self, href: &str) -> Option<String> {
        let path = split_origin(href.trim()).1;
        if path.ends_with('/') || self.is_itself(href) {
            return None;
        }
        // Everything behind as many slashes as the collection has: its own part may be escaped differently.
        let depth = self.path.matches('/').count();
        let is_below = decode(path).starts_with(&self.path);
        let id = if is_below { path.splitn(depth + 1, '/').nth(depth) } else { path.rsplit('/').next() };
        id.filter(|id| !id.is_empty()).map(canonical)
    }
}
