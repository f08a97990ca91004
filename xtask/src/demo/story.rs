//! The story, act by act.
//!
//! What is told of the two applications is asked of them first; `told` stops a story that is not true.

use super::book::Card;
use super::cast::{CARDS, ODD_LINE, REFUSED_EMAIL, SHARED, Shared};
use super::crm::{CONTACTS, Contact};
use super::shell::Show;
use super::stage::Stage;
use crate::error::Error;

/// Her title changes in HubSpot and her mobile in the address book.
const TWO_FIELDS: &str = "Siobhán MacDonald";
/// His title changes on both sides.
const ONE_FIELD: &str = "Linus Clarke";
/// His card is deleted.
const DELETED: &str = "Ivan Kowalski";

const TITLE_IN_CRM: &str = "Head of Product";
const MOBILE_IN_BOOK: &str = "0044 7700 900111";
const MOBILE_NORMALIZED: &str = "+447700900111";
const MOBILE_LATER: &str = "+447700900222";
const LOSING_TITLE: &str = "Trainee";
const WINNING_TITLE: &str = "Junior Engineer";

/// Tells it from the beginning to the end.
pub(super) fn tell(stage: &mut Stage) -> Result<(), Error> {
    introduce(stage)?;
    check_and_plan(stage)?;
    first_run(stage)?;
    what_is_left(stage)?;
    let edited = edits_on_both_sides(stage)?;
    conflict(stage, &edited)?;
    undo(stage, &edited)?;
    what_next(stage);
    Ok(())
}

fn introduce(stage: &mut Stage) -> Result<(), Error> {
    let (contacts, cards) = (stage.crm.contacts()?, stage.book.cards()?);
    told(contacts.len() == CONTACTS && cards.len() == CARDS, "both sides begin with their people")?;
    stage.shell.act("Two applications");
    stage.shell.say(&format!(
        "On this machine there are now a HubSpot with {CONTACTS} contacts ({}) and a real CardDAV server, Radicale, with \
         {CARDS} cards ({}). {SHARED} people are in both, with small differences: another phone, no title, a new \
         address, capitals in the e-mail. Two cards share one e-mail, and the e-mail of one card is none. This HubSpot \
         finds what was changed at once; the real one takes some seconds.",
        stage.crm.url, stage.book.url,
    ));
    stage.shell.say("This is target/demo/syncline.toml:");
    stage.shell.print(&stage.configuration);
    Ok(())
}

fn check_and_plan(stage: &mut Stage) -> Result<(), Error> {
    stage.shell.act("Is everything there? What would happen?");
    stage.shell.syncline(&["check"], Show::All, 0)?;
    stage.shell.say("A plan reads both sides and writes to neither. It is exactly what a run would do.");
    stage.shell.syncline(&["plan"], Show::First(24), 0)?;
    stage.shell.say(
        "A blank is filled. Where both have a value and differ, the later one goes over, and where nobody can tell which \
         is later, HubSpot's does: `in_doubt`.",
    );
    let (contacts, cards) = (stage.crm.contacts()?, stage.book.cards()?);
    told(contacts.len() == CONTACTS && cards.len() == CARDS, "a plan writes nothing")
}

fn first_run(stage: &mut Stage) -> Result<(), Error> {
    let before = stage.crm.contacts()?;
    let without_email = before.iter().filter(|contact| contact.value("email").is_empty()).count();
    stage.shell.act("The first run");
    stage.shell.say(
        "`run` shows the plan and asks; with --yes it does not ask. HubSpot is going to refuse the e-mail that is none, \
         so the run ends with exit code 3: done, but for rejects.",
    );
    stage.shell.syncline(&["run", "--yes"], Show::All, 3)?;

    // Of the cards, the two ambiguous ones and the refused one have no contact of their own.
    let contacts = stage.crm.contacts()?;
    let contacts_expected = CONTACTS + (CARDS - SHARED - 2 - 1);
    told(
        contacts.len() == contacts_expected,
        format!("HubSpot has {contacts_expected} contacts, not {}", contacts.len()),
    )?;
    let cards = stage.book.cards()?;
    let cards_expected = CARDS + (CONTACTS - SHARED - 1 - without_email);
    told(cards.len() == cards_expected, format!("there are {cards_expected} cards, not {}", cards.len()))?;
    for shared in &stage.cast.shared {
        let (contact, card) = sides(stage, shared)?;
        told(agree(&contact, &card), format!("{} is the same on both sides", shared.name))?;
    }
    let odd = cards.iter().filter(|card| card.has_line(ODD_LINE)).count();
    told(odd == CARDS, format!("what nobody maps stays in {CARDS} cards, not in {odd}"))?;
    stage.shell.say(&format!(
        "We asked both servers: {} contacts, {} cards. Nobody is there twice, the {SHARED} are the same on both sides, and \
         what is not mapped (in this address book, everybody's favourite tea) is in the cards as it was. And if nothing \
         changes, there is nothing to do:",
        contacts.len(),
        cards.len()
    ));
    stage.shell.syncline(&["run", "--yes"], Show::All, 0)?;
    told(stage.crm.contacts()?.len() == contacts_expected, "a run after a run creates nothing")?;
    told(stage.book.cards()?.len() == cards_expected, "a run after a run creates nothing")
}

