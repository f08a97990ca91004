//! What can be said on the command line, and the help that teaches it.

use std::path::PathBuf;

use clap::{ArgGroup, Args as Group, Parser, Subcommand, ValueEnum};
use syncline_runner::Remedy;

const START: &str = "\
The first five minutes:
  syncline init                   write a first syncline.toml
  syncline check                  is everything there, and does it fit together?
  syncline plan                   what would a run write? (nothing is written)
  syncline run                    one run
  syncline serve                  go on, on the schedule of each sync

Exit codes: 0 ok, 1 failed, 2 usage or configuration, 3 done with rejects or in part, 4 waiting or blocked.";

const EXPORT: &str = "\
Example:
  syncline export people.state

Records, pairs, the journal and what is known of each application are in the file, readable for \
whoever has it. Secrets in it stay encrypted: another machine needs the same key, SYNCLINE_KEY or the \
file `key` of the data folder. Plugins and syncline.toml are not in it.";

const COMPACT: &str = "\
Example:
  syncline store compact

Files of sled grow with what is written and never shrink, whatever is deleted; `syncline status` says when it is worth \
it. The copy needs space beside them while it is made, and `syncline serve` must not run. Stopping it at any \
moment leaves the state as it was, or compacted.";

const HINT: &str = "\
Examples:
  syncline hint crm contacts 1234 5678
  syncline hint crm contacts 1234 --event 7f3a      the same event once more is no news

A hint is no value: each record is read by its id before anything is decided. Beside `syncline serve` the \
syncs with a schedule that read these records run soon, else their next run looks at them.";

const IMPORT: &str = "\
Examples:
  syncline import people.state
  syncline import people.state --data ./elsewhere

To change the engine: `syncline export FILE`, set `engine` of `[store]`, rename the folder `store` of \
the data folder aside, `syncline import FILE`. Secrets in the file need the key of the machine it comes \
from: SYNCLINE_KEY or its file `key`. Only one of two machines may go on with a state.";

/// Keeps records the same in two applications.
#[derive(Clone, Debug, Parser)]
#[command(name = "syncline", version, after_help = START, disable_help_subcommand = true)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Group)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", env = "SYNCLINE_CONFIG", default_value = "syncline.toml")]
    pub config: PathBuf,
    /// The folder for state and plugins; by default in the user's data folder
    #[arg(long, global = true, value_name = "DIR", env = "SYNCLINE_DATA")]
    pub data: Option<PathBuf>,
    /// Print JSON with a stable schema, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColourWhen,
    /// Tell more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColourWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Ask a few questions and write a first syncline.toml
    #[command(
        after_help = "Examples:\n  syncline init\n  syncline init --left hubspot --right carddav \\\n      --right-setting url=https://dav.example.org/ada/people/ --right-user ada"
    )]
    Init(InitArgs),
    /// Check configuration, plugins, secrets, connections and rights; name every mistake at once
    #[command(
        after_help = "Examples:\n  syncline check\n  syncline check --offline      only what needs no connection\n  syncline check --notices      and that notices arrive"
    )]
    Check(CheckArgs),
    /// Show what a run would write, with reasons; write nothing anywhere
    #[command(
        after_help = "Examples:\n  syncline plan\n  syncline plan people --out people.plan\n  syncline run people --plan people.plan      exactly that plan, but for what has drifted"
    )]
    Plan(PlanArgs),
    /// Run once: read both sides, plan, write
    #[command(
        after_help = "Examples:\n  syncline run\n  syncline run people --yes                   unattended\n\nThe first Ctrl-C stops between two batches, the second at once. Neither loses anything."
    )]
    Run(RunArgs),
    /// Run every active sync on its schedule, until stopped
    #[command(after_help = "Example:\n  syncline serve\n\nThe other commands work beside it.")]
    Serve,
    /// Show how each sync stands: in sync, excluded, failing, waiting, with reasons
    Status(OneSync),
    /// List the records behind the counts of `status`
    #[command(
        after_help = "Examples:\n  syncline records people --state excluded\n  syncline records people --reason no-key --json"
    )]
    Records(RecordsArgs),
    /// Say why a value is what it is: run, rule, mapping, both sides and base
    #[command(after_help = "Examples:\n  syncline explain people 1234\n  syncline explain people 1234 phone")]
    Explain(ExplainArgs),
    /// List the fields on which two sides disagree
    #[command(
        after_help = "Examples:\n  syncline conflicts people\n  syncline conflicts people --all      also those that a rule or a person decided"
    )]
    Conflicts(ConflictsArgs),
    /// Decide a conflict, flip a past decision, or say what becomes of a record whose counterpart was deleted
    #[command(
        after_help = "Examples:\n  syncline resolve people 1234 phone --take left\n  syncline resolve people 1234 phone --flip\n\nIts counterpart was deleted (`syncline records people --reason counterpart-deleted`):\n  syncline resolve people 1234 --recreate --plan    what would be written\n  syncline resolve people 1234 --recreate\n  syncline resolve people '#12' --delete            by the sign of its pair"
    )]
    Resolve(ResolveArgs),
    /// Say that records may have changed, as a webhook does: the next run looks at them
    #[command(after_help = HINT)]
    Hint(HintArgs),
    /// List what runs did
    History(HistoryArgs),
    /// Show one run, change by change
    Show(RunName),
    /// Show what a run could not do
    #[command(after_help = "Examples:\n  syncline errors 12\n  syncline errors 12 --csv > errors.csv")]
    Errors(ErrorsArgs),
    /// Take back what a run wrote, but for what people changed since
    #[command(
        after_help = "Examples:\n  syncline undo 12 --plan       what would be taken back, and what not\n  syncline undo 12\n  syncline undo 12 --record 1234 --field phone"
    )]
    Undo(UndoArgs),
    /// Write the whole state to a file: for another engine, another machine, or as a copy to keep
    #[command(after_help = EXPORT)]
    Export(StateFile),
    /// Take in a state that `export` wrote; the data folder must not have one
    #[command(after_help = IMPORT)]
    Import(StateFile),
    /// Look after the files in which the state is kept
    #[command(subcommand)]
    Store(StoreCommand),
    /// Add, list, inspect and remove plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
}

