//! One mistake in a configuration: where it is, what is wrong, and how to mend it.

use std::ops::Range;

use super::Source;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is, in bytes of the text.
    pub place: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub mend: Option<String>,
    /// Another place that has to do with it, and how.
    pub also: Option<(Range<usize>, String)>,
}

/// The mistakes of one configuration; never none.
#[derive(Clone, Debug)]
pub struct Mistakes {
    /// The text.
    pub source: Source,
    /// The mistakes, in the order of the text.
    pub list: Vec<Mistake>,
}

impl Mistake {
    /// Says what is wrong at `place`.
    pub fn new(place: &Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { place: place.clone(), message: message.into(), mend: None, also: None }
    }

    /// Adds how to mend it.
    pub fn mend(self, mend: impl Into<String>) -> Mistake {
        Mistake { mend: Some(mend.into()), ..self }
    }

    /// Adds another place.
    pub fn also(self, place: &Range<usize>, note: impl Into<String>) -> Mistake {
        Mistake { also: Some((place.clone(), note.into())), ..self }
    }
}

impl Mistakes {
    /// Puts `list` in the order of the text.
    pub fn new(source: Source, mut list: Vec<Mistake>) -> Mistakes {
        list.sort_by(|a, b| (a.place.start, a.place.end, &a.message).cmp(&(b.place.start, b.place.end, &b.message)));
        list.dedup();
        Mistakes { source, list }
    }
}

/// Says how many mistakes there are.
pub(crate) fn count(mistakes: usize) -> String {
    if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") }
}

/// Returns `text` short and without anything that could steer a terminal, for use inside a sentence.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let short: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    let short = short.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(SHOWN_MAX).is_some() { format!("`{short}…`") } else { format!("`{short}`") }
}

/// Joins names as a list in a sentence.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const LISTED_MAX: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(LISTED_MAX).map(|name| shown(name)).collect();
    match names.len().saturating_sub(LISTED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Says what to write instead of `word`: its nearest neighbour, or all that there are.
pub(crate) fn neighbour<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone, all: &str) -> String {
    match syncline_registry::nearest(word, known.clone()) {
        Some(nearest) => format!("did you mean {}?", shown(nearest)),
        None => format!("{all} {}", listed(known)),
    }
}
