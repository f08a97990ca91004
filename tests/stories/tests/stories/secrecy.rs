//! Tokens and passwords are in nothing that is printed, logged or stored.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_stories::{Card, World};

/// As long as a real one.
const TOKEN: &str = "pat-na1-5f0e2c1a-77aa-4b1e-9c0d-1d2e3f4a5b6c";

/// Stands beside it, so that one sees whether a look into stored bytes finds anything.
const PLAIN: &str = "Countess-of-Lovelace-8d1f0c77";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(path: &Path, word: &str) -> bool {
    fs::read(path).expect("a file").windows(word.len()).any(|bytes| bytes == word.as_bytes())
}

#[test]
fn a_token_in_a_field_and_in_errors_is_printed_logged_and_stored_nowhere() {
    let (mut world, crm, _radicale, book) = World::crm_and_book("");
    crm.state().allow_token(TOKEN);
    world.secret("TOKEN", TOKEN);
    let ada = crm.add(&[("email", "ada@example.com"), ("firstname", "Ada"), ("jobtitle", TOKEN)]);
    crm.add(&[("email", "eve@example.com"), ("firstname", "Eve"), ("jobtitle", PLAIN)]);
    book.add("eve", &Card::of("eve", "Eve", "", "eve@example.com", &[]));
    let ada = ada.to_string();
    let state = world.at("state.syncline").display().to_string();
    let commands: [&[&str]; 14] = [
        &["check"],
        &["plan", "--json"],
        &["plan"],
        &["run", "--yes"],
        &["records", "people"],
        &["explain", "people", &ada],
        &["explain", "people", &ada, "--json"],
        &["errors", "1"],
        &["show", "1", "--json"],
        &["undo", "1", "--plan"],
        &["undo", "1", "--plan", "--json"],
        &["undo", "1", "--yes"],
        &["history", "--json"],
        &["export", &state],
    ];
    for command in commands {
        let ran = world.syncline(&[command, &["-vvv"]].concat());
        let told = format!("{ran}");
        assert!(!told.contains(TOKEN), "{told}");
        assert!(ran.status.code().is_some_and(|code| code != 1), "{told}");
    }
    crm.state().revoke_token(TOKEN);
    for command in [&["check"][..], &["plan"], &["run", "--yes"]] {
        let ran = world.syncline(&[command, &["-vvv"]].concat()).ends(1);
        assert!(!format!("{ran}").contains(TOKEN), "{ran}");
    }
    let mut stored = files(&world.data());
    stored.push(state.into());
    assert!(stored.iter().any(|path| holds(path, PLAIN)), "the look finds nothing at all");
    for path in stored {
        assert!(!holds(&path, TOKEN) && !holds(&path, syncline_test_servers::PASSWORD), "{}", path.display());
    }
}
