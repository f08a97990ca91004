//! The commands that only read: they need the configuration and the store, and reach no application.
//!
//! Each gives JSON with a `schema` of its own, such as `syncline.status/1`. Times in it are strings in UTC, sides are
//! `left` and `right`, standings and reasons are the words of `status`, and a value is what it looks like: `null` for
//! blank, `{"unknown": true}` for one that was never read, `{"masked": true}` for one of a sensitive field. A reference has
//! its `target` and `id`, and the `name` of the record that it leads to where a replica here knows that.

use syncline_core::{FieldName, Reason, SyncName};
use syncline_runner::report::{Class, Filter};
use syncline_runner::{Failure, Store, StoreError, report};

use super::perform::run_id;
use super::{CommandError, conflicts, errors, explain, history, records, show, status};
use crate::args::Command;
use crate::config::Config;
use crate::output::Output;
use crate::render::View;
use crate::render::text::plain;
use crate::session::SessionError;

/// Records, conflicts and changes that a person is shown at once.
const SHOWN_MAX: usize = 200;

/// Does a command that only reads; none for the others.
pub async fn read(
    command: &Command,
    store: &dyn Store,
    config: &Config,
    view: View,
) -> Option<Result<Output, CommandError>> {
    Some(match command {
        Command::Status(args) => status::report(store, config, args.sync.as_deref(), view).await,
        Command::Records(args) => match filter(args.state.as_deref(), args.reason.as_deref()) {
            Ok(filter) => records::report(store, config, &args.sync, filter, limit(view), view).await,
            Err(error) => Err(error),
        },
        Command::Explain(args) => {
            let field = args.field.as_deref().map(FieldName::from);
            explain::report(store, config, &args.sync, &args.record, field.as_ref(), view).await
        }
        Command::Conflicts(args) => {
            conflicts::report(store, config, args.sync.as_deref(), args.all, limit(view), view).await
        }
        Command::History(args) => history::report(store, config, args.sync.as_deref(), args.limit, view).await,
        Command::Show(args) => match run_id(&args.run) {
            Ok(run) => show::report(store, run, limit(view), view).await,
            Err(error) => Err(error),
        },
        Command::Errors(args) => match run_id(&args.run) {
            Ok(run) => {
                let form = match (args.csv, args.jsonl) {
                    (true, _) => errors::Form::Csv,
                    (false, true) => errors::Form::Lines,
                    (false, false) => errors::Form::Table,
                };
                errors::report(store, run, form, view).await
            }
            Err(error) => Err(error),
        },
        Command::Init(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Store(_)
        | Command::Check(_)
        | Command::Hint(_)
        | Command::Plan(_)
        | Command::Run(_)
        | Command::Serve
        | Command::Resolve(_)
        | Command::Undo(_)
        | Command::Plugin(_) => return None,
    })
}

/// A program gets everything.
fn limit(view: View) -> usize {
    if view.json { usize::MAX } else { SHOWN_MAX }
}

/// Reads the words of `--state` and `--reason`.
pub fn filter(state: Option<&str>, reason: Option<&str>) -> Result<Filter, CommandError> {
    let standing = state.map(|word| {
        let words = || Class::ALL.into_iter().map(Class::word);
        Class::from_word(word).ok_or_else(|| unknown("state", word, words().collect()))
    });
    let reason = reason.map(|word| {
        let words = || Reason::ALL.into_iter().map(Reason::code);
        Reason::from_code(word).ok_or_else(|| unknown("reason", word, words().collect()))
    });
    Ok(Filter { standing: standing.transpose()?, reason: reason.transpose()? })
}

fn unknown(what: &str, word: &str, words: Vec<&str>) -> CommandError {
    let near = syncline_registry::nearest(word, words.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    CommandError::Usage(format!("there is no {what} `{}`; {near}there are {}", plain(word), words.join(", ")))
}

/// Finds the sync that a command names: one of the configuration, or one that was there and has run.
pub(super) async fn sync_named(store: &dyn Store, config: &Config, name: &str) -> Result<SyncName, CommandError> {
    let name = SyncName::from(name);
    if config.sync(&name).is_some() || report::is_known(store, &name).await.map_err(failed)? {
        return Ok(name);
    }
    let known = config.syncs.iter().map(|sync| sync.name().as_str());
    let nearest = syncline_registry::nearest(name.as_str(), known).map(str::to_owned);
    Err(SessionError::NoSync { name, nearest }.into())
}

/// Returns the sync that is named, or all of the configuration.
pub(super) async fn syncs_named(
    store: &dyn Store,
    config: &Config,
    name: Option<&str>,
) -> Result<Vec<SyncName>, CommandError> {
    match name {
        Some(name) => Ok(vec![sync_named(store, config, name).await?]),
        None => Ok(config.syncs.iter().map(|sync| sync.name().clone()).collect()),
    }
}

pub(super) fn failed(error: StoreError) -> CommandError {
    SessionError::from(Failure::from(error)).into()
}
