//! The text as TOML: what the parser finds wrong, in our words.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, shown};
use super::read::Item;

/// What the parser found wrong.
pub(super) struct Syntax {
    /// The mistakes.
    pub(super) mistakes: Vec<Mistake>,
    /// True if the document is whole but for keys that are there twice.
    pub(super) readable: bool,
}

/// Parses `text` as far as it can be parsed, with every mistake of syntax.
pub(super) fn parse(text: &str) -> (Item<'_>, Syntax) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let span = document.span();
    let document = Spanned::new(span, DeValue::Table(document.into_inner()));
    let readable = errors.iter().all(is_duplicate);
    let mistakes = if readable { duplicates(text, &errors) } else { syntax_mistakes(&errors) };
    (document, Syntax { mistakes, readable })
}

fn is_duplicate(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

/// Behind an inline table or a list that is never closed everything looks wrong; only what comes before is told.
fn syntax_mistakes(errors: &[toml::de::Error]) -> Vec<Mistake> {
    let follows = |error: &toml::de::Error| {
        ["inline table", "missing comma", "unclosed array"].iter().any(|words| error.message().contains(words))
    };
    let mut errors: Vec<&toml::de::Error> = errors.iter().filter(|error| !is_duplicate(error)).collect();
    errors.sort_by_key(|error| (error.span().map_or(0, |place| place.start), follows(error)));
    let told = errors.iter().skip(1).position(|error| follows(error)).map_or(errors.len(), |position| position + 1);
    errors[..told]
        .iter()
        .map(|error| {
            let mistake = Mistake::new(&error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()));
            mistake.mend("see https://toml.io for how values are written")
        })
        .collect()
}

/// A table that is there twice is told once, and not again for each of its keys.
fn duplicates(text: &str, errors: &[toml::de::Error]) -> Vec<Mistake> {
    let mut told: Option<Range<usize>> = None;
    let mut mistakes = Vec::new();
    for place in errors.iter().filter_map(toml::de::Error::span) {
        if told.as_ref().is_some_and(|table| table.contains(&place.start)) {
            continue;
        }
        let header = header_around(text, place.start);
        mistakes.push(duplicate(text, header.as_ref(), &place));
        told = header.map(|line| line.end..text[line.end..].find("\n[").map_or(text.len(), |length| line.end + length));
    }
    mistakes
}

/// Returns the line around `offset` if it is the head of a table.
fn header_around(text: &str, offset: usize) -> Option<Range<usize>> {
    let offset = offset.min(text.len());
    let start = text.get(..offset)?.rfind('\n').map_or(0, |position| position + 1);
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    text[start..end].trim_start().starts_with('[').then_some(start..end)
}

fn duplicate(text: &str, header: Option<&Range<usize>>, place: &Range<usize>) -> Mistake {
    let key = text.get(place.clone()).unwrap_or_default().trim().trim_matches(['"', '\'']);
    let line = header.map(|line| text[line.clone()].trim());
    let parts: Vec<&str> =
        line.unwrap_or_default().split(['[', ']', '.', '"', '\'']).filter(|part| !part.is_empty()).collect();
    let (what, mend) = match parts.as_slice() {
        ["syncs", name] if *name == key => ("syncs", "a sync's name is its identity; give this one another"),
        ["connections", name] if *name == key => ("connections", "give this one another name"),
        _ => return Mistake::new(place, format!("{} is set twice", shown(key))).mend("keep one of them"),
    };
    let mistake = Mistake::new(place, format!("two {what} are called {}", shown(key))).mend(mend);
    match line.and_then(|line| text.find(line)).filter(|first| *first < place.start) {
        Some(first) => mistake.also(&(first..first + line.map_or(0, str::len)), "the first is here"),
        None => mistake,
    }
}
