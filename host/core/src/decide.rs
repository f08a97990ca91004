//! Decides what to do about one pair: rows, base, mapped images and rules in, at most one change a side out.
//!
//! Invariant: the same arguments give the same decision. A deletion is acted on only if it is confirmed (E4.1).
//! Not here: how fields are merged (`merge`), who the counterpart is (`matching`).

use crate::merge::{self, Images, SideTimes};
use crate::{
    Agreed, Answers, Base, Blocked, Change, ChangeKind, Conflict, DeletePolicy, EditDelete, Fate, FieldChange, Pair,
    PairState, Question, Reason, Record, RecordId, Rules, RunId, Side, Why, Writable,
};

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
    /// What this sync took away on the side that is gone (E4.4).
    pub taken: Option<&'a Taken>,
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
}

impl Decision {
    fn stay(state: PairState) -> Self {
        Self {
            changes: Vec::new(),
            agreed: Vec::new(),
            conflicts: Vec::new(),
            left_out: Vec::new(),
            then: state,
            blocked: None,
            questions: Vec::new(),
        }
    }
}

/// Decides about one pair.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let pair = situation.pair;
    match (situation.left, situation.right) {
        _ if matches!(pair.state, PairState::Creating { .. } | PairState::PairCollision { .. }) => {
            Decision::stay(pair.state.clone())
        }
        (Presence::Here(left), Presence::Here(right)) => merge::merge(situation, left, right),
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

/// A record without counterpart: created on the other side if the direction allows it.
fn single(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    match &situation.pair.state {
        // A person took its counterpart away from it: it is found by others, and nothing is created for it (E4.4).
        PairState::NoKey | PairState::Ambiguous { .. } | PairState::Tombstone { .. } => {
            Decision::stay(situation.pair.state.clone())
        }
        _ if situation.rules.direction.writes(side.other()) => create(situation, side, record),
        _ => Decision::stay(PairState::OutOfScope),
    }
}

/// Plans the counterpart of `record`, with every mapped value that is not blank.
pub fn create(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let target = side.other();
    let mut decision = Decision::stay(PairState::Linked);
    let mut fields = Vec::new();
    for (index, mapping) in situation.rules.mappings.iter().enumerate() {
        let Some(value) = record.get(mapping.field(side)) else { continue };
        let agreed = Agreed { left: mapping.left.clone(), right: mapping.right.clone() };
        let flows = situation.rules.flows_to(mapping, target) && mapping.writable(target) != Writable::Never;
        // A value that the new record does not get is none on which the sides agree.
        if mapping.rule != crate::MappingRule::Off && (flows || value.is_blank()) {
            decision.agreed.push(agreed.clone());
        }
        if !flows || value.is_blank() {
            continue;
        }
        match situation.images.to(target, index) {
            Some(Ok(image)) if image.is_blank() => {}
            Some(Ok(image)) => fields.push(FieldChange {
                field: mapping.field(target).clone(),
                before: None,
                after: image.clone(),
                why: Why::New,
            }),
            Some(Err(unfit)) => {
                let blocked = merge::unfit_for(mapping, target, unfit);
                match merge::rejects_record(mapping, unfit) {
                    true => decision.blocked = Some(blocked),
                    false => {
                        decision.agreed.retain(|known| *known != agreed);
                        decision.left_out.push(blocked);
                    }
                }
            }
            None => {}
        }
    }
    if fields.is_empty() && decision.blocked.is_none() {
        decision.blocked = Some(decision.left_out.first().cloned().unwrap_or_else(|| Blocked {
            reason: Reason::Validation,
            side: target,
            field: None,
            detail: "none of its mapped fields has a value to write".to_owned(),
        }));
    }
    if decision.blocked.is_some() {
        decision.agreed.clear();
        decision.left_out.clear();
        decision.then = situation.pair.state.clone();
        return decision;
    }
    decision.changes.push(Change { side: target, kind: ChangeKind::Create, record: None, version: None, fields });
    decision
}

/// One side is confirmed gone, the other is there (E4.3, E4.4).
fn survivor(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let pair = situation.pair;
    let gone = side.other();
    let edited = is_edited(situation.rules, &pair.base, side, record);
    let writes = situation.rules.direction.writes(gone);
    match pair.state {
        // Undone by us: left alone until somebody edits it.
        PairState::Tombstone { undone: true, .. } if edited && writes => return create(situation, side, record),
        // This sync took the other one away after this one, so it comes back with it; what people took away stays so.
        PairState::Tombstone { gone: None, undone: false } if writes && situation.taken.is_some() => {
            return revive(situation, side, record);
        }
        PairState::Tombstone { undone, .. } => {
            return Decision::stay(PairState::Tombstone { gone: Some(gone), undone });
        }
        _ => {}
    }
    let policy = match situation.rules.direction.writes(side) {
        true => situation.rules.deletes_to(side),
        false => DeletePolicy::Ignore,
    };
    let (kind, then) = match policy {
        DeletePolicy::Ignore => return Decision::stay(PairState::Tombstone { gone: Some(gone), undone: false }),
        _ if edited && situation.rules.edit_delete == EditDelete::EditWins && writes => {
            return create(situation, side, record);
        }
        _ if edited && situation.rules.edit_delete != EditDelete::DeleteWins => {
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

/// True if a mapped field of `record` differs from what was agreed, or holds what never was.
fn is_edited(rules: &Rules, base: &Base, side: Side, record: &Record) -> bool {
    rules.mappings.iter().filter(|mapping| rules.flows_to(mapping, side.other())).any(|mapping| {
        let field = mapping.field(side);
        match (record.get(field), base.side(side).get(field)) {
            (Some(value), Some(cell)) => *value != cell.value,
            // Never agreed on: the side that is gone never had it.
            (Some(value), None) => !value.is_blank(),
            (None, _) => false,
        }
    })
}
