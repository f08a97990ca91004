//! What the story is played on: two servers full of people, and a folder with a configuration.

use std::fs;
use std::path::{Path, PathBuf};

use syncline_test_servers::{PASSWORD, USER};

use super::book::Book;
use super::cast::{Cast, cast};
use super::crm::{Contact, Crm, TOKEN};
use super::shell::Shell;
use crate::error::Error;
use crate::plugins;
use crate::workspace::root;

/// A HubSpot, an address book, and somebody who sits before them.
pub(super) struct Stage {
    pub(super) crm: Crm,
    pub(super) book: Book,
    pub(super) cast: Cast,
    pub(super) shell: Shell,
    pub(super) configuration: String,
}

impl Stage {
    /// Starts everything anew; what an earlier demo left in the folder is gone.
    pub(super) fn set() -> Result<Stage, Error> {
        let crm = Crm::start(&built("syncline-sandbox")?)?;
        let book = Book::start()?;
        lengthen_mobiles(&crm)?;
        let cast = cast(&crm.contacts()?);
        for (name, card) in &cast.cards {
            book.put(name, card)?;
        }
        let folder = root().join("target").join("demo");
        let environment = environment(&folder);
        let configuration = configuration(&crm, &book);
        write(&folder, &configuration, &environment)?;
        let shell = Shell::new(&folder, &built("syncline")?, environment);
        Ok(Stage { crm, book, cast, shell, configuration })
    }
}

/// Programs of this workspace are built into the folder in which we are.
fn built(name: &str) -> Result<PathBuf, Error> {
    let here = std::env::current_exe().map_err(|source| Error::Read { path: name.into(), source })?;
    let program = here.with_file_name(name);
    if program.is_file() { Ok(program) } else { Err(Error::Setup(format!("{} is not built", program.display()))) }
}

/// Some of the sandbox's people have a mobile number that is too short for its country; the story is about others.
fn lengthen_mobiles(crm: &Crm) -> Result<(), Error> {
    const ODD_CODES: [&str; 4] = ["+1", "+30", "+33", "+41"];
    let is_odd = |contact: &&Contact| ODD_CODES.iter().any(|code| contact.value("mobilephone").starts_with(code));
    for (number, contact) in crm.contacts()?.iter().filter(is_odd).enumerate() {
        crm.edit(contact.id, "mobilephone", &format!("+447700900{:03}", 900 + number))?;
    }
    Ok(())
}

fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("SYNCLINE_DATA", folder.join("data").display().to_string()),
        ("SYNCLINE_PLUGINS", plugins::components().display().to_string()),
        ("HUBSPOT_TOKEN", TOKEN.to_owned()),
        ("BOOK_PASSWORD", PASSWORD.to_owned()),
    ]
}

fn configuration(crm: &Crm, book: &Book) -> String {
    format!(
        r#"[connections.crm]
connector = "hubspot"
base_url  = "{crm}"                   # these two lines only because both
allow_private_network = true                             # servers are on this machine
auth      = {{ token = "env:HUBSPOT_TOKEN" }}

[connections.book]
connector = "carddav"
settings  = {{ url = "{book}" }}
allow_private_network = true
auth      = {{ user = "{USER}", password = "env:BOOK_PASSWORD" }}

[syncs.people]
left      = {{ connection = "crm",  object = "contacts" }}
right     = {{ connection = "book", object = "contacts" }}
direction = "both"
match     = {{ by = ["email"] }}                           # the same e-mail: the same person
conflict  = {{ policy = "newest", in_doubt = "left" }}     # the later edit wins; if nobody can tell, HubSpot's
deletes   = {{ to_left = "ignore", to_right = "ignore" }}  # nothing is deleted on the other side
schedule  = "every 5m"                                   # for `syncline serve`
defaults_off = ["mobilephone"]                           # the default mapping of this field

[[syncs.people.mappings]]                                # in the place of the default one
left      = "mobilephone"
right     = "tel.mobile"
transform = {{ to_right = "normalize-phone", to_left = "normalize-phone" }}
"#,
        crm = crm.url,
        book = book.url
    )
}

/// Writes the configuration, and a file that sets what the commands need from the environment.
fn write(folder: &Path, configuration: &str, environment: &[(&str, String)]) -> Result<(), Error> {
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(folder.join("syncline.toml"), configuration).map_err(failed)?;
    let mut lines: Vec<String> = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    let programs = std::env::current_exe().map_err(failed)?;
    lines.push(format!("export PATH=\"{}:$PATH\"\n", programs.parent().unwrap_or(folder).display()));
    fs::write(folder.join("env"), lines.concat()).map_err(failed)
}
