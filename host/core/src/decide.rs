//! Decides what to do about one pair: rows, base, mapped images and rules in, at most one change a side out.
//!
//! Invariant: the same arguments give the same decision. A deletion is acted on only if it is confirmed (E4.1).
//! Not here: how fields are merged (`merge`), who the counterpart is (`matching`).

use crate::merge::{Images, SideTimes};
use crate::{
    Agreed, Answers, Blocked, Change, ChangeKind, Conflict, DeletePolicy, EditDelete, Exclusion, Fate, FieldChange,
    Lately, Members, Pair, PairState, Question, Record, RecordId, Rounds, Rules, RunId, Scope, Scoped, Seen, Side,
    Truth, Why,
};

mod create;
mod leave;

pub use create::create;

/// What is known of one side of a pair.
#[derive(Clone, Copy, Debug)]
pub enum Presence<'a> {
    /// The record as last observed.
    Here(&'a Record),
    /// Confirmed gone.
    Gone(&'a Fate),
    /// There never was one.
    Never,
}

impl<'a> Presence<'a> {
    /// Returns the record that is there.
    pub fn record(self) -> Option<&'a Record> {
        match self {
            Presence::Here(record) => Some(record),
            Presence::Gone(_) | Presence::Never => None,
        }
    }
}

/// Everything that a decision depends on.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The rules of the sync.
    pub rules: &'a Rules,
    /// The pair.
    pub pair: &'a Pair,
    /// Its left side.
    pub left: Presence<'a>,
    /// Its right side.
    pub right: Presence<'a>,
    /// The values of each side as they would be on the other.
    pub images: &'a Images,
    /// Since which run each mapping is what it is now, in the order of the rules (E2.9); none is named: since ever.
    pub since: &'a [RunId],
    /// When fields changed on the left, where the application tells.
    pub left_times: &'a SideTimes,
    /// When fields changed on the right.
    pub right_times: &'a SideTimes,
    /// By how much the clocks of the two sides differ, as far as was measured (E3.2).
    pub clock_offset_ms: u64,
    /// What resolvers said; none before they are asked (E3.1).
    pub answers: &'a Answers,
    /// The values of one side that came from the other (E6.5).
    pub rounds: &'a Rounds,
    /// What was written to the pair in the last day (E6.4).
    pub lately: &'a Lately,
    /// What this sync took away on the side that is gone (E4.4).
    pub taken: Option<&'a Taken>,
    /// The lists that the left record is in.
    pub left_members: &'a Members,
    /// The lists that the right record is in.
    pub right_members: &'a Members,
    /// The scope that the last run went by, if the rules have another one now.
    pub scope_before: Option<&'a Scope>,
}

/// A record that a sync took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The record.
    pub record: RecordId,
    /// What its delete returned.
    pub raw: Option<String>,
    /// True if its application brings it back under the same id.
    pub comes_back: bool,
}

impl<'a> Situation<'a> {
    /// Returns what is known of `side`.
    pub fn presence(&self, side: Side) -> Presence<'a> {
        side.pick(self.left, self.right)
    }

    /// Returns `record` with its lists.
    fn seen(&self, side: Side, record: &'a Record) -> Seen<'a> {
        Seen { record, members: side.pick(self.left_members, self.right_members) }
    }
}

/// What to do about a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The writes, at most one a side.
    pub changes: Vec<Change>,
    /// The mapped fields on which the sides agree once the changes are done.
    pub agreed: Vec<Agreed>,
    /// The conflicts, decided or not.
    pub conflicts: Vec<Conflict>,
    /// The state of the pair once the changes are done.
    pub then: PairState,
    /// The fields that are left out, and why; everything else goes on.
    pub left_out: Vec<Blocked>,
    /// Why nothing is written although something should be.
    pub blocked: Option<Blocked>,
    /// Whom to ask about which conflicts; with the answers it is decided again.
    pub questions: Vec<Question>,
    /// The base is to be forgotten (E5.5, `unpair`).
    pub forget: bool,
}

impl Decision {
    /// Writes nothing and leaves the pair in `state`.
    pub(crate) fn stay(state: PairState) -> Self {
        Self {
            changes: Vec::new(),
            agreed: Vec::new(),
            conflicts: Vec::new(),
            left_out: Vec::new(),
            then: state,
            blocked: None,
            questions: Vec::new(),
            forget: false,
        }
    }

