//! `syncline init`: a few questions, then a first `syncline.toml` with a comment to each thing that is worth knowing.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, json};
use syncline_registry::{AuthScheme, Manifest, PluginKind, PluginName, PluginStore, WrongSetting};

use super::{CommandError, Exit};
use crate::args::InitArgs;
use crate::session::Folders;
use crate::terminal::{Terminal, print_json, print_text};

/// One side, as answered.
struct Answers {
    connection: String,
    manifest: Manifest,
    settings: Vec<(String, toml::Value)>,
    user: Option<String>,
}

/// Asks what the flags leave open, and writes the file; one that is there is left alone.
pub fn run(args: &InitArgs, folders: &Folders, terminal: Terminal) -> Result<Exit, CommandError> {
    let path = &folders.config;
    if path.exists() {
        return Err(already_there(path));
    }
    let store = PluginStore::new(folders.plugins());
    let connectors = connectors(&store)?;
    let mut left = side(
        "left",
        args.left.as_deref(),
        &args.left_setting,
        args.left_user.as_deref(),
        &connectors,
        &store,
        terminal,
    )?;
    let mut right = side(
        "right",
        args.right.as_deref(),
        &args.right_setting,
        args.right_user.as_deref(),
        &connectors,
        &store,
        terminal,
    )?;
    if left.connection == right.connection {
        left.connection.push_str("-left");
        right.connection.push_str("-right");
    }
    let object = object(args.object.as_deref(), &left.manifest, &right.manifest, terminal)?;
    write_new(path, &render(&left, &right, &object))?;
    if terminal.json {
        print_json(&json!({ "written": path.display().to_string() }));
    } else {
        print_text(&format!(
            "{} was written. Next:\n{}  syncline check     is everything there?\n  syncline plan      what would a run write?\n",
            path.display(),
            exports(&left, &right)
        ));
    }
    Ok(Exit::Ok)
}

fn already_there(path: &Path) -> CommandError {
    let path = path.display();
    CommandError::Usage(format!(
        "{path} is there already, and is left as it is; edit it, or name another with `--config FILE`"
    ))
}

fn connectors(store: &PluginStore) -> Result<Vec<String>, CommandError> {
    let listed = store.list()?.into_iter().filter_map(|one| one.plugin.ok());
    let connectors = listed.filter(|plugin| plugin.manifest.kind == PluginKind::Connector);
    Ok(connectors.map(|plugin| plugin.manifest.name.to_string()).collect())
}

fn side(
    side: &str,
    connector: Option<&str>,
    settings: &[String],
    user: Option<&str>,
    connectors: &[String],
    store: &PluginStore,
    terminal: Terminal,
) -> Result<Answers, CommandError> {
    let question = format!("Connector of the {side} side ({})", connectors.join(", "));
    let known = |text: &str| manifest(text, connectors, store);
    let manifest = answer(connector, &question, None, &format!("--{side}"), terminal, known)?;
    let name = &manifest.name;
    let given = given_settings(settings, side)?;
    let mut answered = Vec::new();
    for (setting, words, required) in manifest.settings.describe() {
        let known = given.iter().find(|(name, _)| name == setting).map(|(_, value)| value.as_str());
        if required || known.is_some() {
            let question = format!("{name}, {setting} ({})", words.unwrap_or("a setting"));
            let flag = format!("--{side}-setting {setting}=…");
            let value = answer(known, &question, None, &flag, terminal, |text| typed(&manifest, setting, text))?;
            answered.push((setting.to_owned(), value));
        }
    }
    if let Some((unknown, _)) = given.iter().find(|(name, _)| answered.iter().all(|(setting, _)| setting != name)) {
        return Err(CommandError::Usage(format!(
            "{name} has no setting `{unknown}`; see `syncline plugin inspect {name}`"
        )));
    }
    let user = match scheme(&manifest) {
        AuthScheme::Basic => {
            let question = format!("{name}, name of the user");
            Some(answer(user, &question, None, &format!("--{side}-user"), terminal, as_it_is)?)
        }
        AuthScheme::Bearer | AuthScheme::Header | AuthScheme::None => None,
    };
    Ok(Answers { connection: name.to_string(), manifest, settings: answered, user })
}

/// Finds the connector that an answer names.
fn manifest(text: &str, connectors: &[String], store: &PluginStore) -> Result<Manifest, CommandError> {
    let name: PluginName = text.parse().map_err(|error| CommandError::Usage(format!("{error}")))?;
    let manifest = store.find(&name)?.manifest;
    if manifest.kind == PluginKind::Connector {
        return Ok(manifest);
    }
    let (kind, connectors) = (manifest.kind, connectors.join(", "));
    Err(CommandError::Usage(format!("{name} is a {kind}, and a connector is needed; there are {connectors}")))
}

fn given_settings(settings: &[String], side: &str) -> Result<Vec<(String, String)>, CommandError> {
    let pair = |text: &String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let wrong = || CommandError::Usage(format!("--{side}-setting is written NAME=VALUE"));
    settings.iter().map(|text| pair(text).ok_or_else(wrong)).collect()
}

