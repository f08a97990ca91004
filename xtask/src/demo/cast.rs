//! Who is in the address book: some of the people of HubSpot, written a little differently, and many others.

use super::crm::Contact;

/// Cards at the start.
pub(super) const CARDS: usize = 150;

/// Cards of people who are in HubSpot too.
pub(super) const SHARED: usize = 60;

/// What nobody maps and every card has; it has to stay as it is.
pub(super) const ODD_LINE: &str = "X-FAVOURITE-TEA;X-SINCE=1998:Darjeeling\\, second flush";

/// The address that HubSpot refuses.
pub(super) const REFUSED_EMAIL: &str = "otto.ohne-adresse";

/// How the card of somebody differs from the contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twist {
    Nothing,
    EmailInCapitals,
    OtherPhone,
    NoTitle,
    NewAddress,
    MobileWrittenOtherwise,
}

const TWISTS: [Twist; 6] = [
    Twist::OtherPhone,
    Twist::NoTitle,
    Twist::NewAddress,
    Twist::EmailInCapitals,
    Twist::MobileWrittenOtherwise,
    Twist::Nothing,
];

/// Somebody who is on both sides.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) contact: u64,
    pub(super) card: String,
    pub(super) name: String,
}

/// Everybody, before the first run.
pub(super) struct Cast {
    pub(super) shared: Vec<Shared>,
    /// The contact that two cards could be.
    pub(super) ambiguous: u64,
    /// Every card, with its name.
    pub(super) cards: Vec<(String, String)>,
}

/// Makes the cards of an address book that knows some of `contacts`.
pub(super) fn cast(contacts: &[Contact]) -> Cast {
    let mut known = contacts.iter().filter(|contact| !contact.value("email").is_empty());
    let mut cast = Cast { shared: Vec::new(), ambiguous: 0, cards: Vec::new() };
    for (contact, twist) in known.by_ref().zip(TWISTS.into_iter().cycle()).take(SHARED) {
        let card = format!("{}.vcf", local_part(contact.value("email")));
        cast.cards.push((card.clone(), shared_card(contact, &card, twist)));
        cast.shared.push(Shared { contact: contact.id, card, name: contact.name() });
    }
    if let Some(contact) = known.next() {
        cast.ambiguous = contact.id;
        for place in ["phone", "laptop"] {
            let card = format!("{}-{place}.vcf", local_part(contact.value("email")));
            let text = shared_card(contact, &card, Twist::Nothing);
            cast.cards.push((card, text));
        }
    }
    cast.cards.push(("otto.vcf".to_owned(), other_card("Otto", "Ohneadresse", REFUSED_EMAIL, CARDS)));
    let others = GIVEN_NAMES.iter().flat_map(|given| FAMILY_NAMES.iter().map(move |family| (given, family)));
    for (number, (given, family)) in others.take(CARDS - cast.cards.len()).enumerate() {
        let local = format!("{given}.{family}").to_lowercase();
        let card = other_card(given, family, &format!("{local}@mail.example"), number);
        cast.cards.push((format!("{local}.vcf"), card));
    }
    cast
}

fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}

/// The card of a contact.
fn shared_card(contact: &Contact, uid: &str, twist: Twist) -> String {
    let email = contact.value("email");
    let mobile = contact.value("mobilephone");
    let mut card = Lines::of(contact.value("firstname"), contact.value("lastname"), uid, false);
    let capitals = email.split('@').map(capitalised).collect::<Vec<_>>().join("@");
    card.add("EMAIL", if twist == Twist::EmailInCapitals { &capitals } else { email });
    card.add("TEL;TYPE=WORK", if twist == Twist::OtherPhone { "+44 20 7946 0958" } else { contact.value("phone") });
    let written_otherwise = mobile.replacen('+', "00", 1);
    card.add("TEL;TYPE=CELL", if twist == Twist::MobileWrittenOtherwise { &written_otherwise } else { mobile });
    card.add("TITLE", if twist == Twist::NoTitle { "" } else { contact.value("jobtitle") });
    card.add("ORG", contact.value("company"));
    card.add("URL", contact.value("website"));
    let street = if twist == Twist::NewAddress { "12 Garden Row" } else { contact.value("address") };
    let place = ["city", "state", "zip", "country"].map(|part| escaped(contact.value(part))).join(";");
    card.add_as_it_is("ADR;TYPE=WORK", &format!(";;{};{place}", escaped(street)));
    card.end()
}

/// The card of somebody whom HubSpot does not know.
fn other_card(given: &str, family: &str, email: &str, number: usize) -> String {
    let mut card = Lines::of(given, family, email, number.is_multiple_of(3));
    card.add("EMAIL", email);
    card.add("TEL;TYPE=CELL", &format!("0044 7700 900{number:03}"));
    card.add("TITLE", TITLES[number % TITLES.len()]);
    card.end()
}

/// The lines of a card, of the older or the newer vCard version: a real address book has both.
struct Lines(String);

impl Lines {
    fn of(given: &str, family: &str, uid: &str, newer: bool) -> Lines {
        let mut lines = Lines(String::new());
        lines.add_as_it_is("BEGIN", "VCARD");
        lines.add_as_it_is("VERSION", if newer { "4.0" } else { "3.0" });
        lines.add("UID", uid);
        lines.add_as_it_is("N", &format!("{};{};;;", escaped(family), escaped(given)));
        lines.add("FN", &format!("{given} {family}"));
        lines
    }

    fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.add_as_it_is(name, &escaped(value));
        }
    }

    fn add_as_it_is(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{name}:{value}\r\n"));
    }

    fn end(mut self) -> String {
        self.0.push_str(ODD_LINE);
        self.0.push_str("\r\n");
        self.add_as_it_is("END", "VCARD");
        self.0
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace('\n', "\\n")
}

/// Writes every word with a capital letter, as in Ada.Lovelace.
fn capitalised(words: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        let written = if begins { letter.to_ascii_uppercase() } else { letter };
        begins = !letter.is_alphanumeric();
        written
    };
    words.chars().map(letter).collect()
}

const TITLES: [&str; 4] = ["Neighbour", "Piano teacher", "Dentist", "Plumber, \"the good one\""];

const GIVEN_NAMES: [&str; 11] =
    ["Agatha", "Bruno", "Chiara", "Dag", "Elin", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja"];

const FAMILY_NAMES: [&str; 8] = ["Baker", "Costa", "Duarte", "Eriksen", "Fischer", "Gallo", "Horvat", "Ivers"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_begin_words() {
        assert_eq!(capitalised("ada.lovelace39"), "Ada.Lovelace39");
    }

    #[test]
    fn there_are_enough_names() {
        assert!(GIVEN_NAMES.len() * FAMILY_NAMES.len() >= CARDS - SHARED - 3);
    }
}
