use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::{Admission, COMPONENT_BYTES_MAX, Change, Origin, Places, PluginError, PluginStore};
use crate::{PluginName, embed};

struct Room {
    folder: TempDir,
    store: PluginStore,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("bundled")).expect("a folder");
        let places = Places { data: at("data"), lock: at("syncline.lock"), bundled: Some(at("bundled")) };
        Room { store: PluginStore::new(places), folder }
    }

    fn component(&self, place: &str, name: &str, version: &str, hosts: &[&str]) -> PathBuf {
        let manifest = json!({
            "name": name, "version": version, "kind": "connector", "wit": "0.1.0", "summary": "An example.", "hosts": hosts,
        });
        let bytes = embed(&wasm_encoder::Component::new().finish(), manifest.to_string().as_bytes()).expect("embeds");
        let path = self.folder.path().join(place);
        fs::write(&path, bytes).expect("writes");
        path
    }

    fn add(&self, path: &std::path::Path, replace: bool) -> Result<Admission, PluginError> {
        self.store.admit(&self.store.propose(path)?, replace, Timestamp::UNIX_EPOCH)
    }
}

fn name(text: &str) -> PluginName {
    text.parse().expect("a name")
}

#[test]
fn an_agreed_plugin_is_found_and_one_beside_the_binary_too() {
    let room = Room::new();
    room.component("bundled/shipped.wasm", "shipped", "1.0.0", &[]);
    room.component("bundled/own.wasm", "own", "0.1.0", &[]);
    let path = room.component("own.wasm", "own", "1.0.0", &["api.example.com"]);
    assert_eq!(room.add(&path, false).expect("adds"), Admission::Added);
    assert_eq!(room.add(&path, false).expect("adds again"), Admission::AlreadyThere);
    fs::remove_file(path).expect("the source may go");
    let own = room.store.find(&name("own")).expect("found");
    assert_eq!((own.manifest.version.as_str(), own.origin), ("1.0.0", Origin::Agreed), "the lock comes first");
    assert_eq!(room.store.find(&name("shipped")).expect("found").origin, Origin::Bundled);
    let listed: Vec<String> = room.store.list().expect("lists").into_iter().map(|one| one.name.to_string()).collect();
    assert_eq!(listed, ["own", "shipped"]);
}

#[test]
fn another_content_needs_replace_and_shows_what_it_asks_beyond() {
    let room = Room::new();
    room.add(&room.component("1.wasm", "own", "1.0.0", &["a.example.com"]), false).expect("adds");
    let second = room.component("2.wasm", "own", "2.0.0", &["a.example.com", "b.example.com"]);
    let proposal = room.store.propose(&second).expect("reads");
    let more = vec!["reach https://b.example.com".to_owned()];
    assert_eq!(proposal.change, Change::Replaces { version: "1.0.0".into(), more });
    assert!(matches!(room.add(&second, false), Err(PluginError::NeedsReplace { .. })));
    assert_eq!(room.store.find(&name("own")).expect("found").manifest.version, "1.0.0");
    room.add(&second, true).expect("replaces");
    assert_eq!(room.store.find(&name("own")).expect("found").manifest.version, "2.0.0");
}

#[test]
fn a_changed_file_is_refused_with_the_next_step() {
    let room = Room::new();
    let source = room.component("own.wasm", "own", "1.0.0", &[]);
    room.add(&source, false).expect("adds");
    let kept = room.store.find(&name("own")).expect("found").path;
    let mut bytes = fs::read(&kept).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&kept, bytes).expect("writes");
    let error = room.store.find(&name("own")).expect_err("changed");
    assert!(matches!(error, PluginError::Tampered { .. }), "{error}");
    assert!(error.to_string().contains("syncline plugin add"), "{error}");
    assert!(room.store.list().expect("lists")[0].plugin.is_err());
    assert_eq!(room.add(&source, false).expect("adds again"), Admission::AlreadyThere);
    assert!(room.store.find(&name("own")).is_ok(), "adding again puts the file right");
}

#[test]
fn each_absence_has_its_own_next_step() {
    let room = Room::new();
    room.component("bundled/hubspot.wasm", "hubspot", "1.0.0", &[]);
    let error = room.store.find(&name("hubspto")).expect_err("absent").to_string();
    assert!(error.contains("did you mean `hubspot`?"), "{error}");
    room.add(&room.component("own.wasm", "own", "1.0.0", &[]), false).expect("adds");
    let kept = room.store.find(&name("own")).expect("found").path;
    fs::remove_file(room.folder.path().join("syncline.lock")).expect("removes");
    assert!(matches!(room.store.find(&name("own")), Err(PluginError::NotAgreed { .. })));
    room.add(&kept, false).expect("agrees");
    fs::remove_file(&kept).expect("removes");
    assert!(matches!(room.store.find(&name("own")), Err(PluginError::FileMissing { .. })));
    room.component("bundled/alias.wasm", "other", "1.0.0", &[]);
    assert!(matches!(room.store.find(&name("alias")), Err(PluginError::OtherName { .. })));
}

#[test]
fn what_is_in_use_or_shipped_is_not_removed() {
    let room = Room::new();
    room.component("bundled/shipped.wasm", "shipped", "1.0.0", &[]);
    room.add(&room.component("own.wasm", "own", "1.0.0", &[]), false).expect("adds");
    let users = ["connection `crm`".to_owned()];
    assert!(matches!(room.store.remove(&name("own"), &users), Err(PluginError::InUse { .. })));
    assert!(matches!(room.store.remove(&name("shipped"), &[]), Err(PluginError::Shipped(_))));
    assert!(matches!(room.store.remove(&name("nothing"), &[]), Err(PluginError::NotFound { .. })));
    room.store.remove(&name("own"), &[]).expect("removes");
    assert!(matches!(room.store.find(&name("own")), Err(PluginError::NotAgreed { .. })));
}

#[test]
fn what_is_no_plugin_is_not_proposed() {
    let room = Room::new();
    let path = room.folder.path().join("x.wasm");
    assert!(matches!(room.store.propose(&path), Err(PluginError::Read { .. })));
    assert!(matches!(room.store.propose(room.folder.path()), Err(PluginError::Read { .. })));
    fs::write(&path, b"not wasm").expect("writes");
    assert!(matches!(room.store.propose(&path), Err(PluginError::Manifest { .. })));
    // Holes take no room on the disk.
    fs::File::create(&path).and_then(|file| file.set_len(COMPONENT_BYTES_MAX + 1)).expect("grows");
    let refused = room.store.propose(&path).expect_err("too large").to_string();
    let next = "x.wasm is larger than 64 MiB; ask the plugin's author for a smaller component";
    assert!(refused.ends_with(next), "{refused}");
    assert!(!room.folder.path().join("data").exists(), "a proposal keeps nothing");
}
