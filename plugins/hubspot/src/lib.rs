//! HubSpot as a Syncline connector: contacts, by the vendor's dated API.
//!
//! Reading (`reading`, `lookup`) and writing (`write`) speak through `api`; property texts become values in `records`,
//! definitions become fields in `schema`, and where a read goes on is kept by `paging`.
//!
//! What HubSpot cannot do, and what follows: it has no precondition, so a lost update is looked for just before each
//! write and not refused by the vendor (no `version-guard`); its search index lags, so changes are read again over an
//! overlap; archived records leave no trace in it, so only a sweep of ids finds them (no `change-deletes`); and a record
//! that was put away comes back by hand only (no `restore`).

mod api;
mod lookup;
mod paging;
mod reading;
mod records;
mod refusal;
mod schema;
mod stamp;
mod write;

use serde::Deserialize;
use syncline_sdk::connector::prelude::*;

/// The connector.
pub struct HubSpot;

/// What is particular to one object of the vendor's API.
struct ObjectSpec {
    name: &'static str,
    kind: &'static str,
    label: &'static str,
    /// The property that search orders changes by.
    modified: &'static str,
    /// The group that a property added by `prepare` belongs to.
    group: &'static str,
    default_keys: &'static [&'static [&'static str]],
}

/// The objects that are offered.
const OBJECTS: &[ObjectSpec] = &[ObjectSpec {
    name: "contacts",
    kind: "contact",
    label: "Contacts",
    modified: "lastmodifieddate",
    group: "contactinformation",
    default_keys: &[&["email"]],
}];

/// Seconds for which changes are read again, since the index lags.
const OVERLAP_S: u32 = 300;

/// The user's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    link_property: Option<String>,
    #[serde(default = "overlap_s")]
    overlap_s: u32,
}

fn overlap_s() -> u32 {
    OVERLAP_S
}

impl Settings {
    fn read() -> Result<Self, Fault> {
        let settings: Self = settings()?;
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        match settings.link_property.as_deref() {
            Some(name) if !is_name(name) => Err(Fault::misconfigured(
                "link_property",
                "invalid",
                "a property's name has small letters, digits and underscores, and begins with a letter",
            )),
            _ => Ok(settings),
        }
    }
}

/// One object under the settings of a connection.
struct Target {
    object: &'static ObjectSpec,
    settings: Settings,
}

impl Target {
    fn of(endpoint: &Endpoint) -> Result<Self, Fault> {
        let object = OBJECTS.iter().find(|object| object.name == endpoint.target);
        let object = object.ok_or_else(|| Fault::NotFound(format!("HubSpot has no object {}", endpoint.target)))?;
        Ok(Self { object, settings: Settings::read()? })
    }
}

impl Connector for HubSpot {
    fn check() -> Result<CheckReport, Fault> {
        let settings = Settings::read()?;
        let account = api::account()?;
        let id = account["portalId"].as_u64().map(|id| id.to_string());
        let id = id.ok_or_else(|| Fault::Protocol("HubSpot's account details have no portalId".to_owned()))?;
        let label = format!("HubSpot account {id}");
        let mut report = CheckReport::of(Account::new(id, label)).pass("token", "accepted");
        for object in OBJECTS {
            report = check_object(report, object, &settings)?;
        }
        Ok(report)
    }

    fn objects() -> Result<Vec<Object>, Fault> {
        let settings = Settings::read()?;
        Ok(OBJECTS.iter().map(|object| object.describe(&settings)).collect())
    }

    fn describe(endpoint: &Endpoint) -> Result<Schema, Fault> {
        let target = Target::of(endpoint)?;
        let properties = api::properties(target.object.name)?;
        Ok(properties.schema(target.object.name, target.settings.link_property.as_deref()))
    }

    fn read(request: ReadRequest) -> Result<Page, Fault> {
        reading::read(&Target::of(&request.endpoint)?, &request)
    }

    fn get(endpoint: &Endpoint, ids: &[String], fields: &[String]) -> Result<GetAnswer, Fault> {
        lookup::get(&Target::of(endpoint)?, ids, fields)
    }

    fn find(endpoint: &Endpoint, key: &str, values: &[Value], fields: &[String]) -> Result<Table, Fault> {
        lookup::find(&Target::of(endpoint)?, key, values, fields)
    }