    /// Leaves the pair alone, out of scope.
    fn outside(why: Exclusion) -> Self {
        Self::stay(PairState::OutOfScope { why })
    }
}

/// Decides about one pair.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let mut decision = of_presence(situation);
    let Decision { changes, agreed, .. } = &mut decision;
    // What another mapping is about to write is compared under this one once it is there.
    agreed.retain(|agreed| !changes.iter().any(|change| writes_for_another(situation.rules, change, agreed)));
    decision
}

/// True if a change writes one of two fields, and not since their mapping says so.
fn writes_for_another(rules: &Rules, change: &Change, agreed: &Agreed) -> bool {
    let side = change.side;
    let mapping = rules.mappings.iter().find(|mapping| agreed.is_under(mapping));
    matches!(change.kind, ChangeKind::Create | ChangeKind::Update)
        && mapping.is_some_and(|mapping| !rules.flows_to(mapping, side))
        && change.fields.iter().any(|field| field.field == *agreed.field(side))
}

fn of_presence(situation: &Situation<'_>) -> Decision {
    let pair = situation.pair;
    match (situation.left, situation.right) {
        _ if matches!(pair.state, PairState::Creating { .. } | PairState::PairCollision { .. }) => {
            Decision::stay(pair.state.clone())
        }
        (Presence::Here(left), Presence::Here(right)) => leave::both(situation, left, right),
        (Presence::Here(record), Presence::Never) => single(situation, Side::Left, record),
        (Presence::Never, Presence::Here(record)) => single(situation, Side::Right, record),
        (Presence::Here(record), Presence::Gone(_)) => survivor(situation, Side::Left, record),
        (Presence::Gone(_), Presence::Here(record)) => survivor(situation, Side::Right, record),
        (Presence::Gone(_) | Presence::Never, Presence::Gone(_) | Presence::Never) => {
            let undone = matches!(pair.state, PairState::Tombstone { undone: true, .. });
            Decision::stay(PairState::Tombstone { gone: None, undone })
        }
    }
}

/// A record without counterpart: created on the other side if direction and scope allow it.
fn single(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let rules = situation.rules;
    if matches!(situation.pair.state, PairState::Tombstone { .. }) {
        // A person forgot its counterpart: wherever filters go, nobody creates for it by himself (E4.4).
        return Decision::stay(situation.pair.state.clone());
    }
    let is_listed = matches!(situation.pair.state, PairState::NoKey | PairState::Ambiguous { .. });
    if !rules.creates_from(side) {
        let why = if rules.direction.writes(side.other()) { Exclusion::Index } else { Exclusion::OneWay };
        return if is_listed { Decision::stay(situation.pair.state.clone()) } else { Decision::outside(why) };
    }
    match rules.scope.of_record(rules.direction, side, situation.seen(side, record), Truth::Yes) {
        Scoped::Out(why) => Decision::outside(why),
        Scoped::Unknown => Decision::outside(Exclusion::Unknown),
        Scoped::In if is_listed => Decision::stay(situation.pair.state.clone()),
        Scoped::In => create(situation, side, record),
    }
}

