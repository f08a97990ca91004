//! A step of a run: reads an endpoint's changes into its replica, page by page.
//!
//! Invariant: a page and its cursor are kept together. Invariant: absence means something only after a complete,
//! unbroken read of everything, and even then only raises the question (E4.1, E4.2).

use syncline_core::{Fate, Index, Record, RecordId, Tombstone};

use crate::codec::PAGE_ROWS;
use crate::endpoint::{EndpointAccess, Reading, all_seen};
use crate::gather::Gatherer;
use crate::patience::patiently;
use crate::replica::{Applied, Known};
use crate::setup::Event;
use crate::{Batch, Failure, Fault, Found, Key, Page, Progress, ReadMode, Row, Skipped, StoreTable, Table};
use crate::{absent, hints, index, unread};
use doubtful::confirm;
pub(crate) use doubtful::is_doubtful;

mod doubtful;

/// How often a list is begun whose cursor expires before its end.
pub(crate) const STARTS_MAX: u32 = 3;

/// What reading an endpoint did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Records in the pages.
    pub records: u64,
    /// What that changed in the replica.
    pub applied: Applied,
    /// Records that could not be read, at most a hundred, with the reasons.
    pub skipped: Vec<Skipped>,
    /// What cannot be right (E8.2).
    pub anomalies: Vec<String>,
}

impl Pulled {
    /// Keeps what could not be read for the run's log, and the first of it to be shown.
    pub(crate) fn skip(&mut self, endpoint: &EndpointAccess<'_>, skipped: Vec<Skipped>, batch: &mut Batch) {
        if let Some(run) = endpoint.run {
            unread::note(run, endpoint.side, endpoint.context.world.now(), &skipped, batch);
        }
        let room = 100_usize.saturating_sub(self.skipped.len());
        self.skipped.extend(skipped.into_iter().take(room));
    }
}

/// Reads what is new.
pub(crate) async fn pull(endpoint: &mut EndpointAccess<'_>) -> Result<Pulled, Failure> {
    let mut pulled = Pulled::default();
    match endpoint.state.index {
        Index::Full => read_new(endpoint, &mut pulled).await?,
        Index::Scoped => index::read_known(endpoint, &mut pulled).await?,
    }
    // Afterwards, so that what a hint tells is the last word.
    hints::follow(endpoint, &mut pulled).await?;
    endpoint.keep_renewed_schema().await?;
    Ok(pulled)
}

/// Reads what is new of all there is.
async fn read_new(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    // A read that an earlier run left half-way proves nothing about absence (E8.4).
    if let Reading::Full { cursor: Some(_), unbroken, .. } = &mut endpoint.state.reading {
        *unbroken = false;
    }
    if matches!(endpoint.state.reading, Reading::Changes { .. }) && !endpoint.described.object.abilities.changes {
        let batch = endpoint.restart("the application has no feed of changes".to_owned());
        endpoint.commit(batch).await?;
    }
    if matches!(endpoint.state.reading, Reading::Changes { .. }) && owes_a_read(endpoint) {
        let batch = endpoint.restart("the last read of everything could not tell what is gone".to_owned());
        endpoint.commit(batch).await?;
    }
    if matches!(endpoint.state.reading, Reading::Changes { .. }) && has_unreported(endpoint) {
        let batch = endpoint.restart("the feed does not tell of changes in all the fields that are read".to_owned());
        endpoint.commit(batch).await?;
    }
    if matches!(endpoint.state.reading, Reading::Changes { .. }) {
        read_changes(endpoint, pulled).await?;
    }
    if matches!(endpoint.state.reading, Reading::Full { .. }) {
        read_everything(endpoint, pulled).await?;
    } else if endpoint.described.object.abilities.ids && sweep_is_due(endpoint) {
        sweep(endpoint, pulled).await?;
    }
    Ok(())
}

