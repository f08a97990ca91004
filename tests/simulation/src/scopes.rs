//! Scopes of histories, and what they mean for records as they really are.

use syncline_core::{
    Columns, Exclusion, Filter, InclusionList, Leave, ListId, Members, Pair, PairState, ParsedFilter, Record, RecordId,
    Scope, Scoped, Seen, Side, Truth,
};

use crate::application::Manner;
use crate::chance::Chance;
use crate::connector::{listed, schema};
use crate::stage::{FIELDS, Simulation, State};

/// Reads a filter on the fields of both applications.
pub fn filter(text: &str) -> Filter {
    let parsed = ParsedFilter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    parsed.typed(&schema(&Manner::PLAIN, Side::Left)).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// Makes an inclusion list; its members are the records whose name holds `id`.
pub fn list(side: Side, id: &str) -> InclusionList {
    InclusionList { side, id: ListId::from(id), creates_key_only: true }
}

/// Draws a scope; every other one lets everything in.
pub(crate) fn draw(chance: &mut Chance) -> Scope {
    let mut filtered = |percent| {
        let texts = [
            "name contains '1'",
            "city is blank or name contains '2'",
            "not note contains 'v' and email is not blank",
            "street is not blank",
        ];
        chance.percent(percent).then(|| filter(chance.pick(&texts)))
    };
    let (left, right) = (filtered(30), filtered(20));
    let list = chance.percent(12).then(|| list(chance.pick(&Side::BOTH), chance.pick(&["1", "2"])));
    Scope { left, right, list }
}

/// Draws what becomes of what leaves.
pub(crate) fn draw_leave(chance: &mut Chance) -> Leave {
    chance.pick(&[Leave::Freeze, Leave::FinalUpdate, Leave::Tag, Leave::Unpair])
}

/// Holds the state of every pair against the records as they are now.
pub(crate) fn scopes_hold(simulation: &Simulation, pairs: &[Pair], breaches: &mut Vec<String>) {
    let state = simulation.stage.lock();
    let rules = &simulation.setup.rules;
    for pair in pairs.iter().filter(|pair| pair.trouble.is_none()) {
        // Nothing is made for a record that only the target of a one-way sync has (B04).
        let is_only_there = pair.only_side().is_some_and(|side| !rules.direction.writes(side.other()));
        let is_left = pair.state == PairState::OutOfScope { why: Exclusion::OneWay };
        if is_left != (is_only_there && matches!(pair.state, PairState::OutOfScope { .. })) {
            breaches.push(format!("B04: {:?} does not fit {pair:?}", rules.direction));
        }
        if is_only_there {
            continue;
        }
        let records = Side::BOTH.map(|side| record(&state, side, pair.id(side)?));
        let members = Side::BOTH.map(|side| members(&state, &rules.scope, side, pair.id(side)));
        let seen = |side: Side| {
            let [left, right] = &records;
            let members = side.pick(&members[0], &members[1]);
            Some(Seen { record: side.pick(left, right).as_ref()?, members })
        };
        let scoped = match (seen(Side::Left), seen(Side::Right), pair.only_side()) {
            (Some(left), Some(right), _) => rules.scope.of_pair(rules.direction, left, right),
            (left, right, Some(side)) if side.pick(left, right).is_some() => {
                let other = side.other();
                let is_free = rules.scope.filter(other).is_none() && rules.scope.list.is_none();
                match side.pick(left, right).map(|seen| rules.scope.of_record(rules.direction, side, seen, Truth::Yes))
                {
                    Some(Scoped::In) if is_free => Scoped::In,
                    _ => continue,
                }
            }
            _ => continue,
        };
        let fits = match (&pair.state, scoped) {
            (PairState::Linked, Scoped::In) => true,
            (PairState::OutOfScope { why: Exclusion::Index }, Scoped::In) => {
                pair.only_side().is_some_and(|side| !rules.creates_from(side))
            }
            (PairState::OutOfScope { why }, Scoped::Out(is)) => *why == is,
            (PairState::Linked | PairState::OutOfScope { .. }, _) => false,
            _ => true,
        };
        if !fits {
            breaches.push(format!("E5.3: {scoped:?} does not fit {pair:?}"));
        }
    }
}

/// True if nobody could tell whether a pair is in scope.
pub(crate) fn is_unknown(pair: &Pair) -> bool {
    pair.state == PairState::OutOfScope { why: Exclusion::Unknown }
}

fn record(state: &State, side: Side, id: &RecordId) -> Option<Record> {
    state.app(side).entries.get(id)?.cells()?;
    let columns = Columns::new(FIELDS.iter().map(|field| (*field).into()));
    let cells = columns.names().iter().map(|field| state.value(side, id, field.as_str())).collect();
    Some(Record { id: id.clone(), version: None, created_at: None, modified_at: None, columns, cells })
}

fn members(state: &State, scope: &Scope, side: Side, id: Option<&RecordId>) -> Members {
    let name = id.and_then(|id| state.value(side, id, "name"));
    Members(scope.lists(side).into_iter().map(|list| (list.clone(), listed(name.as_ref(), list.as_str()))).collect())
}
