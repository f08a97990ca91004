//! A person at a terminal: reads what is shown, types answers, presses keys.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use pty_process::Size;

use crate::World;
use crate::binary::{Ran, Started};

/// How long a person waits for something to be shown.
const PATIENCE: Duration = Duration::from_secs(60);

/// A person at a terminal on which a command runs.
#[derive(Debug)]
pub struct Person {
    started: Started,
    keyboard: File,
    /// How much of what was shown is read.
    read: usize,
}

impl Person {
    pub(crate) fn starts(command: &Command) -> Person {
        let (screen, terminal) = pty_process::blocking::open().expect("a terminal");
        screen.resize(Size::new(40, 160)).expect("a size");
        let keyboard = File::from(OwnedFd::from(screen));
        let screen = keyboard.try_clone().expect("the screen of the same terminal");
        Person { started: Started::on_terminal(command, screen, terminal), keyboard, read: 0 }
    }

    /// Waits until these words are shown, after those that were waited for before.
    ///
    /// # Panics
    /// When they are not shown.
    #[track_caller]
    pub fn sees(mut self, words: &str) -> Person {
        let found = World::until(PATIENCE, || self.started.shown()[self.read..].contains(words));
        let shown = self.started.shown();
        assert!(found, "{words:?} is not shown:\n{}", &shown[self.read..]);
        self.read += shown[self.read..].find(words).map_or(0, |at| at + words.len());
        self
    }

    /// Types a line.
    pub fn types(self, line: &str) -> Person {
        self.sends(format!("{line}\n").as_bytes())
    }

    /// Presses a key together with the control key.
    pub fn presses_control(self, key: char) -> Person {
        let key = u8::try_from(key.to_ascii_lowercase()).expect("a key of the first letters") & 0x1f;
        self.sends(&[key])
    }

    fn sends(mut self, keys: &[u8]) -> Person {
        self.keyboard.write_all(keys).expect("the terminal is there");
        self
    }

    /// Waits for the end of the command. What the terminal showed is in `out`.
    #[track_caller]
    pub fn waits(self) -> Ran {
        self.started.wait()
    }
}

/// True if a text has colours, whatever else it does with the cursor.
pub fn has_colours(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != ';');
        end.is_some_and(|end| rest[end..].starts_with('m'))
    })
}
