//! `[syncs.NAME]`: two endpoints and the rules between them.

use std::ops::Range;

use syncline_core::{Caps, Direction, EditDelete, Endpoint, Guards, Side, SyncName, TargetDrift};
use toml::Spanned;

use super::conflict::{self, ConflictChoice, Conflicts};
use super::deletes::{self, Deletes};
use super::endpoint::{self, EndpointConfig};
use super::index::{self, IndexConfig};
use super::mapping::{self, MappingConfig};
use super::matching::{self, MatchConfig};
use super::mistake::{Mistake, shown};
use super::read::{Entry, Reader, Section};
use super::refers::{AllEnds, ReferChoice};
use super::schedule::{self, Every, Schedule};
use super::scope::{self, ScopeConfig};
use super::transform::TransformChoice;
use super::{caps, direction, drift, edit_delete, guards, zone};

/// Keys that a later version knows.
const LATER: [&str; 2] = ["transfer", "rules"];

/// A sync.
#[derive(Clone, Debug)]
pub struct Sync {
    name: Spanned<SyncName>,
    /// The left endpoint.
    pub left: EndpointConfig,
    /// The right endpoint.
    pub right: EndpointConfig,
    /// Which side may be written.
    pub direction: Direction,
    /// How records find each other.
    pub matching: MatchConfig,
    /// What is kept of each side.
    pub index: IndexConfig,
    /// Who wins.
    pub conflict: Conflicts,
    /// True: the fields of a record are merged as one.
    pub record_atomic: bool,
    /// What an edit of the target of a one-way field leads to.
    pub target_drift: TargetDrift,
    /// The time zone in which days begin, and of its schedule.
    pub zone: String,
    /// What deletes do.
    pub deletes: Deletes,
    /// Who wins where one side deleted and the other edited.
    pub edit_delete: EditDelete,
    /// Which records it is about.
    pub scope: ScopeConfig,
    /// Which of its plans are not carried out unseen.
    pub guards: Guards,
    /// How often its fields and records may be written.
    pub caps: Caps,
    /// True: it may be part of a circle of syncs.
    pub hub: bool,
    /// When `serve` runs it; none for only by hand.
    pub schedule: Option<Schedule>,
    /// How often all ids are listed to find what the applications do not tell; none for daily.
    pub sweep: Option<Every>,
    /// False: a draft.
    pub active: bool,
    /// The default mappings that are switched off, by the name of the field on either side.
    pub defaults_off: Vec<Spanned<String>>,
    /// The user's own mappings.
    pub mappings: Vec<MappingConfig>,
    /// What every sync of the file joins.
    pub all_ends: AllEnds,
}

impl Sync {
    /// Its name.
    pub fn name(&self) -> &SyncName {
        self.name.get_ref()
    }

    /// Where its name stands.
    pub fn place(&self) -> Range<usize> {
        self.name.span()
    }

    /// True if it looks up by a key whom references mean.
    pub fn looks_up(&self) -> bool {
        self.mappings.iter().any(|mapping| matches!(mapping.refers, Some(ReferChoice::By { .. })))
    }

    /// Returns the endpoint on `side`.
    pub fn endpoint(&self, side: Side) -> &Endpoint {
        &side.pick(&self.left, &self.right).endpoint
    }
}

impl Sync {
    /// Returns the components that it names: transforms, then resolvers.
    pub fn components(&self) -> impl Iterator<Item = &TransformChoice> {
        let mappings = || self.mappings.iter();
        let transforms = mappings().flat_map(|mapping| Side::BOTH.map(|side| mapping.transforms_to(side))).flatten();
        let own = mappings().filter_map(|mapping| mapping.conflict.as_ref());
        transforms.chain(std::iter::once(&self.conflict.choice).chain(own).filter_map(ConflictChoice::resolver))
    }
}

/// Characters in the name of a sync or a connection at the most.
const NAME_LENGTH_MAX: usize = 60;

