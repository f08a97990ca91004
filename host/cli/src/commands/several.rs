//! One command for several syncs: what fails for one is told beside what came of the others.

use serde_json::{Value, json};

use super::{CommandError, Exit};
use crate::config::Sync;
use crate::output::Output;

/// What came of each sync so far.
pub struct Several {
    key: &'static str,
    is_one: bool,
    text: String,
    list: Vec<Value>,
    exit: Exit,
}

impl Several {
    /// Begins with nothing; `key` names the list for programs.
    pub fn new(key: &'static str, syncs: &[Sync]) -> Several {
        Several { key, is_one: syncs.len() == 1, text: String::new(), list: Vec::new(), exit: Exit::Ok }
    }

    /// Adds what came of `sync`. Where it is the only one, its error is that of the command.
    pub fn add(&mut self, sync: &Sync, ended: Result<Output, CommandError>) -> Result<(), CommandError> {
        match ended {
            Ok(output) => {
                self.text.push_str(&output.text);
                self.list.push(output.json);
                self.exit = self.exit.max(output.exit);
            }
            Err(error) if self.is_one => return Err(error),
            Err(error) => {
                self.text.push_str(&format!("{}: FAILED: {}\n", sync.name(), error.told().trim_end()));
                let mut value = error.to_json();
                value["sync"] = json!(sync.name());
                self.list.push(value);
                self.exit = self.exit.max(error.exit());
            }
        }
        Ok(())
    }

    /// Returns what the command says.
    pub fn output(self) -> Output {
        Output { text: self.text, json: json!({ self.key: self.list }), exit: self.exit }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn syncs(names: &[&str]) -> Vec<Sync> {
        let mut text = "[connections.a]\nconnector = \"x\"\n".to_owned();
        for name in names {
            text.push_str(&format!(
                "[syncs.{name}]\nleft = {{ connection = \"a\", object = \"l\" }}\n\
                 right = {{ connection = \"a\", object = \"r\" }}\nhub = true\n"
            ));
        }
        crate::config::parse(text, Path::new("syncline.toml")).expect("parses").syncs
    }

    fn failed() -> Result<Output, CommandError> {
        Err(CommandError::Failed("no connection".to_owned()))
    }

    #[test]
    fn a_sync_that_fails_does_not_hide_the_others() {
        let syncs = syncs(&["first", "second", "third"]);
        let mut several = Several::new("runs", &syncs);
        several.add(&syncs[0], failed()).expect("goes on");
        let waiting =
            Output { text: "second: waiting\n".to_owned(), json: json!({ "sync": "second" }), exit: Exit::Waiting };
        several.add(&syncs[1], Ok(waiting)).expect("goes on");
        several.add(&syncs[2], Ok(Output::ok("third: ok\n", json!({ "sync": "third" })))).expect("goes on");
        let output = several.output();
        assert_eq!(output.text, "first: FAILED: no connection\nsecond: waiting\nthird: ok\n");
        assert_eq!(output.json["runs"][0], json!({ "sync": "first", "error": "no connection" }));
        assert_eq!(output.json["runs"][2]["sync"], "third");
        assert_eq!(output.exit, Exit::Failed, "the worst of all");
    }

    #[test]
    fn the_error_of_the_only_sync_is_that_of_the_command() {
        let syncs = syncs(&["only"]);
        assert!(Several::new("runs", &syncs).add(&syncs[0], failed()).is_err());
    }
}
