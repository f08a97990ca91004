//! Contacts in the address books of a CardDAV server.
//!
//! A record's id is the path of its card in the address book, escaped in one way, however the server does it; its version
//! is the etag. A new card is `<create key>.vcf` with the key as its `UID`, so a create that was sent twice makes one card
//! (E1.8).
//!
//! Not here: fields and slots (`schema`), cards (`vcard`), reading on (`paging`), writing (`write`).

mod api;
mod dav;
mod paging;
mod records;
mod rows;
mod schema;
mod vcard;
mod write;

use std::collections::HashMap;

use syncline_sdk::connector::prelude::*;

use api::discovery::{Site, discover, setting};
use api::{Fetched, Stored};
use dav::href::{Collection, escaped, split_origin};

/// The one object.
const CONTACTS: &str = "contacts";

/// Cards that one page of `read` holds at the most.
const READ_PAGE_MAX: u32 = 1_000;

/// Ids that one page of `read` holds at the most; each page that begins with a listing lists the whole address book.
const IDS_PAGE_MAX: u32 = 10_000;

/// Cards that one `get` or `find` takes at the most.
const GET_BATCH_MAX: u32 = 200;

/// Operations that one `write` takes at the most: what one multiget reads back.
const WRITE_BATCH_MAX: u32 = 50;

/// Contacts of a CardDAV server.
#[derive(Debug)]
pub struct CardDav;

syncline_sdk::connector!(CardDav);

impl Connector for CardDav {
    fn check() -> Result<CheckReport, Fault> {
        let site = discover()?;
        Ok(report(&site, &settings::<api::discovery::Settings>()?.url))
    }

    fn objects() -> Result<Vec<Object>, Fault> {
        let site = discover()?;
        let mut abilities = Abilities::CHANGES
            | Abilities::IDS
            | Abilities::GET
            | Abilities::CREATE
            | Abilities::UPDATE
            | Abilities::DELETE
            | Abilities::RESTORE
            | Abilities::TAG
            | Abilities::VERSION_GUARD;
        if site.books.iter().all(|book| book.has_sync()) {
            abilities = abilities | Abilities::CHANGE_DELETES;
        }
        let mut contacts = Object::new(CONTACTS, "Contacts")
            .kind("contact")
            .abilities(abilities)
            .promise(CreatePromise::Native)
            .default_key(&["email"])
            .pages(IDS_PAGE_MAX, GET_BATCH_MAX, WRITE_BATCH_MAX);
        contacts.needs_container = !site.is_direct;
        Ok(vec![contacts])
    }

    fn containers(target: &str) -> Result<Vec<Container>, Fault> {
        check_target(target)?;
        let books = discover()?.books.into_iter().map(|book| {
            let id = book.collection.address().to_owned();
            let label = book.properties.display_name.clone().unwrap_or_else(|| id.clone());
            let mut container = Container::new(id, label);
            container.writable = book.is_writable();
            container
        });
        Ok(books.collect())
    }

    fn describe(endpoint: &Endpoint) -> Result<Schema, Fault> {
        check_target(&endpoint.target)?;
        Ok(schema::schema())
    }

    fn read(request: ReadRequest) -> Result<Page, Fault> {
        let collection = collection(&request.endpoint)?;
        rows::check_fields(&request.fields)?;
        let limit_max = match request.mode {
            ReadMode::Ids => IDS_PAGE_MAX,
            ReadMode::Full | ReadMode::Changes => READ_PAGE_MAX,
        };
        let page = paging::Request {
            collection: &collection,
            fields: &request.fields,
            cursor: request.cursor.as_deref(),
            limit: usize::try_from(request.limit.clamp(1, limit_max)).unwrap_or(1),
        };
        match request.mode {
            ReadMode::Changes => page.changes(),
            ReadMode::Full => page.full(),
            ReadMode::Ids => page.ids(),
        }
    }

    fn get(endpoint: &Endpoint, ids: &[String], fields: &[String]) -> Result<GetAnswer, Fault> {
        let collection = collection(endpoint)?;
        rows::check_fields(fields)?;
        let mut table = TableBuilder::new(fields);
        let mut found: HashMap<String, Found> = HashMap::new();
        api::fetch(&collection, &unique(ids), |id, fetched| {
            let finding = match fetched {
                Fetched::Card(stored) => match rows::push(&mut table, id, &stored) {
                    Ok(position) => Found::At(position),
                    Err(error) => Found::Unclear(error.to_string()),
                },
                Fetched::Gone => Found::Gone(Tombstone::new(id, Fate::Deleted)),
                Fetched::Unclear(reason) => Found::Unclear(reason),
            };
            found.insert(id.to_owned(), finding);
        })?;
        let unasked = || Found::Unclear("the server was not asked".to_owned());
        let found = ids.iter().map(|id| found.get(id).cloned().unwrap_or_else(unasked)).collect();
        Ok(GetAnswer::new(table, found))
    }

