//! `deletes`: what a confirmed delete on one side does to the other (E4.3).

use syncline_core::{DeletePolicy, Direction, Side};
use toml::Spanned;

use super::mistake::Mistake;
use super::read::{Item, Reader, Section};

/// What deletes do in each direction.
#[derive(Clone, Debug)]
pub struct Deletes {
    /// What a delete on the right does to the left.
    pub to_left: Spanned<DeletePolicy>,
    /// What a delete on the left does to the right.
    pub to_right: Spanned<DeletePolicy>,
}

impl Deletes {
    /// Returns what a delete on the other side does to `side`, and where that stands.
    pub fn to(&self, side: Side) -> &Spanned<DeletePolicy> {
        side.pick(&self.to_left, &self.to_right)
    }
}

/// The words of the file.
pub const WORDS: [(&str, DeletePolicy); 4] = [
    ("ignore", DeletePolicy::Ignore),
    ("tag", DeletePolicy::Tag),
    ("archive", DeletePolicy::Archive),
    ("delete", DeletePolicy::Delete),
];

impl Default for Deletes {
    fn default() -> Self {
        Self { to_left: ignored(), to_right: ignored() }
    }
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>, direction: Direction) -> Deletes {
    let Some(mut section) = reader.section(item, "`deletes`") else { return Deletes::default() };
    let to_left = side(reader, &mut section, "to_left", Side::Left, direction);
    let to_right = side(reader, &mut section, "to_right", Side::Right, direction);
    section.finish(reader, &[]);
    Deletes { to_left, to_right }
}

fn side(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
    side: Side,
    direction: Direction,
) -> Spanned<DeletePolicy> {
    let Some(entry) = section.take(key) else { return ignored() };
    let policy = reader.word(entry.value, "policy for deletes", &WORDS).unwrap_or(DeletePolicy::Ignore);
    if policy != DeletePolicy::Ignore && !direction.writes(side) {
        let mistake =
            Mistake::new(&entry.value.span(), format!("`{key}` can never happen: this sync does not write the {side}"));
        reader.wrong(mistake.mend(format!("take `{key}` out, or set `direction = \"both\"`")));
    }
    Spanned::new(entry.value.span(), policy)
}

/// Nothing happens, and nobody wrote that down.
fn ignored() -> Spanned<DeletePolicy> {
    Spanned::new(0..0, DeletePolicy::Ignore)
}
