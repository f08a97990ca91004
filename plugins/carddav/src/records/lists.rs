//! Whole lists: all e-mails, all telephones, all categories.

use crate::schema::{Family, Slot};
use crate::vcard::property::Property;
use crate::vcard::{Card, text};

use super::slots;

/// Returns every value of a family, in the card's order.
pub(super) fn values(card: &Card, family: Family) -> Vec<String> {
    lines(card, family).into_iter().map(|(_, property)| slots::value_of(&property)).collect()
}

/// Makes the values of a family those of `wanted`: a line whose value stays is moved, not rewritten; a value that took the
/// place of another gets that one's line, with its types and label.
pub(super) fn set_values(card: &mut Card, family: Family, wanted: &[String]) {
    let mut wanted: Vec<&str> = wanted.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    let mut seen = std::collections::HashSet::new();
    wanted.retain(|value| seen.insert(*value));
    let old = lines(card, family);
    let values: Vec<String> = old.iter().map(|(_, property)| slots::value_of(property)).collect();
    let mut taken = vec![false; old.len()];
    let mut lines: Vec<Option<Property>> = wanted
        .iter()
        .map(|wanted| {
            let at = (0..old.len()).find(|&at| !taken[at] && values[at] == *wanted)?;
            taken[at] = true;
            Some(old[at].1.clone())
        })
        .collect();
    for (at, line) in lines.iter_mut().enumerate().filter(|(_, line)| line.is_none()) {
        let replaced = old.get(at).filter(|_| !taken[at]);
        *line = Some(match replaced {
            Some((_, property)) => {
                taken[at] = true;
                slots::with_value(property.clone(), wanted[at])
            }
            None => slots::new_line(card.version(), family, Slot::Primary, wanted[at]),
        });
    }
    place(card, &old, lines.into_iter().flatten().collect());
}

/// Puts `lines` in the places of `old`, in order; what is over is added or taken away. A line that stays is untouched.
fn place(card: &mut Card, old: &[(usize, Property)], lines: Vec<Property>) {
    for ((position, before), line) in old.iter().zip(&lines) {
        if before != line {
            card.replace(*position, line);
        }
    }
    for (position, _) in old.iter().skip(lines.len()).rev() {
        card.remove(*position);
    }
    for line in lines.iter().skip(old.len()) {
        card.insert(line, &["EMAIL", "TEL", "N", "FN"]);
    }
}

fn lines(card: &Card, family: Family) -> Vec<(usize, Property)> {
    let positions = card.positions(&[family.property()]).into_iter();
    let lines = positions.map(|position| (position, card.property(position)));
    lines.filter(|(_, property)| !slots::value_of(property).is_empty()).collect()
}

/// Returns every category once, in the card's order.
pub(super) fn categories(card: &Card) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for position in card.positions(&["CATEGORIES"]) {
        for item in card.property(position).items() {
            if !categories.contains(&item) {
                categories.push(item);
            }
        }
    }
    categories
}

/// Makes the categories those of `wanted`, in one line.
pub(super) fn set_categories(card: &mut Card, wanted: &[String]) {
    let items = wanted.iter().map(|item| text::escape(item.trim())).filter(|item| !item.is_empty());
    let value = items.collect::<Vec<_>>().join(",");
    let positions = card.positions(&["CATEGORIES"]);
    for &position in positions.iter().skip(usize::from(!value.is_empty())).rev() {
        card.remove(position);
    }
    match positions.first() {
        _ if value.is_empty() => {}
        Some(&position) => {
            let mut property = card.property(position);
            property.set_value(value);
            card.replace(position, &property);
        }
        None => {
            card.insert(&Property::new("CATEGORIES", &[], value), &[]);
        }
    }
}