/// Reads the name of a sync or a connection.
pub(super) fn name(reader: &mut Reader, entry: &Entry<'_>, what: &str) -> Option<String> {
    let is_fine = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    let fits = !entry.key.is_empty() && entry.key.chars().count() <= NAME_LENGTH_MAX && entry.key.chars().all(is_fine);
    if !fits {
        let mistake = Mistake::new(&entry.key_place, format!("{} cannot name a {what}", shown(entry.key)));
        reader.wrong(mistake.mend(format!("use up to {NAME_LENGTH_MAX} letters, digits, `-` and `_`")));
    }
    fits.then(|| entry.key.to_owned())
}

pub(super) fn read(reader: &mut Reader, entry: &Entry<'_>, connections: &[&str]) -> Option<Sync> {
    let mut section = reader.section(entry.value, &format!("the sync {}", shown(entry.key)))?;
    section.place = entry.key_place.clone();
    let name = name(reader, entry, "sync");
    let left = endpoint::read(reader, &mut section, "left", connections);
    let right = endpoint::read(reader, &mut section, "right", connections);
    if let (Some(left), Some(right)) = (&left, &right) {
        endpoint::check_distinct(reader, left, right);
    }
    let direction = section.take("direction").and_then(|entry| direction::read(reader, entry.value));
    let direction = direction.unwrap_or(Direction::Both);
    let matching = section.take("match").and_then(|entry| matching::read(reader, entry.value)).unwrap_or_default();
    let index = section.take("index").map(|entry| index::read(reader, entry.value, direction));
    let conflict = section.take("conflict").map(|entry| conflict::read_sync(reader, entry.value)).unwrap_or_default();
    let record_atomic = section.take("record_atomic").and_then(|entry| reader.boolean(entry.value, "`record_atomic`"));
    let target_drift = section.take("target_drift").and_then(|entry| drift::read(reader, entry.value));
    let zone = section.take("zone").and_then(|entry| zone::read(reader, entry.value));
    let deletes =
        section.take("deletes").map(|entry| deletes::read(reader, entry.value, direction)).unwrap_or_default();
    let edit_delete = edit_delete::read(reader, section.take("edit_delete"), &deletes);
    let scope = scope::read(reader, &mut section, direction);
    let guards = section.take("guards").map(|entry| guards::read(reader, entry.value)).unwrap_or_default();
    let caps = section.take("caps").map(|entry| caps::read(reader, entry.value)).unwrap_or_default();
    let hub = section.take("hub").and_then(|entry| reader.boolean(entry.value, "`hub`")).unwrap_or(false);
    let zone = zone.unwrap_or_else(|| zone::DEFAULT.to_owned());
    let schedule = section.take("schedule").and_then(|entry| schedule::read(reader, entry.value, &zone));
    let sweep = section.take("sweep").and_then(|entry| schedule::read_every(reader, entry.value, "sweep"));
    let active = section.take("active").and_then(|entry| reader.boolean(entry.value, "`active`")).unwrap_or(true);
    let defaults_off = defaults_off(reader, &mut section);
    let mappings = section.take("mappings").map(|entry| mapping::read_all(reader, entry.value, direction));
    section.finish(reader, &LATER);
    Some(Sync {
        name: Spanned::new(entry.key_place.clone(), SyncName::new(name?)),
        left: left?,
        right: right?,
        direction,
        matching,
        index: index.unwrap_or(IndexConfig::FULL),
        conflict,
        record_atomic: record_atomic.unwrap_or(false),
        target_drift: target_drift.unwrap_or(TargetDrift::Ignore),
        zone,
        deletes,
        edit_delete,
        scope,
        guards,
        caps,
        hub,
        schedule,
        sweep,
        active,
        defaults_off,
        mappings: mappings.unwrap_or_default(),
        all_ends: AllEnds::default(),
    })
}

fn defaults_off(reader: &mut Reader, section: &mut Section<'_>) -> Vec<Spanned<String>> {
    let Some(entry) = section.take("defaults_off") else { return Vec::new() };
    let items = reader.list(entry.value, "`defaults_off`").unwrap_or_default();
    items.into_iter().filter_map(|item| reader.text(item, "a field of `defaults_off`")).collect()
}
