//! Writing: batches in, outcomes out.
//!
//! Invariant: an answer has as many outcomes as operations. Missing ones are unknown; more than there are operations, or
//! one that points nowhere, is nonsense, and then nothing of the answer is believed.

use syncline_runner::{Action, Created, Made, Operation, Outcome, WriteAnswer, WriteRequest};

use super::read::{endpoint, moved, same_count};
use super::{DELAY_MS_MAX, Nonsense, record_id, shown, table, texts, value, violations};
use crate::bindings::connector::exports::syncline::connector::sink;

pub(crate) fn request(request: WriteRequest) -> sink::WriteRequest {
    sink::WriteRequest {
        endpoint: endpoint(&request.target),
        columns: texts(&request.columns),
        operations: request.operations.into_iter().map(operation).collect(),
        returning: texts(&request.returning),
    }
}

pub(crate) fn answer(answer: sink::WriteAnswer, operations: usize) -> Result<WriteAnswer, Nonsense> {
    if answer.outcomes.len() > operations {
        return Err(Nonsense::new(format!("{} outcomes for {operations} operations", answer.outcomes.len())));
    }
    let checked = table::checked(answer.records)?;
    let outcomes = answer.outcomes.into_iter().map(|outcome| lift_outcome(outcome, &checked));
    let mut outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
    outcomes.resize_with(operations, || Outcome::Unknown("the plugin gave no outcome".to_owned()));
    Ok(WriteAnswer { records: checked.table, outcomes })
}

/// A row that cannot be read leaves its key unclear: left out, it would read as "nothing was created".
pub(crate) fn created(created: sink::Created, keys: usize) -> Result<Created, Nonsense> {
    same_count("answers", created.made.len(), "keys", keys)?;
    let checked = table::checked(created.records)?;
    let lift = |made| {
        Ok(match made {
            sink::Made::At(index) => match checked.row(index)? {
                Ok(row) => Made::At(row),
                Err(reason) => Made::Unclear(reason.to_owned()),
            },
            sink::Made::Nothing => Made::Nothing,
            sink::Made::Unclear(reason) => Made::Unclear(shown(&reason)),
        })
    };
    let made = created.made.into_iter().map(lift).collect::<Result<_, Nonsense>>()?;
    Ok(Created { records: checked.table, made })
}

fn operation(operation: Operation) -> sink::Operation {
    sink::Operation {
        action: match operation.action {
            Action::Create(key) => sink::Action::Create(key),
            Action::Update(id) => sink::Action::Update(id.to_string()),
            Action::Delete(id) => sink::Action::Delete(id.to_string()),
            Action::Archive(id) => sink::Action::Archive(id.to_string()),
            Action::Restore(id) => sink::Action::Restore(id.to_string()),
            Action::Tag(id, tag) => sink::Action::Tag((id.to_string(), tag)),
        },
        expected_version: operation.expected_version.map(|version| version.to_string()),
        cells: value::lower_cells(operation.cells),
        raw: operation.raw,
    }
}

fn lift_outcome(outcome: sink::Outcome, checked: &table::Checked) -> Result<Outcome, Nonsense> {
    // A row that holds no values is as good as none: the runner then reads the record.
    let row =
        |index: Option<u32>| index.map(|index| checked.row(index)).transpose().map(|row| row.and_then(Result::ok));
    Ok(match outcome {
        sink::Outcome::Written(written) => {
            let (stored, raw) = (row(written.stored)?, written.raw);
            match record_id(written.id)? {
                Ok(id) => Outcome::Written { id, stored, raw },
                Err(long) => Outcome::Unknown(format!("the record was written, but {}", long.reason)),
            }
        }
        sink::Outcome::RetryLater(delay) => {
            Outcome::RetryLater { after_ms: delay.after_ms.min(DELAY_MS_MAX), reason: shown(&delay.reason) }
        }
        sink::Outcome::VersionConflict(current) => Outcome::VersionConflict(row(current)?),
        sink::Outcome::NotFound => Outcome::NotFound,
        sink::Outcome::MergedInto(id) => match record_id(id)? {
            Ok(id) => Outcome::MergedInto(id),
            Err(long) => Outcome::Unsupported(moved(&long)),
        },
        sink::Outcome::Invalid(list) => Outcome::Invalid(violations(list, &|text| shown(&text))),
        sink::Outcome::DuplicateOf(id) => Outcome::DuplicateOf(id.map(record_id).transpose()?.and_then(Result::ok)),
        sink::Outcome::Permission(text) => Outcome::Permission(shown(&text)),
        sink::Outcome::Quota(delay) => {
            Outcome::Quota { after_ms: delay.after_ms.min(DELAY_MS_MAX), reason: shown(&delay.reason) }
        }
        sink::Outcome::Unsupported(text) => Outcome::Unsupported(shown(&text)),
        sink::Outcome::Unknown(text) => Outcome::Unknown(shown(&text)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, answer};
    use crate::bindings::connector::exports::syncline::connector::sink;
    use crate::bindings::connector::syncline::connector::records;

    #[test]
    fn an_id_that_cannot_be_kept_spoils_its_own_outcome_only() {
        let long = "x".repeat(1025);
        let written = |id: &str| sink::Outcome::Written(sink::Written { id: id.to_owned(), stored: None, raw: None });
        let outcomes = vec![
            written("a"),
            written(&long),
            sink::Outcome::MergedInto(long.clone()),
            sink::Outcome::DuplicateOf(Some(long)),
        ];
        let records = records::Table { columns: Vec::new(), rows: Vec::new() };
        let answer = answer(sink::WriteAnswer { records, outcomes }, 4).expect("an answer");
        assert!(
            matches!(
                &answer.outcomes[..],
                [Outcome::Written { .. }, Outcome::Unknown(_), Outcome::Unsupported(_), Outcome::DuplicateOf(None)]
            ),
            "{answer:?}"
        );
    }
}
