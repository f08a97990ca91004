//! Lists the rules that no test names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::workspace::root;

/// List the rules of tests/rules.txt that no test names.
///
/// A test names a rule in its text (`E1.8`) or in its own name (`e1_8_an_unknown_create_is_looked_up`). Tests are the
/// files in a folder `tests`, those called `tests.rs`, and what stands below `#[cfg(test)]` in others.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Prints the rules without a test, one a line, and how many there are.
pub(crate) fn rules(_arguments: &Arguments) -> Result<(), Error> {
    let list = read(&root().join("tests/rules.txt"))?;
    let ids: Vec<&str> =
        list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut texts = Vec::new();
    for folder in ["host", "plugins", "tests"] {
        gather(&root().join(folder), folder == "tests", &mut texts)?;
    }
    let unnamed: Vec<&&str> = ids.iter().filter(|id| !texts.iter().any(|text| names(text, id))).collect();
    for id in &unnamed {
        println!("{id}");
    }
    println!("{} of {} rules are named by a test", ids.len() - unnamed.len(), ids.len());
    Ok(())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Reads every test below a folder.
fn gather(folder: &Path, in_tests: bool, texts: &mut Vec<String>) -> Result<(), Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path: PathBuf = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" {
            gather(&path, in_tests || name == "tests", texts)?;
        } else if name == "tests.rs" || in_tests && (name.ends_with(".rs") || is_case(&path)) {
            texts.push(read(&path)?);
        } else if name.ends_with(".rs") {
            let text = read(&path)?;
            texts.extend(text.find("#[cfg(test)]").map(|at| text[at..].to_owned()));
        }
    }
    Ok(())
}

/// True for a text that a test reads case by case.
fn is_case(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "txt") && path.parent().is_some_and(|folder| folder.ends_with("cases"))
}

/// True if a text names a rule, as `E1.8` or as `e1_8`, and not a longer one that begins alike.
fn names(text: &str, id: &str) -> bool {
    let in_a_name = id.to_lowercase().replace('.', "_");
    [id, &in_a_name].into_iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(|it| it.is_ascii_digit())
        })
    })
}
