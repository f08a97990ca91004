//! From cards to cells and back, field by field.
//!
//! Invariant: a cell that says what the card says already leaves the card's bytes alone; any other touches only the lines
//! of its field (E10.3).

mod lists;
mod name;
mod slots;

use syncline_sdk::value::{Value, Violation};

use crate::schema::{Family, Part, Place, Slot};
use crate::vcard::property::Property;
use crate::vcard::{Card, Version, text};

/// Components that an `ADR` has.
const ADDRESS_COMPONENTS: usize = 7;

/// One field that is to be written: its name, what it is in a card, and its new value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'batch> {
    /// The field's name, for what is said about it.
    pub(crate) field: &'batch str,
    /// What it is in a card.
    pub(crate) part: Part,
    /// The new value; never absent.
    pub(crate) value: &'batch Value,
}

/// Returns the value of a field of `card`.
pub(crate) fn read(card: &Card, part: Part) -> Value {
    match part {
        Part::Name(component) => Value::maybe_text(name::component(card, component)),
        Part::FullName => Value::maybe_text(card.text("FN")),
        Part::Text(property) => Value::maybe_text(preferred(card, property).map(|at| card.property(at).text())),
        Part::Url => Value::maybe_text(preferred(card, "URL").map(|at| card.property(at).text())),
        Part::Organisation(component) => Value::maybe_text(component_of(card, card.first("ORG"), component)),
        Part::Birthday => birthday(card),
        Part::Categories => Value::maybe_texts(lists::categories(card)),
        Part::Slot(family, slot) => Value::maybe_text(slots::read(card, family, slot)),
        Part::List(family) => Value::maybe_texts(lists::values(card, family)),
        Part::Address(place, component) => Value::maybe_text(component_of(card, address(card, place), component)),
        Part::ReadOnly(property) => Value::maybe_text(card.text(property)),
    }
}

/// Makes a new card of `changes`.
pub(crate) fn create(version: Version, uid: &str, changes: &[Change<'_>]) -> Result<Card, Vec<Violation>> {
    let mut card = Card::new(version, uid);
    apply(&mut card, changes)?;
    name::complete(&mut card);
    Ok(card)
}

/// Writes `changes` into `card`; what does not fit is said for every field at once, and then the card must not be sent.
pub(crate) fn apply(card: &mut Card, changes: &[Change<'_>]) -> Result<(), Vec<Violation>> {
    let violations: Vec<Violation> = changes.iter().filter_map(check).collect();
    if !violations.is_empty() {
        return Err(violations);
    }
    let is_given = changes.iter().any(|change| change.part == Part::FullName && !change.value.is_absent());
    let form = name::form(card);
    for change in changes {
        write(card, change);
    }
    for family in [Family::Email, Family::Telephone] {
        slots::write(card, family, &slot_writes(changes, family));
    }
    match form {
        _ if is_given => name::fill(card),
        Some(form) => name::follow(card, form),
        None => {}
    }
    Ok(())
}

/// Returns whether a value fits its field.
fn check(change: &Change<'_>) -> Option<Violation> {
    let fits = match (change.part, change.value) {
        (Part::ReadOnly(_), _) => {
            return Some(Violation::of_field(change.field, "read-only", "this field is kept by the server"));
        }
        (_, Value::Clear | Value::Absent) => true,
        (Part::Birthday, Value::Date(date)) => parse_date(date).is_some(),
        (Part::Categories | Part::List(_), value) => value.as_texts().is_some(),
        (_, value) => value.as_text().is_some(),
    };
    let message = || format!("{:?} does not fit the type of this field", change.value);
    (!fits).then(|| Violation::of_field(change.field, "wrong-type", message()))
}

fn write(card: &mut Card, change: &Change<'_>) {
    if *change.value == Value::Absent || read(card, change.part) == *change.value {
        return;
    }
    let wanted = change.value.as_text().unwrap_or_default();
    match change.part {
        Part::Name(component) => name::set_component(card, component, wanted),
        Part::FullName => name::set_full(card, wanted),
        Part::Text(property) => set_text(card, property, text::escape(wanted)),
        Part::Url => set_text(card, "URL", wanted.chars().filter(|c| !c.is_control()).collect()),
        Part::Organisation(component) => set_component(card, card.first("ORG"), component, wanted, new_organisation),
        Part::Birthday => set_birthday(card, wanted),
        Part::Categories => lists::set_categories(card, change.value.as_texts().unwrap_or_default()),
        Part::List(family) => lists::set_values(card, family, change.value.as_texts().unwrap_or_default()),
        Part::Address(place, component) => {
            let new = match place {
                Place::Home => new_home,
                Place::Work => new_work,
            };
            set_component(card, address(card, place), component, wanted, new);
        }
        // Slots see each other, so they are written together; what is only read was refused by `check`.
        Part::Slot(..) | Part::ReadOnly(_) => {}
    }
}

/// Adds a category to a card, unless it has it.
pub(crate) fn add_category(card: &mut Card, category: &str) {
    let mut categories = lists::categories(card);
    if !categories.iter().any(|found| found == category) {
        categories.push(category.to_owned());
        lists::set_categories(card, &categories);
    }
}

fn slot_writes<'batch>(changes: &[Change<'batch>], family: Family) -> Vec<(Slot, Option<&'batch str>)> {
    let mut writes = Vec::new();
    for change in changes {
        match change.part {
            Part::Slot(of, slot) if of == family && *change.value != Value::Absent => {
                writes.push((slot, change.value.as_text().map(str::trim).filter(|text| !text.is_empty())));
            }
            _ => {}
        }
    }
    writes
}

