//! The parts of a name, and the full name that must always be there.

use crate::schema::{Family, Slot};
use crate::vcard::property::Property;
use crate::vcard::{Card, Version, text};

use super::slots;

/// What a card is called that has no name, no address and no company: `FN` may not be missing.
const NAMELESS: &str = "(no name)";

/// Components that an `N` has.
const NAME_COMPONENTS: usize = 5;

/// Returns a component of `N`.
pub(super) fn component(card: &Card, component: usize) -> Option<String> {
    super::component_of(card, card.first("N"), component)
}

/// Writes a component of `N`. A card without any text in it keeps the line, which 3.0 demands.
pub(super) fn set_component(card: &mut Card, component: usize, wanted: &str) {
    let position = match card.first("N") {
        Some(position) => position,
        None if wanted.is_empty() => return,
        None => insert_empty(card),
    };
    let mut property = card.property(position);
    property.set_component(component, wanted);
    card.replace(position, &property);
}

/// Writes the full name; an empty one is left to [`fill`].
pub(super) fn set_full(card: &mut Card, wanted: &str) {
    let escaped = text::escape(wanted);
    match card.first("FN") {
        Some(position) => {
            let mut property = card.property(position);
            property.set_value(escaped);
            card.replace(position, &property);
        }
        None => {
            card.insert(&Property::new("FN", &[], escaped), &["UID", "PRODID", "VERSION"]);
        }
    }
}

/// How a full name is made of the parts of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Prefix, given, middle, family, suffix.
    Long,
    /// Given, family.
    Short,
}

/// Returns the form in which the full name repeats the parts of the name; none where it is a text of its own.
pub(super) fn form(card: &Card) -> Option<Form> {
    let full = card.text("FN").unwrap_or_default();
    [Form::Long, Form::Short].into_iter().find(|&form| full.trim() == compose(card, form))
}

/// Makes the full name anew from the parts, in the form that it had.
pub(super) fn follow(card: &mut Card, form: Form) {
    let wanted = compose(card, form);
    if !wanted.is_empty() && card.text("FN").as_deref() != Some(&wanted) {
        set_full(card, &wanted);
    }
}

/// Finds a full name where there is none: it may not be empty.
pub(super) fn fill(card: &mut Card) {
    if card.text("FN").is_none() {
        let found = Some(compose(card, Form::Long)).filter(|name| !name.is_empty());
        let found = found.or_else(|| slots::read(card, Family::Email, Slot::Primary));
        let found = found.or_else(|| super::component_of(card, card.first("ORG"), 0));
        set_full(card, &found.unwrap_or_else(|| NAMELESS.to_owned()));
    }
}

/// Puts in what a new card may not be without. A card that the server keeps without is not touched for that.
pub(super) fn complete(card: &mut Card) {
    if card.version() != Version::V4 && card.first("N").is_none() {
        insert_empty(card);
    }
    fill(card);
}

fn compose(card: &Card, form: Form) -> String {
    let components: &[usize] = match form {
        Form::Long => &[3, 1, 2, 0, 4],
        Form::Short => &[1, 0],
    };
    let parts = components.iter().filter_map(|&at| component(card, at));
    parts.map(|part| part.trim().to_owned()).collect::<Vec<_>>().join(" ")
}

fn insert_empty(card: &mut Card) -> usize {
    let empty = Property::new("N", &[], ";".repeat(NAME_COMPONENTS - 1));
    card.insert(&empty, &["FN", "UID", "PRODID", "VERSION"])
}
