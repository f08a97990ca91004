//! `direction`: which side a sync may write.

use syncline_core::Direction;

use super::read::{Item, Reader};

/// The words of the file.
pub const WORDS: [(&str, Direction); 3] =
    [("both", Direction::Both), ("to-left", Direction::ToLeft), ("to-right", Direction::ToRight)];

pub(super) fn read(reader: &mut Reader, item: &Item<'_>) -> Option<Direction> {
    reader.word(item, "direction", &WORDS)
}