pub(crate) async fn read_changes(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    let mut gatherer = Gatherer::new(ReadMode::Changes);
    let mut ready = None;
    while let Reading::Changes { cursor } = endpoint.state.reading.clone() {
        let page = match keep_and_read(endpoint, ready.take(), &mut gatherer, cursor.clone()).await {
            Err(Failure::Connector { source: Fault::CursorExpired(reason), .. }) if cursor.is_some() => {
                let batch = endpoint.restart(format!("the cursor has expired: {reason}"));
                endpoint.commit(batch).await?;
                gatherer = Gatherer::new(ReadMode::Changes);
                continue;
            }
            other => other?,
        };
        let page = match endpoint.state.index {
            Index::Full => page,
            Index::Scoped => index::only_known(endpoint, page, pulled).await?,
        };
        let page = confirm(endpoint, page, pulled).await?;
        let (next, done) = match page.next.clone() {
            Progress::More(next) => (next, false),
            Progress::Done(next) => (next, true),
        };
        endpoint.state.reading = Reading::Changes { cursor: Some(next) };
        let batch = take_in(endpoint, page, Batch::default(), pulled).await?;
        if done {
            endpoint.commit(batch).await?;
            break;
        }
        ready = Some(batch);
    }
    Ok(())
}

async fn read_everything(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    let mut gatherer = Gatherer::new(ReadMode::Full);
    let mut ready = None;
    let mut listed = 0;
    while let Reading::Full { cursor, noting, unbroken } = endpoint.state.reading.clone() {
        let page = match keep_and_read(endpoint, ready.take(), &mut gatherer, cursor.clone()).await {
            Err(Failure::Connector { source: Fault::CursorExpired(reason), .. }) if cursor.is_some() => {
                let batch = endpoint.restart(format!("the cursor has expired: {reason}"));
                endpoint.commit(batch).await?;
                gatherer = Gatherer::new(ReadMode::Full);
                listed = 0;
                continue;
            }
            other => other?,
        };
        let mut batch = Batch::default();
        if noting {
            // What an earlier read noted, before it broke off within its first pages, tells nothing of now.
            batch.writes.extend(cursor.is_none().then(|| all_seen(endpoint.space)));
            note(endpoint, &page, &mut batch);
        }
        listed += (page.records.rows.len() + page.skipped.len()) as u64;
        let page = confirm(endpoint, page, pulled).await?;
        let (page_complete, next) = (page.complete, page.next.clone());
        if let Progress::More(next) = next {
            endpoint.state.reading = Reading::Full { cursor: Some(next), noting, unbroken };
            ready = Some(take_in(endpoint, page, batch, pulled).await?);
            continue;
        }
        let complete = page_complete && unbroken;
        endpoint.state.read_at = endpoint.context.world.now();
        if complete {
            pulled.anomalies.extend(endpoint.listed(listed));
        }
        let mut batch = take_in(endpoint, page, batch, pulled).await?;
        let mut is_settled = true;
        if noting {
            // The page first, with the old cursor: a crash between the two reads this page once more.
            endpoint.commit(batch).await?;
            is_settled = match complete {
                true => absent::question(endpoint, pulled).await?,
                // A list that names every record, taken up again after a stop, has still to tell what is gone.
                false => look_at_unread(endpoint, pulled).await? && !page_complete,
            };
            batch = Batch::default();
            batch.writes.push(all_seen(endpoint.space));
        }
        let (Progress::More(next) | Progress::Done(next)) = next;
        endpoint.state.reading = Reading::Changes { cursor: Some(next) };
        // Where what is gone was not asked about, a list of ids is due at once.
        let is_owed = noting && !complete && endpoint.described.object.abilities.ids;
        endpoint.state.swept_at = if is_owed { 0 } else { endpoint.context.world.now() };
        endpoint.state.unswept = !is_settled;
        endpoint.commit(batch).await?;
    }
    Ok(())
}

/// True if only another read of everything can tell what is gone, since there is no list of ids.
fn owes_a_read(endpoint: &EndpointAccess<'_>) -> bool {
    let age = endpoint.context.world.now() - endpoint.state.swept_at;
    endpoint.state.unswept && !endpoint.described.object.abilities.ids && age >= sweep_every_ms(endpoint)
}

/// True if fields are read whose changes no feed tells of, and it is time to look at them (E10.1).
fn has_unreported(endpoint: &EndpointAccess<'_>) -> bool {
    let age = endpoint.context.world.now() - endpoint.state.read_at;
    let is_unreported = |name| endpoint.described.schema.field(name).is_some_and(|field| field.traits.unreported);
    age >= sweep_every_ms(endpoint) && endpoint.setup.fields.iter().any(is_unreported)
}

/// True if it is time to look for what the feed does not tell (E8.4).
pub(crate) fn sweep_is_due(endpoint: &EndpointAccess<'_>) -> bool {
    endpoint.context.world.now() - endpoint.state.swept_at >= sweep_every_ms(endpoint)
}

