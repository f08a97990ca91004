//! The pairs that a run has counted as not in step, which a later round of it may bring further.
//!
//! A filter may leave out a million records, so each takes a byte, at the place that its number gives it.

use std::collections::BTreeMap;

use syncline_core::PairId;

use crate::tally::Class;

/// Pairs on a page.
const PAGE_PAIRS: usize = 1_024;

/// What was counted of which pair: one more than the place of its class in [`Class::ALL`], and 0 for nothing.
#[derive(Default)]
pub(crate) struct LeftOver {
    pages: BTreeMap<u64, Box<[u8; PAGE_PAIRS]>>,
}

impl LeftOver {
    pub(crate) fn contains(&self, pair: PairId) -> bool {
        let (page, place) = place_of(pair);
        self.pages.get(&page).is_some_and(|page| page[place] != 0)
    }

    pub(crate) fn insert(&mut self, pair: PairId, class: Class) {
        let (page, place) = place_of(pair);
        let counted = Class::ALL.iter().position(|other| *other == class).map_or(0, |at| at as u8 + 1);
        self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE_PAIRS]))[place] = counted;
    }

    /// Forgets a pair, and returns the class that it was counted in.
    pub(crate) fn remove(&mut self, pair: PairId) -> Option<Class> {
        let (page, place) = place_of(pair);
        let counted = std::mem::take(&mut self.pages.get_mut(&page)?[place]);
        Class::ALL.get(usize::from(counted).checked_sub(1)?).copied()
    }

    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }
}

fn place_of(PairId(number): PairId) -> (u64, usize) {
    let pairs = PAGE_PAIRS as u64;
    (number / pairs, (number % pairs) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_keeps_its_own_class_until_it_is_taken_out() {
        let mut left_over = LeftOver::default();
        let numbers = [0, 1, 1_023, 1_024, 5_000_000, u64::MAX];
        for (number, class) in numbers.into_iter().zip(Class::ALL) {
            left_over.insert(PairId(number), class);
        }
        left_over.insert(PairId(1), Class::Uncertain);
        assert!(!left_over.contains(PairId(2)) && left_over.remove(PairId(2)).is_none());
        for (number, class) in numbers.into_iter().zip(Class::ALL) {
            let class = if number == 1 { Class::Uncertain } else { class };
            assert!(left_over.contains(PairId(number)));
            assert_eq!(left_over.remove(PairId(number)), Some(class));
            assert!(!left_over.contains(PairId(number)));
        }
    }
}