fn what_is_left(stage: &mut Stage) -> Result<(), Error> {
    stage.shell.act("What was left out, and why");
    stage.shell.syncline(&["status"], Show::All, 0)?;
    let ambiguous = stage.shell.syncline(&["records", "people", "--reason", "ambiguous"], Show::All, 0)?;
    let contact = stage.cast.ambiguous.to_string();
    told(ambiguous.contains(&contact), format!("contact {contact} is listed as ambiguous"))?;
    let rejected = stage.shell.syncline(&["records", "people", "--state", "rejected"], Show::All, 0)?;
    told(rejected.contains(REFUSED_EMAIL) || rejected.contains("otto"), "the refused card is listed")
}

/// The people whose records are edited.
struct Edited {
    two_fields: Shared,
    one_field: Shared,
    deleted: Shared,
    old_title: String,
    /// The run that carried the edits over.
    run: String,
}

fn edits_on_both_sides(stage: &mut Stage) -> Result<Edited, Error> {
    let find = |name: &str| {
        let found = stage.cast.shared.iter().find(|shared| shared.name == name).cloned();
        found.ok_or_else(|| Error::Demo(format!("{name} is on both sides")))
    };
    let (two_fields, one_field, deleted) = (find(TWO_FIELDS)?, find(ONE_FIELD)?, find(DELETED)?);
    let old_title = stage.crm.contact(two_fields.contact)?.value("jobtitle").to_owned();
    stage.shell.act("People edit both sides");
    stage.shell.print(&format!(
        "{TWO_FIELDS:<19} HubSpot: title is now \"{TITLE_IN_CRM}\"     address book: mobile is now {MOBILE_IN_BOOK}\n\
         {ONE_FIELD:<19} HubSpot: title is now \"{WINNING_TITLE}\"     address book: title is now \"{LOSING_TITLE}\"\n\
         {DELETED:<19} his card is deleted"
    ));
    stage.book.edit(&two_fields.card, "TEL;TYPE=CELL", MOBILE_IN_BOOK)?;
    stage.book.edit(&one_field.card, "TITLE", LOSING_TITLE)?;
    stage.book.delete(&deleted.card)?;
    stage.crm.edit(two_fields.contact, "jobtitle", TITLE_IN_CRM)?;
    stage.crm.edit(one_field.contact, "jobtitle", WINNING_TITLE)?;
    stage.shell.syncline(&["plan"], Show::All, 0)?;
    let said = stage.shell.syncline(&["run", "--yes"], Show::All, 0)?;
    let run = run_number(&said).ok_or_else(|| Error::Demo("a run says its number".to_owned()))?;
    let edited = Edited { two_fields, one_field, deleted, old_title, run };
    show_merged(stage, &edited)?;
    Ok(edited)
}

/// Says what `run` calls the run, as in `people: ok (run 3, 0.4 s)`.
fn run_number(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("(run ")?;
    Some(rest.chars().take_while(char::is_ascii_digit).collect()).filter(|number: &String| !number.is_empty())
}

fn show_merged(stage: &Stage, edited: &Edited) -> Result<(), Error> {
    let (contact, card) = sides(stage, &edited.two_fields)?;
    told(
        contact.value("jobtitle") == TITLE_IN_CRM && card.value("TITLE") == TITLE_IN_CRM,
        "the new title is on both sides",
    )?;
    told(contact.value("mobilephone") == MOBILE_NORMALIZED, "HubSpot has the new mobile, normalized")?;
    stage.shell.say(&format!(
        "{TWO_FIELDS} has both edits on both sides. Her mobile went through normalize-phone on its way to HubSpot, and \
         stays in the card as it was typed."
    ));
    show_both(stage, &contact, &card);
    let survivor = stage.crm.contact(edited.deleted.contact)?;
    told(!survivor.value("email").is_empty(), format!("{DELETED} is still in HubSpot"))?;
    stage.shell.say(&format!(
        "{DELETED} is still in HubSpot, as `deletes` says ignore. He does not come back into the address book either:"
    ));
    let listed = stage.shell.syncline(&["records", "people", "--reason", "counterpart-deleted"], Show::All, 0)?;
    told(listed.contains(DELETED), format!("{DELETED} is listed as deleted on one side"))
}

fn conflict(stage: &mut Stage, edited: &Edited) -> Result<(), Error> {
    let (contact, card) = sides(stage, &edited.one_field)?;
    told(contact.value("jobtitle") == WINNING_TITLE, "HubSpot keeps its title")?;
    told(card.value("TITLE") == WINNING_TITLE, "the card has HubSpot's title")?;
    stage.shell.act(&format!("{ONE_FIELD} had two new titles"));
    let id = edited.one_field.contact.to_string();
    stage.shell.say(
        "The later edit wins. These two were made within two seconds, where clocks do not tell, so HubSpot's won: \
         `in_doubt`. The other one is not lost. It is kept with the reason, and can be written back:",
    );
    stage.shell.print(&format!("  syncline resolve people {id} jobtitle --flip"));
    let conflicts = stage.shell.syncline(&["conflicts", "people", "--all"], Show::First(4), 0)?;
    told(conflicts.contains(LOSING_TITLE), "the title that lost is listed")?;
    let explained = stage.shell.syncline(&["explain", "people", &id, "jobtitle"], Show::All, 0)?;
    told(explained.contains(LOSING_TITLE), "the title that lost is explained")
}

