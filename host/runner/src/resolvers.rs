//! Between decide and write down: asks resolver components about conflicts, and decides these pairs again (E3.1).
//!
//! A resolver is a transform whose rows are the fields of conflicts. It gets [`COLUMNS`], and answers each row with a
//! verdict, `left`, `right`, `hold` or `value`, and for `value` that value as the left side would hold it.
//!
//! Invariant: a resolver that fails, or says something else, holds the conflict for a person.

use std::collections::BTreeMap;

use syncline_core::{Answer, Conflict, ConflictField, Decision, FieldName, Question, Side, TransformUse, Value};

use crate::planning::Work;
use crate::running::Running;
use crate::{Failure, TransformedRow, mapped};

/// What a resolver is told about a field in conflict: its names, what the sides last agreed on, what they hold now, and
/// when they were set.
const COLUMNS: [&str; 8] =
    ["left_field", "right_field", "left_base", "right_base", "left", "right", "left_time", "right_time"];

/// Rows that one call of a resolver takes at the most.
const ROWS_MAX: usize = 1_000;

/// One field that a resolver is asked about.
struct Asked {
    work: usize,
    mapping: usize,
    row: Vec<Option<Value>>,
}

/// Asks about every conflict of a page that a resolver decides.
pub(crate) async fn ask(running: &Running<'_>, works: &mut [Work], decisions: &mut [Decision]) -> Result<(), Failure> {
    let mut asked: BTreeMap<TransformUse, Vec<Asked>> = BTreeMap::new();
    for (work, decision) in decisions.iter().enumerate() {
        for Question { resolver, conflict, mappings } in &decision.questions {
            let Some(conflict) = decision.conflicts.get(*conflict) else { continue };
            let rows = mappings.iter().zip(&conflict.fields);
            asked.entry(resolver.clone()).or_default().extend(rows.map(|(&mapping, field)| Asked {
                work,
                mapping,
                row: row(conflict, field),
            }));
        }
    }
    for (resolver, asked) in asked {
        for chunk in asked.chunks(ROWS_MAX) {
            let answers = answers(running, &resolver, chunk).await;
            for (asked, answer) in chunk.iter().zip(answers) {
                works[asked.work].answers.insert(asked.mapping, answer);
            }
        }
    }
    for (work, decision) in works.iter().zip(decisions).filter(|(work, _)| !work.answers.is_empty()) {
        *decision = work.decide(&running.setup.rules, running.scope_before());
    }
    Ok(())
}

fn row(conflict: &Conflict, field: &ConflictField) -> Vec<Option<Value>> {
    let name = |name: &FieldName| Some(Value::Text(name.to_string()));
    vec![
        name(&field.left_field),
        name(&field.right_field),
        field.left_base.clone(),
        field.right_base.clone(),
        Some(field.left.clone()),
        Some(field.right.clone()),
        conflict.left_time.map(Value::Moment),
        conflict.right_time.map(Value::Moment),
    ]
}

/// Calls a resolver, and makes one answer a row of whatever comes back.
async fn answers(running: &Running<'_>, resolver: &TransformUse, asked: &[Asked]) -> Vec<Answer> {
    let hold = |reason: String| Answer::Hold(Some(format!("the resolver {}: {reason}", resolver.name)));
    let all = |reason: String| asked.iter().map(|_| hold(reason.clone())).collect();
    let Some(component) = running.setup.transforms.get(resolver) else { return all("it is not loaded".to_owned()) };
    let columns = COLUMNS.map(FieldName::from).to_vec();
    let rows = asked.iter().map(|asked| asked.row.clone()).collect();
    let rows = match component.apply(resolver.options.clone(), columns, rows).await {
        Err(fault) => return all(fault.to_string()),
        Ok(rows) if rows.len() != asked.len() => {
            return all(format!("{} rows in, {} rows out", asked.len(), rows.len()));
        }
        Ok(rows) => rows,
    };
    let mut answers = Vec::new();
    for (asked, row) in asked.iter().zip(rows) {
        answers.push(match understand(row) {
            Ok(Said::Is(answer)) => answer,
            Ok(Said::Value(left)) => value(running, asked.mapping, left).await.unwrap_or_else(hold),
            Err(reason) => hold(reason),
        });
    }
    answers
}

/// What a row says.
enum Said {
    Is(Answer),
    /// A value, as the left side would hold it.
    Value(Value),
}

fn understand(row: TransformedRow) -> Result<Said, String> {
    let mut cells = row?.into_iter();
    let verdict = match cells.next().flatten() {
        Some(Value::Text(word) | Value::Choice(word)) => word,
        _ => return Err("it gave no verdict".to_owned()),
    };
    match (verdict.as_str(), cells.next().flatten()) {
        ("left", _) => Ok(Said::Is(Answer::Take(Side::Left))),
        ("right", _) => Ok(Said::Is(Answer::Take(Side::Right))),
        ("hold", _) => Ok(Said::Is(Answer::Hold(None))),
        ("value", Some(value)) => Ok(Said::Value(value)),
        ("value", None) => Err("it gave no value".to_owned()),
        _ => Err("it gave a verdict other than left, right, hold and value".to_owned()),
    }
}

/// Makes what the right side would hold of a value for the left.
async fn value(running: &Running<'_>, mapping: usize, left: Value) -> Result<Answer, String> {
    let left = left.canonical().map_err(|error| error.to_string())?;
    let right = match running.setup.rules.mappings.get(mapping) {
        None => left.clone(),
        Some(mapping) => {
            let made = mapped::one(running.synced.store, running.setup, mapping, Side::Right, left.clone()).await;
            made.map_err(|failure| failure.to_string())?
        }
    };
    Ok(Answer::Value { left, right })
}
