//! The fields of a contact, and what in a card each of them is.
//!
//! Slots are views of lines, by these rules (E10.2):
//!
//! - `email` is the preferred `EMAIL` (`PREF`, else the first). `email.home` and `email.work` are the first with that type.
//!   One line may be `email` and a typed slot at once.
//! - `tel.mobile` is the first `TEL` with type `cell`; `tel.home` and `tel.work` the first with that type that is neither
//!   a mobile nor a fax, pager or text line. `tel` is the preferred one that is not a mobile, fax, pager or text line, so a
//!   card with a mobile alone has no `tel`.
//! - `adr.home` is the first `ADR` with type `home`; `adr.work` the first with type `work`, else the first with neither
//!   (vCard 3.0 says that an address without types is one at work).
//! - Writing a slot replaces the value of its line and nothing else of the card; where there is no such line, one is
//!   added. Clearing takes away that one line, and the next of its kind becomes the slot.
//! - Where `email` and a typed slot are one line and are given different values in one write, the typed slot keeps the
//!   line and `email` gets another before it. Clearing `email` then leaves the line to the typed slot; clearing the
//!   typed slot then takes only the type from the line. A value that stands in a later line already is moved to the
//!   front instead of being written twice.

use syncline_sdk::model::{Field, FieldTraits, FieldType, Schema};

/// What in a card a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A component of `N`, by position.
    Name(usize),
    /// `FN`.
    FullName,
    /// The preferred property of this name, as one text.
    Text(&'static str),
    /// `URL`, which is not escaped when written.
    Url,
    /// A component of `ORG`, by position.
    Organisation(usize),
    /// `BDAY`, where it is a whole date.
    Birthday,
    /// All `CATEGORIES`.
    Categories,
    /// One value of `EMAIL` or `TEL`.
    Slot(Family, Slot),
    /// All values of `EMAIL` or `TEL`.
    List(Family),
    /// A component of an `ADR`, by place and position.
    Address(Place, usize),
    /// A property that is only read.
    ReadOnly(&'static str),
}

/// Properties of which a card has several, with slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `EMAIL`.
    Email,
    /// `TEL`.
    Telephone,
}

/// Which of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The preferred one.
    Primary,
    /// The first of type `home`.
    Home,
    /// The first of type `work`.
    Work,
    /// The first of type `cell`.
    Mobile,
}

/// Which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At home.
    Home,
    /// At work.
    Work,
}

/// One row of the table below.
pub(crate) struct Known {
    /// The field's name.
    pub(crate) name: &'static str,
    label: &'static str,
    /// What it is in a card.
    pub(crate) part: Part,
    meaning: &'static str,
    group: &'static str,
}

const fn known(
    name: &'static str,
    label: &'static str,
    part: Part,
    meaning: &'static str,
    group: &'static str,
) -> Known {
    Known { name, label, part, meaning, group }
}

