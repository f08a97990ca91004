//! One property: its head kept as it was written, its value replaceable.

use super::text;

/// One property of a card.
///
/// Invariant: replacing the value leaves group, name and parameters as they were written, but for a parameter that
/// described how the old value was encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Group and name: `item1.EMAIL`.
    head: String,
    /// The parameters, each as it was written: `TYPE="home,pref"`.
    parameters: Vec<String>,
    /// The value, unfolded, still escaped.
    value: String,
}

impl Property {
    /// A new property with parameters and an escaped value.
    pub(crate) fn new(name: &str, parameters: &[&str], value: String) -> Property {
        let parameters = parameters.iter().map(|parameter| (*parameter).to_owned()).collect();
        Property { head: name.to_owned(), parameters, value }
    }

    /// Reads a raw line.
    pub(crate) fn parse(raw: &str) -> Property {
        // The `=` of a soft break would make an escape with what follows on the next line.
        let raw = if super::is_quoted_printable(raw) { &raw.replace("=\r\n", "\r\n") } else { raw };
        let line: String = text::unfolded(raw).collect();
        let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
        let mut value = "";
        for (at, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                ';' if !quoted => {
                    parts.push(line[start..at].to_owned());
                    start = at + 1;
                }
                ':' if !quoted => {
                    parts.push(line[start..at].to_owned());
                    value = &line[at + 1..];
                    break;
                }
                _ => {}
            }
        }
        // A quote that is never closed swallows the value; the first colon is then the best guess.
        if parts.is_empty() || (quoted && value.is_empty()) {
            let (head, value) = line.split_once(':').unwrap_or((&line, ""));
            let mut parts = head.split(';').map(str::to_owned);
            let head = parts.next().unwrap_or_default();
            return Property { head, parameters: parts.collect(), value: value.to_owned() };
        }
        let value = value.to_owned();
        let head = parts.remove(0);
        Property { head, parameters: parts, value }
    }

    /// The logical line, not folded.
    pub(crate) fn to_line(&self) -> String {
        let mut line = self.head.clone();
        for parameter in &self.parameters {
            line.push(';');
            line.push_str(parameter);
        }
        line.push(':');
        line.push_str(&self.value);
        line
    }

    /// The value as one text, unescaped.
    pub(crate) fn text(&self) -> String {
        self.decoded(&self.value)
    }

    /// The parts between unescaped semicolons, each unescaped: `N`, `ADR`, `ORG`.
    pub(crate) fn components(&self) -> Vec<String> {
        text::split(&self.value, ';').into_iter().map(|part| self.decoded(part)).collect()
    }

    /// The parts between unescaped commas, each unescaped and trimmed: `CATEGORIES`.
    pub(crate) fn items(&self) -> Vec<String> {
        let items = text::split(&self.value, ',').into_iter().map(|item| self.decoded(item.trim()));
        items.filter(|item| !item.is_empty()).collect()
    }

    /// What a part of the value means. A separator in quoted-printable text parts nothing, so it is decoded last.
    fn decoded(&self, part: &str) -> String {
        if self.is_quoted_printable() {
            return text::unescape(&text::decode_quoted_printable(part));
        }
        text::unescape(part)
    }

    /// Replaces the value by an escaped one.
    pub(crate) fn set_value(&mut self, value: String) {
        if self.is_quoted_printable() {
            self.drop_parameters(&["ENCODING", "CHARSET", "QUOTED-PRINTABLE"]);
            if !value.is_ascii() {
                self.parameters.push("CHARSET=UTF-8".to_owned());
            }
        }
        self.value = value;
    }

    /// Replaces one of the parts between semicolons and leaves the others as they are written.
    pub(crate) fn set_component(&mut self, index: usize, component: &str) {
        let parts = text::split(&self.value, ';').into_iter();
        // The encoding goes with the old value, so the parts that stay are written without it.
        let mut parts: Vec<String> = match self.is_quoted_printable() {
            true => parts.map(|part| text::escape(&self.decoded(part))).collect(),
            false => parts.map(str::to_owned).collect(),
        };
        if parts.len() <= index {
            parts.resize(index + 1, String::new());
        }
        parts[index] = text::escape(component);
        self.set_value(parts.join(";"));
    }

    /// Takes away every parameter with one of these names, bare ones included.
    pub(crate) fn drop_parameters(&mut self, names: &[&str]) {
        self.parameters.retain(|parameter| {
            let name = parameter.split('=').next().unwrap_or_default();
            !names.iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted))
        });
    }

    /// Adds a parameter, as it is to stand there.
    pub(crate) fn add_parameter(&mut self, parameter: &str) {
        self.parameters.push(parameter.to_owned());
    }

    /// Takes away one type, and keeps the others as they are.
    pub(crate) fn drop_type(&mut self, dropped: &str) {
        let is_dropped = |value: &str| value.trim_matches(['"', ' ']).eq_ignore_ascii_case(dropped);
        for parameter in &mut self.parameters {
            match parameter.split_once('=') {
                Some((key, listed)) if key.trim().eq_ignore_ascii_case("TYPE") => {
                    let quote = if listed.contains('"') { "\"" } else { "" };
                    let kept: Vec<&str> =
                        listed.trim_matches('"').split(',').filter(|value| !is_dropped(value)).collect();
                    *parameter =
                        if kept.is_empty() { String::new() } else { format!("{key}={quote}{}{quote}", kept.join(",")) };
                }
                None if is_dropped(parameter) => parameter.clear(),
                _ => {}
            }
        }
        self.parameters.retain(|parameter| !parameter.is_empty());
    }

    /// The values of a parameter, in lower case, however they were listed.
    pub(crate) fn parameter(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        for parameter in &self.parameters {
            match parameter.split_once('=') {
                Some((key, listed)) if key.trim().eq_ignore_ascii_case(name) => {
                    // Some write TYPE="home,pref": one quoted value that is a list all the same.
                    let listed = text::decode_carets(&listed.replace('"', ""));
                    values.extend(listed.split(',').map(|value| value.trim().to_lowercase()));
                }
                // vCard 2.1 writes types bare: `TEL;HOME;VOICE`.
                None if name == "TYPE" => values.push(parameter.trim().to_lowercase()),
                _ => {}
            }
        }
        values
    }

    /// True if the property has this type.
    pub(crate) fn has_type(&self, wanted: &str) -> bool {
        self.parameter("TYPE").iter().any(|found| found == wanted)
    }

    /// How much this property is preferred among its like: lower is better, none is not at all.
    pub(crate) fn preference(&self) -> Option<u8> {
        let ranked = self.parameter("PREF").first().and_then(|rank| rank.parse().ok());
        ranked.or_else(|| self.has_type("pref").then_some(1))
    }

    fn is_quoted_printable(&self) -> bool {
        self.parameters.iter().any(|parameter| {
            let value = parameter.rsplit('=').next().unwrap_or_default();
            value.trim().eq_ignore_ascii_case("QUOTED-PRINTABLE")
        })
    }
}
