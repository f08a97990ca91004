//! Where every edit must be once both sides are in step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::at_book::prefix;
use super::{Contested, Crowd};

/// How long a write takes from its last look at a record on, on a machine that has much to do.
///
/// The CRM has no precondition: an edit in this time is the gap that the connector's description names.
const GAP_MS_MAX: i64 = 2_000;

/// What became of the edits that both sides made of one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// They are the value that both sides have.
    pub is_final: u64,
    /// A conflict names them.
    pub in_conflict: u64,
    /// A person wrote over them.
    pub replaced: u64,
    /// They came between the last look at a record and the write, where the CRM cannot refuse it.
    pub in_gap: u64,
}

impl Crowd<'_> {
    /// Nothing is missing, nothing is there twice, and no edit is lost; `conflicts` is what `conflicts --all` tells.
    ///
    /// # Panics
    /// When that is not so.
    pub fn check(&self, conflicts: &Value) -> Account {
        self.check_own_fields();
        self.check_odd_lines();
        self.account(conflicts)
    }

    fn check_own_fields(&self) {
        let (left, right) = (self.crm.people(), self.book.people());
        let mut meant = self.at_crm.ledger.meant.clone();
        for (email, person) in &self.at_book.ledger.meant {
            meant.entry(email.clone()).or_default().extend(person.clone());
        }
        let emails: Vec<&String> = meant.keys().collect();
        assert_eq!(left.keys().collect::<Vec<_>>(), emails, "in the CRM");
        assert_eq!(right.keys().collect::<Vec<_>>(), emails, "in the address book");
        for (email, person) in &meant {
            for (field, value) in person {
                assert_eq!(left[email].get(field), Some(value), "{field} of {email} in the CRM");
                assert_eq!(right[email].get(field), Some(value), "{field} of {email} in the address book");
            }
        }
        assert_eq!(left, right);
    }

    fn check_odd_lines(&self) {
        for (path, entry) in self.book.entries() {
            let has_odd_line = entry.card().lines.iter().any(|line| line.text.starts_with("X-ODD;X-P="));
            assert_eq!(has_odd_line, path.contains("card-"), "{path}\n{}", entry.text);
        }
    }

    fn account(&self, conflicts: &Value) -> Account {
        let named = named(conflicts);
        let mut by_person: BTreeMap<&str, Vec<&Contested>> = BTreeMap::new();
        for edit in self.at_crm.ledger.contested.iter().chain(&self.at_book.ledger.contested) {
            by_person.entry(&edit.email).or_default().push(edit);
        }
        let cards: BTreeMap<String, Option<String>> = self
            .book
            .entries()
            .into_values()
            .filter_map(|entry| Some((entry.card().field("email")?, prefix(&entry.card()))))
            .collect();
        let mut account = Account::default();
        for (email, edits) in by_person {
            let past = self.at_crm.past(email);
            let here = past.last().map(|past| past.value.clone());
            assert_eq!(here, cards[email], "what both sides edited of {email}");
            let by_people: BTreeSet<&str> =
                self.at_crm.ledger.contested.iter().map(|edit| edit.value.as_str()).collect();
            for edit in edits {
                let next = past.windows(2).find(|two| two[0].value == edit.value).map(|two| (&two[0], &two[1]));
                let is_replaced = next.is_some_and(|(_, next)| by_people.contains(next.value.as_str()))
                    || self.at_book.ledger.contested.iter().any(|other| other.over.as_ref() == Some(&edit.value));
                let in_gap = next.is_some_and(|(now, next)| next.at_ms - now.at_ms <= GAP_MS_MAX);
                match () {
                    () if here.as_ref() == Some(&edit.value) => account.is_final += 1,
                    () if named.contains(&edit.value) => account.in_conflict += 1,
                    () if is_replaced => account.replaced += 1,
                    () if in_gap && by_people.contains(edit.value.as_str()) => account.in_gap += 1,
                    () => panic!("{edit:?} is lost; the CRM had {past:?}, and at the end {here:?}"),
                }
            }
        }
        account
    }
}

/// Every value that a conflict names.
fn named(conflicts: &Value) -> BTreeSet<String> {
    let all = conflicts["syncs"].as_array().into_iter().flatten();
    let all = all.flat_map(|sync| sync["conflicts"].as_array().into_iter().flatten());
    let fields = all.flat_map(|conflict| conflict["fields"].as_array().into_iter().flatten());
    let values = fields.flat_map(|field| [&field["left"], &field["right"]]);
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}
