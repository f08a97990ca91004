//! `syncline plugin`: add, list, inspect, remove; what a plugin asks for is told in plain words before it is agreed to.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use syncline_core::Side;
use syncline_registry::{
    Admission, Change, Digest, Listed, Manifest, Origin, PluginKind, PluginName, PluginStore, Proposal, Wishes,
};

use super::{CommandError, Exit};
use crate::args::{PluginAddArgs, PluginCommand};
use crate::config::{self, Config, ConfigError};
use crate::session::Folders;
use crate::terminal::{Terminal, print_json, print_text, tell};

/// Runs a command about plugins.
pub fn run(command: &PluginCommand, folders: &Folders, terminal: Terminal) -> Result<Exit, CommandError> {
    let store = PluginStore::new(folders.plugins());
    match command {
        PluginCommand::Add(args) => add(args, &store, terminal),
        PluginCommand::List => list(&store, terminal),
        PluginCommand::Inspect(args) => inspect(&args.plugin, &store, terminal),
        PluginCommand::Remove(args) => remove(&args.name, folders, &store, terminal),
    }
}

fn add(args: &PluginAddArgs, store: &PluginStore, terminal: Terminal) -> Result<Exit, CommandError> {
    let proposal = store.propose(&args.file)?;
    let is_new = proposal.change != Change::Same;
    if is_new && !terminal.json {
        tell(&proposal_text(&proposal));
    }
    if let Change::Replaces { version, .. } = &proposal.change
        && !args.replace
    {
        let (name, version) = (proposal.manifest.name.clone(), version.clone());
        return Err(syncline_registry::PluginError::NeedsReplace { name, version }.into());
    }
    if is_new && !args.yes {
        if !terminal.can_ask {
            let text = "nobody can be asked here; look at `syncline plugin inspect FILE`, then add `--yes` to agree";
            return Err(CommandError::Usage(text.to_owned()));
        }
        if !terminal.agrees("Agree to this?")? {
            return Err(CommandError::Failed("not agreed to; nothing was added".to_owned()));
        }
    }
    let admission = store.admit(&proposal, args.replace, now())?;
    let manifest = &proposal.manifest;
    if terminal.json {
        let mut value = plugin_json(manifest, &proposal.digest, Origin::Agreed);
        value["added"] = json!(admission == Admission::Added);
        print_json(&value);
        return Ok(Exit::Ok);
    }
    let lock = store.places().lock.display();
    print_text(&match admission {
        Admission::Added => format!("{} {} was added, and {lock} was written\n", manifest.name, manifest.version),
        Admission::AlreadyThere => format!("{} {} is there already, as agreed to\n", manifest.name, manifest.version),
    });
    Ok(Exit::Ok)
}

/// Now, to the second: nobody agrees more exactly.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn proposal_text(proposal: &Proposal) -> String {
    let mut text = manifest_text(&proposal.manifest, &proposal.digest);
    if let Change::Replaces { version, more } = &proposal.change {
        text.push_str(&format!("\nIt would replace version {version}, "));
        match more.as_slice() {
            [] => text.push_str("and asks for nothing beyond what was agreed to.\n"),
            more => {
                text.push_str(&format!("and asks for more than was agreed to; it also wants to\n{}", bullets(more)))
            }
        }
    }
    text
}

fn manifest_text(manifest: &Manifest, digest: &Digest) -> String {
    let mut text = format!("{} {}, a {}\n", manifest.name, manifest.version, manifest.kind);
    if !manifest.summary.is_empty() {
        text.push_str(&format!("{}\n", manifest.summary));
    }
    text.push_str(&format!("{digest}\n\n"));
    let wishes = Wishes::of(manifest).words();
    match (manifest.kind, wishes.as_slice()) {
        (PluginKind::Transform, _) => {
            text.push_str(
                "It changes values that it is given, and can reach nothing: no network, no files, no clock.\n",
            );
        }
        (PluginKind::Connector, []) => text.push_str("It asks for nothing.\n"),
        (PluginKind::Connector, wishes) => text.push_str(&format!("It wants to\n{}", bullets(wishes))),
    }
    if manifest.kind == PluginKind::Connector {
        text.push_str("It never sees a password or a token, and can reach nothing else.\n");
    }
    let settings: Vec<String> = manifest
        .settings
        .describe()
        .map(|(name, words, required)| {
            let need = if required { " (required)" } else { "" };
            format!("{name}{need}{}", words.map(|words| format!(": {words}")).unwrap_or_default())
        })
        .collect();
    if !settings.is_empty() {
        text.push_str(&format!("\nIts settings\n{}", bullets(&settings)));
    }
    text
}

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  - {line}\n")).collect()
}