/// What `init` need not ask.
#[derive(Clone, Debug, Default, Group)]
pub struct InitArgs {
    /// The connector of the left side
    #[arg(long, value_name = "CONNECTOR")]
    pub left: Option<String>,
    /// The connector of the right side
    #[arg(long, value_name = "CONNECTOR")]
    pub right: Option<String>,
    /// The object to sync
    #[arg(long, value_name = "OBJECT")]
    pub object: Option<String>,
    /// A setting of the left connector
    #[arg(long, value_name = "NAME=VALUE")]
    pub left_setting: Vec<String>,
    /// A setting of the right connector
    #[arg(long, value_name = "NAME=VALUE")]
    pub right_setting: Vec<String>,
    /// The user's name on the left, where one is needed
    #[arg(long, value_name = "NAME")]
    pub left_user: Option<String>,
    /// The user's name on the right, where one is needed
    #[arg(long, value_name = "NAME")]
    pub right_user: Option<String>,
}

/// What to check.
#[derive(Clone, Debug, Group)]
pub struct CheckArgs {
    /// Check only what needs no connection
    #[arg(long)]
    pub offline: bool,
    /// Send one test notice by each way of `[notices]`, too
    #[arg(long, conflicts_with = "offline")]
    pub notices: bool,
}

/// One sync, or all.
#[derive(Clone, Debug, Group)]
pub struct OneSync {
    /// The sync; without it all of them
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,
}

/// What to plan.
#[derive(Clone, Debug, Group)]
pub struct PlanArgs {
    /// The sync; without it all of them
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,
    /// Keep the plan, for `run --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show every record, not only the first ones
    #[arg(long)]
    pub all: bool,
}

/// What to run.
#[derive(Clone, Debug, Group)]
pub struct RunArgs {
    /// The sync; without it all of them
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,
    /// Run exactly this plan, refusing what has drifted
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Carry out the plan with this digest, or the deletes that wait under it
    #[arg(long, value_name = "DIGEST", conflicts_with = "reset")]
    pub approve: Option<String>,
    /// Leave the records whose deletes wait under this digest, and carry out the rest
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["approve", "reset"])]
    pub reject: Option<String>,
    /// Answer the ordinary question with yes; what the budgets do not hold waits for them
    #[arg(long, short)]
    pub yes: bool,
    /// Begin anew after an endpoint was changed: what is known of SYNC is forgotten
    #[arg(long, requires = "sync", conflicts_with = "plan")]
    pub reset: bool,
}

/// Which conflicts.
#[derive(Clone, Debug, Group)]
pub struct ConflictsArgs {
    /// The sync; without it all of them
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,
    /// Also those that are decided, with the value that lost
    #[arg(long)]
    pub all: bool,
}

/// Which records.
#[derive(Clone, Debug, Group)]
pub struct RecordsArgs {
    /// The sync
    #[arg(value_name = "SYNC")]
    pub sync: String,
    /// Only records in this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only records with this reason
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
}

/// What to explain.
#[derive(Clone, Debug, Group)]
pub struct ExplainArgs {
    /// The sync
    #[arg(value_name = "SYNC")]
    pub sync: String,
    /// The record's id on either side
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// The field on either side; without it all of them
    #[arg(value_name = "FIELD")]
    pub field: Option<String>,
}

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideWord {
    /// The left side.
    Left,
    /// The right side.
    Right,
}

