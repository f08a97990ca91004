//! A plan in a file: what `run --plan` carries out.
//!
//! Invariant: sensitive values are masked in it, and only its owner can read it; what counts are the digests.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use syncline_core::{PlanDigest, SyncName};

use crate::commands::CommandError;

/// The form of the file.
pub const FORMAT: u32 = 1;

/// One item of a saved plan.
#[derive(Debug, Serialize)]
pub struct SavedItem {
    /// Its digest; this is what counts.
    pub digest: String,
    /// What it says, for people.
    pub item: Value,
}

/// A plan as it was read back.
#[derive(Debug)]
pub struct SavedPlan {
    /// The sync.
    pub sync: SyncName,
    /// The digests of its items.
    pub items: BTreeSet<[u8; 16]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    sync: String,
    digest: String,
    items: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    digest: String,
    #[serde(rename = "item")]
    _item: IgnoredAny,
}

/// Reads a saved plan.
pub fn load(path: &Path) -> Result<SavedPlan, CommandError> {
    let none = |why: String| {
        let path = path.display();
        CommandError::Usage(format!("{path} is no saved plan ({why}); `syncline plan --out FILE` makes one"))
    };
    let file = File::open(path).map_err(|error| none(error.to_string()))?;
    let document: Document =
        serde_json::from_reader(io::BufReader::new(file)).map_err(|error| none(error.to_string()))?;
    if document.format != FORMAT {
        return Err(none(format!("it has form {}, and this version knows form {FORMAT}", document.format)));
    }
    let mut items = BTreeSet::new();
    let mut whole = PlanDigest::default();
    for line in &document.items {
        let digest = unhex(&line.digest).ok_or_else(|| none("one of its digests is none".to_owned()))?;
        whole.add(&digest);
        items.insert(digest);
    }
    if whole.to_string() != document.digest {
        return Err(none("its items are not those that it was made with".to_owned()));
    }
    Ok(SavedPlan { sync: SyncName::new(document.sync), items })
}

/// A plan on its way into a file, item by item.
pub struct Saving {
    path: PathBuf,
    beside: PathBuf,
    out: BufWriter<File>,
    is_empty: bool,
    failed: Option<io::Error>,
}

impl Saving {
    /// Begins a file beside `path`, which takes its place in the end.
    pub fn begin(path: &Path, sync: &SyncName) -> Result<Saving, CommandError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = path.with_file_name(name);
        let begun = || {
            // What an earlier process left here may be readable for others.
            match std::fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            let mut out = BufWriter::new(file);
            write!(out, "{{\"format\":{FORMAT},\"sync\":{},\"items\":[", json!(sync))?;
            Ok(out)
        };
        let out = begun().map_err(|source| unwritten(path, source))?;
        Ok(Saving { path: path.to_owned(), beside, out, is_empty: true, failed: None })
    }

    /// Adds an item; that it could not be written is told at the end.
    pub fn add(&mut self, item: &SavedItem) {
        if self.failed.is_none() {
            let comma = if self.is_empty { "" } else { "," };
            self.failed = write!(self.out, "{comma}\n{}", json!(item)).err();
            self.is_empty = false;
        }
    }

    /// Ends the file with the digest of all items.
    pub fn end(mut self, digest: &str) -> Result<(), CommandError> {
        let ended = match self.failed.take() {
            Some(error) => Err(error),
            None => writeln!(self.out, "\n],\"digest\":{}}}", json!(digest))
                .and_then(|()| self.out.flush())
                .and_then(|()| std::fs::rename(&self.beside, &self.path)),
        };
        ended.map_err(|source| unwritten(&self.path, source))
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        // Nothing is there any more once it has taken its place.
        drop(std::fs::remove_file(&self.beside));
    }
}

fn unwritten(path: &Path, source: io::Error) -> CommandError {
    CommandError::Write { path: path.display().to_string(), source }
}

/// Returns a digest in text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a digest back.
fn unhex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn saved(path: &Path) -> String {
        let mut saving = Saving::begin(path, &SyncName::from("people")).expect("begins");
        let mut whole = PlanDigest::default();
        for digest in [[1; 16], [2; 16]] {
            whole.add(&digest);
            saving.add(&SavedItem { digest: hex(&digest), item: json!({ "pair": 1 }) });
        }
        saving.end(&whole.to_string()).expect("ends");
        std::fs::read_to_string(path).expect("reads")
    }

    #[test]
    fn a_plan_is_read_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.plan");
        std::fs::write(&path, "older").expect("writes");
        saved(&path);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let plan = load(&path).expect("loads");
        assert_eq!((plan.sync.as_str(), plan.items.len()), ("people", 2));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_plan_that_cannot_be_saved_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.plan");
        std::fs::create_dir(&path).expect("a folder in its place");
        let saving = Saving::begin(&path, &SyncName::from("people")).expect("begins");
        saving.end("").expect_err("there is a folder");
        drop(Saving::begin(&folder.path().join("other.plan"), &SyncName::from("people")).expect("begins"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_plan_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.plan");
        let text = saved(&path);
        let first = "01".repeat(16);
        let cases = [
            (text.replace(&first, &"03".repeat(16)), "not those"),
            (text.replace(&first, "0x"), "digests"),
            (text.replace(&first, &"+1".repeat(16)), "digests"),
            (text.replace("\"format\":1", "\"format\":2"), "form 2"),
            (text.replace("\"sync\":", "\"of\":"), "unknown field"),
            (text[..text.len() / 2].to_owned(), "EOF"),
        ];
        for (changed, word) in cases {
            std::fs::write(&path, &changed).expect("writes");
            let error = load(&path).expect_err(&changed).to_string();
            assert!(error.contains("is no saved plan") && error.contains(word), "{error}");
        }
    }
}
