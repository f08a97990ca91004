//! `index`: which side is known only by what is paired and by look-ups of keys, since reading all of it is too much (E1.2).
//!
//! Such a side is the end of creates and never their origin: what only it holds is not known.

use std::ops::Range;

use syncline_core::{Direction, Index, KeyTuple, Matching, Side, key_to_ask};
use toml::Spanned;

use super::Sync;
use super::matching::MatchChoice;
use super::mistake::{Mistake, listed, shown};
use super::read::{Item, Reader};
use super::rules::Facts;

/// What is kept of each side.
#[derive(Clone, Debug)]
pub struct IndexConfig {
    scoped: Option<Spanned<Side>>,
}

const WORDS: [(&str, Index); 2] = [("full", Index::Full), ("scoped", Index::Scoped)];

impl IndexConfig {
    /// Both sides as a whole.
    pub const FULL: Self = Self { scoped: None };

    /// Returns what is kept of `side`.
    pub fn of(&self, side: Side) -> Index {
        match &self.scoped {
            Some(scoped) if *scoped.get_ref() == side => Index::Scoped,
            _ => Index::Full,
        }
    }

    fn place(&self) -> Option<Range<usize>> {
        self.scoped.as_ref().map(Spanned::span)
    }
}

pub(super) fn read(reader: &mut Reader, item: &Item<'_>, direction: Direction) -> IndexConfig {
    let target = match direction {
        Direction::Both => None,
        Direction::ToLeft => Some(Side::Left),
        Direction::ToRight => Some(Side::Right),
    };
    let place = item.span();
    let scoped: Vec<Side> = if item.get_ref().is_str() {
        let scoped = reader.word(item, "kind of index", &WORDS) == Some(Index::Scoped);
        if scoped && target.is_none() {
            let message = "this sync goes both ways, so it does not say by itself which side is not read as a whole";
            reader.wrong(Mistake::new(&place, message).mend("name it: index = { right = \"scoped\" }"));
        }
        target.into_iter().filter(|_| scoped).collect()
    } else {
        let Some(mut section) = reader.section(item, "`index`") else { return IndexConfig::FULL };
        let mut side = |side: Side, key| {
            let entry = section.take(key)?;
            (reader.word(entry.value, "kind of index", &WORDS)? == Index::Scoped).then_some(side)
        };
        let sides = [side(Side::Left, "left"), side(Side::Right, "right")];
        section.finish(reader, &[]);
        sides.into_iter().flatten().collect()
    };
    if let Some(mistake) = misplaced(&scoped, &place, target) {
        reader.wrong(mistake);
    }
    IndexConfig { scoped: scoped.first().map(|side| Spanned::new(place, *side)) }
}

fn misplaced(scoped: &[Side], place: &Range<usize>, target: Option<Side>) -> Option<Mistake> {
    match scoped {
        [_, _] => {
            let message = "one side has to be read as a whole: its records are what is looked up on the other";
            Some(Mistake::new(place, message).mend("leave one side out"))
        }
        [side] if target == Some(side.other()) => {
            let message =
                format!("this sync makes records of the {side} on the {}, so it has to know them all", side.other());
            Some(Mistake::new(place, message).mend(format!("index the {} so, or nothing", side.other())))
        }
        _ => None,
    }
}

/// Notes each endpoint that one sync reads as a whole and another does not, and references looked up in such a one.
pub(super) fn mistakes(syncs: &[Sync]) -> Vec<Mistake> {
    let active: Vec<&Sync> = syncs.iter().filter(|sync| sync.active).collect();
    let mut mistakes = Vec::new();
    for sync in &active {
        let Some(scoped) = &sync.index.scoped else { continue };
        if matches!(sync.matching.by, MatchChoice::None) {
            let message = "`match` is \"none\", so there is no key by which records could be looked up";
            mistakes.push(Mistake::new(&scoped.span(), message).mend("match by a key, or take `index` out"));
        }
        let endpoint = sync.endpoint(*scoped.get_ref());
        let whole = active.iter().find(|other| {
            Side::BOTH.into_iter().any(|side| other.endpoint(side) == endpoint && other.index.of(side) == Index::Full)
        });
        if let Some(whole) = whole {
            let name = shown(whole.name().as_str());
            let mistake = Mistake::new(&scoped.span(), format!("the sync {name} reads all of {endpoint} anyway"));
            let mistake = mistake.mend("an endpoint is read once for all syncs: index it alike in both");
            mistakes.push(mistake.also(&whole.place(), "reads all of it"));
        }
    }
    mistakes
}

/// Returns what the two objects show to be wrong with the index of `sync`.
pub(super) fn validate(sync: &Sync, matching: &Matching, left: Facts<'_>, right: Facts<'_>) -> Vec<Mistake> {
    let (Some(place), Some(side)) = (sync.index.place(), sync.index.scoped.as_ref().map(|side| *side.get_ref())) else {
        return Vec::new();
    };
    let endpoint = sync.endpoint(side);
    let mut mistakes = Vec::new();
    if !side.pick(left, right).object.abilities.get {
        let message = format!("{endpoint} cannot be asked for records by id, so nothing tells which of them are gone");
        mistakes.push(Mistake::new(&place, message).mend("take `index` out"));
    }
    let askable = |tuple: &&KeyTuple| key_to_ask(tuple, side, [left.schema, right.schema]).is_some();
    for tuple in matching.tuples.iter().filter(|tuple| !askable(tuple)) {
        let names = listed(tuple.fields(side).iter().map(|key| key.field.as_str()));
        let message = format!("{endpoint} cannot look records up by {names}");
        let fields = side.pick(left, right).schema.fields.iter();
        let able = fields.filter(|field| field.can_be_asked()).map(|field| field.name.as_str());
        let able: Vec<&str> = able.collect();
        let mend = match able.as_slice() {
            [] => "take `index` out".to_owned(),
            able => format!("match by a field that it can: {}", listed(able.iter().copied())),
        };
        mistakes.push(Mistake::new(&place, message).mend(mend));
    }
    mistakes
}
