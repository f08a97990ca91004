//! The terminal: headings, words, and the real `syncline`, run as a user would.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// The widest line of the told text.
const WIDTH: usize = 100;

/// How much of an output is shown.
#[derive(Clone, Copy)]
pub(super) enum Show {
    /// Everything.
    All,
    /// The first lines.
    First(usize),
}

/// Where commands are run and shown.
pub(super) struct Shell {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    program: PathBuf,
    colour: bool,
    acts: usize,
}

impl Shell {
    pub(super) fn new(folder: &Path, program: &Path, environment: Vec<(&'static str, String)>) -> Shell {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Shell { folder: folder.to_owned(), environment, program: program.to_owned(), colour, acts: 0 }
    }

    /// Begins a part of the story.
    pub(super) fn act(&mut self, title: &str) {
        self.acts += 1;
        println!("\n{}", self.painted("1", &format!("{}. {title}", self.acts)));
    }

    /// Tells something, in lines that are not too long.
    pub(super) fn say(&self, text: &str) {
        println!("\n{}", wrapped(text));
    }

    /// Shows lines as they are.
    pub(super) fn print(&self, lines: &str) {
        println!("\n{}", lines.trim_end());
    }

    /// Runs `syncline`, shows what matters of its output, and returns all of it.
    pub(super) fn syncline(&self, arguments: &[&str], show: Show, exit: i32) -> Result<String, Error> {
        let line = format!("syncline {}", arguments.join(" "));
        println!("\n{}", self.painted("36", &format!("$ {line}")));
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().map_err(|source| Error::NotStarted { command: line.clone(), source })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{}", cut(said.trim_end(), show).trim_end());
        if output.status.code() == Some(exit) {
            return Ok(said);
        }
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Err(Error::Demo(format!("`{line}` ended with {} and not with exit code {exit}", output.status)))
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Leaves lines out, and says how many.
fn cut(text: &str, show: Show) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    match show {
        Show::First(count) if count < lines.len() => {
            format!("{}  [and {} more lines]\n", lines[..count].concat(), lines.len() - count)
        }
        Show::All | Show::First(_) => text.to_owned(),
    }
}

fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(cut("a\nb\nc\n", Show::All), "a\nb\nc\n");
        assert_eq!(cut("a\nb\nc\n", Show::First(3)), "a\nb\nc\n");
        assert_eq!(cut("a\nb\nc\n", Show::First(1)), "a\n  [and 2 more lines]\n");
    }

    #[test]
    fn words_are_told_in_lines_that_fit() {
        let text = wrapped(&"word ".repeat(50));
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 50);
    }
}