fn list(store: &PluginStore, terminal: Terminal) -> Result<Exit, CommandError> {
    let listed = store.list()?;
    let broken = listed.iter().any(|one| one.plugin.is_err());
    if terminal.json {
        let plugins: Vec<Value> = listed.iter().map(listed_json).collect();
        print_json(&json!({ "plugins": plugins }));
    } else if listed.is_empty() {
        print_text("there are no plugins; add one with `syncline plugin add FILE`\n");
    } else {
        let lines: String = listed.iter().map(listed_line).collect();
        print_text(&lines);
    }
    Ok(if broken { Exit::Failed } else { Exit::Ok })
}

fn listed_line(one: &Listed) -> String {
    match &one.plugin {
        Ok(plugin) => {
            let manifest = &plugin.manifest;
            format!(
                "{:<20} {:<10} {:<10} {}\n",
                one.name.as_str(),
                manifest.version,
                manifest.kind,
                origin_word(one.origin)
            )
        }
        Err(error) => format!("{:<20} cannot be used: {error}\n", one.name.as_str()),
    }
}

fn listed_json(one: &Listed) -> Value {
    match &one.plugin {
        Ok(plugin) => plugin_json(&plugin.manifest, &plugin.digest, plugin.origin),
        Err(error) => json!({ "name": one.name, "origin": origin_word(one.origin), "error": error.to_string() }),
    }
}

fn plugin_json(manifest: &Manifest, digest: &Digest, origin: Origin) -> Value {
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "kind": manifest.kind,
        "wit": manifest.wit,
        "summary": manifest.summary,
        "digest": digest,
        "origin": origin_word(origin),
        "wishes": Wishes::of(manifest),
        "settings": manifest.settings.as_json(),
        "objects": manifest.objects,
    })
}

fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Agreed => "agreed",
        Origin::Bundled => "shipped",
    }
}

fn inspect(plugin: &str, store: &PluginStore, terminal: Terminal) -> Result<Exit, CommandError> {
    let named = plugin.parse::<PluginName>().ok().filter(|_| !Path::new(plugin).is_file());
    let Some(name) = named else {
        let proposal = store.propose(Path::new(plugin))?;
        if terminal.json {
            let mut value = plugin_json(&proposal.manifest, &proposal.digest, Origin::Agreed);
            value["origin"] = json!("file");
            print_json(&value);
        } else {
            print_text(&proposal_text(&proposal));
        }
        return Ok(Exit::Ok);
    };
    let plugin = store.find(&name)?;
    if terminal.json {
        print_json(&plugin_json(&plugin.manifest, &plugin.digest, plugin.origin));
        return Ok(Exit::Ok);
    }
    let mut text = manifest_text(&plugin.manifest, &plugin.digest);
    text.push_str(&match store.agreement(&name)? {
        Some(entry) => format!("\nAgreed to on {}, taken from {}\n", entry.agreed_at, entry.source),
        None => format!("\nShipped with syncline, at {}\n", plugin.path.display()),
    });
    print_text(&text);
    Ok(Exit::Ok)
}

fn remove(name: &str, folders: &Folders, store: &PluginStore, terminal: Terminal) -> Result<Exit, CommandError> {
    let name: PluginName = name.parse().map_err(|error| CommandError::Usage(format!("{error}")))?;
    // With mistakes in the configuration it is not known who uses what, so they are reported first.
    let users = match config::load(&folders.config) {
        Ok(config) => users(&config, &name),
        Err(ConfigError::Missing(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    store.remove(&name, &users)?;
    if terminal.json {
        print_json(&json!({ "removed": name }));
    } else {
        print_text(&format!("{name} was removed from {}\n", store.places().lock.display()));
    }
    Ok(Exit::Ok)
}

fn users(config: &Config, name: &PluginName) -> Vec<String> {
    let connections = config.connections.iter().filter(|connection| connection.connector.get_ref() == name);
    let uses = |sync: &&config::Sync| {
        let transforms = sync.mappings.iter().flat_map(|mapping| Side::BOTH.map(|side| mapping.transforms_to(side)));
        transforms.flatten().any(|choice| choice.name.get_ref() == name)
    };
    let syncs = config.syncs.iter().filter(uses);
    connections
        .map(|connection| format!("the connection `{}`", connection.name()))
        .chain(syncs.map(|sync| format!("the sync `{}`", sync.name())))
        .collect()
}
