//! `through` and `by` of a mapping, and what stands in for them: how references become those of the other side (E10.1).
//!
//! Unless the mapping says otherwise, they go through the one sync that joins the two objects that its fields refer to.

use std::ops::Range;
use std::sync::Arc;

use syncline_core::{
    ConnectionName, Endpoint, Field, FieldName, FieldType, Index, KeyField, ObjectName, Route, Rules, Schema, Side,
    SyncName, Way,
};
use toml::Spanned;

use super::Sync;
use super::mapping::MappingConfig;
use super::mistake::{Mistake, neighbour, shown};
use super::read::{Item, Reader, Section};
use super::rules::key_form;

/// How a mapping's references are translated, where the mapping says so.
#[derive(Clone, Debug)]
pub enum ReferChoice {
    /// Through the pairs of this sync.
    Through(Spanned<SyncName>),
    /// By a key of the records that they lead to.
    By {
        /// Where that is said.
        place: Range<usize>,
        /// The field that left references lead to.
        left: FieldName,
        /// The field that right references lead to.
        right: FieldName,
    },
}

/// What a sync of the file joins.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Its name.
    pub name: SyncName,
    /// Left, then right.
    pub endpoints: [Endpoint; 2],
    /// What is kept of the left and of the right.
    pub index: [Index; 2],
    /// False: a draft, which pairs nothing.
    pub active: bool,
}

impl Ends {
    fn on(&self, side: Side) -> &Endpoint {
        side.pick(&self.endpoints[0], &self.endpoints[1])
    }
}

/// What every sync of the file joins.
pub type AllEnds = Arc<[Ends]>;

/// Lets each sync know what all of them join.
pub(super) fn introduce(syncs: &mut [Sync]) {
    let ends = |sync: &Sync| Ends {
        name: sync.name().clone(),
        endpoints: Side::BOTH.map(|side| sync.endpoint(side).clone()),
        index: Side::BOTH.map(|side| sync.index.of(side)),
        active: sync.active,
    };
    let all: AllEnds = syncs.iter().map(ends).collect();
    syncs.iter_mut().for_each(|sync| sync.all_ends = Arc::clone(&all));
}

/// Reads `through` or `by` of a mapping.
pub(super) fn read(reader: &mut Reader, mapping: &mut Section<'_>) -> Option<ReferChoice> {
    let (through, by) = (mapping.take("through"), mapping.take("by"));
    match (through, by) {
        (None, None) => None,
        (Some(through), None) => {
            let name = reader.text(through.value, "`through`")?;
            Some(ReferChoice::Through(Spanned::new(name.span(), SyncName::new(name.into_inner()))))
        }
        (None, Some(by)) => read_key(reader, by.value),
        (Some(_), Some(by)) => {
            let mistake = Mistake::new(&by.key_place, "references go `through` a sync or `by` a key, and not both");
            reader.wrong(mistake.mend("keep one of them"));
            None
        }
    }
}

fn read_key(reader: &mut Reader, item: &Item<'_>) -> Option<ReferChoice> {
    let place = item.span();
    if item.get_ref().is_str() {
        let field = FieldName::new(reader.text(item, "`by`")?.into_inner());
        return Some(ReferChoice::By { place, left: field.clone(), right: field });
    }
    if !item.get_ref().is_table() {
        reader.wrong_type(item, "`by`", "a field or { left, right }");
        return None;
    }
    let mut section = reader.section(item, "`by`")?;
    let mut field = |key| {
        let entry = section.need(reader, key, "by = { left = \"mail\", right = \"email\" }")?;
        Some(FieldName::new(reader.text(entry.value, "a field to look up by")?.into_inner()))
    };
    let (left, right) = (field("left"), field("right"));
    section.finish(reader, &[]);
    Some(ReferChoice::By { place, left: left?, right: right? })
}

/// Returns the routes of a mapping of two fields: none if they hold no references.
pub(super) fn routes(
    sync: &Sync,
    left: &Field,
    right: &Field,
    own: Option<&MappingConfig>,
) -> Result<Vec<Route>, Mistake> {
    let fields = [left, right];
    let choice = own.and_then(|own| own.refers.as_ref());
    // Transforms make the whole value, as with every other type.
    let is_made = own.is_some_and(|own| Side::BOTH.into_iter().any(|side| !own.transforms_to(side).is_empty()));
    if !are_references(left, right) || is_made {
        return match choice {
            None => Ok(Vec::new()),
            Some(choice) => Err(needless(choice, fields)),
        };
    }
    let place = own.map_or_else(|| sync.place(), |own| own.left.span());
    match choice {
        None => found(sync, fields, &place),
        Some(ReferChoice::Through(name)) => through(sync, fields, name),
        Some(ReferChoice::By { place, left, right }) => by_key(sync, fields, place, [left, right]),
    }
}

