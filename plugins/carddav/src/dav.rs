//! WebDAV on the wire: the XML that is asked with, and the XML of the answers.
//!
//! Not here: which request follows which (`api`), what the host is told (`paging`, `write`).

pub(crate) mod answer;
pub(crate) mod href;

use quick_xml::escape::escape;

/// A body that asks a server something, with the method and the depth that it goes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// `PROPFIND` or `REPORT`.
    pub(crate) method: &'static str,
    /// The header `Depth`.
    pub(crate) depth: &'static str,
    /// The XML.
    pub(crate) body: String,
}

/// The namespaces, on the root element of every body.
const NAMESPACES: &str =
    r#"xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns:CS="http://calendarserver.org/ns/""#;

/// What is asked of a card.
const CARD_PROPERTIES: &str = "<D:prop><D:getetag/><D:getlastmodified/><C:address-data/></D:prop>";

/// Asks a resource what it is, who is signed in, and what may be done with it.
pub(crate) fn describe(depth: &'static str) -> Query {
    let properties = "<D:resourcetype/><D:displayname/><D:current-user-principal/><C:addressbook-home-set/>\
        <D:current-user-privilege-set/><D:supported-report-set/><D:sync-token/><CS:getctag/>\
        <C:supported-address-data/><C:max-resource-size/>";
    propfind(depth, properties)
}

/// Asks a collection for the state of its feed.
pub(crate) fn feed_state() -> Query {
    propfind("0", "<D:resourcetype/><D:supported-report-set/><D:sync-token/><CS:getctag/>")
}

/// Asks a collection for the etags of its members.
pub(crate) fn etags() -> Query {
    propfind("1", "<D:getetag/><D:resourcetype/>")
}

/// Asks a collection for the etags of its members, and when they were last changed.
pub(crate) fn times() -> Query {
    propfind("1", "<D:getetag/><D:resourcetype/><D:getlastmodified/>")
}

/// Asks a card when it was last changed.
pub(crate) fn modified() -> Query {
    propfind("0", "<D:getlastmodified/>")
}

/// Asks what has changed since `token`.
///
/// Never with `DAV:limit`: some servers cut the answer without saying so, and members are lost.
pub(crate) fn changes_since(token: &str) -> Query {
    let token = escape(token);
    let inner =
        format!("<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>");
    report("0", "D:sync-collection", &inner)
}

/// Asks for cards by their hrefs.
pub(crate) fn multiget<Href: AsRef<str>>(hrefs: &[Href]) -> Query {
    let mut inner = CARD_PROPERTIES.to_owned();
    for href in hrefs {
        inner.push_str("<D:href>");
        inner.push_str(&escape(href.as_ref()));
        inner.push_str("</D:href>");
    }
    report("0", "C:addressbook-multiget", &inner)
}

/// Asks for the cards in which `property` has one of `values`.
pub(crate) fn query<Text: AsRef<str>>(property: &str, values: &[Text]) -> Query {
    let mut inner = format!(r#"{CARD_PROPERTIES}<C:filter test="anyof">"#);
    for value in values {
        let value = escape(value.as_ref());
        inner.push_str(&format!(
            r#"<C:prop-filter name="{property}"><C:text-match collation="i;unicode-casemap" match-type="equals">{value}</C:text-match></C:prop-filter>"#
        ));
    }
    inner.push_str("</C:filter>");
    report("1", "C:addressbook-query", &inner)
}

fn propfind(depth: &'static str, properties: &str) -> Query {
    let body = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><D:propfind {NAMESPACES}><D:prop>{properties}</D:prop></D:propfind>"#
    );
    Query { method: "PROPFIND", depth, body }
}

fn report(depth: &'static str, element: &str, inner: &str) -> Query {
    let body = format!(r#"<?xml version="1.0" encoding="utf-8"?><{element} {NAMESPACES}>{inner}</{element}>"#);
    Query { method: "REPORT", depth, body }
}

#[cfg(test)]
mod tests;
