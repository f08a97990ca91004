//! Which records a sync is about, and what becomes of a pair that is no longer among them (E5).
//!
//! Invariant: what cannot be told freezes a pair and never makes it leave (E5.2). Invariant: a filter adds nobody to a
//! list and deletes nothing (B11).
//! Not here: the language of filters (`filter`), matching, which looks at every record whatever its scope (E1.2).

use serde::{Deserialize, Serialize};

use crate::{Direction, FieldName, Filter, ListId, Members, Reason, Record, Side, Truth, Value};

/// Which records a sync is about. Without filters and list: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// What left records are to say.
    pub left: Option<Filter>,
    /// What right records are to say.
    pub right: Option<Filter>,
    /// The list that every record is to be in, whatever the filters say.
    pub list: Option<InclusionList>,
}

/// A list of one application that says which pairs sync, both ways (E5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionList {
    /// The side whose records are in it.
    pub side: Side,
    /// Its id there.
    pub id: ListId,
    /// True: a record that only the other side has is created here with its key alone, so that the list can take it
    /// up; everything else waits until it has (C04).
    pub creates_key_only: bool,
}

/// What becomes of a pair that leaves the scope (E5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// It stays on both sides, and nothing is written any more; the base is kept.
    #[default]
    Freeze,
    /// The change that took it out is still written.
    FinalUpdate,
    /// The records that followed it get a tag.
    Tag,
    /// The base is forgotten: if it comes back, its two records meet as at first pairing.
    Unpair,
}

/// What keeps a pair out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// One record, on the side that a one-way sync does not read from.
    OneWay,
    /// One record, on the side that is known by look-ups alone (E1.2).
    Index,
    /// A filter.
    Filter,
    /// The inclusion list.
    List,
    /// Nobody can tell: a field was not readable, or the list is still being computed.
    Unknown,
}

impl Exclusion {
    /// Returns the reason that is shown.
    pub fn reason(self) -> Reason {
        match self {
            Exclusion::OneWay | Exclusion::Index | Exclusion::Filter => Reason::OutOfScope,
            Exclusion::List => Reason::NotInList,
            Exclusion::Unknown => Reason::ScopeUnknown,
        }
    }
}

/// Whether a pair is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoped {
    /// It is.
    In,
    /// It is not, for this reason; never [`Exclusion::Unknown`].
    Out(Exclusion),
    /// Nobody can tell.
    Unknown,
}

/// A record that is there, and the lists that it is in.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The record.
    pub record: &'a Record,
    /// Its lists.
    pub members: &'a Members,
}

impl Seen<'_> {
    fn passes(&self, filter: &Filter) -> Truth {
        filter.holds(&|field| self.record.get(field), self.members)
    }
}

impl Scope {
    /// Returns the filter of `side`.
    pub fn filter(&self, side: Side) -> Option<&Filter> {
        side.pick(self.left.as_ref(), self.right.as_ref())
    }

    /// Returns the filter of `side` if it has a say: one-way only the source's has (E5.3).
    pub fn filter_in_force(&self, side: Side, direction: Direction) -> Option<&Filter> {
        self.filter(side).filter(|_| direction.writes(side.other()))
    }

    /// Returns the lists of `side` whose members are asked for, sorted.
    pub fn lists(&self, side: Side) -> Vec<ListId> {
        let own = self.list.iter().filter(|list| list.side == side).map(|list| list.id.clone());
        let mut lists: Vec<ListId> = self.filter(side).into_iter().flat_map(Filter::lists).chain(own).collect();
        lists.sort();
        lists.dedup();
        lists
    }

    /// Says whether a pair of which both records are there is in scope: a side without filter takes no part, of the
    /// others one is enough (E5.3); the list counts in any case (E5.4).
    pub fn of_pair(&self, direction: Direction, left: Seen<'_>, right: Seen<'_>) -> Scoped {
        let says = |side: Side| Some(side.pick(left, right).passes(self.filter_in_force(side, direction)?));
        let filters = Side::BOTH.into_iter().filter_map(says).reduce(Truth::or).unwrap_or(Truth::Yes);
        let list = self.list.as_ref().map_or(Truth::Yes, |list| list.side.pick(left, right).members.of(&list.id));
        scoped(filters, list)
    }

    /// Says whether one record is in scope by itself; where its side has no say, `otherwise` counts.
    pub fn of_record(&self, direction: Direction, side: Side, seen: Seen<'_>, otherwise: Truth) -> Scoped {
        let filter = match self.filter_in_force(side, direction) {
            Some(filter) => seen.passes(filter),
            None if self.filter_in_force(side.other(), direction).is_some() => otherwise,
            None => Truth::Yes,
        };
        let list = match &self.list {
            Some(list) if list.side == side => seen.members.of(&list.id),
            Some(_) => otherwise,
            None => Truth::Yes,
        };
        scoped(filter, list)
    }

    /// Says whether a record that is still to be created on `side` would be in scope, by the values that it would have.
    pub fn of_new<'a>(
        &self,
        direction: Direction,
        side: Side,
        value: &dyn Fn(&FieldName) -> Option<&'a Value>,
    ) -> Scoped {
        let Some(filter) = self.filter_in_force(side, direction) else { return Scoped::In };
        // Nobody has put it into a list yet.
        let members = Members(filter.lists().into_iter().map(|list| (list, false)).collect());
        scoped(filter.holds(value, &members), Truth::Yes)
    }
}

fn scoped(filters: Truth, list: Truth) -> Scoped {
    match (filters, list) {
        (Truth::No, _) => Scoped::Out(Exclusion::Filter),
        (_, Truth::No) => Scoped::Out(Exclusion::List),
        (Truth::Yes, Truth::Yes) => Scoped::In,
        _ => Scoped::Unknown,
    }
}