/// True if both fields hold references.
fn are_references(left: &Field, right: &Field) -> bool {
    [left, right].iter().all(|field| field.kind == FieldType::References)
}

fn needless(choice: &ReferChoice, fields: [&Field; 2]) -> Mistake {
    let (place, word) = match choice {
        ReferChoice::Through(name) => (name.span(), "through"),
        ReferChoice::By { place, .. } => (place.clone(), "by"),
    };
    let names = fields.map(|field| shown(field.name.as_str()));
    let why = match are_references(fields[0], fields[1]) {
        true => "its transforms make the values".to_owned(),
        false => format!("{} and {} are not both references", names[0], names[1]),
    };
    let message = format!("`{word}` means nothing for this mapping: {why}");
    Mistake::new(&place, message).mend(format!("take `{word}` out"))
}

/// Every way in which a sync joins what both fields refer to. A field that does not say what it refers to may refer to
/// anything.
fn joins(sync: &Sync, fields: [&Field; 2], ends: &Ends) -> Vec<Route> {
    let leads = |side: Side, endpoint: &Endpoint| {
        let field = side.pick(fields[0], fields[1]);
        endpoint.connection == sync.endpoint(side).connection
            && (field.refers_to.is_empty() || field.refers_to.contains(&endpoint.object))
    };
    let turned = Side::BOTH
        .into_iter()
        .filter(|left_is| leads(Side::Left, ends.on(*left_is)) && leads(Side::Right, ends.on(left_is.other())));
    let route = |left_is: Side| Route {
        left: ends.on(left_is).object.clone(),
        right: ends.on(left_is.other()).object.clone(),
        way: Way::Pairs { sync: ends.name.clone(), left_is },
    };
    turned.map(route).collect()
}

fn untold(field: &Field, place: &Range<usize>) -> Mistake {
    let message = format!("{} does not say which records it refers to", shown(field.name.as_str()));
    Mistake::new(place, message).mend("add through = \"…\" with the sync that pairs these records")
}

fn found(sync: &Sync, fields: [&Field; 2], place: &Range<usize>) -> Result<Vec<Route>, Mistake> {
    let names = fields.map(|field| shown(field.name.as_str()));
    if let Some(field) = fields.into_iter().find(|field| field.refers_to.is_empty()) {
        return Err(untold(field, place));
    }
    let own_or_active = |ends: &&Ends| ends.active || ends.name == *sync.name();
    let routes: Vec<Route> =
        sync.all_ends.iter().filter(own_or_active).flat_map(|ends| joins(sync, fields, ends)).collect();
    for (index, route) in routes.iter().enumerate() {
        let same = |other: &&Route| Side::BOTH.into_iter().any(|side| other.object(side) == route.object(side));
        if let Some(other) = routes[..index].iter().find(same) {
            let syncs = [other, route].map(sync_of);
            let message =
                format!("several syncs pair what {} and {} refer to: {}", names[0], names[1], syncs.join(", "));
            return Err(Mistake::new(place, message).mend(format!("say which: through = \"{}\"", syncs[0])));
        }
    }
    if routes.is_empty() {
        let objects = |side: Side| {
            let field = side.pick(fields[0], fields[1]);
            let objects: Vec<&str> = field.refers_to.iter().map(ObjectName::as_str).collect();
            format!("{} of {}", objects.join(" or "), sync.endpoint(side).connection)
        };
        let message = format!(
            "no sync pairs what {} and {} refer to: {} and {}",
            names[0],
            names[1],
            objects(Side::Left),
            objects(Side::Right)
        );
        let mend = "add such a sync, or say by which key they are looked up: by = \"email\"";
        return Err(Mistake::new(place, message).mend(mend));
    }
    Ok(routes)
}

fn sync_of(route: &Route) -> String {
    match &route.way {
        Way::Pairs { sync, .. } => sync.to_string(),
        Way::Key { .. } => String::new(),
    }
}

fn through(sync: &Sync, fields: [&Field; 2], name: &Spanned<SyncName>) -> Result<Vec<Route>, Mistake> {
    let Some(ends) = sync.all_ends.iter().find(|ends| ends.name == *name.get_ref()) else {
        let message = format!("there is no sync {}", shown(name.get_ref().as_str()));
        let known = sync.all_ends.iter().map(|ends| ends.name.as_str());
        return Err(Mistake::new(&name.span(), message).mend(neighbour(name.get_ref().as_str(), known, "there are")));
    };
    if sync.active && !ends.active {
        let message = format!("the sync {} is a draft and pairs nothing", shown(ends.name.as_str()));
        return Err(Mistake::new(&name.span(), message).mend("take `active = false` out of it, or name another"));
    }
    match joins(sync, fields, ends).into_iter().next() {
        Some(route) => Ok(vec![route]),
        None => {
            let message = format!(
                "the sync {} pairs {} and {}, which is not what {} and {} refer to",
                shown(ends.name.as_str()),
                ends.endpoints[0],
                ends.endpoints[1],
                shown(fields[0].name.as_str()),
                shown(fields[1].name.as_str())
            );
            Err(Mistake::new(&name.span(), message).mend("name a sync that does, or map another field"))
        }
    }
}

