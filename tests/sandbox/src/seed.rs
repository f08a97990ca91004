//! People to fill an account with: the same seed always gives the same ones.
//!
//! Not here: the names themselves (`seed/words`).

mod words;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::account::Account;
use crate::clock::DAY_MS;
use crate::data::{Change, PropertyIndex, RecordId, Source, Write};
use crate::store::ObjectStore;
use words::{
    BLANKS, CITIES, COMPANIES, FAMILY_NAMES, GIVEN_NAMES, INTERESTS, JOBS, LEAD_STATES, SENTENCES, STAGES, STREETS,
};

/// The stamp that a bulk edit gave many contacts lies this long ago.
const BULK_EDIT_AGE_MS: i64 = 30 * DAY_MS;

/// How far back contacts were created.
const PAST_DAYS: u64 = 700;

/// Which people to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// What the people depend on.
    pub seed: u64,
    /// How many.
    pub contacts: u64,
    /// The number of the first person, to add others later.
    pub first: u64,
    /// How many of a hundred have the one stamp of a bulk edit.
    pub bulk_percent: u8,
}

impl Default for Seed {
    fn default() -> Self {
        Self { seed: 1, contacts: 0, first: 0, bulk_percent: 10 }
    }
}

/// One made-up person; what is empty is not known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the vendor's properties")]
pub struct Person {
    pub firstname: &'static str,
    pub lastname: &'static str,
    pub email: String,
    pub phone: String,
    pub mobilephone: String,
    pub company: &'static str,
    pub jobtitle: &'static str,
    pub address: String,
    pub city: &'static str,
    pub zip: String,
    pub country: &'static str,
    pub website: String,
    pub date_of_birth: String,
    pub lifecyclestage: &'static str,
    pub hs_lead_status: &'static str,
    pub message: String,
    /// A custom text property without equals.
    pub customer_number: String,
    /// A custom property of several choices.
    pub interests: String,
    /// A custom number.
    pub loyalty_points: String,
}

impl Person {
    /// The person's properties, empty ones included, by their names.
    #[must_use]
    pub fn properties(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let text = |value: &'static str| Cow::Borrowed(value);
        vec![
            ("firstname", text(self.firstname)),
            ("lastname", text(self.lastname)),
            ("email", Cow::Borrowed(&self.email)),
            ("phone", Cow::Borrowed(&self.phone)),
            ("mobilephone", Cow::Borrowed(&self.mobilephone)),
            ("company", text(self.company)),
            ("jobtitle", text(self.jobtitle)),
            ("address", Cow::Borrowed(&self.address)),
            ("city", text(self.city)),
            ("zip", Cow::Borrowed(&self.zip)),
            ("country", text(self.country)),
            ("website", Cow::Borrowed(&self.website)),
            ("date_of_birth", Cow::Borrowed(&self.date_of_birth)),
            ("lifecyclestage", text(self.lifecyclestage)),
            ("hs_lead_status", text(self.hs_lead_status)),
            ("message", Cow::Borrowed(&self.message)),
            ("customer_number", Cow::Borrowed(&self.customer_number)),
            ("interests", Cow::Borrowed(&self.interests)),
            ("loyalty_points", Cow::Borrowed(&self.loyalty_points)),
        ]
    }
}

/// The person of that number; the same for the same seed and number.
#[must_use]
pub fn person(seed: u64, number: u64) -> Person {
    let mut dice = Dice::new(seed, number);
    let (firstname, given) = dice.pick(GIVEN_NAMES);
    let (lastname, family) = dice.pick(FAMILY_NAMES);
    let (city, country, code, zip_digits) = dice.pick(CITIES);
    let company = dice.pick(COMPANIES);
    let domain: String = company.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let numbered = |dice: &mut Dice| format!("{}{:07}", dice.one_to(9), dice.below(10_000_000));
    Person {
        firstname,
        lastname,
        email: if dice.percent(4) { String::new() } else { format!("{given}.{family}{number}@{domain}.example") },
        phone: if dice.percent(20) { String::new() } else { dress_phone(&mut dice, code) },
        mobilephone: if dice.percent(60) { String::new() } else { format!("+{code}{}", numbered(&mut dice)) },
        company,
        jobtitle: if dice.percent(15) { "" } else { dice.pick(JOBS) },
        address: if dice.percent(30) { String::new() } else { format!("{} {}", dice.pick(STREETS), dice.one_to(180)) },
        city,
        zip: format!("{:0width$}", dice.below(10_u64.pow(zip_digits)), width = zip_digits as usize),
        country,
        website: if dice.percent(70) { String::new() } else { format!("https://www.{domain}.example/{given}") },
        date_of_birth: if dice.percent(70) { String::new() } else { birthday(&mut dice) },
        lifecyclestage: dice.pick(STAGES),
        hs_lead_status: if dice.percent(50) { "" } else { dice.pick(LEAD_STATES) },
        message: if dice.percent(80) { String::new() } else { letter(&mut dice) },
        customer_number: format!("C-{seed:03}-{number:07}"),
        interests: interests(&mut dice),
        loyalty_points: if dice.percent(50) { String::new() } else { dice.below(5_000).to_string() },
    }
}

