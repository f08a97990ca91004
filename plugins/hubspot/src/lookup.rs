//! Records by id or by the value of a field, and when their fields changed.
//!
//! Invariant: a record counts as gone only if HubSpot says so: it lists it as archived, or answers 404 for its id.

use std::collections::{BTreeMap, HashMap, HashSet};

use syncline_sdk::connector::{Created, CreatedQuery, Found, GetAnswer, Made};
use syncline_sdk::http::Request;
use syncline_sdk::record::{Fate, Row, Table, Tombstone};
use syncline_sdk::value::{Fault, Instant, Value};

use crate::Target;
use crate::api::{self, Archived, Filter, Objects};
use crate::reading::{Gathered, columns_now};
use crate::records::{self, Columns, MERGED_IDS, Object};
use crate::stamp;

/// Characters that the values of one search may have; with all else the body stays under the vendor's bound.
const SEARCH_VALUES_CHARACTERS_MAX: usize = 2_400;

/// What is known of a record that a batch read did not give.
pub(crate) enum Missing {
    Gone(Tombstone),
    /// It lives under this id.
    Moved(String),
    Unclear(String),
}

/// Reads records by id.
pub(crate) fn get(target: &Target, ids: &[String], fields: &[String]) -> Result<GetAnswer, Fault> {
    let columns = columns_now(target, fields)?;
    let (numbers, strange): (Vec<&str>, Vec<&str>) = ids.iter().map(String::as_str).partition(|id| is_id(id));
    let mut rows = by_ids(target, &numbers, &columns)?;
    let missing: Vec<&str> = numbers.into_iter().filter(|id| !rows.places.contains_key(*id)).collect();
    let mut fates = locate(target, &missing)?;
    for id in strange {
        fates.insert(id.to_owned(), Missing::Unclear("HubSpot's ids are numbers".to_owned()));
    }
    let moved: HashSet<&str> = fates.values().filter_map(Missing::moved).collect();
    let unread: Vec<&str> = moved.into_iter().filter(|id| !rows.places.contains_key(*id)).collect();
    rows.extend(by_ids(target, &unread, &columns)?);
    let found = ids.iter().map(|id| rows.found(id, fates.get(id))).collect();
    Ok(GetAnswer { records: rows.table, found })
}

/// Finds records by the value of one field.
pub(crate) fn find(target: &Target, key: &str, values: &[Value], fields: &[String]) -> Result<Table, Fault> {
    let names = fields.iter().map(String::as_str).chain([key]);
    let properties = api::named_properties(target.object.name, names)?;
    let property = properties.get(key).ok_or_else(|| Fault::Schema(format!("there is no property {key}")))?;
    let columns = properties.columns(fields);
    let is_unique = property.is_unique(target.object.name);
    // Addresses are kept in small letters, and the vendor wants them in searches; other keys may tell them apart.
    let folds = key == "email" || !is_unique;
    let mut texts = Vec::new();
    for value in values {
        let text = records::print(key, value).map_err(|violation| Fault::Other(violation.message))?;
        let text = text.map(|text| if folds { text.trim().to_lowercase() } else { text.trim().to_owned() });
        texts.extend(text.filter(|text| !text.is_empty()));
    }
    texts.sort_unstable();
    texts.dedup();
    if is_unique {
        by_key(target, key, &texts, &columns)
    } else if property.is_findable() {
        by_search(target, key, &texts, &columns)
    } else {
        Err(Fault::Unsupported(format!("{} cannot be found by {key}", target.object.name)))
    }
}

/// When each field of each record last changed.
pub(crate) fn field_times(
    target: &Target,
    ids: &[String],
    fields: &[String],
) -> Result<Vec<Vec<Option<Instant>>>, Fault> {
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    let numbers: Vec<&str> = ids.iter().map(String::as_str).filter(|id| is_id(id)).collect();
    let batches = numbers.chunks(api::HISTORY_BATCH_MAX);
    let requests = batches.map(|ids| api::batch_read_history(target.object.name, ids, &names)).collect();
    let mut times: HashMap<String, Vec<Option<Instant>>> = HashMap::new();
    each_object(requests, |object| {
        let of = |field: &String| newest(object, field);
        times.insert(object.id.0.clone().into_owned(), fields.iter().map(of).collect());
    })?;
    Ok(ids.iter().map(|id| times.get(id).cloned().unwrap_or_else(|| vec![None; fields.len()])).collect())
}