/// Returns the fields by which `syncs` look records of an endpoint up, as far as it has them.
pub fn asked_keys(syncs: &[Sync], endpoint: &Endpoint, schema: &Schema) -> Vec<KeyField> {
    let asked = syncs.iter().filter(|sync| sync.active).flat_map(|sync| {
        let choices = sync.mappings.iter().filter_map(|mapping| mapping.refers.as_ref());
        choices.flat_map(move |choice| Side::BOTH.into_iter().filter_map(move |side| asked(sync, choice, side)))
    });
    let mut fields: Vec<FieldName> = asked
        .filter(|(connection, field)| **connection == endpoint.connection && schema.field(field).is_some())
        .map(|(_, field)| field.clone())
        .collect();
    fields.sort();
    fields.dedup();
    fields.into_iter().map(|field| KeyField { form: key_form(schema, &field), field }).collect()
}

/// The connection in which a choice looks records up on `side`, and by which field.
fn asked<'a>(sync: &'a Sync, choice: &'a ReferChoice, side: Side) -> Option<(&'a ConnectionName, &'a FieldName)> {
    match choice {
        ReferChoice::Through(_) => None,
        ReferChoice::By { left, right, .. } => Some((&sync.endpoint(side).connection, side.pick(left, right))),
    }
}

/// Returns the keys that the records which references lead to do not have; what is known of an endpoint is told by
/// `schema_of`.
pub fn unknown_keys<'a>(
    sync: &Sync,
    rules: &Rules,
    schema_of: &dyn Fn(&Endpoint) -> Option<&'a Schema>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for mapping in &rules.mappings {
        let at = |own: &&MappingConfig| *own.left.get_ref() == mapping.left && *own.right.get_ref() == mapping.right;
        let Some(ReferChoice::By { place, .. }) = sync.mappings.iter().find(at).and_then(|own| own.refers.as_ref())
        else {
            continue;
        };
        for route in &mapping.routes {
            let Way::Key { left, left_key, right, right_key } = &route.way else { continue };
            for (endpoint, key) in [(left, left_key), (right, right_key)] {
                let Some(schema) = schema_of(endpoint) else { continue };
                let names = schema.fields.iter().map(|field| field.name.as_str());
                mistakes.extend(key.iter().filter(|name| schema.field(name).is_none()).map(|name| {
                    let message = format!("there is no field {} in {endpoint}", shown(name.as_str()));
                    Mistake::new(place, message).mend(neighbour(name.as_str(), names.clone(), "there are"))
                }));
            }
        }
    }
    mistakes
}

/// Both objects have to be read by some sync: there they are looked up.
fn by_key(
    sync: &Sync,
    fields: [&Field; 2],
    place: &Range<usize>,
    keys: [&FieldName; 2],
) -> Result<Vec<Route>, Mistake> {
    if let Some(field) = fields.into_iter().find(|field| field.refers_to.is_empty()) {
        return Err(untold(field, place));
    }
    let mut endpoints = Vec::new();
    for (side, field) in Side::BOTH.into_iter().zip(fields) {
        let connection = &sync.endpoint(side).connection;
        let all = sync.all_ends.iter().flat_map(|ends| &ends.endpoints);
        let mut read: Vec<&Endpoint> =
            all.filter(|end| end.connection == *connection && field.refers_to.contains(&end.object)).collect();
        read.sort();
        read.dedup();
        let is_partly = |end: &Endpoint| {
            let indexed = sync.all_ends.iter().flat_map(|ends| ends.endpoints.iter().zip(&ends.index));
            indexed.into_iter().any(|(other, index)| other == end && *index == Index::Scoped)
        };
        match read[..] {
            [endpoint] if is_partly(endpoint) => {
                let message = format!("{endpoint} is not read as a whole, so references cannot be looked up in it");
                let mend = "name the sync that pairs these records instead: through = \"…\"";
                return Err(Mistake::new(place, message).mend(mend));
            }
            [endpoint] => endpoints.push(endpoint.clone()),
            _ => {
                let how_many = if read.is_empty() { "no sync reads" } else { "several syncs read, in several places," };
                let message = format!("{how_many} what {} of {connection} refers to", shown(field.name.as_str()));
                let mend = "references are looked up in what one sync reads; name a sync instead: through = \"…\"";
                return Err(Mistake::new(place, message).mend(mend));
            }
        }
    }
    let [left, right] = <[Endpoint; 2]>::try_from(endpoints).expect("each side was found or was a mistake");
    Ok(vec![Route {
        left: left.object.clone(),
        right: right.object.clone(),
        way: Way::Key { left, left_key: vec![keys[0].clone()], right, right_key: vec![keys[1].clone()] },
    }])
}
