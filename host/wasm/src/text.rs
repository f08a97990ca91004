//! Texts of plugins on their way to people.

/// Longer texts for people are cut; the rest would only hide what matters.
const TEXT_CHARS_MAX: usize = 2_000;

/// Returns `text` fit for a terminal: control characters escaped, not endless.
pub(crate) fn printable(text: &str) -> String {
    printable_up_to(text, TEXT_CHARS_MAX)
}

/// Returns at most `chars_max` characters of `text`, with what could steer a terminal escaped.
pub(crate) fn printable_up_to(text: &str, chars_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max));
    let mut characters = text.chars();
    for character in characters.by_ref().take(chars_max) {
        match character {
            '\t' => shown.push(' '),
            _ if is_steering(character) => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters, line separators, and the marks that turn the direction of writing.
fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::printable_up_to;

    #[test]
    fn nothing_steers_a_terminal() {
        for (text, shown) in [
            ("plain grün 日本", "plain grün 日本"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("a\r\nERROR b\tc", "a\\r\\nERROR b c"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("0123456789+", "0123456789…"),
        ] {
            assert_eq!(printable_up_to(text, if shown.ends_with('…') { 10 } else { 100 }), shown);
        }
    }
}
