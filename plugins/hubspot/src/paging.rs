//! Where a read goes on: cursors as text.
//!
//! A listing goes on after an id, a read of changes after an id inside one window of time. The window stays the same
//! from its first page to its last, so any number of records may have one stamp.
//! Invariant: a cursor that is not one of ours, or of another format, is refused as expired, never guessed at.

use serde::{Deserialize, Serialize};
use syncline_sdk::value::Fault;

use crate::records::{Columns, Kind};

/// The format of cursors; another one is read again from the start.
const FORMAT: u32 = 1;

/// The kinds of the columns that a read has, so that its later pages need not ask for the properties again.
///
/// Invariant: kinds are kept within one read only; the next one asks again, so a property that has vanished becomes
/// absent and is not taken for empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownKinds {
    fields: String,
    kinds: String,
}

impl KnownKinds {
    pub(crate) fn of(columns: &Columns) -> Self {
        Self { fields: names_hash(columns.names()), kinds: columns.kinds().iter().map(|kind| kind.letter()).collect() }
    }

    /// The columns for `fields`, if these are the fields that the kinds were noted for.
    pub(crate) fn columns(&self, fields: &[String]) -> Option<Columns> {
        let kinds: Vec<Kind> = self.kinds.chars().map(Kind::from_letter).collect::<Option<_>>()?;
        let fits = kinds.len() == fields.len() && self.fields == names_hash(fields);
        fits.then(|| Columns::new(fields.to_vec(), kinds))
    }
}

/// Where a read goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Cursor {
    /// In a listing of all records, after this id. What changed since the listing began is read from `since_ms`.
    Full { since_ms: i64, after: String, known: KnownKinds },
    /// At the start of a read of what changed since.
    Since { since_ms: i64 },
    /// In a read of changes, after this id; the next read starts at `until_ms`.
    Changes { from_ms: i64, until_ms: i64, after: String, known: KnownKinds },
    /// In a listing of ids, after this one.
    Live { after: String },
    /// In the listing of archived records, after this id.
    Archived { after: Option<String> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    v: u32,
    at: Cursor,
}

impl Cursor {
    /// The cursor as text.
    pub(crate) fn print(self) -> String {
        serde_json::to_string(&Envelope { v: FORMAT, at: self }).expect("a cursor holds nothing that JSON cannot")
    }

    /// Reads a cursor.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        match serde_json::from_str::<Envelope>(text) {
            Ok(envelope) if envelope.v == FORMAT => Ok(envelope.at),
            _ => Err(foreign()),
        }
    }
}

/// The fault of a cursor that does not belong to the read it was given to.
pub(crate) fn foreign() -> Fault {
    Fault::CursorExpired("the cursor is not one of this read".to_owned())
}

/// FNV-1a over the names: small and the same in every build, which a cursor outlives.
fn names_hash(names: &[String]) -> String {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownKinds {
        KnownKinds::of(&Columns::new(vec!["email".into(), "age".into()], vec![Kind::Text, Kind::Number]))
    }

    #[test]
    fn cursors_survive_being_text() {
        for cursor in [
            Cursor::Full { since_ms: 1, after: "512".into(), known: known() },
            Cursor::Since { since_ms: -1 },
            Cursor::Changes { from_ms: 1, until_ms: 2, after: "9".into(), known: known() },
            Cursor::Live { after: "7".into() },
            Cursor::Archived { after: None },
        ] {
            assert_eq!(Cursor::parse(&cursor.clone().print()), Ok(cursor));
        }
    }

    #[test]
    fn foreign_cursors_are_expired() {
        for text in ["", "end", "{}", r#"{"v":2,"at":{"since":{"since_ms":1}}}"#, r#"{"v":1,"at":{"since":{}}}"#] {
            assert!(matches!(Cursor::parse(text), Err(Fault::CursorExpired(_))), "{text}");
        }
    }

    #[test]
    fn kinds_are_for_the_fields_they_were_noted_for() {
        let fields = ["email".to_owned(), "age".to_owned()];
        assert_eq!(known().columns(&fields).expect("they fit").kinds(), [Kind::Text, Kind::Number]);
        assert!(known().columns(&["age".to_owned(), "email".to_owned()]).is_none());
        assert!(known().columns(&fields[..1]).is_none());
    }

    #[test]
    fn a_cursor_for_a_thousand_fields_fits_its_bound() {
        let names: Vec<String> = (0..1000).map(|number| format!("property_{number}")).collect();
        let columns = Columns::new(names, vec![Kind::Text; 1000]);
        let known = KnownKinds::of(&columns);
        assert!(Cursor::Full { since_ms: 0, after: "9".into(), known }.print().len() < 64 * 1024);
    }
}