fn sweep_every_ms(endpoint: &EndpointAccess<'_>) -> i64 {
    endpoint.setup.sweep_every_ms.unwrap_or(endpoint.context.sweep_every_ms)
}

/// Lists every id and asks about those that are missing.
async fn sweep(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<(), Failure> {
    let mut gatherer = Gatherer::new(ReadMode::Ids);
    let mut cursor: Option<String> = None;
    let mut batch = Batch::default();
    batch.writes.push(all_seen(endpoint.space));
    let mut listed = 0;
    let mut starts = 1;
    let complete = loop {
        let page = match gatherer.one(endpoint, cursor.clone()).await {
            Err(failure) if cursor.is_some() && failure.is_of_old_cursor() && starts < STARTS_MAX => {
                starts += 1;
                (gatherer, cursor, listed) = (Gatherer::new(ReadMode::Ids), None, 0);
                batch.writes.push(all_seen(endpoint.space));
                continue;
            }
            other => other?,
        };
        note(endpoint, &page, &mut batch);
        listed += (page.records.rows.len() + page.skipped.len()) as u64;
        let complete = page.complete;
        let next = page.next.clone();
        let mut page = page;
        // Ids without values would read as records whose every field is unknown.
        let rows = std::mem::take(&mut page.records.rows);
        keep(endpoint, page, std::mem::take(&mut batch), pulled).await?;
        look_at_missed(endpoint, &rows, pulled).await?;
        match next {
            Progress::More(next) => cursor = Some(next),
            Progress::Done(_) => break complete,
        }
    };
    if complete {
        pulled.anomalies.extend(endpoint.listed(listed));
        absent::question(endpoint, pulled).await?;
    } else {
        look_at_unread(endpoint, pulled).await?;
    }
    endpoint.state.swept_at = endpoint.context.world.now();
    batch.writes.push(all_seen(endpoint.space));
    Ok(endpoint.commit(batch).await?)
}

/// Reads the records of a sweep's page that the feed did not tell of: unknown ids, versions that moved, and records of
/// which nothing is known any more.
async fn look_at_missed(endpoint: &mut EndpointAccess<'_>, rows: &[Row], pulled: &mut Pulled) -> Result<(), Failure> {
    let ids: Vec<RecordId> = rows.iter().map(|row| row.id.clone()).collect();
    let known = endpoint.replica().get(&ids).await?;
    let is_missed = |row: &Row, known: &Option<Known>| match known {
        Some(Known::Here(record)) => (row.version.is_some() && row.version != record.version) || is_unread(record),
        Some(Known::Gone(_)) | None => true,
    };
    let missed = rows.iter().zip(&known).filter(|(row, known)| is_missed(row, known)).map(|(row, _)| row.id.clone());
    let missed: Vec<RecordId> = missed.collect();
    let batch_max = (endpoint.described.object.get_batch_max.max(1)) as usize;
    for ids in missed.chunks(batch_max) {
        look(endpoint, ids, pulled).await?;
    }
    Ok(())
}

/// True if nothing was read of a record since fields are read that were not read before.
fn is_unread(record: &Record) -> bool {
    record.cells.iter().all(Option::is_none)
}

/// Reads by id what a list that need not name every record left out, although nothing is known of it any more. Returns
/// false if it stays unclear what became of some.
async fn look_at_unread(endpoint: &mut EndpointAccess<'_>, pulled: &mut Pulled) -> Result<bool, Failure> {
    let mut all_clear = true;
    if !endpoint.described.object.abilities.get || !absent::has_noted(endpoint).await? {
        return Ok(all_clear);
    }
    let mut after = RecordId::new("");
    loop {
        let page = endpoint.replica().scan(&after, PAGE_ROWS).await?;
        let Some((last, _)) = page.last() else { return Ok(all_clear) };
        after = last.clone();
        let is_left = |known: &Known| matches!(known, Known::Here(record) if is_unread(record));
        let unread: Vec<RecordId> = page.into_iter().filter(|(_, known)| is_left(known)).map(|(id, _)| id).collect();
        let batch_max = (endpoint.described.object.get_batch_max.max(1)) as usize;
        for ids in unread.chunks(batch_max) {
            all_clear &= look(endpoint, ids, pulled).await?;
        }
    }
}

/// Notes the ids of a page as seen.
fn note(endpoint: &EndpointAccess<'_>, page: &Page, batch: &mut Batch) {
    let skipped = page.skipped.iter().map(|skipped| &skipped.id);
    for id in page.records.rows.iter().map(|row| &row.id).chain(skipped) {
        batch.put(Key::new(endpoint.space, StoreTable::Seen, id.as_str().as_bytes()), Vec::new());
    }
}

/// Reads records by id and keeps what that tells. Returns false if it stays unclear what became of some.
pub(crate) async fn look(
    endpoint: &mut EndpointAccess<'_>,
    ids: &[RecordId],
    pulled: &mut Pulled,
) -> Result<bool, Failure> {
    if ids.is_empty() || !endpoint.described.object.abilities.get {
        return Ok(true);
    }
    let connector = &endpoint.connector;
    let fields = endpoint.state.layout.columns.clone();
    let answer = patiently(endpoint.context, endpoint.side, endpoint.setup, "looking up records of", || {
        connector.get(ids.to_vec(), fields.clone())
    })
    .await?;
    let (mut tombstones, mut unclear) = (Vec::new(), Vec::new());
    for (id, found) in ids.iter().zip(answer.found) {
        match found {
            Found::Gone(tombstone) => tombstones.push(tombstone),
            Found::Moved { id: now, .. } => {
                tombstones.push(Tombstone { id: id.clone(), fate: Fate::MergedInto(now), at: None });
            }
            Found::Unclear(reason) => unclear.push(Skipped { id: id.clone(), reason }),
            Found::At(_) => {}
        }
    }
    let all_clear = unclear.is_empty();
    let mut batch = Batch::default();
    pulled.skip(endpoint, unclear, &mut batch);
    keep_rows(endpoint, answer.records, &tombstones, batch, pulled).await?;
    Ok(all_clear)
}

/// Keeps what is ready and reads on meanwhile, since neither needs the other.
///
/// Invariant: what is read here is taken in after what is ready was kept.
async fn keep_and_read(
    endpoint: &EndpointAccess<'_>,
    ready: Option<Batch>,
    gatherer: &mut Gatherer,
    cursor: Option<String>,
) -> Result<Page, Failure> {
    let Some(batch) = ready else { return gatherer.next(endpoint, cursor).await };
    let (kept, page) = tokio::join!(endpoint.commit(batch), gatherer.next(endpoint, cursor));
    kept?;
    page
}

/// Keeps a page together with where the read goes on.
async fn keep(endpoint: &mut EndpointAccess<'_>, page: Page, batch: Batch, pulled: &mut Pulled) -> Result<(), Failure> {
    let batch = take_in(endpoint, page, batch, pulled).await?;
    Ok(endpoint.commit(batch).await?)
}

/// Takes a page in, for a commit together with where the read goes on.
async fn take_in(
    endpoint: &mut EndpointAccess<'_>,
    page: Page,
    mut batch: Batch,
    pulled: &mut Pulled,
) -> Result<Batch, Failure> {
    pulled.records += page.records.rows.len() as u64;
    pulled.skip(endpoint, page.skipped, &mut batch);
    let batch = take_in_rows(endpoint, page.records, &page.tombstones, batch, pulled).await?;
    endpoint.context.say(Event::Read {
        endpoint: endpoint.setup.endpoint.clone(),
        records: pulled.records,
        total: page.total,
    });
    Ok(batch)
}

pub(crate) async fn keep_rows(
    endpoint: &mut EndpointAccess<'_>,
    table: Table,
    tombstones: &[Tombstone],
    batch: Batch,
    pulled: &mut Pulled,
) -> Result<(), Failure> {
    let batch = take_in_rows(endpoint, table, tombstones, batch, pulled).await?;
    Ok(endpoint.commit(batch).await?)
}

async fn take_in_rows(
    endpoint: &mut EndpointAccess<'_>,
    table: Table,
    tombstones: &[Tombstone],
    mut batch: Batch,
    pulled: &mut Pulled,
) -> Result<Batch, Failure> {
    if !tombstones.is_empty() {
        endpoint.verify_account().await?;
    }
    let mut sequence = endpoint.state.sequence;
    let applied = endpoint.replica().apply(table, tombstones, &mut sequence, &mut batch).await?;
    endpoint.state.sequence = sequence;
    endpoint.count(&applied);
    pulled.applied.changed += applied.changed;
    pulled.applied.known += applied.known;
    pulled.applied.stale += applied.stale;
    Ok(batch)
}