    fn field_times(endpoint: &Endpoint, ids: &[String], fields: &[String]) -> Result<Vec<Vec<Option<Instant>>>, Fault> {
        lookup::field_times(&Target::of(endpoint)?, ids, fields)
    }

    fn prepare(endpoint: &Endpoint) -> Result<(), Fault> {
        let target = Target::of(endpoint)?;
        let Some(link) = target.settings.link_property.as_deref() else { return Ok(()) };
        let properties = api::named_properties(target.object.name, [link].into_iter())?;
        if let Some(property) = properties.get(link) {
            return must_be_unique(link, property.is_unique(target.object.name));
        }
        // Posting the name of an archived property restores it as it was, which may be without uniqueness.
        let definition = schema::link_definition(link, target.object.group);
        let made: serde_json::Value = api::create_property(target.object.name, &definition)?.json()?;
        must_be_unique(link, made["hasUniqueValue"] == true)
    }

    fn write(request: WriteRequest) -> Result<WriteAnswer, Fault> {
        write::write(&Target::of(&request.endpoint)?, &request)
    }

    fn find_created(query: CreatedQuery) -> Result<Created, Fault> {
        lookup::created(&Target::of(&query.endpoint)?, &query)
    }
}

syncline_sdk::connector!(HubSpot);

impl ObjectSpec {
    fn describe(&self, settings: &Settings) -> Object {
        let abilities = Abilities::CHANGES
            | Abilities::IDS
            | Abilities::GET
            | Abilities::FIELD_TIMES
            | Abilities::CREATE
            | Abilities::UPDATE
            | Abilities::ARCHIVE
            | Abilities::ORDERED_VERSIONS;
        let read_page_max = u32::try_from(api::SEARCH_PAGE_MAX).unwrap_or(u32::MAX);
        let batch_max = u32::try_from(api::BATCH_MAX).unwrap_or(u32::MAX);
        let object = Object::new(self.name, self.label)
            .kind(self.kind)
            .abilities(abilities)
            .pages(read_page_max, batch_max, batch_max)
            .visible_after_ms(u64::from(settings.overlap_s) * 1_000);
        let object = self.default_keys.iter().fold(object, |object, key| object.default_key(key));
        match &settings.link_property {
            Some(link) => object.promise(CreatePromise::Native).link_field(link),
            None => object.promise(CreatePromise::Lookup),
        }
    }
}

fn check_object(report: CheckReport, object: &ObjectSpec, settings: &Settings) -> Result<CheckReport, Fault> {
    let scope = |what: &str, right: &str| format!("crm.{what}.{}.{right}", object.name);
    let report = match api::properties(object.name) {
        Ok(properties) => {
            let report = report.pass(scope("schemas", "read"), "the properties can be read");
            check_link(report, object, &properties, settings)
        }
        Err(Fault::Permission(said)) => report.fail(scope("schemas", "read"), said),
        Err(fault) => return Err(fault),
    };
    let listing = api::list(object.name, &[], None, 1, api::Archived::No);
    let report = match listing.map(api::read) {
        Some(Err(Fault::Permission(said))) => report.fail(scope("objects", "read"), said),
        Some(Err(fault)) => return Err(fault),
        Some(Ok(_)) | None => report.pass(scope("objects", "read"), "the records can be read"),
    };
    Ok(report.cannot_tell(scope("objects", "write"), "only a write shows whether this scope was granted"))
}

fn check_link(
    report: CheckReport,
    object: &ObjectSpec,
    properties: &schema::Properties,
    settings: &Settings,
) -> CheckReport {
    let Some(link) = &settings.link_property else { return report };
    match properties.get(link) {
        Some(property) if property.is_unique(object.name) => report.pass("link_property", format!("{link} is unique")),
        Some(_) => report.fail("link_property", format!("{link} is there without unique values: name another one")),
        None => report.cannot_tell("link_property", format!("{link} is added before the first create")),
    }
}

fn must_be_unique(link: &str, is_unique: bool) -> Result<(), Fault> {
    if is_unique {
        return Ok(());
    }
    let message = format!("the property {link} does not have unique values, and cannot get them: name another one");
    Err(Fault::misconfigured("link_property", "not-unique", message))
}