/// Makes the custom properties and the people, and says their ids.
pub(crate) fn fill(account: &mut Account, seed: &Seed) -> Vec<RecordId> {
    let (store, _, now_ms) = account.contacts();
    custom_properties(store, now_ms);
    let names: Vec<&str> = person(0, 0).properties().into_iter().map(|(name, _)| name).collect();
    let indexes: Vec<PropertyIndex> = names.iter().filter_map(|name| store.schema.find(name)).collect();
    if indexes.len() != names.len() {
        // Someone archived a property that the people need; they come without any then.
        return Vec::new();
    }
    let mut shared = Shared::default();
    let mut ids = Vec::new();
    for number in seed.first..seed.first.saturating_add(seed.contacts) {
        let person = person(seed.seed, number);
        let values = person.properties().into_iter().zip(&indexes).filter(|((_, value), _)| !value.is_empty());
        let changes: Vec<Change> = values.map(|((_, value), index)| (*index, shared.text(value))).collect();
        if store.check_keys(None, &changes).is_err() {
            // The person is there already.
            continue;
        }
        ids.push(live_through(store, seed, number, now_ms, changes));
    }
    ids
}

/// Creates a contact in the past, and perhaps edits it later.
fn live_through(store: &mut ObjectStore, seed: &Seed, number: u64, now_ms: i64, changes: Vec<Change>) -> RecordId {
    let mut dice = Dice::new(seed.seed ^ 0x5EED, number);
    let day_ms = DAY_MS.unsigned_abs();
    let age_ms = i64::try_from(dice.below(PAST_DAYS * day_ms)).unwrap_or(0) + 2 * BULK_EDIT_AGE_MS;
    let id = store.create(Write { at_ms: now_ms - age_ms, source: Source::Import }, changes);
    let bulk = dice.percent(u64::from(seed.bulk_percent));
    if bulk || dice.percent(40) {
        let later_ms = i64::try_from(dice.below(BULK_EDIT_AGE_MS.unsigned_abs())).unwrap_or(0);
        let at_ms =
            if bulk { (now_ms - BULK_EDIT_AGE_MS) / DAY_MS * DAY_MS } else { now_ms - 2 * BULK_EDIT_AGE_MS + later_ms };
        store.update(id, Write { at_ms, source: Source::Import }, Vec::new());
    }
    id
}

fn custom_properties(store: &mut ObjectStore, now_ms: i64) {
    let options: Vec<_> = INTERESTS.iter().map(|name| json!({"label": name, "value": name})).collect();
    for (name, label, kind, field_type, unique) in [
        ("customer_number", "Customer number", "string", "text", true),
        ("interests", "Interests", "enumeration", "checkbox", false),
        ("loyalty_points", "Loyalty points", "number", "number", false),
    ] {
        let options = if kind == "enumeration" { options.clone() } else { Vec::new() };
        let body = json!({
            "name": name, "label": label, "type": kind, "fieldType": field_type, "hasUniqueValue": unique,
            "groupName": "contactinformation", "options": options,
        });
        // A property that is there already stays as it is.
        let _ = store.schema.create(&body, now_ms);
    }
}

/// Keeps one copy of the words that many people share.
#[derive(Default)]
struct Shared(std::collections::HashMap<&'static str, Arc<str>>);

impl Shared {
    fn text(&mut self, value: Cow<'_, str>) -> Arc<str> {
        let known = BLANKS.iter().chain(JOBS).chain(COMPANIES).chain(STAGES).chain(LEAD_STATES).copied();
        if self.0.is_empty() {
            let names = GIVEN_NAMES.iter().chain(FAMILY_NAMES).map(|(name, _)| *name);
            let places = CITIES.iter().flat_map(|(city, country, ..)| [*city, *country]);
            self.0.extend(known.chain(names).chain(places).map(|word| (word, Arc::from(word))));
        }
        self.0.get(value.as_ref()).cloned().unwrap_or_else(|| Arc::from(value))
    }
}

/// A phone number as people write them.
fn dress_phone(dice: &mut Dice, code: &str) -> String {
    let (first, second, third) = (dice.one_to(899) + 100, dice.below(1_000), dice.below(10_000));
    match dice.below(7) {
        0 => format!("+{code} {first} {second:03} {third:04}"),
        1 => format!("+{code} ({first}) {second:03}-{third:04}"),
        2 => format!("00{code}{first}{second:03}{third:04}"),
        3 => format!("0{first}/{second:03}{third:04}"),
        4 => format!("{first}.{second:03}.{third:04} ext. {}", dice.below(100)),
        5 => format!("{first}-{second:03}-{third:04}"),
        _ => format!("+{code}{first}{second:03}{third:04}"),
    }
}

fn birthday(dice: &mut Dice) -> String {
    format!("{}-{:02}-{:02}", 1940 + dice.below(65), dice.one_to(12), dice.one_to(28))
}

/// A note of a few lines, now and then a very long one.
fn letter(dice: &mut Dice) -> String {
    let sentences = if dice.percent(2) { 200 } else { dice.one_to(6) };
    let lines: Vec<&str> = (0..sentences).map(|_| dice.pick(SENTENCES)).collect();
    lines.join("\n")
}

fn interests(dice: &mut Dice) -> String {
    let chosen: Vec<&str> = INTERESTS.iter().filter(|_| dice.percent(25)).copied().collect();
    chosen.join(";")
}

/// Chance that repeats itself (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn one_to(&mut self, end: u64) -> u64 {
        1 + self.below(end)
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people() {
        assert_eq!(person(7, 42), person(7, 42));
        assert_ne!(person(7, 42), person(8, 42));
        let emails: std::collections::HashSet<String> =
            (0..2_000).map(|number| person(7, number).email).filter(|email| !email.is_empty()).collect();
        let known = (0..2_000).filter(|number| !person(7, *number).email.is_empty()).count();
        assert_eq!(emails.len(), known, "no two people share an address");
    }
}
