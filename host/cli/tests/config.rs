//! Bad configurations and their messages, side by side: `config/NAME.toml` and `config/NAME.txt`.
//!
//! `SYNCLINE_BLESS=1 cargo test -p syncline-cli --test config` writes the messages anew; read them before you commit.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use syncline_cli::config::{self, Config, ConfigError, fields, plugins, report, secrets};
use syncline_core::{Field, FieldType, Schema, Side, Traits};
use syncline_registry::{Places, PluginStore, embed};

const FOLDER: &str = "tests/config";

#[test]
fn every_bad_file_gives_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(folder.path());
    let bless = std::env::var_os("SYNCLINE_BLESS").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for path in &cases {
        let expected_path = path.with_extension("txt");
        let found = message(path, &store);
        if bless {
            fs::write(&expected_path, &found).expect("writes");
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- found\n{found}", path.display()));
        }
        assert!(!found.contains("hunter2"), "a secret is shown for {}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).expect("lists").map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    cases
}

fn message(path: &Path, store: &PluginStore) -> String {
    let verdict = config::load(path).and_then(|config| {
        let mut mistakes = secrets::check(&config);
        mistakes.extend(plugins::admit(&config, store).err().unwrap_or_default());
        mistakes.extend(field_mistakes(&config));
        config.verdict(mistakes)
    });
    match verdict {
        Ok(()) => "nothing is wrong\n".to_owned(),
        Err(ConfigError::Mistakes(mistakes)) => report::render(&mistakes, false),
        Err(other) => format!("{other}\n"),
    }
}

fn field_mistakes(config: &Config) -> Vec<config::Mistake> {
    let of = |sync: &config::Sync, side| schema(sync.endpoint(side).connection.as_str());
    config
        .syncs
        .iter()
        .flat_map(|sync| fields::validate_fields(sync, &of(sync, Side::Left), &of(sync, Side::Right)))
        .collect()
}

/// Name, type, meaning, list that it is a slot of, read-only.
type Line = (&'static str, FieldType, Option<&'static str>, Option<&'static str>, bool);

const CRM: [Line; 8] = [
    ("email", FieldType::Text, Some("email"), None, false),
    ("first", FieldType::Text, Some("name.given"), None, false),
    ("phone", FieldType::Text, Some("phone.work"), None, false),
    ("mobile", FieldType::Text, None, None, false),
    ("vip", FieldType::Boolean, None, None, false),
    ("born", FieldType::Date, Some("birthday"), None, false),
    ("created", FieldType::Moment, None, None, true),
    ("companies", FieldType::References, None, None, false),
];

const BOOK: [Line; 10] = [
    ("emails", FieldType::Texts, None, None, false),
    ("email", FieldType::Text, Some("email"), Some("emails"), false),
    ("given", FieldType::Text, Some("name.given"), None, false),
    ("tel.work", FieldType::Text, Some("phone.work"), None, false),
    ("tel.home", FieldType::Text, None, None, false),
    ("note", FieldType::Text, None, None, false),
    ("birthday", FieldType::Date, Some("birthday"), None, false),
    ("revised", FieldType::Moment, None, None, true),
    ("orgs", FieldType::References, None, None, false),
    ("related", FieldType::References, None, None, false),
];

fn schema(connection: &str) -> Schema {
    let lines: &[Line] = if connection == "crm" { &CRM } else { &BOOK };
    let field = |(name, kind, meaning, slot_of, read_only): &Line| Field {
        traits: Traits { read_only: *read_only, ..Traits::default() },
        meaning: meaning.map(str::to_owned),
        slot_of: slot_of.map(Into::into),
        refers_to: Vec::from_iter(["companies", "orgs"].contains(name).then(|| (*name).into())),
        ..Field::new(*name, *kind)
    };
    Schema { fields: lines.iter().map(field).collect(), fingerprint: String::new() }
}

fn store(folder: &Path) -> PluginStore {
    let bundled = folder.join("plugins");
    fs::create_dir(&bundled).expect("a folder");
    for manifest in [
        json!({
            "tiers": [{ "name": "free", "limits": {} }, { "name": "enterprise", "limits": {} }],
            "name": "hubspot", "version": "0.1.0", "kind": "connector", "wit": "0.1.0", "summary": "HubSpot.",
            "hosts": ["api.hubapi.com"], "auth": [{ "scheme": "bearer" }],
            "settings": { "type": "object", "properties": {
                "page": { "type": "integer", "minimum": 1, "maximum": 100 },
                "archived": { "type": "boolean" },
            } },
        }),
        json!({
            "name": "carddav", "version": "0.1.0", "kind": "connector", "wit": "0.1.0", "summary": "CardDAV.",
            "hosts": ["setting:url"], "base_url": "setting:url", "auth": [{ "scheme": "basic" }, { "scheme": "none" }],
            "settings": { "type": "object", "required": ["url"], "properties": {
                "url": { "type": "string", "format": "uri", "description": "the address of the address books" },
            } },
        }),
        json!({
            "name": "normalize-phone", "version": "0.1.0", "kind": "transform", "wit": "0.1.0", "summary": "Numbers.",
            "settings": { "type": "object", "properties": { "country": { "type": "string", "pattern": "^[A-Z]{2}$" } } },
        }),
    ] {
        let bytes = embed(b"\0asm\x0d\0\x01\0", manifest.to_string().as_bytes()).expect("embeds");
        let name = manifest["name"].as_str().expect("a name");
        fs::write(bundled.join(format!("{name}.wasm")), bytes).expect("writes");
    }
    PluginStore::new(Places { data: folder.join("data"), lock: folder.join("syncline.lock"), bundled: Some(bundled) })
}

/// Whatever stands in the file, reading it ends in a configuration or in a report, and a secret stays out of it.
#[test]
fn a_damaged_file_never_panics() {
    for path in cases() {
        let text = fs::read_to_string(&path).expect("reads");
        let cuts = text.char_indices().map(|(position, _)| text[..position].to_owned());
        let swaps = text.char_indices().step_by(3).flat_map(|(position, character)| {
            let after = position + character.len_utf8();
            ["\"", "[", "}", "=", "\u{1b}", "é"].map(|with| format!("{}{with}{}", &text[..position], &text[after..]))
        });
        for damaged in cuts.chain(swaps) {
            if let Err(mistakes) = config::parse(damaged, &path) {
                let shown = report::render(&mistakes, false);
                assert!(!shown.contains('\u{1b}'), "{shown}");
                assert!(!shown.contains("hunter2"), "{shown}");
            }
        }
    }
}
