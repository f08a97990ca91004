//! Between pull and plan: looks up creates with an unknown outcome when it is time to.
//!
//! Invariant: such a create is sent again only after a look-up found nothing and nothing can still come to light (E1.8).

use syncline_core::{
    Agreed, EntryState, FieldChange, Instant, JournalEntry, Mapping, MappingRule, Pair, PairId, PairState, PlanItem,
    Record, Side, Standing, Why,
};

use crate::push::Pending;
use crate::replica::Known;
use crate::running::Running;
use crate::{Failure, codec, recover, settle, undo};

/// How far an application's clock may be off, in milliseconds.
const CLOCKS_MS: i64 = 60 * 60 * 1_000;

/// The plan holds no item with this number.
const NOT_PLANNED: u64 = u64::MAX;

/// Looks up the creates that are due and takes over what is found.
pub(crate) async fn look_up_due(running: &mut Running<'_>) -> Result<(), Failure> {
    let now = running.context.world.now();
    let mut after = None;
    while let Some(due) = running.synced.due(now, &mut after).await? {
        let mut page = Vec::new();
        for (id, pair) in due {
            page.extend(pending(running, id, &pair).await?);
        }
        if !page.is_empty() {
            recover::look_up_page(running, &mut page).await?;
            page.iter().for_each(|pending| running.see(pending.item.pair));
            settle::settle(running, page).await?;
        }
    }
    Ok(())
}

/// Creates of which nobody knows yet whether they made a record: a new record may be theirs (E1.8).
///
/// Not here: creates that are never looked up, since the application promises nothing; they would hold for ever.
#[derive(Default)]
pub(crate) struct Unclear {
    entries: Vec<JournalEntry>,
}

impl Unclear {
    /// How many are kept in memory.
    const ENTRIES_MAX: usize = 10_000;

    /// Reads those that wait to be looked up.
    pub(crate) async fn read(running: &Running<'_>) -> Result<Self, Failure> {
        let mut unclear = Self::default();
        if !running.state.totals.counts.keys().any(|(standing, _)| *standing == Standing::Uncertain) {
            return Ok(unclear);
        }
        let mut after = None;
        loop {
            let page = running.synced.queued(Instant::MAX, after).await?;
            let Some(last) = page.last() else { return Ok(unclear) };
            after = Some(*last);
            let ids: Vec<PairId> = page.into_iter().map(|(_, id)| id).collect();
            for pair in running.synced.pairs(&ids).await?.into_iter().flatten() {
                if let PairState::Creating { run, number } = pair.state
                    && unclear.entries.len() < Self::ENTRIES_MAX
                {
                    unclear.entries.extend(codec::load(running.synced.store, codec::journal(run, number)).await?);
                }
            }
        }
    }

    /// True if `record` may have been made by one of these: it holds something that was sent.
    pub(crate) fn may_have_made(&self, side: Side, record: &Record) -> bool {
        self.entries.iter().filter(|entry| entry.change.side == side).any(|entry| {
            let earlier = record.created_at.is_some_and(|at| at < entry.at - CLOCKS_MS);
            let holds = |field: &FieldChange| !field.after.is_blank() && record.get(&field.field) == Some(&field.after);
            !earlier && entry.change.fields.iter().any(holds)
        })
    }
}

/// Makes the create of a pair an item of its own again, from what the journal says of it.
async fn pending(running: &Running<'_>, id: PairId, pair: &Pair) -> Result<Option<Pending>, Failure> {
    let PairState::Creating { run, number } = pair.state else { return Ok(None) };
    let Some(mut entry) = codec::load::<JournalEntry>(running.synced.store, codec::journal(run, number)).await? else {
        return Ok(None);
    };
    let is_due =
        pair.trouble.as_ref().and_then(|trouble| trouble.next_at).is_some_and(|at| at <= running.context.world.now());
    if !is_due {
        return Ok(None);
    }
    entry.state = EntryState::Intent;
    let origin = entry.change.side.other();
    let record = match pair.id(origin) {
        Some(id) => running.endpoint(origin).replica().get(std::slice::from_ref(id)).await?.pop().flatten(),
        None => None,
    };
    let agreed = match &record {
        Some(Known::Here(record)) => agreed(&running.setup.rules.mappings, &entry, origin, record),
        Some(Known::Gone(_)) | None if entry.change.fields.iter().any(|field| field.why == Why::Undo) => {
            undo::brought_back(&running.setup.rules).collect()
        }
        Some(Known::Gone(_)) | None => Vec::new(),
    };
    let changes = vec![entry.change.clone()];
    let item = PlanItem { changes, agreed, ..PlanItem::of(id, pair, entry.then.clone()) };
    let sent = vec![crate::sent::Sent::Unknown("it is looked up".to_owned())];
    Ok(Some(Pending { number: NOT_PLANNED, item, entries: vec![entry], sent }))
}

/// The fields whose source still says what was sent; the others are compared anew, as at first pairing.
fn agreed(mappings: &[Mapping], entry: &JournalEntry, origin: Side, record: &Record) -> Vec<Agreed> {
    let unmoved = |mapping: &&Mapping| {
        let target = origin.other();
        let sent = entry.change.fields.iter().find(|field| field.field == *mapping.field(target));
        let now = record.get(mapping.field(origin));
        let same = match sent {
            Some(sent) => now == Some(&sent.after),
            None => now.is_some_and(syncline_core::Value::is_blank),
        };
        mapping.rule != MappingRule::Off && mapping.is_plain_to(target) && same
    };
    mappings.iter().filter(unmoved).map(Agreed::under).collect()
}
