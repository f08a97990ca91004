//! `left` and `right`: a connection, an object, and a container where the object has such.

use std::ops::Range;

use syncline_core::{ConnectionName, ContainerId, Endpoint, ObjectName};
use toml::Spanned;

use super::mistake::{Mistake, neighbour, shown};
use super::read::{Reader, Section};

/// An endpoint with its place.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Where it stands.
    pub place: Range<usize>,
    /// Where its object stands.
    pub object_place: Range<usize>,
}

const EXAMPLE: &str = "{ connection = \"crm\", object = \"contacts\" }";

pub(super) fn read(
    reader: &mut Reader,
    sync: &mut Section<'_>,
    side: &'static str,
    connections: &[&str],
) -> Option<EndpointConfig> {
    let entry = sync.need(reader, side, &format!("{side} = {EXAMPLE}"))?;
    let mut section = reader.section(entry.value, &format!("`{side}`"))?;
    let connection =
        section.need(reader, "connection", EXAMPLE).and_then(|entry| reader.text(entry.value, "`connection`"));
    let object = section.need(reader, "object", EXAMPLE).and_then(|entry| reader.text(entry.value, "`object`"));
    let container = match section.take("container") {
        Some(entry) => Some(reader.text(entry.value, "`container`")?.into_inner()),
        None => None,
    };
    section.finish(reader, &["list"]);
    let connection = connection.and_then(|name| known(reader, name, connections));
    let (connection, object) = (connection?, object?);
    Some(EndpointConfig {
        place: entry.key_place.start..entry.value.span().end,
        object_place: object.span(),
        endpoint: Endpoint {
            connection: ConnectionName::new(connection),
            object: ObjectName::new(object.into_inner()),
            container: container.map(ContainerId::new),
        },
    })
}

fn known(reader: &mut Reader, name: Spanned<String>, connections: &[&str]) -> Option<String> {
    let place = name.span();
    let name = name.into_inner();
    // A connection with mistakes of its own is there, and is named once only.
    if connections.contains(&name.as_str()) || reader.broken_connections.contains(&name) {
        return Some(name);
    }
    let mistake = Mistake::new(&place, format!("there is no connection {}", shown(&name)));
    reader.wrong(match connections {
        [] => mistake.mend(format!("add [connections.{name}] with a connector")),
        _ => mistake.mend(neighbour(&name, connections.iter().copied(), "there are")),
    });
    None
}

/// Notes a mistake if both sides are one endpoint.
pub(super) fn check_distinct(reader: &mut Reader, left: &EndpointConfig, right: &EndpointConfig) {
    if left.endpoint == right.endpoint {
        let message = format!("`left` and `right` are the same endpoint, {}", shown(&left.endpoint.to_string()));
        let mend = "name another connection, object or container on one side";
        reader.wrong(Mistake::new(&right.place, message).mend(mend).also(&left.place, "the same endpoint"));
    }
}
