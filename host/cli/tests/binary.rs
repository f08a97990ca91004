//! The real binary: what people and scripts see of `init` and `plugin`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use syncline_registry::embed;
use tempfile::TempDir;

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(home.at("shipped")).expect("a folder");
        home.component(
            "shipped/hubspot.wasm",
            "hubspot",
            json!({
                "hosts": ["api.hubapi.com"], "auth": [{ "scheme": "bearer", "scopes": ["crm.objects.contacts.read"] }],
                "objects": [{ "name": "contacts", "kind": "contact", "label": "Contacts" }],
            }),
        );
        home.component("shipped/carddav.wasm", "carddav", json!({
            "hosts": ["setting:url"], "base_url": "setting:url", "auth": [{ "scheme": "basic" }],
            "objects": [{ "name": "contacts", "kind": "contact", "label": "Contacts" }],
            "settings": { "type": "object", "required": ["url"], "properties": { "url": { "type": "string", "format": "uri" } } },
        }));
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn component(&self, place: &str, name: &str, more: Value) -> PathBuf {
        let mut manifest = json!({
            "name": name, "version": "1.0.0", "kind": "connector", "wit": "0.1.0", "summary": "An example.",
        });
        for (key, value) in more.as_object().expect("an object") {
            manifest[key] = value.clone();
        }
        let path = self.at(place);
        fs::write(&path, embed(b"\0asm\x0d\0\x01\0", manifest.to_string().as_bytes()).expect("embeds"))
            .expect("writes");
        path
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(&self.command(arguments).output().expect("runs"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SYNCLINE_CONFIG")
            .env("SYNCLINE_DATA", self.at("data"))
            .env("SYNCLINE_PLUGINS", self.at("shipped"))
            .stdin(Stdio::null());
        command
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn new(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn ends(self, code: i32, words: &str) -> Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.out.contains(words) || self.err.contains(words), "{words:?} is not in {self:?}");
        self
    }
}

#[test]
fn help_teaches_and_mistakes_of_usage_end_with_2() {
    let home = Home::new();
    home.run(&["--help"]).ends(0, "syncline plan");
    home.run(&["run", "--help"]).ends(0, "Ctrl-C");
    home.run(&["statsu"]).ends(2, "status");
    home.run(&["resolve", "people", "1"]).ends(2, "--take");
    home.run(&["run", "--reset", "--yes"]).ends(2, "SYNC");
    home.run(&["run", "people", "--reset", "--plan", "people.plan"]).ends(2, "--plan");
}

#[test]
fn init_writes_a_file_that_is_right_and_never_over_another() {
    let home = Home::new();
    home.run(&["init"]).ends(2, "--left");
    assert!(!home.at("syncline.toml").exists());
    home.run(&["init", "--left", "hubspot", "--right", "carddav"]).ends(2, "--right-setting url=");
    home.run(&["init", "--left", "hubspto", "--right", "carddav"]).ends(1, "did you mean `hubspot`?");
    let odd = "url=https://dav.example.org/a\"b\\c/";
    let arguments = ["init", "--left", "hubspot", "--right", "carddav", "--right-setting", odd, "--right-user", "ada"];
    home.run(&arguments).ends(0, "export HUBSPOT_TOKEN=");
    let text = fs::read_to_string(home.at("syncline.toml")).expect("reads");
    let config = syncline_cli::config::parse(text.clone(), Path::new("syncline.toml")).expect("parses");
    assert_eq!(config.syncs.len(), 1, "{text}");
    assert_eq!(config.connections[1].settings.values["url"], "https://dav.example.org/a\"b\\c/");
    home.run(&arguments).ends(2, "left as it is");
    assert_eq!(fs::read_to_string(home.at("syncline.toml")).expect("reads"), text);
}

#[test]
fn init_between_two_of_a_kind_names_them_apart() {
    let home = Home::new();
    let url = "url=https://dav.example.org/";
    let sides = ["--left-setting", url, "--right-setting", url, "--left-user", "ada", "--right-user", "bob"];
    let ran = home.run(&[["init", "--left", "carddav", "--right", "carddav", "--json"].as_slice(), &sides].concat());
    assert_eq!(ran.json()["written"], "syncline.toml");
    let text = fs::read_to_string(home.at("syncline.toml")).expect("reads");
    let config = syncline_cli::config::parse(text, Path::new("syncline.toml")).expect("parses");
    let names: Vec<&str> = config.connections.iter().map(|connection| connection.name().as_str()).collect();
    assert_eq!(names, ["carddav-left", "carddav-right"]);
}

#[test]
fn a_plugin_is_added_once_it_is_agreed_to() {
    let home = Home::new();
    home.component("acme.wasm", "acme", json!({ "hosts": ["api.acme.example"], "limits": { "memory_mib": 64 } }));
    home.run(&["plugin", "add", "acme.wasm"]).ends(2, "--yes").ends(2, "reach https://api.acme.example");
    assert!(!home.at("syncline.lock").exists(), "nothing is written before it is agreed to");
    home.run(&["plugin", "add", "acme.wasm", "--yes"]).ends(0, "acme 1.0.0 was added");
    home.run(&["plugin", "add", "acme.wasm"]).ends(0, "there already");
    home.run(&["plugin", "list"]).ends(0, "agreed").ends(0, "shipped");
    home.run(&["plugin", "inspect", "acme"]).ends(0, "never sees a password");
    home.component("acme.wasm", "acme", json!({ "version": "2.0.0", "hosts": ["api.acme.example", "*.acme.example"] }));
    home.run(&["plugin", "add", "acme.wasm", "--yes"]).ends(1, "--replace").ends(1, "reach https://*.acme.example");
    let replaced = home.run(&["plugin", "add", "acme.wasm", "--yes", "--replace", "--json"]).json();
    assert_eq!((&replaced["version"], &replaced["added"]), (&json!("2.0.0"), &json!(true)));
    let listed = home.run(&["plugin", "list", "--json"]).json();
    let names: Vec<&str> =
        listed["plugins"].as_array().expect("a list").iter().filter_map(|plugin| plugin["name"].as_str()).collect();
    assert_eq!(names, ["acme", "carddav", "hubspot"]);
}

#[test]
fn a_changed_plugin_is_refused_and_one_in_use_is_kept() {
    let home = Home::new();
    home.component("acme.wasm", "acme", json!({}));
    home.run(&["plugin", "add", "acme.wasm", "--yes"]).ends(0, "added");
    fs::write(home.at("syncline.toml"), "[connections.a]\nconnector = \"acme\"\n").expect("writes");
    home.run(&["plugin", "remove", "acme"]).ends(1, "used by the connection `a`");
    fs::write(home.at("syncline.toml"), "[connections.a]\nconector = \"acme\"\n").expect("writes");
    home.run(&["plugin", "remove", "acme"]).ends(2, "did you mean `connector`?");
    fs::remove_file(home.at("syncline.toml")).expect("removes");
    let folder = home.at("data/plugins/acme");
    let kept = fs::read_dir(folder).expect("lists").next().expect("a file").expect("an entry").path();
    fs::write(&kept, b"something else").expect("writes");
    home.run(&["plugin", "inspect", "acme"]).ends(1, "has been changed");
    home.run(&["plugin", "list"]).ends(1, "cannot be used");
    home.run(&["plugin", "remove", "acme"]).ends(0, "was removed");
    home.run(&["plugin", "remove", "hubspot"]).ends(1, "is shipped with syncline");
    home.run(&["plugin", "remove", "../x"]).ends(2, "cannot name a plugin");
}

#[test]
fn what_is_no_plugin_ends_in_one_message() {
    let home = Home::new();
    fs::write(home.at("x.wasm"), b"\0asm\x01\0\0\0").expect("writes");
    home.run(&["plugin", "add", "x.wasm"]).ends(1, "not a component");
    home.run(&["plugin", "add", "nothing.wasm"]).ends(1, "cannot be read");
    home.component("old.wasm", "old", json!({ "wit": "0.0.9" }));
    home.run(&["plugin", "add", "old.wasm"]).ends(1, "was built for plugin API 0.0.9");
    let told = home.run(&["plugin", "inspect", "nothing", "--json"]);
    assert!(told.json()["error"].as_str().is_some_and(|error| error.contains("no plugin `nothing`")), "{told:?}");
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    let home = Home::new();
    fs::write(home.at("syncline.toml"), "[connections.a]\nconector = \"acme\"\n").expect("writes");
    assert!(!home.run(&["plugin", "remove", "acme"]).err.contains('\u{1b}'));
    assert!(home.run(&["plugin", "remove", "acme", "--color", "always"]).err.contains('\u{1b}'));
    let mistakes = home.run(&["plugin", "remove", "acme", "--json"]).json();
    assert_eq!(mistakes["mistakes"][1]["line"], 2);
}

#[test]
fn f06_a_draft_is_listed_as_inactive_and_neither_reads_nor_writes() {
    let home = Home::new();
    fs::write(home.at("token"), "t0ken").expect("writes");
    // Nothing answers there, and the components are empty: whatever reached out would fail.
    let text = "[connections.crm]\nconnector = \"hubspot\"\nauth = { token = \"file:token\" }\n\
                [connections.book]\nconnector = \"carddav\"\nsettings = { url = \"https://dav.example.invalid/\" }\n\
                auth = { user = \"ada\", password = \"file:token\" }\n\
                [syncs.people]\nleft = { connection = \"crm\", object = \"contacts\" }\n\
                right = { connection = \"book\", object = \"contacts\" }\nschedule = \"cron * * * * *\"\nactive = false\n";
    fs::write(home.at("syncline.toml"), text).expect("writes");
    let all = home.run(&["run", "--yes"]);
    assert_eq!(all.code, Some(2), "{all:?}");
    assert!(all.err.contains("there is no active sync"), "{all:?}");
    let named = home.run(&["run", "people", "--yes"]);
    assert_eq!(named.code, Some(2), "{named:?}");
    assert!(named.err.contains("is a draft"), "{named:?}");
    let status = home.run(&["status"]);
    assert!(status.out.contains("a draft: it does not run by itself") && status.out.contains("never"), "{status:?}");
    let status: Value = serde_json::from_str(&home.run(&["status", "--json"]).out).expect("it is JSON");
    let sync = &status["syncs"][0];
    assert_eq!((&sync["active"], &sync["next_run"], &sync["last_run"]), (&json!(false), &Value::Null, &Value::Null));
    let history: Value = serde_json::from_str(&home.run(&["history", "--json"]).out).expect("it is JSON");
    assert_eq!(history["runs"], json!([]), "{history}");
}

#[test]
fn a_reader_that_goes_away_ends_no_command() {
    let home = Home::new();
    home.component("acme.wasm", "acme", json!({ "hosts": ["api.acme.example"] }));
    let mistaken = "[connections.a]\nconector = \"acme\"\n";
    fs::write(home.at("syncline.toml"), mistaken).expect("writes");
    let cases: [(&[&str], i32); 4] = [
        (&["plugin", "add", "acme.wasm"], 2),
        (&["plugin", "remove", "acme"], 2),
        (&["plugin", "inspect", "nothing"], 1),
        // What it logs about its output, which nobody reads either.
        (&["plugin", "list", "-vv"], 0),
    ];
    for (arguments, code) in cases {
        let mut command = home.command(arguments);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = command.stdout(writer.try_clone().expect("a handle")).stderr(writer).status().expect("runs");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

/// A configuration of which nothing is reached: its only sync is a draft.
fn draft(home: &Home) {
    fs::write(home.at("token"), "t0ken").expect("writes");
    let text = "[connections.crm]\nconnector = \"hubspot\"\nauth = { token = \"file:token\" }\n\
                [connections.book]\nconnector = \"carddav\"\nsettings = { url = \"https://dav.example.invalid/\" }\n\
                auth = { user = \"ada\", password = \"file:token\" }\n\
                [syncs.people]\nleft = { connection = \"crm\", object = \"contacts\" }\n\
                right = { connection = \"book\", object = \"contacts\" }\nactive = false\n";
    fs::write(home.at("syncline.toml"), text).expect("writes");
}

#[test]
fn a_data_folder_that_is_there_keeps_its_permissions() {
    let home = Home::new();
    draft(&home);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    let made = |name: &str, mode: u32| {
        fs::create_dir(home.at(name)).expect("a folder");
        fs::set_permissions(home.at(name), Permissions::from_mode(mode)).expect("changes");
    };
    for (name, as_it_is) in [("mine", 0o755), ("shared", 0o1777), ("private", 0o700)] {
        made(name, as_it_is);
        home.run(&["status", "--data", name]).ends(0, "people");
        assert_eq!(mode(&home.at(name)), as_it_is, "{name}");
        assert_eq!(mode(&home.at(name).join("store")), 0o700, "{name}");
    }
    for (name, as_it_is) in [("open", 0o777), ("group", 0o775)] {
        made(name, as_it_is);
        home.run(&["status", "--data", name]).ends(1, "chmod go-w");
        assert_eq!(
            (mode(&home.at(name)), fs::read_dir(home.at(name)).expect("lists").count()),
            (as_it_is, 0),
            "{name}"
        );
    }
    home.run(&["status", "--data", "new/data"]).ends(0, "people");
    assert_eq!(mode(&home.at("new/data")), 0o700);
}

#[test]
fn a_path_that_no_socket_can_have_is_told_with_the_way_out() {
    let home = Home::new();
    draft(&home);
    let long = "long/".repeat(30) + "data";
    home.run(&["serve", "--data", &long]).ends(1, "too long a path for a socket").ends(1, "--data DIR");
}
