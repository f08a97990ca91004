//! After an undo: looks at every record that it wrote, and says where it is not as it should be.

use syncline_core::{ChangeKind, EntryState, FieldName, JournalEntry, Settled, Side};

use super::{ENTRIES_MAX, NotUndone, left, not_undone, refresh};
use crate::replica::Known;
use crate::running::Running;
use crate::{Failure, codec, masking};

/// What a look after an undo found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Writes that left what they should.
    pub held: u64,
    /// Writes that were not done, and fields and records that are not as they were written.
    pub differing: u64,
}

/// Goes through the journal of this run page by page; what differs is kept behind the `known` things that were left.
pub(super) async fn verify(running: &mut Running<'_>, known: u64) -> Result<Verified, Failure> {
    let mut verified = Verified::default();
    let (run, entries) = (running.run.id, running.run.entries);
    let mut from = 0;
    while from < entries {
        let to = entries.min(from + ENTRIES_MAX);
        let keys = (from..to).map(|number| codec::journal(run, number)).collect();
        from = to;
        let page: Vec<Option<JournalEntry>> = codec::load_all(running.synced.store, keys).await?;
        let page: Vec<JournalEntry> = page.into_iter().flatten().collect();
        refresh(running, page.iter().map(|entry| (entry, None))).await?;
        let mut wrong = Vec::new();
        for entry in &page {
            let before = wrong.len();
            look(running, entry, &mut wrong).await?;
            verified.held += u64::from(wrong.len() == before);
        }
        verified.differing = left::keep(running, known + verified.differing, &mut wrong).await? - known;
    }
    Ok(verified)
}

async fn look(running: &Running<'_>, entry: &JournalEntry, wrong: &mut Vec<NotUndone>) -> Result<(), Failure> {
    let side: Side = entry.change.side;
    let (record, stored) = match &entry.state {
        EntryState::Settled { outcome: Settled::Written { record, stored, .. }, .. } => (record, stored),
        EntryState::Settled { outcome: Settled::NotDone { detail, .. }, .. } => {
            let schema = &running.endpoint(side).described.schema;
            let secrets = masking::secrets_of(&entry.change, |field| masking::is_sensitive(schema, field));
            let detail = masking::without(detail, &secrets);
            wrong.push(not_undone(entry, None, &format!("it was not done: {detail}")));
            return Ok(());
        }
        EntryState::Intent => {
            wrong.push(not_undone(entry, None, "it is not known whether it was done; the next run looks it up"));
            return Ok(());
        }
    };
    let known = running.endpoint(side).replica().get(std::slice::from_ref(record)).await?.pop().flatten();
    let takes_away = matches!(entry.change.kind, ChangeKind::Delete | ChangeKind::Archive);
    match known {
        Some(Known::Here(_)) if takes_away => wrong.push(not_undone(entry, None, "it is still there")),
        Some(Known::Gone(_)) | None if takes_away => {}
        Some(Known::Gone(_)) | None => wrong.push(not_undone(entry, None, "it is gone again")),
        Some(Known::Here(now)) => {
            let differs = |(field, value): &&(FieldName, _)| now.get(field).is_some_and(|now| now != value);
            let fields = stored.iter().filter(differs);
            wrong.extend(fields.map(|(field, _)| {
                not_undone(entry, Some(field.clone()), "it was written back, and holds something else again")
            }));
        }
    }
    Ok(())
}
