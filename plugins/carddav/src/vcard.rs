//! A vCard as a list of its own lines.
//!
//! A card is never rewritten from what was understood of it: it is read into lines, single lines are replaced, and the
//! rest goes out as it came in. vCard 3.0 and 4.0 are spoken; what is left of 2.1 in the wild is understood.
//!
//! Invariant: a line that nobody replaced leaves with the bytes it came with, folding and order included.
//! Not here: which property is which field (`records`).

pub(crate) mod property;
pub(crate) mod text;

use property::Property;

/// How a card is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2.1: quoted-printable, bare parameters. Read, and patched where it is met; never created.
    V21,
    /// 3.0, what nearly every server speaks.
    V3,
    /// 4.0.
    V4,
}

impl Version {
    /// The value of the `VERSION` property.
    pub(crate) fn as_text(self) -> &'static str {
        match self {
            Version::V21 => "2.1",
            Version::V3 => "3.0",
            Version::V4 => "4.0",
        }
    }
}

/// Why a text is not a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CardError {
    /// There is no `BEGIN:VCARD` line.
    #[error("the card has no BEGIN:VCARD line")]
    NoBegin,
    /// There is no `END:VCARD` line.
    #[error("the card has no END:VCARD line")]
    NoEnd,
    /// More than one card stands in one resource.
    #[error("the resource holds more than one card")]
    Several,
}

/// One logical line of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// The bytes of the line, folds included, without the final CRLF.
    raw: String,
    /// The property's name in upper case without its group; empty where the line is not a property of this card.
    name: String,
    /// The property's group in upper case: `ITEM1` of `item1.EMAIL`.
    group: Option<String>,
}

/// One vCard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    lines: Vec<Line>,
    version: Version,
}

impl Card {
    /// A card that holds nothing but its frame, its identity and its name lines.
    pub(crate) fn new(version: Version, uid: &str) -> Card {
        let mut card = Card { lines: vec![Line::parse("BEGIN:VCARD".to_owned())], version };
        card.lines.push(Line::parse(format!("VERSION:{}", version.as_text())));
        card.lines.push(Line::parse("PRODID:-//Syncline//CardDAV//EN".to_owned()));
        card.lines.push(Line::parse(text::fold(&format!("UID:{}", text::escape(uid)))));
        card.lines.push(Line::parse("END:VCARD".to_owned()));
        card
    }

    /// Reads a card from `input`, whatever its line ends.
    pub(crate) fn parse(input: &str) -> Result<Card, CardError> {
        let mut lines = split(input.strip_prefix('\u{feff}').unwrap_or(input));
        check_frame(&mut lines)?;
        let mut card = Card { lines, version: Version::V3 };
        card.version = match card.first("VERSION").map(|line| card.property(line).text()).as_deref() {
            Some("4.0") => Version::V4,
            Some("2.1") => Version::V21,
            _ => Version::V3,
        };
        Ok(card)
    }

    /// How this card is written.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The positions of the lines with one of these property names, in the card's order.
    pub(crate) fn positions(&self, names: &[&str]) -> Vec<usize> {
        let wanted = |line: &Line| names.contains(&line.name.as_str());
        self.lines.iter().enumerate().filter(|(_, line)| wanted(line)).map(|(at, _)| at).collect()
    }