/// What to decide.
#[derive(Clone, Debug, Group)]
#[command(group = ArgGroup::new("decision").required(true), group = ArgGroup::new("remedy"))]
pub struct ResolveArgs {
    /// The sync
    #[arg(value_name = "SYNC")]
    pub sync: String,
    /// The record's id on either side
    #[arg(value_name = "RECORD")]
    pub record: String,
    /// The field on either side; without it every field in conflict
    #[arg(value_name = "FIELD", conflicts_with = "remedy")]
    pub field: Option<String>,
    /// Take the value of this side, for what waits, else against the last decision
    #[arg(long, value_name = "SIDE", group = "decision")]
    pub take: Option<SideWord>,
    /// Turn a past decision round: the value that lost is written back
    #[arg(long, group = "decision")]
    pub flip: bool,
    /// Create it again on the side where its counterpart was deleted
    #[arg(long, groups = ["decision", "remedy"])]
    pub recreate: bool,
    /// Keep it, and forget its counterpart: should that come back, it is another record
    #[arg(long, groups = ["decision", "remedy"])]
    pub unpair: bool,
    /// Delete it too
    #[arg(long, groups = ["decision", "remedy"])]
    pub delete: bool,
    /// Only show what would be done about a record whose counterpart was deleted
    #[arg(long, requires = "remedy")]
    pub plan: bool,
    /// Answer the ordinary question with yes
    #[arg(long, short, requires = "remedy")]
    pub yes: bool,
}

impl ResolveArgs {
    /// Returns what is to become of a record whose counterpart was deleted, if that is what is decided.
    pub fn remedy(&self) -> Option<Remedy> {
        let words = [(self.recreate, Remedy::Recreate), (self.unpair, Remedy::Unpair), (self.delete, Remedy::Delete)];
        words.into_iter().find_map(|(is_meant, remedy)| is_meant.then_some(remedy))
    }
}

/// What may have changed.
#[derive(Clone, Debug, Group)]
pub struct HintArgs {
    /// The connection
    #[arg(value_name = "CONNECTION")]
    pub connection: String,
    /// The object, as the configuration names it
    #[arg(value_name = "OBJECT")]
    pub object: String,
    /// The ids of the records
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// The event that told it: the same event once more is no news
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
}

/// Which runs.
#[derive(Clone, Debug, Group)]
pub struct HistoryArgs {
    /// The sync; without it all of them
    #[arg(value_name = "SYNC")]
    pub sync: Option<String>,
    /// Runs at the most, the latest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// One run.
#[derive(Clone, Debug, Group)]
pub struct RunName {
    /// The run, as `history` names it
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Whose errors.
#[derive(Clone, Debug, Group)]
pub struct ErrorsArgs {
    /// The run, as `history` names it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Print CSV, for a table
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print one JSON object a line, for a log
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    pub jsonl: bool,
}

/// What to undo.
#[derive(Clone, Debug, Group)]
pub struct UndoArgs {
    /// The run, as `history` names it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only what the run did to this record and its counterpart; its id on either side
    #[arg(long, value_name = "ID")]
    pub record: Option<String>,
    /// Only what the run wrote to this field
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
    /// Only show what would be taken back
    #[arg(long)]
    pub plan: bool,
    /// Answer the ordinary question with yes
    #[arg(long, short)]
    pub yes: bool,
}

/// What to do with the files of the state.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum StoreCommand {
    /// Give back what the files of sled hold beyond the rows, by copying these; fjall does so by itself
    #[command(after_help = COMPACT)]
    Compact,
}

/// A file with a state.
#[derive(Clone, Debug, Group)]
pub struct StateFile {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// What to do with plugins.
#[derive(Clone, Debug, Subcommand)]
pub enum PluginCommand {
    /// Show what a plugin asks for; once you agree, add it and write syncline.lock
    #[command(
        after_help = "Examples:\n  syncline plugin add ./acme.wasm\n  syncline plugin add ./acme-2.wasm --replace"
    )]
    Add(PluginAddArgs),
    /// List the plugins that can be named in the configuration
    List,
    /// Show what a plugin is and asks for
    Inspect(PluginInspectArgs),
    /// Take the agreement to a plugin back
    Remove(PluginName),
}

/// What to add.
#[derive(Clone, Debug, Group)]
pub struct PluginAddArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Agree without being asked
    #[arg(long, short)]
    pub yes: bool,
    /// Put it in the place of another version
    #[arg(long)]
    pub replace: bool,
}

/// What to inspect.
#[derive(Clone, Debug, Group)]
pub struct PluginInspectArgs {
    /// The plugin's name, or a component's file
    #[arg(value_name = "NAME|FILE")]
    pub plugin: String,
}

/// One plugin.
#[derive(Clone, Debug, Group)]
pub struct PluginName {
    /// The plugin's name
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