/// One side is confirmed gone, the other is there (E4.3, E4.4).
fn survivor(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let pair = situation.pair;
    let gone = side.other();
    let edited = is_edited(situation, side, record);
    let writes = situation.rules.direction.writes(gone);
    // A pair that was out of scope when its other record went stays out, unless what is left says otherwise.
    let was_in = Truth::from(!matches!(pair.state, PairState::OutOfScope { .. }));
    let scoped = situation.rules.scope.of_record(situation.rules.direction, side, situation.seen(side, record), was_in);
    let is_in = scoped == Scoped::In;
    match pair.state {
        // Undone by us: left alone until somebody edits it.
        PairState::Tombstone { undone: true, .. } if edited == Truth::Yes && writes && is_in => {
            return create(situation, side, record);
        }
        // This sync took the other one away after this one, so it comes back with it; what people took away stays so.
        PairState::Tombstone { gone: None, undone: false } if writes && is_in && situation.taken.is_some() => {
            return revive(situation, side, record);
        }
        PairState::Tombstone { undone, .. } => {
            return Decision::stay(PairState::Tombstone { gone: Some(gone), undone });
        }
        _ => {}
    }
    match scoped {
        Scoped::In => {}
        // Nothing is written outside the scope: as under `ignore`.
        Scoped::Out(_) => return Decision::stay(PairState::Tombstone { gone: Some(gone), undone: false }),
        // What a person was asked and said is remembered (E4.5).
        Scoped::Unknown if matches!(pair.state, PairState::DeleteWaits { .. } | PairState::EditDelete { .. }) => {
            return Decision::stay(pair.state.clone());
        }
        Scoped::Unknown => return Decision::outside(Exclusion::Unknown),
    }
    let policy = match situation.rules.direction.writes(side) {
        true => situation.rules.deletes_to(side),
        false => DeletePolicy::Ignore,
    };
    let (kind, then) = match policy {
        DeletePolicy::Ignore => return Decision::stay(PairState::Tombstone { gone: Some(gone), undone: false }),
        _ if edited == Truth::Yes && situation.rules.edit_delete == EditDelete::EditWins && writes => {
            return create(situation, side, record);
        }
        // What may be an edit is not taken away unseen either.
        _ if edited != Truth::No && situation.rules.edit_delete != EditDelete::DeleteWins => {
            return Decision::stay(PairState::EditDelete { gone });
        }
        DeletePolicy::Tag => (ChangeKind::Tag, PairState::Tombstone { gone: Some(gone), undone: false }),
        DeletePolicy::Archive => (ChangeKind::Archive, PairState::Tombstone { gone: None, undone: false }),
        DeletePolicy::Delete => (ChangeKind::Delete, PairState::Tombstone { gone: None, undone: false }),
    };
    let mut change = take_away(kind, side, record);
    if change.kind == ChangeKind::Tag {
        change.fields.clear();
    }
    let mut decision = Decision::stay(then);
    decision.changes.push(change);
    decision
}

/// Brings the counterpart of `record` back to the base that the two had; what differs then is merged by the next plan.
fn revive(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let Some(taken) = situation.taken.filter(|taken| taken.comes_back) else {
        return create(situation, side, record);
    };
    let mut decision = Decision::stay(PairState::Linked);
    decision.changes.push(Change {
        side: side.other(),
        kind: ChangeKind::Restore { raw: taken.raw.clone() },
        record: Some(taken.record.clone()),
        version: None,
        fields: Vec::new(),
    });
    decision
}

/// Takes a record away, keeping in the change what an undo needs.
pub fn take_away(kind: ChangeKind, side: Side, record: &Record) -> Change {
    let version = record.version.clone();
    Change { side, kind, record: Some(record.id.clone()), version, fields: farewell(record) }
}

/// Everything that is known of a record that is about to go, so that an undo can make it again.
fn farewell(record: &Record) -> Vec<FieldChange> {
    let cells = record.columns.names().iter().zip(&record.cells);
    let known = cells.filter_map(|(name, cell)| Some((name.clone(), cell.clone()?)));
    known
        .map(|(field, value)| FieldChange { field, before: Some(value), after: crate::Value::Clear, why: Why::Changed })
        .collect()
}

/// Tells whether a mapped field of `record` differs from what was agreed, or holds what never was. Of a field that was
/// agreed on and cannot be read now, nobody can tell.
fn is_edited(situation: &Situation<'_>, side: Side, record: &Record) -> Truth {
    let (rules, base) = (situation.rules, &situation.pair.base);
    // What came from the other side was an edit there, if one at all (E6.5).
    let came_round = |index: usize| situation.rounds.get(&index).is_some_and(|round| round.side == side);
    let mappings = rules.mappings.iter().enumerate().filter(|(index, _)| !came_round(*index));
    let flowing = mappings.filter(|(_, mapping)| rules.flows_to(mapping, side.other()));
    let comes_as_blank =
        |index: usize| matches!(situation.images.to(side.other(), index), Some(Ok(image)) if image.is_blank());
    let edited = flowing.map(|(index, mapping)| match (record.get(mapping.field(side)), base.of(mapping)) {
        (Some(value), Some(cell)) => Truth::from(value != cell.value(side)),
        // Never agreed on: the side that is gone never had it.
        (Some(value), None) => Truth::from(!value.is_blank() && !comes_as_blank(index)),
        (None, Some(_)) => Truth::Unknown,
        (None, None) => Truth::No,
    });
    edited.fold(Truth::No, Truth::or)
}
