//! Turns what was generated from `wit/` into our types and back; the generated names end here.
//!
//! Invariant: what comes out of a plugin is checked here once and for all: values are canonical, rows fit their columns,
//! indices exist, texts have a sensible size. A value that is none spoils its own record only; an answer that does not
//! hang together is nonsense as a whole. Strings are moved, never copied.

pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod value;
pub(crate) mod write;

use std::fmt;

use syncline_core::{FieldName, RecordId};
use syncline_runner::{Fault, TransformedRow, Violation};

use crate::bindings::connector::syncline::values::data;
use crate::text::printable_up_to;

pub(crate) type GuestCells = Vec<data::Value>;
pub(crate) type GuestRow = Result<GuestCells, String>;

/// A fault or outcome with more violations than this helps nobody.
const VIOLATIONS_MAX: usize = 100;
/// A plugin cannot ask for a longer pause; the runner asks again after it.
const DELAY_MS_MAX: u64 = 31 * 24 * 60 * 60 * 1000;
/// Of versions and names.
const NAME_BYTES_MAX: usize = 4 * 1024;
/// Of record ids: two of them with what goes before fit into one key of the store.
const ID_BYTES_MAX: usize = 1024;
/// What is shown of a longer id.
const ID_SHOWN_BYTES: usize = 200;

/// An answer that does not hang together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Nonsense(String);

impl Nonsense {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Names for a plugin.
pub(crate) fn texts<T: fmt::Display>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A plugin's fault; `clean` makes its texts fit for people.
pub(crate) fn fault(fault: data::Fault, clean: impl Fn(&str) -> String) -> Fault {
    let clean = |text: String| clean(&text);
    match fault {
        data::Fault::Misconfigured(list) => Fault::Misconfigured(violations(list, &clean)),
        data::Fault::Auth(text) => Fault::Auth(clean(text)),
        data::Fault::Permission(text) => Fault::Permission(clean(text)),
        data::Fault::NotFound(text) => Fault::NotFound(clean(text)),
        data::Fault::CursorExpired(text) => Fault::CursorExpired(clean(text)),
        data::Fault::RetryLater(delay) => {
            Fault::RetryLater { after_ms: delay.after_ms.min(DELAY_MS_MAX), reason: clean(delay.reason) }
        }
        data::Fault::Transient(text) => Fault::Transient(clean(text)),
        data::Fault::Interrupted(text) => Fault::Interrupted(clean(text)),
        data::Fault::Schema(text) => Fault::Schema(clean(text)),
        data::Fault::Protocol(text) => Fault::Protocol(clean(text)),
        data::Fault::Unsupported(text) => Fault::Unsupported(clean(text)),
        data::Fault::Other(text) => Fault::Other(clean(text)),
    }
}

/// What a transform made of one row.
pub(crate) fn transformed(row: GuestRow) -> TransformedRow {
    let cells = row.map_err(|reason| shown(&reason))?;
    cells.into_iter().map(value::lift).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn violations(list: Vec<data::Violation>, clean: &impl Fn(String) -> String) -> Vec<Violation> {
    let list = list.into_iter().take(VIOLATIONS_MAX);
    let violation = |violation: data::Violation| Violation {
        field: violation.field.map(clean),
        code: clean(violation.code),
        message: clean(violation.message),
    };
    list.map(violation).collect()
}

fn shown(text: &str) -> String {
    crate::text::printable(text)
}

/// A name or an id in a message.
fn quoted(name: &str) -> String {
    format!("`{}`", printable_up_to(name, 80))
}

fn checked_name(what: &str, name: String) -> Result<String, Nonsense> {
    match name.len() {
        0 => Err(Nonsense::new(format!("an empty {what}"))),
        bytes if bytes > NAME_BYTES_MAX => Err(Nonsense::new(format!("a {what} of {bytes} bytes: {}", quoted(&name)))),
        _ => Ok(name),
    }
}

/// An id too long to be kept. Its record is left out; a page full of others is not.
#[derive(Debug)]
struct LongId {
    /// Its beginning and a digest: short, and still its own.
    short: RecordId,
    reason: String,
}

/// An id; `Err` inside is one that cannot be kept.
fn record_id(id: String) -> Result<Result<RecordId, LongId>, Nonsense> {
    match id.len() {
        0 => Err(Nonsense::new("an empty record id")),
        bytes if bytes > ID_BYTES_MAX => {
            let shown = &id[..id.floor_char_boundary(ID_SHOWN_BYTES)];
            let digest = &blake3::hash(id.as_bytes()).to_hex()[..32];
            let reason = format!("its id has {bytes} bytes, and at most {ID_BYTES_MAX} can be kept");
            Ok(Err(LongId { short: RecordId::new(format!("{shown}…{digest}")), reason }))
        }
        _ => Ok(Ok(RecordId::new(id))),
    }
}

/// The id of a record that is only spoken of, also when it cannot be kept.
fn shortened_id(id: String) -> Result<RecordId, Nonsense> {
    Ok(record_id(id)?.unwrap_or_else(|long| long.short))
}

fn field_name(name: String) -> Result<FieldName, Nonsense> {
    checked_name("field name", name).map(FieldName::new)
}

/// Checks that no name is there twice.
fn distinct<'name>(what: &str, names: impl ExactSizeIterator<Item = &'name str>) -> Result<(), Nonsense> {
    let mut seen = std::collections::HashSet::with_capacity(names.len());
    for name in names {
        if !seen.insert(name) {
            return Err(Nonsense::new(format!("the {what} {} twice", quoted(name))));
        }
    }
    Ok(())
}
