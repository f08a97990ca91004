//! Ids and values in a line.

use syncline_core::{PairId, RecordId};
use syncline_runner::report::{Cell, NamedReference};
use unicode_width::UnicodeWidthChar;

/// Columns of a value in a table at the most.
pub const VALUE_WIDTH_MAX: usize = 40;

/// Columns of a value that has a line of its own.
pub const LINE_WIDTH_MAX: usize = 200;

/// Columns of the name of a record that others refer to.
const NAME_WIDTH_MAX: usize = 24;

/// Columns of an id in a table.
const ID_WIDTH_MAX: usize = 24;

/// Escapes what is no printable character, so that no value can steer the terminal or turn the text round.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => plain.push_str("\\n"),
            '\t' => plain.push_str("\\t"),
            _ if is_printable(character) => plain.push(character),
            _ => plain.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
        }
    }
    plain
}

fn is_printable(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    // A joiner has its place inside of words; these have none that can be seen.
    let hides = matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !turns && !breaks && !hides
}

/// Escapes and shortens at the end.
pub fn shortened(text: &str, width_max: usize) -> String {
    let plain = plain(text);
    let mut width = 0;
    let mut end = plain.len();
    for (at, character) in plain.char_indices() {
        width += character.width().unwrap_or(0);
        // One column is kept for the sign that something is missing.
        if width < width_max {
            end = at + character.len_utf8();
        }
    }
    if width <= width_max { plain } else { format!("{}…", &plain[..end]) }
}

/// Shortens an id in its middle: the ends tell ids apart.
pub fn short_id(id: Option<&RecordId>) -> String {
    let Some(id) = id else { return "-".to_owned() };
    let id: Vec<char> = plain(id.as_str()).chars().collect();
    if id.len() <= ID_WIDTH_MAX {
        return id.into_iter().collect();
    }
    let (start, end) = (&id[..8], &id[id.len() - 15..]);
    start.iter().chain(&['…']).chain(end).collect()
}

/// Returns the sign by which people name a pair.
pub fn pair(pair: PairId) -> String {
    format!("#{}", pair.0)
}

/// Shows a value.
pub fn value(cell: &Cell, width_max: usize) -> String {
    match cell {
        Cell::Unknown => "(unknown)".to_owned(),
        Cell::Masked => "(not shown)".to_owned(),
        Cell::Known(value) => shortened(&value.to_string(), width_max),
        Cell::Named(list) => named(list, width_max),
    }
}

/// Shows references by name, as many as fit, and each of them with its whole id: a part of it would lead nowhere.
fn named(list: &[NamedReference], width_max: usize) -> String {
    let mut text = String::new();
    let mut width = 0;
    for (at, one) in list.iter().enumerate() {
        let id = shortened(&one.reference.id, LINE_WIDTH_MAX);
        let entry = match &one.name {
            Some(name) => format!("{} ({id})", shortened(name, NAME_WIDTH_MAX)),
            None => id,
        };
        width += entry.chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
        if at > 0 && width > width_max {
            return format!("{text} and {} more", list.len() - at);
        }
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&entry);
    }
    text
}

/// Counts things: `1 record`, `2 records`.
pub fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Reference;

    #[test]
    fn nothing_steers_the_terminal() {
        let cases = [
            ("Ada", "Ada"),
            ("a\nb", "a\\nb"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("a\u{61c}b\u{2028}c\u{200b}d\u{e0041}", "a\\u{61c}b\\u{2028}c\\u{200b}d\\u{e0041}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("Zoë 山田", "Zoë 山田"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn references_are_shown_by_name_and_with_whole_ids() {
        let shown = |list: &[(&str, Option<&str>)]| {
            let named = |(id, name): &(&str, Option<&str>)| NamedReference {
                reference: Reference { target: "companies".to_owned(), id: (*id).to_owned() },
                name: name.map(str::to_owned),
            };
            value(&Cell::Named(list.iter().map(named).collect()), VALUE_WIDTH_MAX)
        };
        let long = Some("The Worshipful Company of Clockmakers");
        assert_eq!(shown(&[("17", Some("Acme"))]), "Acme (17)");
        assert_eq!(shown(&[("17", Some("Acme")), ("18", None)]), "Acme (17), 18");
        assert_eq!(shown(&[("9f1c2d3e-4a5b-4c6d-8e7f", long)]), "The Worshipful Company … (9f1c2d3e-4a5b-4c6d-8e7f)");
        assert_eq!(
            shown(&[("17", Some("Acme")), ("18", long), ("19", None)]),
            "Acme (17), The Worshipful Company … (18), 19"
        );
        assert_eq!(shown(&[("17", long), ("18", long), ("19", None)]), "The Worshipful Company … (17) and 2 more");
        assert_eq!(shown(&[("1\u{1b}[2J", Some("\u{202e}emcA\n"))]), "\\u{202e}emcA\\n (1\\u{1b}[2J)");
    }

    #[test]
    fn long_text_is_cut_by_columns() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("山田太郎です", 7), "山田太…");
        assert_eq!(short_id(Some(&RecordId::from("/ada/people/9f1c2d3e-4a5b.vcf"))), "/ada/peo…1c2d3e-4a5b.vcf");
    }
}