/// The position of the preferred property of this name that is not blank.
fn preferred(card: &Card, property: &str) -> Option<usize> {
    let positions = card.positions(&[property]).into_iter();
    let filled = positions.filter(|&at| !card.property(at).text().trim().is_empty());
    filled.min_by_key(|&at| (card.property(at).preference().unwrap_or(u8::MAX), at))
}

fn set_text(card: &mut Card, name: &str, escaped: String) {
    let position = preferred(card, name);
    match (position, escaped.trim().is_empty()) {
        (Some(position), true) => card.remove(position),
        (Some(position), false) => {
            let mut property = card.property(position);
            property.set_value(escaped);
            card.replace(position, &property);
        }
        (None, true) => {}
        (None, false) => {
            card.insert(&new_property(card.version(), name, &[], escaped), &[]);
        }
    }
}

fn component_of(card: &Card, position: Option<usize>, component: usize) -> Option<String> {
    let text = card.property(position?).components().into_iter().nth(component)?;
    (!text.trim().is_empty()).then_some(text)
}

/// Writes one component of the property at `position`, or of a new one; a property without any text goes.
fn set_component(
    card: &mut Card,
    position: Option<usize>,
    component: usize,
    wanted: &str,
    new: fn(Version) -> Property,
) {
    let position = match position {
        Some(position) => position,
        None if wanted.is_empty() => return,
        None => card.insert(&new(card.version()), &["ADR", "ORG", "N", "FN"]),
    };
    let mut property = card.property(position);
    property.set_component(component, wanted);
    if property.components().iter().all(|component| component.trim().is_empty()) {
        card.remove(position);
    } else {
        card.replace(position, &property);
    }
}

fn new_organisation(version: Version) -> Property {
    new_property(version, "ORG", &[], String::new())
}

fn new_home(version: Version) -> Property {
    new_property(version, "ADR", &["home"], ";".repeat(ADDRESS_COMPONENTS - 1))
}

fn new_work(version: Version) -> Property {
    new_property(version, "ADR", &["work"], ";".repeat(ADDRESS_COMPONENTS - 1))
}

/// A new line, with its types as this version of vCard writes them.
fn new_property(version: Version, name: &str, types: &[&str], escaped: String) -> Property {
    let listed = match version {
        Version::V4 => types.join(","),
        Version::V3 | Version::V21 => types.join(",").to_uppercase(),
    };
    match version {
        _ if types.is_empty() => Property::new(name, &[], escaped),
        Version::V21 => Property::new(name, &listed.split(',').collect::<Vec<_>>(), escaped),
        Version::V4 if types.len() > 1 => Property::new(name, &[&format!("TYPE=\"{listed}\"")], escaped),
        Version::V3 | Version::V4 => Property::new(name, &[&format!("TYPE={listed}")], escaped),
    }
}

/// The position of the address at `place`, by the rule of `schema`.
fn address(card: &Card, place: Place) -> Option<usize> {
    let positions = card.positions(&["ADR"]);
    let typed = |wanted: &str| positions.iter().copied().find(|&at| card.property(at).has_type(wanted));
    match place {
        Place::Home => typed("home"),
        Place::Work => typed("work").or_else(|| {
            let is_plain = |at: &usize| !card.property(*at).has_type("home");
            positions.iter().copied().find(is_plain)
        }),
    }
}

/// The birthday where it is a whole date; a partial one is absent, because no value could stand for it.
fn birthday(card: &Card) -> Value {
    let Some(position) = card.first("BDAY") else { return Value::Clear };
    let property = card.property(position);
    let text = property.text();
    if text.trim().is_empty() {
        return Value::Clear;
    }
    // Apple writes a birthday without its year with a year that stands for none.
    let is_partial = !property.parameter("X-APPLE-OMIT-YEAR").is_empty();
    match parse_date(text.trim()) {
        Some(date) if !is_partial => Value::Date(date),
        _ => Value::Absent,
    }
}

fn set_birthday(card: &mut Card, wanted: &str) {
    let position = card.first("BDAY");
    if wanted.is_empty() {
        if let Some(position) = position
            && birthday(card) != Value::Absent
        {
            card.remove(position);
        }
        return;
    }
    let value = match card.version() {
        Version::V4 => wanted.replace('-', ""),
        Version::V3 | Version::V21 => wanted.to_owned(),
    };
    match position {
        Some(position) => {
            let mut property = card.property(position);
            property.drop_parameters(&["VALUE", "X-APPLE-OMIT-YEAR", "CALSCALE"]);
            property.set_value(value);
            card.replace(position, &property);
        }
        None => {
            card.insert(&new_property(card.version(), "BDAY", &[], value), &[]);
        }
    }
}

/// Reads `1996-04-15` and `19960415`, with or without a time behind, as `1996-04-15`.
fn parse_date(text: &str) -> Option<String> {
    let date = text.split(['T', ' ']).next()?;
    let digits: String = match date.len() {
        10 if date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-' => date.replace('-', ""),
        8 => date.to_owned(),
        _ => return None,
    };
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..]);
    let days = match (month.parse().ok()?, year.parse::<u32>().ok()?) {
        (2, year) if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        (2, _) => 28,
        (4 | 6 | 9 | 11, _) => 30,
        (1..=12, _) => 31,
        _ => return None,
    };
    let day_number: u32 = day.parse().ok()?;
    (1..=days).contains(&day_number).then(|| format!("{year}-{month}-{day}"))
}

#[cfg(test)]
mod tests;
