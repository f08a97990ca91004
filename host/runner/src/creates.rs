//! Between pull and plan: looks up creates with an unknown outcome when it is time to.
//!
//! Invariant: such a create is sent again only after a look-up found nothing and nothing can still come to light (E1.8).

use syncline_core::{
    Agreed, EntryState, JournalEntry, Mapping, MappingRule, Pair, PairId, PairState, PlanItem, Record, Side,
};

use crate::push::Pending;
use crate::replica::Known;
use crate::running::Running;
use crate::{Failure, codec, recover, settle};

/// The plan holds no item with this number.
const NOT_PLANNED: u64 = u64::MAX;

/// Looks up the creates that are due and takes over what is found.
pub(crate) async fn look_up_due(running: &mut Running<'_>) -> Result<(), Failure> {
    let now = running.context.world.now();
    // Pairs that are listed without a time are there for another reason.
    let mut after = Some((0, PairId(u64::MAX)));
    loop {
        let due = running.synced.queued(now, after).await?;
        let Some(last) = due.last() else { return Ok(()) };
        after = Some(*last);
        let ids: Vec<PairId> = due.into_iter().map(|(_, id)| id).collect();
        let pairs = running.synced.pairs(&ids).await?;
        let mut page = Vec::new();
        for (id, pair) in ids.into_iter().zip(pairs) {
            if let Some(pair) = pair
                && let Some(pending) = pending(running, id, &pair).await?
            {
                page.push(pending);
            }
        }
        if !page.is_empty() {
            recover::look_up_page(running, &mut page).await?;
            page.iter().for_each(|pending| running.see(pending.item.pair));
            settle::settle(running, page).await?;
        }
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
        Some(Known::Gone(_)) | None => Vec::new(),
    };
    let item = PlanItem {
        pair: id,
        left: pair.left.clone(),
        right: pair.right.clone(),
        changes: vec![entry.change.clone()],
        agreed,
        conflicts: Vec::new(),
        left_out: Vec::new(),
        then: entry.then.clone(),
    };
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
    let names = |mapping: &Mapping| Agreed { left: mapping.left.clone(), right: mapping.right.clone() };
    mappings.iter().filter(unmoved).map(names).collect()
}
