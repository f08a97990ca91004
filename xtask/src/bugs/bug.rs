//! A deliberate bug: a sentence, what it breaks, and the lines that it changes.
//!
//! It is written like a diff without line numbers: a hunk names its file, then come lines that stay (` `), that go (`-`)
//! and that come (`+`). Lines are found without regard to their indentation, so that a bug outlives code that moves. It
//! must be found exactly once: a bug that does not apply any more is an error, never a bug that was caught.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// One deliberate bug.
#[derive(Debug)]
pub(crate) struct Bug {
    /// The name of its file.
    pub(crate) name: String,
    /// What it does wrong.
    pub(crate) sentence: String,
    /// Within how many histories it has to be caught.
    pub(crate) within: u64,
    hunks: Vec<Hunk>,
}

#[derive(Debug)]
struct Hunk {
    file: String,
    lines: Vec<(Mark, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Stays,
    Goes,
    Comes,
}

impl Bug {
    /// Reads every bug of a folder, in the order of their names.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>, Error> {
        let failed = |source| Error::Read { path: folder.to_owned(), source };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        paths
            .iter()
            .filter(|path| path.extension().is_some_and(|it| it == "txt"))
            .map(|path| Self::read(path))
            .collect()
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(&name, &text).ok_or_else(|| {
            Error::Setup(format!(
                "the bug {name} cannot be read: a sentence, `breaks:`, `within:`, then hunks that begin with `file:`"
            ))
        })
    }

    fn parse(name: &str, text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let sentence = lines.next()?.to_owned();
        lines.next()?.strip_prefix("breaks: ")?;
        let within = lines.next()?.strip_prefix("within: ")?.parse().ok()?;
        let mut hunks: Vec<Hunk> = Vec::new();
        for line in lines {
            if let Some(file) = line.strip_prefix("file: ") {
                hunks.push(Hunk { file: file.to_owned(), lines: Vec::new() });
                continue;
            }
            let mark = match line.chars().next() {
                Some(' ') => Mark::Stays,
                Some('-') => Mark::Goes,
                Some('+') => Mark::Comes,
                None => continue,
                Some(_) => return None,
            };
            hunks.last_mut()?.lines.push((mark, line[1..].to_owned()));
        }
        let changes = |hunk: &Hunk| hunk.lines.iter().any(|(mark, _)| *mark != Mark::Stays);
        (!hunks.is_empty() && hunks.iter().all(changes)).then(|| Self {
            name: name.to_owned(),
            sentence,
            within,
            hunks,
        })
    }

    /// Returns the files below `folder` that the bug changes, with the bug in them.
    pub(crate) fn changed(&self, folder: &Path) -> Result<BTreeMap<String, String>, Error> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for hunk in &self.hunks {
            let text = match files.remove(&hunk.file) {
                Some(text) => text,
                None => {
                    let path = folder.join(&hunk.file);
                    fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?
                }
            };
            let text = hunk.apply(&text).map_err(|found| {
                Error::Setup(format!(
                    "the bug {} does not apply any more: its lines are {found} times in {}; write it anew for the code \
                     as it is now",
                    self.name, hunk.file
                ))
            })?;
            files.insert(hunk.file.clone(), text);
        }
        Ok(files)
    }
}

impl Hunk {
    /// Returns the text with the hunk in it, or how often its lines were found.
    fn apply(&self, text: &str) -> Result<String, usize> {
        let lines: Vec<&str> = text.lines().collect();
        let old: Vec<&str> =
            self.lines.iter().filter(|(mark, _)| *mark != Mark::Comes).map(|(_, line)| line.trim()).collect();
        let is_here = |at: &usize| lines[*at..].iter().zip(&old).all(|(line, old)| line.trim() == *old);
        let found: Vec<usize> = (0..(lines.len() + 1).saturating_sub(old.len())).filter(is_here).collect();
        let [at] = found[..] else { return Err(found.len()) };
        let mut new: Vec<&str> = lines[..at].to_vec();
        let mut next = at;
        for (mark, line) in &self.lines {
            match mark {
                Mark::Comes => new.push(line),
                Mark::Stays => {
                    new.push(lines[next]);
                    next += 1;
                }
                Mark::Goes => next += 1,
            }
        }
        new.extend(&lines[next..]);
        Ok(new.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUG: &str = "It adds.\nbreaks: E1.1\nwithin: 7\n\nfile: a.rs\n fn sum() {\n-one - two\n+    one + two\n }\n";

    fn applied(text: &str) -> Result<String, usize> {
        Bug::parse("sum", BUG).expect("it can be read").hunks[0].apply(text)
    }

    #[test]
    fn a_bug_is_found_wherever_its_lines_have_moved() {
        let bug = Bug::parse("sum", BUG).expect("it can be read");
        assert_eq!((bug.sentence.as_str(), bug.within, bug.hunks.len()), ("It adds.", 7, 1));
        let moved = "mod inner {\n    fn sum() {\n        one - two\n    }\n}\n";
        assert_eq!(applied(moved), Ok("mod inner {\n    fn sum() {\n    one + two\n    }\n}\n".to_owned()));
    }

    #[test]
    fn a_bug_that_is_found_nowhere_or_twice_does_not_apply() {
        assert_eq!(applied("fn sum() {\n    two\n}\n"), Err(0));
        assert_eq!(applied(""), Err(0));
        let twice = "fn sum() {\none - two\n}\n".repeat(2);
        assert_eq!(applied(&twice), Err(2));
    }

    #[test]
    fn what_is_no_bug_is_refused() {
        for text in ["", "It adds.\n", "It adds.\nbreaks: E1.1\nwithin: 7\n", "It adds.\nbreaks: E1.1\nwithin: 7\n+x\n"]
        {
            assert!(Bug::parse("sum", text).is_none(), "{text:?}");
        }
    }
}