fn undo(stage: &mut Stage, edited: &Edited) -> Result<(), Error> {
    let run = edited.run.as_str();
    stage.shell.act(&format!("Run {run} is undone"));
    stage.shell.say(&format!("Meanwhile, somebody gives {TWO_FIELDS} another mobile in HubSpot: {MOBILE_LATER}."));
    stage.crm.edit(edited.two_fields.contact, "mobilephone", MOBILE_LATER)?;
    stage.shell.syncline(&["history"], Show::All, 0)?;
    stage.shell.syncline(&["show", run], Show::All, 0)?;
    stage.shell.syncline(&["undo", run, "--plan"], Show::All, 0)?;
    stage.shell.say("Not everything can be taken back, so this ends with exit code 3 too.");
    stage.shell.syncline(&["undo", run, "--yes"], Show::All, 3)?;
    let (contact, card) = sides(stage, &edited.two_fields)?;
    told(card.value("TITLE") == edited.old_title, "the card has the title from before the run")?;
    told(contact.value("jobtitle") == TITLE_IN_CRM, "what a person wrote in HubSpot stays")?;
    told(contact.value("mobilephone") == MOBILE_LATER, "what was changed since the run stays")?;
    let (_, card_in_conflict) = sides(stage, &edited.one_field)?;
    told(card_in_conflict.value("TITLE") == LOSING_TITLE, "the title that lost is in the card again")?;
    stage.shell.say(&format!(
        "What the run wrote is taken back: {ONE_FIELD}'s card says \"{LOSING_TITLE}\" again. What people wrote stays, \
         before the run or after it. {TWO_FIELDS}:"
    ));
    show_both(stage, &contact, &card);
    stage.shell.say("The next run does not do again what was undone; it carries over what was edited since.");
    stage.shell.syncline(&["run", "--yes"], Show::All, 0)?;
    let (_, card) = sides(stage, &edited.two_fields)?;
    told(card.value("TEL;TYPE=CELL") == MOBILE_LATER, "the mobile that was edited since is in the card")?;
    told(card.value("TITLE") == edited.old_title, "what was undone is not done again")
}

fn what_next(stage: &mut Stage) {
    let text = "  cargo xtask demo --keep        leaves the servers up; then, in another terminal:\n  \
                  cd target/demo && . ./env      the configuration, and what it needs from the environment\n  \
                  syncline status                and explain, records, conflicts, history, show\n  \
                  syncline serve                 goes on, every five minutes\n\n  \
                  syncline init                  in a folder of your own: your own two applications\n  \
                  syncline --help                what else there is";
    stage.shell.act("What to try next");
    stage.shell.print(text);
}

/// Stops a story that is not true.
fn told(truth: bool, sentence: impl Into<String>) -> Result<(), Error> {
    if truth { Ok(()) } else { Err(Error::Demo(format!("it should be that {}", sentence.into()))) }
}

fn sides(stage: &Stage, shared: &Shared) -> Result<(Contact, Card), Error> {
    Ok((stage.crm.contact(shared.contact)?, stage.book.card(&shared.card)?))
}

/// Fields that are shown and compared: what they are called, in HubSpot and in a card.
const FIELDS: [(&str, &str, &str); 4] = [
    ("e-mail", "email", "EMAIL"),
    ("title", "jobtitle", "TITLE"),
    ("work", "phone", "TEL;TYPE=WORK"),
    ("street", "address", "ADR;TYPE=WORK"),
];

fn agree(contact: &Contact, card: &Card) -> bool {
    FIELDS.iter().all(|(_, property, line)| contact.value(property).eq_ignore_ascii_case(&part(card, line)))
}

/// The value of a card's line, and of an address its street.
fn part(card: &Card, line: &str) -> String {
    let value = card.value(line);
    if line.starts_with("ADR") { value.split(';').nth(2).unwrap_or_default().to_owned() } else { value }
}

fn show_both(stage: &Stage, contact: &Contact, card: &Card) {
    let mut lines = format!("  {:<8} {:<42} {}\n", "", "HubSpot", "address book");
    for (name, property, line) in FIELDS.into_iter().take(2).chain([("mobile", "mobilephone", "TEL;TYPE=CELL")]) {
        lines.push_str(&format!("  {name:<8} {:<42} {}\n", contact.value(property), part(card, line)));
    }
    stage.shell.print(&lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_number() {
        assert_eq!(run_number("people: ok (run 13, 0.4 s)\n"), Some("13".to_owned()));
        assert_eq!(run_number("people: ok"), None);
    }
}
