//! What is on the other end: a person at a terminal, or a program.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use syncline_runner::Stop;

use crate::args::{ColourWhen, Global};

/// How to speak.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Use colours in reports for people.
    pub colour: bool,
    /// Print JSON.
    pub json: bool,
    /// Somebody can be asked.
    pub can_ask: bool,
}

impl Terminal {
    /// Looks at what is on the other end.
    pub fn new(global: &Global) -> Terminal {
        let colour = match global.color {
            ColourWhen::Always => true,
            ColourWhen::Never => false,
            ColourWhen::Auto => {
                io::stderr().is_terminal() && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
            }
        };
        let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal() && !global.json;
        Terminal { colour, json: global.json, can_ask }
    }

    /// Asks for a line; an empty one is the `proposal`.
    pub fn ask(&self, question: &str, proposal: Option<&str>) -> io::Result<String> {
        let hint = proposal.map(|proposal| format!(" [{proposal}]")).unwrap_or_default();
        tell(&format!("{question}{hint}: "));
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input ended"));
        }
        let answer = line.trim();
        Ok(if answer.is_empty() { proposal.unwrap_or_default().to_owned() } else { answer.to_owned() })
    }

    /// Asks for yes; no answer is no, and what is neither is asked again.
    pub fn agrees(&self, question: &str) -> io::Result<bool> {
        loop {
            let answer = match self.ask(&format!("{question} [y/N]"), None) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tell_line("");
                    return Ok(false);
                }
                answer => answer?,
            };
            match answer.to_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "" | "n" | "no" => return Ok(false),
                _ => tell_line("please answer y or n"),
            }
        }
    }

    /// The same within a command that a signal stops: whoever stops it does not agree.
    pub async fn agrees_unless(self, stop: &Stop, question: &str) -> io::Result<bool> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let question = question.to_owned();
        // A read of the terminal cannot be called off, so it has a thread that nobody waits for.
        std::thread::spawn(move || sender.send(self.agrees(&question)));
        tokio::select! {
            answer = answer => answer.unwrap_or(Ok(false)),
            () = stop.asked() => Ok(false),
        }
    }
}

/// Tells a line beside the output.
pub fn tell_line(line: impl Display) {
    tell(&format!("{line}\n"));
}

/// Tells beside the output, on standard error.
///
/// Invariant: a reader that has gone away ends no command; what would be told is lost.
pub fn tell(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Prints a value for programs.
pub fn print_json(value: &serde_json::Value) {
    print_text(&format!("{value:#}\n"));
}

/// Prints text to the output; a reader that has gone away is no error.
pub fn print_text(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads the output any more");
    }
}
