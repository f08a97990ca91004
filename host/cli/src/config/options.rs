//! `options` of a mapping: which options of two enumerations belong together although nothing says so (E2.6).

use std::collections::BTreeMap;
use std::ops::Range;

use syncline_core::{Field, Side};
use toml::Spanned;

use super::mistake::{Mistake, neighbour, shown};
use super::read::{Item, Reader};

/// Pairs of options, left and right, by their code or their label.
#[derive(Clone, Debug)]
pub struct OptionPairs {
    /// Where they stand.
    pub place: Range<usize>,
    /// The pairs, in the order of the file.
    pub pairs: Vec<(Spanned<String>, Spanned<String>)>,
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<OptionPairs> {
    let section = reader.section(item, "`options`")?;
    let mut pairs = Vec::new();
    for entry in section.rest() {
        let left = Spanned::new(entry.key_place.clone(), entry.key.to_owned());
        if let Some(right) = reader.text(entry.value, "an option") {
            pairs.push((left, right));
        }
    }
    Some(OptionPairs { place: item.span(), pairs })
}

impl OptionPairs {
    /// Returns the code that each option of the other side becomes on `target`; of several the first counts.
    pub(super) fn towards(&self, target: Side, left: &Field, right: &Field) -> BTreeMap<String, String> {
        let mut codes = BTreeMap::new();
        for pair in &self.pairs {
            let (Some(left), Some(right)) = (code(left, pair.0.get_ref()), code(right, pair.1.get_ref())) else {
                continue;
            };
            let (from, to) = target.pick((right, left), (left, right));
            codes.entry(from.to_owned()).or_insert_with(|| to.to_owned());
        }
        codes
    }

    /// Returns a mistake for each option that there is not.
    pub(super) fn unknown(&self, left: &Field, right: &Field) -> Vec<Mistake> {
        let named = self.pairs.iter().flat_map(|(one, other)| [(one, left), (other, right)]);
        let unknown = named.filter(|(word, field)| code(field, word.get_ref()).is_none());
        unknown
            .map(|(word, field)| {
                let message = format!("{} has no option {}", shown(field.name.as_str()), shown(word.get_ref()));
                let codes = field.options.iter().map(|option| option.code.as_str());
                Mistake::new(&word.span(), message).mend(neighbour(word.get_ref(), codes, "there are"))
            })
            .collect()
    }
}

/// Returns the code of the option that `word` names.
fn code<'a>(field: &'a Field, word: &str) -> Option<&'a str> {
    let by_code = field.options.iter().find(|option| option.code == word);
    let found = by_code.or_else(|| field.options.iter().find(|option| option.label == word));
    found.map(|option| option.code.as_str())
}