/// Every field, in the order in which a new card is written.
pub(crate) const FIELDS: &[Known] = &[
    known("fn", "Full name", Part::FullName, "name.full", "name"),
    known("name.given", "First name", Part::Name(1), "name.given", "name"),
    known("name.family", "Last name", Part::Name(0), "name.family", "name"),
    known("name.middle", "Middle names", Part::Name(2), "name.middle", "name"),
    known("name.prefix", "Name prefix", Part::Name(3), "name.prefix", "name"),
    known("name.suffix", "Name suffix", Part::Name(4), "name.suffix", "name"),
    known("nickname", "Nickname", Part::Text("NICKNAME"), "nickname", ""),
    known("org", "Company", Part::Organisation(0), "company", ""),
    known("department", "Department", Part::Organisation(1), "department", ""),
    known("title", "Job title", Part::Text("TITLE"), "job-title", ""),
    known("role", "Role", Part::Text("ROLE"), "role", ""),
    known("email", "E-mail", Part::Slot(Family::Email, Slot::Primary), "email", ""),
    known("email.home", "E-mail at home", Part::Slot(Family::Email, Slot::Home), "email.home", ""),
    known("email.work", "E-mail at work", Part::Slot(Family::Email, Slot::Work), "email.work", ""),
    known("emails", "All e-mails", Part::List(Family::Email), "", ""),
    known("tel", "Telephone", Part::Slot(Family::Telephone, Slot::Primary), "phone", ""),
    known("tel.mobile", "Mobile", Part::Slot(Family::Telephone, Slot::Mobile), "phone.mobile", ""),
    known("tel.work", "Telephone at work", Part::Slot(Family::Telephone, Slot::Work), "phone.work", ""),
    known("tel.home", "Telephone at home", Part::Slot(Family::Telephone, Slot::Home), "phone.home", ""),
    known("tels", "All telephones", Part::List(Family::Telephone), "", ""),
    known("adr.home.street", "Home street", Part::Address(Place::Home, 2), "address.home.street", "address.home"),
    known("adr.home.city", "Home city", Part::Address(Place::Home, 3), "address.home.city", "address.home"),
    known("adr.home.region", "Home region", Part::Address(Place::Home, 4), "address.home.region", "address.home"),
    known(
        "adr.home.postal-code",
        "Home postal code",
        Part::Address(Place::Home, 5),
        "address.home.postal-code",
        "address.home",
    ),
    known("adr.home.country", "Home country", Part::Address(Place::Home, 6), "address.home.country", "address.home"),
    known("adr.work.street", "Work street", Part::Address(Place::Work, 2), "address.work.street", "address.work"),
    known("adr.work.city", "Work city", Part::Address(Place::Work, 3), "address.work.city", "address.work"),
    known("adr.work.region", "Work region", Part::Address(Place::Work, 4), "address.work.region", "address.work"),
    known(
        "adr.work.postal-code",
        "Work postal code",
        Part::Address(Place::Work, 5),
        "address.work.postal-code",
        "address.work",
    ),
    known("adr.work.country", "Work country", Part::Address(Place::Work, 6), "address.work.country", "address.work"),
    known("birthday", "Birthday", Part::Birthday, "birthday", ""),
    known("url", "Website", Part::Url, "url", ""),
    known("note", "Note", Part::Text("NOTE"), "note", ""),
    known("categories", "Categories", Part::Categories, "categories", ""),
    known("uid", "Identifier", Part::ReadOnly("UID"), "identity", ""),
    known("rev", "Revision", Part::ReadOnly("REV"), "", ""),
];

/// The field called `name`.
pub(crate) fn field(name: &str) -> Option<&'static Known> {
    FIELDS.iter().find(|known| known.name == name)
}

/// What the field called `name` is in a card.
pub(crate) fn part(name: &str) -> Option<Part> {
    field(name).map(|known| known.part)
}

/// The schema of a contact: the same for every server.
pub(crate) fn schema() -> Schema {
    Schema::of(FIELDS.iter().map(described).collect())
}

fn described(known: &Known) -> Field {
    let kind = match known.part {
        Part::Birthday => FieldType::Date,
        Part::Categories | Part::List(_) => FieldType::Texts,
        _ => FieldType::Text,
    };
    let traits = match known.part {
        Part::ReadOnly("UID") => FieldTraits::READ_ONLY | FieldTraits::FINDABLE,
        Part::ReadOnly(_) => FieldTraits::READ_ONLY,
        Part::Slot(Family::Email, Slot::Primary) => FieldTraits::FINDABLE,
        Part::Birthday => FieldTraits::SENSITIVE,
        _ => FieldTraits::empty(),
    };
    let mut field = Field::new(known.name, kind).label(known.label).traits(traits);
    if !known.meaning.is_empty() {
        field = field.meaning(known.meaning);
    }
    if !known.group.is_empty() {
        field = field.group(known.group);
    }
    match known.part {
        Part::Slot(Family::Email, _) => field.slot_of("emails"),
        Part::Slot(Family::Telephone, _) => field.slot_of("tels"),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_meanings_are_unique() {
        let fields = schema().fields;
        for (at, field) in fields.iter().enumerate() {
            for other in &fields[at + 1..] {
                assert_ne!(field.name, other.name);
                assert!(field.meaning.is_none() || field.meaning != other.meaning, "{:?}", field.meaning);
            }
        }
    }

    #[test]
    fn every_slot_names_a_list_field() {
        let fields = schema().fields;
        for list in fields.iter().filter_map(|field| field.slot_of.as_deref()) {
            assert!(fields.iter().any(|field| field.name == list && field.kind == FieldType::Texts), "{list}");
        }
    }
}
