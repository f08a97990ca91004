//! `settings`: what a connection tells its connector. Which settings there are says the connector's manifest.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::mistake::{Mistake, shown};
use super::read::{Item, Reader};

/// Settings as they were written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The values.
    pub values: Map<String, Value>,
    /// Where they stand; the connection's name if nothing is set.
    pub place: Range<usize>,
    places: BTreeMap<String, Range<usize>>,
}

impl Settings {
    pub(super) fn none_at(place: &Range<usize>) -> Settings {
        Settings { values: Map::new(), place: place.clone(), places: BTreeMap::new() }
    }

    /// Returns where `setting` stands, or where it would.
    pub fn place_of(&self, setting: &str) -> Range<usize> {
        self.places.get(setting).unwrap_or(&self.place).clone()
    }
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<Settings> {
    let section = reader.section(item, "`settings`")?;
    let mut settings = Settings::none_at(&section.place);
    let mut whole = true;
    for entry in section.rest() {
        // An address may carry a password, which the manifest's check refuses.
        if entry.value.get_ref().as_str().is_some_and(|text| text.contains('@') && text.contains("://")) {
            reader.hidden.push(entry.value.span());
        }
        match json(reader, entry.value) {
            Some(value) => {
                settings.values.insert(entry.key.to_owned(), value);
                settings.places.insert(entry.key.to_owned(), entry.key_place.start..entry.value.span().end);
            }
            None => whole = false,
        }
    }
    whole.then_some(settings)
}

/// Reads any value as JSON; dates have no counterpart there.
pub(super) fn json(reader: &mut Reader, item: &Item<'_>) -> Option<Value> {
    match item.get_ref() {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Boolean(boolean) => Some(Value::from(*boolean)),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok();
            number_or_wrong(reader, item, number.map(Value::from))
        }
        DeValue::Float(float) => {
            let number = float.as_str().replace('_', "").parse().ok().and_then(serde_json::Number::from_f64);
            number_or_wrong(reader, item, number.map(Value::Number))
        }
        DeValue::Datetime(_) => {
            let mistake = Mistake::new(&item.span(), "a setting cannot be a date");
            reader.wrong(mistake.mend("put it in quotes"));
            None
        }
        DeValue::Array(array) => {
            let values: Vec<Option<Value>> = array.iter().map(|item| json(reader, item)).collect();
            values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let entries: Vec<Option<(String, Value)>> = table
                .iter()
                .map(|(key, item)| json(reader, item).map(|value| (key.get_ref().to_string(), value)))
                .collect();
            entries.into_iter().collect::<Option<Map<String, Value>>>().map(Value::Object)
        }
    }
}

fn number_or_wrong(reader: &mut Reader, item: &Item<'_>, number: Option<Value>) -> Option<Value> {
    if number.is_none() {
        reader.wrong(Mistake::new(&item.span(), format!("{} is not a usable number", shown(&number_text(item)))));
    }
    number
}

fn number_text(item: &Item<'_>) -> String {
    match item.get_ref() {
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        _ => String::new(),
    }
}
