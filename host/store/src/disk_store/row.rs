//! How a row lies in the tree: its key, the header in front of its value, the pieces of a long value.
//!
//! A key is the space (4 bytes, big-endian), the table (1 byte) and the id, so bytewise order is the order of [`Key`].
//! A value is a kind byte, a checksum of 4 bytes over key, kind and body, and the body, which may be packed (`dictionary`).
//! The pieces of a long value lie in a table of their own, the row's table with the highest bit set, where no reader looks.
//! Small rows that lie next to each other are stored as one (`blocks`).
//!
//! Invariant: no row's stored value is longer than [`PIECE_LENGTH_MAX`] and its header, because sled keeps larger pages
//! in files that it never syncs.

use bytes::Bytes;
use syncline_runner::{Key, Space, StoreError, StoreTable};

/// The longest body in one stored value.
pub(super) const PIECE_LENGTH_MAX: usize = 4_096;

/// The space and the table in front of every key.
pub(super) type Prefix = [u8; 5];

/// Behind every key.
pub(super) const END: [u8; 6] = [0xff; 6];

/// The highest bit of a table number: the pieces of that table's long values.
const PIECES: u8 = 0x80;

const HEADER_LENGTH: usize = 5;

/// The highest bit of a kind: the body is packed, behind the number of its dictionary.
const PACKED: u8 = 0x80;

/// Bytes of the number of a dictionary.
pub(super) const NUMBER_LENGTH: usize = 2;

/// The table of the store's own facts, below every table of the runner.
const OWN_TABLE: u8 = 0;

/// What the body of a stored value is. The number is stored and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The value as it is.
    Plain = 0,
    /// Length and checksum of a value that lies in pieces.
    Long = 1,
    /// A piece of a long value.
    Piece = 2,
    /// Several rows.
    Block = 3,
}

impl Kind {
    /// Returns the kind with a stored number.
    pub(super) fn of(number: u8) -> Option<Self> {
        [Kind::Plain, Kind::Long, Kind::Piece, Kind::Block].into_iter().find(|kind| *kind as u8 == number)
    }
}

/// What is stored of a row beside its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) body: Bytes,
}

/// What stands in the row of a long value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongHead {
    length: u32,
    checksum: u32,
}

impl LongHead {
    /// Describes `value`, whose length the limits keep below 4 GB.
    pub(super) fn of(value: &[u8]) -> Self {
        Self { length: value.len() as u32, checksum: crc32fast::hash(value) }
    }

    /// Writes the head as the body of a stored value.
    pub(super) fn to_body(self) -> [u8; 8] {
        let mut body = [0; 8];
        body[..4].copy_from_slice(&self.length.to_be_bytes());
        body[4..].copy_from_slice(&self.checksum.to_be_bytes());
        body
    }

    /// Reads the head of the row at `key`.
    pub(super) fn from_body(key: &[u8], body: &[u8]) -> Result<Self, StoreError> {
        let (length, checksum) = body.split_first_chunk().ok_or_else(|| garbled(key))?;
        let checksum = checksum.try_into().map_err(|_| garbled(key))?;
        Ok(Self { length: u32::from_be_bytes(*length), checksum: u32::from_be_bytes(checksum) })
    }

    /// Returns how many pieces the value has.
    pub(super) fn pieces(self) -> u32 {
        self.length.div_ceil(PIECE_LENGTH_MAX as u32)
    }
}

/// Returns the bytes in front of every key of a table.
pub(super) fn prefix(space: Space, table: StoreTable) -> Prefix {
    let [a, b, c, d] = space.0.to_be_bytes();
    [a, b, c, d, table as u8]
}

/// Returns the first key after those of the table.
pub(super) fn prefix_end(prefix: Prefix) -> Prefix {
    let [a, b, c, d, table] = prefix;
    [a, b, c, d, table + 1]
}

/// Returns the prefix of the pieces of a table.
pub(super) fn pieces_prefix(prefix: Prefix) -> Prefix {
    let [a, b, c, d, table] = prefix;
    [a, b, c, d, table | PIECES]
}

/// Returns the stored key of a row.
pub(super) fn row_key(key: &Key) -> Vec<u8> {
    in_table(prefix(key.space, key.table), &key.id)
}

/// Returns the stored key of row `id` of the table.
pub(super) fn in_table(prefix: Prefix, id: &[u8]) -> Vec<u8> {
    [&prefix, id].concat()
}

/// Returns the stored key of one of the store's own facts.
pub(super) fn own_key(name: &str) -> Vec<u8> {
    in_table([0, 0, 0, 0, OWN_TABLE], name.as_bytes())
}

/// Returns the table of a stored row's key.
pub(super) fn prefix_of(key: &[u8]) -> Option<Prefix> {
    key.first_chunk().copied()
}

/// Returns the space and the number of the table of a stored row's key; `None` for pieces and the store's own facts.
pub(super) fn table_of(key: &[u8]) -> Option<(Space, u8)> {
    let [a, b, c, d, table] = prefix_of(key)?;
    (table != OWN_TABLE && table & PIECES == 0).then(|| (Space(u32::from_be_bytes([a, b, c, d])), table))
}

/// Returns the id in a stored row's key.
pub(super) fn id_of(key: &[u8]) -> &[u8] {
    key.get(size_of::<Prefix>()..).unwrap_or_default()
}

/// Returns the key of a piece of the row at `key`. The number has a fixed width, so two rows never share a piece's key.
pub(super) fn piece_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut piece = [key, &number.to_be_bytes()].concat();
    if let Some(table) = piece.get_mut(4) {
        *table |= PIECES;
    }
    piece
}