    /// The position of the first line with this property name.
    pub(crate) fn first(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.name == name)
    }

    /// The property in the line at `position`.
    pub(crate) fn property(&self, position: usize) -> Property {
        Property::parse(&self.lines[position].raw)
    }

    /// Puts `property` in the place of the line at `position`.
    pub(crate) fn replace(&mut self, position: usize, property: &Property) {
        self.lines[position] = Line::parse(text::fold(&property.to_line()));
    }

    /// Swaps two whole lines.
    pub(crate) fn swap(&mut self, left: usize, right: usize) {
        self.lines.swap(left, right);
    }

    /// Adds a line behind the last one with the same name, else behind the last of `after`, else at the end.
    pub(crate) fn insert(&mut self, property: &Property, after: &[&str]) -> usize {
        let line = Line::parse(text::fold(&property.to_line()));
        let anchor = self.lines.iter().rposition(|other| other.name == line.name);
        let anchor = anchor.or_else(|| self.lines.iter().rposition(|other| after.contains(&other.name.as_str())));
        let position = match anchor {
            Some(position) => position + 1,
            None => self.lines.iter().rposition(|line| line.name == "END").unwrap_or(self.lines.len()),
        };
        self.lines.insert(position, line);
        position
    }

    /// Takes away the line at `position`, and with the last of its group the labels that hung on it.
    pub(crate) fn remove(&mut self, position: usize) {
        let gone = self.lines.remove(position);
        let Some(group) = gone.group else { return };
        let same = |line: &Line| line.group.as_ref() == Some(&group);
        if !self.lines.iter().any(|line| same(line) && !is_label(&line.name)) {
            self.lines.retain(|line| !same(line));
        }
    }

    /// The unescaped text of the first property with this name; none where there is none or it is blank.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.property(self.first(name)?).text();
        (!text.trim().is_empty()).then_some(text)
    }

    /// The whole card, as it is sent.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.lines.iter().map(|line| line.raw.len() + 2).sum());
        for line in &self.lines {
            out.push_str(&line.raw);
            out.push_str("\r\n");
        }
        out
    }
}

/// Properties that only describe another one of their group.
fn is_label(name: &str) -> bool {
    name.starts_with("X-AB") || name == "X-LABEL"
}

impl Line {
    /// Reads the head of a raw line: its group and its name.
    fn parse(raw: String) -> Line {
        let head: String = text::unfolded(&raw).take_while(|c| !matches!(c, ':' | ';')).collect();
        let is_property = head.len() < raw.len() && head.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if !is_property || head.is_empty() {
            return Line { raw, name: String::new(), group: None };
        }
        let (group, name) = match head.rsplit_once('.') {
            Some((group, name)) => (Some(group.to_uppercase()), name),
            None => (None, head.as_str()),
        };
        Line { name: name.to_uppercase(), group, raw }
    }
}

/// Splits a text into logical lines; the folds inside them become CRLF whatever they were.
fn split(input: &str) -> Vec<Line> {
    let mut raws: Vec<String> = Vec::new();
    let mut soft_break = false;
    for physical in input.split_terminator('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        let folded = physical.starts_with([' ', '\t']);
        match raws.last_mut() {
            Some(last) if folded || soft_break => {
                last.push_str("\r\n");
                last.push_str(physical);
            }
            _ => raws.push(physical.to_owned()),
        }
        // vCard 2.1 continues quoted-printable text behind a `=` at the line's end, without any blank.
        soft_break = physical.ends_with('=') && raws.last().is_some_and(|raw| is_quoted_printable(raw));
    }
    raws.into_iter().map(Line::parse).collect()
}

/// True if the head of this raw line says that its value is quoted-printable.
fn is_quoted_printable(raw: &str) -> bool {
    let head = raw.split(':').next().unwrap_or_default();
    head.to_ascii_uppercase().contains("QUOTED-PRINTABLE")
}

/// Checks that the lines hold exactly one card, and takes the names from the lines that are not its own: what stands
/// around it, and cards inside it (`AGENT` of 2.1).
fn check_frame(lines: &mut [Line]) -> Result<(), CardError> {
    let (mut depth, mut cards) = (0_usize, 0);
    for line in lines.iter_mut() {
        let is_frame = (line.name == "BEGIN" || line.name == "END") && is_vcard(&line.raw);
        let opens = is_frame && line.name == "BEGIN";
        let closes = is_frame && line.name == "END" && depth > 0;
        if opens {
            depth += 1;
            cards += usize::from(depth == 1);
        }
        if depth != 1 {
            line.name.clear();
            line.group = None;
        }
        if closes {
            depth -= 1;
        }
    }
    match (cards, depth) {
        (0, _) => Err(CardError::NoBegin),
        (1, 0) => Ok(()),
        (1, _) => Err(CardError::NoEnd),
        _ => Err(CardError::Several),
    }
}

fn is_vcard(raw: &str) -> bool {
    raw.split_once(':').is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("VCARD"))
}

#[cfg(test)]
mod tests;
