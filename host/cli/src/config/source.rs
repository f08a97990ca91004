//! The text of a configuration and the places in it, with what must not be shown taken out.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration's text.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: Arc<str>,
    hidden: Arc<[Range<usize>]>,
}

/// A place for people: both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Keys whose values are never secret.
const HARMLESS_KEYS: [&str; 14] = [
    "connector",
    "left",
    "right",
    "direction",
    "match",
    "conflict",
    "deletes",
    "schedule",
    "active",
    "caps",
    "hub",
    "rule",
    "object",
    "defaults_off",
];

/// What makes a line suspicious whatever its key is: a secret may have slipped into it.
const SECRET_SIGNS: [&str; 8] = ["auth", "token", "password", "secret", "key", "bearer", "@", "://"];

/// Signs of syntax, which are shown of every line.
const SYNTAX: &str = " \"'{}[],=#";

/// What stands in the place of each character that must not be shown.
const MASK: char = '•';

impl Source {
    pub(super) fn new(path: &Path, text: String) -> Source {
        Source { path: path.to_owned(), text: text.into(), hidden: Arc::new([]) }
    }

    pub(super) fn with_hidden(self, hidden: Vec<Range<usize>>) -> Source {
        Source { hidden: hidden.into(), ..self }
    }

    pub(super) fn text_shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Returns the file's name as it was given.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder in which relative paths start.
    pub fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Returns where `offset` is.
    pub fn position(&self, offset: usize) -> Position {
        let start = self.line_start(offset);
        let line = self.text[..start].matches('\n').count() + 1;
        Position { line, column: self.text[start..self.boundary(offset)].chars().count() + 1 }
    }

    /// Returns the line around `offset` as it may be shown: secrets masked, nothing that steers a terminal.
    pub fn shown_line(&self, offset: usize) -> String {
        let start = self.line_start(offset);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let line = self.text[start..end].trim_end_matches('\r');
        let suspect_from = self.suspect_from(line).map_or(usize::MAX, |position| start + position);
        let is_hidden = |at: usize, character: char| {
            self.hidden.iter().any(|range| range.contains(&at)) || (at >= suspect_from && !SYNTAX.contains(character))
        };
        line.char_indices()
            .map(|(position, character)| match character {
                _ if is_hidden(start + position, character) => MASK,
                '\t' => ' ',
                character if character.is_control() => '\u{fffd}',
                character => character,
            })
            .collect()
    }

    /// In a text that could not be read it is not known what is a secret: values are shown only of keys that never have
    /// one, and of others just the signs that syntax is made of. Returns where a line stops being shown.
    fn suspect_from(&self, line: &str) -> Option<usize> {
        if !self.hidden.contains(&UNREADABLE) {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        let (key, position) = match lower.find('=') {
            Some(position) => (lower[..position].trim(), position + 1),
            None => ("", 0),
        };
        let harmless = HARMLESS_KEYS.contains(&key) || lower.trim_start().starts_with('[');
        let suspicious = !harmless || SECRET_SIGNS.iter().any(|sign| lower[position..].contains(sign));
        suspicious.then_some(position)
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..self.boundary(offset)].rfind('\n').map_or(0, |position| position + 1)
    }

    fn boundary(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        (0..=offset).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

/// Marks a text that could not be read as TOML; no character of any text lies in it.
pub(super) const UNREADABLE: Range<usize> = usize::MAX..usize::MAX;