/// A body as zstd made it, with the number of the dictionary that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed<T> {
    pub(super) dictionary: u16,
    pub(super) frame: T,
}

/// What is stored behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'stored> {
    /// The body as it is.
    Plain(&'stored [u8]),
    /// The body, packed.
    Packed(Packed<&'stored [u8]>),
}

/// Puts the header in front of `body`.
pub(super) fn encode(key: &[u8], kind: Kind, body: &[u8]) -> Vec<u8> {
    with_header(key, kind as u8, &[body])
}

/// Puts the header in front of a packed body.
pub(super) fn encode_packed(key: &[u8], kind: Kind, packed: &Packed<Vec<u8>>) -> Vec<u8> {
    with_header(key, kind as u8 | PACKED, &[&packed.dictionary.to_be_bytes(), &packed.frame])
}

fn with_header(key: &[u8], kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut stored = Vec::with_capacity(HEADER_LENGTH + length);
    stored.push(kind);
    stored.extend_from_slice(&checksum(key, kind, parts).to_be_bytes());
    parts.iter().for_each(|part| stored.extend_from_slice(part));
    stored
}

/// Takes the header off, or tells that the value is not what was written at `key`.
pub(super) fn decode<'stored>(key: &[u8], stored: &'stored [u8]) -> Result<(Kind, Body<'stored>), StoreError> {
    let (header, body) = stored.split_first_chunk::<HEADER_LENGTH>().ok_or_else(|| garbled(key))?;
    let [kind, a, b, c, d] = *header;
    if u32::from_be_bytes([a, b, c, d]) != checksum(key, kind, &[body]) {
        return Err(garbled(key));
    }
    let body = match kind & PACKED {
        0 => Body::Plain(body),
        _ => {
            let (number, frame) = body.split_first_chunk::<NUMBER_LENGTH>().ok_or_else(|| garbled(key))?;
            Body::Packed(Packed { dictionary: u16::from_be_bytes(*number), frame })
        }
    };
    Kind::of(kind & !PACKED).map(|kind| (kind, body)).ok_or_else(|| garbled(key))
}

/// Returns the value of the row at `key` from what is stored there, with its pieces read through `read`.
pub(super) fn whole_value(
    key: &[u8],
    kind: Kind,
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<Value>, StoreError>,
) -> Result<Vec<u8>, StoreError> {
    match kind {
        Kind::Plain => return Ok(body.to_vec()),
        Kind::Piece | Kind::Block => return Err(garbled(key)),
        Kind::Long => {}
    }
    let head = LongHead::from_body(key, body)?;
    let mut value = Vec::new();
    for number in 0..head.pieces() {
        let piece_key = piece_key(key, number);
        match read(&piece_key)? {
            Some(Value { kind: Kind::Piece, body }) => value.extend_from_slice(&body),
            _ => return Err(garbled(key)),
        }
    }
    if LongHead::of(&value) == head { Ok(value) } else { Err(garbled(key)) }
}

fn checksum(key: &[u8], kind: u8, body: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[kind]);
    body.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// Says that what is stored at `key` is not what was written there.
pub(super) fn garbled(key: &[u8]) -> StoreError {
    let place = match prefix_of(key) {
        Some([0, 0, 0, 0, OWN_TABLE]) => "the store's own facts".to_owned(),
        Some([a, b, c, d, table]) => {
            format!("table {} of space {}", table_name(table & !PIECES), u32::from_be_bytes([a, b, c, d]))
        }
        None => "a key that no table has".to_owned(),
    };
    StoreError::Damaged(format!(
        "a row of {} bytes in {place} does not match its checksum; restore the last copy of the store's folder",
        id_of(key).len()
    ))
}

fn table_name(number: u8) -> String {
    StoreTable::of(number).map_or_else(|| number.to_string(), |table| format!("{table:?}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garbled_value_names_its_table_and_space() {
        let key = row_key(&Key::new(Space(7), StoreTable::Replica, "ada"));
        let mut stored = encode(&key, Kind::Plain, b"hello");
        assert_eq!(decode(&key, &stored), Ok((Kind::Plain, Body::Plain(b"hello"))));
        stored[7] ^= 1;
        let error = decode(&key, &stored).expect_err("one bit is wrong").to_string();
        assert!(error.contains("table replica of space 7"), "{error}");
        assert!(error.contains("restore the last copy"), "{error}");
    }

    #[test]
    fn a_packed_value_names_its_dictionary() {
        let packed = Packed { dictionary: 515, frame: b"frame".to_vec() };
        let stored = encode_packed(b"\0\0\0\x01\x03a", Kind::Block, &packed);
        let body = Body::Packed(Packed { dictionary: 515, frame: b"frame" });
        assert_eq!(decode(b"\0\0\0\x01\x03a", &stored), Ok((Kind::Block, body)));
        for length in 0..stored.len() {
            assert!(decode(b"\0\0\0\x01\x03a", &stored[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn a_value_under_another_key_is_garbled() {
        let stored = encode(b"\0\0\0\x01\x03a", Kind::Plain, b"hello");
        assert!(decode(b"\0\0\0\x01\x03b", &stored).is_err());
        for length in 0..stored.len() {
            assert!(decode(b"\0\0\0\x01\x03a", &stored[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn pieces_of_different_rows_never_share_a_key() {
        let short = piece_key(&in_table([0, 0, 0, 1, 3], b"a"), 0);
        let long = piece_key(&in_table([0, 0, 0, 1, 3], b"a\0\0\0\0"), 0);
        assert_ne!(short, long);
        assert!(short.starts_with(&pieces_prefix([0, 0, 0, 1, 3])));
    }
}