    fn find(endpoint: &Endpoint, key: &str, values: &[Value], fields: &[String]) -> Result<Table, Fault> {
        let collection = collection(endpoint)?;
        rows::check_fields(fields)?;
        let (property, part) = match (key, schema::part(key)) {
            ("email", Some(part)) => ("EMAIL", part),
            ("uid", Some(part)) => ("UID", part),
            _ => return Err(Fault::Unsupported(format!("contacts cannot be found by {key}"))),
        };
        let texts: Vec<String> = values.iter().filter_map(Value::as_text).map(str::to_owned).collect();
        let mut table = TableBuilder::new(fields);
        if texts.is_empty() {
            return Ok(table.finish());
        }
        let folded: Vec<String> = texts.iter().map(|text| text.trim().to_lowercase()).collect();
        for (id, stored) in api::query(&collection, property, &texts)? {
            // Servers compare in ways of their own; the value decides, as it does for `read`.
            let Ok(card) = vcard::Card::parse(&stored.text) else { continue };
            let value = records::read(&card, part);
            let is_asked = |text: &str| folded.contains(&text.trim().to_lowercase());
            if value.as_text().is_some_and(is_asked) {
                // It was parsed a line above.
                let _ = rows::push(&mut table, &id, &stored);
            }
        }
        Ok(table.finish())
    }

    fn write(request: WriteRequest) -> Result<WriteAnswer, Fault> {
        let collection = collection(&request.endpoint)?;
        write::write(&collection, &request)
    }

    fn find_created(query: CreatedQuery) -> Result<Created, Fault> {
        let collection = collection(&query.endpoint)?;
        rows::check_fields(&query.fields)?;
        let mut table = TableBuilder::new(&query.fields);
        let ids: HashMap<String, &String> = query.keys.iter().map(|key| (record_id(key), key)).collect();
        let mut made: HashMap<&str, Made> = HashMap::new();
        let asked: Vec<String> = ids.keys().cloned().collect();
        api::fetch(&collection, &asked, |id, fetched| {
            let Some(key) = ids.get(id) else { return };
            let answer = match fetched {
                Fetched::Card(stored) => made_as(&mut table, key, id, &stored),
                Fetched::Gone => Made::Nothing,
                Fetched::Unclear(reason) => Made::Unclear(reason),
            };
            made.insert(key, answer);
        })?;
        let unsaid = || Made::Unclear("the server did not say".to_owned());
        let made = query.keys.iter().map(|key| made.remove(key.as_str()).unwrap_or_else(unsaid)).collect();
        Ok(Created { records: table.finish(), made })
    }
}

/// What the card under the id that `key` would make says of it.
///
/// To say "nothing" of a card that cannot be read would create it twice.
fn made_as(table: &mut TableBuilder, key: &str, id: &str, stored: &Stored) -> Made {
    match vcard::Card::parse(&stored.text) {
        Ok(card) if card.text("UID").as_deref() != Some(key) => Made::Nothing,
        Ok(_) => match rows::push(table, id, stored) {
            Ok(position) => Made::At(position),
            Err(error) => Made::Unclear(error.to_string()),
        },
        Err(error) => Made::Unclear(error.to_string()),
    }
}

/// The id of the record that a create key makes.
fn record_id(key: &str) -> String {
    format!("{}.vcf", escaped(key.as_bytes()))
}

fn unique(ids: &[String]) -> Vec<String> {
    let mut unique = ids.to_vec();
    unique.sort_unstable();
    unique.dedup();
    unique
}

fn check_target(target: &str) -> Result<(), Fault> {
    if target == CONTACTS { Ok(()) } else { Err(Fault::NotFound(format!("there is no object {target}"))) }
}

/// The address book of an endpoint; without a container, the one that the setting names.
fn collection(endpoint: &Endpoint) -> Result<Collection, Fault> {
    check_target(&endpoint.target)?;
    match &endpoint.container {
        Some(container) => Ok(Collection::new(container)),
        None => Ok(Collection::new(&setting()?)),
    }
}

fn report(site: &Site, url: &str) -> CheckReport {
    let origin = split_origin(url.trim()).0;
    let who = site.principal.as_deref().unwrap_or("nobody in particular");
    let label = site.label.as_deref().unwrap_or(who);
    let account = Account::new(format!("{origin}{}", site.principal.as_deref().unwrap_or("/")), label);
    let mut report = CheckReport::of(account).pass("reachable", origin).pass("signed-in", who);
    if site.books.is_empty() {
        return report.fail("address-books", "this account has no address book; make one on the server");
    }
    for book in &site.books {
        let address = book.collection.address();
        let name = book.properties.display_name.as_deref().unwrap_or(address);
        report = match (&book.properties.privileges, book.is_writable()) {
            (None, _) => report.cannot_tell("writable", format!("{name}: the server does not say what is allowed")),
            (Some(_), true) => report.pass("writable", name),
            (Some(_), false) => report.fail("writable", format!("{name}: read only; it can be a source")),
        };
        report = if book.has_sync() {
            report.pass("sync-collection", format!("{name}: changes come by sync token"))
        } else {
            report.cannot_tell("sync-collection", format!("{name}: changes are found by listing etags"))
        };
        let versions = match book.properties.card_versions.as_slice() {
            [] => "3.0 (not announced)".to_owned(),
            versions => versions.join(", "),
        };
        report = report.pass("vcard-versions", format!("{name}: {versions}"));
    }
    report
}
