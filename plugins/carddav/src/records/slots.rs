//! Named slots: single lines of several, seen and written by the rules of `schema` (E10.2).

use crate::schema::{Family, Slot};
use crate::vcard::property::Property;
use crate::vcard::{Card, Version, text};

/// Types of a line that nobody can be called on.
const NOT_A_CALL: &[&str] = &["fax", "pager", "text", "textphone", "bbs", "modem", "video", "pcs"];

impl Family {
    /// The name of its property.
    pub(super) fn property(self) -> &'static str {
        match self {
            Family::Email => "EMAIL",
            Family::Telephone => "TEL",
        }
    }

    fn slots(self) -> &'static [Slot] {
        match self {
            Family::Email => &[Slot::Home, Slot::Work],
            Family::Telephone => &[Slot::Mobile, Slot::Home, Slot::Work],
        }
    }
}

/// One line of a family that has a value.
#[derive(Debug, Clone)]
struct Entry {
    position: usize,
    property: Property,
    value: String,
}

/// Returns the value of a slot.
pub(super) fn read(card: &Card, family: Family, slot: Slot) -> Option<String> {
    view(card, family, slot).map(|entry| entry.value)
}

/// Returns the value of one line as people read it, without its URI scheme.
pub(super) fn value_of(property: &Property) -> String {
    let text = property.text();
    let text = text.trim();
    let scheme = text
        .split_once(':')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("tel") || scheme.eq_ignore_ascii_case("mailto"));
    scheme.map_or(text, |(_, rest)| rest).trim().to_owned()
}

/// Returns the line's property with another value.
pub(super) fn with_value(mut property: Property, value: &str) -> Property {
    let is_uri = property.parameter("VALUE").iter().any(|kind| kind == "uri");
    if !is_uri {
        property.set_value(text::escape(value));
    } else if value.is_ascii() && !value.contains(char::is_whitespace) {
        property.set_value(format!("tel:{value}"));
    } else {
        property.drop_parameters(&["VALUE"]);
        property.set_value(text::escape(value));
    }
    property
}

/// Returns a new line for a value of a family.
pub(super) fn new_line(version: Version, family: Family, slot: Slot, value: &str) -> Property {
    let types: &[&str] = match (family, slot, version) {
        (Family::Email, Slot::Primary | Slot::Mobile, Version::V4) => &[],
        (Family::Email, Slot::Primary | Slot::Mobile, _) => &["internet"],
        (Family::Email, Slot::Home, Version::V4) => &["home"],
        (Family::Email, Slot::Home, _) => &["internet", "home"],
        (Family::Email, Slot::Work, Version::V4) => &["work"],
        (Family::Email, Slot::Work, _) => &["internet", "work"],
        (Family::Telephone, Slot::Primary, _) => &["voice"],
        (Family::Telephone, Slot::Mobile, _) => &["cell"],
        (Family::Telephone, Slot::Home, _) => &["home", "voice"],
        (Family::Telephone, Slot::Work, _) => &["work", "voice"],
    };
    super::new_property(version, family.property(), types, text::escape(value))
}

/// Writes several slots of one family as one: they may be views of one line.
pub(super) fn write(card: &mut Card, family: Family, writes: &[(Slot, Option<&str>)]) {
    let asked = |slot: Slot| writes.iter().find(|(written, _)| *written == slot).map(|(_, value)| *value);
    for &slot in family.slots() {
        if let Some(wanted) = asked(slot) {
            write_typed(card, family, slot, wanted, asked(Slot::Primary).flatten());
        }
    }
    if let Some(wanted) = asked(Slot::Primary) {
        // What a typed slot was just given, or keeps, is not the primary's to change.
        let kept: Vec<usize> = family
            .slots()
            .iter()
            .filter(|&&slot| asked(slot).flatten().is_some())
            .filter_map(|&slot| view(card, family, slot))
            .map(|entry| entry.position)
            .collect();
        write_primary(card, family, wanted, &kept);
    }
}

fn write_typed(card: &mut Card, family: Family, slot: Slot, wanted: Option<&str>, primary: Option<&str>) {
    let current = view(card, family, slot);
    match (current, wanted) {
        (Some(entry), Some(wanted)) if entry.value == wanted => {}
        (Some(entry), Some(wanted)) => card.replace(entry.position, &with_value(entry.property, wanted)),
        (Some(entry), None) if primary == Some(entry.value.as_str()) && is_primary(card, family, &entry) => {
            let mut property = entry.property;
            property.drop_type(type_of(slot));
            card.replace(entry.position, &property);
        }
        (Some(entry), None) => card.remove(entry.position),
        (None, Some(wanted)) => {
            card.insert(&new_line(card.version(), family, slot, wanted), &["EMAIL", "TEL", "N", "FN"]);
        }
        (None, None) => {}
    }
}

