//! Reads tables and values of any setting, gathering mistakes as it goes.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::mistake::{Mistake, neighbour, shown};

/// A value with its place.
pub(crate) type Item<'a> = Spanned<DeValue<'a>>;

/// Gathers what is wrong, and what must not be shown.
pub(crate) struct Reader {
    /// The mistakes so far.
    pub(crate) mistakes: Vec<Mistake>,
    /// Places that may hold a secret.
    pub(crate) hidden: Vec<Range<usize>>,
    /// Connections that are there but have mistakes.
    pub(crate) broken_connections: Vec<String>,
    /// Where relative paths start.
    pub(crate) folder: PathBuf,
}

/// One key with its value.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a str,
    pub(crate) key_place: Range<usize>,
    pub(crate) value: &'a Item<'a>,
}

/// A table whose keys are taken one by one; what is left over at the end is unknown.
pub(crate) struct Section<'a> {
    what: String,
    pub(crate) place: Range<usize>,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
}

impl Reader {
    pub(crate) fn new(folder: PathBuf) -> Reader {
        Reader { mistakes: Vec::new(), hidden: Vec::new(), broken_connections: Vec::new(), folder }
    }

    /// Notes a mistake.
    pub(crate) fn wrong(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Opens a table; `what` names it in messages.
    pub(crate) fn section<'a>(&mut self, item: &'a Item<'a>, what: &str) -> Option<Section<'a>> {
        let Some(table) = item.get_ref().as_table() else {
            self.wrong_type(item, what, "a table");
            return None;
        };
        let mut entries: Vec<Entry<'a>> =
            table.iter().map(|(key, value)| Entry { key: key.get_ref(), key_place: key.span(), value }).collect();
        entries.sort_by_key(|entry| entry.key_place.start);
        Some(Section { what: what.to_owned(), place: item.span(), entries, known: Vec::new() })
    }

    /// Reads a text that is not empty.
    pub(crate) fn text(&mut self, item: &Item<'_>, what: &str) -> Option<Spanned<String>> {
        match item.get_ref().as_str() {
            Some("") => {
                self.wrong(Mistake::new(&item.span(), format!("{what} is empty")));
                None
            }
            Some(text) => Some(Spanned::new(item.span(), text.to_owned())),
            None => {
                self.wrong_type(item, what, "a text in quotes");
                None
            }
        }
    }

    /// Reads true or false.
    pub(crate) fn boolean(&mut self, item: &Item<'_>, what: &str) -> Option<bool> {
        let boolean = item.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong_type(item, what, "`true` or `false`");
        }
        boolean
    }

    /// Reads a whole number that is not negative.
    pub(crate) fn whole(&mut self, item: &Item<'_>, what: &str) -> Option<u64> {
        let Some(integer) = item.get_ref().as_integer() else {
            self.wrong_type(item, what, "a whole number");
            return None;
        };
        let number = whole_number(integer);
        if number.is_none() {
            let why =
                if integer.as_str().starts_with('-') { "should not be negative" } else { "is too large a number" };
            self.wrong(Mistake::new(&item.span(), format!("{what} {why}")));
        }
        number
    }

    /// Reads a list.
    pub(crate) fn list<'a>(&mut self, item: &'a Item<'a>, what: &str) -> Option<Vec<&'a Item<'a>>> {
        let list = item.get_ref().as_array().map(|array| array.iter().collect());
        if list.is_none() {
            self.wrong_type(item, what, "a list");
        }
        list
    }

    /// Reads one of some words.
    pub(crate) fn word<T: Copy>(&mut self, item: &Item<'_>, what: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(item, what)?;
        let found = words.iter().find(|(word, _)| word == text.get_ref());
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word);
            let mistake = Mistake::new(&text.span(), format!("{} is no {what}", shown(text.get_ref())));
            self.wrong(mistake.mend(neighbour(text.get_ref(), known, "use one of")));
        }
        found.map(|(_, value)| *value)
    }

    /// Notes that a value is of another type than it should be.
    pub(crate) fn wrong_type(&mut self, item: &Item<'_>, what: &str, expected: &str) {
        let message = format!("{what} should be {expected}, and this is {}", type_word(item.get_ref()));
        self.wrong(Mistake::new(&item.span(), message));
    }
}

impl<'a> Section<'a> {
    /// Takes the entry of `key` out, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        let position = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(position))
    }

    /// Takes the entry of `key` out, and notes a mistake if it is not there; `example` shows how it is written.
    pub(crate) fn need(&mut self, reader: &mut Reader, key: &'static str, example: &str) -> Option<Entry<'a>> {
        let entry = self.take(key);
        if entry.is_none() {
            let mistake = Mistake::new(&self.place, format!("{} has no `{key}`", self.what));
            reader.wrong(mistake.mend(format!("add, for example: {example}")));
        }
        entry
    }

    /// Says whether nothing is left over.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns what has not been taken, for a table whose keys are names.
    pub(crate) fn rest(self) -> Vec<Entry<'a>> {
        self.entries
    }

    /// Notes every key that was not taken as unknown; `later` are those that a later version will know.
    pub(crate) fn finish(self, reader: &mut Reader, later: &[&str]) {
        for entry in &self.entries {
            let mistake = if later.contains(&entry.key) {
                Mistake::new(&entry.key_place, format!("{} is not supported yet", shown(entry.key)))
                    .mend("a later version will know it; take it out for now")
            } else {
                Mistake::new(&entry.key_place, format!("{} has no key {}", self.what, shown(entry.key)))
                    .mend(neighbour(entry.key, self.known.iter().copied(), "there are"))
            };
            reader.wrong(mistake);
        }
    }
}

fn whole_number(integer: &toml::de::DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

/// Returns the word for a value's type in messages.
pub(crate) fn type_word(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
