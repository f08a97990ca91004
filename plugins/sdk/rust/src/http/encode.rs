//! Percent-encoding for addresses and forms.

use std::fmt::Write;

/// Returns `text` as it stands in a path segment or a query: everything but letters, digits and `-._~` is encoded.
pub fn component(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    encoded
}

/// Returns names and values as `name=value&name=value`, for queries and form bodies.
pub fn form<Name: AsRef<str>, Text: AsRef<str>>(pairs: &[(Name, Text)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", component(name.as_ref()), component(value.as_ref())));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_foreign_characters_are_encoded() {
        for (text, encoded) in
            [("plain-._~9", "plain-._~9"), ("a b&c=d", "a%20b%26c%3Dd"), ("zoé/+%", "zo%C3%A9%2F%2B%25"), ("", "")]
        {
            assert_eq!(component(text), encoded);
        }
        assert_eq!(form(&[("a", "1"), ("b c", "é")]), "a=1&b%20c=%C3%A9");
    }
}
