//! Plans the counterpart of a record.

use std::collections::BTreeSet;

use super::{Decision, Situation};
use crate::{
    Agreed, Blocked, Change, ChangeKind, Exclusion, FieldChange, FieldName, Mapping, MappingRule, PairState, Reason,
    Record, Scoped, Side, Value, Why, Writable, links, merge,
};

/// Plans the counterpart of `record`, with every mapped value that is not blank; outside the inclusion list with its
/// key alone (C04). What it would create is to be in scope itself (E5.3).
pub fn create(situation: &Situation<'_>, side: Side, record: &Record) -> Decision {
    let target = side.other();
    let list = situation.rules.scope.list.as_ref().filter(|list| list.side == target);
    if list.is_some_and(|list| !list.creates_key_only) {
        return stays_out(situation, Exclusion::List);
    }
    let only = list.map(|_| key_fields(situation, target));
    let then = if list.is_some() { PairState::OutOfScope { why: Exclusion::List } } else { PairState::Linked };
    let mut making = Making { situation, side, decision: Decision::stay(then), fields: Vec::new() };
    for (index, mapping) in situation.rules.mappings.iter().enumerate() {
        let is_wanted = only.as_ref().is_none_or(|only| only.contains(mapping.field(target)));
        if let Some(value) = record.get(mapping.field(side)).filter(|_| is_wanted) {
            making.carry(index, mapping, value);
        }
    }
    let Making { mut decision, fields, .. } = making;
    if list.is_some() && fields.is_empty() && decision.blocked.is_none() {
        return stays_out(situation, Exclusion::List);
    }
    match would_be(situation, target, &fields, record) {
        Scoped::In => {}
        Scoped::Out(why) => return stays_out(situation, why),
        Scoped::Unknown => return stays_out(situation, Exclusion::Unknown),
    }
    if fields.is_empty() && decision.blocked.is_none() {
        decision.blocked = Some(decision.left_out.first().cloned().unwrap_or_else(|| Blocked {
            reason: Reason::Validation,
            side: target,
            field: None,
            detail: "none of its mapped fields has a value to write".to_owned(),
            until: None,
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

/// A new record on its way: what it is given, and what its sides agree on from then on.
struct Making<'a> {
    situation: &'a Situation<'a>,
    /// The side of the record that it is made for.
    side: Side,
    decision: Decision,
    fields: Vec<FieldChange>,
}

impl Making<'_> {
    /// Carries one value over, or tells why it cannot be.
    fn carry(&mut self, index: usize, mapping: &Mapping, value: &Value) {
        let (situation, side, target) = (self.situation, self.side, self.side.other());
        let links = situation.images.links.get(&index);
        let image = situation.images.to(target, index);
        let given = image.and_then(|image| image.as_ref().ok()).unwrap_or(&Value::Clear);
        let linked = links.map(|links| side.pick(links.agreed(value, given), links.agreed(given, value)));
        let agreed = Agreed { links: linked, ..Agreed::under(mapping) };
        let flows = situation.rules.flows_to(mapping, target) && mapping.writable(target) != Writable::Never;
        // A value that the new record does not get is none on which the sides agree.
        if mapping.rule != MappingRule::Off && (flows || value.is_blank()) {
            self.decision.agreed.push(agreed.clone());
        }
        if !flows || value.is_blank() {
            return;
        }
        match image {
            Some(Ok(image)) if image.is_blank() => {}
            Some(Ok(image)) => self.fields.push(FieldChange {
                field: mapping.field(target).clone(),
                before: None,
                after: image.clone(),
                why: Why::New,
            }),
            Some(Err(unfit)) => {
                let blocked = merge::unfit_for(mapping, target, unfit);
                match merge::rejects_record(mapping, unfit) {
                    true => self.decision.blocked = Some(blocked),
                    false => {
                        self.decision.agreed.retain(|known| *known != agreed);
                        self.decision.left_out.push(blocked);
                    }
                }
            }
            None => {}
        }
        // A part of the references waits; where all do, that was told above.
        let waiting = links.map(|links| links.waiting(side, value)).filter(|_| matches!(image, Some(Ok(_))));
        if let Some(waiting) = waiting.filter(|waiting| !waiting.is_empty()) {
            self.decision.left_out.push(merge::unfit_for(mapping, target, &links::waits(&waiting)));
        }
    }
}

/// The fields of `side` by which records find each other.
fn key_fields<'a>(situation: &Situation<'a>, side: Side) -> BTreeSet<&'a FieldName> {
    let tuples = situation.rules.matching.tuples.iter();
    tuples.flat_map(|tuple| tuple.fields(side)).map(|key| &key.field).collect()
}

/// Says whether the record to be created would be in scope: what it is not given it does not have.
fn would_be(situation: &Situation<'_>, target: Side, fields: &[FieldChange], record: &Record) -> Scoped {
    let rules = situation.rules;
    let value = |field: &FieldName| {
        if let Some(change) = fields.iter().find(|change| change.field == *field) {
            return Some(&change.after);
        }
        let mut sources = rules.mappings.iter().filter(|mapping| {
            mapping.field(target) == field && rules.flows_to(mapping, target) && mapping.rule != MappingRule::Off
        });
        let is_unknown = sources.any(|mapping| record.get(mapping.field(target.other())).is_none());
        if is_unknown { None } else { Some(&Value::Clear) }
    };
    rules.scope.of_new(rules.direction, target, &value)
}

/// Not created: a record that was there before keeps its state, a single one is out of scope.
fn stays_out(situation: &Situation<'_>, why: Exclusion) -> Decision {
    match &situation.pair.state {
        PairState::Tombstone { .. } => Decision::stay(situation.pair.state.clone()),
        _ => Decision::outside(why),
    }
}