fn write_primary(card: &mut Card, family: Family, wanted: Option<&str>, kept: &[usize]) {
    let Some(current) = view(card, family, Slot::Primary) else {
        if let Some(wanted) = wanted {
            card.insert(&new_line(card.version(), family, Slot::Primary, wanted), &["EMAIL", "TEL", "N", "FN"]);
        }
        return;
    };
    let is_kept = kept.contains(&current.position);
    let Some(wanted) = wanted else {
        if !is_kept {
            card.remove(current.position);
        }
        return;
    };
    if current.value == wanted {
        return;
    }
    let elsewhere = entries(card, family).into_iter().find(|entry| {
        entry.position != current.position && entry.value == wanted && can_be_primary(family, &entry.property)
    });
    match elsewhere {
        Some(entry) => {
            promote(card, family, entry.position);
            if !is_kept {
                // The old value was in the front; promoting has moved it one line down.
                let old = entries(card, family).into_iter().find(|entry| entry.value == current.value);
                if let Some(old) = old {
                    card.remove(old.position);
                }
            }
        }
        None if is_kept => {
            let line = new_line(card.version(), family, Slot::Primary, wanted);
            let position = card.insert(&line, &[]);
            promote(card, family, position);
        }
        None => card.replace(current.position, &with_value(current.property, wanted)),
    }
}

/// Makes the line at `position` the primary one: moves it before all others of its property, and gives it the mark of
/// preference where another line has one.
fn promote(card: &mut Card, family: Family, position: usize) {
    let marked = view(card, family, Slot::Primary).is_some_and(|entry| entry.property.preference().is_some());
    let positions = card.positions(&[family.property()]);
    let mut at = position;
    for &earlier in positions.iter().rev().filter(|&&earlier| earlier < position) {
        card.swap(earlier, at);
        at = earlier;
    }
    if !marked {
        return;
    }
    let mut property = card.property(at);
    property.drop_type("pref");
    property.drop_parameters(&["PREF"]);
    property.add_parameter(match card.version() {
        Version::V4 => "PREF=1",
        Version::V3 => "TYPE=PREF",
        Version::V21 => "PREF",
    });
    card.replace(at, &property);
}

fn view(card: &Card, family: Family, slot: Slot) -> Option<Entry> {
    let mut entries = entries(card, family).into_iter();
    match slot {
        Slot::Primary => {
            let entries = entries.filter(|entry| can_be_primary(family, &entry.property));
            entries.min_by_key(|entry| (entry.property.preference().unwrap_or(u8::MAX), entry.position))
        }
        typed => entries.find(|entry| is_in(family, typed, &entry.property)),
    }
}

fn entries(card: &Card, family: Family) -> Vec<Entry> {
    let entries = card.positions(&[family.property()]).into_iter().map(|position| {
        let property = card.property(position);
        Entry { position, value: value_of(&property), property }
    });
    entries.filter(|entry| !entry.value.is_empty()).collect()
}

fn is_primary(card: &Card, family: Family, entry: &Entry) -> bool {
    view(card, family, Slot::Primary).is_some_and(|primary| primary.position == entry.position)
}

fn is_mobile(property: &Property) -> bool {
    property.has_type("cell") || property.has_type("iphone")
}

fn is_call(property: &Property) -> bool {
    !NOT_A_CALL.iter().any(|kind| property.has_type(kind))
}

fn can_be_primary(family: Family, property: &Property) -> bool {
    family == Family::Email || (is_call(property) && !is_mobile(property))
}

fn is_in(family: Family, slot: Slot, property: &Property) -> bool {
    match (family, slot) {
        (Family::Telephone, Slot::Mobile) => is_mobile(property) && is_call(property),
        (Family::Telephone, _) => property.has_type(type_of(slot)) && !is_mobile(property) && is_call(property),
        (Family::Email, _) => property.has_type(type_of(slot)),
    }
}

fn type_of(slot: Slot) -> &'static str {
    match slot {
        Slot::Primary => "pref",
        Slot::Home => "home",
        Slot::Work => "work",
        Slot::Mobile => "cell",
    }
}
