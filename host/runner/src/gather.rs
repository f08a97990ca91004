//! Reads the pages of an endpoint, several of them together where they are small: a commit costs more than a page does.
//!
//! Invariant: pages are gathered in their order, and of a record in several of them the last word counts.
//! Not here: what is done with them, and where a read goes on afterwards (`pull`).

use std::collections::HashSet;

use syncline_core::{RecordId, Value};

use crate::endpoint::EndpointAccess;
use crate::patience::patiently;
use crate::{Failure, Page, Progress, ReadMode, ReadRequest};

/// Records from which on nothing is gathered any more.
const RECORDS_ENOUGH: usize = 500;

/// Pages that are gathered at the most: a crash costs no more than these.
const PAGES_TOGETHER_MAX: u32 = 5;

/// Bytes of text from which on nothing is gathered any more.
const BYTES_ENOUGH: usize = 1024 * 1024;

/// Pages that one read may take. A connector that never ends is stopped here and reported.
const PAGES_PER_READ_MAX: u64 = 10_000_000;

/// Empty pages in a row with a cursor that does not move, before the connector is stopped.
const STANDING_PAGES_MAX: u32 = 2;

/// One read of an endpoint, page after page.
pub(crate) struct Gatherer {
    mode: ReadMode,
    pages: u64,
    standing: u32,
    /// A page that was read and did not fit to those before it.
    ahead: Option<Page>,
    /// What ended the reading after pages that are to be kept first.
    failed: Option<Failure>,
}

impl Gatherer {
    pub(crate) fn new(mode: ReadMode) -> Self {
        Self { mode, pages: 0, standing: 0, ahead: None, failed: None }
    }

    /// Reads on from `cursor`, where the last pages ended.
    pub(crate) async fn next(
        &mut self,
        endpoint: &EndpointAccess<'_>,
        cursor: Option<String>,
    ) -> Result<Page, Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let mut gathered = match self.ahead.take() {
            Some(page) => page,
            None => self.one(endpoint, cursor).await?,
        };
        let mut bytes = text_bytes(&gathered);
        for _ in 1..PAGES_TOGETHER_MAX {
            let enough = gathered.records.rows.len() >= RECORDS_ENOUGH || bytes >= BYTES_ENOUGH;
            let Progress::More(next) = &gathered.next else { break };
            if enough {
                break;
            }
            match self.one(endpoint, Some(next.clone())).await {
                Ok(page) if page.records.columns == gathered.records.columns => {
                    bytes += text_bytes(&page);
                    append(&mut gathered, page);
                }
                Ok(page) => {
                    self.ahead = Some(page);
                    break;
                }
                Err(failure) => {
                    self.failed = Some(failure);
                    break;
                }
            }
        }
        Ok(gathered)
    }

    /// Reads one page.
    pub(crate) async fn one(&mut self, endpoint: &EndpointAccess<'_>, cursor: Option<String>) -> Result<Page, Failure> {
        if endpoint.context.stop.is_asked() {
            return Err(Failure::Stopped);
        }
        let connector = &endpoint.connector;
        let page = patiently(endpoint.context, endpoint.side, endpoint.setup, "reading", || {
            connector.read(ReadRequest {
                target: endpoint.setup.target(),
                fields: endpoint.state.layout.columns.clone(),
                mode: self.mode,
                cursor: cursor.clone(),
                limit: endpoint.described.object.read_page_max.max(1),
            })
        })
        .await?;
        self.check(endpoint, cursor.as_deref().unwrap_or_default(), &page)?;
        Ok(page)
    }

    /// Stops a connector that reads in circles.
    fn check(&mut self, endpoint: &EndpointAccess<'_>, cursor: &str, page: &Page) -> Result<(), Failure> {
        self.pages += 1;
        let empty = page.records.rows.is_empty() && page.tombstones.is_empty();
        match &page.next {
            Progress::More(next) if next == cursor && empty => self.standing += 1,
            _ => self.standing = 0,
        }
        let what = match self {
            _ if self.standing >= STANDING_PAGES_MAX => "gives empty pages with a cursor that does not move",
            _ if self.pages >= PAGES_PER_READ_MAX => "gives pages without end",
            _ => return Ok(()),
        };
        Err(Failure::Contract { endpoint: endpoint.setup.endpoint.clone(), what: what.to_owned() })
    }
}

/// Puts a page behind others with the same columns.
fn append(gathered: &mut Page, page: Page) {
    let told: HashSet<&RecordId> = page.records.rows.iter().map(|row| &row.id).collect();
    let gone: HashSet<&RecordId> = page.tombstones.iter().map(|tombstone| &tombstone.id).collect();
    gathered.records.rows.retain(|row| !told.contains(&row.id) && !gone.contains(&row.id));
    gathered.tombstones.retain(|tombstone| !told.contains(&tombstone.id) && !gone.contains(&tombstone.id));
    gathered.records.rows.extend(page.records.rows);
    gathered.tombstones.extend(page.tombstones);
    gathered.skipped.extend(page.skipped);
    gathered.next = page.next;
    gathered.complete = page.complete;
    gathered.total = gathered.total.or(page.total);
}

/// About how much memory the values of a page take.
fn text_bytes(page: &Page) -> usize {
    let of = |value: &Value| match value {
        Value::Clear | Value::Boolean(_) | Value::Integer(_) | Value::Moment(_) => 0,
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) | Value::Choice(text) | Value::Json(text) => {
            text.len()
        }
        Value::Zoned { local, zone } => local.len() + zone.len(),
        Value::Choices(texts) | Value::Texts(texts) => texts.iter().map(String::len).sum(),
        Value::References(links) => links.iter().map(|link| link.target.len() + link.id.len()).sum(),
    };
    page.records.rows.iter().flat_map(|row| &row.cells).flatten().map(of).sum()
}

#[cfg(test)]
mod tests {
    use syncline_core::{Fate, Tombstone};

    use super::*;
    use crate::{Row, Table};

    fn page(rows: &[(&str, &str)], gone: &[&str]) -> Page {
        let row = |(id, name): &(&str, &str)| Row {
            id: RecordId::new(*id),
            version: None,
            created_at: None,
            modified_at: None,
            cells: vec![Some(Value::Text((*name).to_owned()))],
        };
        let tombstone = |id: &&str| Tombstone { id: RecordId::new(*id), fate: Fate::Deleted, at: None };
        Page {
            records: Table { columns: vec!["name".into()], rows: rows.iter().map(row).collect() },
            tombstones: gone.iter().map(tombstone).collect(),
            skipped: Vec::new(),
            next: Progress::More(format!("after {}", rows.len())),
            complete: false,
            total: None,
        }
    }

    #[test]
    fn of_a_record_in_several_pages_the_last_word_counts() {
        let mut gathered = page(&[("1", "old"), ("2", "gone"), ("3", "here")], &["4"]);
        append(&mut gathered, page(&[("1", "new"), ("4", "back")], &["2"]));
        let rows: Vec<(&str, usize)> =
            gathered.records.rows.iter().map(|row| (row.id.as_str(), row.cells.len())).collect();
        assert_eq!(rows, [("3", 1), ("1", 1), ("4", 1)]);
        assert_eq!(gathered.records.rows[1].cells[0], Some(Value::Text("new".to_owned())));
        assert_eq!(gathered.tombstones.len(), 1, "4 is back, 2 is gone");
        assert_eq!(gathered.next, Progress::More("after 2".to_owned()), "the read goes on behind the last page");
    }
}
