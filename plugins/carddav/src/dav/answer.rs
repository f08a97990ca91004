//! Reading multistatus answers and error bodies.
//!
//! The answer is read as it streams by: a listing of a hundred thousand members becomes their hrefs and etags and no tree.

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

const DAV: &str = "DAV:";
const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";

/// How deep elements may be nested; deeper is no answer to anything we ask.
const DEPTH_MAX: usize = 64;

/// Why an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The XML is broken.
    #[error("the answer is not well-formed XML")]
    Xml(#[from] quick_xml::Error),
    /// The XML is something else.
    #[error("the answer is no multistatus")]
    NotMultistatus,
    /// Elements are nested without end.
    #[error("the answer is nested deeper than {DEPTH_MAX} elements")]
    TooDeep,
}

/// A 207 answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Multistatus {
    /// One for each resource.
    pub(crate) members: Vec<Member>,
    /// The token for the next question, in answers to `sync-collection`.
    pub(crate) sync_token: Option<String>,
}

/// One `response`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where the resource is, as the server writes it.
    pub(crate) href: String,
    /// The status of the resource itself, where it has no properties.
    pub(crate) status: Option<u16>,
    /// The properties that it has.
    pub(crate) properties: Properties,
    /// True if any property was found.
    pub(crate) is_found: bool,
}

/// The properties that we ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// `getetag`, quotes included.
    pub(crate) etag: Option<String>,
    /// `getlastmodified`, as text.
    pub(crate) modified: Option<String>,
    /// The card.
    pub(crate) address_data: Option<String>,
    /// `displayname`.
    pub(crate) display_name: Option<String>,
    /// True for an address book.
    pub(crate) is_addressbook: bool,
    /// `sync-token` as a property.
    pub(crate) sync_token: Option<String>,
    /// `getctag`.
    pub(crate) ctag: Option<String>,
    /// The principal of who is signed in.
    pub(crate) principal: Option<String>,
    /// Where the address books are.
    pub(crate) home_sets: Vec<String>,
    /// The privileges, where the server tells them.
    pub(crate) privileges: Option<Vec<String>>,
    /// The reports that it answers, where the server tells them.
    pub(crate) reports: Option<Vec<String>>,
    /// The versions of vCard that it stores.
    pub(crate) card_versions: Vec<String>,
}

/// Reads a multistatus.
pub(crate) fn read(xml: &str) -> Result<Multistatus, AnswerError> {
    let mut reading = Reading::default();
    walk(xml, &mut reading)?;
    if reading.is_multistatus { Ok(reading.answer) } else { Err(AnswerError::NotMultistatus) }
}

/// The names of the precondition elements in an error body, with the hrefs that stand in them; nothing for a body that is
/// no WebDAV error.
pub(crate) fn preconditions(body: &str) -> (Vec<String>, Vec<String>) {
    let mut found = Preconditions::default();
    // What was read before the XML broke off is still what the server said.
    let _ = walk(body, &mut found);
    (found.names, found.hrefs)
}