/// Finds the records that creates with an unknown outcome made: by the link property, else by e-mail.
///
/// Both are unique and are read from the records themselves, not from the lagging index. A record with the e-mail that
/// somebody else made counts, too: while it is there, ours cannot have been made, nor can it be. Without a link property
/// a create without e-mail has never been sent (`write`), so none was made.
pub(crate) fn created(target: &Target, query: &CreatedQuery) -> Result<Created, Fault> {
    let (property, values) = match &target.settings.link_property {
        Some(link) => (link.as_str(), query.keys.iter().cloned().map(Some).collect()),
        None => ("email", hinted_emails(query)),
    };
    let mut wanted: Vec<String> = values.iter().flatten().cloned().collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        let records = Table { columns: query.fields.clone(), rows: Vec::new() };
        return Ok(Created { records, made: vec![Made::Nothing; values.len()] });
    }
    let columns = columns_now(target, &query.fields)?;
    let mut looked = Looked { property, rows: Rows::new(&columns), made: HashMap::new() };
    let answers = api::read_all(requests_by_key(target, property, &wanted, &columns));
    for (wanted, answer) in wanted.chunks(api::BATCH_MAX).zip(answers) {
        match answer {
            Ok(answer) => looked.take(wanted, &Objects::parse(&answer.text())?, &columns),
            Err(Fault::NotFound(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    let made = |value: &Option<String>| value.as_ref().and_then(|value| looked.made.get(value)).cloned();
    let made = values.iter().map(|value| made(value).unwrap_or(Made::Nothing)).collect();
    Ok(Created { records: looked.rows.table, made })
}

/// What look-ups by a unique property found.
struct Looked<'a> {
    property: &'a str,
    rows: Rows,
    made: HashMap<String, Made>,
}

impl Looked<'_> {
    /// Takes in the answer for the values `wanted`. What an error may stand for is not told to have made nothing.
    fn take(&mut self, wanted: &[String], objects: &Objects<'_>, columns: &Columns) {
        if let Some(refusal) = objects.refusals().find(|refusal| !refusal.is_not_found()) {
            let unclear = Made::Unclear(refusal.said());
            self.made.extend(wanted.iter().map(|value| (value.clone(), unclear.clone())));
        }
        for object in &objects.results {
            let place = self.rows.add(columns, object);
            let values = key_values(object, self.property).into_iter();
            self.made.extend(values.map(|value| (value, Made::At(place))));
        }
    }
}

/// Says what became of records that a batch read did not give.
pub(crate) fn locate(target: &Target, ids: &[&str]) -> Result<HashMap<String, Missing>, Fault> {
    let mut fates = HashMap::new();
    let batches = ids.chunks(api::BATCH_MAX);
    let requests = batches.map(|ids| api::batch_read(target.object.name, ids, None, &[MERGED_IDS], Archived::Only));
    each_object(requests.collect(), |object| {
        fates.insert(object.id.0.clone().into_owned(), Missing::Gone(object.tombstone()));
    })?;
    let left: Vec<&str> = ids.iter().copied().filter(|id| !fates.contains_key(*id)).collect();
    let requests = left.iter().map(|id| api::one(target.object.name, id, &[MERGED_IDS])).collect();
    for (id, answer) in left.iter().zip(api::read_all(requests)) {
        let missing = match answer {
            Ok(answer) => moved(id, &answer.text())?,
            Err(Fault::NotFound(_)) => Missing::Gone(Tombstone::new(*id, Fate::Deleted)),
            Err(fault) => return Err(fault),
        };
        fates.insert((*id).to_owned(), missing);
    }
    Ok(fates)
}

impl Missing {
    fn moved(&self) -> Option<&str> {
        match self {
            Self::Moved(id) => Some(id),
            Self::Gone(_) | Self::Unclear(_) => None,
        }
    }
}

fn moved(id: &str, body: &str) -> Result<Missing, Fault> {
    let object: Object<'_> = serde_json::from_str(body)
        .map_err(|error| Fault::Protocol(format!("HubSpot's answer for one record: {error}")))?;
    if object.id.0 == id {
        return Ok(Missing::Unclear("the record came back while it was looked for".to_owned()));
    }
    Ok(Missing::Moved(object.id.0.into_owned()))
}

/// Rows with the ids that lead to each: its own, and those merged into it.
pub(crate) struct Rows {
    pub(crate) table: Table,
    places: BTreeMap<String, u32>,
}

impl Rows {
    fn new(columns: &Columns) -> Self {
        Self { table: Table { columns: columns.names().to_vec(), rows: Vec::new() }, places: BTreeMap::new() }
    }

    fn add(&mut self, columns: &Columns, object: &Object<'_>) -> u32 {
        let id = object.id.0.clone().into_owned();
        if let Some(place) = self.place(&id).filter(|place| self.table.rows[*place as usize].id == id) {
            return place;
        }
        let place = self.push(columns.row(object).0);
        self.places.insert(id, place);
        for old in object.merged_ids() {
            self.places.entry(old.to_owned()).or_insert(place);
        }
        place
    }

    fn push(&mut self, row: Row) -> u32 {
        self.table.rows.push(row);
        u32::try_from(self.table.rows.len() - 1).expect("a batch holds a few hundred rows")
    }

    /// The place of the row that `id` leads to.
    pub(crate) fn place(&self, id: &str) -> Option<u32> {
        self.places.get(id).copied()
    }

    /// The row at a place that this gave.
    pub(crate) fn row(&self, place: u32) -> &Row {
        &self.table.rows[place as usize]
    }

    fn extend(&mut self, other: Self) {
        let Self { table, places } = other;
        let first = u32::try_from(self.table.rows.len()).expect("a batch holds a few hundred rows");
        self.table.rows.extend(table.rows);
        for (id, place) in places {
            self.places.entry(id).or_insert(first + place);
        }
    }

    fn found(&self, id: &str, missing: Option<&Missing>) -> Found {
        match (self.place(id), missing) {
            (Some(place), _) if self.row(place).id == id => Found::At(place),
            (Some(place), _) => Found::Moved((self.row(place).id.clone(), place)),
            (None, Some(Missing::Gone(tombstone))) => Found::Gone(tombstone.clone()),
            (None, Some(Missing::Moved(new))) => match self.place(new) {
                Some(place) => Found::Moved((new.clone(), place)),
                None => Found::Unclear(format!("it was merged into {new}, which is not there")),
            },
            (None, Some(Missing::Unclear(reason))) => Found::Unclear(reason.clone()),
            (None, None) => Found::Unclear("HubSpot did not say".to_owned()),
        }
    }
}

/// Reads live records by id, with what was merged into them.
pub(crate) fn by_ids(target: &Target, ids: &[&str], columns: &Columns) -> Result<Rows, Fault> {
    let asked: Vec<&str> = columns.known().chain([MERGED_IDS]).collect();
    let batches = ids.chunks(api::BATCH_MAX);
    let requests = batches.map(|ids| api::batch_read(target.object.name, ids, None, &asked, Archived::No));
    let mut rows = Rows::new(columns);
    each_object(requests.collect(), |object| {
        rows.add(columns, object);
    })?;
    Ok(rows)
}

fn by_key(target: &Target, key: &str, values: &[String], columns: &Columns) -> Result<Table, Fault> {
    let mut rows = Rows::new(columns);
    each_object(requests_by_key(target, key, values, columns), |object| {
        rows.add(columns, object);
    })?;
    Ok(rows.table)
}

fn requests_by_key(target: &Target, key: &str, values: &[String], columns: &Columns) -> Vec<Request> {
    let asked: Vec<&str> = columns.known().chain([key, MERGED_IDS, MORE_EMAILS]).collect();
    let request = |values: &[String]| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        api::batch_read(target.object.name, &values, Some(key), &asked, Archived::No)
    };
    values.chunks(api::BATCH_MAX).map(request).collect()
}

