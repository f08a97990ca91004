//! Plugins that mean harm, or are of another time: one clear message, and the other application is left alone.
//!
//! Every harm in every function of a plugin is tried in `host/wasm`; here is what a person sees of it.

use std::sync::LazyLock;

use serde_json::json;
use syncline_registry::embed;
use syncline_sandbox::{HubSpot, Limits};
use syncline_stories::{Crm, SYNC, World, hubspot};

#[path = "../../../../host/wasm/tests/wasm/guests.rs"]
mod guests;

static HOSTILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest = json!({
        "name": "hostile", "version": "1.0.0", "kind": "connector", "wit": "0.1.0", "summary": "Means harm.",
        "hosts": ["api.example.com"], "objects": [{ "name": "notes", "kind": "note", "label": "Notes" }],
        "settings": { "type": "object", "properties": { "do": { "type": "string" }, "count": { "type": "integer" } } },
        "limits": { "cpu_ms": 300, "memory_mib": 16 },
    });
    embed(&guests::component("hostile"), manifest.to_string().as_bytes()).expect("a manifest fits in")
});

#[test]
fn each_harm_ends_in_one_message_and_nothing_is_written() {
    let mut world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits::off()));
    crm.add(&[("email", "ada@example.com"), ("jobtitle", "title 7")]);
    world.ship("hostile", &HOSTILE);
    let before = crm.state().records();
    let blame = "if it stays so, tell the plugin's author";
    for (deed, message, step) in [
        (
            "loop",
            "computed for longer than the limit of 300 ms and was stopped",
            "set `cpu_ms = 600` under `[connections.bad.limits]`",
        ),
        ("memory", "the limit is 16", "set `memory_mib = 32` under `[connections.bad.limits]`"),
        ("trap", "it crashed", blame),
        ("panic", "it crashed: panicked at", blame),
        ("cells", "it returned nonsense: record `n0` has 1 cells for 2 columns", blame),
        ("well", "it returned nonsense", blame),
        ("foreign", "169.254.169.254", "`syncline check`"),
    ] {
        let fresh = world.at(deed);
        world.configure(&settings_of(&crm, deed, 1));
        let ran = world.start_in(&fresh, &["run", "--yes"]).wait().ends(1).says(&[message, step, "bad.notes"]);
        assert!(!ran.err.contains('\u{1b}'), "{ran}");
        assert_eq!(crm.state().records(), before, "{deed}");
    }
}

/// A sync of the hostile plugin's notes, so many of them, with the contacts.
fn settings_of(crm: &Crm, deed: &str, count: u32) -> String {
    format!(
        "{}[connections.bad]\nconnector = \"hostile\"\nbase_url = \"https://api.example.com/\"\n\
         settings = {{ do = \"{deed}\", count = {count} }}\n\n[syncs.{SYNC}]\n\
         left = {{ connection = \"bad\", object = \"notes\" }}\n\
         right = {{ connection = \"crm\", object = \"contacts\" }}\n\
         match = {{ by = [{{ left = \"title\", right = \"jobtitle\" }}] }}\n\n[[syncs.{SYNC}.mappings]]\n\
         left = \"title\"\nright = \"jobtitle\"\n\n[[syncs.{SYNC}.mappings]]\nleft = \"body\"\nright = \"company\"\n",
        hubspot("crm", &crm.url(), "TOKEN")
    )
}

#[test]
fn a_record_that_is_nonsense_is_named_and_the_others_are_kept_e8_6() {
    let mut world = World::new();
    let crm = world.crm(HubSpot::builder().limits(Limits::off()));
    world.ship("hostile", &HOSTILE);
    for (deed, reason) in [
        ("deep", "is not a JSON text"),
        ("decimal", "\"NaN\" is not a decimal number"),
        ("exponent", "\"1e999999\" is not a decimal number"),
        ("day", "\"2026-02-30\" is not a date"),
        ("zone", "is not a time zone that is known here"),
        ("nul", "a value of 10485760 bytes, more than the limit of 8388608"),
        ("kind", "its value is of type integer, where the schema says text"),
    ] {
        let fresh = world.at(deed);
        world.configure(&settings_of(&crm, deed, 2));
        let ran = world.start_in(&fresh, &["run", "--yes"]).wait().ends(3);
        let ran = ran.says(&["bad.notes", "left record n0 could not be read: field `", reason, "left   1 read"]);
        assert!(!format!("{ran}").contains('\u{1b}'), "{ran}");
        assert!(crm.state().records().is_empty(), "{deed}");
    }
}

#[test]
fn a_component_of_another_wit_version() {
    let (mut world, crm, _radicale, book) = World::crm_and_book("");
    crm.add(&[("email", "ada@example.com")]);
    world.run();
    let good = World::component("hubspot");
    let before = book.entries();
    for (from, to) in [
        ("syncline:connector/source@0.1.0", "syncline:connector/source@0.9.0"),
        ("\"wit\":\"0.1.0\"", "\"wit\":\"0.0.9\""),
    ] {
        let patched = replace(&good, from.as_bytes(), to.as_bytes());
        assert_ne!(patched, good, "{from} is in the component");
        world.ship("hubspot", &patched);
        let ran = world.syncline(&["run", "--yes"]);
        assert_ne!(ran.status.code(), Some(0), "{ran}");
        ran.says(&["hubspot", "0.1.0"]);
        assert_eq!(book.entries(), before);
    }
    world.ship("hubspot", &good);
    world.run();
    world.plans_nothing();
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut patched = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            patched[at..at + to.len()].copy_from_slice(to);
        }
    }
    patched
}