/// Takes what a flag gave, or asks until there is an answer that `read` can make something of.
fn answer<T>(
    given: Option<&str>,
    question: &str,
    proposal: Option<&str>,
    flag: &str,
    terminal: Terminal,
    read: impl Fn(&str) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    if let Some(given) = given {
        return read(given);
    }
    if !terminal.can_ask {
        return match proposal {
            Some(proposal) => read(proposal),
            None => Err(CommandError::Usage(format!("nobody can be asked here; add `{flag}`"))),
        };
    }
    loop {
        let answer = terminal.ask(question, proposal)?;
        if answer.is_empty() {
            continue;
        }
        match read(&answer) {
            Ok(read) => return Ok(read),
            Err(error) => error.report(terminal),
        }
    }
}

fn as_it_is(text: &str) -> Result<String, CommandError> {
    Ok(text.to_owned())
}

fn object(given: Option<&str>, left: &Manifest, right: &Manifest, terminal: Terminal) -> Result<String, CommandError> {
    let both = |name: &&str| right.objects.iter().any(|object| object.name == **name);
    let common = left.objects.iter().map(|object| object.name.as_str()).find(both);
    answer(given, "Object to sync", Some(common.unwrap_or("contacts")), "--object", terminal, as_it_is)
}

/// The way to sign in that is asked for first.
fn scheme(manifest: &Manifest) -> AuthScheme {
    manifest.auth.first().map_or(AuthScheme::None, |wish| wish.scheme)
}

fn variable(answers: &Answers) -> Option<String> {
    let what = match scheme(&answers.manifest) {
        AuthScheme::Bearer => "TOKEN",
        AuthScheme::Basic => "PASSWORD",
        AuthScheme::Header => "KEY",
        AuthScheme::None => return None,
    };
    Some(format!("{}_{what}", answers.connection.replace('-', "_").to_uppercase()))
}

fn exports(left: &Answers, right: &Answers) -> String {
    [left, right].into_iter().filter_map(variable).map(|name| format!("  export {name}=…\n")).collect()
}

fn render(left: &Answers, right: &Answers, object: &str) -> String {
    let object = quoted(object);
    format!(
        "# What Syncline keeps the same. `syncline check` says whether it fits; `syncline plan` what would be written.\n\n\
         {}{}\
         [syncs.{}]\n\
         left      = {{ connection = {}, object = {object} }}\n\
         right     = {{ connection = {}, object = {object} }}\n\
         direction = \"both\"                                    # both, to-left or to-right\n\
         # match     = {{ by = [\"email\"] }}                      # by default the connectors' own keys\n\
         conflict  = {{ policy = \"newest\", in_doubt = \"left\" }}  # newest, left, right, manual or resolver\n\
         deletes   = {{ to_left = \"ignore\", to_right = \"ignore\" }}  # ignore, tag, archive or delete\n\
         schedule  = \"every 5m\"                                # for `syncline serve`\n\
         active    = true\n\n\
         # Fields of the same meaning are mapped by themselves. More mappings, or other ones, stand here:\n\
         # [[syncs.{}.mappings]]\n\
         # left  = \"phone\"\n\
         # right = \"tel.work\"\n\
         # rule  = \"two-way\"       # to-right, to-left, fill-blank-to-right, prefer-left-unless-blank, off ...\n",
        connection(left),
        connection(right),
        sync_name(&object),
        quoted(&left.connection),
        quoted(&right.connection),
        sync_name(&object),
    )
}

fn connection(answers: &Answers) -> String {
    let mut text =
        format!("[connections.{}]\nconnector = {}\n", answers.connection, quoted(answers.manifest.name.as_str()));
    if !answers.settings.is_empty() {
        let settings: Vec<String> = answers.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        text.push_str(&format!("settings  = {{ {} }}\n", settings.join(", ")));
    }
    if let Some(name) = variable(answers) {
        let secret = quoted(&format!("env:{name}"));
        let auth = match (scheme(&answers.manifest), &answers.user) {
            (AuthScheme::Basic, user) => {
                format!("user = {}, password = {secret}", quoted(user.as_deref().unwrap_or_default()))
            }
            (AuthScheme::Header, _) => format!("key = {secret}"),
            (AuthScheme::Bearer | AuthScheme::None, _) => format!("token = {secret}"),
        };
        text.push_str(&format!("auth      = {{ {auth} }}  # never the secret itself; or \"file:PATH\"\n"));
    }
    text.push('\n');
    text
}

/// Reads a setting in the type that the manifest wants.
fn typed(manifest: &Manifest, name: &str, text: &str) -> Result<toml::Value, CommandError> {
    let typed = match text.parse::<toml::Value>() {
        Ok(parsed @ (toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_)))
            if !manifest.settings.is_text(name) =>
        {
            parsed
        }
        _ => toml::Value::from(text),
    };
    let value = serde_json::to_value(&typed).map_err(|error| CommandError::Usage(format!("{name}: {error}")))?;
    let mistakes = manifest.settings.complete(&Map::from_iter([(name.to_owned(), value)])).err();
    let wrong = mistakes.into_iter().flatten().find_map(|mistake| match mistake.wrong {
        WrongSetting::Value(wrong) if mistake.setting == name => Some(wrong),
        _ => None,
    });
    match wrong {
        Some(wrong) => Err(CommandError::Usage(format!("{}, {name}: {wrong}", manifest.name))),
        None => Ok(typed),
    }
}

fn sync_name(quoted_object: &str) -> String {
    let name: String = quoted_object
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
        .collect();
    if name.is_empty() { "records".to_owned() } else { name }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Writes a file that is not there yet, whole.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let write_error = |source: io::Error| CommandError::Write { path: path.display().to_string(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(already_there(path)),
        Err(error) => return Err(write_error(error)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(write_error)
}