/// Finds by the search index, which lags: a record written a moment ago may be missing.
fn by_search(target: &Target, key: &str, values: &[String], columns: &Columns) -> Result<Table, Fault> {
    let mut ids: Vec<String> = Vec::new();
    for values in search_batches(values) {
        let mut after = "0".to_owned();
        loop {
            let filters = [Filter::one_of(key, values.to_vec()), Filter::above("hs_object_id", after)];
            let body = api::search_body(&filters, &[MERGED_IDS], api::SEARCH_PAGE_MAX);
            let answer = api::read(api::search(target.object.name, &body))?.response;
            let text = answer.text();
            let found = Objects::parse(&text)?;
            ids.extend(found.results.iter().map(|object| object.id.0.clone().into_owned()));
            match (found.next_after(), found.results.last()) {
                (Some(_), Some(last)) => after = last.id.0.clone().into_owned(),
                _ => break,
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut gathered = Gathered::new(columns);
    let asked: Vec<&str> = columns.known().collect();
    let requests = ids.chunks(api::BATCH_MAX);
    let requests = requests.map(|ids| api::batch_read(target.object.name, ids, None, &asked, Archived::No));
    each_object(requests.collect(), |object| gathered.add(object))?;
    Ok(gathered.finish().0)
}

/// Splits values so that each search stays within the vendor's bounds.
fn search_batches(values: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let mut rest = values;
    while !rest.is_empty() {
        let mut characters = 0;
        let fitting = rest.iter().take(api::IN_VALUES_MAX).take_while(|value| {
            characters += serde_json::Value::from(value.as_str()).to_string().chars().count() + 1;
            characters <= SEARCH_VALUES_CHARACTERS_MAX
        });
        let (batch, left) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = left;
    }
    batches
}

/// Sends requests for objects and shows each object of the answers.
///
/// That some are not there is no fault; any other error is one, since its records would seem missing.
pub(crate) fn each_object(requests: Vec<Request>, mut each: impl FnMut(&Object<'_>)) -> Result<(), Fault> {
    if requests.is_empty() {
        return Ok(());
    }
    for answer in api::read_all(requests) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(Fault::NotFound(_)) => continue,
            Err(fault) => return Err(fault),
        };
        let text = answer.text();
        let objects = Objects::parse(&text)?;
        if let Some(refusal) = objects.refusals().find(|refusal| !refusal.is_not_found()) {
            return Err(refusal.fault(syncline_sdk::clock::now()));
        }
        objects.results.iter().for_each(&mut each);
    }
    Ok(())
}

/// The property that holds the e-mail addresses a contact has beside its first.
const MORE_EMAILS: &str = "hs_additional_emails";

/// The values of a unique property by which `object` is found, in small letters.
fn key_values(object: &Object<'_>, property: &str) -> Vec<String> {
    let own = object.properties.text(property).into_iter();
    let more = object.properties.text(MORE_EMAILS).filter(|_| property == "email").unwrap_or_default();
    own.chain(more.split(';')).map(|value| value.trim().to_lowercase()).filter(|value| !value.is_empty()).collect()
}

/// The e-mail of each create, in small letters.
fn hinted_emails(query: &CreatedQuery) -> Vec<Option<String>> {
    let place = query.columns.iter().position(|column| column == "email");
    let email = |at: usize| {
        let text = query.hints.get(at)?.get(place?)?.as_text()?;
        Some(text.trim().to_lowercase()).filter(|email| !email.is_empty())
    };
    (0..query.keys.len()).map(email).collect()
}

fn newest(object: &Object<'_>, field: &str) -> Option<Instant> {
    let history = object.properties_with_history.as_ref()?.get(field)?;
    history.iter().filter_map(|past| stamp::moment_ms(&past.timestamp.0)).max()
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_8_a_key_that_an_error_may_stand_for_is_not_told_to_have_made_nothing() {
        let body = r#"{"results": [{"id": "7", "properties": {"email": "ada@x.org"}}],
            "errors": [{"category": "INTERNAL_ERROR", "message": "one shard is down"}]}"#;
        let columns = Columns::new(Vec::new(), Vec::new());
        let mut looked = Looked { property: "email", rows: Rows::new(&columns), made: HashMap::new() };
        let wanted = ["ada@x.org".to_owned(), "eda@x.org".to_owned()];
        looked.take(&wanted, &Objects::parse(body).expect("a body of the vendor's"), &columns);
        assert_eq!(looked.made["ada@x.org"], Made::At(0));
        assert!(matches!(&looked.made["eda@x.org"], Made::Unclear(said) if said.contains("one shard is down")));
    }
}