/// What is done with the elements of an answer: names are local names, with the namespaces we know before them.
trait Visitor {
    /// An element begins; `path` ends with it.
    fn begin(&mut self, path: &[String], element: &BytesStart<'_>);
    /// An element ends; `text` stood in it.
    fn end(&mut self, path: &[String], text: &str);
}

fn walk(xml: &str, visitor: &mut impl Visitor) -> Result<(), AnswerError> {
    let mut reader = NsReader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Start(element) => {
                if path.len() == DEPTH_MAX {
                    return Err(AnswerError::TooDeep);
                }
                path.push(name_of(&reader, &element));
                text.clear();
                visitor.begin(&path, &element);
            }
            Event::End(_) => {
                visitor.end(&path, &text);
                path.pop();
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => push_reference(&mut text, &reference),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn name_of(reader: &NsReader<&[u8]>, element: &BytesStart<'_>) -> String {
    let (namespace, local) = reader.resolver().resolve_element(element.name());
    let prefix = match namespace {
        ResolveResult::Bound(Namespace(DAV)) => "D:",
        ResolveResult::Bound(Namespace(CARDDAV)) => "C:",
        ResolveResult::Bound(Namespace(CALENDARSERVER)) => "CS:",
        _ => "?:",
    };
    format!("{prefix}{}", local.into_inner())
}

fn push_reference(text: &mut String, reference: &BytesRef<'_>) {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        text.push(character);
        return;
    }
    match &*reference.xml10_content() {
        "amp" => text.push('&'),
        "lt" => text.push('<'),
        "gt" => text.push('>'),
        "quot" => text.push('"'),
        "apos" => text.push('\''),
        // An entity that no WebDAV answer defines; what it stood for is lost, what surrounds it is not.
        _ => text.push('\u{fffd}'),
    }
}

#[derive(Default)]
struct Reading {
    answer: Multistatus,
    is_multistatus: bool,
    /// The response and the propstat being read.
    member: Member,
    properties: Properties,
    property_status: Option<u16>,
}

impl Visitor for Reading {
    fn begin(&mut self, path: &[String], element: &BytesStart<'_>) {
        let Some(name) = path.last() else { return };
        match (path.len(), name.as_str()) {
            (1, "D:multistatus") => self.is_multistatus = true,
            (2, "D:response") => self.member = Member::default(),
            (3, "D:propstat") => (self.properties, self.property_status) = (Properties::default(), None),
            (5, "D:current-user-privilege-set") => self.properties.privileges = Some(Vec::new()),
            (5, "D:supported-report-set") => self.properties.reports = Some(Vec::new()),
            (6, "C:addressbook") => self.properties.is_addressbook |= path[4] == "D:resourcetype",
            (6, "C:address-data-type") => {
                if let Ok(Some(version)) = element.try_get_attribute("version") {
                    self.properties.card_versions.push(version.value.to_string());
                }
            }
            (7, _) if path[4] == "D:current-user-privilege-set" => push(&mut self.properties.privileges, name),
            (8, _) if path[4] == "D:supported-report-set" => push(&mut self.properties.reports, name),
            _ => {}
        }
    }

    fn end(&mut self, path: &[String], text: &str) {
        let Some(name) = path.last() else { return };
        match (path.len(), name.as_str()) {
            (2, "D:response") => self.answer.members.push(std::mem::take(&mut self.member)),
            (2, "D:sync-token") => self.answer.sync_token = Some(text.trim().to_owned()),
            (3, "D:href") => self.member.href = text.trim().to_owned(),
            (3, "D:status") => self.member.status = status(text),
            (3, "D:propstat") => self.take_properties(),
            (4, "D:status") => self.property_status = status(text),
            (5, _) if path[2] == "D:propstat" => self.take_property(name, text),
            (6, "D:href") if path[4] == "D:current-user-principal" => {
                self.properties.principal = Some(text.trim().to_owned());
            }
            (6, "D:href") if path[4] == "C:addressbook-home-set" => {
                self.properties.home_sets.push(text.trim().to_owned());
            }
            _ => {}
        }
    }
}

impl Reading {
    fn take_property(&mut self, name: &str, text: &str) {
        let trimmed = || Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let properties = &mut self.properties;
        match name {
            "D:getetag" => properties.etag = trimmed(),
            "D:getlastmodified" => properties.modified = trimmed(),
            "D:displayname" => properties.display_name = trimmed(),
            "D:sync-token" => properties.sync_token = trimmed(),
            "CS:getctag" => properties.ctag = trimmed(),
            "C:address-data" => properties.address_data = Some(text.to_owned()),
            _ => {}
        }
    }

    fn take_properties(&mut self) {
        // A propstat without a status says nothing against its properties.
        if self.property_status.is_none_or(|status| (200..300).contains(&status)) {
            self.member.properties = std::mem::take(&mut self.properties);
            self.member.is_found = true;
        }
    }
}

fn push(names: &mut Option<Vec<String>>, name: &str) {
    names.get_or_insert_default().push(name.to_owned());
}

/// The number in `HTTP/1.1 404 Not Found`.
fn status(line: &str) -> Option<u16> {
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[derive(Default)]
struct Preconditions {
    names: Vec<String>,
    hrefs: Vec<String>,
}

impl Visitor for Preconditions {
    fn begin(&mut self, path: &[String], _: &BytesStart<'_>) {
        if let [root, name] = path
            && root == "D:error"
        {
            self.names.push(name.clone());
        }
    }

    fn end(&mut self, path: &[String], text: &str) {
        if path.last().is_some_and(|name| name == "D:href") {
            self.hrefs.push(text.trim().to_owned());
        }
    }
}
