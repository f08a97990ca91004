//! What a rewriting application made of a value does not come back (E6.1).

use std::collections::BTreeMap;

use syncline_core::{FieldName, RecordId, Side, Value};

use crate::application::loosely;
use crate::stage::State;

impl State {
    /// Notes what the sync sent to a record.
    pub(crate) fn note_given(&mut self, side: Side, id: &RecordId, sent: BTreeMap<FieldName, Value>) {
        self.given.extend(sent.into_iter().map(|(field, value)| ((side, id.clone(), field), value)));
    }
}

/// Returns the fields of an update that only carry another form of what stands there, which nobody entered.
pub(crate) fn echoes(state: &State, side: Side, id: &RecordId, sent: &BTreeMap<FieldName, Value>) -> Vec<String> {
    let other = side.other();
    let (own, manner) = (&state.app(side).manner, &state.app(other).manner);
    let is_told = manner.answers_with_rows && !state.in_doubt && !state.rules_changed;
    if !manner.rewrites || own.rewrites || !is_told || state.tidies || state.unpairs {
        return Vec::new();
    }
    let is_form = |field: &FieldName, value: &Value| {
        let now = state.value(side, id, field.as_str());
        now.is_some_and(|now| now != *value && loosely(&now) == *value)
    };
    let is_entered = |field: &FieldName, value: &Value| {
        state.automated.contains(field)
            || state.edits.iter().any(|it| it.side == other && it.field == *field && it.value == *value)
    };
    // What stands there as it was sent was never rewritten: a group, or one side's earlier value, may win with it (E2.5).
    let is_verbatim = |field: &FieldName, value: &Value| {
        let mut holders =
            state.app(other).live().filter(|it| it.cells().and_then(|cells| cells.get(field)) == Some(value));
        holders.any(|it| state.given.get(&(other, it.id.clone(), field.clone())) == Some(value))
    };
    let is_echo = |field: &FieldName, value: &Value| {
        is_form(field, value) && !is_entered(field, value) && !is_verbatim(field, value)
    };
    let echoes = sent.iter().filter(|(field, value)| is_echo(field, value));
    echoes.map(|(field, value)| format!("E6.1: {field} of {id} gets back {value}, as the {other} rewrote it")).collect()
}
