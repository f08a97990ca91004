//! What a rewriting application made of a value does not come back (E6.1).

use std::collections::BTreeMap;

use syncline_core::{FieldName, RecordId, Side, Value};

use crate::application::loosely;
use crate::stage::State;

/// Returns the fields of an update that only carry another form of what stands there, which nobody entered.
pub(crate) fn echoes(state: &State, side: Side, id: &RecordId, sent: &BTreeMap<FieldName, Value>) -> Vec<String> {
    let other = side.other();
    let (own, manner) = (&state.app(side).manner, &state.app(other).manner);
    let is_told = manner.answers_with_rows && !state.in_doubt && !state.rules_changed;
    if !manner.rewrites || own.rewrites || !is_told || state.tidies {
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
    let echoes = sent.iter().filter(|(field, value)| is_form(field, value) && !is_entered(field, value));
    echoes.map(|(field, value)| format!("E6.1: {field} of {id} gets back {value}, as the {other} rewrote it")).collect()
}
