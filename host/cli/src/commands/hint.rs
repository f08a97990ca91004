//! `syncline hint`: takes in that records may have changed (E6.6), for the next run to look at.

use serde_json::json;
use syncline_core::{ConnectionName, Endpoint, RecordId, Side, SyncName};
use syncline_runner::{HINT_BYTES_MAX, Hinted, Store, report};

use super::CommandError;
use super::reading::failed;
use crate::args::HintArgs;
use crate::config::{Config, Sync};
use crate::output::Output;
use crate::render::text::plain;

/// What a hint led to.
pub struct Taken {
    /// What is said.
    pub output: Output,
    /// The active syncs that read these records.
    pub syncs: Vec<SyncName>,
}

/// Keeps the hint for every endpoint of that connection and object.
pub async fn hint(store: &dyn Store, config: &Config, args: &HintArgs, serving: bool) -> Result<Taken, CommandError> {
    let ids = ids(args)?;
    let syncs = syncs(config, args)?;
    let of_object = |endpoint: &&Endpoint| names(endpoint, args);
    let sides = syncs.iter().flat_map(|sync| Side::BOTH.map(|side| sync.endpoint(side)));
    let mut endpoints: Vec<&Endpoint> = sides.filter(of_object).collect();
    endpoints.sort();
    endpoints.dedup();
    let mut all = Hinted::default();
    for endpoint in endpoints {
        let hinted = syncline_runner::hint(store, endpoint, &ids, args.event.as_deref()).await.map_err(failed)?;
        all.taken += hinted.taken;
        all.doubled += hinted.doubled;
        all.dropped += hinted.dropped;
    }
    let syncs: Vec<SyncName> = syncs.into_iter().map(|sync| sync.name().clone()).collect();
    let mut unread = true;
    for sync in &syncs {
        unread &= !report::is_known(store, sync).await.map_err(failed)?;
    }
    let text = tell(all, &syncs, unread, serving);
    let json = json!({
        "schema": "syncline.hint/1", "taken": all.taken, "doubled": all.doubled, "dropped": all.dropped, "syncs": syncs,
    });
    Ok(Taken { output: Output::ok(text, json), syncs })
}

fn names(endpoint: &Endpoint, args: &HintArgs) -> bool {
    endpoint.connection.as_str() == args.connection && endpoint.object.as_str() == args.object
}

/// Finds the active syncs with that object of that connection.
fn syncs<'a>(config: &'a Config, args: &HintArgs) -> Result<Vec<&'a Sync>, CommandError> {
    let connection = ConnectionName::new(args.connection.as_str());
    if config.connection(&connection).is_none() {
        let known = config.connections.iter().map(|connection| connection.name().as_str());
        let near = syncline_registry::nearest(&args.connection, known);
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(CommandError::Usage(format!("there is no connection `{}`{near}", plain(&args.connection))));
    }
    let has = |sync: &&Sync| sync.active && Side::BOTH.into_iter().any(|side| names(sync.endpoint(side), args));
    let syncs: Vec<&Sync> = config.syncs.iter().filter(has).collect();
    if syncs.is_empty() {
        let message = format!("no active sync reads `{}` of the connection {connection}", plain(&args.object));
        return Err(CommandError::Usage(message));
    }
    Ok(syncs)
}

fn ids(args: &HintArgs) -> Result<Vec<RecordId>, CommandError> {
    let is_odd = |id: &&String| id.is_empty() || id.len() > HINT_BYTES_MAX || id.chars().any(char::is_control);
    if let Some(odd) = args.ids.iter().find(is_odd) {
        let shown: String = odd.chars().take(40).collect();
        let message = format!(
            "`{}` cannot be the id of a record; it is empty, longer than {HINT_BYTES_MAX} bytes, or has control \
             characters",
            plain(&shown)
        );
        return Err(CommandError::Usage(message));
    }
    Ok(args.ids.iter().map(|id| RecordId::new(id.as_str())).collect())
}

fn tell(all: Hinted, syncs: &[SyncName], unread: bool, serving: bool) -> String {
    let names: Vec<String> = syncs.iter().map(|name| plain(name.as_str()).to_string()).collect();
    let names = names.join(", ");
    if unread {
        return format!("nothing to keep: the first run of {names} reads everything\n");
    }
    let mut text = format!("{} taken", all.taken);
    if all.doubled > 0 {
        text.push_str(&format!(", {} told before", all.doubled));
    }
    if all.dropped > 0 {
        text.push_str(&format!(", {} dropped, since too many wait: the next run finds them by itself", all.dropped));
    }
    match serving {
        true => text.push_str(&format!("; {names} runs soon, if it has a schedule\n")),
        false => text.push_str(&format!("; the next run of {names} looks at them\n")),
    }
    text
}
